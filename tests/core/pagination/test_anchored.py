"""`anchored_pages`, on lists that change while it reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.overlapping import anchored_pages
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange
from tests.core.pagination.support import UncountedServer, at, churn, first_of, rows_of, untouched

if TYPE_CHECKING:
    from collections.abc import Callable


def test_anchored_quiet_list_yields_rows_once() -> None:
    server = UncountedServer.of(*range(10))
    assert rows_of(server.anchored()) == sorted(server.rows.items())


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize("moment", [1, 2, 3])
def test_anchored_list_with_deleted_row_is_complete(moment: int, by_id: bool) -> None:  # noqa: FBT001
    server = UncountedServer(
        dict(enumerate((*range(10),), 1)), by_id=by_id, acts={moment: lambda r: r.pop(1)}
    )
    assert {one for one, _ in rows_of(server.anchored())} >= set(range(2, 11))
    assert len(rows_of(server.anchored())) == 9


def test_anchored_rows_added_in_front_cause_no_second_reading() -> None:
    server = UncountedServer(
        {one: one for one in range(5, 15)}, acts={1: lambda r: r.update({1: 1, 2: 2})}
    )
    found = rows_of(server.anchored())
    assert {one for one, _ in found} >= set(range(5, 15))
    assert server.requests == 5


def test_anchored_list_that_keeps_changing_fails() -> None:
    server = UncountedServer(
        {one: one for one in range(60)},
        acts={n: lambda r: r.pop(min(r)) for n in range(1, 60)},
    )
    with pytest.raises(PartitionFailed, match="kept changing"):
        rows_of(server.anchored())


def test_anchored_range_leaves_out_margin() -> None:
    server = UncountedServer.of(1, 2, 3, 4, 5)
    assert rows_of(server.anchored(TimeRange(at(2), at(4)))) == [(2, 2), (3, 3)]


def test_anchored_repeated_page_fails() -> None:
    page = Page([Raw(b"[7, 0]")], timestamps=[None], has_next=True, anchor=7)
    with pytest.raises(PartitionFailed, match="kept changing"):
        list(anchored_pages(lambda _, __: page, first_of))


@given(st.integers(0, 25), st.integers(1, 5), churn, st.booleans())
def test_anchored_under_churn_yields_untouched_rows(
    count: int,
    size: int,
    acts: dict[int, Callable[[dict[int, int]], Any]],
    by_id: bool,  # noqa: FBT001
) -> None:
    server = UncountedServer({2 * one: one for one in range(count)}, size, by_id=by_id, acts=acts)
    try:
        stayed, found = untouched(server, server.anchored())
    except PartitionFailed:
        return  # it says so
    assert stayed <= found


def test_page_numbers_without_anchor_lose_row() -> None:
    """So the tests above can fail."""
    server = UncountedServer({one: one for one in range(6)}, 2, acts={1: lambda r: r.pop(0)})
    pages = (server.fetch(UNBOUNDED, number) for number in (1, 2, 3))
    stayed, found = untouched(server, pages)
    assert stayed - found == {2}
