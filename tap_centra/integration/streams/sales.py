"""What was sold: orders and what follows from them."""

from __future__ import annotations

import typing as t

from tap_centra.integration.sources import Source
from tap_centra.integration.stream import (
    CreatedStream,
    IntegrationStream,
    OrderEntryStream,
    UpdatedStream,
)


class Orders(UpdatedStream):
    """Orders of consumers and retailers, with their totals and addresses."""

    name = "orders"
    root = "orders"
    type_name = "Order"


class OrderLines(OrderEntryStream):
    """Lines of orders, one row each. A line that was removed from an order stays in the table."""

    name = "order_lines"
    nested = "lines"
    nested_arguments: t.ClassVar[dict[str, t.Any]] = {"includeFullyCancelled": True}


class PaymentHistory(OrderEntryStream):
    """Authorisations, captures, refunds and their outcome, by order."""

    name = "payment_history"
    nested = "paymentHistory"
    # What payment plugins note of a step, card data and tokens among it.
    secret_columns = ("paramsJSON",)


class Shipments(UpdatedStream):
    """Shipments of orders with their contents."""

    name = "shipments"
    root = "shipments"
    type_name = "Shipment"
    # Whether a shipment that changes changes its order as well is not documented: not filtered.
    fallback = Source("orders", "Order", "shipments")


class Returns(CreatedStream):
    """Returned goods.

    The API does not report when a return changed, so the last days are read again.
    """

    name = "returns"
    root = "returns"
    type_name = "Return"
    looks_back = True


class Invoices(UpdatedStream):
    """Invoices of consumers and retailers."""

    name = "invoices"
    root = "invoices"
    type_name = "Invoice"


class Vouchers(UpdatedStream):
    """Vouchers: codes and rules for reductions."""

    name = "vouchers"
    root = "vouchers"
    type_name = "Voucher"


class Campaigns(UpdatedStream):
    """Campaigns with reduced prices."""

    name = "campaigns"
    root = "campaigns"
    type_name = "Campaign"


class Subscriptions(IntegrationStream):
    """Subscriptions of consumers.

    The API documents hardly any of their fields; those it has become columns.
    """

    name = "subscriptions"
    root = "subscriptions"
    type_name = "Subscription"


class SubscriptionContracts(IntegrationStream):
    """Contracts of subscriptions."""

    name = "subscription_contracts"
    root = "subscriptionContracts"
    type_name = "SubscriptionContract"


STREAMS: t.Final = (
    Orders,
    OrderLines,
    PaymentHistory,
    Shipments,
    Returns,
    Invoices,
    Vouchers,
    Campaigns,
    Subscriptions,
    SubscriptionContracts,
)
