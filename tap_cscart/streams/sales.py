"""Sales: orders and their lines, shipments, and carts."""

from __future__ import annotations

import typing as t
from functools import partial

from typing_extensions import override

from commerce_taps.errors import (
    InvalidResponse,
    PartitionFailed,
    RequestTooLarge,
    TapError,
    TapStopped,
)
from commerce_taps.http import where
from commerce_taps.pagination.page import Page, digest
from commerce_taps.pagination.parts import MAX_UNREADABLE_ROWS
from commerce_taps.records.children import child_page, flatten_rows
from commerce_taps.records.normalize import NormalizedRecord, values_of
from tap_cscart.stream import COMPANY, CSCartStream, id_from
from tap_cscart.streams.people import ACCOUNT_SECRETS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_cscart.requests import Params
    from tap_cscart.stream import Id

IDS_PER_REQUEST: t.Final = 50
"""Orders to request by id at once: web servers reject addresses that are much longer."""


def created_since(start: datetime | None, prefix: str = "") -> Params:
    """Filter a list by time. Without `period=C` the store ignores the time.

    Args:
        start: The earliest time, inclusive; `None` for all rows.
        prefix: Prefix of the names of the parameters.

    Returns:
        The parameters.
    """
    if start is None:
        return {}
    return {f"{prefix}period": "C", f"{prefix}time_from": max(int(start.timestamp()), 0)}


class Orders(CSCartStream):
    """Orders with addresses, lines, taxes, shipping and payment."""

    name = "orders"
    path = "orders"
    primary_keys = ("order_id",)
    replication_key = "updated_at"  # before 4.12 there is none: see `prepare`
    privilege = "view_orders"
    default_page_size = 100
    sort_by = "order_id"
    required_lookups = ("orders",)
    secret_columns = (
        "payment_info",
        "payment_method.processor_params",
        "api_key",
        "validation_code",
        "products.ekey",
        "products.extra.ekey",
    )
    list_columns: t.ClassVar[tuple[str, ...]] = (
        "issuer_name",
        "issuer_email",
        "invoice_id",
        "credit_memo_id",
        "points",
    )
    """Columns that only a plain list has: complete orders lack them."""

    @override
    def prepare(self) -> None:
        """Choose the replication key by what the store can do, and log what costs requests."""
        store = self.api.store
        is_old = store.shows_orders and not store.filters_orders
        if self.replication_key in {"updated_at", "timestamp"}:
            self.replication_key = "timestamp" if is_old else "updated_at"
        if is_old:
            self.logger.warning(
                "orders: the store reports new orders, but not changed ones: an older order that "
                "changes is read again within `lookback`, or with a full refresh."
            )
        if store.shows_orders and not store.embeds_orders:
            self.logger.info("orders: the details are requested order by order.")
        super().prepare()

    @property
    @override
    def page_size(self) -> int:
        """Fewer where orders are complete: each costs the store many queries."""
        size = super().page_size
        is_costly = "page_size" not in self.config and self.api.store.embeds_orders
        return min(size, 50) if is_costly else size

    @property
    @override
    def fixed_columns(self) -> set[str | None]:
        """The keys, and both of the replication keys that a store may have."""
        return {*super().fixed_columns, "timestamp", "updated_at"}

    @override
    def filters(self, start: datetime | None) -> Params:
        """Request complete orders, and filter by change or creation, if the store can."""
        store = self.api.store
        found: dict[str, str | int] = {"get_orders_data": 1} if store.embeds_orders else {}
        if start is None or not store.shows_orders:
            return found
        if store.filters_orders:
            return {**found, "updated_at_from": max(int(start.timestamp()), 0)}
        return {**found, **created_since(start)}

    @override
    def enrich(self, context: Context | None, rows: Page) -> Page:
        """Add the details, or to complete orders the columns that only lists have."""
        if not self.api.store.embeds_orders:
            return self.fetch_details(context, rows)
        if not rows.records or not any(map(self._emits, self.list_columns)):
            return rows
        known = [id_from(values_of(order), "order_id") for order in rows.records]
        reader = ListColumnsReader(self, context, self._faults[where(self.name, context)])
        plain = reader.read([id_ for id_ in known if id_ is not None])
        return self.shape.page_of(
            [
                order
                if id_ is None
                else NormalizedRecord({**plain.get(id_, {}), **values_of(order)}, digest(order))
                for id_, order in zip(known, rows.records, strict=True)
            ]
        )


class ListColumnsReader:
    """Reads the columns of orders that only a plain list has."""

    def __init__(
        self, stream: Orders, context: Context | None, faults: list[PartitionFailed]
    ) -> None:
        """Read for one partition.

        Args:
            faults: The failures of the partition, which are raised at the end of the list.
        """
        self._stream = stream
        self._context = context
        self._faults = faults

    def read(self, ids: Sequence[Id]) -> dict[Id, Record]:
        """Read orders as a plain list has them.

        Returns:
            The orders by id, without deleted ones. A failure is only noted, because the orders
            themselves have been read.
        """
        found: dict[Id, Record] = {}
        for first in range(0, len(ids), IDS_PER_REQUEST):
            found |= self._fetch(ids[first : first + IDS_PER_REQUEST])
        return found

    def _fetch(self, ids: Sequence[Id]) -> dict[Id, Record]:
        """Fetch orders with one request, and those that are missing in two halves."""
        params: Params = {
            "order_id": ",".join(map(str, ids)),
            "items_per_page": len(ids),
            "page": 1,
        }
        if len(self._faults) >= MAX_UNREADABLE_ROWS:
            return {}
        stream, is_single = self._stream, len(ids) == 1
        request = stream.request(self._context, stream.path, params=params, divisible=not is_single)
        found: dict[Id, Record] = {}
        try:
            found = stream.client.find(request, partial(self._parse, params, ids)) or {}
        except TapStopped:
            raise
        except TapError as error:
            if is_single or not isinstance(error, RequestTooLarge):
                some = f"{ids[0]}" if is_single else f"{ids[0]} to {ids[-1]}"
                columns = ", ".join(f"`{name}`" for name in stream.list_columns)
                msg = f"orders {some} were read without {columns}: {error.reason}"
                self._faults.append(PartitionFailed(msg, error.where))
                return {}
        missing = [] if is_single else [id_ for id_ in ids if id_ not in found]
        half = -(-len(missing) // 2)
        for part in filter(None, (missing[:half], missing[half:])):
            found |= self._fetch(part)
        return found

    def _parse(self, params: Params, ids: Sequence[Id], body: bytes) -> dict[Id, Record]:
        response = self._stream.parse_list(body)
        response.check(params)
        count, total = len(response.records), response.total
        if total is not None and count < min(total, len(ids)):
            msg = f"the response has {count} of the {total} orders it announces"
            raise InvalidResponse(msg)
        rows = map(values_of, self._stream.parse_rows(response.records).records)
        found = {id_: row for row in rows if (id_ := id_from(row, "order_id")) is not None}
        if not found.keys() <= set(ids):
            msg = "the response has orders that were not requested"
            raise InvalidResponse(msg)
        return found


class OrderItems(CSCartStream):
    """Lines of orders, one row per product ordered."""

    name = "order_items"
    path = Orders.path
    primary_keys = ("order_id", "item_id")
    privilege = Orders.privilege
    parent_stream_type = Orders
    secret_columns = ("ekey", "extra.ekey")

    @override
    def child_rows(self, parent: Record) -> Iterable[t.Any]:
        owner = {"order_id": parent.get("order_id")}
        return flatten_rows(owner, parent.get("products"), "item_id")


class Shipments(CSCartStream):
    """Shipments with their contents. The store does not report later changes."""

    name = "shipments"
    path = "shipments"
    primary_keys = ("shipment_id",)
    replication_key = "shipment_timestamp"
    privilege = "view_orders"
    sort_by = "id"
    unselected_columns = ("group_key", "one_full")

    @override
    def filters(self, start: datetime | None) -> Params:
        return created_since(start, "shipment_")


class Carts(CSCartStream):
    """Current carts of customers and guests, including abandoned carts."""

    name = "carts"
    path = "carts"
    primary_keys = ("user_id", "company_id")
    privilege = "view_users"
    sort_by = "date"
    secret_columns = tuple(f"user_data.{name}" for name in ACCOUNT_SECRETS)

    @override
    def adjust(self, record: Record) -> None:
        """Set the store of carts of a Multi-Vendor, which have none, to 0."""
        record.setdefault("company_id", 0)

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read each storefront: a list of all of them has one cart only of each customer."""
        stores = self.api.store.storefronts
        if not context and not self.api.store.edition:
            self.logger.warning(
                "carts: the storefronts cannot be seen: if there are several, only one cart per "
                "customer is read; give the account the privilege `view_stores` or `view_vendors`."
            )
        if context or len(stores) < 2:  # noqa: PLR2004
            lists = [self.read_list(context, start, {})]
        else:
            lists = [self.read_list({COMPANY: store}, start, {}) for store in stores]
        return self.read_all(lists if context else [self._require_storefronts(), *lists])

    def _require_storefronts(self) -> Iterator[Page]:
        """Fail if the storefronts are unknown."""
        self.require("stores", None)
        yield from ()

    @override
    def add_children(self, context: Context | None, rows: Page) -> Page:
        """Fetch the lines of each cart, if their stream is selected."""
        page = Page(rows.records, rows.valid)
        if self.children:
            (items,) = t.cast("list[CartItems]", self.children)
            carts = [values_of(record) for record in rows.records]
            lines: list[t.Any] = []
            details = self.fetch_by_id(context, [id_from(cart, "user_id") for cart in carts])
            for cart, detail in zip(carts, details, strict=True):
                if isinstance(detail, PartitionFailed):
                    self.add_fault(context, detail)
                elif detail is not None:
                    lines += items.child_rows({**cart, **detail})
            page.children = {items.name: child_page(lines)}
        return page


class CartItems(CSCartStream):
    """Lines of carts and wish lists; one request per cart."""

    name = "cart_items"
    path = "carts/{user_id}"
    primary_keys = ("user_id", "company_id", "item_id")
    privilege = Carts.privilege
    selected_by_default = False
    cost = "one request per cart"
    parent_stream_type = Carts

    @override
    def child_rows(self, parent: Record) -> Iterable[t.Any]:
        owner = {name: parent.get(name) for name in ("user_id", "company_id")}
        return flatten_rows(owner, parent.get("products"), "item_id")


STREAMS: t.Final = (Orders, OrderItems, Shipments, Carts, CartItems)
