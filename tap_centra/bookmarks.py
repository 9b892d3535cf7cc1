"""Which bookmark is safe, and how far before it to begin."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from commerce_taps.records import dates

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

LEEWAY: t.Final = timedelta(minutes=5)
"""How much of the end of a run the next one reads again: what is being saved when the run begins
may show a little later with an earlier time."""


def look_back(start: datetime | None, config: Mapping[str, t.Any]) -> datetime | None:
    """Go back from a bookmark, for rows that change without telling when.

    Args:
        start: The bookmark.
        config: The settings; `lookback_days` says how far, and `start_date` where to stop.

    Returns:
        Where to begin.
    """
    if start is None:
        return None
    begin = dates.shift(start, -timedelta(days=config["lookback_days"]))
    given = config.get("start_date")
    return max(begin, dates.parse(given)) if given else begin


class Latest:
    """The latest replication value of a reading that a bookmark may have.

    Attributes:
        value: It, if there is any yet.
    """

    def __init__(self, began: datetime) -> None:
        """Begin without any.

        Args:
            began: When the reading began, by the server's clock.
        """
        self.value: datetime | None = None
        self._bound = dates.shift(began, -LEEWAY)

    def add(self, stamps: Iterable[datetime | None]) -> None:
        """Take in the values of a page.

        Args:
            stamps: The values; those that are too new to be safe do not count.
        """
        for stamp in stamps:
            if (
                stamp is not None
                and stamp <= self._bound
                and (not self.value or stamp > self.value)
            ):
                self.value = stamp
