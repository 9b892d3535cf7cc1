"""Refuses a state that is not this tap's, before anything is read by it."""

from __future__ import annotations

import logging
import typing as t
from collections import Counter
from datetime import datetime, timedelta, timezone

from commerce_taps.errors import TapError
from commerce_taps.input.settings import preview
from commerce_taps.records import dates
from commerce_taps.records.columns import SCHEMAS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk import Stream

AHEAD: t.Final = timedelta(days=1)
"""How far ahead a bookmark may lie: clocks and zones differ, but not by more."""

SCALARS: t.Final = (str, int, float, bool, type(None))


def check_state(state: object, tap: str, streams: Mapping[str, Stream]) -> None:
    """Check the state of an earlier run.

    What can be kept without being used is told in a warning.

    Args:
        state: What the run is given.
        tap: The tap's name.
        streams: The tap's streams by name.

    Raises:
        TapError: It is not a state of this tap.
    """
    if isinstance(state, dict) and state and "bookmarks" not in state:
        # A whole STATE line, or what `meltano state get` prints: the state is further inside.
        msg = (
            f"The state is not a Singer state: it has {_listed(state)} and no `bookmarks`. Give "
            "the object that holds `bookmarks`, or none to start afresh."
        )
        raise TapError(msg)
    bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict) or not all(
        isinstance(bookmark, dict) for bookmark in bookmarks.values()
    ):
        msg = "The state is not a Singer state: `bookmarks` must be an object of objects."
        raise TapError(msg)
    strange = bookmarks.keys() - streams.keys()
    if strange and strange == bookmarks.keys():
        msg = (
            f"The state belongs to another tap: {tap} has no stream "
            f"{', '.join(sorted(bookmarks))}. Give it its own state, or none to start afresh."
        )
        raise TapError(msg)
    logger = logging.getLogger(tap)
    if strange:
        logger.warning("The state has bookmarks of no stream of %s: %s.", tap, _listed(strange))
    for name, bookmark in bookmarks.items():
        _check_form(name, bookmark)
        if name in streams:
            for place in (bookmark, *bookmark.get("partitions", [])):
                _check_value(name, place.get("replication_key_value"))


def is_of(key: str | None, bookmark: Mapping[str, t.Any]) -> bool:
    """Tell whether a stream can go on from a bookmark.

    Args:
        key: The stream's replication key, as the tap has it once it knows the source.
        bookmark: The stream's bookmark, with its partitions.

    Returns:
        Whether none of its values is of another replication key.
    """
    return key is None or not any(
        place.get("replication_key_value") is not None and place.get("replication_key") != key
        for place in (bookmark, *bookmark.get("partitions", []))
    )


def _listed(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(map(str, names)))


def _check_form(name: str, bookmark: dict[str, t.Any]) -> None:
    """Refuse a bookmark that could not be read."""
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
        isinstance(place.get("progress_markers", {}), dict) for place in (bookmark, *partitions)
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
    """Refuse a bookmark that is no instant, or one that nothing would pass for long."""
    try:
        instant = None if value is None else dates.parse(value)
    except (ValueError, AttributeError, TypeError) as error:
        msg = f"The state's bookmark of `{name}` is not a timestamp: {preview(value)}."
        raise TapError(msg) from error
    if instant is not None and instant > datetime.now(timezone.utc) + AHEAD:
        msg = (
            f"The state's bookmark of `{name}` lies in the future: {value}. Nothing would be read "
            "until then: correct it, or take an older state."
        )
        raise TapError(msg)
