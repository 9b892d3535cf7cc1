"""Shared parts of all rows: sizes, timestamps, money, words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart.values import Row, Timestamp, Words
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.cscart.setup import Setup

NOW: Final = 1_717_200_000
"""The time the store was filled, in unix seconds: 2024-06-01."""
DAY: Final = 86_400
OPENED: Final = NOW - 900 * DAY
SECRET: Final = "sandbox-secret"  # noqa: S105 (pretended)
"""The prefix of every secret value."""

# Rows at scale 1, and the fewest there are at any scale.
_SIZES: Final = {
    "products": (3000, 30),
    "categories": (60, 8),
    "features": (40, 12),
    "orders": (5000, 40),
    "users": (2000, 30),
    "carts": (400, 12),
    "pages": (40, 5),
    "langvars": (1500, 60),
    "discussions": (600, 8),
    "product_reviews": (500, 8),
    "call_requests": (120, 6),
    "subscribers": (300, 6),
}
_GIVEN: Final = ("Ana", "Ben", "Chloé", "Dai", "Eva", "Finn", "Ines", "Jörg", "Mei", "Omar", "Zoë")
_FAMILY: Final = ("Abel", "Brandt", "Costa", "Dubois", "Ek", "Núñez", "O'Hara", "Reyes", "Şahin")
UNREFERENCED_EVERY: Final = 10
"""Every tenth product and user is in no order, cart or review, so that it can go without a trace.
"""


class Shop:
    """The context in which rows are made.

    Args:
        scale: How many there are, against those of the demonstration.
    """

    def __init__(self, setup: Setup, seed: int, scale: float) -> None:
        self.setup = setup
        self._seed = seed
        self._scale = scale

    def rng(self, *names: object) -> Random:
        """Return the random generator of a part of this store."""
        return rng(self._seed, "cscart", *names)

    def size(self, table: str) -> int:
        """Return how many rows a table has."""
        at_one, fewest = _SIZES[table]
        return max(fewest, round(at_one * self._scale))


def money(random: Random, low: int, high: int) -> Decimal:
    """Draw an amount between whole units."""
    return Decimal(random.randrange(low * 100, high * 100)).scaleb(-2)


def draw_timestamp(random: Random, since: int = OPENED, until: int = NOW) -> Timestamp:
    """Draw a timestamp between two."""
    return Timestamp(random.randrange(since, until))


def words(english: str, german: str | None = None) -> Words:
    """Return a text in the languages of the store."""
    return Words({"en": english, "de": german if german is not None else english})


def person(random: Random) -> tuple[str, str]:
    """Draw a first and a last name."""
    return random.choice(_GIVEN), random.choice(_FAMILY)


def referenced(numbers: list[int]) -> list[int]:
    """Return the ids that other rows may point to."""
    return [one for one in numbers if one % UNREFERENCED_EVERY]


def image(kind: str, pair: int, owner: int, *, detailed: bool = True) -> Row:
    """Return an image as it hangs on a row.

    Args:
        kind: Type of the object the image belongs to.
        pair: Id of the pair of a picture and its icon.
        detailed: Whether it is the large picture, not the icon.
    """
    folder = "detailed" if detailed else "icon"
    path = f"{folder}/{pair % 7}/{kind}-{pair}.jpg"
    file: dict[str, Any] = {
        "image_path": f"https://shop.example/images/{path}",
        "alt": "",
        "image_x": 1200,
        "image_y": 900,
        "http_image_path": f"http://shop.example/images/{path}",
        "https_image_path": f"https://shop.example/images/{path}",
        "absolute_path": f"/srv/shop/images/{path}",
        "relative_path": path,
    }
    if detailed:
        file = {"object_id": owner, "object_type": kind, "type": "M", **file}
    return {
        "pair_id": pair,
        "image_id": 0 if detailed else pair + 900,
        "detailed_id": pair + 900 if detailed else 0,
        "position": 0,
        "object_id": owner,
        "object_type": kind,
        folder: file,
    }
