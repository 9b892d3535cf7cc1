"""Changes of the store: in rounds between two runs of a reader, or row by row during one.

The name of a change depends on what each API shows of it. An order that is edited is `changed`
in the Integration API, where its `updatedAt` moves, and `unmarked` in the Order API, which knows no
such timestamp. What moves along with a row (the lines of an order, an order's customer, a size's
stock) is reported as well, so that every changed row is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.centra.order_api import shipment_status
from commerce_sandbox.centra.values import DAY, settled
from commerce_sandbox.fake_api import ChangedRow
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from random import Random

    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.values import Row

    Change = Callable[["Editor", Row, int], list[ChangedRow]]

_TIMESTAMPS: Final = 3


def _here(stream: str, change: str, **key: object) -> ChangedRow:
    return ChangedRow(stream=f"integration.{stream}", key=key, change=change)


def _there(stream: str, change: str, **key: object) -> ChangedRow:
    return ChangedRow(stream=f"order.{stream}", key=key, change=change)


class Editor:
    """Changes rows.

    Args:
        names: Makes its values unique.
    """

    def __init__(self, store: Store, random: Random, names: str) -> None:
        self.store = store
        self.random = random
        self._names = names

    def text(self) -> str:
        """Make a text that was never there before."""
        return f"{self._names} {self.random.randrange(10**6)}"

    def note(self, kind: str, change: str, row: Row, timestamp: int) -> None:
        """Put an event into the queue."""
        self.store.events.note(kind, change, row, timestamp)


def _mark_updated(editor: Editor, kind: str, row: Row, timestamp: int) -> None:
    row["updatedAt"] = timestamp
    editor.note(kind, "UPDATED", row, timestamp)


def _edit_order(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    row["otherComment"] = editor.text()
    row["isOnHold"] = not row["isOnHold"]
    _mark_updated(editor, "Order", row, timestamp)
    return _changed_order(row, "changed", "unmarked")


def _changed_order(row: Row, here: str, there: str) -> list[ChangedRow]:
    number, key = row["number"], row["id"]
    return [
        _here("orders", here, id=key),
        *(_here("order_lines", here, orderId=key, id=line["id"]) for line in row["lines"]),
        *(
            _here("payment_history", here, orderId=key, id=one["id"])
            for one in row["paymentHistory"]
        ),
        _there("orders", there, orderId=number),
        *(_there("shipments", there, shipmentId=one["number"]) for one in row["shipments"]),
    ] + [
        _there("order_lines", there, orderId=number, lineId=line["id"])
        for line in row["lines"]
        if there == "inserted"
    ]


def _send(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    """Send a shipment, or change the tracking number of a sent one."""
    row["trackingNumber"] = f"TR-{editor.text()}"
    if shipment_status(row) != "completed":
        row |= {"isGoodToGo": True, "isPrinted": True, "isShipped": True, "shippedAt": timestamp}
        row["order"]["status"] = "SHIPPED"
    _mark_updated(editor, "Shipment", row, timestamp)
    _mark_updated(editor, "Order", row["order"], timestamp)
    others = _changed_order(row["order"], "changed", "unmarked")
    return [_here("shipments", "changed", id=row["id"]), *others]


def _complete_return(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    """Edit a return, which moves no timestamp in either API."""
    row["returnStatus"] = "COMPLETED" if row["returnStatus"] == "PENDING" else "CANCELLED"
    row["comment"] = editor.text()
    editor.note("Return", "UPDATED", row, timestamp)
    return [
        _here("returns", "unmarked", id=row["id"]),
        _there("returns", "unmarked", returnId=row["id"]),
    ]


def _rename_product(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    row["name"] = f"{row['name'].split(' round')[0]} {editor.text()}"
    _mark_updated(editor, "Product", row, timestamp)
    return [
        _here("products", "changed", id=row["id"]),
        *_changed_items(row["variants"], "products", "changed"),
        *_changed_items(row["variants"], "stock", "unmarked"),
    ]


def _changed_items(variants: list[Row], stream: str, change: str) -> list[ChangedRow]:
    return [
        _there(stream, change, stockItemId=size["id"])
        for variant in variants
        for size in variant["productSizes"]
    ]


def _change_price(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    money = row["pricelist"]["_money"]
    row["price"] = money(row["price"]["valueInCents"] + 100)
    product, variant = row["product"], row["productVariant"]
    _mark_updated(editor, "ProductVariant", variant, timestamp)
    _mark_updated(editor, "Product", product, timestamp)
    return [
        _here("prices", "unmarked", id=row["id"]),
        _here("product_variants", "changed", id=variant["id"]),
        _here("products", "changed", id=product["id"]),
        *_changed_items([variant], "products", "changed"),
    ]


def _edit(stream: str, kind: str, column: str) -> Change:
    """Make a function that edits one column of a row of the Integration API."""

    def change(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
        row[column] = editor.text()
        _mark_updated(editor, kind, row, timestamp)
        return [_here(stream, "changed", id=row["id"])]

    return change


def _edit_customer(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    row["lastName"] = editor.text()
    _mark_updated(editor, "Customer", row, timestamp)
    return _changed_customer(row, "changed")


def _changed_customer(row: Row, change: str) -> list[ChangedRow]:
    return [
        _here("customers", change, id=row["id"]),
        _there("customers", change, customerId=row["id"]),
    ]


def _rename_voucher(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    changed = _edit("vouchers", "Voucher", "name")(editor, row, timestamp)
    return [*changed, _there("vouchers", "unmarked", id=row["id"])]


CHANGES: Final[Mapping[str, tuple[str, Change]]] = {
    "orders": ("orders", _edit_order),
    "shipments": ("shipments", _send),
    "returns": ("returns", _complete_return),
    "invoices": ("invoices", _edit("invoices", "Invoice", "purchaseOrderNumber")),
    "products": ("products", _rename_product),
    "product_variants": (
        "productVariants",
        _edit("product_variants", "ProductVariant", "internalName"),
    ),
    "product_sizes": ("productSizes", _edit("product_sizes", "ProductSize", "GTIN")),
    "displays": ("displays", _edit("displays", "Display", "comment")),
    "prices": ("prices", _change_price),
    "customers": ("customers", _edit_customer),
    "accounts": ("accounts", _edit("accounts", "Account", "otherComment")),
    "vouchers": ("vouchers", _rename_voucher),
    "campaigns": ("campaigns", _edit("campaigns", "Campaign", "name")),
    "purchase_orders": (
        "purchaseOrders",
        _edit("purchase_orders", "PurchaseOrder", "internalComment"),
    ),
}
"""The table and the function that changes its rows, by stream."""


def _new_order(editor: Editor, timestamp: int) -> list[ChangedRow]:
    store = editor.store
    made = store.orders.add(len(store.orders.orders) + 1, timestamp, timestamp)
    editor.note("Order", "CREATED", made, timestamp)
    changed = _changed_order(made, "inserted", "inserted")
    changed += [_here("shipments", "inserted", id=one["id"]) for one in made["shipments"]]
    for one in (row for row in store.orders.returns if row["order"] is made):
        changed.append(_here("returns", "inserted", id=one["id"]))
        changed.append(_there("returns", "inserted", returnId=one["id"]))
    for one in (row for row in store.orders.invoices if row["_order"] is made):
        changed.append(_here("invoices", "inserted", id=one["id"]))
    if made["_requested"]:
        changed.append(_there("allocation_requests", "inserted", id=len(store.orders.orders)))
    if "customer" in made:
        _mark_updated(editor, "Customer", made["customer"], store.now)
        changed += _changed_customer(made["customer"], "changed")
    return changed


def _new_stock_change(editor: Editor, timestamp: int) -> list[ChangedRow]:
    store, random = editor.store, editor.random
    sizes = random.sample(store.catalogue.sizes, 2)
    warehouse = random.choice(store.setup.warehouses)
    known = set(store.stock.rows)
    made = store.stock.add(timestamp, warehouse, sizes, "INCOMING")
    editor.note("StockChange", "CREATED", made, timestamp)
    changed = [_here("stock_changes", "inserted", id=made["id"])]
    for line in made["lines"]:
        size = line["productSize"]
        size["updatedAt"] = size["_stockModified"] = store.now
        pair = warehouse["id"], size["id"]
        key = {"warehouseId": pair[0], "productSizeId": pair[1]}
        changed += [
            _here("stock_change_lines", "inserted", id=line["id"]),
            _here("stock", "unmarked" if pair in known else "inserted", **key),
            _here("product_sizes", "changed", id=size["id"]),
            _there("stock", "changed", stockItemId=size["id"]),
        ]
    return changed


def _new_customer(editor: Editor, timestamp: int) -> list[ChangedRow]:
    made = editor.store.people.add_customer(timestamp)
    editor.note("Customer", "CREATED", made, timestamp)
    return _changed_customer(made, "inserted")


INSERTS: Final[Mapping[str, Callable[[Editor, int], list[ChangedRow]]]] = {
    "orders": _new_order,
    "stock_changes": _new_stock_change,
    "customers": _new_customer,
}
"""How a row is added, by the stream."""


def _delete_customer(editor: Editor, row: Row, timestamp: int) -> list[ChangedRow]:
    editor.store.people.customers.remove(row)
    editor.note("Customer", "DELETED", row, timestamp)
    return _changed_customer(row, "deleted")


DELETES: Final[Mapping[str, tuple[str, Change]]] = {"customers": ("customers", _delete_customer)}
"""The function that deletes a row, by stream. References to the row stay."""


def kind_of(stream: str | None) -> str | None:
    """Return the kind of rows a stream consists of.

    Raises:
        ValueError: They cannot be changed.
    """
    if stream is None:
        return None
    kind = stream.partition(".")[2]
    kind = {"stock": "stock_changes", "order_lines": "orders"}.get(kind, kind)
    if kind not in {*CHANGES, *INSERTS, *DELETES}:
        raise ValueError(f"the rows of {stream!r} cannot be changed")
    return kind


def mutate(
    store: Store, number: int, *, changes: int, inserts: int, deletes: int, stream: str | None
) -> Iterator[ChangedRow]:
    """Change, add and delete rows, in one round.

    Each round happens a day after the one before. The rows it touches share three timestamps, so
    they tie among themselves. The first row it adds of a kind carries the latest timestamp there
    was before: a reader that requests later rows only, not for equal ones, misses it.

    Args:
        number: The number of the round.
        changes: How many rows to change.
        inserts: How many rows to add.
        deletes: How many rows to delete, first of all.
        stream: The stream to keep to; all that can change if none.

    Raises:
        ValueError: There are fewer rows than changes, or such rows cannot be changed so.
    """
    random = rng(store.seed, "centra", "mutation", number)
    editor = Editor(store, random, f"round-{number}")
    kind = kind_of(stream)
    if min(changes, inserts, deletes) < 0:
        raise ValueError("a number of rows is below 0")
    doomed = _chosen(editor, DELETES, kind, deletes, done="deleted")
    edited = _chosen(
        editor, CHANGES, kind, changes, done="changed", spared=[row for _, row in doomed]
    )
    added = _inserts(kind, inserts)
    latest = {one: _latest(store, one) for one in added}
    store.now = now = store.now + DAY
    timestamps = [settled(now - random.randrange(3600)) for _ in range(_TIMESTAMPS)]
    for act, row in doomed:
        yield from act(editor, row, now)
    for one in added:
        yield from INSERTS[one](editor, latest.pop(one, random.choice(timestamps)))
    for act, row in edited:
        yield from act(editor, row, random.choice(timestamps))


def _chosen(
    editor: Editor,
    acts: Mapping[str, tuple[str, Change]],
    kind: str | None,
    count: int,
    *,
    done: str,
    spared: Iterable[Row] = (),
) -> list[tuple[Change, Row]]:
    names = list(acts) if kind is None else [kind] if kind in acts else []
    if count and not names:
        raise ValueError(f"the rows of {kind!r} cannot be {done}")
    ids = {id(row) for row in spared}
    rows = {
        name: [row for row in editor.store.tables[acts[name][0]] if id(row) not in ids]
        for name in names
    }
    if count > sum(map(len, rows.values())):
        raise ValueError(f"there are not {count} rows that can be {done}")
    chosen: list[tuple[Change, Row]] = []
    for one in rows.values():
        editor.random.shuffle(one)
    while len(chosen) < count:
        for name, left in rows.items():
            if left and len(chosen) < count:
                chosen.append((acts[name][1], left.pop()))
    return chosen


def _inserts(kind: str | None, count: int) -> list[str]:
    names = list(INSERTS) if kind is None else [kind] if kind in INSERTS else []
    if count and not names:
        raise ValueError(f"rows of {kind!r} cannot be added")
    return [names[place % len(names)] for place in range(count)]


def _latest(store: Store, kind: str) -> int:
    table, column = {
        "orders": ("orders", "updatedAt"),
        "customers": ("customers", "updatedAt"),
        "stock_changes": ("stockChanges", "createdAt"),
    }[kind]
    return max(int(row[column]) for row in store.tables[table])


def churn(
    store: Store, number: int, timestamp: int, random: Random, stream: str | None
) -> list[ChangedRow]:
    """Change, add or delete one row.

    Args:
        number: How many rows were churned before.
        stream: The stream to keep to; all that can change if none.
    """
    editor = Editor(store, random, f"churn-{number}")
    kind = kind_of(stream)
    store.now = timestamp = max(store.now, settled(timestamp))
    draw = random.random()
    chosen: Any
    if draw < _DELETED and (kind is None or kind in DELETES):
        chosen = _chosen(editor, DELETES, kind, 1, done="deleted")
    elif draw > _CHANGED and (kind is None or kind in INSERTS):
        names = list(INSERTS) if kind is None else [kind]
        return INSERTS[random.choice(names)](editor, timestamp)
    else:
        table_kind = kind if kind in CHANGES else random.choice(list(CHANGES))
        chosen = _chosen(editor, CHANGES, table_kind, 1, done="changed")
    ((act, row),) = chosen
    return list(act(editor, row, timestamp))


_DELETED: Final = 0.1
_CHANGED: Final = 0.8
