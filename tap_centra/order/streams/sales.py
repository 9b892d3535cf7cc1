"""What was sold: orders and what follows from them."""

from __future__ import annotations

import typing as t

from typing_extensions import override

from commerce_taps.records import dates
from commerce_taps.records.children import child_page, flatten_rows
from commerce_taps.records.normalize import values_of
from tap_centra.order.normalize import to_wall_time
from tap_centra.order.stream import (
    REPEATED_HOUR,
    EndpointStream,
    NumberStream,
    OffsetStream,
    OrderStream,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from commerce_taps.records.conform import Record
    from commerce_taps.records.normalize import AnyRecord
    from tap_centra.failures import Failures
    from tap_centra.order.stream import Records


class Orders(OffsetStream):
    """Orders that the plugin shows. The API does not report when an order changed."""

    name = "orders"
    path = "orders"
    selector = "orders"
    primary_keys = ("orderId",)
    replication_key = "orderDate"
    filter_names = ("newer_than",)
    looks_back = True

    @override
    def add_children(self, page: Page, failures: Failures) -> None:
        for stream in self.children:
            lines = (line for order in page.records for line in _lines(values_of(order), failures))
            page.children = {stream.name: child_page(lines)}


class OrderLines(OrderStream):
    """Lines of orders, one row each. A line that was removed from an order stays in the table."""

    name = "order_lines"
    parent_stream_type = Orders
    primary_keys = ("orderId", "lineId")
    replication_key = "orderDate"

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Raise: `Orders` reads the lines, and no run reads them alone."""
        raise NotImplementedError


class Shipments(OffsetStream):
    """Shipments that are ready, in progress, or completed."""

    name = "shipments"
    path = "shipments"
    selector = "shipments"
    primary_keys = ("shipmentId",)
    replication_key = "shipmentDate"
    looks_back = True
    page_limit = 100

    @override
    def read_list(self, start: datetime | None, failures: Failures) -> Records:
        """Read the lists in the order in which a shipment passes through them; the last one wins.

        Only completed shipments are filtered. The reference does not say which date the filter
        compares. If all rows were ordered after its start, it may be the date of the order, and a
        shipment that was ordered long ago would never arrive. Then the list is read whole.
        """
        for status in ("goodtogo", "inprogress"):
            yield from self.pages({"status": status}, failures)
        completed, begin = {"status": "completed"}, self._filter_start(start)
        if begin is None:
            yield from self.pages(completed, failures)
            return
        has_older_order = False
        since = {"newer_than": to_wall_time(begin, self.api.zone)}
        for records in self.pages({**completed, **since}, failures):
            yield records
            has_older_order = has_older_order or any(
                _is_before(record, "orderDate", dates.shift(begin, -REPEATED_HOUR))
                for record in records
            )
        if not has_older_order:
            for records in self.pages(completed, failures):
                yield [one for one in records if not _is_before(one, "shipmentDate", begin)]


class Returns(NumberStream):
    """Returned goods. The API does not report when a return changed."""

    name = "returns"
    path = "returns"
    selector = "returns"
    primary_keys = ("returnId",)
    replication_key = "date"
    filter_names = ("newer_than",)
    looks_back = True


class Vouchers(EndpointStream):
    """The vouchers in `voucher_ids`. The API cannot list vouchers."""

    name = "vouchers"
    path = "vouchers/{id}"
    selector = "voucher"
    primary_keys = ("id",)

    @override
    @property
    def partitions(self) -> list[dict[str, t.Any]]:
        """One partition per voucher."""
        ids = dict.fromkeys(map(str, self.config.get("voucher_ids", ())))
        return [{"id": one} for one in ids]

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        yield self.shape.page_of(self.fetch({}, (context or {})["id"]).records)


def _is_before(record: AnyRecord, name: str, time: datetime) -> bool:
    """Return whether a column of a record holds an earlier time."""
    try:
        return dates.parse(values_of(record)[name]) < dates.floor(time)
    except (KeyError, AttributeError, ValueError):  # no text, or no time
        return False


def _lines(order: Record, failures: Failures) -> Iterator[Record]:
    """Yield the lines of an order, with its id and date."""
    place = f"the order {order.get('orderId')}"
    lines = order.get("products")
    if lines and not isinstance(lines, list):
        failures.add("`products` is no list", place)
        return
    owner: Record = {name: order[name] for name in ("orderId", "orderDate") if name in order}
    for number, line in enumerate(flatten_rows(owner, lines), 1):
        if isinstance(line, dict):
            yield line
        else:
            failures.add("a line is no object", f"line {number} of {place}")


STREAMS: t.Final = (
    Orders,
    OrderLines,
    Shipments,
    Returns,
    Vouchers,
)
