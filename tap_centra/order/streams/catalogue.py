"""What is for sale."""

from __future__ import annotations

import typing as t

from tap_centra.order.stream import LinkStream


class Products(LinkStream):
    """Sizes of products with texts and prices, one row per stock item."""

    name = "products"
    path = "products"
    selector = "products"
    primary_keys = ("stockItemId",)
    filter_names = ("modified", "created")


STREAMS: t.Final = (Products,)
