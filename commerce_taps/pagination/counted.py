"""Reads a list by page numbers, its pages counted against the total it announces."""

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
    Reply,
    TimeRange,
    digest,
    end_before_total,
)

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from datetime import datetime


def counted_pages(
    ask: FetchPage,
    identify: Identify,
    *,
    asked: TimeRange = UNBOUNDED,
    wanted: TimeRange = UNBOUNDED,
) -> Iterator[Page]:
    """Read a list by page numbers, and again until one reading is whole.

    Args:
        ask: Asks for a page in the API's own order.
        identify: Gives a record's identity within the list.
        asked: The range to ask for, where the API can filter.
        wanted: The range to hand on, where the API cannot filter.

    Yields:
        The pages; a record that comes again unchanged is left out. The last page has a bookmark:
        the largest replication value of those handed on.

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
            reply = ask(asked, number)
            if size not in (None, reply.size):
                break  # the same numbers mean other rows now
            size = reply.size
            if reply.total or not reply.missing:
                totals.add(reply.total)
            before = len(found) + missing
            found.update(map(identify, reply.records))
            missing += reply.missing
            stamps = (s for s in (latest, *reply.timestamps) if s is not None and s in wanted)
            latest = max(stamps, default=None)
            yield reply.page(seen, wanted=wanted)
            seen.update(map(digest, reply.records))
            # A page without anything new may be the same one for ever.
            number, more = number + 1, reply.has_next and len(found) + missing > before
        count = len(found) + missing
        if totals == {count} and not more:
            yield Page((), (), latest)
            return
        is_short = len(totals) == 1 and count < min(totals)
        reason = end_before_total(count, min(totals)) if is_short else KEPT_CHANGING
    raise PartitionFailed(reason)


def check_page(reply: Reply, asked: TimeRange, number: int) -> Reply:
    """Refuse an answer that contradicts the question or itself.

    Args:
        reply: The answer.
        asked: The range asked for.
        number: The page asked for.

    Returns:
        The same answer.

    Raises:
        InvalidResponse: It is not the answer to this question.
        IncompletePage: Rows are missing from it.
    """
    if not asked.holds(reply.timestamps):
        msg = f"the answer contradicts itself: page {number} has records that were not asked for"
        raise InvalidResponse(msg)
    end = (number - 1) * reply.size + len(reply.records)
    if reply.total < 0:
        msg = f"page {number} announces {reply.total} records"
    elif reply.size < 1 or len(reply.records) > reply.size:
        msg = f"page {number} has {len(reply.records)} records at a page size of {reply.size}"
    elif reply.has_next and len(reply.records) < reply.size:
        msg = f"page {number} has only {len(reply.records)} of {reply.size} records"
    elif reply.has_next and end >= reply.total:
        msg = f"page {number} is followed by another although {reply.total} records are announced"
    elif not reply.has_next and reply.records and end != reply.total:
        msg = f"page {number} ends the list at {end} of {reply.total} records"
    elif not reply.has_next and not reply.records and end < reply.total:
        msg = f"page {number} is empty although {reply.total} records are announced"
    else:
        return reply
    msg = f"the answer contradicts itself: {msg}"
    raise IncompletePage(msg, reply.page())
