"""Reads JSON as PHP writes it, whose arrays are both lists and objects.

An empty object may arrive as `[]`, a list as an object with numbered keys, and a missing value as
null, false or an empty string. Rows stay raw: values of any other type are left to
`commerce_taps.records.validate`.
"""

from __future__ import annotations

import typing as t

import msgspec
from msgspec import Raw

from commerce_taps.records.conform import UNREADABLE, decode

if t.TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING: t.Final = (b"null", b"false", b'""')
"""Values in the place of a missing one."""


def is_object(raw: Raw | bytes) -> bool:
    """Return whether a value is a JSON object, as every row must be."""
    return bytes(raw)[:1] == b"{"


def entries_of(row: Mapping[str, Raw], name: str) -> list[Raw] | None:
    """Read a list inside of a row.

    Returns:
        The entries, of any type; an empty list if the field is missing; `None` if the value is no
        list.
    """
    raw = row.get(name, b"null")
    try:
        found = msgspec.json.decode(raw, type=list[Raw] | dict[str, Raw])
    except UNREADABLE:
        return [] if bytes(raw) in NOTHING else None
    return [*found.values()] if isinstance(found, dict) else found


def value_of(row: Mapping[str, Raw], name: str) -> t.Any:  # noqa: ANN401 (JSON)
    """Decode a field of a row; `None` if it is missing or cannot be decoded."""
    try:
        return decode(row.get(name, b"null"))
    except UNREADABLE:
        return None
