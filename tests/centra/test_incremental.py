"""Runs that follow each other: what state, start date and look-back bring, and what they spare."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_taps.records import dates
from tests.centra.support import (
    INTEGRATION,
    KINDS,
    ORDER,
    Taps,
    differences,
    row_differences,
    truth,
)
from tests.contract import bookmarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox.fake_api import ChangedRow
    from tests.centra.support import Catalogs
    from tests.contract import Key, Output, Record
    from tests.runs import Run

APIS = sorted(KINDS)
BY_CREATION = {
    (INTEGRATION, "returns"): "createdAt",
    (ORDER, "orders"): "orderDate",
    (ORDER, "returns"): "date",
    (ORDER, "shipments"): "shipmentDate",
}
"""Streams whose rows change without telling, with what they are filtered by."""
LOOKBACK = timedelta(days=30)
UPDATED = [
    name
    for name, kind in KINDS[INTEGRATION].items()
    if kind.replication_key in {"updatedAt", "orderUpdatedAt"}
]


def name_of(api: str, stream: str) -> str:
    return f"centra.{api}.{stream}"


class Story:
    """Two runs with changes between them, and a third one after which nothing has changed."""

    def __init__(self, api: str, folder: Taps, sandbox: Sandbox) -> None:
        self.api = api
        self.before = folder(sandbox, api)
        self.old = {one: self._truth(sandbox, one) for one in self.before.output.schemas}
        self.touched: list[ChangedRow] = sandbox.mutate(changes=60, inserts=15, stream="centra")
        self.after = folder(sandbox, api, state=self.before.output.state)
        self.new = {one: self._truth(sandbox, one) for one in self.before.output.schemas}
        self.idle = folder(sandbox, api, state=self.after.output.state)

    def _truth(self, sandbox: Sandbox, stream: str) -> dict[Key, Record]:
        return truth(sandbox, self.api, self.before.output, stream)

    def together(self, stream: str) -> dict[Key, Record]:
        """The table after both runs."""
        return self.before.output.rows(stream) | self.after.output.rows(stream)

    def bookmark(self, stream: str) -> str:
        """The bookmark after the first run."""
        return str(dict(bookmarks(self.before.output.state))[stream, ()])

    def keys(self, stream: str, *changes: str) -> set[Key]:
        """The keys of the rows that were touched so."""
        names = self.before.output.key_names(stream)
        return {
            tuple(one.key[name] for name in names)
            for one in self.touched
            if one.stream.endswith(f"{self.api}.{stream}") and one.change in changes
        }


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Story]]:
    """The story of each API."""
    with Sandbox(scale=0.05) as first, Sandbox(scale=0.05) as second:
        yield {
            api: Story(api, Taps(tmp_path_factory.mktemp(api)), sandbox)
            for api, sandbox in ((INTEGRATION, first), (ORDER, second))
        }


@pytest.mark.parametrize("api", APIS)
def test_every_run_succeeds(stories: dict[str, Story], api: str) -> None:
    runs: list[Run] = [stories[api].before, stories[api].after, stories[api].idle]
    assert [run.code for run in runs] == [0, 0, 0], runs[-1].log[-2000:]
    assert all(run.output for run in runs)
    assert len(stories[api].touched) > 60


@pytest.mark.parametrize(
    ("api", "stream"),
    [(api, one) for api in APIS for one in KINDS[api] if one not in {"events", "customer_details"}],
)
def test_table_after_changes_equals_truth(stories: dict[str, Story], api: str, stream: str) -> None:
    story = stories[api]
    right = story.new[stream]
    gone = story.old[stream].keys() - right.keys()
    got = {key: row for key, row in story.together(stream).items() if key not in gone}
    stale = {
        key for key in right if key in got and differences(
            api, stream, {key: got[key]}, {key: right[key]}
        )
    }  # fmt: skip
    assert right.keys() - got.keys() == set()
    assert got.keys() - right.keys() == set()
    remainder = set()
    if (api, stream) in BY_CREATION:
        column = BY_CREATION[api, stream]
        # The filters of the Order API begin an hour earlier.
        earlier = LOOKBACK + timedelta(hours=api == ORDER)
        since = dates.parse(story.bookmark(stream)) - earlier
        remainder = {
            key
            for key in story.keys(stream, "unmarked")
            if right[key][column] is not None and dates.parse(right[key][column]) < since
        }
    assert stale == remainder


@pytest.mark.parametrize("stream", UPDATED)
def test_second_run_requests_changes_only(stories: dict[str, Story], stream: str) -> None:
    story = stories[INTEGRATION]
    key = str(KINDS[INTEGRATION][stream].replication_key)
    brought = {row[key] for row in story.after.output.records[stream]} - {None}
    assert all(value >= story.bookmark(stream) for value in brought)


@pytest.mark.parametrize("api", APIS)
def test_run_without_changes_keeps_tables(stories: dict[str, Story], api: str) -> None:
    story = stories[api]
    for stream in story.idle.output.schemas:
        idle = story.idle.output.rows(stream)
        together = story.together(stream)
        assert all(
            {**row, "readAt": None} == {**together[key], "readAt": None}
            for key, row in idle.items()
        ), stream


def test_order_api_changes_are_read_again(
    stories: dict[str, Story],
) -> None:
    story = stories[ORDER]
    for stream in ("products", "stock"):
        changed = story.keys(stream, "changed")
        assert changed
        assert changed <= story.after.output.rows(stream).keys()
        assert len(story.after.output.rows(stream)) < len(story.new[stream])


def test_events_are_never_confirmed(run: Taps, own_sandbox: Sandbox, catalog: Catalogs) -> None:
    own_sandbox.mutate(changes=9, inserts=3, deletes=1, stream="centra")
    some = catalog(events=None)
    first = run(own_sandbox, catalog=some).output
    second = run(own_sandbox, catalog=some).output
    assert first.rows("events") == second.rows("events")
    wanted = truth(own_sandbox, INTEGRATION, first, "events")
    assert len(wanted) > 5
    assert differences(INTEGRATION, "events", first.rows("events"), wanted)[:5] == []


# --- start and look-back ------------------------------------------------------------------------

START = "2023-06-01T00:00:00Z"


def test_start_date_is_inclusive(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    output = run(sandbox, catalog=catalog(orders=None, returns=None), start_date=START).output
    for stream, column in (("orders", "updatedAt"), ("returns", "createdAt")):
        rows = truth(sandbox, INTEGRATION, output, stream)
        wanted = {key for key, row in rows.items() if row[column] >= START}
        assert set(output.keys(stream)) == wanted
        assert wanted < rows.keys() or stream == "orders"


def test_bookmark_second_is_read_again(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    some = catalog(product_sizes=None)
    rows = sorted(row["updatedAt"] for row in sandbox.truth("centra.integration.product_sizes"))
    for value in (rows[0], rows[len(rows) // 2], rows[-1]):
        state = {
            "bookmarks": {
                "product_sizes": {
                    "replication_key": "updatedAt",
                    "replication_key_value": value,
                }
            }
        }
        output = run(sandbox, catalog=some, state=state, page_size=7).output
        found = sorted(row["updatedAt"] for row in output.records["product_sizes"])
        assert found == [one for one in rows if one >= value]


@pytest.mark.parametrize("days", [0, 30, 400])
def test_lookback_has_length_of_setting(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, days: int
) -> None:
    some = catalog(ORDER, orders=None)
    rows = sandbox.truth("centra.order.orders")
    latest = max(row["orderDate"] for row in rows)
    state = {
        "bookmarks": {"orders": {"replication_key": "orderDate", "replication_key_value": latest}}
    }
    output = run(sandbox, ORDER, catalog=some, state=state, lookback_days=days).output
    since = dates.render(dates.parse(latest) - timedelta(days=days, hours=1))
    found = {row["orderId"] for row in output.records["orders"]}
    assert found == {row["orderId"] for row in rows if row["orderDate"] >= since}


def test_lookback_ends_at_start_date(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    some = catalog(returns=None)
    latest = max(row["createdAt"] for row in sandbox.truth("centra.integration.returns"))
    output = run(sandbox, catalog=some, start_date=latest, lookback_days=400).output
    assert {row["createdAt"] for row in output.records["returns"]} == {latest}


# --- pages and threads --------------------------------------------------------------------------

SOME = ("orders", "order_lines", "stock", "stock_change_lines", "brands")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Run]]:
    """A run over little with pages as large as they get."""
    with Sandbox(scale=0.002) as sandbox:
        yield sandbox, Taps(tmp_path_factory.mktemp("whole"))(sandbox, page_size=200)


@pytest.mark.parametrize("page_size", [1, 7, 100])
def test_page_size_changes_no_rows(
    run: Taps, whole: tuple[Sandbox, Run], catalog: Catalogs, page_size: int
) -> None:
    sandbox, large = whole
    small = run(sandbox, catalog=catalog(**dict.fromkeys(SOME)), page_size=page_size).output
    for stream in SOME:
        assert small.rows(stream) == large.output.rows(stream)
        assert len(small.records[stream]) == len(small.rows(stream))


@pytest.mark.parametrize("page_size", [1, 7])
def test_order_page_size_changes_no_rows(
    run: Taps, whole: tuple[Sandbox, Run], catalog: Catalogs, page_size: int
) -> None:
    sandbox, _ = whole
    some = catalog(ORDER, orders=None, returns=None, stock=None, shipments=None, customers=None)
    output: Output = run(sandbox, ORDER, catalog=some, page_size=page_size).output
    for stream in ("orders", "returns", "stock", "shipments", "customers"):
        assert row_differences(sandbox, ORDER, output, stream) == []


def test_concurrency_changes_no_output(run: Taps, whole: tuple[Sandbox, Run]) -> None:
    sandbox, many = whole
    one = run(sandbox, page_size=200, concurrency=1)
    assert one.output.timeless() == many.output.timeless()
    assert one.output.state == many.output.state
