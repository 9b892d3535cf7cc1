"""What a stream of the Integration API is: a declaration, and how its rows become records."""

from __future__ import annotations

import abc
import typing as t
from datetime import timedelta
from functools import cached_property

from msgspec import Raw
from singer_sdk import StreamSchema
from typing_extensions import override

from commerce_taps.bookmarks import SafeBookmark, look_back
from commerce_taps.pagination.page import UNBOUNDED, TimeRange
from commerce_taps.records.conform import encode
from commerce_taps.records.envelope import open_object
from commerce_taps.records.selection import breadcrumb_of
from commerce_taps.stream import HTTPStream
from tap_centra.integration import schemas
from tap_centra.integration.api import IntegrationApi
from tap_centra.integration.query import MAX_LIMIT
from tap_centra.integration.reading import Reading, id_of
from tap_centra.integration.sources import Place
from tap_centra.php_json import entries_of, is_object
from tap_centra.schema_files import SchemaFiles

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from commerce_taps.records.columns import Schema
    from tap_centra.integration.query import Path


class IntegrationStream(HTTPStream[IntegrationApi], abc.ABC):
    """A list of the Integration API.

    What its schema declares is what is asked for, as far as it is selected and there.
    """

    schema = StreamSchema(SchemaFiles(schemas))
    primary_keys: t.ClassVar[tuple[str, ...]] = ("id",)

    root: str
    """The field of the query; a connection takes its place where that is safer."""

    type_name: str
    """The type of the root's rows, after which its connection is named."""

    filter_key: t.ClassVar[str | None] = None
    """The rows' field that the API filters by."""

    looks_back: t.ClassVar[bool] = False
    """Whether rows change after the moment they are filtered by."""

    nested: t.ClassVar[str | None] = None
    """The list inside of each row whose entries are the records."""

    nested_limit: t.ClassVar[int] = 20
    """Entries asked for at once: complexity grows with it, whether they are there or not."""

    nested_sort: t.ClassVar[tuple[str, ...]] = ("id_ASC",)
    """Sorts that tell the entries apart."""

    nested_arguments: t.ClassVar[Mapping[str, t.Any]] = {}
    """Further arguments of the list."""

    parent_fields: t.ClassVar[Mapping[str, str]] = {}
    """Fields of the row that its entries take over, with the column of each."""

    lifted: t.ClassVar[Mapping[str, str]] = {}
    """Columns that hold the id of an object inside of the entry, with the object's name."""

    elsewhere: t.ClassVar[Place | None] = None
    """Where the records are as well, for environments that do not have the root."""

    @property
    def places(self) -> list[Place]:
        """Where the records may be, the best place first."""
        own = Place(self.root, self.type_name, self.nested, self.filter_key)
        return [own, *([self.elsewhere] if self.elsewhere else [])]

    @property
    def path(self) -> str:
        """Where the records are, for the documentation."""
        return f"graphql: {self.root}" + (f".{self.nested}" if self.nested else "")

    # --- what is wanted -------------------------------------------------------------------------

    @property
    def declared(self) -> Mapping[str, Schema]:
        """The columns that are fields of the records."""
        columns: Mapping[str, Schema] = self.schema["properties"]
        given = {*self.parent_fields.values(), *self.lifted}
        return {name: column for name, column in columns.items() if name not in given}

    @property
    def own_keys(self) -> list[str]:
        """Fields of the records without which there is no key."""
        given = set(self.parent_fields.values())
        return [self.lifted.get(key, key) for key in self.primary_keys if key not in given]

    def wants(self, path: Path) -> bool:
        """Tell whether the catalog selects a field, or the key needs it.

        Args:
            path: The field, seen from the record.

        Returns:
            Whether to ask for it.
        """
        if path[0] in self.lifted.values() and path[1:] in {(), ("id",)}:
            return True
        return path[0] in self.primary_keys or self.mask[breadcrumb_of(path)]

    def wants_new(self, name: str) -> bool:
        """Tell whether a field that the schema does not declare is asked for.

        Args:
            name: The field.

        Returns:
            Whether new fields become columns, or the catalog has this one.
        """
        known = self.effective_schema["properties"]
        given = {*self.parent_fields.values(), *self.lifted}
        if self.selection.hides(name):
            return False
        if name in known:
            return name not in given and self.mask["properties", name]
        return bool(self.config["new_fields"] == "evolve")

    @cached_property
    def _told(self) -> set[Path]:
        return set()

    def tell(self, sentence: str, paths: Sequence[Path]) -> None:
        """Log what becomes of fields, once.

        Args:
            sentence: What becomes of them, with `%s` in place of their names.
            paths: The fields.
        """
        new = [path for path in paths if path not in self._told]
        if new:
            self._told.update(new)
            fields = ", ".join(f"`{'.'.join(path)}`" for path in new)
            self.logger.info("%s: %s.", self.name, sentence % fields)

    # --- reading --------------------------------------------------------------------------------

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the list. See the base class."""
        reading = Reading(self)
        latest = SafeBookmark(self.api.live.earliest)
        begin = start
        if self.looks_back:
            overlap = timedelta(days=self.config["lookback_days"])
            begin = look_back(start, overlap, self.config.get("start_date"))
        for sent in reading.pages(begin):
            page = self.shape.validate(self._records(sent.records, reading))
            latest.add(page.timestamps)
            page.bookmark = latest.value if sent.is_safe and not reading.faults else None
            keep = TimeRange(begin) if begin and not reading.root.filters else UNBOUNDED
            yield page.within(keep)
        reading.faults.raise_if_any()

    def _records(self, rows: Sequence[Raw], reading: Reading) -> Sequence[Raw]:
        """Make records of rows."""
        if reading.nested is not None:
            return list(self._entries(rows, reading))
        return self._completed(rows, reading) if reading.cut else rows

    def _completed(self, rows: Sequence[Raw], reading: Reading) -> list[Raw]:
        """Add to lists that did not come whole.

        A row whose list cannot be completed is left out: in the table it would stand for the whole.
        """
        found: list[Raw | None] = [*rows]
        for name in reading.cut:
            opened = [open_object(raw) if raw else {} for raw in found]
            lists = [entries_of(row, name) or [] for row in opened]
            full = [place for place, entries in enumerate(lists) if len(entries) >= MAX_LIMIT]
            ids = {place: id_of(rows[place]) for place in full}
            rest = reading.rest([one for one in ids.values() if one is not None], name)
            for place, one in ids.items():
                more = None if one is None else rest.get(one)
                row = opened[place] | {name: Raw(encode([*lists[place], *(more or ())]))}
                found[place] = None if more is None else Raw(encode(row))
        return [raw for raw in found if raw is not None]

    def _entries(self, rows: Sequence[Raw], reading: Reading) -> Iterator[Raw]:
        """Take the records out of rows, and give them what they need of these."""
        opened = [open_object(raw) for raw in rows]
        ids = [id_of(raw) for raw in rows]
        lists = [entries_of(row, "nested") for row in opened]
        limit, nested = reading.nested_limit, reading.nested and reading.nested.name
        full = [
            one
            for one, entries in zip(ids, lists, strict=True)
            if one is not None and limit and len(entries or ()) >= limit
        ]
        rest = reading.rest(full)
        for row, one, entries in zip(opened, ids, lists, strict=True):
            if entries is None:
                reading.faults.add(f"`{nested}` is no list", f"the row {one}")
            columns = {
                column: row[name] for name, column in self.parent_fields.items() if name in row
            }
            more = () if one is None else rest.get(one, ())
            for number, entry in enumerate((*(entries or ()), *more), 1):
                if not is_object(entry):
                    place = f"entry {number} of the row {one}"
                    reading.faults.add(f"an entry of `{nested}` is no object", place)
                    continue
                record = open_object(entry)
                for column, name in self.lifted.items():
                    lifted = open_object(record.get(name, b"null"))
                    columns[column] = lifted.get("id", Raw(b"null"))
                yield Raw(encode(columns | record))


class UpdatedStream(IntegrationStream, abc.ABC):
    """A list that can be filtered by the last change."""

    replication_key = "updatedAt"
    filter_key = "updatedAt"


class CreatedStream(IntegrationStream, abc.ABC):
    """A list that can be filtered by the moment its rows came into being."""

    replication_key = "createdAt"
    filter_key = "createdAt"


class OrderEntryStream(IntegrationStream, abc.ABC):
    """A list inside of each order, read anew when the order has changed."""

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
