"""Reads a list that the API filters and sorts by its replication key.

Use it wherever the API can do both: it costs least, and a bookmark is safe after every page.

Why no row slips: page numbers over a list that changes while it is read lose rows, because a row
that is updated moves to the end of the order and the row behind it slides over the border between
two pages unseen. So each request begins at the last value seen, inclusive, and records that came
before are left out. Page numbers are used only among the rows of one second, from the last page to
the first: once the second is over, rows can only leave such a set, and the others slide towards the
pages still to come.

There are two such readers, which share this idea and little else:

- `keyset`, where the API announces totals. They prove that a list is complete, allow the pages of
  a second to be read from the last to the first, and let `counted_pages` read what no range finds:
  rows without a value, and lists whose pages turn out not to be in order.
- `uncounted_keyset`, where it announces none. Whatever is not in order is read with another reader,
  which joins each page to the one before.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from msgspec.structs import replace

from commerce_taps.errors import PartitionFailed, RequestTooLarge
from commerce_taps.pagination.counted import counted_pages
from commerce_taps.pagination.page import (
    EMPTY_RANGE,
    MARGIN,
    MAX_EXTRA_PAGES,
    MAX_PASSES,
    PLACEHOLDER,
    UNBOUNDED,
    FetchPage,
    Identify,
    Page,
    TimeRange,
    digest,
    without_bookmarks,
)
from commerce_taps.records import dates

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
    from datetime import datetime


def keyset(
    fetch: FetchPage,
    identify: Identify,
    start: datetime | None,
    *,
    first: Callable[[TimeRange], Page] | None = None,
) -> Iterator[Page]:
    """Read a list that the API filters and sorts by the replication key.

    Args:
        fetch: Fetches a range in ascending order of the replication key; `check_page` has accepted
            each page.
        identify: Returns a record's identity within the list.
        start: The bookmark, inclusive; `None` for everything.
        first: Fetches the first page of a range, which may be smaller than those `fetch` counts.

    Yields:
        The pages, ascending, each with a bookmark.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    fetch_first = first or (lambda requested: fetch(requested, 1))
    requested = whole = TimeRange(dates.floor(start) if start else None)
    announced = count = 0
    growth = _Growth()
    seen: set[bytes] = set()
    new_from: datetime | None = None
    while True:
        try:
            page = fetch_first(requested)
        except RequestTooLarge:
            whole = requested  # its first row cannot be read, and only a number leads past it
            break
        if requested == UNBOUNDED and _has_undated(fetch, page):
            yield from without_bookmarks(counted_pages(fetch, identify, keep=EMPTY_RANGE))
            requested = whole = TimeRange(dates.FIRST)
            continue
        growth.add(page)
        announced = announced or page.total or 0
        timestamps = _ascending(page.timestamps)
        if timestamps is None:
            break
        edge = timestamps[-1] if timestamps else None
        yield replace(_unseen(page, timestamps, seen, new_from), bookmark=edge)
        if not page.has_next or edge is None:
            count += len(page.records)
            if count >= announced or count >= (fetch_first(whole).total or 0):
                return  # or else rows were deleted
            break  # the pages were in order by chance
        begin = dates.floor(edge)
        second = TimeRange(begin, dates.shift(begin, dates.ONE_SECOND))
        if timestamps[0] in second:
            # The whole page is of one second, and there may be more of it.
            seen.update(map(digest, page.records))
            count += yield from _within_one_second(fetch, fetch_first, identify, second, seen)
            requested, seen, new_from = TimeRange(second.end), set(), None
        else:
            requested, new_from = TimeRange(begin), second.end
            edges = bisect_left(timestamps, begin)
            seen = set(map(digest, page.records[edges:]))
            count += edges
    # Without an order there is no last value to go on from, nor one to keep as a bookmark.
    yield from without_bookmarks(counted_pages(fetch, identify, requested=whole))


class _Growth:
    """Gives up a list that grows as fast as it is read."""

    def __init__(self) -> None:
        self._requested = self._limit = 0

    def add(self, page: Page) -> None:
        """Count a page.

        Raises:
            PartitionFailed: Too many pages were read.
        """
        size = page.size or 0
        self._limit = self._limit or (MAX_PASSES * page.page_count + MAX_EXTRA_PAGES) * size
        self._requested += size
        if self._requested > self._limit:
            msg = "the list grew as fast as it was read"
            raise PartitionFailed(msg, remedy="run again; the tap continues from here")


def _ascending(timestamps: Sequence[datetime | None]) -> Sequence[datetime] | None:
    """Return the timestamps if every record has one and none is less than the one before."""
    known = [timestamp for timestamp in timestamps if timestamp is not None]
    return known if len(known) == len(timestamps) and known == sorted(known) else None


def _unseen(
    page: Page, timestamps: Sequence[datetime], seen: set[bytes], new_from: datetime | None
) -> Page:
    """Leave out records that came before; those from `new_from` on cannot have."""
    if not seen:
        return page
    old = bisect_left(timestamps, new_from) if new_from else len(page.records)
    known = [digest(raw) in seen for raw in page.records[:old]]
    return page.only([not one for one in known] + [True] * (len(page.records) - old))


def _has_undated(fetch: FetchPage, page: Page) -> bool:
    """Whether a list has rows without a replication value, which no range finds.

    They are on its first page, which is given, or on its last.
    """
    number = 1
    for _ in range(MAX_PASSES):
        if None in page.timestamps:
            return True
        if number == page.page_count:
            return False
        number = page.page_count
        page = fetch(UNBOUNDED, number)
    return True  # unknown, as long as the last page is another one each time


def _has_rows(fetch_first: Callable[[TimeRange], Page], requested: TimeRange) -> bool:
    """Whether there are rows in a range."""
    try:
        return bool(fetch_first(requested).records)
    except RequestTooLarge:
        return True  # one that cannot be read


def _within_one_second(
    fetch: FetchPage,
    fetch_first: Callable[[TimeRange], Page],
    identify: Identify,
    second: TimeRange,
    seen: set[bytes],
) -> Generator[Page, None, int]:
    """Read the rows of one second, from the last page to the first. Returns their number."""
    later = TimeRange(second.end)
    for _ in range(MAX_PASSES):
        is_over = _has_rows(fetch_first, later)
        page = fetch(second, 1)
        found: set[Hashable] = set()
        missing = 0
        for number in range(page.page_count, 0, -1):
            page = fetch(second, number)
            found.update(map(identify, page.records))
            missing += page.missing
            yield replace(page.unseen(seen), bookmark=second.start)
        # As long as nothing is later, rows may still arrive; then no bookmark passes them either.
        count = len(found) + missing
        if count >= (page.total or 0) and (is_over or not _has_rows(fetch_first, later)):
            return count
    msg = "rows kept arriving in the same second while it was read"
    raise PartitionFailed(msg)


def uncounted_keyset(
    fetch: Callable[[TimeRange], Page],
    read_range: Callable[[TimeRange, set[bytes]], Iterator[Page]],
    start: datetime | None,
    end: datetime = dates.LAST,
) -> Iterator[Page]:
    """Read a list that the API filters and sorts by the replication key, without totals.

    Args:
        fetch: Fetches the first page of a range in ascending order of the replication key, with
            `has_next`. The request is wider than the range by `MARGIN`.
        read_range: Reads a range by page number, without the records whose digests it is given.
        start: The bookmark, inclusive; `None` for everything.
        end: The latest replication value there can be.

    Yields:
        The pages. Each is safe as long as the list is in order.
    """
    begin = dates.floor(start) if start else None
    seen: set[bytes] = set()
    while True:
        requested = TimeRange(begin)
        page = fetch(requested)
        timestamps = _in_order(page, requested, end)
        if timestamps is None:
            yield from read_range(requested, seen)
            return
        if not page.has_next:
            yield replace(page.trim(requested).unseen(seen), is_safe=True)
            return
        edge = dates.floor(timestamps[-1])
        if begin is None or edge > begin:
            yield replace(page.trim(requested).unseen(seen), is_safe=True)
            seen = {
                digest(raw)
                for raw, timestamp in zip(page.records, page.timestamps, strict=True)
                if raw is not PLACEHOLDER and timestamp is not None and timestamp >= edge
            }
            begin = edge
        else:  # one page does not hold what changed within one second
            second = TimeRange(begin, dates.shift(begin, dates.ONE_SECOND))
            for one in read_range(second, seen):
                yield replace(one, is_safe=True)
            begin, seen = second.end, set()


def _in_order(page: Page, requested: TimeRange, end: datetime) -> Sequence[datetime] | None:
    """Return the timestamps of a page if reading can go on from the last of them."""
    known = [timestamp for timestamp in page.timestamps if timestamp is not None]
    earliest = requested.start and dates.shift(requested.start, -MARGIN)
    allowed = TimeRange(earliest, dates.shift(end, MARGIN))
    if known != sorted(known) or not allowed.includes_all(known):
        return None
    # A record that cannot be read lies after the last one known, as far as anybody can tell.
    is_dated = bool(known) and (page.timestamps[-1] is not None or page.records[-1] is PLACEHOLDER)
    return known if is_dated or not page.has_next else None
