"""`cursor_pages`, on connections that change, and on cursors that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.cursor import cursor_pages
from commerce_taps.pagination.page import Page, TimeRange
from tests.core.pagination.support import UncountedServer, churn, rows_of, untouched

if TYPE_CHECKING:
    from collections.abc import Callable


def test_cursor_stays_at_its_row() -> None:
    server = UncountedServer(
        dict(enumerate((*range(10),), 1)),
        acts={1: lambda r: (r.pop(1), r.pop(2), r.update({0: 5}))},
    )
    assert {one for one, _ in rows_of(cursor_pages(server.fetch_after))} >= set(range(3, 11))


def test_cursor_that_leads_nowhere_fails() -> None:
    server = UncountedServer.of(*range(10))

    def fetch(requested: TimeRange, _: str | None) -> Page:
        return server.fetch_after(requested, None)

    with pytest.raises(PartitionFailed, match="leads to no new page"):
        list(cursor_pages(fetch))


def edge(one: int, cursor: str, *, has_next: bool, total: int | None = None) -> Page:
    return Page(
        [Raw(b"%d" % one)],
        timestamps=[None],
        total=total,
        has_next=has_next,
        cursor=cursor,
    )


def test_cursor_circle_fails() -> None:
    circle = {None: "a", "a": "b", "b": "a"}
    with pytest.raises(PartitionFailed, match="leads to no new page"):
        list(cursor_pages(lambda _, cursor: edge(1, circle[cursor], has_next=True)))


def test_cursor_list_ending_before_total_fails() -> None:
    requested: list[str | None] = []

    def fetch(_: TimeRange, cursor: str | None) -> Page:
        requested.append(cursor)
        return edge(len(requested) % 2, "a", has_next=cursor is None, total=3)

    pages = cursor_pages(fetch)
    assert [next(pages).is_safe, next(pages).is_safe] == [False, False]
    with pytest.raises(PartitionFailed, match="ends at 2 of the 3 records"):
        list(pages)
    assert requested == [None, "a"] * 2


@given(st.integers(0, 25), st.integers(1, 5), churn)
def test_cursor_under_churn_yields_untouched_rows(
    count: int, size: int, acts: dict[int, Callable[[dict[int, int]], Any]]
) -> None:
    server = UncountedServer({2 * one: one for one in range(count)}, size, acts=acts)
    stayed, found = untouched(server, cursor_pages(server.fetch_after))
    assert stayed <= found
