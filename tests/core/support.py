"""Helpers for the tests of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import msgspec

    from commerce_taps.records.validate import Shape


def is_valid(shape: Shape, raw: msgspec.Raw) -> bool:
    """Check whether a record's bytes can be emitted unchanged."""
    page = shape.validate([raw])
    return page.valid[0] and page.records[0] is raw
