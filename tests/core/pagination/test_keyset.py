"""`keyset`, on lists that change while it reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from commerce_taps.pagination.keyset import keyset
from tests.core.pagination.support import (
    LATER,
    NOW,
    START,
    Reading,
    Server,
    Version,
    forgotten,
    identify,
    servers,
    timestamps,
)

CHURNING = (
    servers(nulls=False) | servers(kinds=("update", "insert")) | servers(kinds=("update", "delete"))
)
"""Rows without a value are found by number only, where a delete and an insert together may hide."""


@given(CHURNING)
def test_keyset_bookmark_never_passes_unread_rows(server: Server) -> None:
    reading = Reading.of(keyset(server.fetch, identify, None))
    for handed, bookmark in reading.prefixes:
        assert not forgotten(server, handed, bookmark)


@given(CHURNING)
def test_keyset_two_runs_yield_every_row(server: Server) -> None:
    first = Reading.of(keyset(server.fetch, identify, None))
    server.script = []
    second = Reading.of(keyset(server.fetch, identify, first.bookmark))
    assert second.error is None
    assert not server.versions.keys() - set(first.rows) - set(second.rows)


@given(servers(kinds=("update", "insert")))
def test_keyset_under_churn_yields_untouched_rows(server: Server) -> None:
    before = server.versions
    reading = Reading.of(keyset(server.fetch, identify, None))
    assume(reading.error is None)
    untouched = before.keys() & server.versions.keys()
    assert not untouched - set(reading.rows)


@given(servers(kinds=("update", "insert"), nulls=False), st.data())
def test_keyset_from_bookmark_yields_its_second(server: Server, data: st.DataObject) -> None:
    start = data.draw(timestamps)
    before = {row for row, timestamp in server.versions.items() if timestamp and timestamp >= start}
    reading = Reading.of(keyset(server.fetch, identify, start))
    assume(reading.error is None)
    assert not before & server.versions.keys() - set(reading.rows)
    known = server.versions
    second = start.replace(microsecond=0)
    assert all(known[row] >= second for row in reading.rows if row in known)  # type: ignore[operator]


@given(servers(kinds=()))
def test_keyset_quiet_list_is_complete(server: Server) -> None:
    reading = Reading.of(keyset(server.fetch, identify, None))
    assert reading.error is None
    assert set(reading.rows) == server.versions.keys()
    latest = max((s for s in server.timestamps if s), default=None)
    # Where a second fills whole pages, its beginning is kept.
    if latest is None:
        assert reading.bookmark is None
    else:
        assert reading.bookmark is not None
        assert latest.replace(microsecond=0) <= reading.bookmark <= latest


@given(servers(kinds=(), nulls=False))
def test_keyset_quiet_list_yields_rows_once(server: Server) -> None:
    reading = Reading.of(keyset(server.fetch, identify, None))
    assert sorted(reading.rows) == sorted(server.versions)
    assert server.requests <= 8 + 4 * len(server.timestamps)


def test_keyset_deleted_row_causes_no_second_reading() -> None:
    apart = [START + timedelta(minutes=number) for number in range(6)]
    server = Server(apart, 2, [[], [], [], [("delete", 4, NOW)]])
    reading = Reading.of(keyset(server.fetch, identify, None))
    assert reading.error is None
    assert reading.rows == [(number, 0) for number in (0, 1, 2, 3, 5)]
    assert reading.bookmark == apart[-1]


@pytest.mark.parametrize("rows", [6, 7, 60])
@pytest.mark.parametrize("apart", [timedelta(0), timedelta(milliseconds=1)], ids=["tied", "close"])
def test_keyset_second_larger_than_page_is_complete(rows: int, apart: timedelta) -> None:
    edge = [START - timedelta(seconds=5), START + timedelta(seconds=5)]
    server = Server([edge[0], *(START + apart * n for n in range(rows)), edge[1]], 3)
    reading = Reading.of(keyset(server.fetch, identify, None))
    assert reading.error is None
    assert set(reading.rows) == server.versions.keys()
    assert reading.bookmark == edge[1]


@pytest.mark.parametrize(
    ("server", "slipped"),
    [
        (
            # A new row sorts before those of its second that are still to be read.
            Server([START] * 4, 2, [[], [], [], [], [], [("insert", 1, NOW)]]),
            (1, 0),
        ),
        (
            # A row arrives in a second that was read, and then one of a later second.
            Server([START] * 2, 1, [[]] * 6 + [[("insert", 1, NOW), ("insert", 2, LATER)]]),
            (-1, 0),
        ),
        (
            # Where there is no order, a row changes after its page and another one before its own.
            Server(
                [START + LATER * 9, START, START + LATER], 2,
                [[]] * 3 + [[("update", 0, LATER), ("update", 2, LATER)]], order="id",
            ),
            (0, 1),
        ),
        (
            # The same while the rows without a value are looked for.
            Server(
                [None, START, START + LATER], 2,
                [[]] * 2 + [[("update", 1, LATER), ("update", 2, LATER)]],
            ),
            (1, 1),
        ),
    ],
    ids=["before", "behind", "unsorted", "undated"],
)  # fmt: skip
def test_keyset_slipping_row_is_never_passed(server: Server, slipped: Version) -> None:
    reading = Reading.of(keyset(server.fetch, identify, None))
    assert slipped in server.versions
    for handed, bookmark in reading.prefixes:
        assert slipped not in forgotten(server, handed, bookmark)
    if server.order == "timestamp":
        assert slipped in reading.rows
