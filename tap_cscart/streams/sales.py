"""Sales: orders, what was ordered and shipped, and the carts that became none."""

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
from tap_cscart.requests import COMPANY
from tap_cscart.stream import CSCartStream, id_of
from tap_cscart.streams.people import OF_ACCOUNTS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_cscart.responses import Params
    from tap_cscart.stream import Id

AT_ONCE: t.Final = 50
"""Orders asked for by their ids at once: web servers refuse addresses that are much longer."""


def period(start: datetime | None, prefix: str = "") -> Params:
    """Ask for rows stamped from an instant on. Without `period=C` the store ignores the instant.

    Args:
        start: The instant, inclusive; `None` for all rows.
        prefix: What the names of the parameters begin with.

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
    size = 100
    sort_by = "order_id"
    looks_up = ("orders",)
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
    """Columns that a list has, and neither the answer of an order nor a list of those."""

    @override
    def prepare(self) -> None:
        """Choose how orders are read by what the store can do, and log it where that costs."""
        store = self.api.store
        is_old = store.shows_orders and not store.filters_orders
        if self.replication_key in {"updated_at", "timestamp"}:
            self.replication_key = "timestamp" if is_old else "updated_at"
        if is_old:
            self.logger.warning(
                "orders: the store cannot tell what has changed, only what is new: an older order "
                "that changes is read again within `lookback`, or with a full refresh."
            )
        if store.shows_orders and not store.embeds_orders:
            self.logger.info("orders: the details are asked for order by order.")
        super().prepare()

    @property
    @override
    def page_size(self) -> int:
        """Half as many where each order comes whole, which costs the store many queries."""
        size = super().page_size
        whole = "page_size" not in self.config and self.api.store.embeds_orders
        return min(size, 50) if whole else size

    @property
    @override
    def fixed_columns(self) -> set[str | None]:
        """What bookmarks are made of, whichever of the two the store has. See the base class."""
        return {*super().fixed_columns, "timestamp", "updated_at"}

    @override
    def filters(self, start: datetime | None) -> Params:
        """Ask for whole orders that changed of late, as far as it can. See the base class."""
        store = self.api.store
        found: dict[str, str | int] = {"get_orders_data": 1} if store.embeds_orders else {}
        if start is None or not store.shows_orders:
            return found
        if store.filters_orders:
            return {**found, "updated_at_from": max(int(start.timestamp()), 0)}
        return {**found, **period(start)}

    @override
    def completed(self, context: Context | None, rows: Page) -> Page:
        """Add the details to orders, or to details what only lists have. See the base class."""
        if not self.api.store.embeds_orders:
            return self.detailed(context, rows)
        if not rows.records or not any(map(self._emits, self.list_columns)):
            return rows
        known = [id_of(values_of(order), "order_id") for order in rows.records]
        ids = [id_ for id_ in known if id_ is not None]
        plain: dict[Id, Record] = {}
        for first in range(0, len(ids), AT_ONCE):
            plain |= self._plain(context, ids[first : first + AT_ONCE])
        return self.shape.page_of(
            [
                order
                if id_ is None
                else NormalizedRecord({**plain.get(id_, {}), **values_of(order)}, digest(order))
                for id_, order in zip(known, rows.records, strict=True)
            ]
        )

    def _plain(self, context: Context | None, ids: Sequence[Id]) -> dict[Id, Record]:
        """Ask for orders as a list has them, for fewer at once where the store does not manage.

        Args:
            context: The partition.
            ids: Their ids.

        Returns:
            The orders by id, without those that have gone. What cannot be read is noted, for the
            orders themselves are at hand.
        """
        params: Params = {
            "order_id": ",".join(map(str, ids)),
            "items_per_page": len(ids),
            "page": 1,
        }
        alone = len(ids) == 1
        request = self.request(context, self.path, params=params, divisible=not alone)
        faults = self._faults[where(self.name, context)]
        if len(faults) >= MAX_UNREADABLE_ROWS:
            return {}
        parse = partial(self._opened_plain, params, ids)
        found: dict[Id, Record] = {}
        try:
            found = self.client.find(request, parse) or {}
        except TapStopped:
            raise
        except TapError as error:
            if alone or not isinstance(error, RequestTooLarge):
                some = f"{ids[0]}" if alone else f"{ids[0]} to {ids[-1]}"
                columns = ", ".join(f"`{name}`" for name in self.list_columns)
                msg = f"orders {some} were read without {columns}: {error.reason}"
                faults.append(PartitionFailed(msg, error.where))
                return {}
        missing = [] if alone else [id_ for id_ in ids if id_ not in found]
        half = -(-len(missing) // 2)
        for part in filter(None, (missing[:half], missing[half:])):
            found |= self._plain(context, part)
        return found

    def _opened_plain(self, params: Params, ids: Sequence[Id], body: bytes) -> dict[Id, Record]:
        answer = self.opened(body)
        answer.check(params)
        if answer.total is not None and len(answer.records) < min(answer.total, len(ids)):
            msg = f"the answer has {len(answer.records)} of the {answer.total} orders it announces"
            raise InvalidResponse(msg)
        rows = map(values_of, self.rows(answer.records).records)
        found = {id_: row for row in rows if (id_ := id_of(row, "order_id")) is not None}
        if not found.keys() <= set(ids):
            msg = "the answer has orders that were not asked for"
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
    def inner(self, parent: Record) -> Iterable[t.Any]:
        """Take the lines out of an order. See the base class."""
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
        """Ask for those made of late. See the base class."""
        return period(start, "shipment_")


class Carts(CSCartStream):
    """Current carts of customers and guests, including abandoned carts."""

    name = "carts"
    path = "carts"
    primary_keys = ("user_id", "company_id")
    privilege = "view_users"
    sort_by = "date"
    secret_columns = tuple(f"user_data.{name}" for name in OF_ACCOUNTS)

    @override
    def adjust(self, record: Record) -> None:
        """Give carts of a Multi-Vendor, which belong to no store, the store 0."""
        record.setdefault("company_id", 0)

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read each storefront's: a list of all has but one cart of a customer."""
        stores = self.api.store.storefronts
        if not context and not self.api.store.edition:
            self.logger.warning(
                "carts: the storefronts cannot be seen: if there are several, but one cart of each "
                "customer is read; give the account the privilege `view_stores` or `view_vendors`."
            )
        if context or len(stores) < 2:  # noqa: PLR2004
            lists = [self.pages(context, start, {})]
        else:
            lists = [self.pages({COMPANY: store}, start, {}) for store in stores]
        return self.several(lists if context else [self._all(), *lists])

    def _all(self) -> Iterator[Page]:
        """Make sure that all storefronts are known."""
        self.require("stores", None)
        yield from ()

    @override
    def with_derived(self, context: Context | None, rows: Page) -> Page:
        """Ask for the lines of each cart, if they are wanted. See the base class."""
        page = Page(rows.records, rows.valid)
        if self.children:
            (items,) = t.cast("list[CartItems]", self.children)
            carts = [values_of(record) for record in rows.records]
            lines: list[t.Any] = []
            details = self.details(context, [id_of(cart, "user_id") for cart in carts])
            for cart, more in zip(carts, details, strict=True):
                if isinstance(more, PartitionFailed):
                    self.add_fault(context, more)
                elif more is not None:
                    lines += items.inner({**cart, **more})
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
    def inner(self, parent: Record) -> Iterable[t.Any]:
        """Take the lines out of a cart. See the base class."""
        owner = {name: parent.get(name) for name in ("user_id", "company_id")}
        return flatten_rows(owner, parent.get("products"), "item_id")


STREAMS: t.Final = (Orders, OrderItems, Shipments, Carts, CartItems)
