"""Validates the state of an earlier run before the tap uses it."""

from __future__ import annotations

import logging
import typing as t
from collections import Counter
from datetime import datetime, timedelta, timezone

from commerce_taps.errors import TapError
from commerce_taps.input.settings import preview
from commerce_taps.records import dates
from commerce_taps.records.columns import SCHEMAS
from commerce_taps.report import list_names

if t.TYPE_CHECKING:
    from collections.abc import Container, Mapping

MAX_AHEAD: t.Final = timedelta(days=1)
"""How far in the future a bookmark may lie: clocks and time zones differ by less."""

SCALARS: t.Final = (str, int, float, bool, type(None))


def check_state(state: object, tap: str, streams: Container[str]) -> None:
    """Check the state of an earlier run.

    Bookmarks of unknown streams are kept; a warning names them.

    Args:
        state: The content of `--state`.
        tap: The tap's name.
        streams: The names of the tap's streams.

    Raises:
        TapError: It is not a valid state of this tap.
    """
    if isinstance(state, dict) and state and "bookmarks" not in state:
        # A whole STATE line, or the output of `meltano state get`: the state is further inside.
        msg = (
            f"The state is not a Singer state: it has {list_names(state)} and no `bookmarks`. "
            "Pass the object that holds `bookmarks`, or no state to start over."
        )
        raise TapError(msg)
    bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict) or not all(
        isinstance(bookmark, dict) for bookmark in bookmarks.values()
    ):
        msg = "The state is not a Singer state: `bookmarks` must be an object of objects."
        raise TapError(msg)
    unknown = [name for name in bookmarks if name not in streams]
    if unknown and len(unknown) == len(bookmarks):
        msg = (
            f"The state belongs to another tap: {tap} has no stream {', '.join(sorted(unknown))}. "
            "Pass the tap's own state, or no state to start over."
        )
        raise TapError(msg)
    if unknown:
        logging.getLogger(tap).warning(
            "%s has no stream for these bookmarks of the state: %s.", tap, list_names(unknown)
        )
    for name, bookmark in bookmarks.items():
        _check_form(name, bookmark)
        if name in streams:
            for part in (bookmark, *bookmark.get("partitions", [])):
                _check_value(name, part.get("replication_key_value"))


def can_resume(key: str | None, bookmark: Mapping[str, t.Any]) -> bool:
    """Check whether a stream can resume from a bookmark.

    Args:
        key: The stream's replication key.
        bookmark: The stream's bookmark, with its partitions.

    Returns:
        Whether all of its values belong to that replication key.
    """
    return key is None or not any(
        part.get("replication_key_value") is not None and part.get("replication_key") != key
        for part in (bookmark, *bookmark.get("partitions", []))
    )


def _check_form(name: str, bookmark: dict[str, t.Any]) -> None:
    """Check that a bookmark has the form that the tap writes."""
    partitions = bookmark.get("partitions", [])
    if not isinstance(partitions, list) or not all(
        isinstance(partition, dict)
        and isinstance(context := partition.get("context"), dict)
        and all(isinstance(value, SCALARS) for value in context.values())
        for partition in partitions
    ):
        msg = f"The state's bookmark of `{name}` has no readable partitions."
        raise TapError(msg)
    if not all(
        isinstance(part.get("progress_markers", {}), dict) for part in (bookmark, *partitions)
    ):
        msg = f"The state's bookmark of `{name}` has no readable `progress_markers`."
        raise TapError(msg)
    mapped = bookmark.get("mapped_columns", {})
    if not _are_columns(bookmark.get("columns", {})) or not (
        isinstance(mapped, dict) and all(map(_are_columns, mapped.values()))
    ):
        msg = f"The state's bookmark of `{name}` has no readable `columns`."
        raise TapError(msg)
    known = Counter(tuple(sorted(partition["context"].items())) for partition in partitions)
    twice = next((dict(context) for context, times in known.items() if times > 1), None)
    if twice is not None:
        msg = (
            f"The state's bookmark of `{name}` has a partition twice: {preview(twice)}. Remove one."
        )
        raise TapError(msg)


def _are_columns(columns: object) -> bool:
    return isinstance(columns, dict) and all(
        isinstance(kind, str) and kind in SCHEMAS for kind in columns.values()
    )


def _check_value(name: str, value: t.Any) -> None:  # noqa: ANN401 (JSON)
    """Check that a bookmark is a timestamp, and not one that no row would pass for a long time."""
    try:
        timestamp = None if value is None else dates.parse(value)
    except (ValueError, AttributeError, TypeError) as error:
        msg = f"The state's bookmark of `{name}` is not a timestamp: {preview(value)}."
        raise TapError(msg) from error
    if timestamp is not None and timestamp > datetime.now(timezone.utc) + MAX_AHEAD:
        msg = (
            f"The state's bookmark of `{name}` lies in the future: {value}. The tap would read "
            "nothing until then: correct it, or use an older state."
        )
        raise TapError(msg)
