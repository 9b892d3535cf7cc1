"""What was sold: orders and what follows from them."""

from __future__ import annotations

import typing as t

from typing_extensions import override

from commerce_taps.records import dates
from commerce_taps.records.children import child_page, flatten_rows
from commerce_taps.records.normalize import values_of
from tap_centra.order.normalize import on_the_wall
from tap_centra.order.stream import REPEATED_HOUR, NumberStream, OffsetStream, OrderStream

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from commerce_taps.records.conform import Record
    from commerce_taps.records.normalize import AnyRecord
    from tap_centra.failures import Failures


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
    def completed(self, page: Page, failures: Failures) -> Page:
        """Add the lines. See the base class."""
        for stream in self.children:
            lines = (line for order in page.records for line in _lines(values_of(order), failures))
            page.children = {stream.name: child_page(lines)}
        return page


class OrderLines(OrderStream):
    """Lines of orders, one row each. A line that was removed from an order stays in the table."""

    name = "order_lines"
    path = "orders"
    selector = "orders"
    parent_stream_type = Orders
    primary_keys = ("orderId", "lineId")
    replication_key = "orderDate"

    @override
    def pages(self, *_: object) -> Iterator[Sequence[AnyRecord]]:
        """Read nothing: the lines come with the orders. See the base class."""
        return iter(())


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
    def lists(self, start: datetime | None, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read the three lists in the order a shipment goes through them; the last one wins.

        Only what was sent is filtered. Which date the filter compares with is not documented: if
        all that comes was ordered since then, it may be that of the order, and a shipment that was
        ordered long ago would never come. Then the list is read whole.
        """
        for status in ("goodtogo", "inprogress"):
            yield from self.pages({"status": status}, failures)
        sent, begin = {"status": "completed"}, self._begin(start)
        if begin is None:
            yield from self.pages(sent, failures)
            return
        ordered_before = False
        since = {"newer_than": on_the_wall(begin, self.api.zone)}
        for rows in self.pages({**sent, **since}, failures):
            yield rows
            ordered_before = ordered_before or any(
                _is_before(raw, "orderDate", dates.shift(begin, -REPEATED_HOUR)) for raw in rows
            )
        if not ordered_before:
            for rows in self.pages(sent, failures):
                yield [raw for raw in rows if not _is_before(raw, "shipmentDate", begin)]


class Returns(NumberStream):
    """Returned goods. The API does not report when a return changed."""

    name = "returns"
    path = "returns"
    selector = "returns"
    primary_keys = ("returnId",)
    replication_key = "date"
    filter_names = ("newer_than",)
    looks_back = True


class Vouchers(OrderStream):
    """The vouchers in `voucher_ids`. The API cannot list vouchers."""

    name = "vouchers"
    path = "vouchers/{id}"
    selector = "voucher"
    primary_keys = ("id",)

    @override
    @property
    def partitions(self) -> list[dict[str, t.Any]]:
        """One partition a voucher."""
        ids = dict.fromkeys(map(str, self.config.get("voucher_ids", ())))
        return [{"id": one} for one in ids]

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one voucher. See the base class."""
        yield self.shape.page_of(self.answer({}, (context or {})["id"]).records)

    @override
    def pages(self, *_: object) -> Iterator[Sequence[AnyRecord]]:
        """Read nothing: there is no list. See the base class."""
        return iter(())


def _is_before(record: AnyRecord, name: str, moment: datetime) -> bool:
    """Tell whether a record has a time that is before a moment."""
    try:
        return dates.parse(values_of(record)[name]) < dates.floor(moment)
    except (KeyError, AttributeError, ValueError):  # it is no text, or no time
        return False


def _lines(order: Record, failures: Failures) -> Iterator[Record]:
    """Take the lines out of an order, and give them what they need of it."""
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
