"""Selects the fields of records that are emitted. No other module removes any.

A field is identified by its path and its name. Names are compared as loaders do: they put `apiKey`,
`API_KEY` and `api_key__v_string` in the same column as `api_key`, so all are selected alike. A path
is the same through an object, an array of objects, and an object encoded as a JSON string.

A secret is withheld wherever its name occurs in the stream's records. Where the schema has an
object with a secret inside, a string or number may be the secret itself, and is withheld too.
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
"""The names that lead to a field, through objects and arrays alike."""

WITHHELD: t.Final = object()
"""Stands for a value that is withheld because it may hold a secret."""

_VARIANT: t.Final = re.compile(
    r"(__v_(string|boolean|integer|number|array|object))+\Z", re.IGNORECASE
)
_SIGNS: t.Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=8192)
def fold(name: str) -> str:
    """Reduce a field's name to the part by which loaders distinguish columns.

    Args:
        name: The name of a field or of a variant.

    Returns:
        Its letters and digits in lower case; the name itself if it has none.
    """
    plain = _VARIANT.sub("", name)
    return _SIGNS.sub("", plain).lower() or plain


def path_of(breadcrumb: Iterable[str]) -> Path:
    """Convert a catalog's breadcrumb to a path.

    Args:
        breadcrumb: `properties` before each name, and `items` for each array.

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
    """Convert a path to a catalog's breadcrumb, without `items` for arrays."""
    return tuple(crumb for name in path for crumb in ("properties", name))


class _Field:
    """A field that is not emitted, or not in full.

    Attributes:
        name: The path, with dots.
        hidden: Whether it is not emitted at all.
        named: Whether it is a secret that the user includes.
        guarded: Whether a withheld secret is inside.
        declared: The fields inside that the schema declares.
        parts: The fields inside that are not emitted in full, by name.
        folded: The same by folded name.
    """

    __slots__ = ("declared", "folded", "guarded", "hidden", "name", "named", "parts")

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.hidden = self.named = self.guarded = False
        self.declared = schema.get("properties", {})
        self.parts: dict[str, _Field] = {}
        self.folded: dict[str, _Field] = {}

    def find(self, name: str) -> _Field | None:
        """Find a part by any name that loaders treat as its name."""
        found = self.parts.get(name)
        if found is None and name not in self.declared:
            found = self.folded.get(fold(name))
        return found

    def enter(self, name: str) -> _Field:
        """Return the part of this name; add it if there is none."""
        part = self.parts.get(name)
        if part is None:
            schema = _content(self.declared.get(name, {}))
            part = _Field(f"{self.name}.{name}" if self.name else name, schema)
            self.parts[name] = part
            self.folded.setdefault(fold(name), part)
        return part


class Selection:
    """The fields of a stream's records that are emitted.

    Attributes:
        withheld: Paths, with dots, where a value was withheld because it may hold a secret.
        is_whole: Whether everything is emitted.
        is_deep: Whether fields inside objects have to be removed.
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
            named: Secrets that are emitted because the user names them.
        """
        self.withheld: set[str] = set()
        self._root = _Field("", schema)
        self._secrets = {fold(path[-1]) for path in secrets if path not in named}
        for path in named:
            self._enter(path)[-1].named = True
        for path in deselected:
            self._enter(path)[-1].hidden = True
        for path in secrets:
            if path not in named:
                *parents, field = self._enter(path)
                field.hidden = True
                for parent in parents:
                    parent.guarded = True
        self.is_whole = not self._root.parts
        self.is_deep = bool(self._secrets) or any(
            not part.hidden and part.parts for part in self._root.parts.values()
        )

    def _enter(self, path: Path) -> list[_Field]:
        """List the fields along a path, the outermost first."""
        fields, field = [], self._root
        for name in path:
            field = field.enter(name)
            fields.append(field)
        return fields

    def _hides(self, name: str, field: _Field | None) -> bool:
        if field is not None and (field.hidden or field.named):
            return field.hidden
        return fold(name) in self._secrets

    def hides(self, name: str) -> bool:
        """Check whether a top-level field, known or not, is left out."""
        return self._hides(name, self._root.find(name))

    # --- schemas --------------------------------------------------------------------------------

    def schema(self, schema: Schema) -> Schema:
        """Remove the fields that are not emitted from a schema of the records."""
        return schema if self.is_whole else self._schema(schema, self._root)

    def closed_schema(self, schema: Schema) -> Schema:
        """Return the schema of records that have nothing to remove.

        Args:
            schema: JSON Schema of the records.

        Returns:
            The schema of what is emitted; a field with hidden parts may only be an object or null.
        """
        return schema if self.is_whole else self._schema(schema, self._root, closed=True)

    def _schema(self, schema: Schema, field: _Field | None, *, closed: bool = False) -> Schema:
        if field is not None and field.named:
            return schema
        if closed and field is not None and field.parts and not _is_container(schema):
            return {"type": ["null"]}
        found = dict(schema)
        if "properties" in schema:
            found["properties"] = {
                name: self._schema(inner, part, closed=closed)
                for name, inner in schema["properties"].items()
                for part in [None if field is None else field.find(name)]
                if not self._hides(name, part)
            }
        if schema.get("items"):
            found["items"] = self._schema(schema["items"], field, closed=closed)
        return found

    # --- records --------------------------------------------------------------------------------

    def prune(self, record: Record) -> Record:
        """Remove the fields that are not emitted from a record; the others keep their order."""
        return record if self.is_whole else self._prune_object(record, self._root)

    def _prune_object(self, found: Mapping[str, t.Any], field: _Field | None) -> Record:
        out: Record = {}
        for name, value in found.items():
            part = None if field is None else field.find(name)
            if self._hides(name, part):
                continue
            pruned = self._prune(value, part)
            if pruned is not WITHHELD:
                out[name] = pruned
        return out

    def _prune(self, value: t.Any, field: _Field | None) -> t.Any:  # noqa: ANN401 (JSON)
        if field is not None and field.named:
            return value
        if isinstance(value, dict):
            return self._prune_object(value, field)
        if isinstance(value, list):
            items = [self._prune(item, field) for item in value]
            return WITHHELD if any(item is WITHHELD for item in items) else items
        if field is None or not field.parts or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._prune_text(value, field)
        return self._withhold(field) if field.guarded else value

    def _prune_text(self, text: str, field: _Field) -> t.Any:  # noqa: ANN401 (JSON)
        """Prune a string that may be the JSON of the object that the schema declares."""
        try:
            value = decode(text)
        except UNREADABLE:
            value = text
        if not isinstance(value, (dict, list)):
            return self._withhold(field) if field.guarded and text.strip() else text
        pruned = self._prune(value, field)
        if pruned is WITHHELD:
            return WITHHELD
        return text if pruned == value else encode(pruned).decode()

    def _withhold(self, field: _Field) -> object:
        self.withheld.add(field.name)
        return WITHHELD


def _is_container(schema: Schema) -> bool:
    return bool(schema.get("properties") or schema.get("items"))


def _content(schema: Schema) -> Schema:
    """Return the schema of the items of arrays, however deep; any other schema itself."""
    while schema.get("items"):
        schema = schema["items"]
    return schema
