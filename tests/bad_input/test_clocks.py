"""Wrong clocks, ours or the server's: no row is lost, and no bookmark is ahead of either clock.

A bookmark is the timestamp of a row, but never later than now by either clock: a row with a
timestamp in the future is read again until then, and hides no later row.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from commerce_taps import http, transport
from commerce_taps.records import dates
from tap_codat.tap import TapCodat
from tests.bad_input.support import root
from tests.contract import bookmarks

if TYPE_CHECKING:
    import requests

    from tests.bad_input.support import Result, TapRunner, TapUnderTest
    from tests.contract import Record

READ = {
    "tap-codat": ("commerce_tax_components", "commerce_orders", "pull_operations"),
    "tap-cscart": ("subscribers", "products", "orders"),
    "tap-centra (integration)": ("vouchers", "orders", "products"),
    "tap-centra (order)": ("customers", "orders"),
}
"""Streams of each kind of incremental reading: by filter, by age, by a check in the tap."""

CLOCKS = {
    "ours-years-behind": (-3650, 0),
    "ours-years-ahead": (3650, 0),
    "servers-years-behind": (0, -3650),
    "servers-years-ahead": (0, 3650),
    "ours-behind-the-rows": (None, 0),
    "servers-behind-the-rows": (0, None),
}
"""By how many days each clock is wrong; 0 is the middle of the rows' timestamps."""

PLAIN: dict[TapUnderTest, Result] = {}
"""A run of each tap with correct clocks: always the same."""


def catalog(run: TapRunner) -> Record:
    entries = [
        copy.deepcopy(entry)
        for entry in run.tested.streams
        if entry["tap_stream_id"] in READ[str(run.tested)]
    ]
    for entry in entries:
        root(entry)["selected"] = True
    assert len(entries) == len(READ[str(run.tested)])
    return {"streams": entries}


def set_clocks(monkeypatch: pytest.MonkeyPatch, ours: datetime, servers: datetime) -> None:
    class Own(datetime):
        @classmethod
        @override
        def now(cls, tz: Any = None) -> Any:
            return ours.astimezone(tz)

    opened = transport.open_session

    def date(response: requests.Response, **_: object) -> None:
        response.headers["Date"] = format_datetime(servers, usegmt=True)

    def open_session(*args: Any) -> requests.Session:  # noqa: ANN401 (as what it stands for)
        session = opened(*args)
        session.hooks["response"].append(date)
        return session

    monkeypatch.setattr(http, "datetime", Own)
    monkeypatch.setattr(transport, "open_session", open_session)


def timestamps_of(end: Result, key: str, stream: str) -> dict[Any, datetime]:
    rows = end.output.rows(stream)
    return {one: dates.parse(row[key]) for one, row in rows.items() if row.get(key)}


@pytest.mark.parametrize(("ours", "servers"), CLOCKS.values(), ids=CLOCKS)
def test_wrong_clock_loses_no_row(
    run: TapRunner, monkeypatch: pytest.MonkeyPatch, ours: int | None, servers: int | None
) -> None:
    chosen = catalog(run)
    if run.tested not in PLAIN:
        PLAIN[run.tested] = run(catalog=chosen)
    plain = PLAIN[run.tested]
    keys = {
        name: place["replication_key"]
        for name, bookmark in plain.output.state["bookmarks"].items()
        for place in (bookmark, *bookmark.get("partitions", []))
        if "replication_key" in place
    }
    assert keys.keys() == {*READ[str(run.tested)]}, keys
    timestamps = {name: timestamps_of(plain, key, name) for name, key in keys.items()}
    sorted_ = sorted(value for found in timestamps.values() for value in found.values())
    middle, now = sorted_[len(sorted_) // 2], datetime.now(timezone.utc)
    clocks = [middle if days is None else now + timedelta(days=days) for days in (ours, servers)]
    set_clocks(monkeypatch, *clocks)

    first = run(catalog=chosen)
    assert first.code == 0, first.log
    assert first.output.counts == plain.output.counts
    marks = dict(bookmarks(first.output.state))
    assert all(dates.parse(value) <= min(clocks) for value in marks.values())

    unskipped = {"skip_unchanged": False} if run.tested.tap is TapCodat else {}
    second = run(run.config | unskipped, catalog=chosen, state=first.output.state)
    assert second.code == 0, second.log
    for name, found in timestamps.items():
        of_stream = [dates.parse(value) for place, value in marks.items() if name in str(place)]
        again = timestamps_of(second, keys[name], name) if name in second.output.schemas else {}
        begin = max(of_stream, default=now)
        late = {key for key, value in found.items() if value >= begin}
        assert late <= again.keys(), name
