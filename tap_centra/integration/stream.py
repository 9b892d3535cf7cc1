"""The base classes of the Integration API's streams: how rows become records."""

from __future__ import annotations

import abc
import typing as t
from datetime import timedelta

from msgspec import Raw
from typing_extensions import override

from commerce_taps.bookmarks import SafeBookmark, look_back
from commerce_taps.pagination.page import UNBOUNDED, TimeRange
from commerce_taps.records.conform import encode
from commerce_taps.records.envelope import open_object
from tap_centra.integration.declaration import ListDeclaration
from tap_centra.integration.pagination import ListReader, id_of
from tap_centra.integration.query import MAX_LIMIT
from tap_centra.php_json import entries_of, is_object

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page


class IntegrationStream(ListDeclaration, abc.ABC):
    """A list of the Integration API."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        reader = ListReader(self)
        bookmark = SafeBookmark(self.api.live.earliest)
        begin = start
        if self.looks_back:
            overlap = timedelta(days=self.config["lookback_days"])
            begin = look_back(start, overlap, self.config.get("start_date"))
        for rows in reader.pages(begin):
            page = self.shape.validate(self._records(rows.records, reader))
            bookmark.add(page.timestamps)
            page.bookmark = bookmark.value if rows.is_safe and not reader.failures else None
            keep = TimeRange(begin) if begin and not reader.query.root.filters_key else UNBOUNDED
            yield page.within(keep)
        reader.failures.raise_if_any()

    def _records(self, rows: Sequence[Raw], reader: ListReader) -> Sequence[Raw]:
        """Turn rows into records, whose lists are complete."""
        if reader.query.nested is not None:
            return list(self._entries(rows, reader))
        return self._complete_lists(rows, reader) if reader.query.paged_columns else rows

    def _complete_lists(self, rows: Sequence[Raw], reader: ListReader) -> list[Raw]:
        """Fetch the rest of lists that one response does not hold.

        A row whose list cannot be completed is left out: in the table it would look complete.
        """
        found: list[Raw | None] = [*rows]
        for name in reader.query.paged_columns:
            opened = [open_object(raw) if raw else {} for raw in found]
            lists = [entries_of(row, name) or [] for row in opened]
            full = [place for place, entries in enumerate(lists) if len(entries) >= MAX_LIMIT]
            ids = {place: id_of(rows[place]) for place in full}
            rest = reader.fetch_rest([one for one in ids.values() if one is not None], name)
            for place, one in ids.items():
                more = None if one is None else rest.get(one)
                row = opened[place] | {name: Raw(encode([*lists[place], *(more or ())]))}
                found[place] = None if more is None else Raw(encode(row))
        return [raw for raw in found if raw is not None]

    def _entries(self, rows: Sequence[Raw], reader: ListReader) -> Iterator[Raw]:
        """Yield the entries of the list inside of each row, with the columns from the row."""
        opened = [open_object(raw) for raw in rows]
        ids = [id_of(raw) for raw in rows]
        lists = [entries_of(row, "nested") for row in opened]
        limit = reader.query.nested_limit
        rest = reader.fetch_rest(
            [
                one
                for one, entries in zip(ids, lists, strict=True)
                if one is not None and limit and len(entries or ()) >= limit
            ]
        )
        for row, one, entries in zip(opened, ids, lists, strict=True):
            if entries is None:
                reader.failures.add(f"`{self.nested}` is no list", f"the row {one}")
            columns = {
                column: row[name] for name, column in self.parent_fields.items() if name in row
            }
            more = () if one is None else rest.get(one, ())
            for number, entry in enumerate((*(entries or ()), *more), 1):
                if is_object(entry):
                    yield self._entry(entry, columns)
                else:
                    reason = f"an entry of `{self.nested}` is no object"
                    reader.failures.add(reason, f"entry {number} of the row {one}")

    def _entry(self, raw: Raw, columns: Mapping[str, Raw]) -> Raw:
        """Add columns to an entry: those from the row, and the ids of objects inside of it."""
        entry = open_object(raw)
        ids = {
            column: open_object(entry.get(name, b"null")).get("id", Raw(b"null"))
            for column, name in self.id_columns.items()
        }
        return Raw(encode({**columns, **ids} | entry))


class UpdatedStream(IntegrationStream, abc.ABC):
    """A list that the API filters by the last change."""

    replication_key = "updatedAt"
    filter_key = "updatedAt"


class CreatedStream(IntegrationStream, abc.ABC):
    """A list that the API filters by the time of creation."""

    replication_key = "createdAt"
    filter_key = "createdAt"


class OrderEntryStream(IntegrationStream, abc.ABC):
    """A list inside of each order, read again when the order has changed."""

    root = "orders"
    type_name = "Order"
    primary_keys = ("orderId", "id")
    replication_key = "orderUpdatedAt"
    filter_key = "updatedAt"
    parent_fields: t.ClassVar[Mapping[str, str]] = {
        "id": "orderId",
        "number": "orderNumber",
        "updatedAt": "orderUpdatedAt",
    }
