"""Undoes what the Order API does to values, as far as the column says what was meant.

The API writes the same thing in several ways: an id as a number or as text, a flag as true or as 1,
a price as a number or as text, "no date" as zeros, nothing as an empty text, a list as an object
keyed by id; and its times are those of a clock on the merchant's wall (Centra's reference of the
Order API, in its examples). What is not one of these stays as it is.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone
from decimal import Decimal

from commerce_taps.records import dates
from commerce_taps.records.conform import kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from commerce_taps.records.columns import Schema

    Undo = Callable[[t.Any], t.Any]

_WHOLE: t.Final = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)
_NUMBER: t.Final = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_FORMS: t.Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_NO_DATE: t.Final = "0000-00-00"
_EPOCH: t.Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FLAGS: t.Final = {0: False, 1: True, "0": False, "1": True}


def compile_undo(schema: Schema, zone: ZoneInfo) -> Undo:
    """Compile the function that undoes the quirks of one column.

    Args:
        schema: The column's schema.
        zone: The zone of times.

    Returns:
        A function from a value as it was sent to the value that was meant.
    """
    kind = next(iter(kinds(schema)), "")
    undo: Undo
    if kind == "object":
        undo = _compile_object(schema, zone)
    elif kind == "array":
        undo = _compile_array(schema, zone)
    elif schema.get("format") == "date-time":

        def undo(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
            return _moment(value, zone) if isinstance(value, str) else value

    else:
        undo = _SIMPLE.get((kind, schema.get("format", "")), _as_it_is)
    if kind in {"", "string"} and "format" not in schema:
        return undo
    return lambda value: None if value == "" else undo(value)


def _compile_object(schema: Schema, zone: ZoneInfo) -> Undo:
    columns = schema.get("properties", {}).items()
    functions = {name: compile_undo(column, zone) for name, column in columns}
    odd = [(name, undo) for name, undo in functions.items() if undo is not _as_it_is]

    def undo(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
        if value == []:  # an object without entries
            return {}
        if not isinstance(value, dict):
            return value
        return value | {name: undo(value[name]) for name, undo in odd if name in value}

    return undo


def _compile_array(schema: Schema, zone: ZoneInfo) -> Undo:
    function = compile_undo(schema.get("items", {}), zone)

    def undo(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
        entries = list(value.values()) if isinstance(value, dict) else value
        return [function(item) for item in entries] if isinstance(entries, list) else entries

    return undo


def _as_it_is(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return value


def _whole(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value


def _number(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _flag(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return _FLAGS.get(value, value) if isinstance(value, (int, str)) else value


def _day(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return None if isinstance(value, str) and value.startswith(_NO_DATE) else value


_SIMPLE: t.Final[dict[tuple[str, str], Undo]] = {
    ("integer", ""): _whole,
    ("number", ""): _number,
    ("boolean", ""): _flag,
    ("string", "date"): _day,
}


def _moment(text: str, zone: ZoneInfo) -> str | None:
    """Read a time on the merchant's wall. Of an hour that comes twice, the first one is meant."""
    if text.startswith(_NO_DATE):
        return None
    for form in _FORMS:
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=zone)
            return dates.render(moment.astimezone(timezone.utc))
        except (ValueError, OverflowError):
            continue
    return text  # it may say its offset itself


def on_the_wall(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment as the API wants it in a filter.

    Args:
        moment: An aware datetime.
        zone: The zone of times.

    Returns:
        For example `2024-05-31 14:00:00`.
    """
    # Nobody has rows from before 1970, and years of less than four digits are not written so.
    return f"{max(moment, _EPOCH).astimezone(zone):%Y-%m-%d %H:%M:%S}"
