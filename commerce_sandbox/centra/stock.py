"""Stock: its movements and levels, and purchases from suppliers."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra.values import DAY, NOW, Row, address, draw_timestamps, drawn, settled
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from commerce_sandbox.centra.catalogue import Catalogue
    from commerce_sandbox.centra.setup import Setup

_LONG: Final = {5: 250, 9: 45}
"""Movements with more lines than a page can hold, by their place after the first ones."""
_COMMENTS: Final = {
    "INCOMING": "Delivery",
    "CORRECTION": "Counted anew",
    "SHIPMENT": "Sent",
    "RETURN": "Came back",
}


class StockRoom:
    """The rows of the stock, linked to goods and warehouses.

    The movements are the log, and what a warehouse has of a size is what they add up to. The first
    ones put all ten sizes of the first variant into each of the 24 warehouses. What a shipment
    sends leaves the warehouse it was allocated in, which had a delivery of it before. Pieces that
    leave count negative: how Centra writes them is not documented, only that a line may be made
    from one of a shipment (reference of the Integration API, `StockChangeLine`).

    Args:
        setup: The client's set-up.
        shipments: What was shipped, or waits for it.
        changes: How many movements to make, if the shipments do not take more.
    """

    def __init__(
        self,
        random: Random,
        setup: Setup,
        catalogue: Catalogue,
        shipments: list[Row],
        changes: int,
    ) -> None:
        self._random = random
        self._setup = setup
        self._catalogue = catalogue
        self.changes: list[Row] = []
        self.lines: list[Row] = []
        self.rows: dict[tuple[int, int], Row] = {}
        first = NOW - 700 * DAY
        acts: list[tuple[int, Callable[[int], object]]] = []
        for shipment in shipments:
            if (sent := shipment["shippedAt"]) is not None:
                for warehouse, lines in _by_warehouse(shipment):
                    acts.append(
                        (drawn(random, first, sent), partial(self._deliver, warehouse, lines))
                    )
                    acts.append((sent, partial(self._send, warehouse, lines)))
        others = changes - len(acts) - len(setup.warehouses)
        acts += [(drawn(random, first, NOW - DAY), self._move) for _ in range(others)]
        everywhere = catalogue.variants[0]["productSizes"]
        for warehouse in setup.warehouses:
            self.add(first, warehouse, everywhere, "INCOMING")
        for timestamp, act in sorted(acts, key=itemgetter(0)):
            act(timestamp)
        self.purchase_orders: list[Row] = []
        self.deliveries: list[Row] = []
        for number, updated in enumerate(draw_timestamps(random, max(6, changes // 400)), 1):
            self._purchase(number, updated)

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables, by the names of the root fields."""
        return {
            "stockChanges": self.changes,
            "stockChangeLines": self.lines,
            "purchaseOrders": self.purchase_orders,
            "purchaseOrderDeliveries": self.deliveries,
        }

    def _move(self, timestamp: int) -> None:
        """Add a movement that has to do with no shipment."""
        random, warehouses = self._random, self._setup.warehouses
        place = len(self.changes) - len(warehouses)
        count = _LONG.get(place, random.choice((1, 1, 2, 3)))
        warehouse = warehouses[int(random.betavariate(1, 4) * len(warehouses))]
        kind = random.choice(("INCOMING", "INCOMING", "CORRECTION", "RETURN"))
        self.add(timestamp, warehouse, random.choices(self._catalogue.sizes, k=count), kind)

    def _deliver(self, warehouse: Row, lines: list[Row], timestamp: int) -> None:
        """Add a delivery that covers the lines of a shipment, and more."""
        pieces = [(_size(line), line["quantity"] + self._random.randrange(30)) for line in lines]
        self._add(timestamp, warehouse, "INCOMING", pieces)

    def _send(self, warehouse: Row, lines: list[Row], timestamp: int) -> None:
        """Take the pieces of a shipment out of their warehouse."""
        pieces = [(_size(line), -line["quantity"]) for line in lines]
        change = self._add(timestamp, warehouse, "SHIPMENT", pieces)
        for line, moved in zip(lines, change["lines"], strict=True):
            moved["createdFromShipmentLine"] = line

    def add(self, timestamp: int, warehouse: Row, sizes: list[Row], kind: str) -> Row:
        """Add a movement of some sizes into a warehouse, and count it in the stock."""
        pieces = [(size, self._random.randrange(1, 30)) for size in sizes]
        return self._add(timestamp, warehouse, kind, pieces)

    def _add(self, timestamp: int, warehouse: Row, kind: str, pieces: list[tuple[Row, int]]) -> Row:
        random, setup = self._random, self._setup
        change: Row = {
            "id": len(self.changes) + 1,
            "createdAt": timestamp,
            "comment": f"{_COMMENTS[kind]} {len(self.changes) + 1}",
            "type": kind,
            "adminUser": random.choice((*setup.admin_users, None)),
            "lines": [],
            "warehouse": warehouse,
        }
        self.changes.append(change)
        warehouse["stockChanges"].append(change)
        for size, quantity in pieces:
            line: Row = {
                "id": len(self.lines) + 1,
                "isAvailable": True,
                "freeToAllocateQuantity": max(quantity, 0),
                "deliveredQuantity": quantity,
                "unitCost": size["productVariant"]["unitCost"],
                "currencyBaseRate": 1.0,
                "productSize": size,
                "createdFromShipmentLine": None,
                "warehouse": warehouse,
                "stockChange": change,
            }
            self.lines.append(line)
            change["lines"].append(line)
            self._count(warehouse, size, quantity)
        return change

    def _count(self, warehouse: Row, size: Row, quantity: int) -> None:
        key = (warehouse["id"], size["id"])
        stock = self.rows.get(key)
        if stock is None:
            variant = size["productVariant"]
            stock = self.rows[key] = {
                "allocatedQuantity": 0,
                "availableNowQuantity": 0,
                "availableQuantity": 0,
                "demandQuantity": 0,
                "freeToAllocateQuantity": 0,
                "incomingQuantity": 0,
                "linkedIncomingQuantity": 0,
                "unlinkedIncomingQuantity": 0,
                "onDeliveryQuantity": 0,
                "physicalQuantity": 0,
                "unshippedQuantity": 0,
                "productSize": size,
                "warehouse": warehouse,
                "productVariant": variant,
                "product": variant["product"],
            }
            for holder in (size, variant, warehouse):
                holder["stock"].append(stock)
        if quantity < 0:  # what is sent is not set aside any more
            allocated = -min(stock["allocatedQuantity"], -quantity)
        else:
            allocated = int(chance(self._random, 0.1))
        size["quantity"] += quantity - allocated
        stock["physicalQuantity"] += quantity
        stock["allocatedQuantity"] += allocated
        stock["unshippedQuantity"] += allocated
        for name in ("freeToAllocateQuantity", "availableQuantity", "availableNowQuantity"):
            stock[name] += quantity - allocated

    def _purchase(self, number: int, updated: int) -> None:
        random, setup = self._random, self._setup
        money = setup.money[0]
        created = drawn(random, updated - 100 * DAY, updated)
        warehouse = setup.warehouses[number % 2]
        supplier = random.choice(setup.suppliers)
        country = setup.countries[1]
        status = "DRAFT" if number % 5 == 0 else "CONFIRMED"
        order: Row = {
            "id": number,
            "status": status,
            "createdAt": created,
            "updatedAt": updated,
            "ETA": settled(created + 60 * DAY),
            "requestedETD": settled(created + 30 * DAY),
            "confirmedETD": settled(created + 35 * DAY) if status == "CONFIRMED" else None,
            "internalComment": None,
            "externalComment": "Mark the boxes",
            "ourReference": f"OUR-{number}",
            "currency": money.currency,
            "lines": [
                {
                    "id": 100 * number + n,
                    "quantity": random.randrange(10, 200),
                    "productSize": size,
                    "unitCost": size["productVariant"]["unitCost"],
                }
                for n, size in enumerate(
                    random.choices(self._catalogue.sizes, k=random.randint(1, 6))
                )
            ],
            "paymentTerms": random.choice(setup.payment_terms),
            "preferredWarehouse": warehouse,
            "deliveries": [],
            "supplier": supplier,
            "shippingAddress": address(random, country, email="stock@shop.example.com"),
            "supplierAddress": address(
                random, country, email="sales@supplier.example.com", company=supplier["name"]
            ),
        }
        self.purchase_orders.append(order)
        for part in range(0 if status == "DRAFT" else random.choice((1, 2))):
            accepted = part == 0 and number % 2 == 0
            delivery: Row = {
                "id": len(self.deliveries) + 1,
                "number": f"{number}-{part + 1}",
                "status": "ACCEPTED" if accepted else "INSERTED",
                "createdAt": settled(created + (10 + part) * DAY),
                "exFactoryDate": settled(created + 20 * DAY),
                "ETA": order["ETA"],
                "shippingCost": money(12_000),
                "otherCosts": money(0),
                "adminUser": setup.admin_users[1],
                "currency": money.currency,
                "lines": [
                    {
                        "quantity": line["quantity"] // 2 or 1,
                        "unitCost": line["unitCost"],
                        "landedCost": line["unitCost"],
                        "customsValue": None,
                        "productSize": line["productSize"],
                        "product": line["productSize"]["productVariant"]["product"],
                        "productVariant": line["productSize"]["productVariant"],
                    }
                    for line in order["lines"]
                ],
                "supplier": supplier,
                "purchaseOrder": order,
                "warehouse": warehouse,
                "stockChange": random.choice(self.changes) if accepted else None,
            }
            self.deliveries.append(delivery)
            order["deliveries"].append(delivery)


def _by_warehouse(shipment: Row) -> Iterator[tuple[Row, list[Row]]]:
    """Group a shipment's lines by the warehouse they were allocated in."""
    found: dict[int, tuple[Row, list[Row]]] = {}
    for line in shipment["lines"]:
        for allocation in line["orderLine"]["allocations"]:
            warehouse = allocation["warehouse"]
            found.setdefault(warehouse["id"], (warehouse, []))[1].append(line)
    yield from found.values()


def _size(line: Row) -> Row:
    """Return the size that a line of a shipment sends."""
    size: Row = line["orderLine"]["productSize"]
    return size
