"""Centra's Order API: four schemes of paging, `status` in every body, and quirks of types."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import pytest
import requests

from commerce_sandbox import Sandbox
from commerce_sandbox.centra import API_KEY, NARROW_API_KEY, order_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Record = dict[str, Any]

ZONE = ZoneInfo("Europe/Stockholm")
LOCAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?")
FLAGS = {
    *("suspect", "hold", "internalOrder", "waitingForPayment", "paid", "shouldCapture", "active"),
}


class OrderClient:
    """Reads the Order API as documented."""

    def __init__(self, sandbox: Sandbox, key: str = API_KEY) -> None:
        self.url = f"{sandbox.url_of('centra')}/api/order-api/"
        self._session = requests.Session()
        self._session.headers["API-Authorization"] = key

    def get(self, path: str, **parameters: Any) -> requests.Response:  # noqa: ANN401
        return self._session.get(urljoin(self.url, path), params=parameters, timeout=30)

    def json(self, path: str, **parameters: Any) -> Record:  # noqa: ANN401
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        body: Record = response.json()
        assert body.pop("status") == "ok", body
        return body

    def rows(self, path: str, **parameters: Any) -> list[Record]:  # noqa: ANN401
        (rows,) = self.json(path, **parameters).values()
        assert isinstance(rows, list)
        return rows

    def by_offset(self, path: str, limit: int, **parameters: Any) -> list[Record]:  # noqa: ANN401
        found: list[Record] = []
        while True:
            rows = self.rows(path, limit=limit, offset=len(found), **parameters)
            found += rows
            if len(rows) < limit:
                return found

    def by_page(self, path: str, size: int, **parameters: Any) -> list[Record]:  # noqa: ANN401
        found: list[Record] = []
        page = 1
        while True:
            rows = self.rows(path, page=page, **parameters)
            found += rows
            if len(rows) < size:
                return found
            page += 1

    def by_link(self, path: str, **parameters: Any) -> list[Record]:  # noqa: ANN401
        found: list[Record] = []
        url = requests.Request("GET", urljoin(self.url, path), params=parameters).prepare().url
        while url:
            body = self.json(url)
            found += body["products"]
            url = urljoin(url, body["next"]) if "next" in body else None
        return found

    def close(self) -> None:
        self._session.close()


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    with Sandbox(scale=0.03) as running:
        yield running


@pytest.fixture
def order_client() -> Iterator[Callable[..., OrderClient]]:
    made: list[OrderClient] = []

    def make(sandbox: Sandbox, key: str = API_KEY) -> OrderClient:
        made.append(OrderClient(sandbox, key))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def orders(sandbox: Sandbox, order_client: Callable[..., OrderClient]) -> OrderClient:
    return order_client(sandbox)


def _read(client: OrderClient, stream: str) -> list[Record]:  # noqa: PLR0911 (one for each scheme)
    """Read a stream with its scheme of paging."""
    if stream in {"customers", "orders"}:
        return client.by_offset(stream, 70)
    if stream == "shipments":
        statuses = ("goodtogo", "inprogress", "completed")
        return [row for one in statuses for row in client.by_offset(stream, 100, status=one)]
    if stream == "returns":
        return client.by_page(stream, 7, limit=7)
    if stream in {"products", "stock"}:
        return client.by_link(stream, limit=300)
    if stream == "allocation_requests":
        return client.by_page("allocation-requests", 100, status="all")
    if stream == "vouchers":
        return [client.json(f"vouchers/{number}")["voucher"] for number in range(1, 13)]
    if stream == "order_lines":
        return [
            {"orderId": row["orderId"]} | line
            for row in _read(client, "orders")
            for line in row["products"]
        ]
    parent, _, part = stream.removeprefix("supplier_").partition("_")
    if not part:
        return client.rows(f"supplier-{parent}")
    if parent == "order":
        ids = [row["orderId"] for row in client.rows("supplier-orders")]
        return [client.json(f"supplier-orders/{one}")["order"] for one in ids]
    ids = [row["id"] for row in client.rows("supplier-deliveries")]
    tail = "/details" if part == "details" else ""
    return [client.json(f"supplier-deliveries/{one}{tail}")["delivery"] for one in ids]


def _neutral(name: str, value: Any, like: Any) -> Any:  # noqa: ANN401, PLR0911
    """Undo the quirks of a value, given the value in truth."""
    if isinstance(value, str) and value.startswith("0000-00-00"):
        return None
    if like is None and value == "":
        return None
    if name == "lines" and isinstance(value, dict):
        value = list(value.values())
    if isinstance(like, list):
        pairs = zip(value, like, strict=True)
        return [_neutral("", one, other) for one, other in pairs]
    if isinstance(like, dict):
        return {key: _neutral(key, one, like.get(key)) for key, one in value.items()}
    if isinstance(like, bool) and name in FLAGS:
        assert type(value) is int
        return bool(value)
    if isinstance(value, str) and LOCAL.fullmatch(value):
        timestamp = datetime.fromisoformat(value).replace(tzinfo=ZONE)
        return timestamp.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str) and isinstance(like, str) and like.endswith("Z") and "T" in like:
        timestamp = datetime.fromisoformat(value)
        return timestamp.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(like, (int, float)) and isinstance(value, str):
        return float(value) if "." in value else int(value)
    return value


@pytest.mark.parametrize("stream", order_truth.STREAMS)
def test_served_rows_equal_truth(
    stream: str, small: Sandbox, order_client: Callable[..., OrderClient]
) -> None:
    truth = small.truth(f"centra.order.{stream}")
    served = _read(order_client(small), stream)
    assert truth
    key = next(iter({"shipmentId", "returnId", "stockItemId", "lineId"} & truth[0].keys()), None)
    key = key or next(iter(truth[0]))
    by_key = {str(row[key]): row for row in truth}
    assert len(by_key) == len(truth) == len(served)
    for row in served:
        meant = by_key[str(row[key])]
        assert _neutral("", row, meant) == meant


def test_authorization_header_takes_bare_key(sandbox: Sandbox) -> None:
    url = f"{sandbox.url_of('centra')}/api/order-api/orders"
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"API-Authorization": f"Bearer {API_KEY}"},
        {"Authorization": API_KEY},
    )
    for headers in wrong:
        response = requests.get(url, headers=headers, timeout=30)
        assert response.status_code == 401
        assert response.json()["status"] == "no"
    response = requests.get(url, headers={"API-Authorization": API_KEY}, timeout=30)
    assert response.json()["status"] == "ok"


def test_ids_are_text_or_number_by_list(orders: OrderClient) -> None:
    (returned, *_) = orders.rows("returns")
    (order,) = orders.rows("orders", order=str(returned["orderId"]))
    assert type(returned["orderId"]) is int
    assert order["orderId"] == str(returned["orderId"])
    assert order["selectionId"] == returned["selectionId"]
    assert order["hold"] in {0, 1}
    assert returned["returnToStock"] in {True, False}
    assert order["cancelDate"] == "0000-00-00 00:00:00"
    wholesale = [row for row in orders.rows("orders", limit=100) if row["accountId"]]
    assert {row["accountId"] for row in orders.rows("orders", limit=100)} >= {
        "",
        wholesale[0]["accountId"],
    }


def test_some_numbers_are_text(orders: OrderClient) -> None:
    rows = orders.rows("products", stockItemId=1)
    prices = {type(one["price"]) for row in rows for one in row["prices"]}
    assert prices == {str, float}
    lines = [line for row in orders.rows("orders", limit=100) for line in row["products"]]
    assert {type(one["itemQty"]) for line in lines for one in line["warehouses"]} == {int, str}


def test_some_orders_have_plugin_fields(orders: OrderClient) -> None:
    extra = ["shipwallet_sessionId" in row for row in orders.rows("orders", limit=20)]
    assert any(extra)
    assert not all(extra)


# --- paging


def test_orders_default_limit_is_20(orders: OrderClient) -> None:
    assert len(orders.rows("orders")) == 20
    first, second = orders.rows("orders"), orders.rows("orders", offset=20)
    assert not {row["orderId"] for row in first} & {row["orderId"] for row in second}


def test_shipments_list_one_status_oldest_first(sandbox: Sandbox, orders: OrderClient) -> None:
    counts = {}
    for status in ("goodtogo", "inprogress", "completed"):
        rows = orders.by_offset("shipments", 100, status=status)
        counts[status] = len(rows)
        assert all((row["shipmentDate"][0] == "0") == (status != "completed") for row in rows)
    assert min(counts.values()) > 0
    assert orders.by_offset("shipments", 100) == orders.by_offset(
        "shipments", 100, status="goodtogo"
    )
    assert sum(counts.values()) == len(sandbox.truth("centra.order.shipments"))


def test_returns_come_newest_first(orders: OrderClient) -> None:
    dates = [row["date"] for row in orders.by_page("returns", 5, limit=5)]
    assert dates == sorted(dates, reverse=True)


def test_stock_without_limit_is_whole(sandbox: Sandbox, orders: OrderClient) -> None:
    body = orders.json("stock")
    assert set(body) == {"products"}
    assert len(body["products"]) == len(sandbox.truth("centra.order.stock"))


@pytest.mark.parametrize("form", ["query", "relative", "absolute"])
def test_next_link_has_configured_form(form: str, order_client: Callable[..., OrderClient]) -> None:
    with Sandbox(scale=0.01, centra_next=form) as sandbox:
        client = order_client(sandbox)
        body = client.json("products", limit=10, modified="2000-01-01")
        beginning = {"query": "?", "relative": "/centra/", "absolute": client.url}[form]
        assert body["next"].startswith(beginning)
        # As in the documentation's examples, the filters are not in it.
        assert body["next"].endswith("?limit=10&page=2")
        assert "previous" not in body
        assert len(client.by_link("products", limit=10)) == len(client.rows("products"))


@pytest.mark.parametrize("stream", ["orders", "customers"])
def test_newest_setting_reverses_list(
    stream: str, order_client: Callable[..., OrderClient]
) -> None:
    with Sandbox(scale=0.01, centra_first="newest") as sandbox:
        key = f"{stream.rstrip('s')}Id"
        ids = [int(row[key]) for row in order_client(sandbox).by_offset(stream, 7)]
        assert ids == sorted(row[key] for row in sandbox.truth(f"centra.order.{stream}"))[::-1]


# --- filters


def test_date_filter_uses_merchant_timezone(sandbox: Sandbox, orders: OrderClient) -> None:
    truth = sorted(sandbox.truth("centra.order.customers"), key=lambda row: row["modified"])
    middle = truth[len(truth) // 2]["modified"]
    local = datetime.fromisoformat(middle.replace("Z", "+00:00")).astimezone(ZONE)
    rows = orders.by_offset("customers", 100, modified=f"{local:%Y-%m-%d %H:%M:%S}")
    wanted = {row["customerId"] for row in truth if row["modified"] >= middle}
    assert {int(row["customerId"]) for row in rows} == wanted
    rows = orders.by_offset("customers", 100, modified=f"{local + timedelta(days=1):%Y-%m-%d}")
    assert len(rows) < len(wanted)


@pytest.mark.parametrize(
    ("stream", "column"), [("orders", "orderDate"), ("returns", "date"), ("shipments", "orderDate")]
)
def test_date_range_is_half_open(stream: str, column: str, orders: OrderClient) -> None:
    status = {"status": "completed"} if stream == "shipments" else {}
    rows = orders.rows(stream, limit=100, **status)
    timestamp = "shipmentDate" if stream == "shipments" else column
    timestamps = sorted({row[timestamp] for row in rows})
    low, high = timestamps[0], timestamps[-1]
    found = {
        row[timestamp]
        for row in orders.rows(stream, limit=100, newer_than=low, older_than=high, **status)
    }
    assert low in found
    assert high not in found


@pytest.mark.parametrize("by", ["sent", "ordered"])
def test_shipment_range_uses_configured_date(
    by: str, order_client: Callable[..., OrderClient]
) -> None:
    column = {"sent": "shipmentDate", "ordered": "orderDate"}[by]
    with Sandbox(scale=0.01, centra_shipments_by=by) as sandbox:
        client = order_client(sandbox)
        rows = client.by_offset("shipments", 100, status="completed")
        since = sorted(row[column] for row in rows)[len(rows) // 2]
        found = client.by_offset("shipments", 100, status="completed", newer_than=since)
        assert found == [row for row in rows if row[column] >= since]
        assert any(row["orderDate"] < since for row in found) == (by == "sent")


def test_single_rows_are_found_by_id(sandbox: Sandbox, orders: OrderClient) -> None:
    (first, *_) = sandbox.truth("centra.order.products")
    (row,) = orders.rows("products", stockItemId=first["stockItemId"])
    assert row["ean"] == first["ean"]
    assert "attributes" not in row
    (row,) = orders.rows("products", stockItemId=first["stockItemId"], include="attributes")
    assert row["attributes"]
    (row,) = orders.rows("stock", stockItemId=first["stockItemId"], exclude="physicalStock")
    assert "physicalStock" not in row
    assert orders.json("customers/3")["customer"]["customerId"] == "3"
    (row, *_) = orders.rows("supplier-deliveries")
    by_name = orders.json(f"supplier-deliveries/{row['deliveryId']}")
    assert by_name == orders.json(f"supplier-deliveries/{row['id']}")


# --- errors


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("orders?limit=0", "limit"),
        ("orders?limit=ten", "limit"),
        ("shipments?limit=101", "limit"),
        ("shipments?status=all", "status"),
        ("customers?modified=yesterday", "modified"),
        ("returns?newer_than=2024-05-31T10:00:00Z", "newer_than"),
        ("returns?offset=3", "offset"),
        ("allocation-requests?status=lost", "status"),
        ("supplier-orders?page=2", "page"),
    ],
)
def test_bad_parameter_responds_200_with_error(
    path: str, parameter: str, orders: OrderClient
) -> None:
    response = orders.get(path)
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "no"
    assert list(body["errorMessages"]) == [parameter]


@pytest.mark.parametrize("path", ["vouchers/99", "customers/0", "supplier-orders/9999"])
def test_unknown_id_responds_200_with_status_no(path: str, orders: OrderClient) -> None:
    response = orders.get(path)
    assert response.status_code == 200
    assert response.json()["status"] == "no"
    assert response.json()["msg"]


def test_plugin_settings_limit_endpoints(
    sandbox: Sandbox, orders: OrderClient, order_client: Callable[..., OrderClient]
) -> None:
    narrow = order_client(sandbox, NARROW_API_KEY)
    for path in ("returns", "allocation-requests", "supplier-orders", "vouchers/1"):
        response = narrow.get(path)
        assert (response.status_code, response.json()) == (403, {"status": "Not Allowed"})
    shown, there = narrow.by_offset("orders", 100), orders.by_offset("orders", 100)
    assert 0 < len(shown) < len(there)
    assert {row["hold"] for row in shown} == {0}
    assert {row["marketId"] for row in shown} == {1}
    assert {row["orderStatus"] for row in there} > {row["orderStatus"] for row in shown}
    counted = [sum(row["physicalStock"] for row in one.rows("stock")) for one in (narrow, orders)]
    assert 0 < counted[0] < counted[1]
