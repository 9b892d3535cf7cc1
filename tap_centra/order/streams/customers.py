"""Who buys: consumers, and the people of retailers."""

from __future__ import annotations

import typing as t

from tap_centra.order.stream import DetailStream, OffsetStream


class Customers(OffsetStream):
    """Customers: consumers, and buyers of retailers."""

    name = "customers"
    path = "customers"
    selector = "customers"
    primary_keys = ("customerId",)
    replication_key = "modified"
    filter_names = ("modified", "created")


class CustomerDetails(DetailStream):
    """The customers with details that some plugins add; one request each."""

    name = "customer_details"
    path = "customers/{id}"
    selector = "customer"
    ids_from = Customers
    primary_keys = ("customerId",)
    replication_key = "modified"
    selected_by_default = False
    cost = "one request per customer"


STREAMS: t.Final = (
    Customers,
    CustomerDetails,
)
