"""Where the rows of a stream are, and how they can be filtered, sorted and told apart there."""

from __future__ import annotations

import typing as t
from functools import cached_property

from commerce_taps.errors import PartitionSkipped

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_centra.integration.introspection import Field, LiveSchema

UNIQUE: t.Final[tuple[str, ...]] = ("id_ASC", "number_ASC", "id_DESC")
"""Sorts in which no two rows are equal, the best one first."""


class Place(t.NamedTuple):
    """Where rows are, by the names of the documentation.

    Attributes:
        root: The field of the query; a connection takes its place where that is safer.
        type_name: The type of the root's rows, after which its connection is named.
        nested: The list inside of each row whose entries are the records.
        filter_key: The rows' field that the API filters by.
    """

    root: str
    type_name: str
    nested: str | None = None
    filter_key: str | None = None


class Root:
    """A field of the query, as the environment has it.

    Attributes:
        field: The field.
        type_name: The type of its rows.
        is_connection: Whether it is read by cursor.
        has_total: Whether it tells how many rows there are.
        key: The rows' field that the API filters by.
    """

    def __init__(self, live: LiveSchema, field: Field, key: str | None) -> None:
        """Look at a field.

        Args:
            live: What the environment has.
            field: The field.
            key: The rows' field that the API filters by.
        """
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
        """Whether there is more than what comes at once."""
        return self.is_connection or "page" in self.field.arguments

    @property
    def length(self) -> str:
        """The argument that says how many rows to give."""
        return "first" if self.is_connection else "limit"

    @cached_property
    def _inputs(self) -> Iterable[str]:
        argument = self.field.arguments.get("where")
        return self._live.inputs(argument) if argument else ()

    @property
    def has_ids(self) -> bool:
        """Whether rows can be asked for by their ids."""
        return "id" in self._inputs

    @cached_property
    def filters(self) -> bool:
        """Whether the list can be filtered by the key.

        Rows without a value are in no range, so where there may be such the whole list is read.
        """
        key = self.key or ""
        field = self._live.fields(self.type_name).get(key)
        return key in self._inputs and (field is None or field.type.kind == "NON_NULL")

    def sorts(self, *, in_time: bool = False) -> list[str]:
        """Find the sort to ask for.

        Args:
            in_time: Whether to sort by the key; else by what tells the rows apart.

        Returns:
            The sort; none where the list cannot be sorted so.
        """
        argument = self.field.arguments.get("sort")
        choices = self._live.choices(argument) if argument else set()
        unique = [sort for sort in UNIQUE if sort in choices][:1]
        if not in_time:
            return unique
        return [f"{self.key}_ASC", *unique] if f"{self.key}_ASC" in choices else []


def find(live: LiveSchema, places: Iterable[Place]) -> tuple[Root, Field | None]:
    """Find the first place of several that the environment has.

    Args:
        live: What the environment has.
        places: Where the rows may be, the best place first.

    Returns:
        The field of the query, and the list inside of its rows if the records are in one.

    Raises:
        PartitionSkipped: There is none of them; it tells about the first.
    """
    lacks: list[PartitionSkipped] = []
    for place in places:
        try:
            root = _choose(live, place)
            return root, _inside(live, root, place.nested)
        except PartitionSkipped as lack:
            lacks.append(lack)
    raise lacks[0]


def _choose(live: LiveSchema, place: Place) -> Root:
    """Choose between the list and the connection, where there are both."""
    connected = f"{place.type_name[0].lower()}{place.type_name[1:]}Connection"
    plain, connection = (
        Root(live, field, place.filter_key)
        if (field := live.roots.get(name)) and _can_ask(field)
        else None
        for name in (place.root, connected)
    )
    if plain and (not connection or plain.sorts(in_time=True) or not connection.sorts()):
        return plain
    if connection:
        return connection
    msg = f"this environment has no `{place.root}`"
    if place.root in live.roots:
        msg = f"`{place.root}` of this environment wants to know what the tap does not"
    raise PartitionSkipped(msg)


def _can_ask(field: Field) -> bool:
    """Tell whether a root field can be asked for with the arguments we know."""
    return not field.requires_more_than("where", "sort", "limit", "page", "first", "after")


def _inside(live: LiveSchema, root: Root, nested: str | None) -> Field | None:
    """Find the list inside of each row, for a stream of such lists."""
    if nested is None:
        return None
    field = live.fields(root.type_name).get(nested)
    if field is None:
        msg = f"this environment has no `{nested}` in `{root.field.name}`"
        raise PartitionSkipped(msg)
    return field
