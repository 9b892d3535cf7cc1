"""Remembers what of a list could not be read while the rest was."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from commerce_taps.errors import PartitionFailed
from tap_centra.entries import is_object

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Raw

NAMED: t.Final = 5
"""How many places are named with each reason."""


class Faults:
    """What could not be read of one reading: all else is written, and then the reading fails."""

    def __init__(self) -> None:
        """Begin without any."""
        self._places: dict[str, list[str]] = defaultdict(list)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._places)

    def add(self, why: str, place: str) -> None:
        """Add what could not be read, once however often it is tried.

        Args:
            why: What happened.
            place: Where.
        """
        places = self._places[why.rstrip(".")]
        if place not in places:
            places.append(place)

    def objects(self, values: Iterable[Raw], kind: str, place: str) -> list[Raw]:
        """Pick the values that are objects, and add the others as faults.

        Args:
            values: What should be objects.
            kind: What each is, such as `row`.
            place: Where they are.

        Returns:
            The objects.
        """
        found = []
        for number, value in enumerate(values, 1):
            if is_object(value):
                found.append(value)
            else:
                self.add(f"a {kind} is no object", f"{kind} {number} of {place}")
        return found

    def raise_if_any(self) -> None:
        """Fail if anything could not be read.

        Raises:
            PartitionFailed: It names what, and where.
        """
        said = []
        for why, places in self._places.items():
            more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
            said.append(f"{why} ({', '.join(places[:NAMED])}{more})")
        if said:
            msg = f"all was read but what is named here: {'; '.join(said)}."
            raise PartitionFailed(msg)
