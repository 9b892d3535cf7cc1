"""The API's rows, with their quirks undone, equal truth in every release and edition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import pytest

from commerce_sandbox.cscart import truth
from tests.sandbox.cscart.support import EDITIONS, RELEASES

if TYPE_CHECKING:
    from tests.sandbox.cscart.support import Client, Record

Read = Callable[["Client"], Iterator["Record"]]

KEYS: Mapping[str, tuple[str, ...]] = {
    "products": ("product_id",),
    "product_feature_values": ("product_id", "feature_id", "variant_id"),
    "product_options": ("parent_product_id", "option_id"),
    "product_option_exceptions": ("exception_id",),
    "product_option_combinations": ("product_id", "combination_hash"),
    "product_variation_groups": ("id",),
    "categories": ("category_id",),
    "features": ("feature_id",),
    "feature_groups": ("feature_id",),
    "feature_variants": ("variant_id",),
    "orders": ("order_id",),
    "order_items": ("order_id", "item_id"),
    "shipments": ("shipment_id",),
    "users": ("user_id",),
    "user_usergroups": ("link_id",),
    "usergroups": ("usergroup_id",),
    "carts": ("user_id", "company_id"),
    "cart_items": ("user_id", "company_id", "item_id"),
    "stores": ("company_id",),
    "vendors": ("company_id",),
    "payments": ("payment_id",),
    "shippings": ("shipping_id",),
    "taxes": ("tax_id",),
    "statuses": ("status_id",),
    "languages": ("lang_id",),
    "settings": ("object_id",),
    "pages": ("page_id",),
    "blocks": ("block_id",),
    "langvars": ("lang_code", "name"),
    "discussions": ("post_id",),
    "product_reviews": ("product_review_id",),
    "call_requests": ("request_id",),
    "subscribers": ("subscriber_id",),
    "master_products": ("product_id",),
    "currencies": ("currency_code",),
}
# Columns of a response that a store does not hold.
COMPUTED = {
    "products": {"product_options", "detailed_params"},
    "master_products": {"product_options", "detailed_params"},
    "shipments": {"group_key", "one_full"},
    "pages": {"level"},
}


def _lists_and_details(path: str, key: str) -> Read:
    def read(client: Client) -> Iterator[Record]:
        for row in client.rows(path):
            yield client.json(f"{path}/{row[key]}") | row  # its price is the one with promotions

    return read


def _list(path: str, **parameters: Any) -> Read:  # noqa: ANN401
    return lambda client: iter(client.rows(path, **parameters))


def _of_products(path: str, key: str | None) -> Read:
    def read(client: Client) -> Iterator[Record]:
        for row in client.rows("products"):
            response = client.get(path, product_id=row["product_id"])
            if response.status_code == 404:
                continue
            found = response.json()
            for one in found.values() if key else found:
                yield one | ({key: row["product_id"]} if key else {})

    return read


def _feature_values(client: Client) -> Iterator[Record]:
    for product in client.rows("products"):
        for feature in (product["product_features"] or {}).values():
            for one in feature.pop("variants", {"": {}}).values():
                yield {"product_id": product["product_id"], **feature, **one}


def _feature_variants(client: Client) -> Iterator[Record]:
    parameters = {"exclude_group": 1, "variants": 1, "skip_variants_threshould": 1}
    for feature in client.rows("features", **parameters):
        yield from (feature.get("variants") or {}).values()


def _categories(client: Client) -> Iterator[Record]:
    for row in client.json("categories", items_per_page=10_000)["categories"]:
        yield row | client.json(f"categories/{row['category_id']}")


def _order_items(client: Client) -> Iterator[Record]:
    for order in client.rows("orders"):
        yield from client.json(f"orders/{order['order_id']}")["products"].values()


def _carts(client: Client) -> Iterator[Record]:
    # A list leaves one cart of an account, so each store is queried for its own.
    for company in (1, 2):
        for row in client.rows(f"stores/{company}/carts"):
            yield row | client.json(f"stores/{company}/carts/{row['user_id']}")


def _cart_items(client: Client) -> Iterator[Record]:
    for cart in _carts(client):
        owner = {name: cart[name] for name in KEYS["carts"] if name in cart}
        for item in cart["products"]:
            yield owner | item


def _users(client: Client) -> Iterator[Record]:
    for kind in "ACV":
        yield from client.rows("users", user_type=kind, sort_by="id")


def _user_usergroups(client: Client) -> Iterator[Record]:
    for user in _users(client):
        found = client.json(f"users/{user['user_id']}/usergroups")
        for link in found.values() if found else ():
            yield {"user_id": user["user_id"], **link}


def _usergroups(client: Client) -> Iterator[Record]:
    for key, row in client.json("usergroups").items():
        yield row | client.json(f"usergroups/{key}")


def _statuses(client: Client) -> Iterator[Record]:
    for kind in "OS":
        yield from client.rows("statuses", type=kind)


def _langvars(client: Client) -> Iterator[Record]:
    for language in client.rows("languages"):
        code = language["lang_code"]
        for row in client.rows("langvars", lang_code=code):
            yield {"lang_code": code, **row}


def _reviews(client: Client) -> Iterator[Record]:
    page, total = 1, 1
    seen = 0
    while seen < total:
        response = client.json("product_reviews", page=page, items_per_page=10)["product_reviews"]
        yield from response[0].values()
        seen, total, page = seen + len(response[0]), response[1]["total_items"], page + 1


READERS: Mapping[str, Read] = {
    "products": _lists_and_details("products", "product_id"),
    "product_feature_values": _feature_values,
    "product_options": _of_products("options", "parent_product_id"),
    "product_option_exceptions": _of_products("exceptions", None),
    "product_option_combinations": _of_products("combinations", None),
    "product_variation_groups": _list("product_variations_groups"),
    "categories": _categories,
    "features": _list("features", exclude_group=1, variants=1, skip_variants_threshould=1),
    "feature_groups": _list("features", feature_types="G", exclude_group=1),
    "feature_variants": _feature_variants,
    "orders": _lists_and_details("orders", "order_id"),
    "order_items": _order_items,
    "shipments": _list("shipments"),
    "users": _users,
    "user_usergroups": _user_usergroups,
    "usergroups": _usergroups,
    "carts": _carts,
    "cart_items": _cart_items,
    "stores": _lists_and_details("stores", "company_id"),
    "vendors": _lists_and_details("vendors", "company_id"),
    "payments": _list("payments"),
    "shippings": _lists_and_details("shippings", "shipping_id"),
    "taxes": _list("taxes"),
    "statuses": _statuses,
    "languages": _list("languages"),
    "settings": _list("settings"),
    "pages": _list("pages"),
    "blocks": lambda client: iter(client.json("blocks")),
    "langvars": _langvars,
    "discussions": _list("discussions"),
    "product_reviews": _reviews,
    "call_requests": _list("call_requests"),
    "subscribers": _list("subscribers"),
    "master_products": _list("master_products"),
    "currencies": lambda client: iter(client.json("sra_currencies", version="4.0")["currencies"]),
}


def _same(served: Any, neutral: Any) -> bool:  # noqa: ANN401, PLR0911 (a case each)
    """Return whether a value of a response means a value of truth."""
    if isinstance(neutral, bool):
        return served == neutral if isinstance(served, bool) else served == "NY"[neutral]
    if isinstance(neutral, int):
        return str(served) == str(neutral)
    if neutral is None:
        return served in {None, "0"}
    if isinstance(neutral, list):
        if isinstance(served, str):
            return served == ",".join(map(str, neutral))
        return len(served) == len(neutral) and all(map(_same, served, neutral))
    if isinstance(neutral, dict):
        known = served or {}
        return known.keys() == neutral.keys() and all(
            _same(known[name], value) for name, value in neutral.items()
        )
    return served == neutral or _number(served) == _number(neutral) != None  # noqa: E711


def _number(value: Any) -> Decimal | None:  # noqa: ANN401
    """Read a number, or a timestamp as unix seconds."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        pass
    try:
        timestamp = datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Decimal(int(timestamp.timestamp()))


def _key(row: Record, stream: str) -> tuple[str, ...]:
    return tuple(str(row.get(name) or 0) for name in KEYS[stream])


def test_every_stream_has_a_reader() -> None:
    assert set(READERS) == set(KEYS) == set(truth.STREAMS)


# Columns that differ between the editions.
DEPENDING = {"products", "orders", "carts", "cart_items", "stores", "vendors", "master_products"}


COMBINATIONS = [
    (release, edition, stream)
    for edition in EDITIONS
    for release in RELEASES
    for stream in (READERS if edition == "cscart" else sorted(DEPENDING))
]


@pytest.mark.parametrize(("release", "edition", "stream"), COMBINATIONS)
def test_rows_read_equal_truth(
    client_of: Callable[..., Client], release: str, edition: str, stream: str
) -> None:
    client = client_of(release, edition)
    held = client.sandbox.truth(f"cscart.{stream}")
    expected = {_key(row, stream): row for row in held}
    assert len(expected) == len(held)
    if not expected:
        return
    read = list(READERS[stream](client))
    found = {_key(row, stream): row for row in read}
    assert sorted(found) == sorted(expected)
    for key, row in found.items():
        columns = row.keys() - COMPUTED.get(stream, set())
        assert not columns - expected[key].keys()
        wrong = {
            name: (row[name], expected[key][name])
            for name in columns & expected[key].keys()
            if not _same(row[name], expected[key][name])
        }
        assert not wrong
        if stream not in {"master_products", "categories"}:
            assert not expected[key].keys() - columns


# Streams without rows, by release and edition.
ABSENT = {
    ("4.9", "cscart"): {
        *("product_variation_groups", "product_reviews", "currencies"),
        *("vendors", "master_products"),
    },
    ("4.12", "cscart"): {
        *("product_option_combinations", "product_reviews", "currencies"),
        *("vendors", "master_products"),
    },
    ("4.20", "cscart"): {"product_option_combinations", "vendors", "master_products"},
    ("4.20", "multivendor"): {"product_option_combinations", "stores"},
}


@pytest.mark.parametrize(("release", "edition"), ABSENT)
def test_empty_streams_are_absent_from_release(
    client_of: Callable[..., Client], release: str, edition: str
) -> None:
    sandbox = client_of(release, edition).sandbox
    absent = {one for one in truth.STREAMS if not sandbox.truth_lines(f"cscart.{one}")}
    assert absent == ABSENT[release, edition]


def test_data_contains_secrets(client_of: Callable[..., Client]) -> None:
    sandbox = client_of().sandbox
    for stream, column in {
        "payments": "processor_params",
        "orders": "payment_info",
        "settings": "value",
        "subscribers": "unsubscribe_key",
        "carts": "user_data",
    }.items():
        rows = sandbox.truth(f"cscart.{stream}")
        assert any("sandbox-secret" in str(row[column]) for row in rows), stream


def test_cart_totals_sum_the_account(
    client_of: Callable[..., Client],
) -> None:
    sandbox = client_of("4.20").sandbox
    carts = [row for row in sandbox.truth("cscart.carts") if row.get("total") is not None]
    pieces: Counter[int] = Counter()
    worth: Counter[int] = Counter()
    for row in sandbox.truth("cscart.cart_items"):
        if row["item_type"] == "P":
            pieces[row["user_id"]] += row["amount"]
            worth[row["user_id"]] += row["amount"] * Decimal(row["price"])
    orders = {row["order_id"]: row for row in sandbox.truth("cscart.orders")}
    placed = {row["user_id"]: row["timestamp"] for row in orders.values()}
    begun = [row for row in carts if row["order_id"]]
    assert {row["order_id"] for row in begun} & orders.keys()
    for row in carts:
        assert row["cart_products"] == pieces[row["user_id"]]
        assert Decimal(row["total"]) == worth[row["user_id"]]
    assert sum(1 for row in carts if placed.get(row["user_id"], "") >= row["date"]) > len(begun)
    assert len({row["user_id"] for row in carts}) < len(carts)
