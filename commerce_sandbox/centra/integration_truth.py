"""The rows of a perfect extraction of the Integration API, from the store.

A row has the fields that the schema declares for its type, in this neutral form:

* A timestamp is in UTC, as `2024-05-31T22:00:00Z`. A field with arguments has the value it has
  without.
* `__typename` stands where the declared type is an interface or a union.
* A value without a life of its own (money, an address, an attribute, totals) has all its fields,
  and so have the elements of a list of such values.
* A reference to another row has its `id`, its `number` if there is one, and, where that row is part
  of the set-up and never changes, all its plain columns.
* A list of other rows that carry the reference themselves is left out: an order has no lines, a
  product no variants. A list of others that do not has references. The `object` of an event is its
  `__typename` alone: ids of several types cannot be requested at once. `stockTotals`, which sum up
  rows of `stock`, are left out as well.

Rows of `order_lines` and `payment_history` have `orderId`, `orderNumber` and `orderUpdatedAt`
besides, and those of `stock` have `warehouseId`, `productSizeId` and `productVariantId`.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from graphql import GraphQLField, GraphQLSchema

    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.values import Row

    Rows = Iterator[Row]
    Project = Callable[[Row], Row]

_TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "orders": ("orders", "Order"),
    "shipments": ("shipments", "Shipment"),
    "returns": ("returns", "Return"),
    "invoices": ("invoices", "Invoice"),
    "products": ("products", "Product"),
    "product_variants": ("productVariants", "ProductVariant"),
    "product_sizes": ("productSizes", "ProductSize"),
    "displays": ("displays", "Display"),
    "stock_changes": ("stockChanges", "StockChange"),
    "stock_change_lines": ("stockChangeLines", "StockChangeLine"),
    "customers": ("customers", "Customer"),
    "accounts": ("accounts", "Account"),
    "buyers": ("buyers", "Buyer"),
    "purchase_orders": ("purchaseOrders", "PurchaseOrder"),
    "purchase_order_deliveries": ("purchaseOrderDeliveries", "PurchaseOrderDelivery"),
    "suppliers": ("suppliers", "Supplier"),
    "vouchers": ("vouchers", "Voucher"),
    "campaigns": ("campaigns", "Campaign"),
    "prices": ("prices", "Price"),
    "price_alterations": ("priceAlterations", "PriceAlteration"),
    "pricelists": ("pricelists", "Pricelist"),
    "markets": ("markets", "Market"),
    "stores": ("stores", "Store"),
    "warehouses": ("warehouses", "Warehouse"),
    "brands": ("brands", "Brand"),
    "categories": ("categories", "Category"),
    "collections": ("collections", "Collection"),
    "folders": ("folders", "Folder"),
    "size_charts": ("sizeCharts", "SizeChart"),
    "measurement_charts": ("measurementCharts", "MeasurementChart"),
    "countries": ("countries", "Country"),
    "currencies": ("currencies", "Currency"),
    "languages": ("languages", "Language"),
    "allocation_rules": ("allocationRules", "AllocationRule"),
    "delivery_windows": ("deliveryWindows", "DeliveryWindow"),
    "mapped_attributes": ("mappedAttributes", "MappedAttribute"),
    "subscriptions": ("subscriptions", "Subscription"),
    "subscription_contracts": ("subscriptionContracts", "SubscriptionContract"),
    "admin_users": ("adminUsers", "AdminUser"),
    "events": ("events", "Event"),
}
"""Streams with a table and a type of their own."""
STREAMS: Final = (*_TABLES, "order_lines", "payment_history", "stock")

_CHANGING: Final = {
    *("Order", "DirectToConsumerOrder", "WholesaleOrder", "Shipment", "Return", "Invoice"),
    *("Product", "ProductVariant", "ProductSize", "Display", "Customer", "Account", "Buyer"),
    *("StockChange", "StockChangeLine", "PurchaseOrder", "PurchaseOrderDelivery", "Voucher"),
    *("Campaign", "Price", "OrderLine", "PaymentHistoryEntry", "Folder", "ShipmentLine"),
}
"""Types whose rows can change: a reference to one has its id and number only."""
_ROWS: Final = {kind for _, kind in _TABLES.values()} | {
    *("OrderLine", "PaymentHistoryEntry", "Stock", "DirectToConsumerOrder", "WholesaleOrder"),
}
"""Types whose rows are those of a stream."""
_CARRIED: Final = {
    "Order": {"lines", "paymentHistory", "shipments"},
    "Product": {"variants", "displays"},
    "ProductVariant": {"productSizes", "prices", "stock"},
    "ProductSize": {"stock"},
    "Folder": {"products"},
    "Account": {"buyers", "orders", "invoices", "returns"},
    "Warehouse": {"stock", "stockChanges"},
    "StockChange": {"lines"},
    "PurchaseOrder": {"deliveries"},
}
"""Lists whose elements carry the reference themselves."""


@lru_cache(maxsize=100_000)
def in_utc(timestamp: int) -> str:
    """Write a timestamp in UTC."""
    return f"{datetime.fromtimestamp(timestamp, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


class IntegrationTruth:
    """Gives the rows of the Integration API's streams.

    Args:
        store: The content of the fake API.
        schema: The variant of the schema that is served.
    """

    def __init__(self, store: Store, schema: GraphQLSchema) -> None:
        self._store = store
        self._schema = schema
        self._plans: dict[str, list[tuple[str, Callable[[Any], Any]]]] = {}

    def rows(self, stream: str) -> Rows:
        """Return the rows of a stream.

        Raises:
            KeyError: There is no such stream.
        """
        if stream == "order_lines":
            return self._of_orders("lines", "OrderLine")
        if stream == "payment_history":
            return self._of_orders("paymentHistory", "PaymentHistoryEntry")
        if stream == "stock":
            return self._stock()
        table, kind = _TABLES[stream]
        return (self.row(row, kind) for row in self._store.tables[table])

    def row(self, row: Row, kind: str) -> Row:
        """Return a row as a perfect extraction has it."""
        actual = row.get("__typename", kind)
        made = {} if actual == kind else {"__typename": actual}
        made |= {name: write(row[name]) for name, write in self._plan(actual)}
        return made

    def _of_orders(self, name: str, kind: str) -> Rows:
        for order in self._store.tables["orders"]:
            parent = {
                "orderId": order["id"],
                "orderNumber": order["number"],
                "orderUpdatedAt": in_utc(order["updatedAt"]),
            }
            for one in order[name]:
                yield parent | self.row(one, kind)

    def _stock(self) -> Rows:
        for stock in self._store.stock.rows.values():
            yield {
                "warehouseId": stock["warehouse"]["id"],
                "productSizeId": stock["productSize"]["id"],
                "productVariantId": stock["productVariant"]["id"],
                **self.row(stock, "Stock"),
            }

    def _plan(self, kind_name: str) -> list[tuple[str, Callable[[Any], Any]]]:
        """Return how each field of a type is written."""
        if kind_name not in self._plans:
            kind = self._schema.type_map[kind_name]
            assert isinstance(kind, GraphQLObjectType)  # noqa: S101 (for the type checker)
            carried = {
                name for one in (kind, *kind.interfaces) for name in _CARRIED.get(one.name, ())
            }
            self._plans[kind_name] = [
                (name, self._writer(field))
                for name, field in kind.fields.items()
                if name not in carried and name != "stockTotals"
            ]
        return self._plans[kind_name]

    def _writer(self, field: GraphQLField) -> Callable[[Any], Any]:
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            timestamp = kind.name == "DateTimeTz"
            return lambda value: in_utc(value) if timestamp and value is not None else value
        listed = isinstance(get_nullable_type(field.type), GraphQLList)
        whole = kind.name not in _ROWS if listed else "id" not in getattr(kind, "fields", {"id"})
        abstract = isinstance(kind, (GraphQLInterfaceType, GraphQLUnionType))

        def write(value: Row) -> Row:
            made = self.row(value, kind.name) if whole else self._reference(value, kind.name)
            if abstract and "__typename" not in made:
                made = {"__typename": value["__typename"]} | made
            return made

        if listed:
            return lambda value: [write(one) for one in value]
        return lambda value: None if value is None else write(value)

    def _reference(self, row: Row, kind_name: str) -> Row:
        actual = row.get("__typename", kind_name)
        if kind_name == "EventTarget":
            return {}
        if {actual, kind_name} & _CHANGING:
            return {name: row[name] for name in ("id", "number") if name in row}
        kind = self._schema.type_map[actual]
        assert isinstance(kind, GraphQLObjectType)  # noqa: S101 (for the type checker)
        return {
            name: self._writer(field)(row[name])
            for name, field in kind.fields.items()
            if is_leaf_type(get_named_type(field.type))
        }
