"""The rows of a perfect extraction of the Order API, from the store.

It is what the plugin that allows everything shows, in this neutral form:

* An id is a number, wherever the API writes one or text; `shipmentId` of a shipment and
  `deliveryId` are names such as `10002-1`, and `selectionId` is the id of the Integration API's
  order.
* A flag is true or false. A timestamp is in UTC, as `2024-05-31T22:00:00Z`, its seconds 00 where
  the API has minutes only; a day stays a day. Where there is none, it is null, and so is an absent
  account.
* A price of a price list is a number, and so is a quantity in a warehouse; `lines` of an allocation
  request are a list. Amounts that are documented as text stay text.

Rows of `order_lines` are the elements of `products` of an order with `orderId` besides.
`attributes` of products, which the API gives on request alone, are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra import item_records, order_records, supplier_records
from commerce_sandbox.centra.order_format import neutral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from commerce_sandbox.centra.order_records import Record
    from commerce_sandbox.centra.store import Store

    Records = Iterator[Record]


def _order_lines(store: Store) -> Records:
    for row in store.orders.orders:
        record = order_records.order(row)
        for line in record["products"]:
            yield {"orderId": record["orderId"]} | line


_STREAMS: Final[Mapping[str, Callable[[Store], Records]]] = {
    "customers": lambda store: map(item_records.customer, store.people.customers),
    "orders": lambda store: map(order_records.order, store.orders.orders),
    "order_lines": _order_lines,
    "shipments": lambda store: map(order_records.shipment, store.orders.shipments),
    "returns": lambda store: map(order_records.returned, store.orders.returns),
    "products": lambda store: map(item_records.item, store.catalogue.sizes),
    "stock": lambda store: map(item_records.stock, store.catalogue.sizes),
    "supplier_orders": lambda store: map(supplier_records.order, supplier_records.orders(store)),
    "supplier_order_details": lambda store: map(
        supplier_records.order_details, supplier_records.orders(store)
    ),
    "supplier_deliveries": lambda store: map(
        supplier_records.delivery, supplier_records.deliveries(store)
    ),
    "supplier_delivery_items": lambda store: map(
        supplier_records.delivery_items, supplier_records.deliveries(store)
    ),
    "supplier_delivery_details": lambda store: (
        supplier_records.delivery_details(row, store) for row in supplier_records.deliveries(store)
    ),
    "vouchers": lambda store: map(item_records.voucher, store.catalogue.vouchers),
    "allocation_requests": lambda store: (
        record for _, record in item_records.allocation_requests(store)
    ),
}
STREAMS: Final = tuple(_STREAMS)


def rows(store: Store, stream: str) -> Records:
    """Return the rows of a stream.

    Raises:
        KeyError: There is no such stream.
    """
    make = _STREAMS[stream]
    return (neutral(record) for record in make(store))
