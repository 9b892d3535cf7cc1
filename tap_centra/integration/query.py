"""Writes what is asked of an object: declared, selected, and there.

A stream's schema says which fields are wanted, and in what depth. The catalog takes some away, the
environment does not have others, the token may not read a third kind. What is left is the text
between the braces of a query.
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

LONGEST: t.Final = 200
"""The most a nested list gives at once (Centra's reference of the Integration API)."""

USUAL: t.Final = 20
"""What it gives by default."""

Path = tuple[str, ...]


class Selection:
    """What is asked of one stream's objects.

    Attributes:
        asked: Fields that are asked for.
        missing: Fields that were declared and are not there.
        bounded: Lists of which more may exist than come at once, with no asking for the rest.
        clashing: Fields that are not asked of some types, which have them as another type.
        cut: Lists of which more may exist than come at once: the field, and what is inside.
    """

    def __init__(
        self,
        live: LiveSchema,
        *,
        wanted: Callable[[Path], bool],
        refused: AbstractSet[Path],
        is_new: Callable[[str], bool],
        completes: bool,
        bound: int = USUAL,
    ) -> None:
        """Keep what decides.

        Args:
            live: What the environment has.
            wanted: Whether the catalog selects a field.
            refused: Fields the token may not read.
            is_new: Whether a field that is not declared is asked for.
            completes: Whether the rest of a list in a column can be asked for.
            bound: How many entries to ask for where it cannot: lists inside of lists multiply
                the complexity of a query, whether the entries are there or not.
        """
        self._live = live
        self._wanted = wanted
        self._refused = refused
        self._is_new = is_new
        self._completes = completes
        self._bound = bound
        self.asked: list[Path] = []
        self.missing: list[Path] = []
        self.bounded: list[Path] = []
        self.clashing: list[Path] = []
        self.cut: dict[str, tuple[Field, str]] = {}

    def text(self, declared: Mapping[str, Schema], type_name: str, path: Path = ()) -> str:
        """Write the fields of an object.

        Args:
            declared: The fields wanted, each with its schema.
            type_name: The object's type.
            path: Where the object is, seen from the record.

        Returns:
            The text between the braces; "" where nothing is left.
        """
        own: list[str] = []
        implementations: dict[str, list[str]] = defaultdict(list)
        for name, column in declared.items():
            here = (*path, name)
            if not self._wanted(here) or here in self._refused:
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
                    self.asked.append(here)
                    (own if owner == type_name else implementations[owner]).append(written)
        if not path:
            for owner, name in self._undeclared(declared, type_name):
                self.asked.append((name,))
                (own if owner == type_name else implementations[owner]).append(name)
        fragments = (f"... on {name} {{ {' '.join(f)} }}" for name, f in implementations.items())
        return " ".join([*own, *fragments])

    def _field(self, field: Field, column: Schema, here: Path) -> str:
        """Write a field with what is inside of it."""
        if field.is_scalar:
            return field.name
        inside = self.text(_properties(column), str(field.type.inner.name), here)
        if not inside:
            return ""
        if not field.is_cut:
            return f"{field.name} {{ {inside} }}"
        if len(here) > 1 or not self._completes:
            self.bounded.append(here)
            return f"{field.name}(limit: {self._bound}) {{ {inside} }}"
        self.cut[field.name] = field, inside
        return f"{field.name}(limit: {LONGEST}) {{ {inside} }}"

    def _owners(self, type_name: str, here: Path, column: Schema) -> dict[str, Field]:
        """Find who has a field: the type itself, or some of those it may stand for."""
        name = here[-1]
        candidates = [type_name]
        if name not in self._live.fields(type_name):
            candidates = self._live.implementations(type_name)
        found: dict[str, Field] = {}
        for candidate in candidates:
            field = self._live.fields(candidate).get(name)
            if (
                field is None
                or field.needs_more_than()
                or not (field.is_scalar or _properties(column))
            ):
                continue
            # Two fields of one name must be of one type in an answer.
            if all(field.type.text == other.type.text for other in found.values()):
                found[candidate] = field
            else:
                self.clashing.append((candidate, *here))
        return found

    def _undeclared(
        self, declared: Mapping[str, Schema], type_name: str
    ) -> Iterator[tuple[str, str]]:
        """Find simple values that are not declared, each with the type that has it."""
        taken: dict[str, str] = {}
        for owner in (type_name, *self._live.implementations(type_name)):
            for name, field in self._live.fields(owner).items():
                inherited = owner != type_name and name in self._live.fields(type_name)
                if (
                    not field.is_scalar
                    or inherited
                    or field.is_deprecated
                    or field.needs_more_than()
                    or name in declared
                    or (name,) in self._refused
                    or not self._is_new(name)
                ):
                    continue
                if taken.setdefault(name, field.type.text) == field.type.text:
                    yield owner, name
                else:
                    self.clashing.append((owner, name))


def longest(value: t.Any, path: Path) -> int:  # noqa: ANN401 (JSON)
    """Measure the lists at one place of a row.

    Args:
        value: The row, or what is inside of it.
        path: Where the lists are, seen from there; the lists on the way have no name in it.

    Returns:
        How many entries the longest of them has.
    """
    if not path:
        return len(value or ())
    if isinstance(value, list):
        return max((longest(one, path) for one in value), default=0)
    return longest(value.get(path[0]), path[1:]) if isinstance(value, dict) else 0


def _properties(column: Schema) -> Mapping[str, Schema]:
    """Give the fields declared inside of an object, or of the objects of a list."""
    inside: Schema = column.get("items", {}) if "array" in kinds(column) else column
    properties: Mapping[str, Schema] = inside.get("properties", {})
    return properties
