"""Rows as lists and single responses show them: which columns, in which form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart import options
from commerce_sandbox.cscart.query import is_on, texts
from commerce_sandbox.cscart.values import Native, Row, serve

if TYPE_CHECKING:
    from decimal import Decimal

    from commerce_sandbox.cscart.call import Call, Json

# Values of `extend` in a list of products, and the columns of each.
_EXTENSIONS: Final = {
    "description": ("short_description", "full_description"),
    "full_description": ("full_description",),
    "meta_data": ("meta_keywords", "meta_description"),
    "search_words": ("search_words",),
    "page_title": ("page_title",),
    "promo_text": ("promo_text",),
    "popularity": ("popularity",),
    "companies": ("company_name",),
}
_BOX: Final = ("min_items_in_box", "max_items_in_box", "box_length", "box_width", "box_height")
PRODUCT_DETAIL: Final = frozenset(
    {
        "lang_code",
        "shortname",
        "short_description",
        "full_description",
        "meta_keywords",
        "meta_description",
        "search_words",
        "page_title",
        "age_warning_message",
        "promo_text",
        "popularity",
        "company_name",
        *_BOX,
        "shared_product",
    }
)
"""Columns of a product that a list has only by extension, or not at all."""
_COMPUTED: Final = frozenset({"has_options", "discounts", "qty_content"})
"""Columns that a single product has from 2.1 on."""
_PRODUCT_LIST: Final = _COMPUTED | {"selected_options", "list_discount", "list_discount_prc"}
ORDER_LIST: Final = (
    "order_id",
    "issuer_id",
    "user_id",
    "is_parent_order",
    "parent_order_id",
    "company_id",
    "company",
    "timestamp",
    "firstname",
    "lastname",
    "email",
    "phone",
    "status",
    "total",
    "storefront_id",
    "issuer_name",
    "issuer_email",
    "invoice_id",
    "credit_memo_id",
    "points",
)
ORDER_LIST_ONLY: Final = frozenset(
    {"issuer_name", "issuer_email", "invoice_id", "credit_memo_id", "points"}
)
"""Columns of an order that its detail does not have."""
_CATEGORY_LIST: Final = (
    "category_id",
    "parent_id",
    "id_path",
    "category",
    "position",
    "status",
    "company_id",
    "storefront_id",
    "product_count",
    "seo_name",
    "seo_path",
)
COMPANY_DETAIL: Final = frozenset(
    {
        "address",
        "city",
        "state",
        "country",
        "zipcode",
        "phone",
        "url",
        "tax_number",
        "request_user_id",
        "request_account_data",
        "categories",
    }
)
"""Columns of a company that only its detail has, and that only in 4.20."""
_PICKER: Final = 40
"""Variants beyond which a list leaves them out."""


def _only(row: Row, columns: tuple[str, ...]) -> Row:
    return {name: row[name] for name in columns if name in row}


def _price(call: Call, value: Decimal) -> str:
    """Write a price as lists do: until 4.20 with all the digits of its column."""
    digits = {"4.9": 6, "4.12": 8}.get(call.setup.release, 2)
    return f"{value:.{digits}f}"


def listed_product(call: Call, row: Row) -> Json:
    """Show a product in a list."""
    requested = texts(call.parameters.get("extend")) or set()
    extended = {column for name in requested for column in _EXTENSIONS.get(name, ())}
    written = call.written("products", row, without=PRODUCT_DETAIL - extended)
    for name in ("price", "base_price"):
        written[name] = _price(call, row[name])
    if (
        "description" in requested
        and "full_description" not in requested
        and row["short_description"]
    ):
        written["full_description"] = ""
    for name in ("main_pair", "image_pairs"):
        if not row[name] or not _wanted(call, "get_icon", "get_detailed"):
            del written[name]
    if not _wanted(call, "get_features"):
        del written["product_features"]
    if _wanted(call, "get_additional"):
        written["product_options"] = []
        if is_on(call.parameters.get("get_options")):
            written["product_options"] = listed_options(call, row)
    else:
        for name in _PRODUCT_LIST & written.keys():
            del written[name]
    return written


def _wanted(call: Call, *names: str) -> bool:
    """Return whether a part that is included by default is not excluded."""
    return any(is_on(call.parameters.get(name, "1")) for name in names)


def product(call: Call, row: Row) -> Json:
    """Show a single product: plain under 2.0, with promotions and options later.

    Plain, its price is the one without promotions, which a list shows as `base_price`.
    """
    plain = call.version in {"1.0", "2.0"}
    without = _PRODUCT_LIST if plain else _PRODUCT_LIST - _COMPUTED
    written = call.written("products", row, without=without)
    written["product_id"] = row["product_id"]
    written["tax_ids"] = [str(one) for one in row["tax_ids"]]
    for name in ("price", "base_price"):
        price = row["base_price"] if plain else row[name]
        written[name] = f"{price:.8f}" if plain else _price(call, price)
    if not plain:
        written["prices"] = []
    written["detailed_params"] = {"info_type": "D"}
    return written


def listed_options(call: Call, row: Row) -> Json:
    """Show the options of a product, keyed by their ids."""
    found = options.options_of(row, call.store.global_options)
    return serve({str(key): one for key, one in found.items()}, call.language)


def listed_category(call: Call, row: Row) -> Json:
    """Show a category in a list."""
    return call.written("categories", _only(row, _CATEGORY_LIST))


def listed_feature(call: Call, row: Row) -> Json:
    """Show a feature in a list: with its variants if requested, unless they are too many."""
    written = call.written("features", row)
    if "variants" not in row:
        return written
    if not is_on(call.parameters.get("variants")):
        del written["variants"]
    elif len(row["variants"]) > _PICKER and not is_on(
        call.parameters.get("skip_variants_threshould")
    ):
        written |= {"variants": [], "use_variant_picker": True}
    return written


def feature(call: Call, row: Row) -> Json:
    """Show a single feature, with all its variants and without its timestamps."""
    written = call.written("features", row, without={"timestamp", "updated_timestamp"})
    return {"variants": [], **written}


def listed_order(call: Call, row: Row) -> Json:
    """Show an order in a list."""
    without = () if call.setup.since("4.20") else ("storefront_id",)
    return call.written("orders", _only(row, ORDER_LIST), display=True, without=without)


def order(call: Call, row: Row) -> Json:
    """Show a single order."""
    return call.written("orders", row, display=True, without=ORDER_LIST_ONLY)


def listed_cart(call: Call, row: Row) -> Json:
    """Show a cart in a list: without its products."""
    return call.written("carts", row, without=("products",))


def company(call: Call, row: Row, *, single: bool) -> Json:
    """Show a store or a vendor: with all columns only alone, and only in 4.20."""
    whole = single and call.setup.since("4.20")
    return call.written("companies", row, without=() if whole else COMPANY_DETAIL)


def listed_shipments(call: Call, rows: list[Row]) -> list[Json]:
    """Show shipments in a list, where two columns of all are those of the first one's order."""
    if not rows:
        return []
    whole = set(call.store.orders[rows[0]["order_id"]]["products"])
    return [
        call.written("shipments", row, display=True)
        | {
            "group_key": rows[0]["group_key"].value,
            "one_full": set(row["products"]) >= whole,
        }
        for row in rows
    ]


def payment(call: Call, row: Row) -> Json:
    """Show a single way to pay: the parameters of the gateway, parsed."""
    parameters: Any = row["processor_params"]
    parsed = serve(parameters.value) if parameters else []
    return call.written("payments", row) | {"processor_params": parsed}


def page(call: Call, row: Row) -> Json:
    """Show a page of the site in a list."""
    return call.written("pages", row | {"level": Native(0)})
