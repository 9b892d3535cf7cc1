"""`keyset` and `counted_pages`, on servers that lie about their lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from typing_extensions import override

from commerce_taps.pagination.counted import counted_pages
from commerce_taps.pagination.keyset import keyset
from tests.core.pagination.support import (
    START,
    Reading,
    Server,
    identify,
    servers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commerce_taps.pagination.page import FetchPage, Page, TimeRange


def total_of(page: Page) -> int:
    return page.total or 0


def size_of(page: Page) -> int:
    return page.size or 0


LIES: dict[str, Callable[[Page, int], Page]] = {
    "one too many announced": lambda r, _: replace(r, total=total_of(r) + 1),
    "one too few announced": lambda r, _: replace(r, total=max(total_of(r) - 1, 0)),
    "nothing announced": lambda r, _: replace(r, total=0),
    "a million announced": lambda r, _: replace(r, total=10**6),
    "total of the page": lambda r, _: replace(r, total=len(r.records)),
    "always another page": lambda r, _: replace(r, has_next=True),
    "always another page, and a total that allows it": lambda r, n: replace(
        r, has_next=True, total=max(total_of(r), n * size_of(r) + 1)
    ),
    "never another page": lambda r, _: replace(r, has_next=False),
    "empty page with a next": lambda r, n: replace(
        r, records=[], valid=[], timestamps=[], has_next=True
    ) if n > 1 else r,
    "last record missing": lambda r, _: replace(
        r, records=r.records[:-1], valid=r.valid[:-1], timestamps=r.timestamps[:-1]
    ),
    "page size overstated": lambda r, _: replace(r, size=size_of(r) + 1),
    "page size understated": lambda r, _: replace(r, size=max(size_of(r) - 1, 0)),
}  # fmt: skip


@dataclass
class FirstPageForEver(Server):
    """Gives page 1 whichever is requested for, and may announce more and more."""

    endless: bool = False

    @override
    def fetch(self, requested: TimeRange, number: int) -> Page:
        honest = super().fetch(requested, number)
        first = super().fetch(requested, 1)
        if len(first.records) < size_of(first):
            return honest
        if self.endless:
            return replace(first, has_next=True, total=number * size_of(first) + 1)
        return replace(first, has_next=honest.has_next)


READERS: dict[str, Callable[[FetchPage], Iterator[Page]]] = {
    "keyset": lambda fetch: keyset(fetch, identify, None),
    "keyset from a bookmark": lambda fetch: keyset(
        fetch, identify, START + timedelta(milliseconds=700)
    ),
    "counted": lambda fetch: counted_pages(fetch, identify),
}

FEWER = settings(max_examples=settings().max_examples // 4)  # there are many of these
each_reader = pytest.mark.parametrize("reader", READERS)


def assert_whole_or_failed(server: Server, reader: str) -> None:
    reading = Reading.of(READERS[reader](server.fetch))
    if reading.error is None:
        start = START if reader == "keyset from a bookmark" else None
        due = {
            row for row, timestamp in server.versions.items()
            if start is None or (timestamp is not None and timestamp >= start)
        }  # fmt: skip
        assert not due - set(reading.rows)


@each_reader
@FEWER
@pytest.mark.parametrize("lie", LIES)
@given(servers(kinds=()))
def test_reader_of_lying_server_loses_nothing(reader: str, lie: str, server: Server) -> None:
    server.lie = LIES[lie]
    assert_whole_or_failed(server, reader)


@each_reader
@FEWER
@pytest.mark.parametrize("order", ["id", "descending"])
@given(servers(kinds=(), nulls=False))
def test_reader_of_unsorted_server_loses_nothing(reader: str, order: str, server: Server) -> None:
    server.order = order
    assert_whole_or_failed(server, reader)


@each_reader
@FEWER
@given(servers(kinds=()))
def test_reader_of_unfiltered_server_loses_nothing(reader: str, server: Server) -> None:
    server.filters = False
    assert_whole_or_failed(server, reader)


@each_reader
@FEWER
@given(servers(kinds=()))
def test_reader_of_repeated_first_page_ends(reader: str, server: Server) -> None:
    for endless in (False, True):
        liar = FirstPageForEver(server.timestamps, server.size, endless=endless)
        liar.undated_first = server.undated_first
        assert_whole_or_failed(liar, reader)
