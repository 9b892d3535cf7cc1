"""Changes of the store: in rounds between two runs of a reader, or row by row during one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import dates, fields
from commerce_sandbox.codat.truth import encoded, stream_name
from commerce_sandbox.fake_api import ChangedRow
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random

    from commerce_sandbox.codat.merchants import Connection
    from commerce_sandbox.codat.store import Store
    from commerce_sandbox.codat.table import Table

    Place = tuple[Connection, str, Table]
    Record = dict[str, Any]

_TIMESTAMPS: Final = 3
_CHANGED_SHARE: Final = 0.7
_INSERTED_SHARE: Final = 0.2


def _places(store: Store, dataset: str | None) -> Iterator[Place]:
    """List the lists that have rows."""
    names = fields.COMMERCE_LISTS if dataset is None else (dataset,)
    for company in store.companies.values():
        for connection in company.connections:
            for name in names:
                table = store.rows(connection, name)
                if len(table):
                    yield connection, name, table


class _Editor:
    """Changes rows.

    Args:
        random: What new values are drawn from.
        names: Makes its values and ids unique.
    """

    def __init__(self, random: Random, names: str) -> None:
        self._random = random
        self._names = names

    def change(self, place: Place, number: int, timestamp: datetime) -> Record:
        """Change one property of a row."""
        _, dataset, table = place
        row = table.rows[number]
        name, value = _CHANGES[dataset]
        row[name] = self._changed(row.get(name), value)
        self._timestamp(row, timestamp)
        table.changed(number)
        return row

    def insert(self, place: Place, name: str, timestamp: datetime | None = None) -> Record:
        """Add a row that is like another one.

        Args:
            place: The list to add it to.
            name: The beginning of its id.
            timestamp: When; that of the latest row there is, if none.
        """
        _, _, table = place
        row = dict(self._random.choice(table.rows))
        row["id"] = f"{self._names}/{name}"
        if timestamp is None:
            timestamp, _ = max(dates.parse(one["modifiedDate"]) for one in table.rows)
        self._timestamp(row, timestamp)
        table.add(row)
        return row

    def _changed(self, old: Any, new: Any) -> Any:  # noqa: ANN401 (JSON values)
        if isinstance(new, Decimal):
            return Decimal(old or 0) + new
        return f"{new} {self._names} {self._random.randrange(10**6)}"

    def _timestamp(self, row: Record, timestamp: datetime) -> None:
        row["modifiedDate"] = dates.format_date(timestamp, self._random)


def _changed_row(place: Place, row: Record, change: str) -> ChangedRow:
    connection, dataset, _ = place
    key = {"companyId": connection.company_id, "connectionId": connection.id, "id": row["id"]}
    return ChangedRow(stream=stream_name(dataset), key=key, change=change)


class Mutation:
    """One round of changes, chosen by the seed and the number of the round.

    Each round happens a day after the one before, so what was being synced then has ended. The rows
    it touches share three timestamps, so they tie among themselves. The first row it adds to a list
    carries the latest timestamp that was there before: a reader that requests later rows only, not
    for equal ones, misses it.

    Args:
        number: The number of the round.
    """

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._random = rng(store.seed, "mutation", number)
        self._editor = _Editor(self._random, f"round-{number}")
        self._now = store.now + timedelta(days=1)
        self._timestamps = [
            self._now - timedelta(seconds=self._random.randrange(3600)) for _ in range(_TIMESTAMPS)
        ]

    def apply(
        self, *, changes: int, inserts: int, deletes: int, dataset: str | None
    ) -> Iterator[ChangedRow]:
        """Change, add and delete rows.

        Args:
            changes: How many rows to change; no row is changed twice in a round.
            inserts: How many rows to add.
            deletes: How many rows to delete; none that was changed or added.
            dataset: The list to keep to; all lists if none.

        Raises:
            ValueError: There are fewer rows than changes, or no list to add to. Nothing is changed.
        """
        places = list(_places(self._store, dataset))
        rows = [(place, number) for place in places for number in range(len(place[2]))]
        if min(changes, deletes) < 0 or changes + deletes > len(rows):
            raise ValueError(f"{changes + deletes} of {len(rows)} rows cannot be changed")
        if inserts < 0 or (inserts and not places):
            raise ValueError(f"{inserts} rows cannot be added to {len(places)} lists")
        self._store.now = self._now
        synced: dict[tuple[str, str], Place] = {}
        for place, changed in self._mark_updated(places, rows, changes, inserts, deletes):
            connection, name, _ = place
            synced[connection.id, name] = place
            yield changed
        self._store.finish_syncs(self._now)
        for connection, name, _ in synced.values():
            self._store.record_sync(connection, name, self._now)

    def _mark_updated(
        self,
        places: list[Place],
        rows: list[tuple[Place, int]],
        changes: int,
        inserts: int,
        deletes: int,
    ) -> Iterator[tuple[Place, ChangedRow]]:
        random, timestamps = self._random, self._timestamps
        latest: set[int] = set()
        for number in range(inserts):
            place = random.choice(places)
            tie = id(place[2]) not in latest
            latest.add(id(place[2]))
            row = self._editor.insert(
                place, f"{number}", None if tie else random.choice(timestamps)
            )
            yield place, _changed_row(place, row, "inserted")
        chosen = random.sample(rows, changes + deletes)
        for place, number in chosen[:changes]:
            row = self._editor.change(place, number, random.choice(timestamps))
            yield place, _changed_row(place, row, "changed")
        # The last of a list first, so that the numbers of the others still hold.
        for place, number in sorted(chosen[changes:], key=lambda one: one[1], reverse=True):
            yield place, _changed_row(place, place[2].remove(number), "deleted")


class Churner:
    """Changes row by row, as of a sync that writes while clients read.

    The sync of a list is reported as under way from its first change on, and to be complete once
    all has settled.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = store.now + timedelta(days=1)
        self._places: dict[str | None, list[Place]] = {}
        self._syncing: set[tuple[str, str]] = set()
        self._steps = 0

    def step(self, seconds: float, random: Random, dataset: str | None) -> tuple[ChangedRow, bytes]:
        """Change, add or delete one row."""
        if dataset not in self._places:
            self._places[dataset] = list(_places(self._store, dataset))
        places = self._places[dataset]
        (place,) = random.choices(places, [len(table) for _, _, table in places])
        connection, name, table = place
        self._store.now = self._began + timedelta(seconds=int(seconds))
        if (connection.id, name) not in self._syncing:
            self._syncing.add((connection.id, name))
            self._store.begin_sync(connection, name, self._store.now)
        self._steps += 1
        editor = _Editor(random, f"churn-{self._steps}")
        number, draw = random.randrange(len(table)), random.random()
        if draw < _CHANGED_SHARE or len(table) == 1:
            row, change = editor.change(place, number, self._store.now), "changed"
        elif draw < _CHANGED_SHARE + _INSERTED_SHARE:
            row, change = editor.insert(place, name, self._store.now), "inserted"
        else:
            return _changed_row(place, table.remove(number), "deleted"), b""
        changed = _changed_row(place, row, change)
        return changed, encoded(changed.stream, changed.key | row)

    def settle(self) -> None:
        """Complete the syncs."""
        self._syncing.clear()
        self._store.finish_syncs(self._store.now)


# The property that a change modifies, and its new value or increment. No property is part of a sum,
# and the sign of none has a meaning.
_CHANGES: Final[dict[str, tuple[str, Decimal | str]]] = {
    "commerce-customers": ("note", "changed in"),
    "commerce-disputes": ("totalAmount", Decimal("1.50")),
    "commerce-locations": ("name", "renamed in"),
    "commerce-orders": ("totalGratuity", Decimal("1.50")),
    "commerce-paymentMethods": ("name", "renamed in"),
    "commerce-payments": ("paymentProvider", "processor of"),
    "commerce-productCategories": ("name", "renamed in"),
    "commerce-products": ("name", "renamed in"),
    "commerce-taxComponents": ("name", "renamed in"),
    "commerce-transactions": ("subType", "adjusted in"),
}
