"""Running a command as if it had been started directly: its signals in, its exit code out."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_BY_SIGNAL: Final = 128
"""The exit code of a shell for a command killed by signal N is this plus N."""

_FORWARDED: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        environment: Variables to set besides those of this process.

    Returns:
        The exit code: the command's own, or 128 and the number of the signal that ended it.

    Raises:
        OSError: The command cannot be run.
    """
    with _signals_held_back() as pass_on_to:
        process = subprocess.Popen(command, env={**os.environ, **environment})  # noqa: S603
        pass_on_to(process)
        code = process.wait()
    return code if code >= 0 else _BY_SIGNAL - code


class _PassOn:
    """Passes signals on to a process, once it runs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []

    def __call__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._waiting:
            process.send_signal(number)

    def signal(self, number: int, _frame: Any) -> None:  # noqa: ANN401 (a frame)
        """Handle a signal."""
        if number == signal.SIGINT and _in_foreground():
            return  # the terminal has sent it to the command as well
        if self._process is None:
            self._waiting.append(number)
        else:
            self._process.send_signal(number)


@contextmanager
def _signals_held_back() -> Iterator[_PassOn]:
    pass_on = _PassOn()
    before = {number: signal.signal(number, pass_on.signal) for number in _FORWARDED}
    try:
        yield pass_on
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Return whether the terminal sends its signals to this process."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
