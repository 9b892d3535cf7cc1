"""Chooses a column for a JSON Schema, and converts JSON values to values of the column.

A column's kind decides how its values are decoded and checked; its type is the type in the table.
Nothing is rounded or truncated silently: if a DOUBLE or a TIMESTAMP cannot hold a value exactly,
its text is kept as well, in the overflow column `<name>__digits` or `<name>__text`. Keys are
compared, so such a value is rejected in a key.

| Kind | Values | Type |
| --- | --- | --- |
| text | strings | VARCHAR |
| boolean | true, false | BOOLEAN |
| integer | whole numbers | BIGINT, HUGEINT |
| number | numbers | DOUBLE |
| decimal | numbers | DECIMAL(p,s) |
| timestamp, date, time | strings of that form | TIMESTAMP in UTC, DATE, TIME |
| json | all | JSON |
| token | numbers, true, false, as written | VARCHAR, if the table already has it |
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation

import msgspec

from target_duckdb.errors import InvalidValue

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Overflow: t.TypeAlias = "dict[int, str]"
"""The texts of values that a column cannot hold exactly, by their index."""

HUGEINT: t.Final = 1 << 127
NULL: t.Final = msgspec.Raw(b"null")
SAFE_DIGITS: t.Final = 15
"""A DOUBLE holds every number of up to 15 digits exactly."""

TYPES: t.Final = {
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "time": "TIME",
    "json": "JSON",
}
FORMATS: t.Final = {"date-time": "timestamp", "date": "date", "time": "time"}
INTEGERS: t.Final = frozenset(
    ["TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"]
)
COMPATIBLE: t.Final = {("integer", "HUGEINT"), ("date", "TIMESTAMP")}
"""Kinds, and types that hold their values besides the one in TYPES."""

DECIMAL: t.Final = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def fold(name: str) -> bytes:
    """Fold a name: DuckDB treats names with the same result as the same."""
    return name.encode().lower()  # bytes.lower() changes ASCII only, as DuckDB does


@dataclass(frozen=True)
class Column:
    """A column of a stream.

    Attributes:
        name: Its name.
        kind: How its values are decoded and checked.
        type: Its type in the table.
        is_key: Whether it is part of the key.
    """

    name: str
    kind: str
    type: str
    is_key: bool = False

    @property
    def decoded_type(self) -> t.Any:  # noqa: ANN401
        """The type as which msgspec decodes a value."""
        kinds: dict[str, t.Any] = {"boolean": bool, "integer": int | float}  # 1.0 is an integer
        kinds |= dict.fromkeys(["text", "timestamp", "date", "time"], str)
        decoded = kinds.get(self.kind, msgspec.Raw)
        return decoded if self.is_key or decoded is msgspec.Raw else decoded | None

    @property
    def overflow_name(self) -> str:
        """The name of the column for texts of values that this one cannot hold exactly."""
        return f"{self.name}__{'digits' if self.kind == 'number' else 'text'}"

    def convert(self, values: Sequence[t.Any]) -> tuple[Sequence[t.Any], Overflow]:
        """Check decoded values, and convert them for DuckDB.

        Args:
            values: The values as msgspec decoded them.

        Returns:
            Strings, numbers and booleans; and the texts of those that are not exact.

        Raises:
            Misfit: A value does not fit.
        """
        overflow: Overflow = {}
        converter = CONVERTERS.get(self.kind)
        if converter is not None:
            values, overflow = converter(self, values)
        if self.is_key:
            for number, value in enumerate(values):
                if number in overflow:
                    raise InvalidValue(number, f"a key that {self.type} cannot hold exactly")
                if value is None:
                    raise InvalidValue(number, "null")
        return values, overflow


def choose_column(
    name: str, schema: object, *, is_key: bool = False, number_type: str = "DOUBLE"
) -> Column:
    """Choose the column for a property.

    Args:
        name: The property's name.
        schema: Its JSON Schema.
        is_key: Whether it is part of the key.
        number_type: The type for numbers: DOUBLE or DECIMAL(p,s).

    Returns:
        The column, with the type for a new table.
    """
    kinds = _kinds(schema)
    if len(kinds) == 1:
        (kind,) = kinds
    elif kinds == {"integer", "number"}:
        kind = "number"
    else:
        kind = "text" if kinds and kinds <= {"text", *FORMATS.values()} else "json"
    if kind == "number" and number_type != "DOUBLE":
        return Column(name, "decimal", number_type, is_key)
    return Column(name, kind, TYPES[kind], is_key)


def _kinds(schema: object) -> set[str]:
    """List the kinds of values that a JSON Schema allows, except null."""
    if not isinstance(schema, dict):
        return {"json"}
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list) and schema[word]:
            return {kind for one in schema[word] for kind in _kinds(one)}
    types = schema.get("type")
    found = set()
    for one in [types] if isinstance(types, str) else types if isinstance(types, list) else [""]:
        if one == "string":
            found.add(FORMATS.get(str(schema.get("format")), "text"))
        elif one != "null":
            found.add(one if one in ("boolean", "integer", "number") else "json")
    if not found:
        return set() if types in ("null", ["null"]) else {"json"}
    return found


def fit(wanted: Column, existing: str) -> Column | None:
    """Fit a column to the type that the table already has.

    Args:
        wanted: The column for its SCHEMA.
        existing: The type in the table.

    Returns:
        The column with the existing type; `None` if the table has to change.
    """
    kind = wanted.kind
    if existing == wanted.type or (kind, existing) in COMPATIBLE:
        return replace(wanted, type=existing)
    if existing == "JSON":
        return replace(wanted, kind="json", type=existing)
    if existing == "VARCHAR" and kind != "json":
        kind = "token" if kind in ("boolean", "integer", "number", "decimal") else "text"
        return replace(wanted, kind=kind, type=existing)
    if kind == "integer" and existing == "DOUBLE":
        kind = "number"
    elif DECIMAL.fullmatch(existing) and kind in ("integer", "number"):
        kind = "decimal"
    elif not (existing.startswith("TIMESTAMP") and kind == "timestamp"):
        return None
    return replace(wanted, kind=kind, type=existing)


def widens(wanted: Column, existing: str) -> bool:
    """Check whether an existing type may be changed to the wanted one if no value is lost."""
    is_number = existing in INTEGERS or existing in ("BIGINT", "HUGEINT", "DOUBLE", "FLOAT")
    is_number = is_number or DECIMAL.fullmatch(existing) is not None
    return (
        wanted.kind in ("text", "json")
        or (is_number and wanted.kind in ("number", "decimal"))
        or (existing in INTEGERS and wanted.kind == "integer")
        or (existing == "DATE" and wanted.kind == "timestamp")
    )


def json_kind(raw: bytes | memoryview) -> str:
    """Name the type of a JSON value for a message."""
    first = bytes(raw[:1])
    names = {b'"': "a string", b"{": "an object", b"[": "an array", b"n": "null"}
    names |= dict.fromkeys([b"t", b"f"], "true or false")
    return names.get(first, "a number")


# --- values -------------------------------------------------------------------------------------

Converted: t.TypeAlias = "tuple[Sequence[t.Any], Overflow]"


def _convert_integers(_: Column, values: Sequence[t.Any]) -> Converted:
    """Accept integers; as in JSON Schema, 1.0 and 1e3 are integers."""
    if set(map(type, values)) <= {int, type(None)}:
        whole = values
    else:
        whole = list(values)
        for number, value in enumerate(values):
            if isinstance(value, float):
                # Beyond these, several integers have the same float.
                if not value.is_integer() or abs(value) > 1 << 53:
                    raise InvalidValue(
                        number, "a number with a fraction, or a large one with an exponent"
                    )
                whole[number] = int(value)
    for number, value in enumerate(whole):
        if value is not None and not -HUGEINT <= value < HUGEINT:
            raise InvalidValue(number, "an integer beyond HUGEINT")
    return whole, {}


def _convert_numbers(_: Column, values: Sequence[t.Any]) -> Converted:
    """Convert numbers to floats, and keep the digits of those that are not exact."""
    texts = list(map(bytes, values))
    try:
        floats = [None if text == b"null" else float(text) for text in texts]
    except ValueError:
        raise _not_a_number(texts) from None
    overflow: Overflow = {}
    for number, text in enumerate(texts):
        if len(text) > SAFE_DIGITS or b"e" in text or b"E" in text:
            value = floats[number]
            if value is not None and not _is_exact(value, text.decode()):
                overflow[number] = text.decode()
                if value in (float("inf"), float("-inf")):
                    floats[number] = None
    return floats, overflow


def _is_exact(value: float, text: str) -> bool:
    """Check whether a float is exactly the number of a text."""
    try:
        return Decimal(repr(value)) == Decimal(text)
    except DecimalException:  # its exponent has twenty digits
        return False


def _convert_decimals(column: Column, values: Sequence[t.Any]) -> Converted:
    """Convert numbers to DECIMAL(p,s), exactly or not at all."""
    found = DECIMAL.fullmatch(column.type)
    precision, scale = map(int, found.groups()) if found else (18, 3)
    context = Context(prec=precision, traps=[Inexact, InvalidOperation])
    step = Decimal(1).scaleb(-scale)
    texts = list(map(bytes, values))
    fitted: list[str | None] = []
    for number, text in enumerate(texts):
        if text == b"null":
            fitted.append(None)
            continue
        if text[:1] not in b"-0123456789":
            raise _not_a_number(texts)
        try:
            fitted.append(format(Decimal(text.decode()).quantize(step, context=context), "f"))
        except DecimalException:
            reason = f"a number with more digits than {column.type} has"
            raise InvalidValue(number, reason) from None
    return fitted, {}


def _not_a_number(texts: Sequence[bytes]) -> InvalidValue:
    for number, text in enumerate(texts):
        if text != b"null" and text[:1] not in b"-0123456789":
            return InvalidValue(number, json_kind(text))
    raise AssertionError


def _convert_json(_: Column, values: Sequence[t.Any]) -> Converted:
    """Keep values as their JSON."""
    texts: list[str | None] = []
    for number, value in enumerate(values):
        try:
            text = str(value, "utf-8")
        except UnicodeDecodeError:
            raise InvalidValue(number, "bytes that are not UTF-8") from None
        texts.append(None if text == "null" else text)
    return texts, {}


def _convert_tokens(_: Column, values: Sequence[t.Any]) -> Converted:
    """Keep numbers, true and false as written."""
    texts = [str(value, "utf-8") for value in values]
    for number, text in enumerate(texts):
        if text[0] in '"{[':
            raise InvalidValue(number, json_kind(text[:1].encode()))
    return [None if text == "null" else text for text in texts], {}


DAY: t.Final = r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
CLOCK: t.Final = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
PLAIN: t.Final = {
    "timestamp": re.compile(rf"{DAY}[T ]{CLOCK}(?:Z|\+00:00)?", re.ASCII),
    "date": re.compile(DAY, re.ASCII),
    "time": re.compile(CLOCK, re.ASCII),
}
"""Texts that need no parsing: they are valid, and DuckDB reads them. All others are parsed."""

TIMESTAMP: t.Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?P<zone>[Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def _convert_dates(column: Column, values: Sequence[t.Any]) -> Converted:
    """Convert timestamps, dates or times, and keep the text of those that are not exact."""
    plain = PLAIN[column.kind].fullmatch
    odd = [number for number, text in enumerate(values) if text is not None and plain(text) is None]
    if not odd:
        return values, {}
    parsed = list(values)
    overflow: Overflow = {}
    for number in odd:
        parsed[number], is_exact = PARSERS[column.kind](values[number])
        if not is_exact:
            overflow[number] = values[number]
    return parsed, overflow


def parse_timestamp(text: str) -> tuple[str | None, bool]:
    """Parse a timestamp.

    Args:
        text: A timestamp, in UTC if it has no offset, or a date (its midnight).

    Returns:
        The timestamp in UTC to the microsecond, `None` if it is invalid; and whether it is exact.
    """
    found = TIMESTAMP.fullmatch(text)
    if found is None:
        return None, False
    fraction = found["fraction"] or ""
    zone = (found["zone"] or "Z").upper().replace("Z", "+00:00")
    zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        timestamp = datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00:00:00'}{zone}")
        timestamp = timestamp.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None, False
    parsed = timestamp.replace(tzinfo=None).isoformat()
    parsed = f"{parsed}.{fraction[:6]}" if fraction else parsed
    return parsed, not fraction[6:].strip("0")


def _parse_date(text: str) -> tuple[str | None, bool]:
    """Parse a date, or the date of a timestamp as written."""
    found = TIMESTAMP.fullmatch(text)
    try:
        day = None if found is None else date.fromisoformat(found["day"])
    except ValueError:
        day = None
    return (None, False) if day is None else (day.isoformat(), len(text) == len("2024-02-29"))


def _parse_time(_: str) -> tuple[str | None, bool]:
    """Reject a time in any other form."""
    return None, False


PARSERS: t.Final[Mapping[str, Callable[[str], tuple[str | None, bool]]]] = {
    "timestamp": parse_timestamp,
    "date": _parse_date,
    "time": _parse_time,
}

CONVERTERS: t.Final[Mapping[str, Callable[[Column, Sequence[t.Any]], Converted]]] = {
    "integer": _convert_integers,
    "number": _convert_numbers,
    "decimal": _convert_decimals,
    "json": _convert_json,
    "token": _convert_tokens,
    "timestamp": _convert_dates,
    "date": _convert_dates,
    "time": _convert_dates,
}
