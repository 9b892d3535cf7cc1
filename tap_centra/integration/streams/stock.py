"""Where it is and where it comes from: stock, warehouses, suppliers."""

from __future__ import annotations

import typing as t

from tap_centra.integration.stream import CreatedStream, IntegrationStream, UpdatedStream


class Stock(IntegrationStream):
    """Current stock of each size in each warehouse."""

    name = "stock"
    root = "productVariants"
    type_name = "ProductVariant"
    primary_keys = ("warehouseId", "productSizeId")
    nested = "stock"
    nested_sort = ("warehouseId_ASC", "productSizeId_ASC")
    parent_fields: t.ClassVar[dict[str, str]] = {"id": "productVariantId"}
    id_columns: t.ClassVar[dict[str, str]] = {
        "warehouseId": "warehouse",
        "productSizeId": "productSize",
    }


class StockChanges(CreatedStream):
    """Movements of stock, a log that only grows."""

    name = "stock_changes"
    root = "stockChanges"
    type_name = "StockChange"


class StockChangeLines(IntegrationStream):
    """Lines of stock changes, one row per size."""

    name = "stock_change_lines"
    root = "stockChanges"
    type_name = "StockChange"
    replication_key = "stockChangeCreatedAt"
    filter_key = "createdAt"
    nested = "lines"
    nested_limit = 10
    parent_fields: t.ClassVar[dict[str, str]] = {
        "id": "stockChangeId",
        "createdAt": "stockChangeCreatedAt",
    }


class Warehouses(IntegrationStream):
    """Warehouses."""

    name = "warehouses"
    root = "warehouses"
    type_name = "Warehouse"


class AllocationRules(IntegrationStream):
    """Rules that select warehouses."""

    name = "allocation_rules"
    root = "allocationRules"
    type_name = "AllocationRule"


class Suppliers(IntegrationStream):
    """Suppliers."""

    name = "suppliers"
    root = "suppliers"
    type_name = "Supplier"


class PurchaseOrders(UpdatedStream):
    """Orders to suppliers, with their lines."""

    name = "purchase_orders"
    root = "purchaseOrders"
    type_name = "PurchaseOrder"


class PurchaseOrderDeliveries(IntegrationStream):
    """Deliveries of suppliers, with their lines."""

    name = "purchase_order_deliveries"
    root = "purchaseOrderDeliveries"
    type_name = "PurchaseOrderDelivery"


STREAMS: t.Final = (
    Stock,
    StockChanges,
    StockChangeLines,
    Warehouses,
    AllocationRules,
    Suppliers,
    PurchaseOrders,
    PurchaseOrderDeliveries,
)
