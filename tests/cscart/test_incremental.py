"""Successive runs: the changes that each release reports, and those that it does not."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_sandbox.fake_api import ChurnOptions
from commerce_taps import http
from commerce_taps.records import dates
from tests.contract import bookmarks
from tests.cscart.support import KINDS, RELEASES, SCALE, Taps, catalog, differences, off, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract import Key, Record

TIMESTAMPS = {
    name: str(vars(kind).get("replication_key", "timestamp"))
    for name, kind in KINDS.items()
    if "replication_key" in {**vars(kind.__mro__[1]), **vars(kind)}
}
SALES = catalog("orders", "order_items", "products", "product_feature_values", "users", "carts")


class RunHistory:
    """Three runs against one store: a first one, one without changes, one after changes.

    Attributes:
        sandbox: The store.
        before: Its rows before the changes, by stream.
        touched: The changes.
    """

    def __init__(self, sandbox: Sandbox, taps: Taps) -> None:
        self.sandbox = sandbox
        self.first = taps(sandbox, catalog=SALES).output
        sandbox.clear_requests()
        self.second = taps(sandbox, catalog=SALES, state=self.first.state).output
        self.paths = [one.path for one in sandbox.requests]
        self.before = {name: truth(sandbox, self.first, name) for name in self.first.schemas}
        self.touched = sandbox.mutate(changes=24, inserts=8, deletes=4, stream="cscart")
        self.third = taps(sandbox, catalog=SALES, state=self.second.state).output

    def loaded(self, stream: str) -> dict[Key, Record]:
        """Return a table as it is after the three runs."""
        rows: dict[Key, Record] = {}
        for output in (self.first, self.second, self.third):
            rows |= output.rows(stream)
        return rows

    def keys(self, stream: str, *changes: str) -> set[Key]:
        """Return the keys of the rows of a stream with one of these changes."""
        return {
            tuple(one.key.values())
            for one in self.touched
            if one.stream == stream and one.change in changes
        }


@pytest.fixture(scope="module", params=RELEASES)
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunHistory]:
    with Sandbox(scale=SCALE, cscart_release=request.param) as sandbox:
        yield RunHistory(sandbox, Taps(tmp_path_factory.mktemp("history")))


def is_old(history: RunHistory) -> bool:
    """Whether the release of the store does not filter orders by their last change."""
    return "updated_at" not in next(iter(history.before["orders"].values()))


def test_first_run_reads_everything(history: RunHistory) -> None:
    for stream, wanted in history.before.items():
        assert differences(history.first.rows(stream), wanted, ignored=off(stream))[:5] == []


def test_bookmark_is_latest_value(history: RunHistory) -> None:
    marks = {at[0]: mark for at, mark in bookmarks(history.first.state)}
    key = "timestamp" if is_old(history) else "updated_at"
    assert marks["orders"] == max(row[key] for row in history.before["orders"].values())
    assert marks["order_items"] == marks["orders"]
    latest = max(row["updated_timestamp"] for row in history.before["products"].values())
    assert marks["products"] == marks["product_feature_values"] == latest
    assert history.first.state["bookmarks"]["orders"]["replication_key"] == key
    assert {tuple(sent["bookmark_properties"]) for sent in history.first.schemas["orders"]} == {
        (key,)
    }


@pytest.mark.parametrize("stream", ["orders", "products"])
def test_second_run_reads_only_lookback(history: RunHistory, stream: str) -> None:
    key = "updated_timestamp" if stream == "products" else "updated_at"
    if stream == "orders" and is_old(history):
        key = "timestamp"
    marks = {at[0]: mark for at, mark in bookmarks(history.first.state)}
    since = dates.parse(marks[stream]) - timedelta(days=1)
    wanted = {k for k, row in history.before[stream].items() if dates.parse(row[key]) >= since}
    assert set(history.second.rows(stream)) == wanted
    assert len(wanted) < len(history.before[stream]) / 4
    assert history.second.state == history.first.state


def test_details_are_fetched_for_new_rows(history: RunHistory) -> None:
    details = [path for path in history.paths if "/orders/" in path]
    assert len(details) == (len(history.second.rows("orders")) if is_old(history) else 0)


def test_third_run_reads_reported_changes(history: RunHistory) -> None:
    """The next two tests have the others."""
    for stream in history.before:
        wanted = truth(history.sandbox, history.first, stream)
        gone = history.before[stream].keys() - wanted.keys()
        parents = {"order_items": "orders", "product_feature_values": "products"}
        quiet = history.keys(parents.get(stream, stream), "unmarked")
        if stream in ("users", "carts"):
            quiet = set()  # read whole each time
        loaded = {
            key: row
            for key, row in history.loaded(stream).items()
            if key not in gone and key[:1] not in quiet
        }
        wanted = {key: row for key, row in wanted.items() if key[:1] not in quiet}
        assert differences(loaded, wanted, ignored=off(stream))[:5] == []


def test_unreported_change_keeps_old_row(history: RunHistory) -> None:
    for stream in ("orders", "products"):
        wanted = truth(history.sandbox, history.first, stream)
        loaded = history.loaded(stream)
        unseen = history.keys(stream, "unmarked") - set(history.third.rows(stream))
        assert unseen
        for key in unseen:
            assert differences({key: loaded[key]}, {key: wanted[key]}, ignored=off(stream))


def test_removed_order_line_stays(history: RunHistory) -> None:
    wanted = truth(history.sandbox, history.first, "order_items")
    gone = history.keys("orders", "deleted")
    lines = {
        key for key in history.before["order_items"].keys() - wanted.keys() if key[:1] not in gone
    }
    assert lines
    assert lines <= history.loaded("order_items").keys()
    if not is_old(history):  # the order itself is read again, without the line
        assert {key[:1] for key in lines} <= history.third.rows("orders").keys()
        assert not lines & history.third.rows("order_items").keys()


def test_deleted_row_stays(history: RunHistory) -> None:
    for stream in ("orders", "products", "carts"):
        gone = history.keys(stream, "deleted")
        assert gone
        assert gone <= history.loaded(stream).keys()
        assert not gone & history.third.rows(stream).keys()


def test_long_lookback_reads_every_order(history: RunHistory, run: Taps) -> None:
    only = catalog("orders", "order_items")
    state = {
        "bookmarks": {k: v for k, v in history.third.state["bookmarks"].items() if "order" in k}
    }
    output = run(history.sandbox, catalog=only, state=state, lookback=4000 * 86_400).output
    wanted = truth(history.sandbox, output, "orders")
    assert differences(output.rows("orders"), wanted, ignored=off("orders"))[:5] == []


# --- start_date and bookmarks -------------------------------------------------------------------

START = "2023-09-01T00:00:00Z"
PERIODS = {"discussions": "", "product_reviews": "", "subscribers": "", "shipments": "shipment_"}
"""Prefix of the parameters that filter a list by time."""
EDIT_FILTERS = {"products": "updated_in_hours", "features": "updated_in_days"}
"""Parameters that filter a list by the last edit."""


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "stream", [name for name in TIMESTAMPS if name not in ("orders", "master_products")]
)
def test_start_date_excludes_earlier_rows(
    run: Taps, stores: Callable[..., Sandbox], release: str, stream: str
) -> None:
    store = stores(release)
    store.clear_requests()
    output = run(store, catalog=catalog(stream), start_date=START).output
    if (prefix := PERIODS.get(stream)) is not None:
        queries = [one.query for one in store.requests if one.path.endswith(f"/{stream}")]
        seconds = str(int(dates.parse(START).timestamp()))
        sent = {(one.get(f"{prefix}period"), one.get(f"{prefix}time_from")) for one in queries}
        assert sent == {("C", seconds)}
    if name := EDIT_FILTERS.get(stream):
        queries = [one.query for one in store.requests if one.path.endswith(f"/{stream}")]
        assert all(name in one for one in queries if one["items_per_page"] != "1")
    wanted = truth(store, output, stream)
    kept = {key for key, row in wanted.items() if row.get(TIMESTAMPS[stream], START) >= START}
    assert set(output.rows(stream) if stream in output.schemas else ()) == kept
    assert len(kept) < len(wanted) or len(wanted) < 10 or (stream, release) == ("features", "4.9")


def test_rows_before_start_get_no_details(run: Taps, sandbox: Sandbox) -> None:
    rows = list(map(json.loads, sandbox.truth_lines("cscart.products")))
    ((imported, _),) = Counter(row["updated_timestamp"] for row in rows).most_common(1)
    begin = dates.render(dates.parse(imported) + timedelta(seconds=1))
    some = catalog("products", columns=["shortname"])
    passed = datetime.now(timezone.utc) - dates.parse(begin)
    output = run(sandbox, catalog=some, start_date=begin).output
    hours = {int(one.query.get("updated_in_hours", 0)) for one in sandbox.requests} - {0}
    # The store counts back from each request: the oldest rows leave a list while it is read.
    assert all(timedelta(hours=one) > passed + timedelta(hours=23) for one in hours)
    assert hours
    wanted = {row["product_id"] for row in rows if row["updated_timestamp"] >= begin}
    queries = [one.path.rpartition("/")[2] for one in sandbox.requests if "/products/" in one.path]
    assert set(output.rows("products")) == {(key,) for key in wanted}
    assert sorted(map(int, queries)) == sorted(wanted)


@pytest.mark.parametrize("release", RELEASES)
def test_start_date_of_orders_follows_release(
    run: Taps, stores: Callable[..., Sandbox], release: str
) -> None:
    store = stores(release)
    store.clear_requests()
    output = run(store, catalog=catalog("orders"), start_date=START).output
    key = "timestamp" if release == "4.9" else "updated_at"
    wanted = truth(store, output, "orders")
    assert set(output.rows("orders")) == {k for k, row in wanted.items() if row[key] >= START}
    seconds = str(int(dates.parse(START).timestamp()))
    queries = [one.query for one in store.requests if one.query.get("sort_by") == "order_id"]
    filters = [
        (one.get("period"), one.get("time_from"), one.get("updated_at_from")) for one in queries
    ]
    assert set(filters) == {("C", seconds, None) if release == "4.9" else (None, None, seconds)}
    assert (
        "is read from the start"
        not in run(store, catalog=catalog("orders"), state=output.state).log
    )


def test_bookmark_of_older_release_is_ignored(run: Taps, sandbox: Sandbox) -> None:
    old = {"replication_key": "timestamp", "replication_key_value": "2026-01-01T00:00:00Z"}
    state = {"bookmarks": {"orders": old}}
    ended = run(sandbox, catalog=catalog("orders"), state=state)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    wanted = {json.loads(line)["order_id"] for line in sandbox.truth_lines("cscart.orders")}
    assert {one["record"]["order_id"] for one in lines if one["type"] == "RECORD"} == wanted
    assert lines[-1]["value"]["bookmarks"]["orders"]["replication_key"] == "updated_at"


def test_future_timestamp_does_not_move_bookmark(run: Taps, sandbox: Sandbox) -> None:
    first = run(sandbox, catalog=catalog("shipments")).output
    row = dict(first.records["shipments"][0]) | {"shipment_timestamp": "4000000000"}
    body = {"shipments": [row], "params": {"page": 1, "total_items": "1"}}
    sandbox.override("/shipments", status=200, body=body)
    before = datetime.now(timezone.utc)
    state = run(sandbox, catalog=catalog("shipments")).output.state
    mark = dates.parse(state["bookmarks"]["shipments"]["replication_key_value"])
    assert before <= mark <= datetime.now(timezone.utc)


def test_bookmark_stays_before_reading_began(
    run: Taps, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(map(json.loads, sandbox.truth_lines("cscart.shipments")))
    timestamps = sorted(row["shipment_timestamp"] for row in rows)
    began = dates.parse(timestamps[len(timestamps) // 2]) + timedelta(milliseconds=500)
    assert timestamps[-1] > dates.render(began)
    later = began + timedelta(days=9_000)
    clock = property(lambda client: later if client.requests["shipments"] else began)
    monkeypatch.setattr(http.Client, "now", clock)
    ended = run(sandbox, catalog=catalog("shipments"))
    assert dict(bookmarks(ended.output.state)) == {("shipments", ()): dates.render(began)}
    assert len(ended.output.records["shipments"]) == len(rows)


# --- while it is read ---------------------------------------------------------------------------


def test_changes_during_reading_lose_no_row(
    run: Taps,
) -> None:
    churn = ChurnOptions(per_request=1, stream="cscart.products")
    with Sandbox(scale=SCALE, churn=churn) as sandbox:
        only = catalog("products")
        first = run(sandbox, catalog=only, page_size=10)
        second = run(sandbox, catalog=only, page_size=10, state=first.output.state)
        sandbox.settle()
        third = run(sandbox, catalog=only, page_size=10, state=second.output.state)
        rows: dict[Key, Record] = {}
        for ended in (first, second, third):
            assert ended.code == 0
            rows |= ended.output.rows("products")
        missing = truth(sandbox, third.output, "products").keys() - rows.keys()
    assert missing == set()
