"""Processes of a tap: started, listened to, and never left behind."""

from __future__ import annotations

import atexit
import json
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).parents[1]
PATIENCE: Final = 240.0
"""Seconds after which a process that has not ended is taken for hung."""


class Forked:
    """A process that was forked off, with what is needed of a `Popen`'s interface.

    Attributes:
        args: Its arguments.
        stdout: What it writes, if that goes into a pipe.
        stderr: What it logs.

    Args:
        replies: Where its id and its exit code come from.
        args: Its arguments.
        stdout: Our end of the pipe it writes to, if it does.
        stderr: Our end of the pipe it logs to.
    """

    def __init__(
        self,
        replies: socket.socket,
        args: Sequence[str],
        stdout: IO[bytes] | None,
        stderr: IO[bytes] | None,
    ) -> None:
        self.args = args
        self.stdout = stdout
        self.stderr = stderr
        self._replies = replies
        self._code: int | None = None
        self._id = self._reply()

    def _reply(self) -> int:
        (number,) = struct.unpack("!i", self._replies.recv(4, socket.MSG_WAITALL))
        return int(number)

    def poll(self, timeout: float = 0) -> int | None:
        """Give its exit code, or None if it has none yet after some seconds."""
        if self._code is None and select.select([self._replies], [], [], timeout)[0]:
            self._code = self._reply()
        return self._code

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end, and give its exit code as `Popen` does.

        Raises:
            TimeoutExpired: It has not ended after that many seconds.
        """
        code = self.poll(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._id, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Forked


class Forks:
    """Starts processes of a tap, one after another. See `tests.forks`.

    Args:
        package: The tap's package.
    """

    def __init__(self, package: str) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._program = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", str(theirs.fileno()), package],
                pass_fds=[theirs.fileno()],
                env=environment(),
                cwd=ROOT,
            )
        atexit.register(self.close)

    def start(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        folder: Path,
        stdout: int,
        stderr: int,
    ) -> Forked:
        """Start a process.

        Args:
            arguments: Its arguments.
            variables: Its variables of the environment, besides those all have.
            folder: Where it runs.
            stdout: The descriptor it writes to, or `subprocess.PIPE`.
            stderr: The descriptor it logs to, or `subprocess.PIPE`.
        """
        (written, to_written), (log, to_log) = _ends(stdout), _ends(stderr)
        order = {"arguments": arguments, "variables": variables, "folder": str(folder)}
        socket.send_fds(self._socket, [json.dumps(order).encode()], [to_written, to_log])
        os.close(to_written)
        os.close(to_log)
        return Forked(self._socket, arguments, written, log)

    def close(self) -> None:
        """End the program."""
        self._socket.close()
        self._program.wait(PATIENCE)


def _ends(given: int) -> tuple[IO[bytes] | None, int]:
    """Give what we read from, if it is a pipe, and the descriptor the process writes to."""
    if given != subprocess.PIPE:
        return None, os.dup(given)
    ours, theirs = os.pipe()
    return os.fdopen(ours, "rb", 0), theirs


_forks: Final = cache(Forks)


@contextmanager
def started(
    package: str,
    arguments: Sequence[str],
    *,
    quick: bool = True,
    variables: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> Iterator[Process]:
    """Start a process of a tap; it does not outlive the context.

    Args:
        package: The tap's package.
        arguments: Its arguments.
        quick: Whether it is forked, and waits only briefly before it repeats a request.
        variables: Its variables of the environment, besides those that set no tap.
        folder: Where it runs.
        stdout: The descriptor it writes to, or `subprocess.PIPE`.
        stderr: The descriptor it logs to, or `subprocess.PIPE`.
    """
    running: Process
    if quick:
        running = _forks(package).start(arguments, variables or {}, folder, stdout, stderr)
    else:
        running = subprocess.Popen(
            [sys.executable, "-m", package, *arguments],
            cwd=folder,
            stdout=stdout,
            stderr=stderr,
            env=environment() | dict(variables or {}),
        )
    try:
        yield running
    finally:
        running.kill()
        for pipe in (running.stdout, running.stderr):
            if pipe is not None:
                pipe.close()
        running.wait()


def environment() -> dict[str, str]:
    """Give the environment without what would set a tap or its log."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "SINGER_SDK_")) and name != "LOGLEVEL"
    }


def listen(
    running: Process, watch: Callable[[], None] = lambda: None
) -> tuple[bytes, bytes, float]:
    """Read what a process prints until it ends.

    Args:
        running: The process, its outputs being pipes, or only its log.
        watch: Called again and again while it runs.

    Returns:
        Its output, its log, and the longest time without output.

    Raises:
        TimeoutError: It does not end.
    """
    heard: dict[Any, list[bytes]] = {running.stdout: [], running.stderr: []}
    began = last = time.monotonic()
    stall = 0.0
    with selectors.DefaultSelector() as selector:
        for pipe in filter(None, heard):
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            watch()
            for key, _ in selector.select(0.01):
                if data := os.read(key.fd, 1 << 20):
                    heard[key.fileobj].append(data)
                else:
                    selector.unregister(key.fileobj)
                now = time.monotonic()
                stall, last = max(stall, now - last), now
            if time.monotonic() - began > PATIENCE:
                running.send_signal(signal.SIGABRT)
                raise TimeoutError(f"{running.args!r} does not end")
    return b"".join(heard[running.stdout]), b"".join(heard[running.stderr]), stall
