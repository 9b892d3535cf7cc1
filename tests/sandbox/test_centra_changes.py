"""Centra's store between two runs of a reader, and during one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from commerce_sandbox import ChurnOptions, Sandbox
from commerce_sandbox.centra import FakeCentra
from tests.sandbox.support import run_command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox import ChangedRow

    Record = dict[str, Any]
    Rows = dict[str, dict[str, Record]]

PREFIX = "centra."
KEYS = {
    "integration.order_lines": ("orderId", "id"),
    "integration.payment_history": ("orderId", "id"),
    "integration.stock": ("warehouseId", "productSizeId"),
    "order.customers": ("customerId",),
    "order.orders": ("orderId",),
    "order.order_lines": ("orderId", "lineId"),
    "order.shipments": ("shipmentId",),
    "order.returns": ("returnId",),
    "order.products": ("stockItemId",),
    "order.stock": ("stockItemId",),
    "order.supplier_orders": ("orderId",),
    "order.supplier_order_details": ("orderId",),
}
# The queue of events and the names of goods in deliveries follow from changes.
FOLLOWING = {"integration.events", "order.supplier_order_details"}
FOLLOWING |= {f"order.supplier_delivery_{part}" for part in ("items", "details")}


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """The smallest sandbox, for a test that changes it."""
    with Sandbox(scale=0.01) as running:
        yield running


def _key(stream: str, row: Record) -> str:
    return json.dumps([row[name] for name in KEYS.get(stream, ("id",))])


def _snapshot(sandbox: Sandbox) -> Rows:
    return {
        stream: {_key(stream, row): row for row in sandbox.truth(f"{PREFIX}{stream}")}
        for stream in FakeCentra.streams
        if stream not in FOLLOWING
    }


def _said(changed_rows: list[ChangedRow]) -> Iterator[tuple[str, str, str]]:
    for one in changed_rows:
        yield one.stream, _key(one.stream, one.key), one.change


def test_mutation_changes_exactly_reported_rows(own: Sandbox) -> None:
    before = _snapshot(own)
    changed_rows = own.mutate(changes=42, inserts=9, deletes=2, stream="centra")
    after = _snapshot(own)

    reported: dict[str, dict[str, set[str]]] = {}
    for stream, key, change in _said(changed_rows):
        reported.setdefault(stream, {}).setdefault(change, set()).add(key)
    for stream, rows in after.items():
        old, changes = before[stream], reported.get(stream, {})
        assert rows.keys() - old.keys() == changes.get("inserted", set()), stream
        assert old.keys() - rows.keys() == changes.get("deleted", set()), stream
        differ = {key for key in old.keys() & rows.keys() if old[key] != rows[key]}
        named = changes.get("changed", set()) | changes.get("unmarked", set())
        assert differ <= named, stream
        if stream.startswith("integration."):
            for key in changes.get("changed", set()):
                timestamp = "orderUpdatedAt" if "orderId" in rows[key] else "updatedAt"
                assert rows[key][timestamp] > (old[key][timestamp] or ""), stream
            for key in changes.get("unmarked", set()):
                assert rows[key].get("updatedAt") == old[key].get("updatedAt")


def test_mutation_timestamps_precede_store_time(own: Sandbox) -> None:
    """A later timestamp would move a bookmark past changes to come."""
    dated = {
        stream: next(name for name in ("updatedAt", "createdAt") if name in row)
        for stream, rows in _snapshot(own).items()
        if stream.startswith("integration.")
        for row in [next(iter(rows.values()))]
        if row.keys() & {"updatedAt", "createdAt"} and "paymentMethod" not in row
    }
    for number in range(1, 4):
        own.mutate(changes=14, inserts=6, stream="centra")
        end = f"2024-06-0{1 + number}T00:00:00Z"
        for stream, timestamp in dated.items():
            latest = max(row[timestamp] for row in own.truth(f"{PREFIX}{stream}"))
            assert latest <= end, stream


def test_mutation_of_stream_changes_its_kind(own: Sandbox) -> None:
    changed_rows = own.mutate(changes=3, stream="centra.integration.returns")
    assert {one.change for one in changed_rows} == {"unmarked"}
    assert {one.stream for one in changed_rows} == {"integration.returns", "order.returns"}
    (new,) = [
        one
        for one in own.mutate(inserts=1, stream="centra.order.stock")
        if one.stream == "integration.stock_changes"
    ]
    rows = own.truth("centra.integration.stock_changes")
    assert max(row["id"] for row in rows) == new.key["id"]


def test_first_inserted_row_ties_with_latest(own: Sandbox) -> None:
    stream = "centra.integration.orders"
    latest = max(row["updatedAt"] for row in own.truth(stream))
    changed_rows = own.mutate(inserts=1, stream=stream)
    (key,) = [one.key["id"] for one in changed_rows if one.stream == "integration.orders"]
    (row,) = [row for row in own.truth(stream) if row["id"] == key]
    assert row["updatedAt"] == latest


def test_deleted_customer_stays_in_orders(own: Sandbox) -> None:
    orders = own.truth("centra.integration.orders")
    changed_rows = own.mutate(deletes=5, stream="centra.integration.customers")
    gone = {one.key["id"] for one in changed_rows if one.stream == "integration.customers"}
    left = {row["id"] for row in own.truth("centra.integration.customers")}
    assert len(gone) == 5
    assert not gone & left
    assert own.truth("centra.integration.orders") == orders


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        ("centra.integration.stores", {"changes": 1}),
        ("centra.integration.orders", {"deletes": 1}),
        ("centra.integration.returns", {"inserts": 1}),
        ("centra.integration.campaigns", {"changes": 99}),
        ("centra", {"changes": -1}),
    ],
)
def test_impossible_mutation_raises_and_changes_nothing(
    stream: str, wanted: dict[str, int], sandbox: Sandbox
) -> None:
    before = sandbox.truth("centra.integration.campaigns")
    with pytest.raises(ValueError, match=r"rows|row"):
        sandbox.mutate(stream=stream, **wanted)
    assert sandbox.truth("centra.integration.campaigns") == before


def test_same_seed_makes_and_changes_same_rows() -> None:
    seen = []
    for _ in range(2):
        with Sandbox(scale=0.01) as sandbox:
            changed_rows = sandbox.mutate(changes=20, inserts=3, stream="centra")
            seen.append((changed_rows, sandbox.truth_lines("centra.order.orders")))
    assert seen[0] == seen[1]
    with Sandbox(scale=0.01, seed=8) as sandbox:
        assert sandbox.truth_lines("centra.order.orders") != seen[0][1]


def test_churn_changes_rows_between_requests() -> None:
    churn = ChurnOptions(rate=10, per_request=3)
    with Sandbox(scale=0.01, churn=churn) as sandbox:
        before = _snapshot(sandbox)
        for _ in range(30):
            requests.get(f"{sandbox.url_of('centra')}/graphql", timeout=30)
        log = sandbox.churned
        sandbox.settle()
        after = _snapshot(sandbox)
    assert len(log) == 90
    last: dict[tuple[str, str], bytes] = {}
    for one in log:
        ((stream, key, change),) = _said([one.changed])
        assert bool(one.row) == (change != "deleted")
        last[stream, key] = one.row
    assert {one.changed.change for one in log} == {"changed", "inserted", "unmarked", "deleted"}
    for (stream, key), row in last.items():
        assert (key in after[stream]) == bool(row)
        if row:
            assert json.loads(row).keys() == after[stream][key].keys()
    assert before["integration.customers"].keys() != after["integration.customers"].keys()


def test_command_line_accepts_centra_settings(capsys: pytest.CaptureFixture[str]) -> None:
    older = ("--scale", "0.01", "--centra-schema", "older")
    assert run_command_line("truth", "centra.integration.products", *older) == 0
    assert "seasonCode" in json.loads(capsys.readouterr().out.splitlines()[0])
    assert run_command_line("truth", "stores", "--centra-schema", "ancient") == 2
    assert "'--centra-schema'" in capsys.readouterr().err


def test_environment_has_both_apis(sandbox: Sandbox) -> None:
    found = sandbox.environment
    assert found["TAP_CENTRA_BASE_URL"] == sandbox.url_of("centra")
    assert found["TAP_CENTRA_ORDER_BASE_URL"] == f"{sandbox.url_of('centra')}/api/order-api"
    vouchers = [row["id"] for row in sandbox.truth("centra.order.vouchers")]
    assert json.loads(found["TAP_CENTRA_ORDER_VOUCHER_IDS"]) == vouchers
