"""`overlapping_pages`, on lists that change while it reads them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.errors import PartitionFailed
from tests.core.pagination.support import UnorderedServer, sparse_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[list[int]], Any]

STYLES = ("offset", "number", "link")
styles = pytest.mark.parametrize("style", STYLES)


@styles
@pytest.mark.parametrize("count", range(12))
@pytest.mark.parametrize("size", [3, 2])
def test_overlapping_quiet_list_yields_rows_once(style: str, count: int, size: int) -> None:
    assert UnorderedServer(list(range(count)), style, size=size).read() == list(range(count))


@styles
@pytest.mark.parametrize("gone", [1, 2, 3])
@pytest.mark.parametrize("moment", range(1, 8))
def test_overlapping_list_with_deleted_rows_is_complete(style: str, moment: int, gone: int) -> None:
    server = UnorderedServer(
        list(range(12)), style, {moment: lambda rows: rows.__delitem__(slice(gone))}
    )
    found = server.read()
    assert set(found) >= set(server.rows)
    assert max(Counter(found).values()) == 1


@styles
def test_overlapping_list_that_grows_in_front_is_not_reread(style: str) -> None:
    """Orders that come newest first grow in front."""
    acts = {n: lambda rows: rows.insert(0, -len(rows)) for n in range(1, 200, 2)}
    server = UnorderedServer(list(range(30)), style, acts)
    assert set(range(30)) <= set(server.read())
    assert server.requests < 120


@styles
def test_overlapping_list_that_shrinks_in_front_is_complete(style: str) -> None:
    acts: dict[int, Change] = {n: lambda rows: rows.pop(0) for n in range(1, 60, 4)}
    server = UnorderedServer(list(range(30)), style, acts)
    found = server.read()
    assert set(server.rows) <= set(found)


@given(st.sampled_from(STYLES), st.integers(0, 14), sparse_changes())
def test_overlapping_under_churn_yields_untouched_rows(
    style: str, count: int, acts: dict[int, Change]
) -> None:
    """Rows are added and go anywhere, one before a request, and not before two in a row."""
    server = UnorderedServer(list(range(count)), style, acts)
    try:
        found = server.read()
    except PartitionFailed:
        return  # it says so
    assert set(found) >= set(server.rows) & set(range(count))


@styles
@pytest.mark.parametrize("mistakes", [{2}, {3}, {4}, {2, 4}, {3, 6}, {5}])
def test_overlapping_mistaken_response_costs_nothing(style: str, mistakes: set[int]) -> None:
    server = UnorderedServer(list(range(10)), style, mistakes=frozenset(mistakes))
    assert server.read() == list(range(10))


def test_overlapping_list_that_keeps_changing_fails() -> None:
    acts = {n: lambda rows: rows.__delitem__(slice(6)) for n in range(1, 160)}
    server = UnorderedServer(list(range(1000)), "offset", acts)
    with pytest.raises(PartitionFailed, match="kept changing"):
        server.read()


@pytest.mark.parametrize("style", ["number", "link"])
def test_overlapping_rows_that_slip_twice_are_read(style: str) -> None:
    """Rows go, and one is added before the page before is fetched again."""
    acts: dict[int, Change] = {
        1: lambda rows: rows.__delitem__(slice(2)),
        2: lambda rows: rows.insert(0, 99),
    }
    assert set(UnorderedServer(list(range(12)), style, acts).read()) >= set(range(2, 12))
