"""The servers of Centra's orders in bulk send what the fake API sends, row after row."""

from __future__ import annotations

import re
import typing as t

import pytest
import requests

from benchmarks.harness import serve
from commerce_sandbox.centra import API_KEY, TOKEN
from commerce_sandbox.sandbox import Sandbox

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 120
HEADERS = {"Authorization": f"Bearer {TOKEN}", "API-Authorization": API_KEY}
MARK = "q0123456789abcdef"
QUERY = (
    "query($rows_where: OrderFilter, $rows_limit: Int, $rows_page: Int) "
    f"{{ {MARK}: __typename rows: orders"
    "(where: $rows_where, sort: [updatedAt_ASC], limit: $rows_limit, page: $rows_page) "
    "{ id number updatedAt nested: lines { id quantity } } }"
)


@pytest.fixture(scope="module")
def integration() -> Iterator[str]:
    with serve("centra-integration", rows=ROWS) as server:
        yield f"{server.environment['TAP_CENTRA_BASE_URL']}/graphql"


@pytest.fixture(scope="module")
def orders() -> Iterator[str]:
    with serve("centra-order", rows=ROWS) as server:
        yield f"{server.environment['TAP_CENTRA_BASE_URL']}/orders"


def decoded(response: requests.Response) -> dict[str, t.Any]:
    assert response.status_code == 200, response.text
    found: dict[str, t.Any] = response.json()
    return found


def query(url: str, text: str, **variables: object) -> dict[str, t.Any]:
    body = {"query": text, "variables": {f"rows_{name}": v for name, v in variables.items()}}
    return decoded(requests.post(url, json=body, headers=HEADERS, timeout=30))


def page(url: str, number: int, size: int = 50, **dates: str) -> dict[str, t.Any]:
    where = {"updatedAt": dates} if dates else {}
    return query(url, QUERY, where=where, limit=size, page=number)


def fetch(url: str, **parameters: int) -> dict[str, t.Any]:
    return decoded(requests.get(url, params=parameters, headers=HEADERS, timeout=30))


def test_graphql_pages_hold_each_order_once(integration: str) -> None:
    pages = [page(integration, number)["data"]["rows"] for number in (1, 2, 3, 4)]
    assert list(map(len, pages)) == [50, 50, 20, 0]
    rows = [row for rows in pages for row in rows]
    assert len({row["id"] for row in rows}) == len({row["number"] for row in rows}) == ROWS
    dates = [row["updatedAt"] for row in rows]
    assert dates == sorted(set(dates))


def test_graphql_response_has_form_of_fake_api(integration: str) -> None:
    with Sandbox(scale=0.05) as sandbox:
        right = page(f"{sandbox.environment['TAP_CENTRA_BASE_URL']}/graphql", 1)
    found = page(integration, 1)
    assert found["extensions"] == right["extensions"]
    assert found["data"].keys() == right["data"].keys() == {MARK, "rows"}
    assert [row["nested"] for row in found["data"]["rows"]] == [
        row["nested"] for row in right["data"]["rows"]
    ]
    assert found["data"]["rows"][0].keys() == right["data"]["rows"][0].keys()


def test_graphql_orders_selected_between_dates(integration: str) -> None:
    rows = page(integration, 1, ROWS)["data"]["rows"]
    start, end = rows[9]["updatedAt"], rows[30]["updatedAt"]
    found = page(integration, 1, ROWS, **{"from": start, "to": end})
    assert found["data"]["rows"] == rows[10:30]


def test_graphql_queries_listed_without_marks(integration: str) -> None:
    page(integration, 1)
    found = requests.get(integration.replace("/centra/graphql", "/queries"), timeout=30).json()
    assert found == [re.sub(f"{MARK}: __typename ", "", QUERY)] * len(found)
    assert found


def test_quotas_never_run_out(integration: str) -> None:
    (limits,) = query(integration, "{ rateLimits { type quota remainingQuota } }")["data"].values()
    assert min(limit["remainingQuota"] for limit in limits) > 100_000


def test_order_pages_hold_each_order_once(orders: str) -> None:
    pages = [fetch(orders, limit=50, offset=offset)["orders"] for offset in (0, 50, 100, 150)]
    assert list(map(len, pages)) == [50, 50, 20, 0]
    rows = [row for rows in pages for row in rows]
    assert len({row["orderId"] for row in rows}) == ROWS
    dates = [row["orderDate"] for row in rows]
    assert dates == sorted(set(dates))


def test_order_has_form_of_fake_api(orders: str) -> None:
    with Sandbox(scale=0.05) as sandbox:
        url = f"{sandbox.environment['TAP_CENTRA_ORDER_BASE_URL']}/orders"
        (right,) = fetch(url, limit=1)["orders"]
    found = fetch(orders, limit=1)
    assert found.keys() == {"status", "orders"}
    (row,) = found["orders"]
    assert row.keys() == right.keys()
    own = {"orderId", "selectionId", "orderDate"}
    assert {name for name in row if row[name] != right[name]} == own


def test_other_list_is_not_found(orders: str) -> None:
    url = orders.replace("/orders", "/customers")
    assert requests.get(url, headers=HEADERS, timeout=30).status_code == 404
