"""The Order API: REST, of one plugin on one store.

Choices of its own, where the documentation is silent:

* A wrong key gives 401, an unknown id a `status` of `no` in a 200.
* A parameter that is not documented is a bad one.
* Orders and customers come in the order of their ids, or in the reverse one. A page has at most
  1,000 rows, of shipments and by documentation 100.
* A range of shipments is one of the dates they were sent, or of those they were ordered.
* `modified`, `created` and `newer_than` include the timestamp they name.
* Only JSON is served.
* The `Date` of a response is the timestamp at which the store is looked at.
"""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from commerce_sandbox.centra import item_records, order_records, supplier_records
from commerce_sandbox.centra.order_format import served
from commerce_sandbox.centra.order_requests import NotOk, Parameters, bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.centra.plugins import Plugin
    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.values import Row

    Record = dict[str, Any]

NEXT_FORMS: Final = ("query", "relative", "absolute")
"""How a link to the next page is written. Examples have a query alone, without the filters."""

FIRST: Final = ("oldest", "newest")
"""Which orders and customers come first, which is not documented."""
SHIPMENTS_BY: Final = ("sent", "ordered")
"""Which date a range of shipments is of: that is not documented."""

_LARGEST: Final = 1000
_LARGEST_SHIPMENTS: Final = 100
_USUAL: Final = 20
_REQUESTS: Final = 100
_SHIPMENT_STATUSES: Final = ("goodtogo", "inprogress", "completed")
_REQUEST_STATUSES: Final = (
    *("allocated", "sent", "failed", "confirmed", "rejected", "timed-out", "outdated"),
    *("pending", "all"),
)
_PENDING: Final = {"allocated", "sent"}


def _product(size: Row) -> Row:
    product: Row = size["productVariant"]["product"]
    return product


_ITEM_FILTERS: Final[Mapping[str, Callable[[Row], object]]] = {
    "sku": lambda size: _product(size)["productNumber"],
    "ean": lambda size: size["EAN"],
    "upc": lambda size: size["UPC"],
    "productId": lambda size: _product(size)["id"],
    "variantId": lambda size: size["productVariant"]["id"],
    "stockItemId": lambda size: size["id"],
}
_ITEM_BOUNDS: Final[Mapping[str, Callable[[Row], int]]] = {
    "modified": lambda size: int(_product(size)["updatedAt"]),
    "created": lambda size: int(_product(size)["createdAt"]),
    "stock_modified": lambda size: int(size["_stockModified"]),
}


class OrderApi:
    """Serves requests from the store.

    Args:
        store: The content of the fake API.
        plugins: The plugins that are installed, by their secret.
        root: The path the API is served under.
        next_form: How links to a next page are written, of `NEXT_FORMS`.
        first: Which orders and customers come first, of `FIRST`.
        shipments_by: Which date a range of shipments is of, of `SHIPMENTS_BY`.
    """

    def __init__(
        self,
        store: Store,
        plugins: Mapping[str, Plugin],
        root: str,
        *,
        next_form: str,
        first: str,
        shipments_by: str,
    ) -> None:
        self._store = store
        self._plugins = plugins
        self._root = root
        self._next_form = next_form
        self._step = 1 if first == "oldest" else -1
        self._shipments_by = shipments_by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        request = Request(scope)
        try:
            http, body = 200, {"status": "ok"} | self._respond(request)
        except NotOk as not_ok:
            http, body = not_ok.http, not_ok.body
        timestamp = datetime.fromtimestamp(self._store.now, timezone.utc)
        headers = {"date": format_datetime(timestamp, usegmt=True)}
        response = Response(msgspec.json.encode(body), http, headers, media_type="application/json")
        await response(scope, receive, send)

    @cached_property
    def _endpoints(self) -> Mapping[str, tuple[str, Callable[..., Record]]]:
        """The handler of each path, and its parameters."""
        return {
            "products": (
                "limit page modified created sku ean productId variantId stockItemId include",
                self._products,
            ),
            "stock": (
                (
                    "limit page stock_modified modified created sku ean upc productId variantId"
                    " stockItemId include exclude"
                ),
                self._stock,
            ),
            "customers": ("limit offset email created modified", self._customers),
            "orders": ("limit offset order customer_id newer_than older_than", self._orders),
            "shipments": ("status limit offset order newer_than older_than", self._shipments),
            "returns": (
                "limit page return shipment order selection customer_id newer_than older_than",
                self._returns,
            ),
            "allocation-requests": ("status order warehouse page", self._allocation_requests),
            "supplier-orders": ("", self._supplier_orders),
            "supplier-deliveries": ("", self._supplier_deliveries),
        }

    def _respond(self, request: Request) -> Record:
        plugin = self._plugins.get(request.headers.get("api-authorization", ""))
        if plugin is None:
            raise NotOk(401, status="no", msg="Wrong API key.")
        if request.method != "GET":
            raise NotOk(405, status="no", msg="Only GET requests are accepted.")
        name, *rest = request.url.path.removeprefix(self._root).strip("/").split("/")
        if name not in {*self._endpoints, "vouchers"}:
            raise NotOk(404, status="no", msg="There is no such endpoint.")
        if not plugin.allows(name):
            raise NotOk(403, status="Not Allowed")
        given = dict(parse_qsl(request.url.query, keep_blank_values=True))
        if rest:
            Parameters(given, ())
            return self._one(name, rest, plugin)
        if name == "vouchers":
            raise NotOk(404, status="no", msg="There is no such endpoint.")
        known, response = self._endpoints[name]
        return response(Parameters(given, known.split()), plugin, request)

    def _one(self, name: str, rest: list[str], plugin: Plugin) -> Record:
        key, *more = rest
        if name == "customers" and not more:
            row = _found(
                (row for row in self._store.people.customers if str(row["id"]) == key), name
            )
            return {"customer": served(item_records.customer(row))}
        if name == "vouchers" and not more:
            rows = self._store.catalogue.vouchers
            row = _found((row for row in rows if str(row["id"]) == key), name)
            return {"voucher": served(item_records.voucher(row))}
        if name == "supplier-orders" and not more:
            rows_of = supplier_records.orders(self._store)
            row = _found((row for row in rows_of if str(row["id"]) == key), name)
            return {"order": served(supplier_records.order_details(row))}
        if name == "supplier-deliveries" and more in ([], ["details"]):
            rows_of = supplier_records.deliveries(self._store)
            row = _found((row for row in rows_of if key in {str(row["id"]), row["number"]}), name)
            made = (
                supplier_records.delivery_details(row, self._store)
                if more
                else supplier_records.delivery_items(row)
            )
            return {"delivery": served(made)}
        raise NotOk(404, status="no", msg=f"There is no such endpoint for {plugin.name}.")

    def _products(self, parameters: Parameters, _plugin: Plugin, request: Request) -> Record:
        with_attributes = parameters.choice("include", ("", "attributes"), "")

        def record(size: Row) -> Row:
            more = item_records.attributes(size) if with_attributes else {}
            return item_records.item(size) | more

        return self._items(record, parameters, request)

    def _stock(self, parameters: Parameters, plugin: Plugin, request: Request) -> Record:
        without_physical = parameters.choice("exclude", ("", "physicalStock"), "")

        def record(size: Row) -> Row:
            made = item_records.stock(size, plugin.warehouses)
            if without_physical:
                del made["physicalStock"]
            return made

        return self._items(record, parameters, request)

    def _items(
        self, record: Callable[[Row], Row], parameters: Parameters, request: Request
    ) -> Record:
        """Return a page of products or stock, and the links to its neighbours."""
        bounds = [
            (of, bound)
            for name, of in _ITEM_BOUNDS.items()
            if (bound := parameters.timestamp(name)) is not None
        ]
        wanted = [
            (of, text)
            for name, of in _ITEM_FILTERS.items()
            if (text := parameters.text(name)) is not None
        ]
        rows = [
            size
            for size in self._store.catalogue.sizes
            if all(of(size) >= bound for of, bound in bounds)
            and all(str(of(size)) == text for of, text in wanted)
        ]
        limit = parameters.number("limit", None, _LARGEST)
        if limit is None:
            return {"products": [served(record(row)) for row in rows]}
        page = parameters.number("page", 1, 10**6) or 1
        part = rows[(page - 1) * limit : page * limit]
        response: Record = {"products": [served(record(row)) for row in part]}
        if page * limit < len(rows):
            response["next"] = self._link(request, limit, page + 1)
        if page > 1:
            response["previous"] = self._link(request, limit, page - 1)
        return response

    def _link(self, request: Request, limit: int, page: int) -> str:
        query = f"?limit={limit}&page={page}"
        if self._next_form == "query":
            return query
        path = request.url.path
        if self._next_form == "relative":
            return f"{path}{query}"
        return f"{request.url.scheme}://{request.url.netloc}{path}{query}"

    def _customers(self, parameters: Parameters, _plugin: Plugin, _request: Request) -> Record:
        modified, created = parameters.timestamp("modified"), parameters.timestamp("created")
        email = parameters.text("email")
        rows = [
            row
            for row in self._store.people.customers[:: self._step]
            if _since(row["updatedAt"], modified)
            and _since(row["createdAt"], created)
            and email in {None, row["email"]}
        ]
        return {
            "customers": [served(item_records.customer(row)) for row in _part(rows, parameters)]
        }

    def _orders(self, parameters: Parameters, plugin: Plugin, _request: Request) -> Record:
        numbers, customer = parameters.texts("order"), parameters.text("customer_id")
        in_range = _range(parameters)
        rows = [
            row
            for row in self._store.orders.orders[:: self._step]
            if plugin.shows(row)
            and in_range(row["orderDate"])
            and (numbers is None or str(row["number"]) in numbers)
            and (customer is None or str(row.get("customer", {}).get("id")) == customer)
        ]
        return {"orders": [served(order_records.order(row)) for row in _part(rows, parameters)]}

    def _shipments(self, parameters: Parameters, plugin: Plugin, _request: Request) -> Record:
        status = parameters.choice("status", _SHIPMENT_STATUSES, "goodtogo")
        numbers, in_range = parameters.texts("order"), _range(parameters)
        rows = [
            row
            for row in self._store.orders.shipments
            if shipment_status(row) == status
            and plugin.shows(row["order"])
            and in_range(self._shipment_date(row))
            and (numbers is None or str(row["order"]["number"]) in numbers)
        ]
        rows.sort(key=lambda row: (row["createdAt"], row["id"]))
        part = _part(rows, parameters, _LARGEST_SHIPMENTS)
        return {"shipments": [served(order_records.shipment(row)) for row in part]}

    def _shipment_date(self, row: Row) -> int:
        if self._shipments_by == "ordered":
            return int(row["order"]["orderDate"])
        return int(row["shippedAt"] or row["createdAt"])

    def _returns(self, parameters: Parameters, plugin: Plugin, _request: Request) -> Record:
        wanted: dict[str, Callable[[Row], Any]] = {
            "return": lambda row: row["id"],
            "shipment": lambda row: row["shipment"]["number"],
            "order": lambda row: row["order"]["number"],
            "selection": lambda row: row["order"]["id"],
            "customer_id": lambda row: row.get("customer", {}).get("id"),
        }
        in_range = _range(parameters)
        rows = [
            row
            for row in self._store.orders.returns
            if plugin.shows(row["order"])
            and in_range(row["createdAt"])
            and all(parameters.text(name) in {None, str(of(row))} for name, of in wanted.items())
        ]
        rows.sort(key=lambda row: (row["createdAt"], row["id"]), reverse=True)
        limit = parameters.number("limit", _USUAL, _LARGEST) or _USUAL
        page = parameters.number("page", 1, 10**6) or 1
        part = rows[(page - 1) * limit : page * limit]
        return {"returns": [served(order_records.returned(row)) for row in part]}

    def _allocation_requests(
        self, parameters: Parameters, _plugin: Plugin, _request: Request
    ) -> Record:
        statuses = parameters.texts("status") or {"pending"}
        if not statuses <= set(_REQUEST_STATUSES):
            raise bad("status", "Unknown status.")
        if "pending" in statuses:
            statuses |= _PENDING
        numbers, warehouses = parameters.texts("order"), parameters.texts("warehouse")
        rows = [
            record
            for status, record in item_records.allocation_requests(self._store)
            if ("all" in statuses or status in statuses)
            and (numbers is None or str(record["order"]["number"]) in numbers)
            and (warehouses is None or str(record["warehouseId"]) in warehouses)
        ]
        page = parameters.number("page", 1, 10**6) or 1
        part = [served(row) for row in rows[(page - 1) * _REQUESTS : page * _REQUESTS]]
        for row in part:
            if row["id"] % 5 == 0:
                row["lines"] = {str(line["lineId"]): line for line in row["lines"]}
        return {"allocation_requests": part}

    def _supplier_orders(
        self, _parameters: Parameters, _plugin: Plugin, _request: Request
    ) -> Record:
        rows = supplier_records.orders(self._store)
        return {"orders": [served(supplier_records.order(row)) for row in rows]}

    def _supplier_deliveries(
        self, _parameters: Parameters, _plugin: Plugin, _request: Request
    ) -> Record:
        rows = supplier_records.deliveries(self._store)
        return {"deliveries": [served(supplier_records.delivery(row)) for row in rows]}


def shipment_status(row: Row) -> str:
    """Return under which of the three statuses a shipment is listed."""
    if row["isShipped"]:
        return "completed"
    return "goodtogo" if row["isGoodToGo"] else "inprogress"


def _found(rows: Iterable[Row], name: str) -> Row:
    for row in rows:
        return row
    raise NotOk(200, status="no", msg=f"Nothing of that id in {name}.")


def _since(timestamp: int, bound: int | None) -> bool:
    return bound is None or timestamp >= bound


def _range(parameters: Parameters) -> Callable[[int], bool]:
    newer, older = parameters.timestamp("newer_than"), parameters.timestamp("older_than")
    return lambda timestamp: _since(timestamp, newer) and (older is None or timestamp < older)


def _part(rows: list[Row], parameters: Parameters, largest: int = _LARGEST) -> list[Row]:
    limit = parameters.number("limit", _USUAL, largest) or _USUAL
    offset = parameters.number("offset", 0, 10**9, 0) or 0
    return rows[offset : offset + limit]
