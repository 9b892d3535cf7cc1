"""Shared parts of the rows of one connection: ids, sizes, money, timestamps."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import dates
from commerce_sandbox.codat.merchants import NOW
from commerce_sandbox.seeded import chance, guid, rng

if TYPE_CHECKING:
    import random
    from datetime import datetime

    from commerce_sandbox.codat.merchants import Connection

# Rows a connection holds: fewest and most.
_SIZES: Final = {
    "commerce-customers": (15, 50),
    "commerce-disputes": (0, 8),
    "commerce-locations": (2, 6),
    "commerce-orders": (30, 130),
    "commerce-paymentMethods": (2, 10),
    "commerce-payments": (35, 150),
    "commerce-productCategories": (3, 15),
    "commerce-products": (10, 40),
    "commerce-taxComponents": (2, 8),
    "commerce-transactions": (20, 120),
}
_BIG_TIE: Final = 130
_TIED_SHARE: Final = 0.4
_RECENT: Final = timedelta(days=14)

# Digits after the point by currency, as in ISO 4217.
_CURRENCIES: Final = {"GBP": 2, "USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
_COUNTRIES: Final = {"GBP": "GBR", "USD": "USA", "EUR": "DEU", "JPY": "JPN", "KWD": "KWT"}

# Every twentieth id needs quoting in a path.
_AWKWARD_EVERY: Final = 20
_AWKWARD: Final = (
    "{} {}",
    "{}/{}",
    "{}?{}",
    "{}#{}",
    "{}%2F{}",
    "{}&a={}",
    "{}+{}",
    "Größe {}·{} 大",
    '{}\'s "{}"',
    "{}:{};x=1,y@z",
)


class Shop:
    """The context in which the rows of a connection are made.

    Args:
        connection: The connection the rows belong to.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        random = rng(connection.id, "shop")
        self.currency = random.choice(tuple(_CURRENCIES))
        self.country = _COUNTRIES[self.currency]
        self._exponent = -_CURRENCIES[self.currency]
        self._opened = NOW - timedelta(seconds=random.randrange(300 * 86400, 700 * 86400))
        self._id_style = random.randrange(3)
        self._ids: dict[tuple[str, int], str] = {}
        self._counts = dict(connection.counts)

    def rng(self, *names: object) -> random.Random:
        """Return the random generator of a part of this shop."""
        return rng(self._connection.id, *names)

    def guid(self, *names: object) -> str:
        """Return the GUID of a part of this shop."""
        return guid(self._connection.id, *names)

    def count(self, dataset: str) -> int:
        """Return how many rows a dataset has, without making them."""
        if dataset not in self._counts:
            self._counts[dataset] = self.rng("count", dataset).randint(*_SIZES[dataset])
        return self._counts[dataset]

    def id(self, dataset: str, number: int) -> str:
        """Return the id of a row; ids are unique within the dataset."""
        key = (dataset, number)
        if key not in self._ids:
            self._ids[key] = self._make_id(dataset, number)
        return self._ids[key]

    def _make_id(self, dataset: str, number: int) -> str:
        place, step = divmod(number, _AWKWARD_EVERY)
        if step == 1:
            kind = (place + len(dataset)) % len(_AWKWARD)
            return _AWKWARD[kind].format(dataset[9:12].upper(), number)
        if self._id_style == 0:
            return str(6_510_000_000_000 + 7919 * number)
        if self._id_style == 1:
            return self.guid(dataset, number)
        return f"{dataset[9:12]}_{self.guid(dataset, number).replace('-', '')[:20]}"

    def ref(self, dataset: str, random: random.Random) -> str | None:
        """Return the id of any row of a dataset, or none where the dataset is empty here."""
        if dataset not in self._connection.datasets:
            return None
        count = self.count(dataset)
        return self.id(dataset, random.randrange(count)) if count else None

    def money(self, random: random.Random, low: int, high: int) -> Decimal:
        """Draw an amount between whole units, with the digits of the shop's currency."""
        places = 10**-self._exponent
        return Decimal(random.randrange(low * places, high * places)).scaleb(self._exponent)

    def share(self, amount: Decimal, rate: Decimal) -> Decimal:
        """Return a share of an amount, rounded to the digits of the shop's currency."""
        return (amount * rate).quantize(Decimal(1).scaleb(self._exponent))

    def created(self, random: random.Random, before: datetime) -> datetime:
        """Draw a time of creation in the shop's life, before a time of change."""
        span = int((NOW - self._opened).total_seconds()) - 86400
        created = self._opened + timedelta(seconds=random.randrange(span))
        return created if created <= before else before - (created - before) % _RECENT

    def modified(self, dataset: str) -> list[datetime]:
        """Draw when Codat wrote each row of a dataset into its cache.

        A sync writes many rows in one second, so timestamps tie: two rows in five share one of a
        few timestamps, and a dataset that is large enough begins with a tie of 130 rows.
        """
        random = self.rng("modified", dataset)
        count = self.count(dataset)
        first = NOW - timedelta(days=90, seconds=random.randrange(86400))
        syncs = [first + timedelta(seconds=random.randrange(85 * 86400)) for _ in range(6)]
        timestamps = [
            random.choice(syncs)
            if random.random() < _TIED_SHARE
            else first + timedelta(seconds=random.randrange(1, 89 * 86400))
            for _ in range(count)
        ]
        if count > _BIG_TIE:
            timestamps[:_BIG_TIE] = [first] * _BIG_TIE
        random.shuffle(timestamps)
        return timestamps


def draw_timestamps(
    random: random.Random, modified: datetime, created: datetime | None = None
) -> dict[str, Any]:
    """Write the dates a record carries.

    The platform's own time of change is absent on some platforms, null on others, has milliseconds
    at times and often no zone. (Codat docs, "Understanding data modification dates".) Nothing
    changes before it is created.
    """
    written: dict[str, Any] = {}
    if created is not None and chance(random, 0.95):
        written["createdDate"] = dates.format_date(created, random)
    written["modifiedDate"] = dates.format_date(modified, random)
    source = modified - timedelta(seconds=random.randrange(7200))
    if created is not None:
        source = max(source, created)
    if chance(random, 0.1):
        written["sourceModifiedDate"] = None
    elif chance(random, 0.1):
        written["sourceModifiedDate"] = f"{source.isoformat()}.{random.randrange(1000):03}Z"
    elif chance(random, 0.9):
        written["sourceModifiedDate"] = dates.format_date(source, random)
    return written
