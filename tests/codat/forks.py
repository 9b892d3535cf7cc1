"""Starts many processes of the tap without the second that the imports of each would take.

A program of its own: it imports the tap, and for each order, a line of JSON on its standard input,
it forks off a process that becomes the tap. It answers with that process's exit code. What is
forked off has its own arguments, environment, folder, standard output and standard error, and ends
as any process of the tap does; only its imports were made before.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tap_codat.tap import TapCodat


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(order: dict[str, Any]) -> None:
    os.chdir(order["folder"])
    os.environ.update(order["variables"])
    for number, path in enumerate((os.devnull, order["stdout"], order["stderr"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    TapCodat.cli(order["arguments"], "tap-codat")


if __name__ == "__main__":
    main()
