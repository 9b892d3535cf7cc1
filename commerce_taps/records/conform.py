"""The careful way of shaping a record: one compiled function a value, for what is not as declared.

A value that is not of its column's type is never coerced and never dropped: it moves to a column
of its own, `<name>__v_<type>`.
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

MISFIT: t.Final = object()
"""Stands for a value that is not of the type its schema declares."""

_DATE: t.Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

UNREADABLE: t.Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""


def number(text: str) -> Decimal | str:
    """Read a number that is no integer.

    Args:
        text: As it stands in JSON.

    Returns:
        The number with all of its digits; the text where its exponent has more than 18 digits,
        which no Decimal has, nor any database.
    """
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


decode = msgspec.json.Decoder(float_hook=number).decode
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Keep every digit of every number."""


def decode_object(raw: msgspec.Raw | bytes) -> Record:
    """Decode an object. `records.open_object` leaves its values raw.

    Args:
        raw: A value of any type.

    Returns:
        Its fields; none for what is no object or cannot be decoded, which is for whoever emits it
        to name.
    """
    try:
        record = decode(raw)
    except UNREADABLE:
        return {}
    return record if isinstance(record, dict) else {}


def variant(name: str, value: object) -> str:
    """Name the column for a value that does not fit its own.

    Args:
        name: The column it does not fit.
        value: The value.

    Returns:
        For example `total__v_string`.
    """
    return f"{name}__v_{json_type(value)}"


def spare(name: str, value: object, *taken: Container[str]) -> str:
    """Name the column for a value that does not fit its own and must not replace another.

    Args:
        name: The column it does not fit.
        value: The value.
        taken: Names that are in use.

    Returns:
        The first free name among the `variant` of the name, the variant of that, and so on.
    """
    name = variant(name, value)
    while any(name in names for names in taken):
        name = variant(name, value)
    return name


def kinds(schema: Schema) -> list[str]:
    """List the types of a property besides null.

    Args:
        schema: The property's schema.

    Returns:
        Names of JSON types; none for an open schema.
    """
    declared = schema.get("type", [])
    names = [declared] if isinstance(declared, str) else declared
    return [name for name in names if name != "null"]


def compile_value(schema: Schema) -> Callable[[t.Any], t.Any]:
    """Compile the function that fits a decoded value to its schema.

    Args:
        schema: A property's schema; without a type, anything fits.

    Returns:
        A function from a value to the value to emit, or to `MISFIT`. Unknown keys of objects are
        kept; a value inside an object that does not fit moves to a key `<name>__v_<type>` there.
    """
    if "type" not in schema:
        return lambda value: value
    fit, *others = [_compile_kind(kind, schema) for kind in kinds(schema)] or [_never]
    null = None if "null" in schema["type"] else MISFIT
    if not others:
        return lambda value: null if value is None else fit(value)

    def fit_any(value: object) -> t.Any:  # noqa: ANN401
        if value is None:
            return null
        return next(
            (o for o in (each(value) for each in (fit, *others)) if o is not MISFIT), MISFIT
        )

    return fit_any


def _never(_: object) -> t.Any:  # noqa: ANN401
    return MISFIT


def _compile_kind(kind: str, schema: Schema) -> Callable[[t.Any], t.Any]:
    if kind == "object" and schema.get("properties"):
        return _compile_object(schema["properties"])
    if kind == "array" and schema.get("items"):
        return _compile_array(schema["items"])
    if kind == "string" and schema.get("format") == "date-time":
        return _fit_timestamp
    if kind == "string" and schema.get("format") == "date":
        return _fit_date
    if kind == "integer":
        return _compile_integer(schema)
    accepted = _ACCEPTED[kind]
    return lambda value: value if type(value) in accepted else MISFIT


_ACCEPTED: t.Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float, Decimal),
    "object": (dict,),
    "array": (list,),
}


def _fit_timestamp(value: object) -> t.Any:  # noqa: ANN401
    try:
        return dates.normalise(value) if isinstance(value, str) else MISFIT
    except ValueError:
        return MISFIT


def _fit_date(value: object) -> t.Any:  # noqa: ANN401
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return MISFIT
    try:
        date.fromisoformat(value)
    except ValueError:
        return MISFIT
    return value


def _compile_integer(schema: Schema) -> Callable[[t.Any], t.Any]:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)

    def fit(value: t.Any) -> t.Any:  # noqa: ANN401
        if type(value) not in _ACCEPTED["number"]:
            return MISFIT
        if isinstance(value, Decimal):
            # JSON Schema counts 1.0 as an integer; what targets check it with does not.
            if not INT64["minimum"] <= value <= INT64["maximum"] or value != int(value):
                return MISFIT
            value = int(value)
        return value if low <= value <= high else MISFIT

    return fit


def _compile_object(properties: Schema) -> Callable[[t.Any], t.Any]:
    functions = {name: compile_value(schema) for name, schema in properties.items()}

    def fit(value: object) -> t.Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return MISFIT
        out: Record = {}
        for name, item in value.items():
            function = functions.get(name)
            fitted = item if function is None else function(item)
            if fitted is not MISFIT:
                out[name] = fitted
                continue
            if function is not None and function(None) is None:
                out[name] = None
            if item is not None:
                out[spare(name, item, value, out, functions)] = item
        return out

    return fit


def _compile_array(items: Schema) -> Callable[[t.Any], t.Any]:
    function = compile_value(items)

    def fit(value: object) -> t.Any:  # noqa: ANN401
        if not isinstance(value, list):
            return MISFIT
        fitted = [function(item) for item in value]
        return MISFIT if any(item is MISFIT for item in fitted) else fitted

    return fit
