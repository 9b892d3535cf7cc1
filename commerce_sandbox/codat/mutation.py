"""Changes of the store between two runs of a reader."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import dates, fields
from commerce_sandbox.codat.truth import stream_name
from commerce_sandbox.double import Touched
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from commerce_sandbox.codat.merchants import Connection
    from commerce_sandbox.codat.store import Store
    from commerce_sandbox.codat.table import Table

    Place = tuple[Connection, str, Table]

_STAMPS: Final = 3


class Mutation:
    """One round of changes, chosen by the seed and the number of the round.

    Each round happens a day after the one before, so what was being synced then has ended. The rows
    it touches share three stamps, so they tie among themselves. The first row it adds to a list
    carries the latest stamp that was there before: a reader that asks for later rows only, not for
    equal ones, misses it.

    Args:
        store: The store to change.
        number: The number of the round.
    """

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._random = rng(store.seed, "mutation", number)
        self._names = f"round-{number}"
        self._now = store.now + timedelta(days=1)
        self._stamps = [
            self._now - timedelta(seconds=self._random.randrange(3600)) for _ in range(_STAMPS)
        ]
        self._synced: dict[tuple[str, str], tuple[Connection, str]] = {}

    def apply(self, *, changes: int, inserts: int, dataset: str | None) -> Iterator[Touched]:
        """Change and add rows.

        Args:
            changes: How many rows to change; no row is changed twice in a round.
            inserts: How many rows to add.
            dataset: The list to keep to; all lists if none.

        Raises:
            ValueError: There are fewer rows than changes, or no list to add to. Nothing is changed.
        """
        places = list(self._places(dataset))
        rows = [(place, number) for place in places for number in range(len(place[2]))]
        if not 0 <= changes <= len(rows):
            raise ValueError(f"{changes} of {len(rows)} rows cannot be changed")
        if inserts < 0 or (inserts and not places):
            raise ValueError(f"{inserts} rows cannot be added to {len(places)} lists")
        self._store.now = self._now
        latest: set[int] = set()
        for number in range(inserts):
            place = self._random.choice(places)
            tie = id(place[2]) not in latest
            latest.add(id(place[2]))
            yield self._insert(place, number, tie=tie)
        for place, number in self._random.sample(rows, changes):
            yield self._change(place, number)
        self._store.finish_syncs(self._now)
        for connection, name in self._synced.values():
            self._store.record_sync(connection, name, self._now)

    def _places(self, dataset: str | None) -> Iterator[Place]:
        names = fields.COMMERCE_LISTS if dataset is None else (dataset,)
        for company in self._store.companies.values():
            for connection in company.connections:
                for name in names:
                    table = self._store.rows(connection, name)
                    if len(table):
                        yield connection, name, table

    def _change(self, place: Place, number: int) -> Touched:
        _, dataset, table = place
        row = table.rows[number]
        name, value = _CHANGES[dataset]
        row[name] = self._changed(row.get(name), value)
        self._stamp(row, self._random.choice(self._stamps))
        table.changed(number)
        return self._touched(place, row, "changed")

    def _insert(self, place: Place, number: int, *, tie: bool) -> Touched:
        _, _, table = place
        row = dict(self._random.choice(table.rows))
        row["id"] = f"{self._names}/{number} {row['id']}"
        if tie:
            latest = max(dates.parse(one["modifiedDate"]) for one in table.rows)
            self._stamp(row, latest[0])
        else:
            self._stamp(row, self._random.choice(self._stamps))
        table.add(row)
        return self._touched(place, row, "inserted")

    def _changed(self, old: Any, new: Any) -> Any:  # noqa: ANN401 (JSON values)
        if isinstance(new, Decimal):
            return Decimal(old or 0) + new
        return f"{new} {self._names} {self._random.randrange(10**6)}"

    def _stamp(self, row: dict[str, Any], moment: datetime) -> None:
        row["modifiedDate"] = dates.on_the_wire(moment, self._random)

    def _touched(self, place: Place, row: dict[str, Any], change: str) -> Touched:
        connection, dataset, _ = place
        self._synced[connection.id, dataset] = (connection, dataset)
        key = {"companyId": connection.company_id, "connectionId": connection.id, "id": row["id"]}
        return Touched(stream=stream_name(dataset), key=key, change=change)


# The property a change touches, and what it becomes or grows by.
_CHANGES: Final[dict[str, tuple[str, Decimal | str]]] = {
    "commerce-customers": ("note", "changed in"),
    "commerce-disputes": ("totalAmount", Decimal("1.50")),
    "commerce-locations": ("name", "renamed in"),
    "commerce-orders": ("totalAmount", Decimal("1.50")),
    "commerce-paymentMethods": ("name", "renamed in"),
    "commerce-payments": ("amount", Decimal("0.10")),
    "commerce-productCategories": ("name", "renamed in"),
    "commerce-products": ("name", "renamed in"),
    "commerce-taxComponents": ("name", "renamed in"),
    "commerce-transactions": ("totalAmount", Decimal("0.10")),
}
