"""What a stream of the Integration API declares, and which fields it requests."""

from __future__ import annotations

import abc
import typing as t
from functools import cached_property

from singer_sdk import StreamSchema

from commerce_taps.records.selection import breadcrumb_of
from commerce_taps.stream import HTTPStream
from tap_centra.integration import schemas
from tap_centra.integration.api import IntegrationApi
from tap_centra.integration.sources import Source
from tap_centra.schema_files import SchemaFiles

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from commerce_taps.records.columns import Schema
    from tap_centra.integration.query import Path


class ListDeclaration(HTTPStream[IntegrationApi], abc.ABC):
    """A list of the Integration API: the class attributes of its stream.

    The query requests the fields that the schema declares, the catalog selects and the environment
    has.
    """

    schema = StreamSchema(SchemaFiles(schemas))
    primary_keys: t.ClassVar[tuple[str, ...]] = ("id",)

    root: str
    """The root field of the query. Where its connection is safer to read, it takes its place."""

    type_name: str
    """The type of the root's rows, from which the connection has its name."""

    filter_key: t.ClassVar[str | None] = None
    """The field of the rows that the API filters by."""

    looks_back: t.ClassVar[bool] = False
    """Whether rows may change after the time they are filtered by."""

    nested: t.ClassVar[str | None] = None
    """The list inside of each row whose entries are the records."""

    nested_limit: t.ClassVar[int] = 20
    """Entries to request at once: complexity grows with it, whether they exist or not."""

    nested_sort: t.ClassVar[tuple[str, ...]] = ("id_ASC",)
    """Sorts in which no two entries are equal."""

    nested_arguments: t.ClassVar[Mapping[str, t.Any]] = {}
    """Further arguments of the list."""

    parent_fields: t.ClassVar[Mapping[str, str]] = {}
    """Fields of the row that each entry gets, with the column of each."""

    id_columns: t.ClassVar[Mapping[str, str]] = {}
    """Columns that hold the id of an object inside of the entry, with the object's name."""

    fallback: t.ClassVar[Source | None] = None
    """Where else the records are, for environments that do not have the root."""

    @property
    def sources(self) -> list[Source]:
        """Where the records may be, the best source first."""
        own = Source(self.root, self.type_name, self.nested, self.filter_key)
        return [own, *([self.fallback] if self.fallback else [])]

    @property
    def path(self) -> str:
        """Where the records are, for the documentation."""
        return f"graphql: {self.root}" + (f".{self.nested}" if self.nested else "")

    @property
    def declared_fields(self) -> Mapping[str, Schema]:
        """The columns that are fields of the records."""
        columns: Mapping[str, Schema] = self.schema["properties"]
        return {name: column for name, column in columns.items() if name not in self._own_columns}

    @property
    def key_fields(self) -> list[str]:
        """The fields of the records that the primary key needs."""
        given = set(self.parent_fields.values())
        return [self.id_columns.get(key, key) for key in self.primary_keys if key not in given]

    @property
    def _own_columns(self) -> set[str]:
        """The columns that the tap adds to the records."""
        return {*self.parent_fields.values(), *self.id_columns}

    def selects(self, path: Path) -> bool:
        """Return whether to request a field: the catalog selects it, or the key needs it."""
        if path[0] in self.id_columns.values() and path[1:] in {(), ("id",)}:
            return True
        return path[0] in self.primary_keys or self.mask[breadcrumb_of(path)]

    def selects_new(self, name: str) -> bool:
        """Return whether to request a field that the schema does not declare.

        New fields become columns by the setting `new_fields`, or if the catalog selects them.
        """
        if self.selection.hides(name):
            return False
        if name in self.effective_schema["properties"]:
            return name not in self._own_columns and self.mask["properties", name]
        return bool(self.config["new_fields"] == "evolve")

    @cached_property
    def _logged_fields(self) -> set[Path]:
        return set()

    def log_fields(self, message: str, paths: Sequence[Path]) -> None:
        """Log why fields are not read, once for each.

        Args:
            message: The reason, with `%s` for the names of the fields.
            paths: The fields.
        """
        new = [path for path in paths if path not in self._logged_fields]
        if new:
            self._logged_fields.update(new)
            fields = ", ".join(f"`{'.'.join(path)}`" for path in new)
            self.logger.info("%s: %s.", self.name, message % fields)
