"""The slow path: fits decoded values to their schemas, with one compiled function per column.

A value that is not valid against its column's schema is never coerced and never dropped: it moves
to a variant of the column, `<name>__v_<type>`.
"""

from __future__ import annotations

import math
import re
import typing as t
from datetime import date
from decimal import Decimal

import msgspec

from commerce_taps.records import dates
from commerce_taps.records.columns import INT64, json_type

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container

    from commerce_taps.records.columns import Schema

Record = dict[str, t.Any]

INVALID: t.Final = object()
"""Stands for a value that is not valid against its schema."""

_DATE: t.Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

UNREADABLE: t.Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors that decoding raises."""


def parse_number(text: str) -> Decimal | str:
    """Parse a JSON number that is not an integer.

    Args:
        text: The number as written in JSON.

    Returns:
        The number with all of its digits. The text itself if its exponent has more than 18 digits:
        neither Decimal nor any database can hold it.
    """
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_decode_any = msgspec.json.Decoder(float_hook=parse_number).decode
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes JSON. It keeps every digit of every number, as `decode` does."""


def decode(raw: msgspec.Raw | bytes | str) -> t.Any:  # noqa: ANN401 (JSON)
    """Decode JSON; its numbers keep every digit.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: It cannot be decoded.
    """
    try:
        return _decode(raw)
    except ArithmeticError:  # a number that no Decimal holds
        return _decode_any(raw)


def decode_object(raw: msgspec.Raw | bytes) -> Record:
    """Decode an object, its values included (`envelope.open_object` leaves them raw).

    Args:
        raw: A value of any type.

    Returns:
        Its fields; none if the value is not an object or cannot be decoded. This is no error here:
        `Shape.conform` reports it when the record is emitted.
    """
    try:
        record = decode(raw)
    except UNREADABLE:
        return {}
    return record if isinstance(record, dict) else {}


def variant(name: str, value: object) -> str:
    """Name the variant of a column that takes a value of another type.

    Args:
        name: The column that the value does not fit.
        value: The value.

    Returns:
        For example `total__v_string`.
    """
    return f"{name}__v_{json_type(value)}"


def unused_variant(name: str, value: object, *used: Container[str]) -> str:
    """Name the first variant of a column that is not in use.

    Args:
        name: The column that the value does not fit.
        value: The value.
        used: Names that are in use.

    Returns:
        The `variant` of the name, or the variant of that, and so on.
    """
    name = variant(name, value)
    while any(name in names for names in used):
        name = variant(name, value)
    return name


def kinds(schema: Schema) -> list[str]:
    """List the types of a property, except null.

    Args:
        schema: The property's schema.

    Returns:
        Names of JSON types; none if the schema declares no type.
    """
    declared = schema.get("type", [])
    names = [declared] if isinstance(declared, str) else declared
    return [name for name in names if name != "null"]


def compile_value(schema: Schema) -> Callable[[t.Any], t.Any]:
    """Compile a function that fits a decoded value to its schema.

    Args:
        schema: A property's schema; any value fits one without a type.

    Returns:
        A function from a value to the value to emit, or to `INVALID`. Unknown keys of objects stay;
        a value inside an object that does not fit moves to a key `<name>__v_<type>` of the object.
    """
    if "type" not in schema:
        return lambda value: value
    fit, *others = [_compile_kind(kind, schema) for kind in kinds(schema)] or [_never]
    null = None if "null" in schema["type"] else INVALID
    if not others:
        return lambda value: null if value is None else fit(value)

    def fit_any(value: object) -> t.Any:  # noqa: ANN401
        if value is None:
            return null
        fitted = (each(value) for each in (fit, *others))
        return next((one for one in fitted if one is not INVALID), INVALID)

    return fit_any


def _never(_: object) -> t.Any:  # noqa: ANN401
    return INVALID


def _compile_kind(kind: str, schema: Schema) -> Callable[[t.Any], t.Any]:
    if kind == "object" and schema.get("properties"):
        return _compile_object(schema["properties"])
    if kind == "array" and schema.get("items"):
        return _compile_array(schema["items"])
    if kind == "string" and schema.get("format") == "date-time":
        return fit_timestamp
    if kind == "string" and schema.get("format") == "date":
        return fit_date
    if kind == "integer":
        return _compile_integer(schema)
    accepted = _ACCEPTED[kind]
    return lambda value: value if type(value) in accepted else INVALID


_ACCEPTED: t.Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float, Decimal),
    "object": (dict,),
    "array": (list,),
}


def fit_timestamp(value: object) -> t.Any:  # noqa: ANN401
    """Write a timestamp in the canonical form; `INVALID` for any other value."""
    try:
        return dates.normalize(value) if isinstance(value, str) else INVALID
    except ValueError:
        return INVALID


def fit_date(value: object) -> t.Any:  # noqa: ANN401
    """Return a date as it is; `INVALID` for any other value."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return INVALID
    try:
        date.fromisoformat(value)
    except ValueError:
        return INVALID
    return value


def _compile_integer(schema: Schema) -> Callable[[t.Any], t.Any]:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)

    def fit(value: t.Any) -> t.Any:  # noqa: ANN401
        if type(value) not in _ACCEPTED["number"]:
            return INVALID
        if isinstance(value, Decimal):
            # To JSON Schema 1.0 is an integer; to the validators of targets it is not.
            if not INT64["minimum"] <= value <= INT64["maximum"] or value != int(value):
                return INVALID
            value = int(value)
        return value if low <= value <= high else INVALID

    return fit


def _compile_object(properties: Schema) -> Callable[[t.Any], t.Any]:
    functions = {name: compile_value(schema) for name, schema in properties.items()}

    def fit(value: object) -> t.Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return INVALID
        out: Record = {}
        for name, item in value.items():
            function = functions.get(name)
            fitted = item if function is None else function(item)
            if fitted is not INVALID:
                out[name] = fitted
                continue
            if function is not None and function(None) is None:
                out[name] = None
            if item is not None:
                out[unused_variant(name, item, value, out, functions)] = item
        return out

    return fit


def _compile_array(items: Schema) -> Callable[[t.Any], t.Any]:
    function = compile_value(items)

    def fit(value: object) -> t.Any:  # noqa: ANN401
        if not isinstance(value, list):
            return INVALID
        fitted = [function(item) for item in value]
        return INVALID if any(item is INVALID for item in fitted) else fitted

    return fit
