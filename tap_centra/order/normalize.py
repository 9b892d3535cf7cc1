"""What the Order API does to values, beyond what schemas say: the rules of `Normalizer`.

The API writes one value in several forms: an id as a number or as text, a flag as true or as 1, a
price as a number or as text, "no date" as zeros, nothing as an empty text, a list as an object
keyed by id. Its times are those of a clock on the merchant's wall (Centra's reference of the Order
API, in its examples). What has none of these forms stays as it came.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone
from functools import partial

from commerce_taps.records import dates
from commerce_taps.records.conform import kinds
from commerce_taps.records.normalize import Normalizer, integer, number

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from commerce_taps.records.columns import Schema
    from commerce_taps.records.conform import Record
    from commerce_taps.records.normalize import Normalize

_TIME: t.Final = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?", re.ASCII)
_NO_DATE: t.Final = "0000-00-00"
_EPOCH: t.Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FLAGS: t.Final = {0: False, 1: True, "0": False, "1": True, "": None}


def normalizer(schema: Schema, zone: ZoneInfo) -> Callable[[bytes], Record | None]:
    """Compile the function that decodes and normalizes the records of a stream.

    Args:
        schema: JSON Schema of the records.
        zone: The zone of times.

    Returns:
        As `Normalizer.compile` does.
    """
    rules: dict[tuple[str, str], Normalize] = {
        **_RULES,
        ("string", "date-time"): partial(_time, zone=zone),
    }

    def rule(name: str, schema: Schema) -> Normalize | None:
        del name  # the schema decides
        return rules.get((next(iter(kinds(schema)), ""), schema.get("format", "")))

    return Normalizer(rule).compile(schema)


def _flag(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return _FLAGS.get(value, value) if isinstance(value, (int, str)) else value


def _day(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return None if value == "" or str(value).startswith(_NO_DATE) else value


def _object(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return {} if value == [] else None if value == "" else value


def _list(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return list(value.values()) if isinstance(value, dict) else None if value == "" else value


def _time(value: t.Any, zone: ZoneInfo) -> t.Any:  # noqa: ANN401 (JSON)
    """Read a time on the merchant's wall. Of an hour that comes twice, the first one is meant."""
    if not isinstance(value, str):
        return value
    if not value or value.startswith(_NO_DATE):
        return None
    if not _TIME.fullmatch(value):
        return value  # it may say its offset itself
    try:
        time = datetime.fromisoformat(value).replace(tzinfo=zone)
        return dates.render(time.astimezone(timezone.utc))
    except (ValueError, OverflowError):
        return value


_RULES: t.Final[Mapping[tuple[str, str], Normalize]] = {
    ("integer", ""): integer,
    ("number", ""): number,
    ("boolean", ""): _flag,
    ("string", "date"): _day,
    ("object", ""): _object,
    ("array", ""): _list,
}


def to_wall_time(time: datetime, zone: ZoneInfo) -> str:
    """Write an aware time as filters of the API expect it, such as `2024-05-31 14:00:00`."""
    # No row is older than 1970, and strftime does not pad years of fewer than four digits.
    return f"{max(time, _EPOCH).astimezone(zone):%Y-%m-%d %H:%M:%S}"
