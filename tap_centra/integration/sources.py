"""Finds a stream's rows in the environment, and how they can be filtered and sorted there."""

from __future__ import annotations

import typing as t
from functools import cached_property

from commerce_taps.errors import PartitionSkipped

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_centra.integration.introspection import Field, LiveSchema

UNIQUE_SORTS: t.Final[tuple[str, ...]] = ("id_ASC", "number_ASC", "id_DESC")
"""Sorts in which no two rows are equal, the best one first."""


class Source(t.NamedTuple):
    """A place where a stream's records may be, by the names of the documentation.

    Attributes:
        root: The root field of the query; its connection may take its place.
        type_name: The type of the root's rows, from which the connection has its name.
        nested: The list inside of each row whose entries are the records.
        filter_key: The field of the rows that the API filters by.
    """

    root: str
    type_name: str
    nested: str | None = None
    filter_key: str | None = None


class RootField:
    """A root field of the query, as the environment has it.

    Attributes:
        field: The field.
        type_name: The type of its rows.
        is_connection: Whether it is read by cursor.
        has_total: Whether it reports the number of rows.
        key: The field of the rows that the API filters by.
    """

    def __init__(self, live: LiveSchema, field: Field, key: str | None) -> None:
        self.field = field
        self.key = key
        self._live = live
        self.type_name = str(field.type.inner.name)
        connection = live.fields(self.type_name)
        edges = connection.get("edges")
        node = live.fields(str(edges.type.inner.name)).get("node") if edges else None
        self.is_connection = node is not None
        self.has_total = "totalCount" in connection
        if node is not None:
            self.type_name = str(node.type.inner.name)

    @property
    def is_paged(self) -> bool:
        """Whether rows beyond the first response can be requested."""
        return self.is_connection or "page" in self.field.arguments

    @property
    def limit_argument(self) -> str:
        """The argument that sets the number of rows."""
        return "first" if self.is_connection else "limit"

    @cached_property
    def _filter_fields(self) -> Iterable[str]:
        argument = self.field.arguments.get("where")
        return self._live.inputs(argument) if argument else ()

    @property
    def filters_ids(self) -> bool:
        """Whether rows can be requested by their ids."""
        return "id" in self._filter_fields

    @cached_property
    def filters_key(self) -> bool:
        """Whether the list can be filtered by the key.

        Rows without a value are in no range. A list that may have such rows is read whole.
        """
        key = self.key or ""
        field = self._live.fields(self.type_name).get(key)
        return key in self._filter_fields and (field is None or field.type.kind == "NON_NULL")

    def sorts(self, *, by_key: bool = False) -> list[str]:
        """Return the sort to request; none if the list cannot be sorted like this.

        Args:
            by_key: Whether to sort by the key; otherwise by a unique field.
        """
        argument = self.field.arguments.get("sort")
        choices = self._live.choices(argument) if argument else set()
        unique = [sort for sort in UNIQUE_SORTS if sort in choices][:1]
        if not by_key:
            return unique
        return [f"{self.key}_ASC", *unique] if f"{self.key}_ASC" in choices else []


def resolve(live: LiveSchema, sources: Iterable[Source]) -> tuple[RootField, Field | None]:
    """Find the first of several sources that the environment has.

    Args:
        live: The schema of the environment.
        sources: The sources, the best one first.

    Returns:
        The root field of the query, and the list inside of its rows if the records are in one.

    Raises:
        PartitionSkipped: The environment has none of them. The message is about the first one.
    """
    skipped: list[PartitionSkipped] = []
    for source in sources:
        try:
            root = _resolve_root(live, source)
            return root, _resolve_nested(live, root, source.nested)
        except PartitionSkipped as error:
            skipped.append(error)
    raise skipped[0]


def _resolve_root(live: LiveSchema, source: Source) -> RootField:
    """Choose between the list and the connection, if the environment has both."""
    connected = f"{source.type_name[0].lower()}{source.type_name[1:]}Connection"
    plain, connection = (
        RootField(live, field, source.filter_key)
        if (field := live.roots.get(name)) and _is_supported(field)
        else None
        for name in (source.root, connected)
    )
    if plain and (not connection or plain.sorts(by_key=True) or not connection.sorts()):
        return plain
    if connection:
        return connection
    msg = f"this environment has no `{source.root}`"
    if source.root in live.roots:
        msg = f"`{source.root}` of this environment requires an argument that the tap does not know"
    raise PartitionSkipped(msg)


def _is_supported(field: Field) -> bool:
    """Return whether the tap knows all arguments that a root field requires."""
    return not field.requires_more_than("where", "sort", "limit", "page", "first", "after")


def _resolve_nested(live: LiveSchema, root: RootField, nested: str | None) -> Field | None:
    """Find the list inside of each row, for a stream of its entries."""
    if nested is None:
        return None
    field = live.fields(root.type_name).get(nested)
    if field is None:
        msg = f"this environment has no `{nested}` in `{root.field.name}`"
        raise PartitionSkipped(msg)
    return field
