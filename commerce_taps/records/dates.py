"""Timestamps: read in every form APIs send them, written in one.

The one form is UTC with `Z`: `2024-03-01T09:30:00Z`, with as many digits of fraction as were sent.
A value without a zone is taken as UTC.
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
"""Length of the longest timestamp that is read without rounding."""
_FRACTION = re.compile(r"\.\d+", re.ASCII)


def parse(text: str) -> datetime:
    """Read an ISO 8601 date or timestamp.

    Args:
        text: A date (midnight is meant), or a timestamp with `Z`, an offset or no zone (UTC).

    Returns:
        The instant, in UTC. Fractions finer than a microsecond are cut off, never rounded up: a
        bookmark must not lie after its row.

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


def normalise(text: str) -> str:
    """Bring a timestamp into the one form.

    Args:
        text: As for `parse`.

    Returns:
        The same instant in UTC with `Z`, with the digits of its fraction as they were sent.

    Raises:
        ValueError: The text is neither a date nor a timestamp.
    """
    second = render(floor(parse(text)))
    fraction = _FRACTION.search(text)
    return second.replace("Z", f"{fraction[0]}Z") if fraction else second


def look_normal(texts: Iterable[str]) -> bool:
    """Tell whether timestamps, if the texts are such, are in the one form.

    Args:
        texts: Any texts.

    Returns:
        Whether `normalise` would leave each timestamp as it is.
    """
    return not [text for text in texts if text[-1:] != "Z" or text[10:11] != "T"]


def are_timestamps(texts: list[str]) -> bool:
    """Tell whether all texts are timestamps, at once because that is much faster.

    Args:
        texts: Any texts.

    Returns:
        Whether each is, in any form.
    """
    try:
        msgspec.convert(texts, list[datetime])
    except msgspec.ValidationError:
        return False
    return True


def instants(texts: list[str | None]) -> list[datetime | None]:
    """Read timestamps that are known to be in the one form, all at once.

    Args:
        texts: The timestamps; `None` stands for none.

    Returns:
        The instants, cut off like those of `parse`.
    """
    read = msgspec.convert(texts, list[datetime | None])
    for place, text in enumerate(texts):
        if text is not None and len(text) > _EXACT:
            read[place] = parse(text)
    return read


def render(value: datetime) -> str:
    """Write an instant in the one form.

    Args:
        value: An aware datetime.

    Returns:
        For example `2024-03-01T09:30:00Z`.
    """
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def shift(value: datetime, by: timedelta) -> datetime:
    """Move an instant, but not beyond the calendar's edges.

    Args:
        value: An instant, in UTC.
        by: How far, in either direction.

    Returns:
        The instant that lies so far from it.
    """
    try:
        return value + by
    except OverflowError:
        return FIRST if by < timedelta() else LAST


def floor(value: datetime) -> datetime:
    """Cut an instant to its second, the precision APIs are asked in.

    Args:
        value: An instant.

    Returns:
        The start of its second.
    """
    return value.replace(microsecond=0)
