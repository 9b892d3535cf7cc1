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
from functools import lru_cache, partial

from commerce_taps.records.conform import UNREADABLE, decode, encode, kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from commerce_taps.records.columns import Schema
    from commerce_taps.records.conform import Record

Path = tuple[str, ...]
"""The names that lead to a field, through objects and arrays alike."""

_HIDE: t.Final = object()
"""The action for a field that is not emitted."""

_KEEP: t.Final = object()
"""The action for a field that is emitted with everything inside it."""

_JSON_BEGINS: t.Final = frozenset("{[ \t\n\r")
"""How a text begins that may be the JSON of an object or array."""

_NUMBERS: t.Final = frozenset({"boolean", "integer", "number"})
"""The types whose values hold no secret."""

_UNKNOWN: t.Final = object()
"""Stands for the action of a field that no record has had yet."""

_REMEMBERED: t.Final = 4096
"""How many actions are kept for one object: some objects have ids as field names."""

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
        actions: What to do with each field inside that a record has had.
    """

    __slots__ = ("actions", "declared", "folded", "guarded", "hidden", "name", "named", "parts")

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.hidden = self.named = self.guarded = False
        self.declared = schema.get("properties", {})
        self.parts: dict[str, _Field] = {}
        self.folded: dict[str, _Field] = {}
        self.actions: dict[str, t.Any] = {}

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


class _Plan(t.NamedTuple):
    """What is removed from an object that has declared fields only, each of its declared type.

    Attributes:
        hidden: The fields that are not emitted.
        inside: The fields that something may be removed from: the name, whether it is a text, which
            may be JSON, and what prunes the value.
    """

    hidden: list[str]
    inside: list[tuple[str, bool, Callable[[t.Any], t.Any]]]


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
        self._elsewhere: dict[str, t.Any] = {}
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

    def compile(self, schema: Schema) -> tuple[Schema, Callable[[Record], Record]]:
        """Compile what prunes the records that consist of declared fields, in few steps.

        Args:
            schema: JSON Schema of the records.

        Returns:
            The schema, closed and with any value for hidden fields, of the records that the second
            may prune; and a function that makes of these what `prune` makes of them.
        """
        schema, plan = self._plan(schema, self._root)
        if not any(plan):
            return schema, lambda record: record
        return schema, partial(self._prune_declared, plan=plan)

    def _plan(self, schema: Schema, field: _Field | None) -> tuple[Schema, _Plan]:
        """Plan what is removed from an object, or from the objects of an array."""
        if schema.get("items"):
            items, plan = self._plan(schema["items"], field)
            return {**schema, "items": items}, plan
        properties, plan = dict(schema["properties"]), _Plan([], [])
        for name, inner in properties.items():
            part = None if field is None else field.find(name)
            has_parts = part is not None and bool(part.parts)
            is_text = kinds(inner) == ["string"] and not has_parts
            prune: Callable[[t.Any], t.Any] | None = None
            if self._hides(name, part):
                properties[name] = {}
                plan.hidden.append(name)
            elif part is not None and part.named:
                continue
            elif _content(inner).get("properties"):
                around = field if field is not None and field.guarded else None
                properties[name], inside = self._plan(inner, part if has_parts else around)
                prune = partial(self._prune_declared, plan=inside) if any(inside) else None
            elif has_parts:
                prune = partial(self._prune, field=part)
            elif self._secrets and not _is_harmless(name, inner, field):
                prune = partial(self._prune_other, name, field=field)
            if prune is not None:
                plan.inside.append((name, is_text, prune))
        return {**schema, "properties": properties}, plan

    def _prune_declared(self, value: t.Any, plan: _Plan) -> t.Any:  # noqa: ANN401 (JSON)
        """Prune an object, array or null that is of its declared type."""
        if value.__class__ is list:
            return [self._prune_declared(item, plan) for item in value]
        if value is None:
            return None
        out = dict(value)
        for name in plan.hidden:
            out.pop(name, None)
        for name, is_text, prune in plan.inside:
            found = value.get(name)
            if found is None or (is_text and found[:1] not in _JSON_BEGINS):
                continue
            found = prune(found)
            if found is WITHHELD:
                del out[name]
            else:
                out[name] = found
        return out

    def prune(self, record: Record) -> Record:
        """Remove the fields that are not emitted from a record; the others keep their order.

        Args:
            record: The record. It is not changed, nor is any object inside it.

        Returns:
            A copy of what changes; an object without such fields is returned as it is.
        """
        return record if self.is_whole else self._prune_object(record, self._root)

    def _prune_object(self, found: Record, field: _Field | None) -> Record:
        actions = self._elsewhere if field is None else field.actions
        out, get, pruned = found, actions.get, t.cast("t.Any", None)
        for name, value in found.items():
            action = get(name, _UNKNOWN)
            if action is _UNKNOWN:
                action = self._action(name, field, actions)
            if action is None:
                kind = value.__class__
                if (
                    value[:1] not in _JSON_BEGINS
                    if kind is str
                    else kind is not dict and kind is not list
                ):
                    continue
                pruned = self._prune_other(name, value, field)
            elif action is _KEEP:
                continue
            else:
                pruned = WITHHELD if action is _HIDE else self._prune(value, action)
            if pruned is not value:
                out = dict(found) if out is found else out
                if pruned is WITHHELD:
                    del out[name]
                else:
                    out[name] = pruned
        return out

    def _prune_other(self, name: str, value: t.Any, field: _Field | None) -> t.Any:  # noqa: ANN401
        """Prune a value in which nothing but secrets is removed."""
        is_declared = field is not None and name in field.declared
        if not self._secrets or (is_declared and value.__class__ is str):
            return value  # a declared text is no object
        # An object may have, by their ids, the items of a list that the schema declares.
        return self._prune_inside(value, field if field is not None and field.guarded else None)

    def _action(self, name: str, field: _Field | None, actions: dict[str, t.Any]) -> t.Any:  # noqa: ANN401
        """Choose what to do with a field, and remember it.

        Returns:
            `_HIDE`, `_KEEP`, the `_Field` to prune by, or `None` if only secrets are removed.
        """
        part = None if field is None else field.find(name)
        action: object = None
        if self._hides(name, part):
            action = _HIDE
        elif part is not None and part.named:
            action = _KEEP
        elif part is not None and part.parts:
            action = part
        if len(actions) < _REMEMBERED:
            actions[name] = action
        return action

    def _prune(self, value: t.Any, field: _Field | None) -> t.Any:  # noqa: ANN401 (JSON)
        """Prune a value in the place of a field: in that of a guarded one it may be the secret."""
        if field is None or not field.guarded or value is None or value.__class__ is bool:
            return self._prune_inside(value, field)
        if value.__class__ is list:
            return _prune_items(value, lambda item: self._prune(item, field))
        if value.__class__ is str:
            pruned = self._prune_text(value, field)
            return self._withhold(field) if pruned is None and value.strip() else pruned or value
        return (
            self._prune_object(value, field) if value.__class__ is dict else self._withhold(field)
        )

    def _prune_inside(self, value: t.Any, field: _Field | None) -> t.Any:  # noqa: ANN401 (JSON)
        """Prune a value where plain strings and numbers are no secrets."""
        if value.__class__ is dict:
            return self._prune_object(value, field)
        if value.__class__ is list:
            return _prune_items(value, lambda item: self._prune_inside(item, field))
        pruned = self._prune_text(value, field) if value.__class__ is str else None
        return value if pruned is None else pruned

    def _prune_text(self, text: str, field: _Field | None) -> t.Any:  # noqa: ANN401 (JSON)
        """Prune a string that is the JSON of an object or array; `None` for any other."""
        if text.lstrip()[:1] not in {"{", "["}:
            return None
        try:
            value = decode(text)
        except UNREADABLE:
            return None
        pruned = self._prune(value, field)
        if pruned is WITHHELD:
            return WITHHELD
        return text if pruned == value else encode(pruned).decode()

    def _withhold(self, field: _Field) -> object:
        self.withheld.add(field.name)
        return WITHHELD


def _prune_items(found: list[t.Any], prune: Callable[[t.Any], t.Any]) -> t.Any:  # noqa: ANN401
    """Prune the items of an array; it is withheld as a whole if one of them is."""
    items = found
    for index, item in enumerate(found):
        pruned = prune(item)
        if pruned is WITHHELD:
            return WITHHELD
        if pruned is not item:
            items = list(found) if items is found else items
            items[index] = pruned
    return items


def _is_harmless(name: str, schema: Schema, field: _Field | None) -> bool:
    """Whether a field's declared type leaves no room for a secret inside."""
    if kinds(schema) == ["string"]:
        return field is not None and name in field.declared
    return bool(kinds(_content(schema))) and _NUMBERS.issuperset(kinds(_content(schema)))


def _is_container(schema: Schema) -> bool:
    return bool(schema.get("properties") or schema.get("items"))


def _content(schema: Schema) -> Schema:
    """Return the schema of the items of arrays, however deep; any other schema itself."""
    while schema.get("items"):
        schema = schema["items"]
    return schema
