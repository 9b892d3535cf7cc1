"""`counted_pages`, on lists that change while it reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.counted import counted_pages
from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange
from tests.core.pagination.support import (
    START,
    Reading,
    Server,
    identify,
    servers,
    timestamps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_taps.pagination.page import FetchPage


@given(servers(kinds=()), st.sampled_from(["timestamp", "id", "descending"]))
def test_counted_quiet_list_yields_rows_once(server: Server, order: str) -> None:
    server.order = order
    reading = Reading.of(counted_pages(server.fetch, identify))
    assert reading.error is None
    assert sorted(reading.rows) == sorted(server.versions)
    assert reading.bookmark == max((s for s in server.timestamps if s), default=None)


@given(
    servers(kinds=("update", "insert")) | servers(kinds=("update", "delete")),
    st.sampled_from(["timestamp", "id", "descending"]),
)
def test_counted_under_churn_is_complete_or_fails(server: Server, order: str) -> None:
    server.order = order
    before = server.versions
    reading = Reading.of(counted_pages(server.fetch, identify))
    untouched = before.keys() & server.versions.keys()
    if reading.error is None:
        assert not untouched - set(reading.rows)
    else:
        assert isinstance(reading.error, PartitionFailed)
        assert reading.bookmark is None


@given(servers(), timestamps)
def test_counted_with_range_keeps_undated_rows(server: Server, start: datetime) -> None:
    server.filters = False
    reading = Reading.of(counted_pages(server.fetch, identify, keep=TimeRange(start)))
    known = server.versions
    for row in reading.rows:
        timestamp = known.get(row)
        assert timestamp is None or timestamp >= start


def naive(fetch: FetchPage) -> Iterator[Page]:
    """Read page after page, as one does."""
    number, more = 1, True
    while more:
        page = fetch(UNBOUNDED, number)
        yield page
        number, more = number + 1, page.has_next


def test_naive_paging_loses_row_readers_keep() -> None:
    def changing() -> Server:
        apart = [START + timedelta(minutes=n) for n in range(6)]
        return Server(apart, 2, [[], [("update", 0, timedelta(minutes=1))]])

    slipped = (2, 0)
    assert slipped not in Reading.of(naive(changing().fetch)).rows
    assert slipped in Reading.of(keyset(changing().fetch, identify, None)).rows
    assert slipped in Reading.of(counted_pages(changing().fetch, identify)).rows
