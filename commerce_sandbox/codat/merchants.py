"""The companies, their connections and the size of their data, from the seed.

A dozen companies have all the cases a reader meets: none, one and several connections, every source
type and every status. The data repeats the dozen, each time in another order.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox.codat import dates
from commerce_sandbox.codat.platforms import COMMERCE, OTHERS, Platform
from commerce_sandbox.seeded import chance, guid, rng

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

NOW: Final = datetime(2024, 6, 1)  # noqa: DTZ001 (UTC, as all timestamps of the store)
"""The time of the store before the first mutation."""

_DOZEN: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (),
    (("Commerce", "Linked"), ("Accounting", "Linked")),
    (("Accounting", "Linked"), ("Banking", "Linked")),
    (("Commerce", "Linked"), ("Commerce", "Deauthorized"), ("Banking", "PendingAuth")),
    (("Commerce", "Unlinked"),),
    (("Commerce", "PendingAuth"), ("BankFeed", "Linked")),
    (("Accounting", "Deauthorized"),),
    (("Commerce", "Linked"),),
    (("Expense", "Linked"), ("Other", "Linked"), ("Unknown", "Unlinked")),
    (),
    (("BankFeed", "Unlinked"), ("Banking", "Linked")),
    (("Accounting", "PendingAuth"),),
)
_BIG_SHOP_IN_DOZEN: Final = 7
_GAPS_IN_DOZEN: Final = 3
_BIG_SHOP: Final = {
    "commerce-customers": 500,
    "commerce-disputes": 60,
    "commerce-locations": 40,
    "commerce-orders": 2400,
    "commerce-paymentMethods": 14,
    "commerce-payments": 2400,
    "commerce-productCategories": 60,
    "commerce-products": 300,
    "commerce-taxComponents": 12,
    "commerce-transactions": 1200,
}
"""Rows of the one big shop, at scale 1."""
_BIG_AT_LEAST: Final = 240
_FEWEST_COMPANIES: Final = len(_DOZEN)
_COMPANIES: Final = 120
_LOCATIONS: Final = "commerce-locations"
_UNSYNCED_SHARE: Final = 0.08

_FIRST: Final = ("Amber", "Birch", "Copper", "Elm", "Fern", "Granite", "Harbour", "Iris", "Kestrel")
_SECOND: Final = ("Bakery", "Books", "Ceramics", "Coffee", "Cycles", "Garden", "Music", "Tea")
_LAST: Final = ("Ltd", "LLC", "& Sons, Co.", "Group")
_HOSTILE: Final = (
    "../{}",
    "{}/../..",
    "{}?page=2",
    "{}#top",
    "{}%2F..%2f",
    " {} ",
    "{}&pageSize=1",
    "Größe·大 {}",
    "{};v=1",
    "{}\\..\\",
    "%2e%2e{}",
    "\"'{}'\"",
    "{}{{companyId}}",
    "+{}+",
)
"""Ids that break the paths of a client that does not quote them."""


class Connection(msgspec.Struct, kw_only=True):
    """A company's link to a platform.

    Attributes:
        record: The connection as the API serves it.
        company_id: The company it belongs to.
        datasets: The path tails of the types it supports; true where they have been synced.
        counts: How many rows it holds, by dataset, where that is not left to chance.
    """

    record: dict[str, Any]
    company_id: str
    platform: Platform
    datasets: dict[str, bool]
    counts: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def id(self) -> str:
        """The GUID of the connection."""
        return str(self.record["id"])

    @property
    def active(self) -> bool:
        """Whether it syncs, which raises the client's quota."""
        return bool(self.record["status"] == "Linked")


class Company(msgspec.Struct, kw_only=True):
    """A client's customer.

    Attributes:
        record: The company as the API serves it; it embeds the connections' records.
    """

    record: dict[str, Any]
    connections: list[Connection]

    @property
    def id(self) -> str:
        """The GUID of the company."""
        return str(self.record["id"])


def make_connection(
    company_id: str, platform: Platform, status: str, names: tuple[object, ...]
) -> Connection:
    """Make a connection whose ids and timestamps belong to `names`; all its types are synced."""
    random = rng("connection", *names)
    connection_id = guid("connection", *names)
    created = NOW - timedelta(seconds=random.randrange(30 * 86400, 900 * 86400))
    record: dict[str, Any] = {
        "id": connection_id,
        "integrationId": platform.integration_id,
        "integrationKey": platform.key,
        "sourceId": platform.source_id,
        "platformName": platform.name,
        "linkUrl": (
            "https://link-api.codat.example.com/companies/"
            f"{company_id}/connections/{connection_id}/start"
        ),
        "status": status,
        "created": dates.format_date(created, random),
        "sourceType": platform.source_type,
    }
    pending = status == "PendingAuth"
    if not pending:
        record["lastSync"] = _platform_timestamp(random)
    elif chance(random, 0.5):
        record["lastSync"] = None
    if status == "Deauthorized":
        record["dataConnectionErrors"] = [
            {
                "statusCode": "401",
                "statusText": "Unauthorized",
                "errorMessage": "The merchant has withdrawn the consent.",
                "erroredOnUtc": _platform_timestamp(random),
                "status": "Active",
                "resolvedOnUtc": None,
            }
        ]
    else:
        record["dataConnectionErrors"] = random.choice(([], None))
    record["connectionInfo"] = random.choice((None, {"shop": f"shop-{connection_id[:8]}"}))
    return Connection(
        record=record,
        company_id=company_id,
        platform=platform,
        datasets=dict.fromkeys(platform.datasets, not pending),
    )


def generate(seed: int, scale: float) -> list[Company]:
    """Make the companies.

    There are a dozen at least, whatever the scale, so that all cases occur.
    """
    count = max(_FEWEST_COMPANIES, round(_COMPANIES * scale))
    platforms = _round_robin(COMMERCE)
    companies = [
        _company(seed, number, shape, platforms, scale)
        for number, shape in zip(range(count), _shapes(seed), strict=False)
    ]
    _leave_one_location(companies)
    return companies


def make_hostile(companies: list[Company]) -> None:
    """Replace the ids of companies and connections with ids that a path must quote."""
    connections = [connection for company in companies for connection in company.connections]
    for number, company in enumerate(companies):
        company.record["id"] = _HOSTILE[number % len(_HOSTILE)].format(number)
        for connection in company.connections:
            connection.company_id = company.id
    for number, connection in enumerate(connections):
        connection.record["id"] = _HOSTILE[-1 - number % len(_HOSTILE)].format(number)


def _leave_one_location(companies: list[Company]) -> None:
    """Reduce one shop to a single location: a list of one row, in which everything is text."""
    for company in companies:
        for connection in company.connections:
            if connection.datasets.get(_LOCATIONS) and _LOCATIONS not in connection.counts:
                connection.counts[_LOCATIONS] = 1
                return


def make_company(names: tuple[object, ...], name: str) -> Company:
    """Make a company without connections whose ids and timestamps belong to `names`."""
    random = rng("company", *names)
    company_id = guid("company", *names)
    created = NOW - timedelta(seconds=random.randrange(900 * 86400, 1400 * 86400))
    record: dict[str, Any] = {
        "id": company_id,
        "name": name,
        "platform": "",
        "redirect": f"https://link.codat.example.com/company/{company_id}",
        "dataConnections": [],
        "created": dates.format_date(created, random),
        "products": random.sample(["commerce", "lending", "spend-insights"], random.randrange(4)),
        "referenceSubsidiaryCompanies": [],
    }
    if chance(random, 0.8):
        record["description"] = random.choice((None, "", f"{name} sells in shops and online"))
    if chance(random, 0.8):
        record["createdByUserName"] = random.choice((None, "A. Member", "Zoë Ünal"))
    if chance(random, 0.5):
        record["tags"] = {"region": random.choice(("uk", "us", "eu")), "tier": "gold"}
    if chance(random, 0.5):
        record["ownerUserIds"] = [guid("owner", *names)]
    return Company(record=record, connections=[])


def join(company: Company, connection: Connection) -> None:
    """Add a connection to its company."""
    company.connections.append(connection)
    company.record["dataConnections"].append(connection.record)
    timestamp = connection.record.get("lastSync")
    if timestamp is not None:
        known = company.record.get("lastSync")
        if known is None or dates.parse(known) < dates.parse(timestamp):
            company.record["lastSync"] = timestamp


def _company(
    seed: int, number: int, shape: int, platforms: Iterator[Platform], scale: float
) -> Company:
    random = rng(seed, "company", number)
    name = f"{random.choice(_FIRST)} {random.choice(_SECOND)} {random.choice(_LAST)}"
    company = make_company((seed, number), name)
    for place, (source_type, status) in enumerate(_DOZEN[shape]):
        big = number < len(_DOZEN) and shape == _BIG_SHOP_IN_DOZEN
        if source_type != "Commerce":
            platform = random.choice([one for one in OTHERS if one.source_type == source_type])
        else:
            platform = COMMERCE[-1] if big else next(platforms)
        connection = make_connection(company.id, platform, status, (seed, number, place))
        if big:
            connection.counts = {
                dataset: max(round(count * scale), min(count, _BIG_AT_LEAST))
                for dataset, count in _BIG_SHOP.items()
            }
        else:
            _leave_unsynced(connection, random, at_least_one=shape == _GAPS_IN_DOZEN)
        join(company, connection)
    if not company.connections:
        company.record["lastSync"] = None
    elif shape == 1:
        company.record["referenceParentCompany"] = None
    return company


def _leave_unsynced(connection: Connection, random: random.Random, *, at_least_one: bool) -> None:
    chosen = [name for name in connection.datasets if random.random() < _UNSYNCED_SHARE]
    if at_least_one and not chosen and connection.datasets:
        chosen = [random.choice(list(connection.datasets))]
    for name in chosen:
        connection.datasets[name] = False


def _shapes(seed: int) -> Iterator[int]:
    random = rng(seed, "shapes")
    while True:
        yield from random.sample(range(len(_DOZEN)), len(_DOZEN))


def _round_robin(platforms: tuple[Platform, ...]) -> Iterator[Platform]:
    while True:
        yield from platforms


def _platform_timestamp(random: random.Random) -> str:
    """Write a time of the last day with seven digits of a second, as Codat does for syncs."""
    timestamp = NOW - timedelta(seconds=random.randrange(86400))
    ticks = random.choice((0, random.randrange(10_000_000)))
    return f"{timestamp.isoformat()}.{ticks:07}Z" if ticks else f"{timestamp.isoformat()}.000Z"
