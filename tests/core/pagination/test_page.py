"""`check_page` and the range of a page."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from commerce_taps.errors import InvalidResponse
from commerce_taps.pagination.counted import check_page
from commerce_taps.pagination.page import PLACEHOLDER, UNBOUNDED, Page, TimeRange
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


def page_of(*rows: bytes) -> Page:
    return Page([msgspec.Raw(row) for row in rows], [True] * len(rows), [None] * len(rows))


def test_joined_page_leaves_out_repeated_last_page() -> None:
    page = Page.join([replace(page_of(b"1"), number=1), replace(page_of(b"1"), number=0)], 1, 4)
    assert [bytes(raw) for raw in page.records] == [b"1"]
    assert (page.number, page.size, page.valid, page.timestamps) == (1, 4, [True], [None])
    assert Page.join([replace(page_of(b"1"), number=0)], 3, 4).number == 0


@pytest.mark.parametrize(
    ("totals", "number", "has_next"), [((7, None), 1, True), ((7, None), 2, False), ((), 2, True)]
)
def test_joined_page_has_next_by_its_total(
    totals: tuple[int | None, ...], number: int, *, has_next: bool
) -> None:
    parts = [replace(page_of(b"1"), total=total, missing=1, anchor=9) for total in totals]
    page = Page.join(parts or [replace(page_of(b"1"), has_next=True)], number, 4)
    assert page.has_next is has_next
    assert page.total == (7 if totals else None)
    assert page.missing == len(totals)
    assert page.anchor == (9 if totals else None)


def test_unseen_leaves_out_only_records_of_earlier_pages() -> None:
    seen: set[bytes] = set()
    assert len(page_of(b"1", b"1", b"2").unseen(seen).records) == 3
    again = page_of(b"2", b"3").unseen(seen)
    assert [bytes(raw) for raw in again.records] == [b"3"]
    assert len(again.valid) == len(again.timestamps) == 1
    assert not page_of(b"3").unseen(seen).records


@pytest.mark.parametrize(
    ("seconds", "stays"), [(-2, True), (-1, False), (0, True), (9, True), (10, False), (12, True)]
)
def test_trim_leaves_out_margin_and_placeholders(seconds: int, *, stays: bool) -> None:
    requested = TimeRange(START, START + timedelta(seconds=10))
    page = page_of(b"1")
    page.timestamps = [START + timedelta(seconds=seconds)]
    assert bool(page.trim(requested).records) is stays
    placeholder = Page([PLACEHOLDER], timestamps=[None])
    assert not placeholder.trim(requested).records


def test_within_keeps_range_and_undated_records() -> None:
    page = page_of(b"1", b"2", b"3")
    page.timestamps = [START, None, START - timedelta(seconds=1)]
    assert [bytes(raw) for raw in page.within(TimeRange(START)).records] == [b"1", b"2"]
    assert page.within(UNBOUNDED) is page
