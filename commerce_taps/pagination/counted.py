"""Reads a list by page number and counts its rows against the total that the API announces.

Use it where the API announces an honest total, and cannot sort and filter by the last change
(there, `keyset` costs less and sets bookmarks earlier).

Why no row slips: a row that is deleted, or moves to the end, lets the rows behind it slide over
the border between two pages unseen. Then fewer different rows come than the total announces, or
the total changes, and the list is read again, until one reading adds up. Only if one row is deleted
and another one added between the same two requests, the count is right although a row slipped.
"""

from __future__ import annotations

import typing as t

from commerce_taps.errors import InvalidResponse, PartitionFailed
from commerce_taps.pagination.page import (
    KEPT_CHANGING,
    MAX_PASSES,
    UNBOUNDED,
    FetchPage,
    Identify,
    IncompletePage,
    Page,
    TimeRange,
    ends_before_total,
)

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from datetime import datetime


def counted_pages(
    fetch: FetchPage,
    identify: Identify,
    *,
    requested: TimeRange = UNBOUNDED,
    keep: TimeRange = UNBOUNDED,
) -> Iterator[Page]:
    """Read a list by page number, and again until one reading is complete.

    Args:
        fetch: Fetches a page in the API's own order; `check_page` has accepted it.
        identify: Returns a record's identity within the list.
        requested: The range to request, where the API can filter.
        keep: The range to yield, where the API cannot filter.

    Yields:
        The pages, without records that came before unchanged. The last page has a bookmark: the
        largest replication value within `keep`.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    seen: set[bytes] = set()
    latest: datetime | None = None
    reason = KEPT_CHANGING
    for _ in range(MAX_PASSES):
        found: set[Hashable] = set()
        totals: set[int] = set()
        number, more, missing, size = 1, True, 0, None
        while more:
            page = fetch(requested, number)
            if size not in (None, page.size):
                break  # the same numbers stand for other rows now
            size = page.size
            if page.total or not page.missing:
                totals.add(page.total or 0)
            before = len(found) + missing
            found.update(map(identify, page.records))
            missing += page.missing
            timestamps = (one for one in (latest, *page.timestamps) if one and one in keep)
            latest = max(timestamps, default=None)
            yield page.within(keep).unseen(seen)
            # A page without anything new may be the same one for ever.
            number, more = number + 1, page.has_next and len(found) + missing > before
        count = len(found) + missing
        if totals == {count} and not more:
            yield Page((), bookmark=latest)
            return
        is_short = len(totals) == 1 and count < min(totals)
        reason = ends_before_total(count, min(totals)) if is_short else KEPT_CHANGING
    raise PartitionFailed(reason)


def check_page(page: Page, requested: TimeRange, number: int) -> Page:
    """Reject a page that contradicts its request or itself.

    Args:
        page: The page, with its `total`, `size` and `has_next`.
        requested: The requested range.
        number: The requested page.

    Returns:
        The same page.

    Raises:
        InvalidResponse: It is not the response to this request.
        IncompletePage: It lacks rows.
    """
    if not requested.includes_all(page.timestamps):
        msg = f"the response contradicts itself: page {number} has records that were not requested"
        raise InvalidResponse(msg)
    count, total, size = len(page.records), page.total or 0, page.size or 0
    end = (number - 1) * size + count
    if total < 0:
        msg = f"page {number} announces {total} records"
    elif size < 1 or count > size:
        msg = f"page {number} has {count} records at a page size of {size}"
    elif page.has_next and count < size:
        msg = f"page {number} has only {count} of {size} records"
    elif page.has_next and end >= total:
        msg = f"page {number} is followed by another although {total} records are announced"
    elif not page.has_next and count and end != total:
        msg = f"page {number} ends the list at {end} of {total} records"
    elif not page.has_next and not count and end < total:
        msg = f"page {number} is empty although {total} records are announced"
    else:
        return page
    msg = f"the response contradicts itself: {msg}"
    raise IncompletePage(msg, page)
