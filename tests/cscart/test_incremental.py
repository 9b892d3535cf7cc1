"""Runs that follow each other: what each release can tell, and what it cannot."""

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
from tests.cscart.conftest import KINDS, RELEASES, SCALE, Taps, catalog, differences, off, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract import Key, Record

STAMPS = {name: str(vars(kind).get("replication_key", "timestamp")) for name, kind in KINDS.items()
          if "replication_key" in {**vars(kind.__mro__[1]), **vars(kind)}}  # fmt: skip
SOLD = catalog("orders", "order_items", "products", "product_feature_values", "users", "carts")


class Story:
    """Three runs against one store: at first, at once again, and after changes.

    Attributes:
        sandbox: The store.
        before: Its rows before the changes, by stream.
        touched: What was changed.
    """

    def __init__(self, sandbox: Sandbox, taps: Taps) -> None:
        self.sandbox = sandbox
        self.first = taps(sandbox, catalog=SOLD).output
        sandbox.clear_requests()
        self.second = taps(sandbox, catalog=SOLD, state=self.first.state).output
        self.asked = [one.path for one in sandbox.requests]
        self.before = {name: truth(sandbox, self.first, name) for name in self.first.schemas}
        self.touched = sandbox.mutate(changes=24, inserts=8, deletes=4, stream="cscart")
        self.third = taps(sandbox, catalog=SOLD, state=self.second.state).output

    def loaded(self, stream: str) -> dict[Key, Record]:
        """Give a table as it is after the three runs."""
        rows: dict[Key, Record] = {}
        for output in (self.first, self.second, self.third):
            rows |= output.rows(stream)
        return rows

    def keys(self, stream: str, *changes: str) -> set[Key]:
        """Give the keys of the rows of a stream that were touched so."""
        return {
            tuple(one.key.values())
            for one in self.touched
            if one.stream == stream and one.change in changes
        }


@pytest.fixture(scope="module", params=RELEASES)
def story(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    with Sandbox(scale=SCALE, cscart_release=request.param) as sandbox:
        yield Story(sandbox, Taps(tmp_path_factory.mktemp("story")))


def is_old(story: Story) -> bool:
    """Tell whether the store is of a release that does not filter orders by their last change."""
    return "updated_at" not in next(iter(story.before["orders"].values()))


def test_the_first_run_brings_everything(story: Story) -> None:
    for stream, wanted in story.before.items():
        assert differences(story.first.rows(stream), wanted, ignored=off(stream))[:5] == []


def test_a_bookmark_is_the_latest_value(story: Story) -> None:
    marks = {at[0]: mark for at, mark in bookmarks(story.first.state)}
    key = "timestamp" if is_old(story) else "updated_at"
    assert marks["orders"] == max(row[key] for row in story.before["orders"].values())
    assert marks["order_items"] == marks["orders"]
    latest = max(row["updated_timestamp"] for row in story.before["products"].values())
    assert marks["products"] == marks["product_feature_values"] == latest
    assert story.first.state["bookmarks"]["orders"]["replication_key"] == key
    assert {tuple(sent["bookmark_properties"]) for sent in story.first.schemas["orders"]} == {
        (key,)
    }


@pytest.mark.parametrize("stream", ["orders", "products"])
def test_a_second_run_brings_only_what_is_within_the_overlap(story: Story, stream: str) -> None:
    key = "updated_timestamp" if stream == "products" else "updated_at"
    if stream == "orders" and is_old(story):
        key = "timestamp"
    marks = {at[0]: mark for at, mark in bookmarks(story.first.state)}
    since = dates.parse(marks[stream]) - timedelta(days=1)
    wanted = {k for k, row in story.before[stream].items() if dates.parse(row[key]) >= since}
    assert set(story.second.rows(stream)) == wanted
    assert len(wanted) < len(story.before[stream]) / 4
    assert story.second.state == story.first.state


def test_details_are_asked_for_of_new_rows_only(story: Story) -> None:
    details = [path for path in story.asked if "/orders/" in path]
    assert len(details) == (len(story.second.rows("orders")) if is_old(story) else 0)


def test_a_third_run_brings_what_the_release_can_tell_of(story: Story) -> None:
    """What it cannot: see the next two."""
    for stream in story.before:
        wanted = truth(story.sandbox, story.first, stream)
        gone = story.before[stream].keys() - wanted.keys()
        parents = {"order_items": "orders", "product_feature_values": "products"}
        quiet = story.keys(parents.get(stream, stream), "unmarked")
        if stream in ("users", "carts"):
            quiet = set()  # read whole each time
        loaded = {
            key: row
            for key, row in story.loaded(stream).items()
            if key not in gone and key[:1] not in quiet
        }
        wanted = {key: row for key, row in wanted.items() if key[:1] not in quiet}
        assert differences(loaded, wanted, ignored=off(stream))[:5] == []


def test_of_what_leaves_no_stamp_the_old_row_stays(story: Story) -> None:
    for stream in ("orders", "products"):
        wanted = truth(story.sandbox, story.first, stream)
        loaded = story.loaded(stream)
        unseen = story.keys(stream, "unmarked") - set(story.third.rows(stream))
        assert unseen
        for key in unseen:
            assert differences({key: loaded[key]}, {key: wanted[key]}, ignored=off(stream))


def test_a_line_that_was_taken_out_of_an_order_stays(story: Story) -> None:
    wanted = truth(story.sandbox, story.first, "order_items")
    gone = story.keys("orders", "deleted")
    lines = {
        key for key in story.before["order_items"].keys() - wanted.keys() if key[:1] not in gone
    }
    assert lines
    assert lines <= story.loaded("order_items").keys()
    if not is_old(story):  # the order itself has come anew, without the line
        assert {key[:1] for key in lines} <= story.third.rows("orders").keys()
        assert not lines & story.third.rows("order_items").keys()


def test_of_what_is_deleted_the_row_stays(story: Story) -> None:
    for stream in ("orders", "products", "carts"):
        gone = story.keys(stream, "deleted")
        assert gone
        assert gone <= story.loaded(stream).keys()
        assert not gone & story.third.rows(stream).keys()


def test_a_long_overlap_sees_every_order_again(story: Story, run: Taps) -> None:
    only = catalog("orders", "order_items")
    state = {"bookmarks": {k: v for k, v in story.third.state["bookmarks"].items() if "order" in k}}
    output = run(story.sandbox, catalog=only, state=state, lookback=4000 * 86_400).output
    wanted = truth(story.sandbox, output, "orders")
    assert differences(output.rows("orders"), wanted, ignored=off("orders"))[:5] == []


# --- start_date and bookmarks -------------------------------------------------------------------

START = "2023-09-01T00:00:00Z"
PERIODS = {"discussions": "", "product_reviews": "", "subscribers": "", "shipments": "shipment_"}
"""What the parameters begin with by which a store narrows a list to a time."""
LATELY = {"products": "updated_in_hours", "features": "updated_in_days"}
"""Parameters that narrow a list to what was edited of late."""


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "stream", [name for name in STAMPS if name not in ("orders", "master_products")]
)
def test_a_start_date_leaves_out_what_is_stamped_before(
    run: Taps, stores: Callable[..., Sandbox], release: str, stream: str
) -> None:
    store = stores(release)
    store.clear_requests()
    output = run(store, catalog=catalog(stream), start_date=START).output
    if (prefix := PERIODS.get(stream)) is not None:
        asked = [one.query for one in store.requests if one.path.endswith(f"/{stream}")]
        seconds = str(int(dates.parse(START).timestamp()))
        told = {(one.get(f"{prefix}period"), one.get(f"{prefix}time_from")) for one in asked}
        assert told == {("C", seconds)}
    if name := LATELY.get(stream):
        asked = [one.query for one in store.requests if one.path.endswith(f"/{stream}")]
        assert all(name in one for one in asked if one["items_per_page"] != "1")
    wanted = truth(store, output, stream)
    kept = {key for key, row in wanted.items() if row.get(STAMPS[stream], START) >= START}
    assert set(output.rows(stream) if stream in output.schemas else ()) == kept
    assert len(kept) < len(wanted) or len(wanted) < 10 or (stream, release) == ("features", "4.9")


def test_no_details_are_asked_for_of_rows_that_the_store_lists_in_excess(
    run: Taps, sandbox: Sandbox
) -> None:
    rows = list(map(json.loads, sandbox.truth_lines("cscart.products")))
    ((imported, _),) = Counter(row["updated_timestamp"] for row in rows).most_common(1)
    begin = dates.render(dates.parse(imported) + timedelta(seconds=1))
    some = catalog("products", columns=["shortname"])
    passed = datetime.now(timezone.utc) - dates.parse(begin)
    output = run(sandbox, catalog=some, start_date=begin).output
    hours = {int(one.query.get("updated_in_hours", 0)) for one in sandbox.requests} - {0}
    # The store counts from each request: the oldest rows drop out of a list that is read for long.
    assert all(timedelta(hours=one) > passed + timedelta(hours=23) for one in hours)
    assert hours
    wanted = {row["product_id"] for row in rows if row["updated_timestamp"] >= begin}
    asked = [one.path.rpartition("/")[2] for one in sandbox.requests if "/products/" in one.path]
    assert set(output.rows("products")) == {(key,) for key in wanted}
    assert sorted(map(int, asked)) == sorted(wanted)


@pytest.mark.parametrize("release", RELEASES)
def test_a_start_date_of_orders_is_of_what_the_release_can_filter_by(
    run: Taps, stores: Callable[..., Sandbox], release: str
) -> None:
    store = stores(release)
    store.clear_requests()
    output = run(store, catalog=catalog("orders"), start_date=START).output
    key = "timestamp" if release == "4.9" else "updated_at"
    wanted = truth(store, output, "orders")
    assert set(output.rows("orders")) == {k for k, row in wanted.items() if row[key] >= START}
    seconds = str(int(dates.parse(START).timestamp()))
    asked = [one.query for one in store.requests if one.query.get("sort_by") == "order_id"]
    filters = [
        (one.get("period"), one.get("time_from"), one.get("updated_at_from")) for one in asked
    ]
    assert set(filters) == {("C", seconds, None) if release == "4.9" else (None, None, seconds)}
    assert (
        "is read from the start"
        not in run(store, catalog=catalog("orders"), state=output.state).log
    )


def test_a_bookmark_of_an_older_release_is_not_taken_for_one_of_changes(
    run: Taps, sandbox: Sandbox
) -> None:
    old = {"replication_key": "timestamp", "replication_key_value": "2026-01-01T00:00:00Z"}
    state = {"bookmarks": {"orders": old}}
    ended = run(sandbox, catalog=catalog("orders"), state=state)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    wanted = {json.loads(line)["order_id"] for line in sandbox.truth_lines("cscart.orders")}
    assert {one["record"]["order_id"] for one in lines if one["type"] == "RECORD"} == wanted
    assert lines[-1]["value"]["bookmarks"]["orders"]["replication_key"] == "updated_at"


def test_a_bookmark_is_not_beyond_the_moment_the_reading_began(run: Taps, sandbox: Sandbox) -> None:
    first = run(sandbox, catalog=catalog("shipments")).output
    row = dict(first.records["shipments"][0]) | {"shipment_timestamp": "4000000000"}
    body = {"shipments": [row], "params": {"page": 1, "total_items": "1"}}
    sandbox.override("/shipments", status=200, body=body)
    before = datetime.now(timezone.utc)
    state = run(sandbox, catalog=catalog("shipments")).output.state
    mark = dates.parse(state["bookmarks"]["shipments"]["replication_key_value"])
    assert before <= mark <= datetime.now(timezone.utc)


def test_a_bookmark_does_not_pass_the_beginning_of_the_reading_by_the_stores_clock(
    run: Taps, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(map(json.loads, sandbox.truth_lines("cscart.shipments")))
    stamps = sorted(row["shipment_timestamp"] for row in rows)
    began = dates.parse(stamps[len(stamps) // 2]) + timedelta(milliseconds=500)
    assert stamps[-1] > dates.render(began)
    later = began + timedelta(days=9_000)
    clock = property(lambda client: later if client.requests["shipments"] else began)
    monkeypatch.setattr(http.Client, "now", clock)
    ended = run(sandbox, catalog=catalog("shipments"))
    assert dict(bookmarks(ended.output.state)) == {("shipments", ()): dates.render(began)}
    assert len(ended.output.records["shipments"]) == len(rows)


# --- while it is read ---------------------------------------------------------------------------


def test_a_store_that_changes_while_it_is_read_loses_no_row(
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
