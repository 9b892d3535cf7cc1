"""Pages a server does not manage whole: read in parts, on lists that change under their hands."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.errors import PartitionFailed, RequestTooLarge
from commerce_taps.pagination.counted import counted_pages
from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.parts import MAX_UNREADABLE_ROWS, Parts
from tests.core.pagination.support import START, Server, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commerce_taps.pagination.page import Page, TimeRange


SIZE = 12
readers = pytest.mark.parametrize("reader", [keyset, counted_pages])


class Weak:
    """A server that manages but so many rows at once, and none of some."""

    def __init__(self, server: Server, most: int, bad: set[int]) -> None:
        self.server, self.most, self.bad = server, most, bad
        self.sizes: list[int] = []
        self.parts = Parts(self.fetch, SIZE, "orders", logging.getLogger("test"))

    def fetch(self, requested: TimeRange, number: int, size: int, *, divisible: bool) -> Page:
        assert divisible or size == 1
        self.sizes.append(size)
        self.server.size = size
        page = self.server.fetch(requested, number)
        if size > self.most or self.bad.intersection(map(identify, page.records)):
            msg = "too much"
            raise RequestTooLarge(msg)
        return page

    def read(self, reader: Callable[..., Iterator[Page]]) -> Iterator[Page]:
        parts = self.parts
        if reader is counted_pages:
            return parts.finish(counted_pages(parts.page, identify))
        return parts.finish(keyset(parts.page, identify, None, first=parts.first))


def server(seconds: list[int]) -> Server:
    return Server([START.replace(second=second) for second in seconds], SIZE)


@readers
@given(
    seconds=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    most=st.sampled_from([1, 2, 3, 6, 12]),
    bad=st.sets(st.integers(0, 39), max_size=3),
)
def test_parts_of_weak_server_yield_readable_rows(
    reader: Callable[..., Iterator[Page]], seconds: list[int], most: int, bad: set[int]
) -> None:
    weak = Weak(server(seconds), most, bad)
    rows = weak.server.rows
    bad &= rows.keys()
    found: set[int] = set()
    safe = []
    try:
        for page in weak.read(reader):
            found.update(map(identify, page.records))
            safe += [page.bookmark] if page.bookmark else []
        failed = ""
    except PartitionFailed as error:
        failed = str(error)
    if not bad:
        assert found == rows.keys()
        assert not failed
    elif found:
        assert found == rows.keys() - bad
        assert "could not be read, the first of them row" in failed
        assert all(bookmark <= rows[row][0] for bookmark in safe for row in bad)  # type: ignore[operator]
    else:
        assert failed


@readers
def test_parts_of_unreadable_list_fail_early(
    reader: Callable[..., Iterator[Page]],
) -> None:
    weak = Weak(server(list(range(40))), 0, set())
    with pytest.raises(PartitionFailed, match=r"^orders: too much"):
        list(weak.read(reader))
    assert weak.sizes == [12, 6, 3, 1, 1]


@readers
def test_parts_with_many_unreadable_rows_fail(reader: Callable[..., Iterator[Page]]) -> None:
    weak = Weak(server(list(range(40))), SIZE, set(range(5, 6 + MAX_UNREADABLE_ROWS)))
    with pytest.raises(PartitionFailed, match="too much"):
        list(weak.read(reader))


@given(
    script=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["delete", "update", "insert"]),
                st.integers(0, 39),
                st.just(START - START),
            ),
            max_size=1,
        ),
        max_size=12,
    )
)
def test_parts_under_churn_lose_no_row(
    script: list[list[tuple[str, int, object]]],
) -> None:
    """Rows that go let the others slide, from one part to the one before."""
    weak = Weak(server([0] * 24), 3, set())
    weak.server.script = [[], [], [], *script]  # type: ignore[list-item]
    before = set(weak.server.rows)
    try:
        found = {identify(raw) for page in weak.read(counted_pages) for raw in page.records}
    except PartitionFailed:
        return
    assert found >= before & weak.server.rows.keys()
