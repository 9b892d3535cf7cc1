"""Daemon threads for work that may block, so that an interrupted run can end."""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from concurrent.futures import Future, wait

from commerce_taps.errors import TapError
from commerce_taps.rate_limit import TICK

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = t.TypeVar("Result")


def wait_for(future: Future[Result], tick: Callable[[], None]) -> Result:
    """Wait for the result of a worker thread, and handle signals in the main thread.

    Args:
        future: The result.
        tick: Called every `TICK` seconds while waiting; may raise.
    """
    while not future.done():
        if not wait([future], timeout=TICK).done:
            tick()
    return future.result()


LINGER: t.Final = 5.0
"""Seconds after which an idle thread ends."""


class DaemonPool:
    """A pool of at most `count` daemon threads.

    Threads start when there is work for them, and end after `LINGER` idle seconds: a process that
    makes many runs does not collect the threads of all of them.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._linger = LINGER
        self._work: deque[Callable[[], None]] = deque()
        self._threads = self._idle = 0
        self._changed = threading.Condition()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # it keeps a result alive

    def _next(self) -> Callable[[], None] | None:
        """Wait for work; return `None` after `LINGER` seconds without any."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._work or not self._linger, self._linger)
            self._idle -= 1
            if self._work:
                return self._work.popleft()
            self._threads -= 1
            return None

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Run a function in the pool.

        Returns:
            Its result, or the exception it raises.
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
            # A request that hangs must not keep an interrupted run from ending.
            threading.Thread(target=self._run, daemon=True).start()
        return future

    def run_all(self, works: Iterable[Callable[[], Result]]) -> Iterator[Result]:
        """Run several functions in the pool. A function that runs in the pool must not call this.

        Yields:
            The results, in the order of the functions.

        Raises:
            Exception: The first that a function raises. Functions after it may not have run.
        """
        futures = deque(self.submit(work) for work in works)
        try:
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()

    def end(self) -> None:
        """End the threads after the last work that was submitted."""
        with self._changed:
            self._linger = 0
            self._changed.notify_all()


def run_interruptibly(work: Callable[[], Result], tick: Callable[[], None]) -> Result:
    """Run a function that may block in a thread of its own.

    Args:
        work: The function.
        tick: Called every `TICK` seconds while waiting; may raise.

    Returns:
        The function's result.
    """
    pool = DaemonPool(1)
    future = pool.submit(work)
    pool.end()
    return wait_for(future, tick)


class Once(t.Generic[Result]):
    """A value that the first thread to need it fetches.

    Args:
        fetch: Fetches the value. If it raises a `TapError`, each call raises this error.
    """

    def __init__(self, fetch: Callable[[], Result]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._values: list[Result] = []
        self._error: TapError | None = None

    def __call__(self) -> Result:
        """Return the value, or raise the error of the first call."""
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
