"""What is where: movements of stock, what they add up to, and what is ordered from suppliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra.values import DAY, NOW, Row, address, drawn, settled, stamps
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
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
    ones put all ten sizes of the first variant into each of the 24 warehouses.

    Args:
        random: What is drawn from.
        setup: What the client has set up.
        catalogue: The goods.
        changes: How many movements to make.
    """

    def __init__(self, random: Random, setup: Setup, catalogue: Catalogue, changes: int) -> None:
        self._random = random
        self._setup = setup
        self._catalogue = catalogue
        self.changes: list[Row] = []
        self.lines: list[Row] = []
        self.rows: dict[tuple[int, int], Row] = {}
        moments = sorted(drawn(random, NOW - 700 * DAY, NOW - DAY) for _ in range(changes))
        everywhere = catalogue.variants[0]["productSizes"]
        for place, moment in enumerate(moments):
            if place < len(setup.warehouses):
                self.add(moment, setup.warehouses[place], everywhere, "INCOMING")
            else:
                count = _LONG.get(place - len(setup.warehouses), random.choice((1, 1, 2, 3)))
                warehouse = setup.warehouses[int(random.betavariate(1, 4) * len(setup.warehouses))]
                kind = random.choice(("INCOMING", "INCOMING", "CORRECTION", "RETURN"))
                self.add(moment, warehouse, random.choices(catalogue.sizes, k=count), kind)
        self.purchase_orders: list[Row] = []
        self.deliveries: list[Row] = []
        for number, updated in enumerate(stamps(random, max(6, changes // 400)), 1):
            self._purchase(number, updated)

    def tables(self) -> dict[str, list[Row]]:
        """Give the tables, by the names of the root fields."""
        return {
            "stockChanges": self.changes,
            "stockChangeLines": self.lines,
            "purchaseOrders": self.purchase_orders,
            "purchaseOrderDeliveries": self.deliveries,
        }

    def add(self, moment: int, warehouse: Row, sizes: list[Row], kind: str) -> Row:
        """Add a movement of some sizes in a warehouse, and count it in the stock."""
        random, setup = self._random, self._setup
        change: Row = {
            "id": len(self.changes) + 1,
            "createdAt": moment,
            "comment": f"{_COMMENTS[kind]} {len(self.changes) + 1}",
            "type": kind,
            "adminUser": random.choice((*setup.admin_users, None)),
            "lines": [],
            "warehouse": warehouse,
        }
        self.changes.append(change)
        warehouse["stockChanges"].append(change)
        for size in sizes:
            quantity = random.randrange(1, 30)
            line: Row = {
                "id": len(self.lines) + 1,
                "isAvailable": True,
                "freeToAllocateQuantity": quantity,
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
        allocated = min(quantity, 1) if chance(self._random, 0.1) else 0
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
