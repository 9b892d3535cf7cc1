"""Start processes of a tap without the second that the imports of each would take.

    python -m tests.forks DESCRIPTOR PACKAGE

This program imports the tap. For each order that comes in over the socket, a JSON object with two
open files, it forks off a process that becomes the tap, and sends back the id of the process and,
once it has ended, its exit code. The process has its own arguments, environment, folder, standard
output and log, and ends as any process of the tap does; only its imports were made before, and it
waits only briefly, between two attempts or for what hangs at its end.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from commerce_taps import http, prefetch, shutdown

if TYPE_CHECKING:
    from collections.abc import Iterable


def main(descriptor: str, package: str) -> None:
    importlib.import_module(f"{package}.tap")
    http.FIRST_BACKOFF = 0.02
    shutdown.GRACE = prefetch.PATIENCE = 0.5
    with socket.socket(fileno=int(descriptor)) as orders:
        while True:
            order, files, _, _ = socket.recv_fds(orders, 1 << 16, 2)
            if not order:
                return
            child = os.fork()
            if not child:
                orders.close()
                become(package, json.loads(order), files)
                return
            for file in files:
                os.close(file)
            orders.send(struct.pack("!i", child))
            _, status = os.waitpid(child, 0)
            orders.send(struct.pack("!i", os.waitstatus_to_exitcode(status)))


def become(package: str, order: dict[str, Any], files: Iterable[int]) -> None:
    os.chdir(order["folder"])
    os.environ.update(order["variables"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, ours in enumerate((nothing, *files)):
        os.dup2(ours, number)
        os.close(ours)
    sys.argv = [package, *order["arguments"]]
    runpy.run_module(package, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
