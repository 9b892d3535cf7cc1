"""The entities of people and sales: accounts, groups, companies, orders, shipments, carts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart import people, views
from commerce_sandbox.cscart.catalog_lists import find
from commerce_sandbox.cscart.query import (
    among,
    at_least,
    at_most,
    contains,
    is_on,
    one_of,
)
from commerce_sandbox.cscart.responses import ApiError, Listing
from commerce_sandbox.cscart.sales import INCOMPLETE
from commerce_sandbox.cscart.values import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox.cscart.call import Call, Json
    from commerce_sandbox.cscart.query import Filter, Predicate

_ORDERS: Final = Listing(
    key="orders",
    sorts={
        "order_id": "order_id",
        "status": "status",
        "customer": "lastname",
        "email": "email",
        "date": "timestamp",
        "total": "total",
    },
    sort=("date", "desc"),
    filters={
        "status": one_of("status"),
        "user_id": one_of("user_id"),
        "company_id": one_of("company_id"),
        "company_ids": one_of("company_id"),
        "storefront_id": one_of("storefront_id"),
        "email": contains("email"),
        "cname": contains("firstname", "lastname"),
        "phone": contains("phone"),
        "company": contains("company"),
        "order_id": one_of("order_id"),
        "parent_order_id": one_of("parent_order_id"),
        "invoice_id": one_of("invoice_id"),
        "credit_memo_id": one_of("credit_memo_id"),
        "total_from": at_least("total"),
        "total_to": at_most("total"),
        "tax_exempt": one_of("tax_exempt"),
        "payments": one_of("payment_id"),
        "shippings": one_of("shipping_ids"),
        "issuer": contains("issuer_name"),
    },
    period=("", "timestamp"),
    extra={"extra": ["issuers", "invoice_docs", "memo_docs"], "include_incompleted": False},
)
_USERS: Final = Listing(
    key="users",
    sorts={
        "id": "user_id",
        "username": "user_login",
        "email": "email",
        "name": "lastname",
        "date": "timestamp",
        "type": "user_type",
        "status": "status",
        "phone": "phone",
        "last_login": "last_login",
    },
    sort=("name", "asc"),
    filters={
        "user_type": one_of("user_type"),
        "user_ids": one_of("user_id"),
        "status": one_of("status"),
        "company": contains("company"),
        "company_ids": one_of("company_id"),
        "name": contains("firstname", "lastname"),
        "email": contains("email"),
        "user_login": contains("user_login"),
        "phone": contains("phone"),
        "is_root": one_of("is_root"),
    },
    extra={"extended_search": True},
)


def _in_user_data(value: Any) -> Predicate | None:  # noqa: ANN401 (as the query has it)
    return (lambda row: str(value) in row["user_data"].get("email", "")) if value else None


def _with_info(value: Any) -> Predicate | None:  # noqa: ANN401 (as the query has it)
    return (lambda row: bool(row["user_data"])) if is_on(value) else None


def _registered(value: Any) -> Predicate | None:  # noqa: ANN401 (as the query has it)
    if value not in {"R", "G"}:
        return None
    return lambda row: bool(row["user_data"]) == (value == "R")


_CARTS: Final = Listing(
    key="carts",
    sorts={"customer": "lastname", "date": "date", "company_id": "company_id"},
    sort=("date", "desc"),
    filters={
        "user_id": one_of("user_id"),
        "storefront_id": one_of("storefront_id"),
        "cname": contains("firstname", "lastname"),
        "email": _in_user_data,
        "with_info_only": _with_info,
        "users_type": _registered,
        "total_from": at_least("total"),
        "total_to": at_most("total"),
    },
    period=("", "date"),
)
_SHIPMENTS: Final = Listing(
    key="shipments",
    sorts={
        "id": "shipment_id",
        "status": "status",
        "order_id": "order_id",
        "shipment_date": "shipment_timestamp",
        "order_date": "order_timestamp",
        "customer": "lastname",
    },
    sort=("id", "desc"),
    filters={
        "order_id": one_of("order_id"),
        "shipment_id": one_of("shipment_id"),
        "status": one_of("status"),
        "cname": contains("firstname", "lastname"),
        "company": contains("company"),
    },
    period=("shipment_", "shipment_timestamp"),
    extra={"advanced_info": True},
)
_COMPANY_SORTS: Final = {
    "id": "company_id",
    "email": "email",
    "date": "timestamp",
    "status": "status",
    "company": "company",
}
_COMPANY_FILTERS: Final = {
    "company": contains("company"),
    "status": one_of("status"),
    "email": contains("email"),
    "city": contains("city"),
    "country": one_of("country"),
    "company_id": one_of("company_id"),
}
_COMPANIES: Final = {
    "stores": Listing(
        key="stores",
        sorts={**_COMPANY_SORTS, "storefront": "storefront"},
        sort=("company", "asc"),
        filters=_COMPANY_FILTERS,
    ),
    "vendors": Listing(
        key="vendors", sorts=_COMPANY_SORTS, sort=("company", "asc"), filters=_COMPANY_FILTERS
    ),
}


_ORDERED: Final = among(
    lambda row, wanted: any(str(one["product_id"]) in wanted for one in row["products"].values())
)
_IN_CART: Final = among(
    lambda row, wanted: any(str(one["product_id"]) in wanted for one in row["products"])
)


def orders(call: Call) -> Json:
    """List orders: none that are parents, and incomplete ones only if requested."""
    rows = [
        row
        for row in call.rows("orders")
        if not row["is_parent_order"]
        and (row["status"] != INCOMPLETE or is_on(call.parameters.get("include_incompleted")))
    ]
    modern = call.setup.since("4.12")
    filters: dict[str, Filter] = {"p_ids": _ORDERED}
    if modern:
        filters |= {
            "updated_at_from": at_least("updated_at"),
            "updated_at_to": at_most("updated_at"),
        }
    whole = modern and is_on(call.parameters.get("get_orders_data"))
    show = views.order if whole else views.listed_order
    return call.page(
        _ORDERS,
        rows,
        lambda row: show(call, row),
        repeats=not modern,
        key=lambda row: row["order_id"],
        filters=filters,
    )


def order(call: Call, key: str) -> Json:
    """Return an order."""
    return views.order(call, find(call, "orders", key))


def users(call: Call) -> Json:
    """List accounts; 4.20 insists on knowing of which type."""
    if call.setup.since("4.20") and not call.parameters.get("user_type"):
        raise ApiError(400, "The field user_type is required.")
    filters = {} if call.setup.multivendor else {"company_id": one_of("company_id")}
    return call.page(
        _USERS,
        call.rows("users"),
        lambda row: call.written("users", row),
        repeats=True,
        key=lambda row: row["user_id"],
        filters=filters,
    )


def user(call: Call, key: str) -> Json:
    """Return an account; 4.20 returns an empty list if it is unknown."""
    try:
        return call.written("users", find(call, "users", key))
    except ApiError:
        if not call.setup.since("4.20"):
            raise
        return call.page(_USERS, [], lambda row: row, repeats=True, key=lambda row: row["user_id"])


def user_usergroups(call: Call, key: str) -> Json:
    """Return the groups an account is in, keyed by their ids."""
    held = people.memberships(find(call, "users", key)["user_id"])
    rows = call.selected(held, {"status": one_of("status")}, None)
    return serve({str(row["usergroup_id"]): row for row in rows})


def usergroups(call: Call) -> Json:
    """Return all groups of accounts, keyed by their ids."""
    rows = call.selected(
        call.store.usergroups.values(),
        {"type": one_of("type"), "status": one_of("status"), "q": contains("usergroup")},
        None,
    )
    without = () if is_on(call.parameters.get("with_privileges")) else ("privileges",)
    return {
        str(row["usergroup_id"]): call.written("usergroups", row, without=without) for row in rows
    } or []


def usergroup(call: Call, key: str) -> Json:
    """Return a group of accounts and its privileges."""
    return call.written("usergroups", find(call, "usergroups", key))


def carts(call: Call) -> Json:
    """List carts: a page by account and company, then one row per account."""
    response = call.page(
        _CARTS,
        call.rows("carts"),
        lambda row: views.listed_cart(call, row),
        repeats=False,
        key=lambda row: (row["user_id"], row["company_id"]),
        filters={"p_ids": _IN_CART},
    )
    response["carts"] = list({row["user_id"]: row for row in response["carts"]}.values())
    return response


def cart(call: Call, key: str) -> Json:
    """Return the cart of an account, its latest if it has several."""
    found = [row for row in call.rows("carts") if str(row["user_id"]) == key]
    if not found:
        raise ApiError(404)
    return call.written("carts", max(found, key=lambda row: row["date"]))


def shipments(call: Call) -> Json:
    """List shipments."""
    response = call.page(
        _SHIPMENTS,
        [row for row in call.rows("shipments") if row["order_id"] in call.store.orders],
        lambda row: row,
        repeats=True,
        key=lambda row: row["shipment_id"],
    )
    response["shipments"] = views.listed_shipments(call, response["shipments"])
    return response


def shipment(call: Call, key: str) -> Json:
    """Return a shipment."""
    return call.written("shipments", find(call, "shipments", key), display=True)


def companies(name: str) -> Callable[[Call], Json]:
    """List stores or vendors. 4.9 has no page in `params`."""

    def respond(call: Call) -> Json:
        filters: dict[str, Filter] = {}
        parameters = call.parameters
        if call.setup.since("4.20") and {"created_from", "created_to"} <= parameters.keys():
            filters = {
                "created_from": at_least("timestamp"),
                "created_to": at_most("timestamp"),
            }
        found = call.page(
            _COMPANIES[name],
            call.rows("companies"),
            lambda row: views.company(call, row, single=False),
            repeats=True,
            key=lambda row: row["company_id"],
            filters=filters,
        )
        if not call.setup.since("4.12"):
            found["params"] = parameters or []
        return found

    return respond


def company(call: Call, key: str) -> Json:
    """Return a store or a vendor."""
    return views.company(call, find(call, "companies", key), single=True)
