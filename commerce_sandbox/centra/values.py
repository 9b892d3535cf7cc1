"""Small values that rows are made of: timestamps, money, weights, addresses, attributes."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from random import Random

Row = dict[str, Any]
"""A row. Its columns are the fields of the GraphQL schema; those that begin with `_` are internal.

Timestamps are whole seconds of Unix time. A row refers to another row by the object: rows form a
graph.
"""

NOW: Final = int(datetime.fromisoformat("2024-06-01T00:00:00+00:00").timestamp())
"""The time of a new store."""
DAY: Final = 86_400
ZONE: Final = ZoneInfo("Europe/Stockholm")
"""The merchant's time zone: GraphQL gives its offset, the Order API does not."""

_FIRST_NAMES: Final = ("Aiko", "Søren", "Lucía", "Maeve", "Владимир", "小明", "Nadia", "Åsa")
_LAST_NAMES: Final = ("Tanaka", "Ångström", "Peña", "O'Brien", "Орлов", "王", "Haddad", "Reed")
_CITIES: Final = ("Göteborg", "Zürich", "Lyon", "Leeds", "Austin", "Osaka")
_STREETS: Final = ("Hamngatan", "Rue de la Paix", "High Street", "Bahnhofstraße")


def local(timestamp: int) -> datetime:
    """Return a timestamp as the merchant's clocks show it."""
    return datetime.fromtimestamp(timestamp, ZONE)


def settled(timestamp: int) -> int:
    """Move a timestamp out of the hour that the clocks show twice in autumn.

    A local time of that hour means two timestamps, so no client could be right about it.
    """
    return timestamp - 3 * 3600 if _shown_twice(timestamp // 3600) else timestamp


@cache
def _shown_twice(hour: int) -> bool:
    shown = local(hour * 3600)
    return shown.replace(fold=0).utcoffset() != shown.replace(fold=1).utcoffset()


def drawn(random: Random, earliest: int, latest: int) -> int:
    """Draw a timestamp between two others."""
    return settled(random.randrange(earliest, latest))


def draw_timestamps(random: Random, count: int, latest: int = NOW) -> list[int]:
    """Draw when each of many rows was last changed.

    Imports write many rows in one second, so timestamps tie: one row in three shares one of a few
    timestamps, and a table that is large enough has a tie of 230 rows, more than any page can hold.
    """
    imports = [drawn(random, latest - 300 * DAY, latest) for _ in range(5)]
    made = [
        random.choice(imports)
        if chance(random, 1 / 3)
        else drawn(random, latest - 400 * DAY, latest)
        for _ in range(count)
    ]
    if count > 2 * _BIG_TIE:
        tied = drawn(random, latest - 200 * DAY, latest - 100 * DAY)
        for place in random.sample(range(count), _BIG_TIE):
            made[place] = tied
    return made


_BIG_TIE: Final = 230


class Money:
    """Makes amounts of one currency; equal amounts are one row.

    Args:
        rate: What one unit is worth in the base currency.
    """

    def __init__(self, currency: Row, rate: float) -> None:
        self.currency = currency
        self.rate = rate
        self._known: dict[int, Row] = {}

    def __call__(self, cents: int) -> Row:
        """Return an amount in hundredths of a unit."""
        known = self._known.get(cents)
        if known is None:
            known = self._known[cents] = {
                "value": cents / 100,
                "currency": self.currency,
                "formattedValue": f"{cents / 100:,.2f} {self.currency['code']}",
                "conversionRate": self.rate,
                "valueInCents": cents,
            }
        return known


@cache
def _weight(grams: int) -> Row:
    kilograms = grams / 1000
    return {"value": kilograms, "unit": "KILOGRAMS", "formattedValue": f"{kilograms:.3f} kg"}


def weight(random: Random) -> Row:
    """Draw the weight of a thing."""
    return _weight(random.randrange(100, 2500, 50))


def person(random: Random) -> tuple[str, str]:
    """Draw a first and a last name."""
    return random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)


def address(random: Random, country: Row, *, email: str, company: str | None = None) -> Row:
    """Draw an address in a country."""
    first, last = person(random)
    states = country["states"]
    state = random.choice(states) if states else None
    return {
        "firstName": first,
        "lastName": last,
        "companyName": company,
        "attention": f"{first} {last}" if company else None,
        "address1": f"{random.choice(_STREETS)} {random.randrange(1, 99)}",
        "address2": None if chance(random, 0.7) else "c/o Portier",
        "city": random.choice(_CITIES),
        "zipCode": f"{random.randrange(100, 999)} {random.randrange(10, 99)}",
        "stateOrProvince": state["name"] if state else None,
        "cellPhoneNumber": f"+46 70 {random.randrange(10**6):06}",
        "phoneNumber": None,
        "faxNumber": None,
        "email": email,
        "vatNumber": f"SE{random.randrange(10**10):010}01" if company else None,
        "country": country,
        "state": state,
    }


def attribute(name: str, kind: str, elements: list[Row]) -> Row:
    """Make a set of attributes of an object.

    Args:
        name: The name of the set.
        kind: The kind of object it is for.
    """
    return {
        "type": {"name": name, "isMapped": False},
        "description": f"The {name} of a {kind}",
        "objectType": kind,
        "elements": elements,
    }


def text_element(key: str, value: str | None) -> Row:
    """Make an element that holds text."""
    return {
        "__typename": "AttributeStringElement",
        "key": key,
        "kind": "INPUT",
        "description": None,
        "value": value,
    }


def choice_element(key: str, value: str) -> Row:
    """Make an element that holds one of several values."""
    return {
        "__typename": "AttributeChoiceElement",
        "key": key,
        "kind": "CHOICE",
        "description": f"Choose a {key}",
        "isMulti": False,
        "selectedValue": value.lower(),
        "selectedValueName": value,
    }


def image_element(key: str, number: int) -> Row:
    """Make an element that holds an image."""
    return {
        "__typename": "AttributeImageElement",
        "key": key,
        "kind": "IMAGE",
        "description": None,
        "url": f"https://cdn.example.com/{key}/{number}.jpg",
        "width": 1200,
        "height": 800,
        "mimeType": "image/jpeg",
    }
