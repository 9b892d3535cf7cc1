"""Changes of the store: in rounds between two runs of a reader, or row by row during one.

What a change leaves behind is what the store leaves: editing an order moves its timestamp, a note
on it does not; editing a product moves its timestamp, selling it does not; what is deleted is
simply gone.
"""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart import carts, catalog, people, sales, truth
from commerce_sandbox.cscart.shop import DAY, UNREFERENCED_EVERY, money, words
from commerce_sandbox.cscart.values import Computed, Native, Timestamp
from commerce_sandbox.fake_api import ChangedRow
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from commerce_sandbox.cscart.store import Store
    from commerce_sandbox.cscart.values import Row

    Change = Callable[[Store, Random, Row, Timestamp], bool]

KEYS: Final = {
    "orders": ("order_id",),
    "products": ("product_id",),
    "carts": ("user_id", "company_id"),
    "users": ("user_id",),
}
"""The streams whose rows change, and the key columns of their rows."""
_TIMESTAMPS: Final = 3
_CHANGED_SHARE: Final = 0.7
_INSERTED_SHARE: Final = 0.2


def _edit_order(store: Store, random: Random, row: Row, timestamp: Timestamp) -> bool:
    """Order one more piece."""
    item = random.choice(list(row["products"].values()))
    item["amount"] += 1
    item["shipment_amount"] = Native(item["shipment_amount"].value + 1)
    item["subtotal"] = item["display_subtotal"] = Computed(item["price"] * item["amount"])
    sales.retotal(row)
    row["updated_at"] = timestamp
    return store.setup.since("4.12")


def _shorten_order(store: Store, random: Random, row: Row, timestamp: Timestamp) -> bool:
    """Remove a line, or order one more of the only line."""
    if len(row["products"]) == 1:
        return _edit_order(store, random, row, timestamp)
    key = random.choice(list(row["products"]))
    del row["products"][key], row["product_groups"][0]["products"][key]
    sales.retotal(row)
    row["updated_at"] = timestamp
    return store.setup.since("4.12")


def _set_status(store: Store, _random: Random, row: Row, timestamp: Timestamp) -> bool:
    """Move the order on."""
    place = sales.STATUSES.index(row["status"])
    row["status"] = sales.STATUSES[(place + 1) % len(sales.STATUSES)]
    row["updated_at"] = timestamp
    return store.setup.since("4.12")


def _note(_store: Store, random: Random, row: Row, _timestamp: Timestamp) -> bool:
    """Add a note to the order, which does not move its timestamp."""
    row["notes"] = f"Called again, {random.randrange(10**6)}"
    return False


def _edit_product(_store: Store, random: Random, row: Row, timestamp: Timestamp) -> bool:
    """Rename the product and give it another price."""
    name = f"Renamed {row['product_id']} {random.randrange(10**6)}"
    row["product"] = words(name)
    catalog.reprice(row, row["base_price"] + money(random, 1, 20))
    row["updated_timestamp"] = timestamp
    return True


def _sell(_store: Store, random: Random, row: Row, _timestamp: Timestamp) -> bool:
    """Reduce the stock, which does not move the product's timestamp."""
    row["amount"] -= random.randint(1, 5)
    return False


def _fill_cart(_store: Store, random: Random, row: Row, timestamp: Timestamp) -> bool:
    """Put one more into the cart."""
    random.choice(row["products"])["amount"] += 1
    carts.recount(row)
    row["date"] = timestamp
    return True


def _edit_user(_store: Store, random: Random, row: Row, _timestamp: Timestamp) -> bool:
    """Change the phone number of an account, which moves no timestamp."""
    row["phone"] = f"+1 202-555-{random.randrange(10**6):06}"
    return False


_CHANGES: Final[dict[str, tuple[Change, ...]]] = {
    "orders": (_edit_order, _set_status, _note),
    "products": (_edit_product, _sell),
    "carts": (_fill_cart,),
    "users": (_edit_user,),
}


def _new_order(store: Store, random: Random, key: int, timestamp: int) -> Row:
    return store.sales.order(random, key, timestamp) | {"updated_at": Timestamp(timestamp)}


def _new_cart(store: Store, random: Random, key: int, timestamp: int) -> Row:
    return store.cart_maker.cart(random, zlib.crc32(f"guest-{key}-{timestamp}".encode()), timestamp)


_MAKERS: Final[dict[str, Callable[[Store, Random, int, int], Row]]] = {
    "orders": _new_order,
    "products": lambda store, random, key, timestamp: store.new_product(random, key, timestamp),
    "carts": _new_cart,
    "users": lambda _, random, key, timestamp: people.user(random, key, "C", timestamp),
}


def _changeable(store: Store, stream: str) -> list[Any]:
    """Return the keys of the rows that change: those a list shows."""
    table = store.table(stream)
    if stream == "carts":  # to change one of several of an account would change the others, too
        carts_of = Counter(user for user, _ in table)
        return [key for key in table if carts_of[key[0]] == 1]
    if stream != "orders":
        return list(table)
    return [row["order_id"] for row in truth.listed_orders(store)]


def _deletable(store: Store, stream: str) -> list[Any]:
    """Return the keys of the rows that can go without a trace in others."""
    keys = _changeable(store, stream)
    if stream in {"products", "users"}:
        return [key for key in keys if key % UNREFERENCED_EVERY == 0]
    if stream == "orders":
        return [key for key in keys if not store.orders[key]["parent_order_id"]]
    return keys


def _streams(stream: str | None) -> tuple[str, ...]:
    return tuple(KEYS) if stream is None else (stream,)


class _Editor:
    """Changes rows, in each table every way of changing in turn.

    Args:
        random: What new values are drawn from.
        shortens: Whether an order that is edited loses a line, which leaves no trace.
    """

    def __init__(self, store: Store, random: Random, *, shortens: bool = False) -> None:
        self._store = store
        self._random = random
        ways = dict(_CHANGES)
        if shortens:
            ways["orders"] = (_shorten_order, *ways["orders"][1:])
        self._ways = {stream: cycle(some) for stream, some in ways.items()}

    def change(self, stream: str, key: Any, timestamp: int) -> tuple[ChangedRow, Row]:  # noqa: ANN401
        """Change a row."""
        row = self._store.table(stream)[key]
        is_newer = next(self._ways[stream])(self._store, self._random, row, Timestamp(timestamp))
        return self._changed_row(stream, row, "changed" if is_newer else "unmarked"), row

    def insert(self, stream: str, timestamp: int) -> tuple[ChangedRow, Row]:
        """Add a row."""
        table = self._store.table(stream)
        number = len(table) if stream == "carts" else max(table) + 1
        row = _MAKERS[stream](self._store, self._random, number, timestamp)
        table[carts.cart_key(row) if stream == "carts" else number] = row
        return self._changed_row(stream, row, "inserted"), row

    def delete(self, stream: str, key: Any) -> ChangedRow:  # noqa: ANN401 (an id, or two)
        """Take a row out."""
        return self._changed_row(stream, self._store.table(stream).pop(key), "deleted")

    def _changed_row(self, stream: str, row: Row, change: str) -> ChangedRow:
        missing = self._store.setup.missing(stream)
        key = {name: 0 if name in missing else row[name] for name in KEYS[stream]}
        return ChangedRow(stream=stream, key=key, change=change)


class Mutation:
    """One round of changes, chosen by the seed and the number of the round.

    Each round happens a day after the one before. The rows it touches share three timestamps. The
    first row it adds to a table carries the latest timestamp that was there before: a reader that
    requests later rows only, not for equal ones, misses it.

    Args:
        number: The number of the round.
    """

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._random = rng(store.seed, "cscart", "mutation", number)

    def apply(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None
    ) -> Iterator[ChangedRow]:
        """Change, add and delete rows, in each stream in turn.

        Args:
            changes: How many rows to change; no row is changed twice in a round.
            inserts: How many rows to add.
            deletes: How many rows to delete; none that was changed or added. If there are any,
                orders lose lines as well.
            stream: The stream to keep to; all that can change if none.

        Raises:
            ValueError: There are fewer rows than changes. Nothing is changed.
        """
        if min(changes, inserts, deletes) < 0:
            raise ValueError("a number of rows is below 0")
        streams = _streams(stream)
        gone = self._pick(deletes, {one: _deletable(self._store, one) for one in streams})
        kept = {
            one: [key for key in _changeable(self._store, one) if (one, key) not in gone]
            for one in streams
        }
        chosen = self._pick(changes, kept)
        self._store.now += DAY
        timestamps = [self._store.now - self._random.randrange(3600) for _ in range(_TIMESTAMPS)]
        latest = {one: _latest(self._store, one) for one in streams}
        editor = _Editor(self._store, self._random, shortens=deletes > 0)
        for number in range(inserts):
            one = streams[number % len(streams)]
            timestamp = latest.pop(one, self._random.choice(timestamps))
            yield editor.insert(one, timestamp)[0]
        for one, key in chosen:
            yield editor.change(one, key, self._random.choice(timestamps))[0]
        for one, key in gone:
            yield editor.delete(one, key)

    def _pick(self, count: int, keys: dict[str, list[Any]]) -> list[tuple[str, Any]]:
        """Choose rows, from each stream in turn as long as it has any left."""
        left = {stream: self._random.sample(known, len(known)) for stream, known in keys.items()}
        if count > sum(map(len, left.values())):
            raise ValueError(f"{count} rows of {', '.join(keys)} cannot be changed or deleted")
        picked: list[tuple[str, Any]] = []
        for stream in cycle(left):
            if len(picked) == count:
                break
            if left[stream]:
                picked.append((stream, left[stream].pop()))
        return picked


def _latest(store: Store, stream: str) -> int:
    """Return the latest timestamp by which a stream's rows can be requested."""
    column = {
        "orders": "updated_at" if store.setup.since("4.12") else "timestamp",
        "products": "updated_timestamp",
        "carts": "date",
        "users": "timestamp",
    }[stream]
    return max(int(row[column]) for row in store.table(stream).values())


class Churner:
    """Changes row by row, while clients read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = store.now + DAY
        self._editor: _Editor | None = None

    def step(self, seconds: float, random: Random, stream: str | None) -> tuple[ChangedRow, bytes]:
        """Change, add or delete one row."""
        store = self._store
        if self._editor is None:
            self._editor = _Editor(store, random)
        store.now = self._began + int(seconds)
        streams = _streams(stream)
        (chosen,) = random.choices(streams, [len(store.table(one)) for one in streams])
        draw = random.random()
        if draw >= _CHANGED_SHARE + _INSERTED_SHARE and (keys := _deletable(store, chosen)):
            return self._editor.delete(chosen, random.choice(keys)), b""
        if draw < _CHANGED_SHARE:
            key = random.choice(_changeable(store, chosen))
            changed, row = self._editor.change(chosen, key, store.now)
        else:
            changed, row = self._editor.insert(chosen, store.now)
        return changed, truth.encoded(store, chosen, row)
