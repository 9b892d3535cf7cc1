"""Reads a list whose page numbers and totals cannot be relied on."""

from __future__ import annotations

import typing as t

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import (
    KEPT_CHANGING,
    MAX_EXTRA_PAGES,
    MAX_PASSES,
    Identify,
    Page,
    digest,
    ends_before_total,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator


def reverse_pages(
    ask: Callable[[int], Page],
    identify: Identify,
    size: int,
    *,
    ascending: bool = False,
    stays: bool = False,
) -> Iterator[Page]:
    """Read a list whose page numbers and totals cannot be relied on.

    There may be no total, or one that is too low or that of the page; the last page may come again
    for every number beyond it. So a page without anything new ends the list, one that is not full
    does unless the total says otherwise, and a total that has not been reached has the list read
    once more; if that brings nothing new, records are missing.

    A list in ascending order of something that rows only get more of, such as an id or the time of
    the last change, is read from the last page to the first. Rows that go, or move to the end, let
    the others slide towards the pages still to come, so none is missed.

    Args:
        ask: Asks for a page.
        identify: Gives a record's identity within the list.
        size: How many records a page is asked to have.
        ascending: Whether the list is in such an order.
        stays: Whether a row keeps its place in it when it changes, as in the order of ids.

    Yields:
        The pages that have something new, and of them what is new. That it ends well tells that the
        list was read whole.

    Raises:
        PartitionFailed: The list kept changing while it was read, or ends before the total.
    """
    walk = _Walk(ask, identify, size, stays=stays)
    for reading in range(MAX_PASSES):
        known = len(walk.keys)
        walk.begin()
        pages = walk.backward() if ascending and not reading else walk.forward(1)
        yield from (page for page in pages if page.records)
        stood_still = len(walk.totals) <= 1
        if walk.count >= walk.total and (stood_still or walk.slides_back):
            return
        if reading and stood_still and len(walk.keys) == known:
            raise PartitionFailed(ends_before_total(walk.count, walk.total))
    raise PartitionFailed(KEPT_CHANGING)


class _Walk:
    """Readings of one list, page by page.

    Attributes:
        keys: The records seen in all readings, by their identity.
        found: Those of this reading.
        missing: How many of this reading could not be read, by page.
        total: How many records there are, as far as that can be believed; else 0.
        totals: What was said of it in this reading.
        slides_back: Whether the reading went from the last page to the first.
    """

    def __init__(
        self, ask: Callable[[int], Page], identify: Identify, size: int, *, stays: bool
    ) -> None:
        self._ask = ask
        self._identify = identify
        self._size = size
        self._stays = stays
        self._seen: set[bytes] = set()
        self.keys: set[Hashable] = set()
        self.begin()

    def begin(self) -> None:
        """Begin another reading."""
        self.found: set[Hashable] = set()
        self.missing: dict[int, int] = {}
        self.total = 0
        self.totals: set[int] = set()
        self.slides_back = False

    def _take(self, number: int) -> tuple[Page, Page]:
        """Ask for a page. Returns it, and of it what is new."""
        reply = self._ask(number)
        if reply.total is not None and reply.total > len(reply.records):
            self.total = reply.total  # any other may be the number of rows of this page
            self.totals.add(reply.total)
        keys = list(map(self._identify, reply.records))
        self.missing[number] = reply.missing
        self.found.update(keys)
        self.keys.update(keys)
        return reply, reply.unseen(self._seen)

    def forward(self, number: int) -> Iterator[Page]:
        """Read from a page to the end."""
        announced = self.total
        while not announced or number <= MAX_PASSES * -(-announced // self._size) + MAX_EXTRA_PAGES:
            before = len(self.found)
            reply, fresh = self._take(number)
            announced = announced or self.total
            yield fresh
            if (
                not self._is(reply, number)
                or (len(self.found) == before and not reply.missing)
                or (len(reply.records) < self._size and self.count >= self.total)
            ):
                return
            number += 1
        raise PartitionFailed(KEPT_CHANGING)

    def backward(self) -> Iterator[Page]:
        """Read from the last page to the first, then what has come to the end meanwhile."""
        reply, fresh = self._take(1)
        yield fresh
        last = self._pages
        if last <= 1 or len(reply.records) != self._size:
            if reply.records and (len(reply.records) >= self._size or last):
                yield from self.forward(2)
            return
        number, same, is_full = last, 0, False
        previous: list[bytes] = []
        while number:
            reply, fresh = self._take(number)
            yield fresh
            is_there = self._is(reply, number)
            is_full = is_full or (number == last and len(reply.records) >= self._size)
            marks = list(map(digest, reply.records))
            same, previous = same + 1 if marks and marks == previous else 0, marks
            if same > 1 or (not is_there and self._pages >= number):
                yield from self.forward(1)  # there are not as many as the total says
                return
            number = number - 1 if is_there else self._pages
        readings = 0
        while not (yield from self._tail()):
            readings += 1
            if readings == MAX_PASSES:
                raise PartitionFailed(KEPT_CHANGING)
        total = self.total
        if is_full:  # there may be more than the total says
            yield from self.forward(self._pages + 1)
        self.total = total  # what has come to the end since is for the next run
        self.slides_back = True

    def _tail(self) -> Generator[Page, None, bool]:
        """Read from the last page back to one that is known, so as to find what came behind it.

        Returns:
            Whether a known row was on the last page, so that all that is new was read at one
            moment. Else a row may have moved on to the end once more, ahead of the reading.
        """
        # One that has changed is known if it is where it was, and new if it may have moved.
        known: frozenset[Hashable] = frozenset(self.keys if self._stays else self._seen)
        mark = self._identify if self._stays else digest
        last = number = self._pages
        total, at_once = self.total, False
        for _ in range(MAX_PASSES * last):
            reply, fresh = self._take(number)
            yield fresh
            if number == last and self._pages > last:
                last = number = self._pages
                continue
            if number == last:
                total = self.total
            marks = set(map(mark, reply.records))
            at_once = at_once or (number == last and not known.isdisjoint(marks)) or last == 1
            if number == 1 or (marks <= known and self._is(reply, number)):
                self.total = total  # what has come to the end since is for the next run
                return at_once
            number = min(self._pages, number - 1)
        raise PartitionFailed(KEPT_CHANGING)

    @property
    def count(self) -> int:
        """How many records this reading has met."""
        return len(self.found) + sum(self.missing.values())

    @property
    def _pages(self) -> int:
        """How many pages there are, as far as that can be believed."""
        return -(-self.total // self._size)

    def _is(self, reply: Page, number: int) -> bool:
        """Tell whether a page is one of the list, and not the last one once more."""
        return bool(reply.records) and reply.number in (None, number)
