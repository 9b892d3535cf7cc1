"""Reads a list that the API filters and sorts by its replication key."""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from commerce_taps.errors import PartitionFailed, RequestTooLarge
from commerce_taps.pagination.counted import counted_pages
from commerce_taps.pagination.page import (
    EMPTY_RANGE,
    MAX_EXTRA_PAGES,
    MAX_PASSES,
    UNBOUNDED,
    FetchPage,
    Identify,
    Page,
    Reply,
    TimeRange,
    digest,
    unmarked,
)
from commerce_taps.records import dates

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
    from datetime import datetime


def keyset(
    ask: FetchPage,
    identify: Identify,
    start: datetime | None,
    *,
    first: Callable[[TimeRange], Reply] | None = None,
) -> Iterator[Page]:
    """Read a list that the API filters and sorts by the replication key.

    Args:
        ask: Asks for a range in ascending order of the replication key.
        identify: Gives a record's identity within the list.
        start: The bookmark, inclusive; `None` for everything.
        first: Asks for the first page of a range, which may be smaller than those `ask` counts.

    Yields:
        The pages, ascending, each with a bookmark.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    fetch = first or (lambda asked: ask(asked, 1))
    asked = whole = TimeRange(dates.floor(start) if start else None)
    announced = count = spent = limit = 0
    seen: set[bytes] = set()
    new_from: datetime | None = None
    while True:
        try:
            reply = fetch(asked)
        except RequestTooLarge:
            whole = asked  # its first row cannot be read, and only a number leads past it
            break
        if asked == UNBOUNDED and _has_unstamped(ask, reply):
            yield from unmarked(counted_pages(ask, identify, wanted=EMPTY_RANGE))
            asked = whole = TimeRange(dates.FIRST)
            continue
        announced = announced or reply.total
        limit = limit or (MAX_PASSES * reply.pages + MAX_EXTRA_PAGES) * reply.size
        spent += reply.size
        if spent > limit:
            msg = "the list grew as fast as it was read: run again, it goes on from there"
            raise PartitionFailed(msg)
        if not _ascending(reply.timestamps):
            break
        edge = reply.timestamps[-1] if reply.timestamps else None
        yield reply.page(seen, new_from=new_from, bookmark=edge)
        if not reply.has_next or edge is None:
            count += len(reply.records)
            if count >= announced or count >= fetch(whole).total:  # or else rows were deleted
                return
            break  # the pages were in order by chance
        begin = dates.floor(edge)
        second = TimeRange(begin, dates.shift(begin, dates.ONE_SECOND))
        if reply.timestamps[0] in second:
            # The whole page is of one second, and there may be more of it.
            seen.update(map(digest, reply.records))
            count += yield from _within_one_second(ask, fetch, identify, second, seen)
            asked, seen, new_from = TimeRange(second.end), set(), None
        else:
            asked, new_from = TimeRange(begin), second.end
            edges = bisect_left(t.cast("Sequence[datetime]", reply.timestamps), begin)
            seen = set(map(digest, reply.records[edges:]))
            count += edges
    # Without an order there is no last value to go on from, nor one to keep as a bookmark.
    yield from unmarked(counted_pages(ask, identify, asked=whole))


def _ascending(stamps: Sequence[datetime | None]) -> bool:
    """Tell whether every record has a replication value and none is less than the one before."""
    known = [stamp for stamp in stamps if stamp is not None]
    return len(known) == len(stamps) and known == sorted(known)


def _has_unstamped(ask: FetchPage, reply: Reply) -> bool:
    """Tell whether a list has rows without a replication value, which no range finds.

    They are on its first page, which is given, or on its last.
    """
    number = 1
    for _ in range(MAX_PASSES):
        if None in reply.timestamps:
            return True
        if number == reply.pages:
            return False
        number = reply.pages
        reply = ask(UNBOUNDED, number)
    return True  # nobody can tell, while the last page is another one each time


def _has_rows(first: Callable[[TimeRange], Reply], asked: TimeRange) -> bool:
    """Tell whether there are rows in a range."""
    try:
        return bool(first(asked).records)
    except RequestTooLarge:
        return True  # one that cannot be read


def _within_one_second(
    ask: FetchPage,
    first: Callable[[TimeRange], Reply],
    identify: Identify,
    second: TimeRange,
    seen: set[bytes],
) -> Generator[Page, None, int]:
    """Read the rows of one second, from the last page to the first. Returns their number."""
    later = TimeRange(second.end)
    for _ in range(MAX_PASSES):
        over = _has_rows(first, later)
        reply = ask(second, 1)
        found: set[Hashable] = set()
        missing = 0
        for number in range(reply.pages, 0, -1):
            reply = ask(second, number)
            found.update(map(identify, reply.records))
            missing += reply.missing
            yield reply.page(seen, bookmark=second.start)
            seen.update(map(digest, reply.records))
        # As long as nothing is later, rows may still arrive; then no bookmark passes them either.
        if len(found) + missing >= reply.total and (over or not _has_rows(first, later)):
            return len(found) + missing
    msg = "rows kept arriving in the same second while it was read"
    raise PartitionFailed(msg)
