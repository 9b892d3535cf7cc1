"""Date-times as Codat writes them.

They come with `Z`, with an offset, or without a zone, and with up to seven digits of a second. One
without a zone is taken as UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

Timestamp = tuple[datetime, int]
"""A point in time: whole seconds in UTC, without zone, and nanoseconds."""

_FORM: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:T(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_OFFSETS: Final = (60, -300, 330)
_ZONELESS_SHARE: Final = 0.03
_OFFSET_SHARE: Final = 0.03


def parse(text: str) -> Timestamp:
    """Read a date or a date-time.

    Raises:
        ValueError: The text is neither.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"not a date-time: {text!r}")
    timestamp = datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00:00'}")
    zone = found["zone"]
    if zone is not None and zone != "Z":
        sign = -1 if zone[0] == "-" else 1
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        try:
            timestamp -= sign * offset
        except OverflowError as error:
            raise ValueError(f"out of range: {text!r}") from error
    return timestamp, int((found["fraction"] or "").ljust(9, "0"))


def to_utc(text: str) -> str:
    """Write a date-time in UTC with `Z`; the fraction keeps its digits."""
    timestamp, _ = parse(text)
    found = _FORM.fullmatch(text)
    fraction = f".{found['fraction']}" if found and found["fraction"] else ""
    return f"{timestamp.isoformat()}{fraction}Z"


def format_date(timestamp: datetime, random: random.Random) -> str:
    """Write a timestamp in UTC as the API might: mostly with `Z`, now and then not."""
    draw = random.random()
    if draw < _ZONELESS_SHARE:
        return timestamp.isoformat()
    if draw < _ZONELESS_SHARE + _OFFSET_SHARE:
        zone = timezone(timedelta(minutes=random.choice(_OFFSETS)))
        return timestamp.replace(tzinfo=timezone.utc).astimezone(zone).isoformat()
    return f"{timestamp.isoformat()}Z"
