"""The bookmarks of a stream: where a partition begins, and how far its bookmark may move."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from commerce_taps.records import dates

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from singer_sdk.helpers.types import Context

CHANGE_TOKEN: t.Final = "synced"  # noqa: S105 - a key of the state, no password
"""The key under which a bookmark holds its change token."""

LEEWAY: t.Final = timedelta(minutes=5)
"""How much of the end of a run the next one reads again: a row that is being saved when the run
begins may appear a little later with an earlier timestamp."""


class Bookmarks:
    """The bookmarks of one stream, by partition, in the form the SDK keeps them in the state."""

    def __init__(self, state: dict[str, t.Any]) -> None:
        """Index the partitions: there may be thousands, and the SDK walks the list for each.

        Args:
            state: The stream's own part of the state. It is changed in place.
        """
        self._state = state
        self._partitions: dict[tuple[tuple[str, t.Any], ...], dict[str, t.Any]] = {
            _key(partition["context"]): partition for partition in state.get("partitions", [])
        }

    def find(self, context: Context | None) -> Mapping[str, t.Any]:
        """Find a partition's bookmark, to be read only.

        Args:
            context: The partition.

        Returns:
            The state's own dict; an empty one if there is none.
        """
        return self._partitions.get(_key(context), {}) if context else self._state

    def open(self, context: Context | None) -> dict[str, t.Any]:
        """Find a partition's bookmark, or make it.

        Args:
            context: The partition.

        Returns:
            The state's own dict.
        """
        if not context:
            return self._state
        bookmark = self._partitions.get(_key(context))
        if bookmark is None:
            bookmark = self._partitions[_key(context)] = {"context": dict(context)}
            self._state.setdefault("partitions", []).append(bookmark)
        return bookmark

    def value(self, context: Context | None, replication_key: str | None) -> datetime | None:
        """Read the value up to which a partition was emitted.

        Args:
            context: The partition.
            replication_key: A value of another replication key does not count.
        """
        bookmark = self.find(context)
        if bookmark.get("replication_key") != replication_key:
            return None
        value = bookmark.get("replication_key_value")
        return dates.parse(value) if value else None

    def move(self, context: Context | None, replication_key: str, value: datetime) -> None:
        """Keep the value up to which a partition is emitted. Bookmarks never move back."""
        known = self.value(context, replication_key)
        if known is None or known < value:
            bookmark = self.open(context)
            bookmark["replication_key"] = replication_key
            bookmark["replication_key_value"] = dates.render(value)

    def change_token(self, context: Context | None) -> str | None:
        """Read what the source reported of a partition when it was last read to its end."""
        token: str | None = self.find(context).get(CHANGE_TOKEN)
        return token

    def set_change_token(self, context: Context | None, token: str | None) -> None:
        """Keep what the source reported of a partition that was read to its end.

        Args:
            context: The partition.
            token: The token; `None` where the partition has to be read again whatever the source
                reports.
        """
        if token is not None:
            self.open(context)[CHANGE_TOKEN] = token
        elif CHANGE_TOKEN in self.find(context):
            del self.open(context)[CHANGE_TOKEN]


class SafeBookmark:
    """The latest replication value of a reading that a bookmark may have.

    Attributes:
        value: It; `None` as long as there is none.
    """

    def __init__(self, began: datetime) -> None:
        """Bound the value.

        Args:
            began: When the reading began, by the server's clock.
        """
        self.value: datetime | None = None
        self._bound = dates.shift(began, -LEEWAY)

    def add(self, timestamps: Iterable[datetime | None]) -> None:
        """Take in the values of a page.

        Args:
            timestamps: The values; those that are too new to be safe do not count.
        """
        safe = (one for one in timestamps if one is not None and one <= self._bound)
        latest = max(safe, default=None)
        if latest is not None and (self.value is None or latest > self.value):
            self.value = latest


def look_back(
    start: datetime | None, overlap: timedelta, start_date: str | None
) -> datetime | None:
    """Go back from a bookmark, for rows that change without a new timestamp.

    Args:
        start: The bookmark.
        overlap: How far.
        start_date: The setting, which bounds it.

    Returns:
        Where to begin.
    """
    if start is None:
        return None
    begin = dates.shift(start, -overlap)
    return max(begin, dates.parse(start_date)) if start_date else begin


def _key(context: Context) -> tuple[tuple[str, t.Any], ...]:
    return tuple(sorted(context.items()))
