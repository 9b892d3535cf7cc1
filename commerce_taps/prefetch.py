"""Reads ahead of need: partitions in worker threads, their pages in the order of the run."""

from __future__ import annotations

import queue
import threading
import typing as t
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial

from commerce_taps.errors import TapError, Unforeseen
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


class Workers:
    """Threads that do what may block, each one thing at a time."""

    def __init__(self, count: int) -> None:
        """Start the threads.

        Args:
            count: How many.
        """
        self._count = count
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        for _ in range(count):
            # Daemons: a request that hangs must not keep an interrupted run from ending.
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

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

        self._work.put(run)
        return future

    def end(self) -> None:
        """Let the threads end once all that was submitted is done."""
        for _ in range(self._count):
            self._work.put(None)


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
        """Start the worker threads.

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

    def _fill(self) -> None:
        while len(self._open) < self._concurrency:
            chain = next(self._plan, None)
            if chain is None:
                return
            self._open.append(chain)
            self._ask(chain)

    def _ask(self, chain: Chain) -> None:
        chain.next = self._workers.submit(partial(next_page, chain.pages))

    def pages(self, key: Hashable) -> Iterator[Page]:
        """Hand on a partition's pages, while the next one is already asked for.

        Args:
            key: The partition; those planned before it are given up.

        Yields:
            The pages in order.

        Raises:
            TapError: What the partition's reader ended in.
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
            while (page := result(chain.next, self._tick)) is not None:
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
