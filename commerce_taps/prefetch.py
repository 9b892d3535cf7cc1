"""Reads partitions ahead in worker threads, and returns their pages in the order of the run."""

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
"""Seconds that other partitions may take once one of them has an error that ends the run."""


@dataclass(slots=True)
class PartitionPages:
    """The pages of one partition.

    Attributes:
        key: The stream and the partition.
        pages: Reads the pages, one with each call of `next`.
        next: The next page; `None` at the end, or the error that reading ended with.
    """

    key: Hashable
    pages: Iterator[Page]
    next: Future[Page | None] = field(default_factory=Future)


class Prefetch:
    """Reads partitions ahead.

    At most `concurrency` partitions are open, each with one page requested or ready. This bounds
    the memory to as many pages, and the one being written.
    """

    def __init__(
        self, plan: Iterator[PartitionPages], concurrency: int, tick: Callable[[], None]
    ) -> None:
        """Prepare reading; nothing starts before the first call of `pages`.

        Args:
            plan: The partitions, in the order of the run.
            concurrency: How many partitions may be open.
            tick: Called every `TICK` seconds while `pages` waits; may raise.
        """
        self._plan = plan
        self._tick = tick
        self._concurrency = concurrency
        self._open: deque[PartitionPages] = deque()
        self._workers = DaemonPool(concurrency)
        self._stopping_since: float | None = None

    def _fill(self) -> None:
        while len(self._open) < self._concurrency:
            partition = next(self._plan, None)
            if partition is None:
                return
            self._open.append(partition)
            self._fetch_next(partition)

    def _fetch_next(self, partition: PartitionPages) -> None:
        partition.next = self._workers.submit(partial(next_page, partition.pages))

    def _wait(self) -> None:
        """Call `tick`, and stop waiting for a page soon after another partition ended the run.

        Raises:
            TapStopped: The run is ending. The page could take minutes, and the state before it is
                complete.
        """
        self._tick()
        for partition in self._open:
            error = partition.next.exception() if partition.next.done() else None
            if isinstance(error, TapStopped):
                now = time.monotonic()
                self._stopping_since = self._stopping_since or now
                if now - self._stopping_since > PATIENCE:
                    raise error

    def pages(self, key: Hashable) -> Iterator[Page]:
        """Return a partition's pages in order, while a worker reads the next one.

        Args:
            key: The partition. Those before it in the plan are skipped.

        Raises:
            TapError: The error of this partition, or of a later one if it ends the run.
            KeyError: The plan does not have the partition.
        """
        self._fill()
        while self._open and self._open[0].key != key:
            self._open.popleft()
            self._fill()
        if not self._open:
            raise KeyError(key)
        partition = self._open[0]
        try:
            while (page := wait_for(partition.next, self._wait)) is not None:
                self._fetch_next(partition)
                yield page
        finally:
            self._open.popleft()
            self._fill()
            if not self._open:  # it was the last one
                self._workers.end()


def next_page(pages: Iterator[Page]) -> Page | None:
    """Read the next page of a partition.

    Returns:
        The page; `None` at the end.

    Raises:
        TapError: Reading failed. Any other exception becomes an `UnexpectedError`.
    """
    try:
        return next(pages, None)
    except TapError:
        raise
    except Exception as error:
        raise UnexpectedError(error) from error
