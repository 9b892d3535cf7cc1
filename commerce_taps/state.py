"""Refuses a state that is not this tap's, before anything is read by it."""

from __future__ import annotations

import typing as t

from commerce_taps import dates
from commerce_taps.errors import TapError

if t.TYPE_CHECKING:
    from collections.abc import Collection


def check_state(state: object, tap: str, streams: Collection[str]) -> None:
    """Check the state of an earlier run.

    Args:
        state: What the run is given.
        tap: The tap's name.
        streams: Names of the tap's streams.

    Raises:
        TapError: It is not a state of this tap.
    """
    bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict) or not all(
        isinstance(bookmark, dict) for bookmark in bookmarks.values()
    ):
        msg = "The state is not a Singer state: `bookmarks` must be an object of objects."
        raise TapError(msg)
    if bookmarks and not any(name in bookmarks for name in streams):
        msg = (
            f"The state belongs to another tap: {tap} has no stream "
            f"{', '.join(sorted(bookmarks))}. Give it its own state, or none to start afresh."
        )
        raise TapError(msg)
    for name, bookmark in bookmarks.items():
        _check_bookmark(name, bookmark)


def _check_bookmark(name: str, bookmark: dict[str, t.Any]) -> None:
    """Refuse a bookmark that could not be read."""
    partitions = bookmark.get("partitions", [])
    if not isinstance(partitions, list) or not all(
        isinstance(p, dict) and isinstance(p.get("context"), dict) for p in partitions
    ):
        msg = f"The state's bookmark of `{name}` has no readable partitions."
        raise TapError(msg)
    for state in (bookmark, *partitions):
        value = state.get("replication_key_value")
        try:
            if value is not None:
                dates.parse(value)
        except (ValueError, AttributeError, TypeError) as error:
            msg = f"The state's bookmark of `{name}` is not a timestamp: {value!r}."
            raise TapError(msg) from error
