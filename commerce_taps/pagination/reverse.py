"""Reads a list whose page numbers and totals cannot be relied on.

Use it where there may be no total, or one that is too low or that of the page, and where the last
page may come again for every number beyond it. A page without anything new ends the list. So does
one that is not full, unless the total says otherwise. If the total has not been reached, the list
is read once more; if that brings nothing new, records are missing, and the partition fails.

Why no row slips: a list in ascending order of something that rows only get more of, such as an id
or the time of the last change, is read from the last page to the first. Rows that go, or move to
the end, let the others slide towards the pages still to come. At the end the last pages are read
again, down to a known one, for what was added in the meantime. A list in another order is read
forward; there, a row can slip if the list announces no total that would show it.
"""

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
    fetch: Callable[[int], Page],
    identify: Identify,
    size: int,
    *,
    ascending: bool = False,
    keeps_place: bool = False,
) -> Iterator[Page]:
    """Read a list whose page numbers and totals cannot be relied on.

    Args:
        fetch: Fetches a page by its number, with `number` and `total` if the API says them.
        identify: Returns a record's identity within the list.
        size: How many records a page is requested to have.
        ascending: Whether the list is in an order in which rows only move to the end.
        keeps_place: Whether a row keeps its place when it changes, as in the order of ids.

    Yields:
        The pages that have something new, without the rest. If it ends without an error, the list
        was read whole.

    Raises:
        PartitionFailed: The list kept changing while it was read, or ends before its total.
    """
    walk = _Walk(fetch, identify, size, keeps_place=keeps_place)
    for reading in range(MAX_PASSES):
        known = len(walk.keys)
        walk.begin()
        pages = walk.backward() if ascending and not reading else walk.forward(1)
        yield from (page for page in pages if page.records)
        is_steady = len(walk.totals) <= 1
        if walk.count >= walk.total and (is_steady or walk.slides_back):
            return
        if reading and is_steady and len(walk.keys) == known:
            raise PartitionFailed(ends_before_total(walk.count, walk.total))
    raise PartitionFailed(KEPT_CHANGING)


class _Walk:
    """Readings of one list, page by page.

    Attributes:
        keys: The identities of the records of all readings.
        found: Those of this reading.
        missing: How many records of this reading could not be read, by page.
        total: The credible number of records; 0 if there is none.
        totals: The numbers announced in this reading.
        slides_back: Whether the reading went from the last page to the first.
    """

    def __init__(
        self, fetch: Callable[[int], Page], identify: Identify, size: int, *, keeps_place: bool
    ) -> None:
        self._fetch = fetch
        self._identify = identify
        self._size = size
        self._keeps_place = keeps_place
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

    def _read(self, number: int) -> tuple[Page, Page]:
        """Fetch a page. Returns it, and the part of it that is new."""
        page = self._fetch(number)
        if page.total is not None and page.total > len(page.records):
            self.total = page.total  # any other may be the number of rows of this page
            self.totals.add(page.total)
        keys = list(map(self._identify, page.records))
        self.missing[number] = page.missing
        self.found.update(keys)
        self.keys.update(keys)
        return page, page.unseen(self._seen)

    def forward(self, number: int) -> Iterator[Page]:
        """Read from a page to the end."""
        announced = self.total
        while not announced or number <= MAX_PASSES * -(-announced // self._size) + MAX_EXTRA_PAGES:
            before = len(self.found)
            page, new = self._read(number)
            announced = announced or self.total
            yield new
            if (
                not self._is_there(page, number)
                or (len(self.found) == before and not page.missing)
                or (len(page.records) < self._size and self.count >= self.total)
            ):
                return
            number += 1
        raise PartitionFailed(KEPT_CHANGING)

    def backward(self) -> Iterator[Page]:
        """Read from the last page to the first, then what was added at the end meanwhile."""
        page, new = self._read(1)
        yield new
        last = self._pages
        if last <= 1 or len(page.records) != self._size:
            if page.records and (len(page.records) >= self._size or last):
                yield from self.forward(2)
            return
        is_full = yield from self._descend(last)
        if is_full is None:
            yield from self.forward(1)
            return
        for _ in range(MAX_PASSES):
            if (yield from self._tail()):
                break
        else:
            raise PartitionFailed(KEPT_CHANGING)
        total = self.total
        if is_full:  # there may be more than the total says
            yield from self.forward(self._pages + 1)
        self.total = total  # what was added since is for the next run
        self.slides_back = True

    def _descend(self, last: int) -> Generator[Page, None, bool | None]:
        """Read from the last page to the first.

        Returns:
            Whether the last page was full; `None` if the total announces more pages than there are.
        """
        number, same, is_full = last, 0, False
        previous: list[bytes] = []
        while number:
            page, new = self._read(number)
            yield new
            is_there = self._is_there(page, number)
            is_full = is_full or (number == last and len(page.records) >= self._size)
            digests = list(map(digest, page.records))
            same, previous = same + 1 if digests and digests == previous else 0, digests
            if same > 1 or (not is_there and self._pages >= number):
                return None
            number = number - 1 if is_there else self._pages
        return is_full

    def _tail(self) -> Generator[Page, None, bool]:
        """Read from the last page back to one that is known, to find what was added behind it.

        Returns:
            Whether a known row was on the last page, so that everything new was read at one time.
            Otherwise a row may have moved to the end once more, ahead of the reading.
        """
        # A changed row is known if it is where it was, and new if it may have moved.
        known: frozenset[Hashable] = frozenset(self.keys if self._keeps_place else self._seen)
        mark = self._identify if self._keeps_place else digest
        last = number = self._pages
        total, at_once = self.total, False
        for _ in range(MAX_PASSES * last):
            page, new = self._read(number)
            yield new
            if number == last and self._pages > last:
                last = number = self._pages
                continue
            if number == last:
                total = self.total
            marks = set(map(mark, page.records))
            at_once = at_once or (number == last and not known.isdisjoint(marks)) or last == 1
            if number == 1 or (marks <= known and self._is_there(page, number)):
                self.total = total  # what was added since is for the next run
                return at_once
            number = min(self._pages, number - 1)
        raise PartitionFailed(KEPT_CHANGING)

    @property
    def count(self) -> int:
        """How many records this reading has met."""
        return len(self.found) + sum(self.missing.values())

    @property
    def _pages(self) -> int:
        """How many pages there are, by the credible total."""
        return -(-self.total // self._size)

    def _is_there(self, page: Page, number: int) -> bool:
        """Whether a page is one of the list, and not the last one once more."""
        return bool(page.records) and page.number in (None, number)
