"""Orders of both kinds with lines and payments, shipments, returns, invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra.values import (
    DAY,
    NOW,
    Money,
    Row,
    address,
    attribute,
    draw_timestamps,
    drawn,
    settled,
    text_element,
)
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.centra.catalogue import Catalogue
    from commerce_sandbox.centra.people import People
    from commerce_sandbox.centra.setup import Setup

_LONG: Final = {3: 250, 6: 215}
"""Orders with more lines than a page can hold, by number; one of each kind."""
_WHOLESALE_EVERY: Final = 6
_FIRST_NUMBER: Final = 10_001
_STATUSES: Final = ("SHIPPED",) * 10 + (
    "CONFIRMED",
    "PROCESSING",
    "PENDING",
    "CANCELLED",
    "ARCHIVED",
)
_TAX: Final = 25
_SENT: Final = {"SHIPPED", "ARCHIVED", "PROCESSING"}
"""The statuses of orders that have shipments."""


class Orders:
    """The rows of orders, linked to goods and people.

    Args:
        setup: The client's set-up.
        count: How many orders to make.
    """

    def __init__(
        self, random: Random, setup: Setup, catalogue: Catalogue, people: People, count: int
    ) -> None:
        self._random = random
        self._setup = setup
        self._catalogue = catalogue
        self._people = people
        self.orders: list[Row] = []
        self.shipments: list[Row] = []
        self.returns: list[Row] = []
        self.invoices: list[Row] = []
        self._lines = self._payments = self._allocations = 0
        self._shipment_lines = self._return_lines = 0
        updates = draw_timestamps(random, count)
        first = NOW - 700 * DAY
        created = sorted(drawn(random, first, NOW - 410 * DAY) for _ in range(count))
        for place, timestamps in enumerate(zip(created, updates, strict=True), 1):
            self.add(place, *timestamps)

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables, by the names of the root fields."""
        return {
            "orders": self.orders,
            "shipments": self.shipments,
            "returns": self.returns,
            "invoices": self.invoices,
        }

    def add(self, place: int, created: int, updated: int) -> Row:
        """Add an order, with its shipments, returns and invoices.

        Args:
            place: Its place among all orders, from 1.
            updated: When it was last changed.
        """
        random = self._random
        wholesale = place % _WHOLESALE_EVERY == 0
        order = self._order(place, created, updated, wholesale=wholesale)
        money: Money = order["_money"]
        for _ in range(_LONG.get(place, random.choice((1, 1, 2, 3, 4)))):
            order["lines"].append(self._line(order, money))
        self._total(order, money)
        self._pay(order)
        self.orders.append(order)
        if order["status"] in _SENT:
            # One order in four comes in two parcels, if it has two lines.
            parts = 2 if len(order["lines"]) > 1 and chance(random, 0.25) else 1
            for part in range(parts):
                self._ship(order, part + 1, order["lines"][part::parts])
        if order["shipments"] and chance(random, 0.12):
            self._return(order)
        if wholesale or chance(random, 0.1):
            self._invoice(order)
        return order

    def _order(self, place: int, created: int, updated: int, *, wholesale: bool) -> Row:
        random, setup = self._random, self._setup
        buyer = random.choice(self._people.buyers) if wholesale else None
        account = buyer["account"] if buyer else None
        customer = None if wholesale else random.choice(self._people.customers)
        party = account or customer or {}
        country = party["billingAddress"]["country"]
        email = party["accountEmail"] if account else party["email"]
        pricelist = party["pricelist"]
        status = random.choice(_STATUSES)
        order: Row = {
            "__typename": "WholesaleOrder" if wholesale else "DirectToConsumerOrder",
            "id": f"{random.getrandbits(128):032x}",
            "number": _FIRST_NUMBER + place,
            "status": status,
            "createdAt": created,
            "updatedAt": updated,
            "orderDate": created,
            "userIP": None if wholesale else f"192.0.2.{random.randrange(1, 255)}",
            "internalComment": "Call first" if chance(random, 0.1) else None,
            "otherComment": "" if chance(random, 0.8) else "Leave it at the door\nplease",
            "currencyBaseRate": pricelist["_money"].rate,
            "attributes": [attribute("gift", "Order", [text_element("note", "Grattis!")])]
            if chance(random, 0.05)
            else [],
            "billingAddress": party["billingAddress"],
            "country": country,
            "discountsApplied": [],
            "shippingAddress": address(
                random, country, email=email, company=account["name"] if account else None
            ),
            "isOnHold": chance(random, 0.03),
            "isLocked": False,
            "isWaitingForPayment": status == "PENDING" and chance(random, 0.3),
            "isInternal": False,
            "store": setup.stores[1] if wholesale else party["store"],
            "market": party["market"],
            "pricelist": pricelist,
            "shippingPriceGroup": {"shippingOption": random.choice(setup.shipping_options)},
            "paymentMethod": {"uri": "invoice", "plugin": "invoice", "name": "Invoice"}
            if wholesale
            else {"uri": "card", "plugin": "cards", "name": "Card"},
            "paymentHistory": [],
            "lines": [],
            "shipments": [],
            "allocationRule": random.choice(setup.allocation_rules),
            "_money": pricelist["_money"],
            "_requested": status in {"PROCESSING", "CONFIRMED"},
        }
        if wholesale:
            order |= {
                "account": account,
                "buyer": buyer,
                "deliveryWindows": [random.choice(setup.delivery_windows)],
                "purchaseOrderNumber": f"PO {place}/{random.randrange(99)}",
            }
            party["orders"].append(order)
        else:
            order["customer"] = customer
            party["totalOrders"] += 1
            party["lastOrder"] = order
        return order

    def _line(self, order: Row, money: Money) -> Row:
        random = self._random
        self._lines += 1
        size = random.choice(self._catalogue.sizes)
        variant = size["productVariant"]
        product = variant["product"]
        price = money(random.randrange(1000, 40000, 50))
        discount = random.choice((0, 0, 0, 10))
        quantity = random.choice((1, 1, 1, 2, 12))
        unit = money(price["valueInCents"] * (100 - discount) // 100)
        cancelled = quantity if order["status"] == "CANCELLED" else 0
        line: Row = {
            "id": self._lines,
            "product": product,
            "productVariant": variant,
            "productSize": size,
            "brand": product["brand"],
            "productName": product["name"],
            "productVariantName": variant["name"],
            "productNumber": product["productNumber"],
            "size": size["size"]["name"],
            "quantity": quantity,
            "cancelledQuantity": cancelled,
            "shippedQuantity": 0,
            "returnedQuantity": 0,
            "taxPercent": float(_TAX),
            "discountPercent": float(discount),
            "hasAnyDiscount": discount > 0,
            "unitOriginalPrice": price,
            "unitPrice": unit,
            "lineValue": money(unit["valueInCents"] * quantity),
            "_lineValueExcludingTax": money(_without_tax(order, unit["valueInCents"] * quantity)),
            "comment": None if chance(random, 0.95) else "Gift wrap",
            "allocations": [],
            "_order": order,
        }
        if not cancelled and order["status"] != "PENDING":
            self._allocations += 1
            warehouse = self._setup.warehouses[random.randrange(3)]
            allocation = {"id": self._allocations, "quantity": quantity, "warehouse": warehouse}
            line["allocations"].append(allocation | {"stockChangeLine": None})
        return line

    def _total(self, order: Row, money: Money) -> None:
        random = self._random
        lines = sum(line["lineValue"]["valueInCents"] for line in order["lines"])
        shipping = random.choice((0, 490, 990))
        voucher = random.choice(self._catalogue.vouchers) if chance(random, 0.1) else None
        discount = lines * voucher["_percent"] // 100 if voucher else 0
        priced = lines + shipping - discount
        net = _without_tax(order, priced)
        total = _with_tax(order, priced)
        order["grandTotal"] = money(total)
        order["_grandTotalExcludingTax"] = money(net)
        order["totals"] = {
            "quantity": sum(line["quantity"] for line in order["lines"]),
            "shipping": money(shipping),
            "handling": money(0),
            "taxAdded": money(total - priced),
            "taxDeducted": money(0),
            "taxIncluded": money(priced - net),
            "discounts": money(-discount),
            "shippingTaxIncluded": money(shipping - _without_tax(order, shipping)),
            "lineValues": money(lines),
        }
        if voucher:
            order["discountsApplied"].append(
                {
                    "__typename": "AppliedVoucher",
                    "value": money(-discount),
                    "date": order["createdAt"],
                    "voucher": voucher,
                    "_name": voucher["name"],
                }
            )

    def _pay(self, order: Row) -> None:
        entries = ["AUTH"]
        if order["status"] in {"SHIPPED", "ARCHIVED"}:
            entries += ["CAPTURE_REQUEST", "CAPTURE"]
        elif order["status"] == "CANCELLED":
            entries += ["CANCEL"]
        for step, kind in enumerate(entries):
            order["paymentHistory"].append(
                self.payment(order, kind, order["createdAt"] + 60 * step)
            )

    def payment(self, order: Row, kind: str, timestamp: int) -> Row:
        """Make an entry of the history of payments."""
        self._payments += 1
        return {
            "id": self._payments,
            "createdAt": settled(timestamp),
            "status": "SUCCESS",
            "entryType": kind,
            "externalReference": f"ref-{order['number']}-{self._payments}",
            "value": order["grandTotal"],
            "paymentMethod": order["paymentMethod"]["uri"],
            "paramsJSON": '{"attempt":1}',
        }

    def _later(self, order: Row, timestamp: int, seconds: int) -> int:
        """Return a timestamp after another one, but none after the order's last change."""
        return min(settled(timestamp + seconds), int(order["updatedAt"]))

    def _ship(self, order: Row, number: int, lines: list[Row]) -> None:
        random = self._random
        done = order["status"] in {"SHIPPED", "ARCHIVED"}
        money: Money = order["_money"]
        timestamp = self._later(order, order["createdAt"], random.randrange(3600, 20 * DAY))
        shipment: Row = {
            "__typename": order["__typename"].replace("Order", "Shipment"),
            "id": len(self.shipments) + 1,
            "number": f"{order['number']}-{number}",
            "createdAt": timestamp,
            "updatedAt": order["updatedAt"],
            "isGoodToGo": done or chance(random, 0.5),
            "isPrinted": done,
            "isShipped": done,
            "isOnHold": order["isOnHold"],
            "consignationWarehouseStatus": "NOT_APPLICABLE",
            "trackingNumber": f"TR{random.randrange(10**9):09}" if done else None,
            "returnTrackingNumber": None,
            "numberOfPackages": 1,
            "internalShippingCost": money(random.randrange(200, 900)),
            "additionalMessage": None,
            "shippedAt": self._later(order, timestamp, 7200) if done else None,
            "isPaid": done,
            "paidAt": self._later(order, timestamp, 3600) if done else None,
            "isCaptured": done,
            "capturedAt": self._later(order, timestamp, 3600) if done else None,
            "currencyBaseRate": order["currencyBaseRate"],
            "usedFallbackTax": False,
            "adminUser": random.choice((*self._setup.admin_users, None)),
            "carrierInformation": {
                "carrierName": "DHL",
                "serviceName": "Parcel",
                "accountIdentifier": None,
                "taxId": None,
            },
            "discountsApplied": order["discountsApplied"] if number == 1 else [],
            "lines": [],
            "shippingAddress": order["shippingAddress"],
            "shipmentPlugin": {"id": 1, "name": "Parcel labels", "status": "ACTIVE"}
            if done
            else None,
            "order": order,
            "store": order["store"],
        }
        for line in lines:
            self._shipment_lines += 1
            line["shippedQuantity"] = line["quantity"]
            shipment["lines"].append(
                {
                    "id": self._shipment_lines,
                    "quantity": line["quantity"],
                    "lineValue": line["lineValue"],
                    "orderLine": line,
                }
            )
        priced = sum(line["lineValue"]["valueInCents"] for line in shipment["lines"])
        value = _with_tax(order, priced)
        shipment["grandTotal"] = money(value)
        shipment["_grandTotalExcludingTax"] = money(_without_tax(order, priced))
        shipment["capturedValue"] = money(value) if done else None
        shipment["totals"] = {
            "shipping": money(0),
            "discounts": money(0),
            "taxAdded": money(value - priced),
        }
        self.shipments.append(shipment)
        order["shipments"].append(shipment)

    def _return(self, order: Row) -> None:
        random = self._random
        shipment = order["shipments"][0]
        money: Money = order["_money"]
        timestamp = self._later(order, shipment["createdAt"], random.randrange(2 * DAY, 30 * DAY))
        completed = chance(random, 0.8)
        cost = random.choice((0, 400))
        made: Row = {
            "__typename": order["__typename"].replace("Order", "Return"),
            "id": len(self.returns) + 1,
            "returnStatus": "COMPLETED" if completed else "PENDING",
            "createdAt": timestamp,
            "returnedToStock": completed,
            "comment": None if chance(random, 0.6) else "Too small",
            "createdFrom": random.choice(("AMS", "API", None)),
            "currencyBaseRate": order["currencyBaseRate"],
            "adminUser": random.choice((*self._setup.admin_users, None)),
            "discountsApplied": [],
            "lines": [],
            "returnWarehouse": self._setup.warehouses[1],
            "store": order["store"],
            "refundPaymentHistory": [],
            "usedFallbackTax": False,
            "externalId": None,
            "status": "ACTIVE",
            "order": order,
            "shipment": shipment,
        }
        for shipped in shipment["lines"][: random.randint(1, 2)]:
            self._return_lines += 1
            shipped["orderLine"]["returnedQuantity"] += 1
            made["lines"].append(
                {
                    "id": self._return_lines,
                    "shipmentLine": shipped,
                    "orderLine": shipped["orderLine"],
                }
            )
        priced = sum(one["orderLine"]["unitPrice"]["valueInCents"] for one in made["lines"]) - cost
        made["totalQuantity"] = len(made["lines"])
        made["grandTotal"] = money(_with_tax(order, priced))
        made["_grandTotalExcludingTax"] = money(_without_tax(order, priced))
        made["totals"] = {
            "shipping": money(0),
            "handling": money(0),
            "returnCost": money(cost),
            "discounts": money(0),
        }
        if completed:
            refund = self.payment(order, "REFUND", timestamp + DAY) | {"value": made["grandTotal"]}
            order["paymentHistory"].append(refund)
            made["refundPaymentHistory"].append(refund)
        self.returns.append(made)
        if "account" in order:
            made["account"] = order["account"]
            order["account"]["returns"].append(made)
        else:
            made["customer"] = order["customer"]

    def _invoice(self, order: Row) -> None:
        random = self._random
        timestamp = self._later(order, order["createdAt"], 3600)
        invoice: Row = {
            "__typename": order["__typename"].replace("Order", "Invoice"),
            "id": len(self.invoices) + 1,
            "number": 500_000 + len(self.invoices),
            "createdAt": timestamp,
            "updatedAt": order["updatedAt"],
            "dueDate": settled(timestamp + 30 * DAY),
            "isDraft": chance(random, 0.05),
            "status": random.choice(("PAID", "PAID", "UNPAID", "OVERDUE")),
            "type": "INVOICE",
            "billingAddress": order["billingAddress"],
            "purchaseOrderNumber": order.get("purchaseOrderNumber"),
            "store": order["store"],
            "_order": order,
        }
        self.invoices.append(invoice)
        if "account" in order:
            order["account"]["invoices"].append(invoice)


def adds_tax(order: Row) -> bool:
    """Return whether tax is added to an order's prices, as for retailers."""
    return "account" in order


def _without_tax(order: Row, cents: int) -> int:
    """Take the tax out of an amount of an order's prices."""
    return cents if adds_tax(order) else cents * 100 // (100 + _TAX)


def _with_tax(order: Row, cents: int) -> int:
    """Add the tax to an amount of an order's prices, if it is not in them."""
    return cents + cents * _TAX // 100 if adds_tax(order) else cents
