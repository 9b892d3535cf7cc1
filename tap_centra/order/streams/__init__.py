"""The streams of the Order API, a module for each subject, after Centra's reference of it."""

from __future__ import annotations

import typing as t

from tap_centra.order.streams import catalogue, customers, sales, stock

if t.TYPE_CHECKING:
    from tap_centra.order.stream import OrderStream

STREAMS: t.Final[tuple[type[OrderStream], ...]] = (
    *sales.STREAMS,
    *catalogue.STREAMS,
    *stock.STREAMS,
    *customers.STREAMS,
)
"""Every stream of the Order API."""
