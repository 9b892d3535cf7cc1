"""The entities of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart import views
from commerce_sandbox.cscart.query import (
    among,
    at_least,
    at_most,
    contains,
    is_on,
    one_of,
    texts,
    within,
)
from commerce_sandbox.cscart.responses import ApiError, Listing, Paging
from commerce_sandbox.cscart.shop import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_sandbox.cscart.call import Call, Json
    from commerce_sandbox.cscart.query import Filter
    from commerce_sandbox.cscart.values import Row

_HOUR: Final = 3600
_PRODUCTS: Final = Listing(
    key="products",
    sorts={
        "code": "product_code",
        "status": "status",
        "product": "product",
        "price": "price",
        "list_price": "list_price",
        "weight": "weight",
        "amount": "amount",
        "timestamp": "timestamp",
        "updated_timestamp": "updated_timestamp",
        "popularity": "popularity",
        "company": "company_name",
        "null": "product_id",
    },
    sort=("product", "asc"),
    filters={
        "status": one_of("status"),
        "company_id": one_of("company_id"),
        "company_ids": one_of("company_id"),
        "pid": one_of("product_id"),
        "item_ids": one_of("product_id"),
        "pcode": contains("product_code"),
        "q": contains("product", "product_code", "search_words", "full_description"),
        "price_from": at_least("price"),
        "price_to": at_most("price"),
        "amount_from": at_least("amount"),
        "amount_to": at_most("amount"),
        "weight_from": at_least("weight"),
        "weight_to": at_most("weight"),
        "popularity_from": at_least("popularity"),
        "popularity_to": at_most("popularity"),
        "free_shipping": one_of("free_shipping"),
        "downloadable": one_of("is_edp"),
        "tracking": one_of("tracking"),
        "product_type": one_of("product_type"),
        "parent_product_id": one_of("parent_product_id"),
    },
    period=("", "timestamp"),
    extra={
        "area": "A",
        "use_caching": True,
        "extend": ["product_name", "prices", "categories", "categories"],
        "custom_extend": [],
        "pname": "Y",
        "pshort": "Y",
        "pfull": "Y",
        "pkeywords": "Y",
        "feature": [],
        "type": "simple",
        "action": "",
        "filter_variants": [],
        "features_hash": "",
        "limit": 0,
        "bid": 0,
        "match": "all",
        "tracking": [],
        "get_frontend_urls": False,
        "apply_disabled_filters": "",
        "load_products_extra_data": True,
        "storefront": None,
        "company_ids": "",
        "subcats": "Y",
        "pcode_from_q": "Y",
        "search_performed": "Y",
        "hide_out_of_stock_products": False,
        "usergroup_ids": [],
        "include_child_variations": True,
        "group_child_variations": False,
    },
)
_CATEGORIES: Final = Listing(
    key="categories",
    sorts={
        "timestamp": "timestamp",
        "name": "category",
        "position": "position",
        "product_count": "product_count",
        "status": "status",
    },
    sort=("position", "asc"),
    filters={
        "category_ids": one_of("category_id"),
        "item_ids": one_of("category_id"),
        "status": one_of("status"),
        "company_ids": one_of("company_id"),
        "search_query": contains("category"),
    },
    period=("", "timestamp"),
    extra={
        "category_id": 0,
        "visible": False,
        "current_category_id": 0,
        "simple": False,
        "plain": True,
        "limit": 0,
        "item_ids": "",
        "group_by_level": False,
        "get_images": False,
        "category_delimiter": "/",
        "get_frontend_urls": False,
        "max_nesting_level": None,
        "get_company_name": False,
        "storefront_ids": None,
    },
)
_FEATURES: Final = Listing(
    key="features",
    sorts={
        "position": "position",
        "name": "internal_name",
        "storefront_name": "description",
        "group": "parent_id",
        "categories": "categories_path",
        "status": "status",
    },
    sort=("position", "asc"),
    filters={
        "feature_id": one_of("feature_id"),
        "parent_id": one_of("parent_id"),
        "statuses": one_of("status"),
        "company_id": one_of("company_id"),
        "purpose": one_of("purpose"),
        "feature_code": one_of("feature_code"),
        "description": contains("description"),
        "internal_name": contains("internal_name"),
    },
    extra={
        "product_id": 0,
        "category_ids": [],
        "statuses": [],
        "plain": True,
        "feature_types": [],
        "feature_id": 0,
        "exclude_feature_id": 0,
        "display_on": "",
        "exclude_group": False,
        "exclude_empty_groups": False,
        "exclude_filters": False,
        "get_top_features": False,
        "top_features_limit": 10,
        "existent_only": False,
        "variants": False,
        "variant_images": True,
        "variants_items_per_page": None,
        "variants_page": None,
        "variants_selected_only": False,
        "skip_variants_threshould": False,
        "variants_only": None,
        "get_descriptions": True,
    },
)


_BELOW: Final = among(lambda row, wanted: not wanted.isdisjoint(row["id_path"].split("/")))
_IN_CATEGORY: Final = among(
    lambda row, wanted: not wanted.isdisjoint(map(str, row["categories_path"]))
)


def find(call: Call, entity: str, text: str) -> Row:
    """Return the row with an id, within the request's company.

    Raises:
        ApiError: There is none.
    """
    key: Any = int(text) if text.isascii() and text.isdigit() else text
    row = call.store.table(entity).get(key)
    if row is None or (call.company and row.get("company_id", call.company) != call.company):
        raise ApiError(404)
    return row


def products(call: Call) -> Json:
    """List products."""
    return products_among(call, call.rows("products"))


def products_among(call: Call, rows: list[Row], category: str | None = None) -> Json:
    """List some products.

    Args:
        category: The category they must be in, whatever the request.
    """
    if category is not None or "cid" in call.parameters:
        wanted = texts(category or call.parameters["cid"])
        rows = [row for row in rows if _in_categories(call, row, wanted)]
    return call.page(
        _PRODUCTS,
        rows,
        lambda row: views.listed_product(call, row),
        repeats=False,
        key=lambda row: row["product_id"],
        filters=_product_filters(call),
    )


def _in_categories(call: Call, row: Row, wanted: set[str] | None) -> bool:
    if wanted is None:
        return True
    paths = [call.store.category_path(one.value) for one in row["category_ids"]]
    if not is_on(call.parameters.get("subcats", "Y")):
        paths = [path[-1:] for path in paths]
    return any(wanted.intersection(path) for path in paths)


def _product_filters(call: Call) -> Mapping[str, Filter]:
    store = call.store
    members = store.group_members

    def sold(row: Row, wanted: set[str]) -> bool:
        orders = (store.orders.get(int(one)) for one in wanted if one.isdigit())
        items = (item for order in orders if order for item in order["products"].values())
        return any(item["product_id"] == row["product_id"] for item in items)

    def has_variant(row: Row, wanted: set[str]) -> bool:
        held = row["product_features"].values()
        return any(not wanted.isdisjoint(feature.get("variants", {})) for feature in held)

    return {
        "order_ids": among(sold),
        "variant_id": among(has_variant),
        "variation_group_id": among(
            lambda row, wanted: str(members.get(row["product_id"])) in wanted
        ),
        "updated_in_hours": within("updated_timestamp", _HOUR, call.now),
    }


def product(call: Call, key: str) -> Json:
    """Return a product."""
    return views.product(call, find(call, "products", key))


def features_of(call: Call, key: str) -> Json:
    """List the features of a product."""
    held = find(call, "products", key)["product_features"]
    rows = [call.store.features[one["feature_id"]] for one in held.values()]
    return call.page(
        _FEATURES,
        rows,
        lambda row: views.listed_feature(call, row),
        repeats=True,
        key=lambda row: row["feature_id"],
    )


def categories(call: Call) -> Json:
    """List categories.

    Sorting picks the rows of a page, which then go down by their ids. 4.9 cuts a page out of the
    page, so that there is no second one where a size is given.
    """
    response = call.page(
        _CATEGORIES,
        call.rows("categories"),
        lambda row: views.listed_category(call, row),
        repeats=call.setup.since("4.12"),
        key=lambda row: row["category_id"],
        filters={"parent_category_id": _BELOW, "category_id": _BELOW},
    )
    response["categories"].sort(key=lambda row: -int(row["category_id"]))
    if not call.setup.since("4.12") and "items_per_page" in call.parameters:
        if Paging.read(call.parameters, 0).page > 1:
            response["categories"] = []
        response["params"]["total_items"] = len(response["categories"])
    return response


def category(call: Call, key: str) -> Json:
    """Return a category."""
    return call.written("categories", find(call, "categories", key))


def category_products(call: Call, key: str) -> Json:
    """List the products of a category."""
    find(call, "categories", key)
    return products_among(call, call.rows("products"), key)


def features(call: Call) -> Json:
    """List features.

    Groups stand on top of the page's size: those of the page's features, and on every page those
    that have none.
    """
    rows = call.rows("features")
    types = call.parameters.get("feature_types")
    wanted = texts(types)
    if isinstance(types, list) and not call.setup.since("4.12"):
        rows = []
    elif wanted:
        rows = [row for row in rows if row["feature_type"] in wanted]
    groups = [row for row in call.rows("features") if row["feature_type"] == "G"]
    if not wanted:
        rows = [row for row in rows if row["feature_type"] != "G"]
    filters: dict[str, Filter] = {"category_ids": _IN_CATEGORY}
    if call.setup.since("4.12"):
        filters["updated_in_days"] = within("updated_timestamp", DAY, call.now)
    response = call.page(
        _FEATURES,
        rows,
        lambda row: row,
        repeats=True,
        key=lambda row: row["feature_id"],
        filters=filters,
    )
    shown: list[Row] = response["features"]
    if not is_on(call.parameters.get("exclude_group")) and not wanted:
        filled = {row["parent_id"] for row in call.rows("features")}
        here = {row["parent_id"] for row in shown}
        shown = [
            one for one in groups if one["feature_id"] in here or one["feature_id"] not in filled
        ]
        shown += response["features"]
    response["features"] = [views.listed_feature(call, row) for row in shown]
    return response


def feature(call: Call, key: str) -> Json:
    """Return a feature."""
    return views.feature(call, find(call, "features", key))
