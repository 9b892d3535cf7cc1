"""Changes of the store, and how each release shows them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from commerce_sandbox.cscart.mutation import KEYS
from commerce_sandbox.fake_api import ChurnOptions
from tests.sandbox.cscart.support import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.sandbox.cscart.support import Client, Record

Key = tuple[Any, ...]


def _snapshot(sandbox: Sandbox) -> dict[Key, Record]:
    return {
        (stream, *(row.get(name, 0) for name in names)): row
        for stream, names in KEYS.items()
        for row in sandbox.truth(f"cscart.{stream}")
    }


@pytest.mark.parametrize("edition", ["cscart", "multivendor"])
def test_mutation_changes_exactly_reported_rows(
    own_client: Callable[..., Client], edition: str
) -> None:
    sandbox = own_client(cscart_edition=edition).sandbox
    before = _snapshot(sandbox)
    changed_rows = sandbox.mutate(changes=24, inserts=8, deletes=8, stream="cscart")
    after = _snapshot(sandbox)
    reported = {(one.stream, *one.key.values()): one.change for one in changed_rows}
    assert len(reported) == 40
    assert {one.stream for one in changed_rows} == set(KEYS)
    for change, keys in {
        "inserted": after.keys() - before.keys(),
        "deleted": before.keys() - after.keys(),
    }.items():
        assert keys == {key for key, what in reported.items() if what == change}
    both = before.keys() & after.keys()
    changed = {key for key in both if before[key] != after[key]}
    assert changed == {key for key, what in reported.items() if what in {"changed", "unmarked"}}


def test_mutation_of_one_stream_differs_each_round(own_client: Callable[..., Client]) -> None:
    sandbox = own_client().sandbox
    first = sandbox.mutate(changes=3, stream="cscart.orders")
    second = sandbox.mutate(changes=3, stream="cscart.orders")
    assert {one.stream for one in first + second} == {"orders"}
    assert first != second
    with pytest.raises(ValueError, match=r"cannot be changed"):
        sandbox.mutate(changes=1, stream="cscart.taxes")
    with pytest.raises(ValueError, match=r"cannot be changed"):
        sandbox.mutate(deletes=9999, stream="cscart.products")


def test_same_seed_changes_same_rows(own_client: Callable[..., Client]) -> None:
    one, other = own_client().sandbox, own_client().sandbox
    parameters: dict[str, Any] = {"changes": 8, "inserts": 4, "deletes": 4, "stream": "cscart"}
    assert one.mutate(**parameters) == other.mutate(**parameters)
    assert _snapshot(one) == _snapshot(other)


@pytest.mark.parametrize("release", RELEASES)
def test_changed_order_timestamp_depends_on_release(
    own_client: Callable[..., Client], release: str
) -> None:
    client = own_client(cscart_release=release)
    before = {row["order_id"]: row for row in client.sandbox.truth("cscart.orders")}
    bound = max(row.get("updated_at", row["timestamp"]) for row in before.values())
    changed_rows = client.sandbox.mutate(changes=9, stream="cscart.orders")
    after = {row["order_id"]: row for row in client.sandbox.truth("cscart.orders")}
    kinds = Counter(one.change for one in changed_rows)
    assert kinds == ({"unmarked": 9} if release == "4.9" else {"changed": 6, "unmarked": 3})
    differences = Counter[str]()
    for one in changed_rows:
        old, new = before[one.key["order_id"]], after[one.key["order_id"]]
        assert (new.get("updated_at", "") > bound) is (one.change == "changed")
        assert new["timestamp"] == old["timestamp"]
        for column in ("total", "status", "notes"):
            differences[column] += old[column] != new[column]
    assert differences == {"total": 3, "status": 3, "notes": 3}


def test_sold_product_keeps_timestamp(own_client: Callable[..., Client]) -> None:
    client = own_client()
    before = {row["product_id"]: row for row in client.sandbox.truth("cscart.products")}
    changed_rows = client.sandbox.mutate(changes=10, stream="cscart.products")
    for one in changed_rows:
        row = client.json(f"products/{one.key['product_id']}")
        old = before[one.key["product_id"]]
        sold = int(row["amount"]) != old["amount"]
        assert sold is (one.change == "unmarked")
        assert (row["product"] != old["product"]) is (one.change == "changed")
    assert Counter(one.change for one in changed_rows) == {"changed": 5, "unmarked": 5}


def test_first_inserted_row_ties_with_latest(own_client: Callable[..., Client]) -> None:
    sandbox = own_client().sandbox
    latest = max(row["updated_at"] for row in sandbox.truth("cscart.orders"))
    first, second = sandbox.mutate(inserts=2, stream="cscart.orders")
    rows = {row["order_id"]: row["updated_at"] for row in sandbox.truth("cscart.orders")}
    assert rows[first.key["order_id"]] == latest < rows[second.key["order_id"]]


def test_deleted_row_responds_404(own_client: Callable[..., Client]) -> None:
    client = own_client()
    for one in client.sandbox.mutate(deletes=8, stream="cscart"):
        path = f"{one.stream}/{one.key[KEYS[one.stream][0]]}"
        if one.stream == "carts":
            path = f"stores/{one.key['company_id']}/{path}"
        if one.stream == "users":
            assert client.json(path)["users"] == []
        else:
            assert client.status(path) == 404


def test_churn_changes_exactly_logged_rows(own_client: Callable[..., Client]) -> None:
    client = own_client(churn=ChurnOptions(rate=5, per_request=3))
    before = _snapshot(client.sandbox)
    for page in range(1, 21):
        client.json("products", page=page)
    client.sandbox.settle()
    log = client.sandbox.churned
    assert len(log) == 60
    assert {one.changed.stream for one in log} >= {"orders", "products", "users"}
    now = _snapshot(client.sandbox)
    changed_rows = {(one.changed.stream, *one.changed.key.values()): one for one in log}
    assert {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)} <= (
        changed_rows.keys()
    )
    for key, last in changed_rows.items():
        assert (key in now) is bool(last.row)


def test_ambiguous_stream_needs_api_prefix(client_of: Callable[..., Client]) -> None:
    sandbox = client_of().sandbox
    assert sandbox.truth("carts") == sandbox.truth("cscart.carts")
    with pytest.raises(KeyError):
        sandbox.truth("codat.carts")
