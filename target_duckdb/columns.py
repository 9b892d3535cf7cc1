"""From a JSON Schema to a column, and from JSON values to what the column holds.

A column's kind is how its values are read and checked; its type is what the table has. Nothing is
rounded or cut without a trace: what a DOUBLE or a TIMESTAMP cannot hold whole is kept beside it
too, as the text that came, in the column `<name>__digits` or `<name>__text`. A key is compared,
so that there such a value is refused.

| Kind | Values | Type |
| --- | --- | --- |
| text | texts | VARCHAR |
| boolean | true, false | BOOLEAN |
| integer | whole numbers | BIGINT, HUGEINT |
| number | numbers | DOUBLE |
| decimal | numbers | DECIMAL(p,s) |
| timestamp, date, time | texts of that form | TIMESTAMP in UTC, DATE, TIME |
| json | everything | JSON |
| token | numbers, true, false as they were written | VARCHAR, if the table has that |
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation

import msgspec

from target_duckdb.errors import Misfit

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kept: t.TypeAlias = "dict[int, str]"
"""The texts of the values that a column cannot hold whole, by number."""

HUGEINT: t.Final = 1 << 127
NULL: t.Final = msgspec.Raw(b"null")
SAFE_DIGITS: t.Final = 15
"""Digits that a DOUBLE keeps, whichever they are."""

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
DECIMAL: t.Final = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def fold(name: str) -> bytes:
    """Give what two names have in common that DuckDB takes for the same."""
    return name.encode().lower()  # of bytes, this lowers ASCII alone, and so does DuckDB


@dataclass(frozen=True)
class Column:
    """A column of a stream.

    Attributes:
        name: Its name.
        kind: How its values are read.
        type: The type the table has for it.
        is_key: Whether it is part of the key.
    """

    name: str
    kind: str
    type: str
    is_key: bool = False

    @property
    def reads(self) -> t.Any:  # noqa: ANN401
        """What msgspec reads a value as."""
        kinds: dict[str, t.Any] = {"boolean": bool, "integer": int | float}  # 1.0 is an integer
        kinds |= dict.fromkeys(["text", "timestamp", "date", "time"], str)
        read = kinds.get(self.kind, msgspec.Raw)
        return read if self.is_key or read is msgspec.Raw else read | None

    @property
    def beside(self) -> str:
        """The name of the column that keeps what this one cannot hold whole."""
        return f"{self.name}__{'digits' if self.kind == 'number' else 'text'}"

    def convert(self, values: Sequence[t.Any]) -> tuple[Sequence[t.Any], Kept]:
        """Check values and make of them what DuckDB is given.

        Args:
            values: What msgspec has read.

        Returns:
            Texts, numbers and truth values; and the texts of those not held whole.

        Raises:
            Misfit: A value does not fit.
        """
        kept: Kept = {}
        converter = CONVERTERS.get(self.kind)
        if converter is not None:
            values, kept = converter(self, values)
        if self.is_key:
            for number, value in enumerate(values):
                if number in kept:
                    raise Misfit(number, f"a key that a {self.type} does not hold whole")
                if value is None:
                    raise Misfit(number, "null")
        return values, kept


def column(
    name: str, schema: object, *, is_key: bool = False, number_type: str = "DOUBLE"
) -> Column:
    """Choose the column for a property.

    Args:
        name: Its name.
        schema: Its JSON Schema.
        is_key: Whether it is part of the key.
        number_type: The type of its numbers: DOUBLE or DECIMAL(p,s).

    Returns:
        The column.
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
    """List the kinds of values a JSON Schema allows, null aside."""
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


def fit(wanted: Column, there: str) -> Column | None:
    """Fit a column to the type that the table has already.

    Args:
        wanted: The column as its SCHEMA wants it.
        there: The table's type.

    Returns:
        The column as the table keeps it, or nothing where the table's type must change.
    """
    kind = wanted.kind
    if there == wanted.type or (kind, there) in {("integer", "HUGEINT"), ("date", "TIMESTAMP")}:
        return replace(wanted, type=there)
    if there == "JSON":
        return replace(wanted, kind="json", type=there)
    if there == "VARCHAR" and kind != "json":
        kind = "token" if kind in ("boolean", "integer", "number", "decimal") else "text"
        return replace(wanted, kind=kind, type=there)
    if kind == "integer" and there == "DOUBLE":
        kind = "number"
    elif DECIMAL.fullmatch(there) and kind in ("integer", "number"):
        kind = "decimal"
    elif not (there.startswith("TIMESTAMP") and kind == "timestamp"):
        return None
    return replace(wanted, kind=kind, type=there)


def widens(wanted: Column, there: str) -> bool:
    """Say whether a table's type may become the one wanted, if every old value is kept."""
    is_number = there in INTEGERS or there in ("BIGINT", "HUGEINT", "DOUBLE", "FLOAT")
    is_number = is_number or DECIMAL.fullmatch(there) is not None
    return (
        wanted.kind in ("text", "json")
        or (is_number and wanted.kind in ("number", "decimal"))
        or (there in INTEGERS and wanted.kind == "integer")
        or (there == "DATE" and wanted.kind == "timestamp")
    )


def named(raw: bytes | memoryview) -> str:
    """Name the kind of a JSON value for a message."""
    first = bytes(raw[:1])
    names = {b'"': "a text", b"{": "an object", b"[": "an array", b"n": "null"}
    names |= dict.fromkeys([b"t", b"f"], "true or false")
    return names.get(first, "a number")


# --- values -------------------------------------------------------------------------------------

Converted: t.TypeAlias = "tuple[Sequence[t.Any], Kept]"


def _integers(_: Column, values: Sequence[t.Any]) -> Converted:
    """Take whole numbers, 1.0 and 1e3 among them as JSON Schema does."""
    if set(map(type, values)) <= {int, type(None)}:
        whole = values
    else:
        whole = list(values)
        for number, value in enumerate(values):
            if isinstance(value, float):
                # Beyond these, a float may stand for another whole number.
                if not value.is_integer() or abs(value) > 1 << 53:
                    raise Misfit(number, "a number with a fraction, or a large one with exponent")
                whole[number] = int(value)
    for number, value in enumerate(whole):
        if value is not None and not -HUGEINT <= value < HUGEINT:
            raise Misfit(number, "a whole number beyond HUGEINT")
    return whole, {}


def _numbers(_: Column, values: Sequence[t.Any]) -> Converted:
    """Take numbers as DOUBLE, and keep the digits of those that it cannot hold."""
    texts = list(map(bytes, values))
    try:
        floats = [None if text == b"null" else float(text) for text in texts]
    except ValueError:
        raise _no_number(texts) from None
    kept: Kept = {}
    for number, text in enumerate(texts):
        if len(text) > SAFE_DIGITS or b"e" in text or b"E" in text:
            value = floats[number]
            if value is not None and not _is_whole(value, text.decode()):
                kept[number] = text.decode()
                if value in (float("inf"), float("-inf")):
                    floats[number] = None
    return floats, kept


def _is_whole(value: float, text: str) -> bool:
    """Say whether a float has the digits of a text."""
    try:
        return Decimal(repr(value)) == Decimal(text)
    except DecimalException:  # its exponent has twenty digits
        return False


def _decimals(column: Column, values: Sequence[t.Any]) -> Converted:
    """Take numbers as DECIMAL(p,s), exactly or not at all."""
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
            raise _no_number(texts)
        try:
            fitted.append(format(Decimal(text.decode()).quantize(step, context=context), "f"))
        except DecimalException:
            reason = f"a number with more digits than {column.type} has"
            raise Misfit(number, reason) from None
    return fitted, {}


def _no_number(texts: Sequence[bytes]) -> Misfit:
    for number, text in enumerate(texts):
        if text != b"null" and text[:1] not in b"-0123456789":
            return Misfit(number, named(text))
    raise AssertionError


def _json(_: Column, values: Sequence[t.Any]) -> Converted:
    """Take values as the bytes that came."""
    texts: list[str | None] = []
    for number, value in enumerate(values):
        try:
            text = str(value, "utf-8")
        except UnicodeDecodeError:
            raise Misfit(number, "bytes that are no UTF-8") from None
        texts.append(None if text == "null" else text)
    return texts, {}


def _tokens(_: Column, values: Sequence[t.Any]) -> Converted:
    """Take numbers, true and false as they were written."""
    texts = [str(value, "utf-8") for value in values]
    for number, text in enumerate(texts):
        if text[0] in '"{[':
            raise Misfit(number, named(text[:1].encode()))
    return [None if text == "null" else text for text in texts], {}


DAY: t.Final = r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
CLOCK: t.Final = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
PLAIN: t.Final = {
    "timestamp": re.compile(rf"{DAY}[T ]{CLOCK}(?:Z|\+00:00)?", re.ASCII),
    "date": re.compile(DAY, re.ASCII),
    "time": re.compile(CLOCK, re.ASCII),
}
"""Texts that are what they say for certain, and need no second look. All others get one."""

STAMP: t.Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?P<zone>[Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def _moments(column: Column, values: Sequence[t.Any]) -> Converted:
    """Take timestamps, dates or times, and keep the text of those that are held in part or not."""
    plain = PLAIN[column.kind].fullmatch
    odd = [number for number, text in enumerate(values) if text is not None and plain(text) is None]
    if not odd:
        return values, {}
    held = list(values)
    kept: Kept = {}
    for number in odd:
        held[number], is_whole = HELD[column.kind](values[number])
        if not is_whole:
            kept[number] = values[number]
    return held, kept


def utc(text: str) -> tuple[str | None, bool]:
    """Read a timestamp.

    Args:
        text: A timestamp; one without an offset is in UTC. A day alone is its midnight.

    Returns:
        The timestamp in UTC to the microsecond, if there is such a moment; and whether that is
        all the text says.
    """
    found = STAMP.fullmatch(text)
    if found is None:
        return None, False
    fraction = found["fraction"] or ""
    zone = (found["zone"] or "Z").upper().replace("Z", "+00:00")
    zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00:00:00'}{zone}")
        moment = moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None, False
    held = moment.replace(tzinfo=None).isoformat()
    held = f"{held}.{fraction[:6]}" if fraction else held
    return held, not fraction[6:].strip("0")


def _day(text: str) -> tuple[str | None, bool]:
    """Read a date; of a timestamp its day, as it is written."""
    found = STAMP.fullmatch(text)
    try:
        day = None if found is None else date.fromisoformat(found["day"])
    except ValueError:
        day = None
    return (None, False) if day is None else (day.isoformat(), len(text) == len("2024-02-29"))


def _clock(_: str) -> tuple[str | None, bool]:
    """Hold no time in another form than that of a time of day."""
    return None, False


HELD: t.Final[Mapping[str, Callable[[str], tuple[str | None, bool]]]] = {
    "timestamp": utc,
    "date": _day,
    "time": _clock,
}

CONVERTERS: t.Final[Mapping[str, Callable[[Column, Sequence[t.Any]], Converted]]] = {
    "integer": _integers,
    "number": _numbers,
    "decimal": _decimals,
    "json": _json,
    "token": _tokens,
    "timestamp": _moments,
    "date": _moments,
    "time": _moments,
}
