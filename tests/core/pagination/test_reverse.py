"""`reverse_pages` and a pager that repeats, lies, shrinks and moves its rows: no row is missed."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import Page
from commerce_taps.pagination.reverse import reverse_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Change = Callable[["Pager"], None]

TOTALS = ("true", "none", "rows of the page", "too low")


@dataclass
class Pager:
    """A list in pages, with the habits of the store's.

    Attributes:
        rows: Its rows, each an id and a version, in order.
        size: Rows a page.
        total: What it says of the number of rows.
        repeats: Whether the last page is sent for every number beyond it.
        has_number: Whether it says which page it sends.
        changes: What happens to the rows before each of the first answers.
        requested: The numbers requested for.
        ids: The ids of rows to come.
        more: How many rows too many it announces, where it announces too many.
    """

    rows: list[tuple[int, int]]
    size: int
    total: str = "true"
    repeats: bool = False
    has_number: bool = True
    changes: Iterator[Change] = field(default_factory=lambda: iter(()))
    requested: list[int] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(10_000))
    more: int = 3

    def __call__(self, number: int) -> Page:
        assert len(self.requested) < 10_000, "it never ends"
        self.requested.append(number)
        for change in self.changes:
            change(self)
            break
        last = max(-(-len(self.rows) // self.size), 1)
        page = min(number, last) if self.repeats else number
        shown = self.rows[(page - 1) * self.size : page * self.size]
        count = len(self.rows)
        total = {
            "true": count,
            "none": None,
            "rows of the page": len(shown),
            "too high": count + self.more,
            "too low": count // 2,
        }[self.total]
        raws = [Raw(b"[%d,%d]" % row) for row in shown]
        return Page(
            raws,
            [True] * len(raws),
            [None] * len(raws),
            number=page if self.has_number else None,
            total=total,
        )

    def read(self, *, ascending: bool, keeps_place: bool = False) -> list[tuple[int, int]]:
        """Read it to its end."""
        found = []
        for rows in reverse_pages(
            self, identify, self.size, ascending=ascending, keeps_place=keeps_place
        ):
            assert rows.records, "an empty page is handed on"
            found += [eval(bytes(raw)) for raw in rows.records]  # noqa: S307 - [1,2]
        return [(id_, version) for id_, version in found]


def identify(raw: Raw) -> bytes:
    return bytes(raw).partition(b",")[0]


def rows_of(count: int) -> list[tuple[int, int]]:
    return [(number, 0) for number in range(count)]


counts = st.integers(0, 40)
sizes = st.integers(1, 7)


@given(
    count=counts,
    size=sizes,
    total=st.sampled_from(TOTALS),
    repeats=st.booleans(),
    has_number=st.booleans(),
    ascending=st.booleans(),
)
def test_reverse_quiet_list_yields_rows_once(
    *, count: int, size: int, total: str, repeats: bool, has_number: bool, ascending: bool
) -> None:
    pager = Pager(rows_of(count), size, total, repeats=repeats, has_number=has_number)
    assert sorted(pager.read(ascending=ascending)) == rows_of(count)


@given(
    count=counts,
    size=sizes,
    more=st.sampled_from((1, 2, 7, 2_000, 10**30)),
    repeats=st.booleans(),
    has_number=st.booleans(),
    ascending=st.booleans(),
)
def test_reverse_list_ending_before_total_fails(
    *, count: int, size: int, more: int, repeats: bool, has_number: bool, ascending: bool
) -> None:
    pager = Pager(
        rows_of(count), size, "too high", repeats=repeats, has_number=has_number, more=more
    )
    found: list[Raw] = []
    pages = reverse_pages(pager, identify, size, ascending=ascending)
    with pytest.raises(PartitionFailed, match=f"ends at {count} of the {count + more:,} records"):
        found.extend(raw for rows in pages for raw in rows.records)
    assert len(found) == len(set(map(bytes, found))) == count


@given(count=counts, size=sizes, repeats=st.booleans())
def test_reverse_true_total_costs_few_requests(*, count: int, size: int, repeats: bool) -> None:
    pager = Pager(rows_of(count), size, repeats=repeats)
    pager.read(ascending=True)
    assert len(pager.requested) <= -(-count // size) + 3


def delete(place: int) -> Change:
    def change(pager: Pager) -> None:
        if pager.rows:
            del pager.rows[place % len(pager.rows)]

    return change


def touch(place: int) -> Change:
    def change(pager: Pager) -> None:
        if pager.rows:
            id_, version = pager.rows.pop(place % len(pager.rows))
            pager.rows.append((id_, version + 1))

    return change


def edit(place: int) -> Change:
    def change(pager: Pager) -> None:
        if pager.rows:
            id_, version = pager.rows[place % len(pager.rows)]
            pager.rows[place % len(pager.rows)] = (id_, version + 1)

    return change


def append(_: int) -> Change:
    return lambda pager: pager.rows.append((next(pager.ids), 0))


def nothing(_: int) -> Change:
    return lambda _: None


change = st.builds(
    lambda kind, place: kind(place),
    st.sampled_from([delete, touch, append, nothing]),
    st.integers(0, 60),
)
changes = st.lists(change, max_size=12)


def at_once(them: Sequence[Change]) -> Change:
    def change(pager: Pager) -> None:
        for one in them:
            one(pager)

    return change


@settings(max_examples=max(500, settings().max_examples))
@given(
    count=counts,
    size=sizes,
    what=st.lists(st.lists(change, max_size=4).map(at_once), max_size=40),
    repeats=st.booleans(),
)
def test_reverse_ascending_list_under_churn_is_complete(
    *, count: int, size: int, what: list[Change], repeats: bool
) -> None:
    """Whatever moves to the end meanwhile, be it again and again."""
    pager = Pager(rows_of(count), size, repeats=repeats, changes=iter(what))
    with suppress(PartitionFailed):
        found = {id_ for id_, _ in pager.read(ascending=True)}
        assert {id_ for id_, _ in pager.rows if id_ < count} <= found


@settings(max_examples=max(500, settings().max_examples))
@given(
    count=counts,
    size=sizes,
    what=st.lists(
        st.lists(
            st.builds(
                lambda kind, place: kind(place),
                st.sampled_from([delete, edit, append]),
                st.integers(0, 60),
            ),
            max_size=4,
        ).map(at_once),
        max_size=40,
    ),
)
def test_reverse_list_with_fixed_places_is_complete(
    *, count: int, size: int, what: list[Change]
) -> None:
    pager = Pager(rows_of(count), size, changes=iter(what))
    with suppress(PartitionFailed):
        found = {id_ for id_, _ in pager.read(ascending=True, keeps_place=True)}
        assert {id_ for id_, _ in pager.rows if id_ < count} <= found


@pytest.mark.parametrize("keeps_place", [False, True])
def test_reverse_lively_list_is_complete(*, keeps_place: bool) -> None:
    """Rows that come to the end all the time, or change all over, are no reason to give up."""
    change = [edit(7 * place) for place in range(7)] if keeps_place else [touch(5)]
    lively = itertools.repeat(at_once([append(0), *change]))
    pager = Pager(rows_of(100), 10, changes=lively)
    assert {id_ for id_, _ in pager.read(ascending=True, keeps_place=keeps_place)} >= set(
        range(100)
    )


@given(
    count=counts,
    size=sizes,
    what=changes,
    total=st.sampled_from((*TOTALS, "too high")),
    repeats=st.booleans(),
    ascending=st.booleans(),
)
def test_reverse_under_churn_ends(
    *,
    count: int,
    size: int,
    what: list[Change],
    total: str,
    repeats: bool,
    ascending: bool,
) -> None:
    pager = Pager(rows_of(count), size, total, repeats=repeats, changes=iter(what))
    with suppress(PartitionFailed):
        found = pager.read(ascending=ascending)
        assert len(found) == len(set(found))


@given(counts, sizes, changes)
def test_reverse_unsorted_list_with_deletions_is_complete(
    count: int, size: int, what: list[Change]
) -> None:
    deletions = [change for change in what if "delete" in repr(change)]
    pager = Pager(rows_of(count), size, changes=iter(deletions))
    found = set(pager.read(ascending=False))
    assert set(pager.rows) <= found


@pytest.mark.parametrize("ascending", [False, True])
def test_reverse_endless_list_fails(*, ascending: bool) -> None:
    growing = itertools.repeat(at_once([append(0), append(1), append(2)]))
    pager = Pager(rows_of(12), 2, changes=growing)
    with pytest.raises(PartitionFailed, match="kept changing"):
        pager.read(ascending=ascending)


def test_reverse_list_that_keeps_changing_fails() -> None:
    def forever() -> Iterator[Change]:
        while True:
            yield delete(0)
            yield append(0)
            yield append(1)

    pager = Pager(rows_of(30), 5, changes=forever())
    with pytest.raises(PartitionFailed, match="kept changing"):
        pager.read(ascending=False)
