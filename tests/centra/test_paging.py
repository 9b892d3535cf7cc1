"""Lists that change while they are read: nothing slips between two pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import TimeRange
from tap_centra.integration.pagination import (
    PageRequest,
    Rows,
    cursor_pages,
    keyset,
    overlapping_rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_centra.integration.pagination import Pages

T0 = datetime(2024, 6, 1, tzinfo=timezone.utc)


def at(second: int) -> datetime:
    return T0 + timedelta(seconds=second)


@dataclass
class Api:
    """A list behind an API whose bounds are exclusive, as nobody knows what Centra's are.

    Attributes:
        rows: The second of each row's last change, by its id.
        size: Rows of a page.
        by_id: Whether it can be sorted by id.
        acts: What happens before the request of a number, counted from 0.
        asked: How many requests there were.
    """

    rows: dict[int, int]
    size: int = 3
    by_id: bool = True
    acts: dict[int, Callable[[dict[int, int]], Any]] = field(default_factory=dict)
    asked: int = 0

    def __call__(self, question: PageRequest) -> Rows:
        if self.asked in self.acts:
            self.acts[self.asked](self.rows)
        self.asked += 1
        assert self.asked < 500, "it never ends"
        start, end = question.window.start, question.window.end
        low = start - timedelta(seconds=1) if start else None
        found = [
            one
            for one, second in self.rows.items()
            if (low is None or at(second) > low) and (end is None or at(second) < end)
        ]
        if question.in_time:
            found.sort(key=lambda one: (self.rows[one], one))
        elif self.by_id:
            found.sort()
        first = (question.number - 1) * self.size
        if question.cursor is not None:
            first = next((n for n, one in enumerate(found) if one > int(question.cursor)), 10**6)
        page = found[first : first + self.size]
        return Rows(
            [Raw(json.dumps([one, self.rows[one]]).encode()) for one in page],
            page,
            [at(self.rows[one]) for one in page],
            self.size,
            more=len(page) == self.size,
            before=found[first - 1] if 0 < first <= len(found) else None,
            cursor=str(page[-1]) if page else None,
            ascending=self.by_id and not question.in_time,
        )


def read(pages: Pages) -> list[tuple[int, int]]:
    return [(one, second) for raws, _ in pages for one, second in map(json.loads, map(bytes, raws))]


def rows(*seconds: int) -> dict[int, int]:
    return dict(enumerate(seconds, 1))


# --- by key -------------------------------------------------------------------------------------


def test_keyset_reads_each_row_once_in_order() -> None:
    api = Api(rows(5, 1, 9, 1, 7, 3, 3, 20))
    found = read(keyset(api, None))
    assert [second for _, second in found] == [1, 1, 3, 3, 5, 7, 9, 20]
    assert len(set(found)) == 8


def test_keyset_begins_at_the_bookmark_inclusively() -> None:
    api = Api(rows(1, 2, 3, 3, 4))
    assert sorted(read(keyset(api, at(3)))) == [(3, 3), (4, 3), (5, 4)]


@pytest.mark.parametrize("ties", [3, 4, 10, 11])
def test_keyset_gets_past_more_rows_of_one_second_than_a_page_holds(ties: int) -> None:
    api = Api(rows(1, *[2] * ties, 3, 3))
    assert sorted(read(keyset(api, None))) == sorted(api.rows.items())


def test_a_row_that_moves_to_the_end_takes_none_with_it() -> None:
    """With page numbers, the row behind it would slide over the border unseen."""
    api = Api(rows(1, 2, 3, 4, 5, 6, 7, 8), acts={1: lambda r: r.update({1: 30, 2: 31})})
    assert {one for one, _ in read(keyset(api, None))} == set(range(1, 9))
    assert (1, 30) in read(keyset(api, None))


def test_without_the_order_that_was_promised_the_list_is_read_by_number() -> None:
    api = Api(rows(3, 1, 2, 5, 4))
    shuffled = api.rows

    def ask(question: PageRequest) -> Rows:
        return api(PageRequest(question.window, number=question.number))

    assert sorted(read(keyset(ask, None))) == sorted(shuffled.items())


@given(
    st.lists(st.integers(0, 6), max_size=25),
    st.integers(1, 5),
    st.dictionaries(st.integers(0, 20), st.tuples(st.integers(1, 25), st.booleans()), max_size=6),
)
def test_keyset_never_misses_a_row_that_stays(
    seconds: list[int], size: int, changes: dict[int, tuple[int, bool]]
) -> None:
    """Rows change, which moves them to the end, or go; all others must come, changed ones anew."""
    api = Api(rows(*seconds), size=size)

    def change(number: int, *, goes: bool) -> Callable[[dict[int, int]], Any]:
        def act(found: dict[int, int]) -> None:
            if number in found:
                found.pop(number)
                if not goes:
                    found[number] = 100 + api.asked

        return act

    api.acts = {when: change(one, goes=goes) for when, (one, goes) in changes.items()}
    found = read(keyset(api, None))
    for one, second in api.rows.items():
        if second < 100:
            assert (one, second) in found
        else:
            assert one in {seen for seen, _ in found}


# --- by number ----------------------------------------------------------------------------------


def test_counted_reads_each_row_once() -> None:
    api = Api(rows(*range(10)))
    assert read(overlapping_rows(api)) == sorted(api.rows.items())


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize("moment", [1, 2, 3])
def test_counted_sees_that_rows_have_gone(moment: int, by_id: bool) -> None:  # noqa: FBT001
    api = Api(rows(*range(10)), by_id=by_id, acts={moment: lambda r: r.pop(1)})
    assert {one for one, _ in read(overlapping_rows(api))} >= set(range(2, 11))
    assert len(read(overlapping_rows(api))) == 9


def test_rows_that_are_added_in_front_do_not_begin_it_anew() -> None:
    api = Api({one: one for one in range(5, 15)}, acts={1: lambda r: r.update({1: 1, 2: 2})})
    found = read(overlapping_rows(api))
    assert {one for one, _ in found} >= set(range(5, 15))
    assert api.asked == 5


def test_a_list_that_never_comes_to_rest_fails() -> None:
    api = Api(
        {one: one for one in range(60)},
        acts={n: lambda r: r.pop(min(r)) for n in range(1, 60)},
    )
    with pytest.raises(PartitionFailed, match="kept changing"):
        read(overlapping_rows(api))


def test_counted_keeps_to_its_window() -> None:
    api = Api(rows(1, 2, 3, 4, 5))
    assert read(overlapping_rows(api, TimeRange(at(2), at(4)))) == [(2, 2), (3, 3)]


# --- by cursor ----------------------------------------------------------------------------------


def test_by_cursor_holds_on_to_rows() -> None:
    api = Api(rows(*range(10)), acts={1: lambda r: (r.pop(1), r.pop(2), r.update({0: 5}))})
    assert {one for one, _ in read(cursor_pages(api))} >= set(range(3, 11))


def test_a_cursor_that_leads_nowhere_is_a_failure() -> None:
    api = Api(rows(*range(10)))

    def ask(_: PageRequest) -> Rows:
        return api(PageRequest())

    with pytest.raises(PartitionFailed, match="leads nowhere"):
        read(cursor_pages(ask))


def edge(one: int, cursor: str | None, *, more: bool, total: int | None = None) -> Rows:
    return Rows([Raw(b"%d" % one)], [one], [None], 1, more, cursor=cursor, total=total)


def test_by_cursor_ends_where_a_circle_of_cursors_closes() -> None:
    circle = {None: "a", "a": "b", "b": "a"}
    with pytest.raises(PartitionFailed, match="leads nowhere"):
        list(cursor_pages(lambda question: edge(1, circle[question.cursor], more=True)))


def test_a_connection_that_ends_before_its_total_is_read_again_and_then_named() -> None:
    asked: list[str | None] = []

    def ask(question: PageRequest) -> Rows:
        asked.append(question.cursor)
        return edge(len(asked) % 2, "a", more=question.cursor is None, total=3)

    pages = cursor_pages(ask)
    assert [safe for _, safe in (next(pages), next(pages))] == [False, False]
    with pytest.raises(PartitionFailed, match="ends at 2 of the 3 records"):
        list(pages)
    assert asked == [None, "a"] * 2


def test_a_list_that_gives_the_same_page_for_each_number_is_not_read_for_ever() -> None:
    page = Rows([Raw(b"{}")], [7], [None], 1, more=True, before=7)
    with pytest.raises(PartitionFailed, match="kept changing"):
        list(overlapping_rows(lambda _: page))


@pytest.mark.parametrize("stamp", [at(-9_000), at(9_000_000), None], ids=["past", "future", "none"])
@pytest.mark.parametrize("odd", [4, 5, 6])
def test_keyset_relies_on_no_value_beyond_what_was_asked_for(
    stamp: datetime | None, odd: int
) -> None:
    """A row of no time stands anywhere on a page: those behind it are read all the same."""
    api = Api({one: one for one in range(1, 12)})

    def ask(question: PageRequest) -> Rows:
        rows = api(question)
        rows.timestamps = [
            stamp if one == odd else value
            for one, value in zip(rows.ids, rows.timestamps, strict=True)
        ]
        return rows

    found = read(keyset(ask, at(0), at(100)))
    assert sorted(found) == sorted(api.rows.items())
