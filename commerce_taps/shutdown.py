"""Ends the process soon after a signal, even if its main thread is blocked.

A handler notes the signal, and the main thread acts on it between two pages, so that it cuts no
line. That thread may be blocked by a pipe that is full, or by a request.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
import typing as t

from commerce_taps.errors import TapStopped
from commerce_taps.output import bytes_written
from commerce_taps.rate_limit import TICK

if t.TYPE_CHECKING:
    from typing_extensions import Self

GRACE = 4.0
"""Seconds until the process ends after a signal. They start again while output is being read."""


class Interrupt:
    """The signal that ends one run. A handler notes it; the run acts on it between two pages.

    Attributes:
        exit_code: 128 plus the number of the signal; 0 as long as none has come.
    """

    exit_code = 0

    def note(self, number: int) -> None:
        """Note a signal. Safe in a signal handler: it does not block.

        Args:
            number: The signal.
        """
        self.exit_code = 128 + number
        DEADLINE.note(number)

    def check(self) -> None:
        """End the run if a signal has come.

        Raises:
            TapStopped: One has.
        """
        if self.exit_code:
            name = signal.Signals(self.exit_code - 128).name
            raise TapStopped(f"the run was interrupted by {name}")


class Deadline:
    """Limits how long a command continues after a signal.

    Outside of a command it does nothing: a program that uses a tap as a library keeps running.

    Attributes:
        code: The exit code for the signal; 0 if there was none.
    """

    def __init__(self) -> None:
        self.code = 0
        self._signals: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Start a command."""
        self.code = 0
        self._signals = queue.SimpleQueue()
        threading.Thread(target=self._watch, args=(self._signals,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the command, in time."""
        self._signals.put(None)

    def note(self, number: int) -> None:
        """Note a signal. Safe in a signal handler: it does not block."""
        self.code = 128 + number
        self._signals.put(number)

    def _watch(self, signals: queue.SimpleQueue[int | None]) -> None:
        if signals.get() is None:
            return
        before, until = bytes_written(), time.monotonic() + GRACE
        while time.monotonic() < until:
            try:
                if signals.get(timeout=TICK) is None:
                    return
            except queue.Empty:
                if bytes_written() != before:
                    before, until = bytes_written(), time.monotonic() + GRACE
        # In a thread of its own, since the log may be blocked as well.
        logging_thread = threading.Thread(target=_log_timeout, daemon=True)
        logging_thread.start()
        logging_thread.join(TICK)
        os._exit(self.code)


def _log_timeout() -> None:
    logging.getLogger(__name__).error(
        "Stopped: the run was interrupted and did not end within %d seconds: the program that "
        "reads the output is blocked, or a server does not respond. The next run reads what was "
        "not written.",
        GRACE,
    )
    sys.stderr.flush()


DEADLINE: t.Final = Deadline()
"""The deadline of this process."""
