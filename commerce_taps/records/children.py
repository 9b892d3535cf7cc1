"""Flattens rows that stand inside of other rows into the records of a stream of their own."""

from __future__ import annotations

import typing as t

from msgspec import Raw

from commerce_taps.pagination.page import Page
from commerce_taps.records.conform import encode
from commerce_taps.records.normalize import NormalizedRecord, integer

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from commerce_taps.records.normalize import AnyRecord


def flatten_rows(
    owner: Mapping[str, t.Any],
    value: object,
    key: str | None = None,
) -> Iterator[t.Any]:
    """Take the rows out of a field of the row that owns them.

    Args:
        owner: Columns that each row gets from its owner, unless it has them itself.
        value: A list of rows, an object of rows by their key, or whatever came in its place.
        key: The column that the keys of an object become, unless a row has it itself; `None` if
            they mean nothing.

    Yields:
        The rows. An entry that is no object comes as it is, for the writer to report.
    """
    if isinstance(value, dict):
        entries = [
            {key: integer(id_), **entry} if key and isinstance(entry, dict) else entry
            for id_, entry in value.items()
        ]
    elif isinstance(value, list):
        entries = value
    else:  # PHP writes an empty list in each of these ways
        entries = [] if value is None or value is False or value == "" else [value]
    for entry in entries:
        yield {**owner, **entry} if isinstance(entry, dict) else entry


def child_page(rows: Iterable[t.Any]) -> Page:
    """Make a page of rows that were taken out of other rows.

    Args:
        rows: The rows; what is no object is for the writer to report.

    Returns:
        The page, without a bookmark.
    """
    records: list[AnyRecord] = [
        NormalizedRecord(row) if isinstance(row, dict) and row else Raw(encode(row)) for row in rows
    ]
    return Page(records, [False] * len(records))
