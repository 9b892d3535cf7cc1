"""`check_page` and the range of a page."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from commerce_taps.errors import InvalidResponse
from commerce_taps.pagination.counted import check_page
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange
from commerce_taps.records import dates
from tests.core.pagination.support import (
    START,
    Server,
)


@pytest.mark.parametrize(
    ("count", "total", "size", "has_next", "words"),
    [
        (3, 3, 2, False, "page 2 has 3 records at a page size of 2"),
        (1, 9, 0, True, "at a page size of 0"),
        (1, 9, 2, True, "page 2 has only 1 of 2 records"),
        (0, 9, 2, True, "page 2 has only 0 of 2 records"),
        (2, 4, 2, True, "followed by another although 4 records"),
        (2, 9, 2, False, "page 2 ends the list at 4 of 9 records"),
        (1, 2, 2, False, "page 2 ends the list at 3 of 2 records"),
        (0, 3, 2, False, "page 2 is empty although 3 records are announced"),
        (0, -1, 2, False, "page 2 announces -1 records"),
    ],
)  # fmt: skip
def test_contradictory_page_is_rejected(
    count: int, total: int, size: int, has_next: bool, words: str  # noqa: FBT001
) -> None:  # fmt: skip
    page = Page(
        [msgspec.Raw(b"{}")] * count,
        [True] * count,
        [None] * count,
        total=total,
        size=size,
        has_next=has_next,
    )
    with pytest.raises(InvalidResponse, match=words):
        check_page(page, UNBOUNDED, 2)


@pytest.mark.parametrize("beside", [-1, 1])
def test_row_outside_range_is_rejected(beside: int) -> None:
    requested = TimeRange(START, START + dates.ONE_SECOND)
    timestamps = [START, START + beside * dates.ONE_SECOND]
    raws = [msgspec.Raw(b"{}")] * 2
    page = Page(raws, [True] * 2, timestamps, total=2, size=5, has_next=False)
    with pytest.raises(InvalidResponse, match="records that were not requested"):
        check_page(page, requested, 1)


def test_honest_page_is_accepted() -> None:
    """Also not the page behind the last, which a list that shrinks makes out of one."""
    server = Server([START] * 4, 2)
    assert not server.fetch(UNBOUNDED, 3).records
    assert not Server([], 2).fetch(UNBOUNDED, 1).records
    server.fetch(TimeRange(START, START + timedelta(seconds=1)), 2)


@pytest.mark.parametrize(
    ("requested", "timestamp", "inside"),
    [
        (TimeRange(), None, True),
        (TimeRange(), START, True),
        (TimeRange(START), None, False),
        (TimeRange(START), START, True),
        (TimeRange(START), START - timedelta(microseconds=1), False),
        (TimeRange(START, START + timedelta(1)), START + timedelta(1), False),
        (TimeRange(START, START), START, False),
    ],
)
def test_time_range_contains_timestamp(
    requested: TimeRange, timestamp: datetime | None, *, inside: bool
) -> None:
    assert (timestamp in requested) is inside
