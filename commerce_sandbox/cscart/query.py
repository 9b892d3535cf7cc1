"""Parameters of a request, read as PHP reads them, and their filters.

A filter ignores a value it does not understand, and an unknown parameter filters nothing: the
response is the whole list, with the parameter among `params`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import parse_qsl

from commerce_sandbox.cscart.values import Row, serve

Parameters = dict[str, Any]
Predicate = Callable[[Row], bool]
Filter = Callable[[Any], "Predicate | None"]

_KEYS: Final = re.compile(r"([^\[]+)((?:\[[^\]]*\])*)")
_EMPTY: Final[tuple[Any, ...]] = ("", "0", None, [], {})
"""Values that PHP takes for false."""


def parse(raw: str) -> Parameters:
    """Read a query string: the last of equal names counts, `a[]=` makes a list, `a[b]=` a map."""
    found: Parameters = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        match = _KEYS.fullmatch(name)
        if match is None:
            found[name] = value
            continue
        path = [re.sub(r"[ .]", "_", match[1]), *re.findall(r"\[([^\]]*)\]", match[2])]
        place: dict[str, Any] = found
        for step, key in enumerate(path[:-1]):
            at = key or str(len(place))
            if not isinstance(place.get(at), dict):
                place[at] = {}
            place = place[at]
            if step == len(path) - 2 and not path[-1]:
                path[-1] = str(len(place))
        place[path[-1]] = value
    return {name: _lists(value) for name, value in found.items()}


def _lists(value: Any) -> Any:  # noqa: ANN401 (text, list or map)
    """Turn maps whose keys count up from 0 into lists, as PHP's arrays are both."""
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(one) for key, one in value.items()}
    return list(inner.values()) if list(inner) == [str(n) for n in range(len(inner))] else inner


def number(value: Any, default: int) -> int:  # noqa: ANN401 (text, list or map)
    """Read a whole number, or the default."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else default


def is_on(value: Any) -> bool:  # noqa: ANN401 (text, list or map)
    """Return whether a switch is on."""
    return value not in _EMPTY and value not in {"N", "false"}


def texts(value: Any) -> set[str] | None:  # noqa: ANN401 (text, list or map)
    """Read a value, a list, or values with commas; none if absent."""
    if value in _EMPTY:
        return None
    if isinstance(value, dict):
        return set(map(str, value.values()))
    return set(map(str, value)) if isinstance(value, list) else set(str(value).split(","))


def among(test: Callable[[Row, set[str]], bool]) -> Filter:
    """Keep the rows that pass a test against the values requested."""

    def make(value: Any) -> Predicate | None:  # noqa: ANN401
        wanted = texts(value)
        return None if wanted is None else lambda row: test(row, wanted)

    return make


def one_of(column: str) -> Filter:
    """Keep the rows whose column has one of the values."""
    return among(lambda row, wanted: str(serve(row.get(column))) in wanted)


def contains(*columns: str) -> Filter:
    """Keep the rows that have the text in one of the columns, in any case of letters."""

    def make(value: Any) -> Predicate | None:  # noqa: ANN401
        if not isinstance(value, str) or value == "":
            return None
        part = value.lower()
        return lambda row: any(part in str(serve(row.get(one)) or "").lower() for one in columns)

    return make


def starts_with(column: str) -> Filter:
    """Keep the rows whose column begins with the text."""

    def make(value: Any) -> Predicate | None:  # noqa: ANN401
        return None if value in _EMPTY else lambda row: row[column].startswith(str(value))

    return make


def at_least(column: str) -> Filter:
    """Keep the rows whose column is the number or more."""

    def make(value: Any) -> Predicate | None:  # noqa: ANN401
        low = _decimal(value)
        return None if low is None else lambda row: Decimal(row.get(column, 0)) >= low

    return make


def at_most(column: str) -> Filter:
    """Keep the rows whose column is the number or less."""

    def make(value: Any) -> Predicate | None:  # noqa: ANN401
        high = _decimal(value)
        return None if high is None else lambda row: Decimal(row.get(column, 0)) <= high

    return make


def within(column: str, seconds: int, now: float) -> Filter:
    """Keep the rows with a timestamp of the last hours or days.

    Args:
        seconds: How long one of them is.
    """

    def make(value: Any) -> Predicate | None:  # noqa: ANN401
        count = number(value, 0)
        return None if not count else lambda row: row[column] >= now - count * seconds

    return make


def _decimal(value: Any) -> Decimal | None:  # noqa: ANN401
    if not isinstance(value, str) or not value:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def period(parameters: Parameters, prefix: str, column: str, now: float) -> Predicate | None:
    """Keep the rows of a period of time. Without `period`, the two times do nothing.

    Args:
        parameters: The parameters of the request.
        prefix: What the names of the parameters begin with.
    """
    name = str(parameters.get(f"{prefix}period"))
    if name == "C":
        since = _seconds(parameters.get(f"{prefix}time_from")) or 0
        until: float = _seconds(parameters.get(f"{prefix}time_to")) or now
    elif name in _PERIODS:
        today = datetime.fromtimestamp(now, timezone.utc)
        days = number(parameters.get("last_days"), 0)
        start, end = _PERIODS[name](today, days)
        since, until = int(start.timestamp()), end.timestamp()
    else:
        return None
    return lambda row: since <= row[column] <= until


def _seconds(value: Any) -> int | None:  # noqa: ANN401
    """Read a timestamp: unix seconds, or a date of the store's locale, day first."""
    if not isinstance(value, str) or not value:
        return None
    if value.isascii() and value.isdigit():
        return int(value)
    try:
        return calendar.timegm(datetime.strptime(value, "%d/%m/%Y").timetuple())  # noqa: DTZ007
    except ValueError:
        return None


def _midnight(timestamp: datetime) -> datetime:
    return timestamp.replace(hour=0, minute=0, second=0, microsecond=0)


def _week(timestamp: datetime) -> datetime:
    return _midnight(timestamp) - timedelta(days=timestamp.weekday())


def _month(timestamp: datetime) -> datetime:
    return _midnight(timestamp).replace(day=1)


def _year(timestamp: datetime) -> datetime:
    return _month(timestamp).replace(month=1)


_SECOND: Final = timedelta(seconds=1)
_PERIODS: Final[Mapping[str, Callable[[datetime, int], tuple[datetime, datetime]]]] = {
    "D": lambda now, _: (_midnight(now), now),
    "LD": lambda now, _: (_midnight(now) - timedelta(days=1), _midnight(now) - _SECOND),
    "W": lambda now, _: (_week(now), now),
    "LW": lambda now, _: (_week(now) - timedelta(days=7), _week(now) - _SECOND),
    "M": lambda now, _: (_month(now), now),
    "LM": lambda now, _: (_month(_month(now) - _SECOND), _month(now) - _SECOND),
    "Y": lambda now, _: (_year(now), now),
    "LY": lambda now, _: (_year(_year(now) - _SECOND), _year(now) - _SECOND),
    "HH": lambda now, _: (now - timedelta(hours=24), now),
    "HW": lambda now, _: (now - timedelta(days=7), now),
    "HM": lambda now, _: (now - timedelta(days=30), now),
    "HC": lambda now, days: (now - timedelta(days=days), now),
}
