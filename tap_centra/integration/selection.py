"""Writes what is asked of an object: declared, selected, and there.

A stream's schema says which fields are wanted, and in what depth. The catalog takes some away, the
environment does not have others, the token may not read a third kind. What is left is the text
between the braces of a query.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict

from commerce_taps.conform import kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from commerce_taps.conform import Schema
    from tap_centra.integration.introspection import Field, LiveSchema

LONGEST: t.Final = 200
"""The most a nested list gives at once (Centra's reference of the Integration API)."""

Path = tuple[str, ...]


class Selection:
    """What is asked of one stream's objects.

    Attributes:
        asked: Fields that are asked for.
        missing: Fields that were declared and are not there.
        partial: Lists that are not asked for, as there is no asking for the rest of them.
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
    ) -> None:
        """Keep what decides.

        Args:
            live: What the environment has.
            wanted: Whether the catalog selects a field.
            refused: Fields the token may not read.
            is_new: Whether a field that is not declared is asked for.
            completes: Whether the rest of a list in a column can be asked for.
        """
        self._live = live
        self._wanted = wanted
        self._refused = refused
        self._is_new = is_new
        self._completes = completes
        self.asked: list[Path] = []
        self.missing: list[Path] = []
        self.partial: list[Path] = []
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
        if field.is_cut and (len(here) > 1 or not self._completes):
            self.partial.append(here)
            return ""
        inside = self.text(_properties(column), str(field.type.inner.name), here)
        if not inside:
            return ""
        if field.is_cut:
            self.cut[field.name] = field, inside
            return f"{field.name}(limit: {LONGEST}) {{ {inside} }}"
        return f"{field.name} {{ {inside} }}"

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


def _properties(column: Schema) -> Mapping[str, Schema]:
    """Give the fields declared inside of an object, or of the objects of a list."""
    inside: Schema = column.get("items", {}) if "array" in kinds(column) else column
    properties: Mapping[str, Schema] = inside.get("properties", {})
    return properties
