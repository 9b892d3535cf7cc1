"""Reads ahead of need: partitions in worker threads, their pages in the order of the run."""

from __future__ import annotations

import threading
import time
import typing as t
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial

from commerce_taps.errors import TapError, TapStopped, Unforeseen
from commerce_taps.governor import TICK

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from commerce_taps.records import Page

Answer = t.TypeVar("Answer")


def result(future: Future[Answer], tick: Callable[[], None]) -> Answer:
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

PATIENCE: t.Final = 4.0
"""Seconds that are left to other partitions once one of them has met what ends the run."""


class Workers:
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
            self._changed.wait_for(lambda: self._work, self._linger)
            self._idle -= 1
            if self._work:
                return self._work.popleft()
            self._threads -= 1
            return None

    def submit(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Have something done.

        Args:
            work: What to do.

        Returns:
            Its result, or the error it ends in.
        """
        future: Future[Answer] = Future()

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


def aside(work: Callable[[], Answer], tick: Callable[[], None]) -> Answer:
    """Do something that may block in a thread of its own.

    Args:
        work: What to do.
        tick: Called again and again meanwhile; may raise.

    Returns:
        The work's result.
    """
    workers = Workers(1)
    future = workers.submit(work)
    workers.end()
    return result(future, tick)


@dataclass(slots=True)
class Chain:
    """The pages of one partition.

    Attributes:
        key: Which stream and partition.
        pages: Reads the next page each time it is asked for one.
        next: The next page: `None` at the end, or the error it ended in.
    """

    key: Hashable
    pages: Iterator[Page]
    next: Future[Page | None] = field(default_factory=Future)


class Prefetch:
    """Reads partitions ahead of need.

    At most `concurrency` partitions are open, each with one page asked for or waiting; with the
    page being emitted that bounds the memory.
    """

    def __init__(self, plan: Iterator[Chain], concurrency: int, tick: Callable[[], None]) -> None:
        """Ask for nothing yet.

        Args:
            plan: The partitions in the order in which they will be emitted.
            concurrency: Partitions open at once.
            tick: Called again and again while the next page is waited for; may raise.
        """
        self._plan = plan
        self._tick = tick
        self._concurrency = concurrency
        self._open: deque[Chain] = deque()
        self._workers = Workers(concurrency)
        self._hopeless_since: float | None = None

    def _fill(self) -> None:
        while len(self._open) < self._concurrency:
            chain = next(self._plan, None)
            if chain is None:
                return
            self._open.append(chain)
            self._ask(chain)

    def _ask(self, chain: Chain) -> None:
        chain.next = self._workers.submit(partial(next_page, chain.pages))

    def _wait(self) -> None:
        """Do what is due while a page is waited for, and wait no longer where that is in vain.

        Raises:
            TapStopped: The run is ending, or a partition further on has met what ends it: the page
                may come in minutes, and what comes in time is all that still can be had.
        """
        self._tick()
        for chain in self._open:
            error = chain.next.exception() if chain.next.done() else None
            if isinstance(error, TapStopped):
                now = time.monotonic()
                self._hopeless_since = self._hopeless_since or now
                if now - self._hopeless_since > PATIENCE:
                    raise error

    def pages(self, key: Hashable) -> Iterator[Page]:
        """Hand on a partition's pages, while the next one is already asked for.

        Args:
            key: The partition; those planned before it are given up.

        Yields:
            The pages in order.

        Raises:
            TapError: What the partition's reader ended in, or what ends the run further on.
            KeyError: The partition is not in the plan.
        """
        self._fill()
        while self._open and self._open[0].key != key:
            self._open.popleft()
            self._fill()
        if not self._open:
            raise KeyError(key)
        chain = self._open[0]
        try:
            while (page := result(chain.next, self._wait)) is not None:
                self._ask(chain)
                yield page
        finally:
            self._open.popleft()
            self._fill()
            if not self._open:  # that was the last one
                self._workers.end()


def next_page(pages: Iterator[Page]) -> Page | None:
    """Read the next page of a partition.

    Args:
        pages: Its pages.

    Returns:
        The page; `None` at the end.

    Raises:
        TapError: What the reading ended in; `Unforeseen` for whatever is none.
    """
    try:
        return next(pages, None)
    except TapError:
        raise
    except Exception as error:
        raise Unforeseen(error) from error
