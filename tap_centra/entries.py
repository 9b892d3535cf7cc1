"""Opens what is inside of a row, as PHP may have written it.

PHP has one type for lists and objects, so an empty object may come as `[]`, a list with numbered
keys as an object, and what is not there as null, false or an empty text. Rows stay raw: a value of
any other kind is for `commerce_taps.records.validate` to keep.
"""

from __future__ import annotations

import typing as t

import msgspec
from msgspec import Raw

from commerce_taps.records.conform import UNREADABLE, decode

if t.TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING: t.Final = (b"null", b"false", b'""')


def is_object(raw: Raw | bytes) -> bool:
    """Tell whether a value is an object, as every row is."""
    return bytes(raw)[:1] == b"{"


def entries_of(row: Mapping[str, Raw], name: str) -> list[Raw] | None:
    """Open a list inside of a row.

    Args:
        row: The row.
        name: The list's field; it may not be there.

    Returns:
        The entries, of any kind; `None` if the value is no list.
    """
    raw = row.get(name, b"null")
    try:
        found = msgspec.json.decode(raw, type=list[Raw] | dict[str, Raw])
    except UNREADABLE:
        return [] if bytes(raw) in NOTHING else None
    return [*found.values()] if isinstance(found, dict) else found


def value_of(row: Mapping[str, Raw], name: str) -> t.Any:  # noqa: ANN401 (JSON)
    """Decode a field of a row.

    Args:
        row: The row.
        name: The field; it may not be there.

    Returns:
        The value; `None` if there is none, or none that can be decoded.
    """
    try:
        return decode(row.get(name, b"null"))
    except UNREADABLE:
        return None
