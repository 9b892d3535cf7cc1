"""Timestamps: parsed in any form that APIs send, written in one canonical form.

The canonical form is UTC with `Z`: `2024-03-01T09:30:00Z`. It keeps as many fractional digits as
the API sent. A value without a zone is UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE_SECOND = timedelta(seconds=1)
FIRST = datetime.min.replace(tzinfo=timezone.utc)
LAST = datetime.max.replace(tzinfo=timezone.utc)
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+", re.ASCII)
_EXACT = len("2024-03-01T09:30:00.000000Z")
"""Length of the longest timestamp that msgspec parses without rounding."""
_FRACTION = re.compile(r"\.\d+", re.ASCII)


def parse(text: str) -> datetime:
    """Parse an ISO 8601 date or timestamp.

    Args:
        text: A date (its midnight), or a timestamp with `Z`, an offset or no zone (UTC).

    Returns:
        The timestamp in UTC. Fractions finer than a microsecond are truncated, never rounded up:
        a bookmark must not lie after its row.

    Raises:
        ValueError: The text is neither.
    """
    text = text.strip()
    if len(text) == len("2024-01-31"):
        text += "T00:00:00Z"
    elif "." in text:
        text = _LONG_FRACTION.sub(r"\1", text)
    try:
        value = msgspec.convert(text, datetime)
        if value.tzinfo is None:
            return value.replace(tzinfo=timezone.utc)
        return value.astimezone(timezone.utc)
    except (msgspec.ValidationError, OverflowError) as error:  # at the edge of the calendar
        raise ValueError(text) from error


def normalize(text: str) -> str:
    """Write a timestamp in the canonical form.

    Args:
        text: A date or timestamp, in any form that `parse` accepts.

    Returns:
        The same timestamp in UTC with `Z`, with its fractional digits as sent.

    Raises:
        ValueError: The text is neither a date nor a timestamp.
    """
    second = render(floor(parse(text)))
    fraction = _FRACTION.search(text)
    return second.replace("Z", f"{fraction[0]}Z") if fraction else second


def are_canonical(texts: Iterable[str]) -> bool:
    """Check whether those of the texts that are timestamps are in the canonical form.

    Args:
        texts: Any texts.

    Returns:
        Whether `normalize` would leave each timestamp unchanged.
    """
    return not [text for text in texts if text[-1:] != "Z" or text[10:11] != "T"]


def are_timestamps(texts: list[str]) -> bool:
    """Check whether all texts are timestamps: much faster than one by one.

    Args:
        texts: Any texts.

    Returns:
        Whether each is a timestamp, in any form.
    """
    try:
        msgspec.convert(texts, list[datetime])
    except msgspec.ValidationError:
        return False
    return True


def parse_canonical(texts: list[str | None]) -> list[datetime | None]:
    """Parse timestamps in the canonical form, all at once.

    Args:
        texts: The timestamps; `None` for none.

    Returns:
        The timestamps, truncated as `parse` does.
    """
    parsed = msgspec.convert(texts, list[datetime | None])
    for index, text in enumerate(texts):
        if text is not None and len(text) > _EXACT:
            parsed[index] = parse(text)
    return parsed


def render(value: datetime) -> str:
    """Write a datetime in the canonical form.

    Args:
        value: An aware datetime.

    Returns:
        For example `2024-03-01T09:30:00Z`.
    """
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def shift(value: datetime, by: timedelta) -> datetime:
    """Add a duration, but stay within the calendar.

    Args:
        value: A datetime in UTC.
        by: A duration, positive or negative.

    Returns:
        The sum, or the first or last datetime that Python has.
    """
    try:
        return value + by
    except OverflowError:
        return FIRST if by < timedelta() else LAST


def floor(value: datetime) -> datetime:
    """Truncate a datetime to its second, the precision of most APIs' filters."""
    return value.replace(microsecond=0)
