"""The entities around products: their options, variations, and products that vendors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart import options, views
from commerce_sandbox.cscart.catalog_lists import find, products_among
from commerce_sandbox.cscart.query import among, contains, is_on, one_of
from commerce_sandbox.cscart.responses import ApiError, Listing, Paging
from commerce_sandbox.cscart.values import Row, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox.cscart.call import Call, Json
    from commerce_sandbox.cscart.query import Filter

_OPTIONS: Final = Listing(
    key="product_options",
    sorts={
        "option_name": "option_name",
        "internal_option_name": "internal_option_name",
        "position": "position",
        "status": "status",
    },
    sort=("internal_option_name", "asc"),
    filters={
        "q": contains("internal_option_name"),
        "company_ids": one_of("company_id"),
        "option_id": one_of("option_id"),
    },
    extra={
        "product_id": 0,
        "q": None,
        "excluded_ids": None,
        "get_variants": False,
        "option_id": None,
    },
)


def product_options(call: Call) -> Json:
    """Return a product's options, or from 4.20 on list those that any can be linked to."""
    if "product_id" not in call.parameters and call.setup.since("4.20"):
        return call.page(
            _OPTIONS,
            call.store.global_options.values(),
            lambda row: _global_option(call, row),
            repeats=True,
            key=lambda row: row["option_id"],
        )
    found = views.listed_options(call, _requested_product(call))
    if not found:
        raise ApiError(404)
    return found


def _global_option(call: Call, row: Row) -> Json:
    written = call.written("options", row | {"lang_code": "en"})
    if not is_on(call.parameters.get("get_variants")):
        del written["variants"]
    return written


def _requested_product(call: Call) -> Row:
    key = call.parameters.get("product_id")
    if not key:
        raise ApiError(400, "The field product_id is required.")
    return find(call, "products", str(key))


def product_option(call: Call, key: str) -> Json:
    """Return an option that any product can be linked to, or one of a product."""
    number = int(key) if key.isdigit() else 0
    owner = call.store.products.get(number - 1000, {"has_options": None})
    found = dict(call.store.global_options)
    if owner["has_options"]:
        found |= options.options_of(owner, call.store.global_options)
    if number not in found:
        raise ApiError(404)
    return serve(found[number], call.language)


def _of_product(make: Callable[[Row, dict[Any, Row]], list[Row]]) -> Callable[[Call], Json]:
    def respond(call: Call) -> Json:
        rows = make(_requested_product(call), call.store.global_options)
        if not rows:
            raise ApiError(404)
        if "items_per_page" in call.parameters:
            rows = list(Paging.read(call.parameters, 0).cut(rows))
        return [serve(row, call.language) for row in rows]

    return respond


exceptions = _of_product(options.exceptions_of)
combinations = _of_product(options.combinations_of)


def variations(call: Call) -> Json:
    """List the products that are in a variation group."""
    members = call.store.group_members
    return products_among(
        call, [row for row in call.rows("products") if row["product_id"] in members]
    )


def variation_groups(call: Call) -> Json:
    """List groups of products that are variations of one another."""
    rows = call.selected(
        call.store.variation_groups.values(),
        {
            "product_ids": _any_of("products", "product_id"),
            "feature_ids": _any_of("features", "feature_id"),
        },
        None,
    )
    paging = Paging.read(call.parameters, call.default_size)
    return {
        "groups": [serve(row) for row in paging.cut(rows)],
        "params": {
            **call.parameters,
            "items_per_page": paging.size,
            "page": paging.page,
            "total_items": len(rows),
        },
    }


def _any_of(members: str, column: str) -> Filter:
    return among(lambda row, wanted: any(str(one[column].value) in wanted for one in row[members]))


def variation_group(call: Call, key: str) -> Json:
    """Return a variation group."""
    return serve(find(call, "variation_groups", key))


def variations_of_group(call: Call, key: str) -> Json:
    """List the products of a variation group."""
    members = {one["product_id"].value for one in find(call, "variation_groups", key)["products"]}
    return products_among(
        call, [row for row in call.rows("products") if row["product_id"] in members]
    )


def master_products(call: Call) -> Json:
    """List the products that vendors offer in common."""
    return products_among(call, list(call.store.master_products.values()))


def master_product(call: Call, key: str) -> Json:
    """Return a product that vendors share."""
    return views.product(call, find(call, "master_products", key))


def offers(call: Call, key: str) -> Json:
    """Return the vendors' offers of a product."""
    find(call, "master_products", key)
    offered = call.store.products.get(int(key) + 1)
    if offered is None:
        raise ApiError(404)
    return {str(offered["product_id"]): views.listed_product(call, offered)}
