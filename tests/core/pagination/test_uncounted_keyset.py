"""`uncounted_keyset`, on lists that change while it reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.pagination.keyset import uncounted_keyset
from commerce_taps.pagination.overlapping import anchored_pages
from tests.core.pagination.support import UncountedServer, at, first_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from commerce_taps.pagination.page import Page, TimeRange


def test_uncounted_keyset_quiet_list_yields_rows_once() -> None:
    server = UncountedServer.of(5, 1, 9, 1, 7, 3, 3, 20)
    found = rows_of(server.keyset(None))
    assert [second for _, second in found] == [1, 1, 3, 3, 5, 7, 9, 20]
    assert len(set(found)) == 8


def test_uncounted_keyset_bookmark_is_inclusive() -> None:
    server = UncountedServer.of(1, 2, 3, 3, 4)
    assert sorted(rows_of(server.keyset(at(3)))) == [(3, 3), (4, 3), (5, 4)]


@pytest.mark.parametrize("ties", [3, 4, 10, 11])
def test_uncounted_keyset_second_larger_than_page_is_complete(ties: int) -> None:
    server = UncountedServer.of(1, *[2] * ties, 3, 3)
    assert sorted(rows_of(server.keyset(None))) == sorted(server.rows.items())


def test_uncounted_keyset_moved_row_hides_no_other() -> None:
    """With page numbers, the row behind it would slide over the border unseen."""
    server = UncountedServer(
        dict(enumerate((1, 2, 3, 4, 5, 6, 7, 8), 1)), acts={1: lambda r: r.update({1: 30, 2: 31})}
    )
    assert {one for one, _ in rows_of(server.keyset(None))} == set(range(1, 9))
    assert (1, 30) in rows_of(server.keyset(None))


def test_uncounted_keyset_unsorted_list_is_complete() -> None:
    server = UncountedServer.of(3, 1, 2, 5, 4)
    pages = uncounted_keyset(lambda window: server.fetch(window, 1), server.read_range, None)
    assert sorted(rows_of(pages)) == sorted(server.rows.items())


@given(
    st.lists(st.integers(0, 6), max_size=25),
    st.integers(1, 5),
    st.dictionaries(st.integers(0, 20), st.tuples(st.integers(1, 25), st.booleans()), max_size=6),
)
def test_uncounted_keyset_under_churn_yields_untouched_rows(
    seconds: list[int], size: int, changes: dict[int, tuple[int, bool]]
) -> None:
    """Rows change, which moves them to the end, or go; all others must come, changed ones anew."""
    server = UncountedServer.of(*seconds, size=size)

    def change(number: int, *, goes: bool) -> Callable[[dict[int, int]], Any]:
        def act(found: dict[int, int]) -> None:
            if number in found:
                found.pop(number)
                if not goes:
                    found[number] = 100 + server.requests

        return act

    server.acts = {when: change(one, goes=goes) for when, (one, goes) in changes.items()}
    found = rows_of(server.keyset(None))
    for one, second in server.rows.items():
        if second < 100:
            assert (one, second) in found
        else:
            assert one in {seen for seen, _ in found}


@pytest.mark.parametrize(
    "timestamp", [at(-9_000), at(9_000_000), None], ids=["past", "future", "none"]
)
@pytest.mark.parametrize("odd", [4, 5, 6])
def test_uncounted_keyset_ignores_impossible_timestamps(
    timestamp: datetime | None, odd: int
) -> None:
    """A row of no time stands anywhere on a page: those behind it are read all the same."""
    server = UncountedServer({one: one for one in range(1, 12)})

    def spoil(page: Page) -> Page:
        page.timestamps = [
            timestamp if first_of(raw) == odd else value
            for raw, value in zip(page.records, page.timestamps, strict=True)
        ]
        return page

    def read_range(window: TimeRange, seen: set[bytes]) -> Iterator[Page]:
        def fetch(requested: TimeRange, number: int) -> Page:
            return spoil(server.fetch(requested, number))

        return anchored_pages(fetch, first_of, window, seen, ascending=True)

    pages = uncounted_keyset(lambda w: spoil(server.fetch_sorted(w)), read_range, at(0), at(100))
    found = rows_of(pages)
    assert sorted(found) == sorted(server.rows.items())
