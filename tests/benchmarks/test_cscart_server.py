"""The server of CS-Cart's lists in bulk sends what the fake API sends, row after row."""

from __future__ import annotations

import typing as t

import pytest
import requests

from benchmarks.harness import serve
from commerce_sandbox.sandbox import Sandbox

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 120
WHOLE = "get_orders_data=1&sort_by=order_id&sort_order=asc"
PRODUCTS = "extend[]=full_description&extend[]=popularity&sort_by=updated_timestamp&sort_order=asc"


class Store(t.NamedTuple):
    """A store's API and its credentials."""

    url: str
    auth: tuple[str, str]

    @classmethod
    def of(cls, environment: t.Mapping[str, str]) -> Store:
        of = {name.removeprefix("TAP_CSCART_"): value for name, value in environment.items()}
        return cls(f"{of['STORE_URL']}/api/2.0", (of["EMAIL"], of["API_KEY"]))

    def fetch(self, path: str) -> dict[str, t.Any]:
        response = requests.get(f"{self.url}/{path}", auth=self.auth, timeout=30)
        assert response.status_code == 200, response.text
        found: dict[str, t.Any] = response.json()
        return found


@pytest.fixture(scope="module")
def bulk() -> Iterator[Store]:
    with serve("cscart", rows=ROWS) as server:
        yield Store.of(server.environment)


@pytest.mark.parametrize(
    ("name", "key", "query"),
    [("orders", "order_id", WHOLE), ("products", "product_id", PRODUCTS)],
)
def test_pages_hold_each_row_once_in_order(bulk: Store, name: str, key: str, query: str) -> None:
    rows: list[dict[str, t.Any]] = []
    for number, count in ((1, 50), (2, 50), (3, 20), (4, 0)):
        page = bulk.fetch(f"{name}?{query}&page={number}&items_per_page=50")
        assert page["params"]["page"] == number
        assert page["params"]["total_items"] == str(ROWS)
        assert len(page[name]) == count
        rows += page[name]
    ids = [int(row[key]) for row in rows]
    assert ids == sorted(set(ids))
    dates = [int(row["timestamp"]) for row in rows]
    assert dates == sorted(dates)


@pytest.mark.parametrize(
    ("name", "key", "query"),
    [("orders", "order_id", WHOLE), ("products", "product_id", PRODUCTS)],
)
def test_response_has_form_of_fake_api(bulk: Store, name: str, key: str, query: str) -> None:
    path = f"{name}?{query}&page=1&items_per_page=1"
    with Sandbox(scale=0.05) as sandbox:
        right = Store.of(sandbox.environment).fetch(path)
    found = bulk.fetch(path)
    assert found["params"] == {**right["params"], "total_items": str(ROWS)}
    own = {key, "timestamp", "updated_at", "updated_timestamp"}
    (row,), (other,) = found[name], right[name]
    differing = {column for column in other if row[column] != other[column]} - own
    assert differing <= {"products"}  # the lines of an order name it
    assert row.keys() == other.keys()


def test_lines_have_id_of_their_order(bulk: Store) -> None:
    orders = bulk.fetch(f"orders?{WHOLE}&page=2&items_per_page=50")["orders"]
    for order in orders:
        assert {line["order_id"] for line in order["products"].values()} <= {order["order_id"]}


def test_orders_selected_by_id_are_same_orders(bulk: Store) -> None:
    whole = bulk.fetch(f"orders?{WHOLE}&page=1&items_per_page=3")["orders"]
    ids = ",".join(row["order_id"] for row in whole)
    plain = bulk.fetch(f"orders?order_id={ids}&page=1&items_per_page=3")
    assert plain["params"]["total_items"] == "3"
    shared = [{name: row[name] for name in ("order_id", "email", "total")} for row in whole]
    found = [
        {name: row[name] for name in ("order_id", "email", "total")} for row in plain["orders"]
    ]
    assert found == shared[::-1]  # by default, the store begins with the latest


def test_orders_selected_by_date_are_later_ones(bulk: Store) -> None:
    orders = bulk.fetch(f"orders?{WHOLE}&page=1&items_per_page={ROWS}")["orders"]
    start = orders[100]["updated_at"]
    found = bulk.fetch(f"orders?{WHOLE}&updated_at_from={start}&page=1&items_per_page={ROWS}")
    assert found["orders"] == orders[100:]
    none = bulk.fetch("orders?updated_at_from=2147000000&page=1&items_per_page=1")
    assert (none["orders"], none["params"]["total_items"]) == ([], "0")
