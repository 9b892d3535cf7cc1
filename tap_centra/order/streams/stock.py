"""Where it is and where it comes from: stock, warehouses, suppliers."""

from __future__ import annotations

import typing as t

from typing_extensions import override

from tap_centra.order.stream import DetailStream, LinkStream, NumberStream, WholeStream

if t.TYPE_CHECKING:
    from datetime import datetime

    from tap_centra.failures import Failures
    from tap_centra.order.stream import Records


class Stock(LinkStream):
    """Current stock of each size in the warehouses of the plugin."""

    name = "stock"
    path = "stock"
    selector = "products"
    primary_keys = ("stockItemId",)
    filter_names = ("stock_modified", "modified", "created")


class AllocationRequests(NumberStream):
    """Requests to warehouses to reserve pieces, of any status."""

    name = "allocation_requests"
    path = "allocation-requests"
    selector = "allocation_requests"
    primary_keys = ("id",)
    takes_limit = False

    @override
    def read_list(self, start: datetime | None, failures: Failures) -> Records:
        """Read requests of any status: by default the API returns only pending ones."""
        return self.pages({"status": "all"}, failures)


class SupplierOrders(WholeStream):
    """Confirmed orders to suppliers."""

    name = "supplier_orders"
    path = "supplier-orders"
    selector = "orders"
    primary_keys = ("orderId",)


class SupplierOrderDetails(DetailStream):
    """The orders to suppliers with their lines; one request each."""

    name = "supplier_order_details"
    path = "supplier-orders/{id}"
    selector = "order"
    ids_from = SupplierOrders
    primary_keys = ("orderId",)


class SupplierDeliveries(WholeStream):
    """Deliveries of suppliers that the warehouse has not accepted yet. Accepted ones disappear."""

    name = "supplier_deliveries"
    path = "supplier-deliveries"
    selector = "deliveries"
    primary_keys = ("id",)


class SupplierDeliveryItems(DetailStream):
    """The deliveries of suppliers with their contents; one request each."""

    name = "supplier_delivery_items"
    path = "supplier-deliveries/{id}"
    selector = "delivery"
    ids_from = SupplierDeliveries
    primary_keys = ("id",)


class SupplierDeliveryDetails(DetailStream):
    """The deliveries of suppliers with their orders; one request each."""

    name = "supplier_delivery_details"
    path = "supplier-deliveries/{id}/details"
    selector = "delivery"
    ids_from = SupplierDeliveries
    primary_keys = ("id",)


STREAMS: t.Final = (
    Stock,
    AllocationRequests,
    SupplierOrders,
    SupplierOrderDetails,
    SupplierDeliveries,
    SupplierDeliveryItems,
    SupplierDeliveryDetails,
)
