"""Writes GraphQL queries: root fields with arguments, and the fields of the objects they return.

A stream's schema declares the fields it wants, and how deep. The catalog deselects some, the
environment lacks others, and the token may not read others again. The rest goes into the query.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict

from commerce_taps.records.conform import kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from commerce_taps.records.columns import Schema
    from tap_centra.integration.introspection import Field, LiveSchema

MAX_LIMIT: t.Final = 200
"""The most entries a nested list returns at once (Centra's reference of the Integration API)."""

DEFAULT_LIMIT: t.Final = 20
"""The number of entries it returns by default."""

Path = tuple[str, ...]
"""The names from a record to one of its fields."""


class Query:
    """A query, with a variable for each argument."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {}
        self.variables: dict[str, t.Any] = {}

    def call(self, field: Field, alias: str, inside: str, **arguments: t.Any) -> str:  # noqa: ANN401
        """Write a field with arguments.

        Args:
            field: The field.
            alias: Its name in the response.
            inside: The fields of its value.
            arguments: Values of its arguments. `None`, and arguments that the field does not have,
                are left out.
        """
        written = []
        for name, value in arguments.items():
            if value is not None and name in field.arguments:
                variable = f"{alias}_{name}"
                self._types[variable] = field.arguments[name].type.text
                self.variables[variable] = value
                written.append(f"{name}: ${variable}")
        listed = f"({', '.join(written)})" if written else ""
        return f"{alias}: {field.name}{listed} {{ {inside} }}"

    def text(self, *calls: str) -> str:
        """Write the query with the fields that `call` returned."""
        declared = ", ".join(f"${name}: {kind}" for name, kind in self._types.items())
        head = f"query({declared})" if declared else "query"
        return f"{head} {{ {' '.join(calls)} }}"


class Selection:
    """The fields that a query requests of one stream's objects.

    Attributes:
        requested: The fields.
        missing: Declared fields that the environment does not have.
        clashing: Fields left out of some types, because another type has them as another type.
        unpaged: Lists that may have more entries than one response holds, and no pages.
        paged: Lists in columns that may have more entries than one response holds, and pages: the
            field of each, and the fields of its entries.
    """

    def __init__(
        self,
        live: LiveSchema,
        *,
        is_selected: Callable[[Path], bool],
        refused: AbstractSet[Path],
        is_new: Callable[[str], bool],
        pages_lists: bool,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        """Select nothing yet: `text` does.

        Args:
            live: The schema of the environment.
            is_selected: Whether the catalog selects a field.
            refused: Fields the token may not read.
            is_new: Whether to request a field that is not declared.
            pages_lists: Whether the rest of a list in a column can be requested.
            limit: The number of entries to request of lists whose rest cannot be: lists inside of
                lists multiply the complexity of a query, whether the entries exist or not.
        """
        self._live = live
        self._is_selected = is_selected
        self._refused = refused
        self._is_new = is_new
        self._pages_lists = pages_lists
        self._limit = limit
        self.requested: list[Path] = []
        self.missing: list[Path] = []
        self.clashing: list[Path] = []
        self.unpaged: list[Path] = []
        self.paged: dict[str, tuple[Field, str]] = {}

    def text(self, declared: Mapping[str, Schema], type_name: str, path: Path = ()) -> str:
        """Write the fields of an object.

        Args:
            declared: The declared fields, each with its schema.
            type_name: The object's type.
            path: The path to the object.

        Returns:
            The text between the braces; "" if no field is left.
        """
        own: list[str] = []
        implementations: dict[str, list[str]] = defaultdict(list)
        for name, column in declared.items():
            here = (*path, name)
            if not self._is_selected(here) or here in self._refused:
                continue
            if name == "__typename":
                own.append(name)
                continue
            owners = self._owners(type_name, here, column)
            if not owners:
                self.missing.append(here)
            for owner, field in owners.items():
                written = self._field(field, column, here)
                if written:
                    self.requested.append(here)
                    (own if owner == type_name else implementations[owner]).append(written)
        if not path:
            for owner, name in self._undeclared(declared, type_name):
                self.requested.append((name,))
                (own if owner == type_name else implementations[owner]).append(name)
        fragments = (f"... on {name} {{ {' '.join(f)} }}" for name, f in implementations.items())
        return " ".join([*own, *fragments])

    def _field(self, field: Field, column: Schema, here: Path) -> str:
        """Write a field with the fields of its value; "" if none is left."""
        if field.is_scalar:
            return field.name
        inside = self.text(_properties(column), str(field.type.inner.name), here)
        if not inside:
            return ""
        if not field.has_default_limit:
            return f"{field.name} {{ {inside} }}"
        if len(here) > 1 or not self._pages_lists:
            self.unpaged.append(here)
            return f"{field.name}(limit: {self._limit}) {{ {inside} }}"
        self.paged[field.name] = field, inside
        return f"{field.name}(limit: {MAX_LIMIT}) {{ {inside} }}"

    def _owners(self, type_name: str, here: Path, column: Schema) -> dict[str, Field]:
        """Find the types that have a field: the type itself, or some that it may stand for."""
        name = here[-1]
        candidates = [type_name]
        if name not in self._live.fields(type_name):
            candidates = self._live.implementations(type_name)
        found: dict[str, Field] = {}
        for candidate in candidates:
            field = self._live.fields(candidate).get(name)
            if (
                field is None
                or field.requires_more_than()
                or not (field.is_scalar or _properties(column))
            ):
                continue
            # In a response, two fields of one name must be of one type.
            if all(field.type.text == other.type.text for other in found.values()):
                found[candidate] = field
            else:
                self.clashing.append((candidate, *here))
        return found

    def _undeclared(
        self, declared: Mapping[str, Schema], type_name: str
    ) -> Iterator[tuple[str, str]]:
        """Find scalars that are not declared, each with the type that has it."""
        taken: dict[str, str] = {}
        for owner in (type_name, *self._live.implementations(type_name)):
            for name, field in self._live.fields(owner).items():
                inherited = owner != type_name and name in self._live.fields(type_name)
                if (
                    not field.is_scalar
                    or inherited
                    or field.is_deprecated
                    or field.requires_more_than()
                    or name in declared
                    or (name,) in self._refused
                    or not self._is_new(name)
                ):
                    continue
                if taken.setdefault(name, field.type.text) == field.type.text:
                    yield owner, name
                else:
                    self.clashing.append((owner, name))


def max_length(value: t.Any, path: Path) -> int:  # noqa: ANN401 (JSON)
    """Return the number of entries of the longest list at a path of a row.

    Args:
        value: The row, or a value inside of it.
        path: The path from there. Lists on the way have no name in it.
    """
    if not path:
        return len(value or ())
    if isinstance(value, list):
        return max((max_length(one, path) for one in value), default=0)
    return max_length(value.get(path[0]), path[1:]) if isinstance(value, dict) else 0


def _properties(column: Schema) -> Mapping[str, Schema]:
    """Return the declared fields of an object, or of the objects in a list."""
    inside: Schema = column.get("items", {}) if "array" in kinds(column) else column
    properties: Mapping[str, Schema] = inside.get("properties", {})
    return properties
