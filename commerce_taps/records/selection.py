"""Which fields of a stream's records are emitted: the one place where others are taken out.

A field is told by its place and its name. Its name counts as loaders see it: `apiKey`, `API_KEY`
and `api_key__v_string` end in the same column as `api_key`, and are selected as it is. A place is
the same whether an object stands there, a list of objects, or an object written as a JSON text.

A field that holds a secret is withheld wherever its name stands in the stream's records. A text or
a number where an object with a secret in it is expected cannot be told apart, and is withheld.
"""

from __future__ import annotations

import re
import typing as t
from functools import lru_cache

from commerce_taps.records.conform import UNREADABLE, decode, encode

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from commerce_taps.records.columns import Schema
    from commerce_taps.records.conform import Record

Path = tuple[str, ...]
"""Where a field stands: the names that lead to it, through objects and lists alike."""

WITHHELD: t.Final = object()
"""Stands for a value that may hold a secret and cannot be told apart."""

_VARIANT: t.Final = re.compile(
    r"(__v_(string|boolean|integer|number|array|object))+\Z", re.IGNORECASE
)
_SIGNS: t.Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=8192)
def fold(name: str) -> str:
    """Reduce a field's name to what loaders tell columns apart by.

    Args:
        name: The name, of the field itself or of a variant of it.

    Returns:
        Its letters and digits in lower case; the name itself where it has none.
    """
    plain = _VARIANT.sub("", name)
    return _SIGNS.sub("", plain).lower() or plain


def path_of(breadcrumb: Iterable[str]) -> Path:
    """Turn a breadcrumb of a catalog into a path.

    Args:
        breadcrumb: `properties` before each name, and `items` where a list is entered.

    Returns:
        The names.
    """
    names = iter(breadcrumb)
    found: list[str] = []
    for crumb in names:
        if crumb == "properties":
            found.extend(name for name in [next(names, None)] if name is not None)
    return tuple(found)


def breadcrumb_of(path: Iterable[str]) -> tuple[str, ...]:
    """Turn a path into a breadcrumb of a catalog.

    Args:
        path: The names.

    Returns:
        The breadcrumb, in which a list is entered as an object is.
    """
    return tuple(crumb for name in path for crumb in ("properties", name))


class _Place:
    """A field of which parts are not emitted, or all.

    Attributes:
        name: The path, with dots.
        hidden: Whether it is not emitted at all.
        named: Whether it holds a secret that the user wants.
        guarded: Whether a secret is inside that is withheld.
        declared: Names the schema declares inside.
        parts: What is inside and is not simply emitted, by name.
        folded: The same by what loaders make of the names.
    """

    __slots__ = ("declared", "folded", "guarded", "hidden", "name", "named", "parts")

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.hidden = self.named = self.guarded = False
        self.declared = schema.get("properties", {})
        self.parts: dict[str, _Place] = {}
        self.folded: dict[str, _Place] = {}

    def find(self, name: str) -> _Place | None:
        """Look for a part by a name it may come under."""
        found = self.parts.get(name)
        if found is None and name not in self.declared:
            found = self.folded.get(fold(name))
        return found

    def enter(self, name: str) -> _Place:
        """Find a part by its own name, made if there is none yet."""
        part = self.parts.get(name)
        if part is None:
            schema = _content(self.declared.get(name, {}))
            part = _Place(f"{self.name}.{name}" if self.name else name, schema)
            self.parts[name] = part
            self.folded.setdefault(fold(name), part)
        return part


class Selection:
    """What of a stream's records is emitted.

    Attributes:
        withheld: Places, with dots, where a value was withheld because it could not be told apart.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        deselected: Iterable[Path] = (),
        secrets: Iterable[Path] = (),
        named: Collection[Path] = (),
    ) -> None:
        """Compile the selection.

        Args:
            schema: JSON Schema of the records.
            deselected: Fields that are not emitted.
            secrets: Fields that hold secrets, declared in the schema or not.
            named: Those of them that are emitted because the user names them.
        """
        self.withheld: set[str] = set()
        self._root = _Place("", schema)
        self._secrets = {fold(path[-1]) for path in secrets if path not in named}
        for path in named:
            self._enter(path)[-1].named = True
        for path in deselected:
            self._enter(path)[-1].hidden = True
        for path in secrets:
            if path not in named:
                *parents, place = self._enter(path)
                place.hidden = True
                for parent in parents:
                    parent.guarded = True
        self.is_whole = not self._root.parts
        self.is_deep = bool(self._secrets) or any(
            not part.hidden and part.parts for part in self._root.parts.values()
        )

    def _enter(self, path: Path) -> list[_Place]:
        """List the places on the way to a field, the field's own at the end."""
        places, place = [], self._root
        for name in path:
            place = place.enter(name)
            places.append(place)
        return places

    def _hides(self, name: str, place: _Place | None) -> bool:
        if place is not None and (place.hidden or place.named):
            return place.hidden
        return fold(name) in self._secrets

    def hides(self, name: str) -> bool:
        """Tell whether a field of the record itself is not emitted.

        Args:
            name: The field, known or not.

        Returns:
            Whether it is left out.
        """
        return self._hides(name, self._root.find(name))

    # --- schemas --------------------------------------------------------------------------------

    def schema(self, schema: Schema) -> Schema:
        """Take what is not emitted out of a schema.

        Args:
            schema: JSON Schema of the records, which may have grown.

        Returns:
            A schema of what is emitted.
        """
        return schema if self.is_whole else self._schema(schema, self._root)

    def closed_schema(self, schema: Schema) -> Schema:
        """Describe the records of which nothing has to be taken out.

        Args:
            schema: JSON Schema of the records, which may have grown.

        Returns:
            A schema in which nothing but objects and null stands where parts are not emitted.
        """
        return schema if self.is_whole else self._schema(schema, self._root, closed=True)

    def _schema(self, schema: Schema, place: _Place | None, *, closed: bool = False) -> Schema:
        if place is not None and place.named:
            return schema
        if closed and place is not None and place.parts and not _is_container(schema):
            return {"type": ["null"]}
        found = dict(schema)
        if "properties" in schema:
            found["properties"] = {
                name: self._schema(inner, part, closed=closed)
                for name, inner in schema["properties"].items()
                for part in [None if place is None else place.find(name)]
                if not self._hides(name, part)
            }
        if schema.get("items"):
            found["items"] = self._schema(schema["items"], place, closed=closed)
        return found

    # --- records --------------------------------------------------------------------------------

    def prune(self, record: Record) -> Record:
        """Take what is not emitted out of a record.

        Args:
            record: The record as it came.

        Returns:
            What is emitted of it, in its order.
        """
        return record if self.is_whole else self._prune_object(record, self._root)

    def _prune_object(self, found: Mapping[str, t.Any], place: _Place | None) -> Record:
        out: Record = {}
        for name, value in found.items():
            part = None if place is None else place.find(name)
            if self._hides(name, part):
                continue
            pruned = self._prune(value, part)
            if pruned is not WITHHELD:
                out[name] = pruned
        return out

    def _prune(self, value: t.Any, place: _Place | None) -> t.Any:  # noqa: ANN401 (JSON)
        if place is not None and place.named:
            return value
        if isinstance(value, dict):
            return self._prune_object(value, place)
        if isinstance(value, list):
            items = [self._prune(item, place) for item in value]
            return WITHHELD if any(item is WITHHELD for item in items) else items
        if place is None or not place.parts or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._prune_text(value, place)
        return self._withhold(place) if place.guarded else value

    def _prune_text(self, text: str, place: _Place) -> t.Any:  # noqa: ANN401 (JSON)
        """Look into a text that may be the JSON of what is expected in its place."""
        try:
            value = decode(text)
        except UNREADABLE:
            value = text
        if not isinstance(value, (dict, list)):
            return self._withhold(place) if place.guarded and text.strip() else text
        pruned = self._prune(value, place)
        if pruned is WITHHELD:
            return WITHHELD
        return text if pruned == value else encode(pruned).decode()

    def _withhold(self, place: _Place) -> object:
        self.withheld.add(place.name)
        return WITHHELD


def _is_container(schema: Schema) -> bool:
    return bool(schema.get("properties") or schema.get("items"))


def _content(schema: Schema) -> Schema:
    """Look through lists, at what they hold in the end."""
    while schema.get("items"):
        schema = schema["items"]
    return schema
