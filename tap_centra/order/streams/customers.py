"""Who buys: consumers, and the people of retailers."""

from __future__ import annotations

import typing as t

from tap_centra.order.stream import DetailStream, OffsetStream


class Customers(OffsetStream):
    """Customers, consumers and retailers' people alike."""

    name = "customers"
    path = "customers"
    selector = "customers"
    primary_keys = ("customerId",)
    replication_key = "modified"
    filter_names = ("modified", "created")


class CustomerDetails(DetailStream):
    """The same customers, asked for one by one: for plugins that show more of them so."""

    name = "customer_details"
    path = "customers/{id}"
    selector = "customer"
    ids_from = Customers
    primary_keys = ("customerId",)
    replication_key = "modified"
    selected_by_default = False
    cost = "a request a customer"


STREAMS: t.Final = (
    Customers,
    CustomerDetails,
)
