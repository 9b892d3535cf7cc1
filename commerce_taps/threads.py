"""Threads for what may block: they never keep an interrupted run from ending."""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from concurrent.futures import Future, wait

from commerce_taps.errors import TapError
from commerce_taps.rate_limit import TICK

if t.TYPE_CHECKING:
    from collections.abc import Callable

Result = t.TypeVar("Result")


def wait_for(future: Future[Result], tick: Callable[[], None]) -> Result:
    """Wait for what a worker thread does, without going deaf.

    Args:
        future: The work.
        tick: Called again and again meanwhile; may raise.

    Returns:
        The work's result.
    """
    while not future.done():
        if not wait([future], timeout=TICK).done:
            tick()
    return future.result()


LINGER: t.Final = 5.0
"""Seconds after which a thread that has nothing to do ends."""


class DaemonPool:
    """Threads that do what may block, each one thing at a time.

    They start as they are needed, and end where nothing has come for a while: a process that makes
    many runs is not left with the threads of all of them.
    """

    def __init__(self, count: int) -> None:
        """Start nothing yet.

        Args:
            count: How many threads there may be.
        """
        self._count = count
        self._linger = LINGER
        self._work: deque[Callable[[], None]] = deque()
        self._threads = self._idle = 0
        self._changed = threading.Condition()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # it holds on to a result

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do: `None` once nothing has come for too long."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._work or not self._linger, self._linger)
            self._idle -= 1
            if self._work:
                return self._work.popleft()
            self._threads -= 1
            return None

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Have something done.

        Args:
            work: What to do.

        Returns:
            Its result, or the error it ends in.
        """
        future: Future[Result] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                    future.set_exception(error)

        with self._changed:
            self._work.append(run)
            self._changed.notify()
            starts = len(self._work) > self._idle and self._threads < self._count
            self._threads += starts
        if starts:
            # Daemons: a request that hangs must not keep an interrupted run from ending.
            threading.Thread(target=self._run, daemon=True).start()
        return future

    def end(self) -> None:
        """Let the threads end once all that was submitted is done."""
        with self._changed:
            self._linger = 0
            self._changed.notify_all()


def run_interruptibly(work: Callable[[], Result], tick: Callable[[], None]) -> Result:
    """Do something that may block in a thread of its own.

    Args:
        work: What to do.
        tick: Called again and again meanwhile; may raise.

    Returns:
        The work's result.
    """
    workers = DaemonPool(1)
    future = workers.submit(work)
    workers.end()
    return wait_for(future, tick)


class Once(t.Generic[Result]):
    """A value that is fetched once, by whichever thread needs it first."""

    def __init__(self, fetch: Callable[[], Result]) -> None:
        """Fetch nothing yet.

        Args:
            fetch: Fetches the value. A `TapError` that it raises is kept and raised each time.
        """
        self._fetch = fetch
        self._lock = threading.Lock()
        self._values: list[Result] = []
        self._error: TapError | None = None

    def __call__(self) -> Result:
        """Return the value.

        Raises:
            TapError: As the first time.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._values:
                try:
                    self._values.append(self._fetch())
                except TapError as error:
                    self._error = error
                    raise
            return self._values[0]
