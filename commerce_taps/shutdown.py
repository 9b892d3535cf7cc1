"""Ends the process soon after a signal, even where its main thread does not get to look at it.

A signal is noted, and acted on between two pages, so that no line is torn. But the thread that
would act may be inside of a write, since the pipe is full and nobody reads it, or of a request.
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
"""Seconds a run has to end by itself; as long as its output is taken they begin anew."""


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
    """Bounds how long a command goes on after a signal.

    Attributes:
        code: The exit code of the signal that came; 0 if none has.
    """

    def __init__(self) -> None:
        """Bound nothing yet: who makes a tap in a process of their own keeps the process."""
        self.code = 0
        self._signals: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Begin a command."""
        self.code = 0
        self._signals = queue.SimpleQueue()
        threading.Thread(target=self._watch, args=(self._signals,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End a command: it has ended in time."""
        self._signals.put(None)

    def note(self, number: int) -> None:
        """Note a signal. A signal handler may do so: it waits for nobody.

        Args:
            number: The signal.
        """
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
        # In a thread of its own: nobody may read the log either.
        told = threading.Thread(target=_tell, daemon=True)
        told.start()
        told.join(TICK)
        os._exit(self.code)


def _tell() -> None:
    logging.getLogger(__name__).error(
        "Stopped: the run was interrupted and did not end within %d seconds: the program that "
        "reads the output takes nothing, or a server does not answer. What was not written comes "
        "in the next run.",
        GRACE,
    )
    sys.stderr.flush()


DEADLINE: t.Final = Deadline()
"""The one of this process."""
