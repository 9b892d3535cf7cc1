"""Helpers for the tests of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import msgspec

    from commerce_taps.records.validate import Shape


def is_valid(shape: Shape, raw: msgspec.Raw) -> bool:
    """Check whether a record's bytes can be emitted unchanged."""
    records, valid, _ = shape.validate([raw])
    return valid[0] and records[0] is raw
