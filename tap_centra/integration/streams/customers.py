"""Who buys: consumers, and retailers with their people."""

from __future__ import annotations

import typing as t

from tap_centra.integration.stream import IntegrationStream, UpdatedStream


class Customers(UpdatedStream):
    """Consumers who registered or ordered."""

    name = "customers"
    root = "customers"
    type_name = "Customer"


class Accounts(UpdatedStream):
    """Retailers who buy wholesale."""

    name = "accounts"
    root = "accounts"
    type_name = "Account"


class Buyers(IntegrationStream):
    """People who order for an account."""

    name = "buyers"
    root = "buyers"
    type_name = "Buyer"


class DeliveryWindows(IntegrationStream):
    """Delivery windows of retailers."""

    name = "delivery_windows"
    root = "deliveryWindows"
    type_name = "DeliveryWindow"


STREAMS: t.Final = (
    Customers,
    Accounts,
    Buyers,
    DeliveryWindows,
)
