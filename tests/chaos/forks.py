"""Starts processes of a tap without the half second that the imports of each would take.

    python -m tests.chaos.forks DESCRIPTOR PACKAGE

A program of its own: it imports the tap, and for each order that comes in over the socket, a JSON
object with two pipes, it forks off a process that becomes the tap, and tells its id and, once it
has ended, its exit code. What is forked off has its own arguments, environment, standard output and
log, and ends as any process of the tap does; only its imports were made before, and the waits
between two tries are short.
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

from commerce_taps import http

if TYPE_CHECKING:
    from collections.abc import Iterable


def main(descriptor: str, package: str) -> None:
    importlib.import_module(f"{package}.tap")
    http.FIRST_WAIT = 0.02
    with socket.socket(fileno=int(descriptor)) as orders:
        while True:
            order, pipes, _, _ = socket.recv_fds(orders, 1 << 16, 2)
            if not order:
                return
            child = os.fork()
            if not child:
                orders.close()
                become(package, json.loads(order), pipes)
                return
            for pipe in pipes:
                os.close(pipe)
            orders.send(struct.pack("!i", child))
            _, status = os.waitpid(child, 0)
            orders.send(struct.pack("!i", os.waitstatus_to_exitcode(status)))


def become(package: str, order: dict[str, Any], pipes: Iterable[int]) -> None:
    os.environ.update(order["variables"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, ours in enumerate((nothing, *pipes)):
        os.dup2(ours, number)
        os.close(ours)
    sys.argv = [package, *order["arguments"]]
    runpy.run_module(package, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
