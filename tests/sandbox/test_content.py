"""The hard cases that the generated data contains."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from commerce_sandbox.codat import fields
from commerce_sandbox.codat.store import Generated, Store
from commerce_sandbox.codat.truth import STREAMS, rows, stream_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox import Sandbox
    from tests.sandbox.support import Client

    Rows = dict[str, list[dict[str, Any]]]

KEYS = {
    "companies": ("id",),
    "data_statuses": ("companyId", "dataType"),
    "pull_operations": ("companyId", "id"),
    "push_operations": ("companyId", "pushOperationKey"),
    "integrations": ("key",),
    "company_sync_settings": ("companyId", "dataType"),
    "webhook_consumers": ("id",),
    "connections": ("companyId", "id"),
    "commerce_company_info": ("companyId", "connectionId"),
    "commerce_syncs": ("companyId", "syncId"),
    "commerce_sync_configurations": ("companyId",),
}
DATA_KEY = ("companyId", "connectionId", "id")
DATA_STREAMS = [stream_name(name) for name in fields.COMMERCE_LISTS]
IN_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


@pytest.fixture(scope="module")
def truths() -> Rows:
    """All streams at the size of the demonstration."""
    store = Store(Generated(7, 1.0), 7)
    return {stream: [json.loads(row) for row in rows(store, stream)] for stream in STREAMS}


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_unique_and_not_null(truths: Rows, stream: str) -> None:
    names = KEYS.get(stream, DATA_KEY)
    keys = [tuple(row[name] for name in names) for row in truths[stream]]
    assert keys
    assert len(set(keys)) == len(keys)
    assert all(isinstance(value, str) and value for key in keys for value in key)


def test_data_streams_have_expected_names() -> None:
    assert DATA_STREAMS == [
        "commerce_customers",
        "commerce_disputes",
        "commerce_locations",
        "commerce_orders",
        "commerce_payment_methods",
        "commerce_payments",
        "commerce_product_categories",
        "commerce_products",
        "commerce_tax_components",
        "commerce_transactions",
    ]


def test_default_scale_has_demonstration_size(truths: Rows) -> None:
    assert len(truths["companies"]) == 120
    holding = {(row["companyId"], row["connectionId"]) for row in truths["commerce_orders"]}
    commerce = [
        one
        for one in truths["connections"]
        if one["sourceType"] == "Commerce" and one["status"] != "PendingAuth"
    ]
    assert len(commerce) >= 45
    assert len(holding) > 35
    for stream, about in (
        ("commerce_orders", 6000),
        ("commerce_payments", 6000),
        ("commerce_customers", 2000),
        ("commerce_products", 1500),
    ):
        assert about * 0.8 < len(truths[stream]) < about * 1.2
    per_connection = Counter(row["connectionId"] for row in truths["commerce_orders"])
    assert per_connection.most_common(1)[0][1] > 2000


def test_default_scale_has_every_kind(truths: Rows) -> None:
    counts = Counter(len(company["dataConnections"]) for company in truths["companies"])
    assert set(counts) == {0, 1, 2, 3}
    assert {one["sourceType"] for one in truths["connections"]} == {
        *("Accounting", "Banking", "BankFeed", "Commerce", "Expense", "Other", "Unknown"),
    }
    assert {one["status"] for one in truths["connections"]} == {
        *("PendingAuth", "Linked", "Deauthorized", "Unlinked"),
    }
    assert any(
        sum(one["sourceType"] == "Commerce" for one in company["dataConnections"]) > 1
        for company in truths["companies"]
    )


def test_smallest_scale_has_every_kind(sandbox: Sandbox) -> None:
    connections = sandbox.truth("connections")
    assert len({one["sourceType"] for one in connections}) == 7
    assert len({one["status"] for one in connections}) == 4
    assert all(sandbox.truth(stream) for stream in STREAMS)


def test_timestamps_tie(truths: Rows) -> None:
    ties = Counter(
        (row["connectionId"], row["modifiedDate"]) for row in truths["commerce_orders"]
    ).values()
    assert max(ties) > 100
    assert sum(count > 1 for count in ties) > 100


@pytest.mark.parametrize("stream", STREAMS)
def test_truth_top_level_timestamps_are_utc(truths: Rows, stream: str) -> None:
    timestamps = [
        value
        for row in truths[stream]
        for name, value in row.items()
        if re.search(
            r"Date$|Utc$|^(created|lastSync|requested|completed|lastSuccessfulSync)$", name
        )
        and value is not None
    ]
    assert all(IN_UTC.fullmatch(timestamp) for timestamp in timestamps)
    has_none = {"integrations", "webhook_consumers", "commerce_sync_configurations"}
    assert bool(timestamps) == (stream not in has_none)


def test_truth_nested_timestamps_have_no_zone(truths: Rows) -> None:
    nested = [one["createdDate"] for row in truths["commerce_orders"] for one in row["payments"]]
    assert nested
    assert not any(timestamp.endswith("Z") for timestamp in nested)


def test_served_timestamps_have_every_form(client: Client, big_shop: str) -> None:
    timestamps = [row["modifiedDate"] for row in client.rows(f"{big_shop}/commerce-orders")]
    forms = Counter(re.sub(r"\d", "9", timestamp[19:]) for timestamp in timestamps)
    assert set(forms) == {"Z", "", "+99:99", "-99:99"}
    assert forms["Z"] > 0.85 * len(timestamps)


def test_truth_equals_served_rows_except_timestamps(sandbox: Sandbox, client: Client) -> None:
    served = {}
    for company in client.rows("/companies"):
        for connection in company["dataConnections"]:
            response = client.get(
                f"/companies/{company['id']}/connections/{connection['id']}/data/commerce-orders",
                pageSize=2000,
            )
            for row in response.json().get("results", ()):
                served[company["id"], connection["id"], row["id"]] = row
    for row in sandbox.truth("commerce_orders"):
        raw = served.pop(tuple(row.pop(name) for name in ("companyId", "connectionId", "id")))
        assert raw.pop("id")
        for name in ("createdDate", "modifiedDate", "sourceModifiedDate", "closedDate"):
            assert (raw.pop(name, None) is None) == (row.pop(name, None) is None)
        assert raw == row
    assert not served


def test_some_ids_need_quoting(truths: Rows) -> None:
    for stream in DATA_STREAMS:
        awkward = [row for row in truths[stream] if quote(row["id"], safe="") != row["id"]]
        assert awkward, stream
        assert len(awkward) < 0.3 * len(truths[stream])


def _nulls(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 (JSON)
    if value is None:
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _nulls(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _nulls(inner, path)


def test_nullable_fields_are_null_somewhere(truths: Rows) -> None:
    seen = {path for stream in STREAMS for row in truths[stream] for path in _nulls(row, stream)}
    assert {
        "companies.description",
        "companies.lastSync",
        "companies.createdByUserName",
        "companies.referenceParentCompany",
        "connections.lastSync",
        "connections.dataConnectionErrors",
        "connections.dataConnectionErrors.resolvedOnUtc",
        "connections.connectionInfo",
        "pull_operations.statusDescription",
        "pull_operations.errorMessage",
        "push_operations.changes",
        "push_operations.timeoutInMinutes",
        "push_operations.errorMessage",
        "webhook_consumers.disabled",
        "webhook_consumers.companyTags",
        "commerce_company_info.phoneNumbers.number",
        "commerce_orders.payments.amount",
        "commerce_orders.orderLineItems.taxes.rate",
        "commerce_orders.supplementalData.content",
        "commerce_payments.type",
        "commerce_products.variants.inventory.totalQuantity",
        "commerce_syncs.errorMessage",
        *(f"{stream}.sourceModifiedDate" for stream in DATA_STREAMS),
    } <= seen


def test_unread_company_has_null_data_status(client: Client) -> None:
    company = next(one for one in client.rows("/companies") if not one["dataConnections"])
    status = client.json(f"/companies/{company['id']}/dataStatus")
    assert len(status) == 43
    assert set(status.values()) == {None}


def test_rows_precede_last_successful_sync(truths: Rows) -> None:
    read = {
        (row["companyId"], row["dataType"]): row["lastSuccessfulSync"]
        for row in truths["data_statuses"]
    }
    for name in fields.COMMERCE_LISTS:
        for row in truths[stream_name(name)]:
            assert row["modifiedDate"] < read[row["companyId"], name]


def test_products_have_undocumented_fields(truths: Rows) -> None:
    product = truths["commerce_products"][0]
    assert {"createdDate", "modifiedDate", "sourceModifiedDate", "status"} & product.keys()
    assert any(row["productCategoryRefs"] for row in truths["commerce_products"])
    assert "quantity" in product["variants"][0]
    assert {row["type"] for row in truths["commerce_payments"]} > {"Card", None}
    assert "taxAmount" in truths["commerce_orders"][0]["orderLineItems"][0]["taxes"][0]
    assert "platform" in truths["companies"][0]


def test_amounts_keep_trailing_zeros() -> None:
    store = Store(Generated(7, 0.1), 7)
    text = b"".join(rows(store, "commerce_orders"))
    amounts = re.findall(rb'"totalAmount":(-?[0-9.]+)', text)
    assert any(amount.endswith(b"0") and b"." in amount for amount in amounts)
    assert {len(amount.partition(b".")[2]) for amount in amounts} >= {0, 2}
    assert not any(b"e" in amount.lower() for amount in amounts)


def test_webhook_consumer_is_all_text(truths: Rows) -> None:
    (consumer,) = truths["webhook_consumers"]
    assert {type(value) for value in consumer.values()} <= {str, list, type(None)}


def test_single_location_is_all_text(truths: Rows) -> None:
    counts = Counter(row["connectionId"] for row in truths["commerce_locations"])
    alone = [row for row in truths["commerce_locations"] if counts[row["connectionId"]] == 1]
    assert alone
    for row in alone:
        assert all(isinstance(value, (str, type(None))) for value in row.values())
