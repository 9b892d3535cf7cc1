"""Reads a list from cursor to cursor, such as a GraphQL connection.

Use it where the list has a sort in which no two rows are equal. Then the cursor holds on to a row.

Why no row slips: the next page begins after the row that ended this one, wherever that row is by
now. A cursor is a value of the sort, so rows that share the value with it would be lost. Where the
list announces a total, it has to be reached; otherwise the list is read again.
"""

from __future__ import annotations

import typing as t

from msgspec.structs import replace

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import (
    KEPT_CHANGING,
    MAX_PASSES,
    UNBOUNDED,
    Page,
    TimeRange,
    ends_before_total,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def cursor_pages(
    fetch: Callable[[TimeRange, str | None], Page], requested: TimeRange = UNBOUNDED
) -> Iterator[Page]:
    """Read a list from cursor to cursor.

    Args:
        fetch: Fetches the page of a range after a cursor, with `has_next`, `cursor`, `timestamps`
            and, if the API announces one, `total`. The request is wider than the range by `MARGIN`.
        requested: The range.

    Yields:
        The pages, without records that came before unchanged. The last one is safe.

    Raises:
        PartitionFailed: A cursor leads back to an earlier page, or the list ends before its total.
    """
    seen: set[bytes] = set()
    for reading in range(MAX_PASSES):
        known, count = len(seen), 0
        cursors: set[str | None] = {None}
        cursor: str | None = None
        while True:
            page = fetch(requested, cursor)
            count += len(page.records)
            is_whole = not page.has_next and count >= (page.total or 0)
            yield replace(page.trim(requested).unseen(seen), is_safe=is_whole)
            if is_whole:
                return
            if not page.has_next:
                break
            cursor = page.cursor
            if cursor in cursors:
                msg = "a page announces another one, but its cursor leads to no new page"
                raise PartitionFailed(msg)
            cursors.add(cursor)
        if reading and len(seen) == known:
            raise PartitionFailed(ends_before_total(count, page.total or 0))
    raise PartitionFailed(KEPT_CHANGING)
