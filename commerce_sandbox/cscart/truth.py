"""The rows of a perfect extraction of each stream, from the store.

A row has the columns that the store's release has, in lists or single responses, all in neutral
form; see the package. Left out is what only a response has: the options inside a product, and what
a list of shipments computes wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox.cscart import options, people, views
from commerce_sandbox.cscart.entities import ENTITIES
from commerce_sandbox.cscart.sales import INCOMPLETE
from commerce_sandbox.cscart.values import Row, Words, neutral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from commerce_sandbox.cscart.store import Store

    Rows = Iterable[Row]

_SHIPMENT_GUESSES: Final = ("group_key", "one_full")


def _table(entity: str) -> Callable[[Store], Rows]:
    return lambda store: store.table(entity).values()


def _feature_values(store: Store) -> Rows:
    for product in store.products.values():
        for feature in product["product_features"].values():
            whole = {name: value for name, value in feature.items() if name != "variants"}
            for one in feature.get("variants", {"": {}}).values():
                yield {"product_id": product["product_id"], **whole, **one}


def _options(store: Store) -> Rows:
    for product in store.products.values():
        for option in options.options_of(product, store.global_options).values():
            yield {"parent_product_id": product["product_id"], **option}


def _exceptions(store: Store) -> Rows:
    for product in store.products.values():
        yield from options.exceptions_of(product, store.global_options)


def _combinations(store: Store) -> Rows:
    for product in store.products.values():
        yield from options.combinations_of(product, store.global_options)


def _features(store: Store) -> Rows:
    return [row for row in store.features.values() if row["feature_type"] != "G"]


def _feature_groups(store: Store) -> Rows:
    return [row for row in store.features.values() if row["feature_type"] == "G"]


def _feature_variants(store: Store) -> Rows:
    for feature in store.features.values():
        yield from feature.get("variants", {}).values()


def listed_orders(store: Store) -> Rows:
    """Return the orders that a list shows by default."""
    return [
        row
        for row in store.orders.values()
        if row["status"] != INCOMPLETE and not row["is_parent_order"]
    ]


def _order_items(store: Store) -> Rows:
    for order in listed_orders(store):
        yield from order["products"].values()


def _shipments(store: Store) -> Rows:
    for row in store.shipments.values():
        if row["order_id"] in store.orders:
            yield {name: value for name, value in row.items() if name not in _SHIPMENT_GUESSES}


def _memberships(store: Store) -> Rows:
    for key in store.users:
        for link in people.memberships(key):
            yield {"user_id": key, **link}


def _cart_items(store: Store) -> Rows:
    for cart in store.carts.values():
        owner = {name: cart[name] for name in ("user_id", "company_id")}
        for item in cart["products"]:
            yield owner | item


def _companies(*, multivendor: bool) -> Callable[[Store], Rows]:
    def rows(store: Store) -> Rows:
        if store.setup.multivendor is not multivendor:
            return
        missing = () if store.setup.since("4.20") else views.COMPANY_DETAIL
        for row in store.companies.values():
            yield {name: value for name, value in row.items() if name not in missing}

    return rows


def _langvars(store: Store) -> Rows:
    for code in store.languages:
        for row in store.langvars.values():
            yield {
                "lang_code": code,
                **{
                    name: value.texts[code] if isinstance(value, Words) else value
                    for name, value in row.items()
                },
            }


class _Stream(msgspec.Struct, frozen=True):
    """A stream: its rows, the table whose columns they have, and the entity they are read from."""

    rows: Callable[[Store], Rows]
    entity: str
    table: str


def _plain(name: str) -> _Stream:
    return _Stream(_table(name), name, name)


_STREAMS: Final[Mapping[str, _Stream]] = {
    "products": _plain("products"),
    "product_feature_values": _Stream(_feature_values, "products", ""),
    "product_options": _Stream(_options, "options", ""),
    "product_option_exceptions": _Stream(_exceptions, "exceptions", ""),
    "product_option_combinations": _Stream(_combinations, "combinations", ""),
    "product_variation_groups": _Stream(
        _table("variation_groups"), "product_variations_groups", ""
    ),
    "categories": _plain("categories"),
    "features": _Stream(_features, "features", "features"),
    "feature_groups": _Stream(_feature_groups, "features", "features"),
    "feature_variants": _Stream(_feature_variants, "features", ""),
    "orders": _Stream(listed_orders, "orders", "orders"),
    "order_items": _Stream(_order_items, "orders", ""),
    "shipments": _Stream(_shipments, "shipments", "shipments"),
    "users": _plain("users"),
    "user_usergroups": _Stream(_memberships, "users", ""),
    "usergroups": _plain("usergroups"),
    "carts": _plain("carts"),
    "cart_items": _Stream(_cart_items, "carts", "carts"),
    "stores": _Stream(_companies(multivendor=False), "stores", "companies"),
    "vendors": _Stream(_companies(multivendor=True), "vendors", "companies"),
    "payments": _plain("payments"),
    "shippings": _plain("shippings"),
    "taxes": _plain("taxes"),
    "statuses": _plain("statuses"),
    "languages": _plain("languages"),
    "settings": _plain("settings"),
    "pages": _plain("pages"),
    "blocks": _plain("blocks"),
    "langvars": _Stream(_langvars, "langvars", "langvars"),
    "discussions": _plain("discussions"),
    "product_reviews": _plain("product_reviews"),
    "call_requests": _plain("call_requests"),
    "subscribers": _plain("subscribers"),
    "master_products": _Stream(_table("master_products"), "master_products", "products"),
    "currencies": _Stream(_table("currencies"), "sra_currencies", "currencies"),
}
STREAMS: Final = tuple(_STREAMS)
"""Names of all streams."""


def rows(store: Store, stream: str) -> Iterator[bytes]:
    """Return the rows of a stream, each encoded as JSON; none where the store does not have them.

    Raises:
        KeyError: There is no such stream.
    """
    known = _STREAMS[stream]
    if not ENTITIES[known.entity].exists(store.setup):
        return iter(())
    return (encoded(store, stream, row) for row in known.rows(store))


def encoded(store: Store, stream: str, row: Row) -> bytes:
    """Encode a row of a stream, with the columns that the store has.

    Args:
        row: The row with all its columns.
    """
    held: dict[str, Any] = store.setup.held(_STREAMS[stream].table, row)
    return msgspec.json.encode(neutral(held))
