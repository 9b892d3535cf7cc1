"""Normalizes decoded records: brings each value into the one form that its schema declares.

APIs that are written in PHP send one value in several forms: an id as a number or as text, a flag
as true, as 1 or as `"Y"`, an empty object as `[]`, a list as an object keyed by id. What was meant
follows from the column's schema. So a `Normalizer` compiles functions from schemas, once, and a
tap's rules say only what a schema cannot: which texts are flags, how a timestamp is written.

A value in none of these forms stays as it came: nothing is guessed, and every digit is kept.
"""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

import msgspec

from commerce_taps.records.conform import UNREADABLE, Record, decode, decode_object, kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from commerce_taps.records.columns import Schema

    Normalize = Callable[[t.Any], t.Any]
    Rule = Callable[[str, Schema], Normalize | None]

_INTEGER: t.Final = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
_CONTAINERS: t.Final[tuple[object, ...]] = (dict, list)
_REMEMBERED: t.Final = 4096
_NUMBER: t.Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)


class NormalizedRecord(msgspec.Struct):
    """A record that is rewritten: decoded once when it is received, encoded once when written.

    Attributes:
        values: The record's fields, normalized.
        digest: Sixteen bytes that tell the record, as sent, from every other record of its list.
    """

    values: Record
    digest: bytes = b""


AnyRecord = msgspec.Raw | NormalizedRecord
"""A record between the reader and the writer: the bytes of one that passes through, or of what is
no object; else its decoded fields."""


def values_of(record: AnyRecord) -> Record:
    """Give the fields of a record.

    Args:
        record: The record.

    Returns:
        Its fields; none for what is no object.
    """
    return record.values if isinstance(record, NormalizedRecord) else decode_object(record)


def integer(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Normalize an integer that may be sent as text.

    Args:
        value: A JSON value.

    Returns:
        The integer; `None` for an empty text. A text with a leading zero, or with more digits than
        64 bits always hold, is an identifier: it stays as it came, as does any other value.
    """
    if value.__class__ is not str:
        return value
    return int(value) if _INTEGER.fullmatch(value) else value or None


def number(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Normalize a number that may be sent as text.

    Args:
        value: A JSON value.

    Returns:
        The number with all of its digits; `None` for an empty text; any other value as it came.
    """
    if value.__class__ is not str:
        return value
    return Decimal(value) if _NUMBER.fullmatch(value) else value or None


_OF_TEXTS: t.Final[tuple[object, ...]] = (integer, number)
"""The functions that leave whatever is no text as it came."""


class Normalizer:
    """Compiles what normalizes the records of one API's streams."""

    def __init__(
        self,
        rule: Rule,
        *,
        undeclared: Mapping[str, Schema] | None = None,
        opaque: Collection[str] = (),
    ) -> None:
        """Compile what normalizes fields by their names alone.

        Args:
            rule: Chooses what normalizes a column's values, by the column's name ("" for the
                entries of a list) and its schema; `None` if they stay as they came. Of a column of
                objects or lists, it converts what is none; what is inside is normalized after it.
            undeclared: Schemas of fields, by name, for where a record's own schema does not declare
                the field. Without it, such fields stay as they came.
            opaque: Names of objects whose fields stay as they came.
        """
        self._rule = rule
        self._opaque = opaque
        self._walks = undeclared is not None
        self._remembered: dict[Normalize, _Texts] = {}
        self._named: dict[str, Normalize] = {}
        for name, schema in (undeclared or {}).items():
            function = self._compile(name, _without_fields(schema))
            if function is not None:
                self._named[name] = function
        self._by_name = self._object(self._named, None)

    def compile(self, schema: Schema) -> Callable[[bytes], Record | None]:
        """Compile the function that decodes and normalizes a record.

        Args:
            schema: JSON Schema of the records.

        Returns:
            A function from the bytes of a record to its fields; to `None` where the bytes are no
            object. A field that is nested too deeply to be normalized stays as it came.
        """
        fields = self._object(self._functions(schema), None)

        def normalize(raw: bytes) -> Record | None:
            try:
                record = decode(raw)
            except UNREADABLE:
                return None
            if not isinstance(record, dict):
                return None
            try:
                return t.cast("Record", fields(record))
            except RecursionError:
                return {name: _reached(name, raw, fields) for name in record}

        return normalize

    def _compile(self, name: str, schema: Schema) -> Normalize | None:
        """Compile what normalizes the values of a column; `None` if they stay as they came."""
        convert, kind = self._rule(name, schema), next(iter(kinds(schema)), "")
        if name in self._opaque or kind not in {"object", "array"}:
            return convert
        if kind == "object" and schema.get("properties"):
            return self._object(self._functions(schema), convert)
        if kind == "object":
            return self._open_object(convert)
        return self._list(self._compile("", schema.get("items", {})), convert)

    def _functions(self, schema: Schema) -> dict[str, Normalize]:
        """Compile what normalizes each field of an object."""
        declared = schema.get("properties", {})
        found = {
            **self._named,
            **{name: self._compile(name, one) for name, one in declared.items()},
        }
        return {name: function for name, function in found.items() if function is not None}

    def _object(self, functions: Mapping[str, Normalize], convert: Normalize | None) -> Normalize:
        """Compile what normalizes an object in place, whose values are mostly texts."""
        texts = {name: self._texts(function) for name, function in functions.items()}
        others = {name: None if one in _OF_TEXTS else one for name, one in functions.items()}
        find, find_texts, walk = others.get, texts.get, self._walk

        def normalize(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
            if value.__class__ is not dict:
                value = value if convert is None else convert(value)
                if value.__class__ is not dict:
                    return walk(value)
            for name, item in value.items():
                if item.__class__ is str:
                    known = find_texts(name)
                    if known is not None:
                        value[name] = known[item]
                    continue
                function = find(name, walk)
                if function is walk:
                    if item.__class__ in _CONTAINERS:
                        walk(item)
                elif function is not None:
                    value[name] = function(item)
            return value

        return normalize

    def _open_object(self, convert: Normalize | None) -> Normalize:
        """Compile what normalizes an object whose fields are not declared."""
        walk = self._walk
        if convert is None:
            return walk
        return lambda value: walk(value if value.__class__ is dict else convert(value))

    def _list(self, function: Normalize | None, convert: Normalize | None) -> Normalize:
        """Compile what normalizes a list."""
        walk = self._walk

        def normalize(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
            if value.__class__ is not list and convert is not None:
                value = convert(value)
            if value.__class__ is not list or function is None:
                return walk(value)
            return [function(item) for item in value]

        return normalize

    def _texts(self, function: Normalize) -> _Texts:
        """Remember what texts become, for all columns that one function normalizes."""
        return self._remembered.setdefault(function, _Texts(function))

    def _walk(self, value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
        """Normalize, in place, what no schema declares: each field by its name."""
        if self._walks and value.__class__ is dict:
            return self._by_name(value)
        if self._walks and value.__class__ is list:
            for item in value:
                if item.__class__ in _CONTAINERS:
                    self._walk(item)
        return value


class _Texts(dict[str, t.Any]):
    """What texts become, remembered as far as there is room: few texts make up most of a list."""

    def __init__(self, function: Normalize) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> t.Any:  # noqa: ANN401 (JSON)
        found = self._function(text)
        if found.__class__ not in _CONTAINERS:  # those are changed later
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = found
        return found


def _without_fields(schema: Schema) -> Schema:
    """Reduce a schema to the value itself: what is inside is known by its names."""
    found = {key: schema[key] for key in ("type", "format") if key in schema}
    return found | ({"items": _without_fields(schema["items"])} if schema.get("items") else {})


def _reached(name: str, raw: bytes, normalize: Normalize) -> t.Any:  # noqa: ANN401 (JSON)
    """Normalize one field of a record, unless it is nested too deeply."""
    try:
        return normalize({name: decode(raw)[name]})[name]
    except RecursionError:
        return decode(raw)[name]
