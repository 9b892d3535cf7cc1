"""Runs that follow each other: what state, start date and filters bring, and what they spare."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_taps.records import dates
from tap_codat.stream import ModifiedStream, OperationStream
from tests.codat.support import KINDS, Taps, catalog, truth
from tests.contract import bookmarks, by_key, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract import Key, Output, Place, Record, State
    from tests.runs import Run

SORTED = [name for name, kind in KINDS.items() if issubclass(kind, ModifiedStream)]
LOGS = {
    name: str(kind.replication_key)
    for name, kind in KINDS.items()
    if issubclass(kind, OperationStream)
}
EVERYTHING = catalog(**dict.fromkeys(KINDS))
ORDERS = catalog(commerce_orders=None)
CONNECTION = ("companyId", "connectionId")
KEY = (*CONNECTION, "id")


@pytest.fixture(scope="module")
def first(_shared: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """A first run over everything."""
    return Taps(tmp_path_factory.mktemp("first"))(_shared, catalog=EVERYTHING).output


@pytest.fixture(scope="module")
def second(_shared: Sandbox, tmp_path_factory: pytest.TempPathFactory, first: Output) -> Output:
    """A second run, with the state of the first. Nothing has changed."""
    runs = Taps(tmp_path_factory.mktemp("second"))
    return runs(_shared, catalog=EVERYTHING, state=first.state).output


def place(stream: str, row: Record) -> Place:
    """Give the partition a row belongs to."""
    return stream, tuple((name, row[name]) for name in CONNECTION)


def since(sandbox: Sandbox, stream: str, state: State) -> set[Key]:
    """Give the keys of the rows that changed at the bookmark of their partition, or later."""
    marks = dict(bookmarks(state))
    rows = by_key(sandbox.truth_lines(stream), KEY)
    return {key for key, row in rows.items() if row["modifiedDate"] >= marks[place(stream, row)]}


# --- runs after runs ----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", SORTED)
def test_bookmark_is_latest_value_of_partition(
    first: Output, sandbox: Sandbox, stream: str
) -> None:
    latest: dict[Place, str] = {}
    for row in sandbox.truth(stream):
        latest[place(stream, row)] = max(latest.get(place(stream, row), ""), row["modifiedDate"])
    assert {at: mark for at, mark in bookmarks(first.state) if at[0] == stream} == latest


@pytest.mark.parametrize("stream", SORTED)
def test_second_run_reads_only_ties_with_bookmarks(
    first: Output, second: Output, sandbox: Sandbox, stream: str
) -> None:
    assert sorted(second.keys(stream)) == sorted(since(sandbox, stream, first.state))
    marks = dict(bookmarks(first.state))
    for row in second.records[stream]:
        assert row["modifiedDate"] == marks[place(stream, row)]


@pytest.mark.parametrize(("stream", "requested"), LOGS.items(), ids=LOGS)
def test_operations_are_read_again_for_a_week(
    first: Output, second: Output, sandbox: Sandbox, stream: str, requested: str
) -> None:
    marks = dict(bookmarks(first.state))

    def is_late(row: Record) -> bool:
        mark = dates.parse(marks[stream, (("companyId", row["companyId"]),)])
        return dates.parse(row[requested]) >= dates.floor(mark - timedelta(days=7))

    rows = truth(sandbox, first, stream)
    late = {key for key, row in rows.items() if is_late(row)}
    assert sorted(second.keys(stream)) == sorted(late)
    assert late < rows.keys()


def test_second_run_keeps_the_state(first: Output, second: Output) -> None:
    assert second.state == first.state


def test_run_after_changes_reads_changes_and_ties(run: Taps, own_sandbox: Sandbox) -> None:
    before = run(own_sandbox).output
    ties = {stream: since(own_sandbox, stream, before.state) for stream in SORTED}
    touched = own_sandbox.mutate(changes=30, inserts=12)
    after = run(own_sandbox, state=before.state).output
    for stream in SORTED:
        keys = {tuple(one.key[name] for name in KEY) for one in touched if one.stream == stream}
        assert set(after.keys(stream)) == keys | ties[stream]
        together = before.rows(stream) | after.rows(stream)
        assert differences(together, truth(own_sandbox, before, stream))[:5] == []


def test_full_table_is_read_completely_each_run(run: Taps, own_sandbox: Sandbox) -> None:
    streams = ("commerce_locations", "companies", "connections", "data_statuses")
    some = catalog(**dict.fromkeys(streams))
    before = run(own_sandbox, catalog=some).output
    own_sandbox.mutate(changes=20, inserts=5, stream="commerce_locations")
    after = run(own_sandbox, catalog=some, state=before.state).output
    for stream in streams:
        assert differences(after.rows(stream), truth(own_sandbox, after, stream))[:5] == []


def test_unchanged_data_is_not_requested_again(run: Taps, own_sandbox: Sandbox) -> None:
    some = catalog(commerce_orders=None, commerce_locations=None, companies=None)
    before = run(own_sandbox, catalog=some, skip_unchanged=True).output
    refused = {one.path for one in own_sandbox.requests if one.status == 409}
    own_sandbox.clear_requests()
    idle = run(own_sandbox, catalog=some, skip_unchanged=True, state=before.state).output
    assert {one.path for one in own_sandbox.requests if "/data/commerce-" in one.path} == refused
    assert set(idle.counts) == {"companies"}

    touched = own_sandbox.mutate(changes=6, inserts=2, stream="commerce_orders")
    after = run(own_sandbox, catalog=some, skip_unchanged=True, state=idle.state).output
    assert {one.key["id"] for one in touched} <= {key[-1] for key in after.keys("commerce_orders")}
    together = before.rows("commerce_orders") | after.rows("commerce_orders")
    assert differences(together, truth(own_sandbox, before, "commerce_orders"))[:5] == []


# --- start_date ---------------------------------------------------------------------------------

START = "2024-05-11T05:13:32Z"
"""When some orders changed; others changed before and after."""


def orders_since(sandbox: Sandbox, start: str) -> dict[Key, Record]:
    rows = by_key(sandbox.truth_lines("commerce_orders"), KEY)
    return {key: row for key, row in rows.items() if row["modifiedDate"] >= start}


@pytest.mark.parametrize(
    "written",
    [START, "2024-05-11T05:13:32", "2024-05-11 05:13:32", "2024-05-11T07:13:32+02:00", f" {START}"],
)
def test_start_date_is_inclusive_and_utc_by_default(
    run: Taps, sandbox: Sandbox, written: str
) -> None:
    rows = run(sandbox, start_date=written, catalog=ORDERS).output.rows("commerce_orders")
    assert rows == orders_since(sandbox, START)
    assert min(row["modifiedDate"] for row in rows.values()) == START


@pytest.mark.parametrize(("start", "bound"), [("2024-01-01", START), ("2024-05-30", "2024-05-30")])
def test_later_of_start_date_and_bookmark_wins(
    run: Taps, sandbox: Sandbox, start: str, bound: str
) -> None:
    shops = {place("", row)[1] for row in sandbox.truth("commerce_orders")}
    marks = [
        {
            "context": dict(shop),
            "replication_key": "modifiedDate",
            "replication_key_value": START,
        }
        for shop in shops
    ]
    state = {"bookmarks": {"commerce_orders": {"partitions": marks}}}
    output = run(sandbox, start_date=start, state=state, catalog=ORDERS).output
    assert output.rows("commerce_orders") == orders_since(sandbox, bound)


def test_future_start_date_keeps_full_tables_complete(run: Taps, sandbox: Sandbox) -> None:
    output = run(sandbox, start_date="2030-01-01").output
    for stream in ("companies", "commerce_locations"):
        assert differences(output.rows(stream), truth(sandbox, output, stream))[:5] == []
    assert output.counts.keys().isdisjoint({*SORTED, *LOGS})
    assert list(bookmarks(output.state)) == []


# --- filters ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shops(_shared: Sandbox) -> dict[str, list[str]]:
    """The connections that have orders, by company."""
    found: dict[str, list[str]] = {}
    for row in _shared.truth("commerce_company_info"):
        found.setdefault(row["companyId"], []).append(row["connectionId"])
    return found


@pytest.fixture(scope="module")
def chain(shops: dict[str, list[str]]) -> str:
    """A company with several shops."""
    return next(company for company, connections in shops.items() if len(connections) > 1)


def belongs(row: Record, company: str) -> bool:
    return company == row.get("companyId", row.get("id"))


def test_company_ids_narrow_each_stream(run: Taps, sandbox: Sandbox, chain: str) -> None:
    output = run(sandbox, company_ids=[chain]).output
    for stream in output.schemas:
        rows = truth(sandbox, output, stream).items()
        assert output.rows(stream) == {key: row for key, row in rows if belongs(row, chain)}
    requests = {one.path.split("/")[3] for one in sandbox.requests if one.path.count("/") > 2}
    assert requests == {chain}


def test_connection_ids_narrow_connection_streams(
    run: Taps, sandbox: Sandbox, shops: dict[str, list[str]], chain: str
) -> None:
    shop, other = shops[chain][:2]
    output = run(sandbox, connection_ids=[shop]).output
    assert output.keys("connections") == [(chain, shop)]
    for stream in ("commerce_orders", "commerce_products", "commerce_company_info"):
        rows = truth(sandbox, output, stream).items()
        assert output.rows(stream) == {key: row for key, row in rows if key[1] == shop}
    assert not [one.path for one in sandbox.requests if other in one.path]


def test_narrowed_run_keeps_other_bookmarks(
    run: Taps, sandbox: Sandbox, first: Output, chain: str
) -> None:
    output = run(sandbox, company_ids=[chain], state=first.state).output
    assert dict(bookmarks(output.state)) == dict(bookmarks(first.state))


# --- pages and threads --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(_shared: Sandbox) -> str:
    """The company with fewest orders, yet far more than seven."""
    orders = Counter(str(row["companyId"]) for row in _shared.truth("commerce_orders"))
    return min(orders, key=orders.__getitem__)


@pytest.mark.parametrize("page_size", [1, 7, 100, 5000])
def test_page_size_does_not_change_output(
    run: Taps, sandbox: Sandbox, small: str, page_size: int
) -> None:
    output = run(sandbox, page_size=page_size, company_ids=[small]).output
    for stream in output.schemas:
        rows = truth(sandbox, output, stream).items()
        assert output.rows(stream) == {key: row for key, row in rows if belongs(row, small)}
        assert len(output.rows(stream)) == len(output.records[stream])


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[Sandbox]:
    with Sandbox(scale=0.1, latency_ms=4) as running:
        yield running


@pytest.fixture(scope="module")
def one_by_one(slow_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Taps(tmp_path_factory.mktemp("one-by-one"))(slow_sandbox, concurrency=1)


@pytest.mark.parametrize("concurrency", [4, 16])
def test_concurrency_does_not_change_output(
    run: Taps, slow_sandbox: Sandbox, one_by_one: Run, concurrency: int
) -> None:
    together = run(slow_sandbox, concurrency=concurrency)
    assert together.output.timeless() == one_by_one.output.timeless()
    assert together.output.state == one_by_one.output.state
