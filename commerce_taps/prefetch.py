"""Reads ahead of need: partitions in worker threads, their pages in the order of the run."""

from __future__ import annotations

import time
import typing as t
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from commerce_taps.errors import TapError, TapStopped, UnexpectedError
from commerce_taps.threads import DaemonPool, wait_for

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from commerce_taps.pagination.page import Page

PATIENCE = 4.0
"""Seconds that are left to other partitions once one of them has met what ends the run."""


@dataclass(slots=True)
class PartitionPages:
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

    def __init__(
        self, plan: Iterator[PartitionPages], concurrency: int, tick: Callable[[], None]
    ) -> None:
        """Ask for nothing yet.

        Args:
            plan: The partitions in the order in which they will be emitted.
            concurrency: Partitions open at once.
            tick: Called again and again while the next page is waited for; may raise.
        """
        self._plan = plan
        self._tick = tick
        self._concurrency = concurrency
        self._open: deque[PartitionPages] = deque()
        self._workers = DaemonPool(concurrency)
        self._hopeless_since: float | None = None

    def _fill(self) -> None:
        while len(self._open) < self._concurrency:
            chain = next(self._plan, None)
            if chain is None:
                return
            self._open.append(chain)
            self._fetch_next(chain)

    def _fetch_next(self, chain: PartitionPages) -> None:
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
            while (page := wait_for(chain.next, self._wait)) is not None:
                self._fetch_next(chain)
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
        TapError: What the reading ended in; `UnexpectedError` for whatever is none.
    """
    try:
        return next(pages, None)
    except TapError:
        raise
    except Exception as error:
        raise UnexpectedError(error) from error
