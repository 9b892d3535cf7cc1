"""Collects the failures of single rows, so that all other rows are written first."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from commerce_taps.errors import PartitionFailed
from tap_centra.php_json import is_object

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Raw

MAX_PLACES: t.Final = 5
"""How many places the error message lists with each reason."""


class Failures:
    """Rows and entries of one list that could not be read."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = defaultdict(list)

    def __bool__(self) -> bool:
        """Whether anything could not be read."""
        return bool(self._places)

    def add(self, reason: str, place: str) -> None:
        """Add a failure; the same one counts once.

        Args:
            reason: What happened.
            place: Which row or entry, such as `row 3 of page 1`.
        """
        places = self._places[reason.rstrip(".")]
        if place not in places:
            places.append(place)

    def objects(self, values: Iterable[Raw], kind: str, place: str) -> list[Raw]:
        """Return the values that are JSON objects, and add a failure for each of the others.

        Args:
            values: Values that should be objects.
            kind: What each is, such as `line`.
            place: Where they are, such as `the order 7`.
        """
        found = []
        for number, value in enumerate(values, 1):
            if is_object(value):
                found.append(value)
            else:
                self.add(f"a {kind} is no object", f"{kind} {number} of {place}")
        return found

    def raise_if_any(self) -> None:
        """Fail the partition if anything could not be read.

        Raises:
            PartitionFailed: Lists the reasons, each with the places.
        """
        parts = []
        for reason, places in self._places.items():
            hidden = len(places) - MAX_PLACES
            more = f" and {hidden} more" if hidden > 0 else ""
            parts.append(f"{reason} ({', '.join(places[:MAX_PLACES])}{more})")
        if parts:
            msg = f"some rows could not be read, and all others were: {'; '.join(parts)}."
            raise PartitionFailed(msg)
