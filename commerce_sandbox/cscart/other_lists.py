"""The entities of administration and of add-ons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart import views
from commerce_sandbox.cscart.catalog_lists import find
from commerce_sandbox.cscart.query import contains, one_of, starts_with
from commerce_sandbox.cscart.responses import Listing
from commerce_sandbox.cscart.values import LANGUAGE, Row, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox.cscart.call import Call, Json

_PAGES: Final = Listing(
    key="pages",
    sorts={
        "position": "position",
        "name": "page",
        "timestamp": "timestamp",
        "type": "page_type",
        "multi_level": "position",
        "status": "status",
    },
    sort=("position", "asc"),
    filters={
        "page_type": one_of("page_type"),
        "parent_id": one_of("parent_id"),
        "status": one_of("status"),
        "company_id": one_of("company_id"),
        "item_ids": one_of("page_id"),
        "q": contains("page", "description"),
    },
    period=("", "timestamp"),
    extra={
        "page_id": 0,
        "visible": False,
        "get_tree": "",
        "pdescr": "",
        "subpages": "",
        "match": "",
        "page_type": "",
        "full_search": True,
        "pname": "Y",
    },
)
_DISCUSSIONS: Final = Listing(
    key="discussions",
    sorts={
        "object": "object_id",
        "name": "name",
        "ip_address": "ip_address",
        "timestamp": "timestamp",
        "status": "status",
    },
    sort=("timestamp", "desc"),
    filters={
        "status": one_of("status"),
        "name": contains("name"),
        "message": contains("message"),
        "type": one_of("type"),
        "ip_address": one_of("ip_address"),
        "rating_value": one_of("rating_value"),
        "object_type": one_of("object_type"),
        "object_id": one_of("object_id"),
        "user_id": one_of("user_id"),
        "post_id": one_of("post_id"),
        "company_id": one_of("company_id"),
    },
    period=("", "timestamp"),
)
_REVIEWS: Final = Listing(
    key="product_reviews",
    sorts={
        "product_review_id": "product_review_id",
        "rating_value": "rating_value",
        "product_review_timestamp": "product_review_timestamp",
    },
    sort=("product_review_timestamp", "desc"),
    filters={
        "product_id": one_of("product_id"),
        "status": one_of("status"),
        "rating": one_of("rating_value"),
        "storefront_id": one_of("storefront_id"),
    },
    period=("", "product_review_timestamp"),
    extra={
        "load_product_data": False,
        "available_filters": ["with_images", "only_buyers"],
        **dict.fromkeys(("message", "comment", "advantages", "disadvantages")),
    },
)
_CALL_REQUESTS: Final = Listing(
    key="call_requests",
    sorts={
        "id": "request_id",
        "date": "timestamp",
        "status": "status",
        "name": "name",
        "phone": "phone",
        "user_id": "user_id",
        "order": "order_id",
        "order_status": "order_status",
    },
    sort=("date", "desc"),
    filters={
        "id": one_of("request_id"),
        "name": contains("name"),
        "phone": contains("phone"),
        "status": one_of("status"),
        "company_id": one_of("company_id"),
        "user_id": one_of("user_id"),
    },
    echoes_size=True,
)
_SUBSCRIBERS: Final = Listing(
    key="subscribers",
    sorts={"email": "email", "name": "name", "status": "status", "timestamp": "timestamp"},
    sort=("timestamp", "desc"),
    filters={"email": contains("email"), "name": contains("name"), "status": one_of("status")},
    period=("", "timestamp"),
)
_LANGVARS: Final = Listing(
    key="langvars",
    sorts={"name": "name"},
    sort=("name", "asc"),
    filters={
        "name": starts_with("name"),
        "value": contains("value"),
        "q": contains("name", "value"),
    },
)


def payments(call: Call) -> Json:
    """List ways to pay; as an object if not paged."""
    return call.sliced(
        "payments",
        call.rows("payments"),
        lambda row: call.written("payments", row, display=True),
        key_without_size="payment_id",
    )


def payment(call: Call, key: str) -> Json:
    """Return a way to pay."""
    return views.payment(call, find(call, "payments", key))


def shippings(call: Call) -> Json:
    """List ways to ship; in 4.20 as an object if not paged."""
    modern = call.setup.since("4.20")
    return call.sliced(
        "shippings",
        call.rows("shippings"),
        lambda row: call.written("shippings", row, display=modern, without=("rates",)),
        key_without_size="shipping_id" if modern else None,
    )


def shipping(call: Call, key: str) -> Json:
    """Return a way to ship and its rates."""
    display = call.setup.since("4.20")
    return call.written("shippings", find(call, "shippings", key), display=display)


def taxes(call: Call) -> Json:
    """List taxes."""
    return call.sliced("taxes", call.rows("taxes"), lambda row: call.written("taxes", row))


def tax(call: Call, key: str) -> Json:
    """Return a tax."""
    return call.written("taxes", find(call, "taxes", key))


def statuses(call: Call) -> Json:
    """List statuses of one type: those of orders by default."""
    kind = call.parameters.get("type", "O")
    rows = [row for row in call.rows("statuses") if row["type"] == kind]
    return call.sliced("statuses", rows, lambda row: call.written("statuses", row))


def status(call: Call, key: str) -> Json:
    """Return a status."""
    return call.written("statuses", find(call, "statuses", key))


def languages(call: Call) -> Json:
    """Return languages keyed by their codes, or the one that `lang_code` names."""
    code = call.parameters.get("lang_code")
    if code in call.store.languages:
        return call.written("languages", call.store.languages[code])
    return call.sliced(
        "languages",
        call.rows("languages"),
        lambda row: call.written("languages", row),
        keyed="lang_code",
    )


def language(call: Call, key: str) -> Json:
    """Return a language."""
    return call.written("languages", _language(call, key))


def _language(call: Call, key: str) -> Row:
    by_id = {str(row["lang_id"]): row for row in call.store.languages.values()}
    return by_id.get(key) or find(call, "languages", key)


def langvars(call: Call) -> Json:
    """List texts of the interface."""
    return _langvars(call, call.parameters.get("lang_code") or call.display)


def langvars_of(call: Call, key: str) -> Json:
    """List texts of the interface in a language."""
    return _langvars(call, _language(call, key)["lang_code"])


def _langvars(call: Call, code: str) -> Json:
    known = code if code in call.store.languages else LANGUAGE
    response = call.page(
        _LANGVARS,
        call.rows("langvars"),
        lambda row: {name: serve(value, known) for name, value in row.items()},
        repeats=True,
        key=lambda row: row["name"],
    )
    params = response["params"]
    for name in ("sort_by", "sort_order", "sort_order_rev"):
        del params[name]
    response["params"] = {"name": None, "value": None, "q": None, **params, "lang_code": known}
    response["params"]["total_items"] = int(params["total_items"])
    return response


def settings(call: Call) -> Json:
    """List settings."""
    filters = {"section_id": one_of("section_id"), "section_tab_id": one_of("section_tab_id")}
    return call.sliced(
        "settings",
        call.selected(call.rows("settings"), filters, None),
        lambda row: call.written("settings", row),
        extra={"section_id": 0, "section_tab_id": 0},
    )


def setting(call: Call, key: str) -> Json:
    """Return a setting."""
    return call.written("settings", find(call, "settings", key))


def pages(call: Call) -> Json:
    """List pages of the site."""
    return call.page(
        _PAGES,
        call.rows("pages"),
        lambda row: views.page(call, row),
        repeats=not call.setup.since("4.20"),
        key=lambda row: row["page_id"],
    )


def page(call: Call, key: str) -> Json:
    """Return a page of the site."""
    return call.written("pages", find(call, "pages", key))


def blocks(call: Call) -> Json:
    """Return all blocks of the layout."""
    return [call.written("blocks", row) for row in call.rows("blocks")]


def block(call: Call, key: str) -> Json:
    """Return a block of the layout."""
    return call.written("blocks", find(call, "blocks", key))


def currencies(call: Call) -> Json:
    """List currencies, as the storefront's entity does."""
    return {"currencies": [call.written("currencies", row) for row in call.rows("currencies")]}


def _community(entity: str, listing: Listing, key: str) -> Callable[[Call], Json]:
    def respond(call: Call) -> Json:
        return call.page(
            listing,
            call.rows(entity),
            lambda row: call.written(entity, row),
            repeats=True,
            key=lambda row: row[key],
        )

    return respond


discussions = _community("discussions", _DISCUSSIONS, "post_id")
call_requests = _community("call_requests", _CALL_REQUESTS, "request_id")
subscribers = _community("subscribers", _SUBSCRIBERS, "subscriber_id")


def one_of_table(entity: str) -> Callable[[Call, str], Json]:
    """Return a row as its list has it."""
    return lambda call, key: call.written(entity, find(call, entity, key))


def discussions_of(call: Call, key: str) -> Json:
    """List the posts about a product."""
    product = find(call, "products", key)["product_id"]
    return call.page(
        _DISCUSSIONS,
        [row for row in call.rows("discussions") if row["object_id"] == product],
        lambda row: call.written("discussions", row),
        repeats=True,
        key=lambda row: row["post_id"],
    )


def product_reviews(call: Call) -> Json:
    """List reviews as a pair: the reviews by their ids, and their `params`."""
    found: dict[str, Any] = call.page(
        _REVIEWS,
        call.rows("product_reviews"),
        lambda row: call.written("product_reviews", row),
        repeats=True,
        key=lambda row: row["product_review_id"].value,
    )
    params = found["params"] | {"total_items": int(found["params"]["total_items"])}
    reviews: Json = {str(row["product_review_id"]): row for row in found["product_reviews"]} or []
    size = {"items_per_page": params["items_per_page"]}
    return {"product_reviews": [reviews, params], "params": {**call.parameters, **size}}
