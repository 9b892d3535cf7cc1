"""The rows of each commerce dataset.

A field the platform does not know is left out, as in the official examples; null stands where the
official schema or the documentation allows it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import dates
from commerce_sandbox.codat.merchants import NOW
from commerce_sandbox.codat.shop import Shop, draw_timestamps
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from commerce_sandbox.codat.merchants import Connection

    Record = dict[str, Any]
    Maker = Callable[[Shop, int, random.Random, datetime], Record]

_PEOPLE: Final = (
    "Aiko Tanaka",
    "Søren Ångström",
    "Lucía Peña",
    "Maeve O'Brien",
    "Владимир Орлов",
    "王小明",
    'Bo "Bobby" Reed',
    "Nadia Haddad",
)
_THINGS: Final = (
    "Mug",
    "Tea towel",
    "Notebook",
    "Lamp",
    "Poster, 50 x 70 cm",
    "Soap; lemon, mint",
    "Pan",
)
_CITIES: Final = ("London", "Zürich", "São Paulo", "Osaka", "Kuwait City", "Austin")
_RATES: Final = tuple(map(Decimal, ("0", "0.05", "0.2", "0.175", "0.0825")))
_UNKNOWN_DATE: Final = "0001-01-01T00:00:00"
_STATUSES: Final = ("Pending", "Authorized", "Paid", "Failed", "Cancelled")

# The specification does not state the signs of transactions. In its examples payments are positive,
# refunds and fees negative: they are seen from the merchant's account. So are those it has no
# example of.
_SIGNS: Final = {
    "Payment": 1,
    "PaymentFeeRefund": 1,
    "FailedPayout": 1,
    "Refund": -1,
    "PaymentFee": -1,
    "Payout": -1,
    "Transfer": -1,
}
_KINDS: Final = (
    *(("Payment", 40), ("PaymentFee", 25), ("Refund", 15), ("Payout", 10)),
    *(("Transfer", 4), ("PaymentFeeRefund", 4), ("FailedPayout", 2)),
)
"""Types of transactions, with their percentages."""
_OF_ORDERS: Final = ("Payment", "PaymentFee", "PaymentFeeRefund", "Refund")


def rows(connection: Connection, dataset: str) -> list[Record]:
    """Make the rows of a dataset, in the order the store keeps them, which is not that of ids."""
    shop = Shop(connection)
    make = _MAKERS[dataset]
    made = [
        make(shop, number, shop.rng(dataset, number), modified)
        for number, modified in enumerate(shop.modified(dataset))
    ]
    shop.rng("order", dataset).shuffle(made)
    return made


def company_info(connection: Connection, company_name: str) -> Record:
    """Make the record that describes the business behind a connection."""
    shop = Shop(connection)
    random = shop.rng("info")
    created = shop.created(random, NOW - timedelta(days=1))
    return {
        "companyName": company_name,
        "commercePlatformRef": shop.guid("merchant"),
        **_sometimes(random, companyLegalName=f"{company_name} (trading)"),
        "addresses": [_address(random, kind) for kind in ("Billing", "Delivery")],
        "phoneNumbers": [
            {"number": _phone(random), "type": "Landline"},
            {"number": None, "type": "Fax"},
        ],
        "webLinks": [{"type": "Website", "url": "https://shop.example.com/"}],
        **_sometimes(random, registrationNumber=str(random.randrange(10**9))),
        "baseCurrency": shop.currency,
        "accountBalances": [
            {
                "available": shop.money(random, 100, 90000),
                "pending": shop.money(random, 0, 900),
                "reserved": shop.money(random, 0, 90),
                "currency": shop.currency,
            }
        ],
        "sourceUrls": {"Api": "https://api.shop.example.com"},
        **draw_timestamps(random, created + timedelta(hours=1), created),
    }


def _sometimes(random: random.Random, **values: Any) -> Record:  # noqa: ANN401 (JSON values)
    """Keep most of the values, as a platform leaves out unknown ones."""
    return {name: value for name, value in values.items() if chance(random, 0.85)}


def _phone(random: random.Random) -> str:
    return f"+44 {random.randrange(10**9):09}"


def _address(random: random.Random, kind: str) -> Record:
    return {
        "type": kind,
        "line1": f"{random.randrange(1, 300)} High Street",
        **_sometimes(random, line2="c/o The Shop", region="Region"),
        "city": random.choice(_CITIES),
        "country": random.choice(("GB", "CH", "BR", "JP")),
        **_sometimes(random, postalCode=f"{random.randrange(100000):05}"),
    }


def _supplemental(random: random.Random) -> Record:
    """Add the supplemental data that a client has configured: of any form, null if absent."""
    if chance(random, 0.1):
        content = {"extra": {"tags": ["a", "b"], "channel": {"id": 7, "name": "web"}}}
        return {"supplementalData": {"content": content}}
    if chance(random, 0.05):
        return {"supplementalData": {"content": None}}
    return {}


def _customer(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    name = random.choice(_PEOPLE)
    return {
        "id": shop.id("commerce-customers", number),
        **_sometimes(
            random,
            customerName=name,
            emailAddress=f"customer.{number}@example.com",
            phone=_phone(random),
            defaultCurrency=shop.currency,
            note=random.choice(("", "Rings twice,\nthen waits", "VIP \\ do not call")),
        ),
        "addresses": [_address(random, "Billing") for _ in range(random.randrange(3))],
        **draw_timestamps(random, modified, shop.created(random, modified)),
    }


def _dispute(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    created = shop.created(random, modified)
    return {
        "id": shop.id("commerce-disputes", number),
        "disputedTransactions": [
            {"id": shop.ref("commerce-transactions", random) or "unknown", "type": "Payment"}
        ],
        "totalAmount": shop.money(random, 1, 400),
        "currency": shop.currency,
        "status": random.choice(("Won", "Lost", "Processing", "EvidenceRequired")),
        **_sometimes(random, reason=random.choice(("fraudulent", "product_not_received"))),
        "dueDate": dates.format_date(created + timedelta(days=14), random),
        **draw_timestamps(random, modified, created),
    }


def _location(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    # A connection with one location has nothing but text in it, which some loaders mistake for a
    # header.
    alone = shop.count("commerce-locations") == 1
    return {
        "id": shop.id("commerce-locations", number),
        "name": f"{random.choice(_CITIES)} store {number}",
        **({} if alone else {"address": _address(random, "Inventory")}),
        **draw_timestamps(random, modified),
    }


def _payment_method(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    return {
        "id": shop.id("commerce-paymentMethods", number),
        "name": random.choice(("Cash", "Card", "Gift card", "Bank transfer")),
        **_sometimes(random, status=random.choice(("Unknown", "Active", "Archived"))),
        **draw_timestamps(random, modified),
    }


def _category(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    parent = random.randrange(number) if number else None
    refs = []
    if parent is not None:
        refs = [{"id": shop.id("commerce-productCategories", parent), "type": "productCategory"}]
    return {
        "id": shop.id("commerce-productCategories", number),
        "name": f"Category {number}",
        "ancestorRefs": refs,
        "hasChildren": chance(random, 0.3),
        **draw_timestamps(random, modified),
    }


def _tax(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    return {
        "id": shop.id("commerce-taxComponents", number),
        "name": f"Tax {number}",
        **_sometimes(random, rate=random.choice(_RATES), isCompound=chance(random, 0.1)),
        **draw_timestamps(random, modified),
    }


def _product(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    created = shop.created(random, modified)
    category = shop.ref("commerce-productCategories", random)
    return {
        "id": shop.id("commerce-products", number),
        **_sometimes(random, categorization="Homeware"),
        "name": f"{random.choice(_THINGS)} {number}",
        **_sometimes(random, description=random.choice(("", "Hand made", "Größe L: 100 % Wolle"))),
        "productCategoryRefs": [{"id": category, "name": "Category"}] if category else [],
        "isGiftCard": chance(random, 0.05),
        "variants": [
            _variant(shop, f"{number}-{place}", random, created)
            for place in range(random.randrange(1, 3))
        ],
        **_supplemental(random),
        **draw_timestamps(random, modified, created),
        "status": random.choice(("Published", "Unpublished", "Unknown")),
    }


def _variant(shop: Shop, name: str, random: random.Random, created: datetime) -> Record:
    quantity = random.randrange(200)
    location = shop.ref("commerce-locations", random)
    return {
        "id": f"v-{name}",
        "name": random.choice(("Small", "Medium", "Large")),
        "quantity": quantity,
        "isTaxEnabled": True,
        **_sometimes(random, sku=f"SKU-{name}", barcode=f"{random.randrange(10**13):013}"),
        "vatPercentage": random.choice((0, Decimal("17.5"), 20)),
        "prices": [{"currency": shop.currency, "unitPrice": shop.money(random, 1, 90)}],
        "inventory": {
            "totalQuantity": random.choice((quantity, None)),
            "locations": [{"quantity": quantity, "locationRef": {"id": location}}]
            if location
            else [],
        },
        "shippingRequired": True,
        "createdDate": created.isoformat(),
        "status": "Published",
    }


def _payment(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    created = shop.created(random, modified)
    method = shop.ref("commerce-paymentMethods", random)
    due = dates.format_date(created + timedelta(days=30), random)
    amount = shop.money(random, 1, 900)
    # "Refunds are recorded as separate, negative payments", of what has been paid only.
    refund = number % 9 == 0
    return {
        "id": shop.id("commerce-payments", number),
        "amount": -amount if refund else amount,
        "currency": shop.currency,
        **({"paymentMethodRef": {"id": method, "name": "Card"}} if method else {}),
        "type": random.choice(("Cash", "Card", "OnlineCard", None)),
        "status": "Paid" if refund else random.choice(_STATUSES),
        **_sometimes(random, paymentProvider="Card processor"),
        "dueDate": random.choice((due, _UNKNOWN_DATE)),
        **_supplemental(random),
        **draw_timestamps(random, modified, created),
    }


def _transaction(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    created = shop.created(random, modified)
    kind = random.choices(*zip(*_KINDS, strict=True))[0]
    order = shop.ref("commerce-orders", random) if kind in _OF_ORDERS else None
    return {
        "id": shop.id("commerce-transactions", number),
        "totalAmount": _SIGNS[kind] * shop.money(random, 1, 60 if kind == "PaymentFee" else 900),
        "currency": shop.currency,
        "type": kind,
        **_sometimes(random, subType=random.choice(("charge", "adjustment"))),
        **({"transactionSourceRef": {"id": order, "type": "Order"}} if order else {}),
        **_supplemental(random),
        **_sometimes(random, sourceCreatedDate=dates.format_date(created, random)),
        **draw_timestamps(random, modified, created),
    }


def _order(shop: Shop, number: int, random: random.Random, modified: datetime) -> Record:
    """Make an order, whose sums follow the orders in the official examples.

    Its total is that of its lines and charges, which include discounts and tax. What came back is a
    line of its own, of a negative quantity.
    """
    created = shop.created(random, modified)
    rate = random.choice(_RATES)
    discount = Decimal("0.1") if number % 5 == 0 else Decimal(0)
    count = random.randrange(1, 5)
    lines = [_order_line(shop, place, random, rate, discount) for place in range(count)]
    charges = [_shipping(shop, random, rate)] if number % 3 == 0 else []
    total = sum((one["totalAmount"] for one in [*lines, *charges]), Decimal(0))
    payments = [_paid(shop, total, random, created, modified)]
    refund = Decimal(0)
    if number % 11 == 0:
        back = {**lines[0], "id": str(count), **_worth(shop, -1, lines[0], rate, discount)}
        lines.append(back)
        refund = back["totalAmount"]
        payments.append({**payments[0], "id": f"{payments[0]['id']}-refund", "amount": refund})
    customer = shop.ref("commerce-customers", random)
    location = shop.ref("commerce-locations", random)
    closed = created + timedelta(days=3)
    return {
        "id": shop.id("commerce-orders", number),
        **_sometimes(random, orderNumber=f"#{1000 + number}", country=shop.country),
        "currency": shop.currency,
        **({"closedDate": dates.format_date(closed, random)} if closed <= modified else {}),
        "totalAmount": total + refund,
        "totalRefund": refund,
        "totalTaxAmount": sum(
            (
                *(line["totalTaxAmount"] for line in lines),
                *(charge["taxAmount"] for charge in charges),
            ),
            Decimal(0),
        ),
        "totalDiscount": sum(
            (one["totalAmount"] for line in lines for one in line["discountAllocations"]),
            Decimal(0),
        ),
        "totalGratuity": Decimal(0),
        "orderLineItems": lines,
        "payments": payments,
        "serviceCharges": charges,
        **({"locationRef": {"id": location, "name": "Store"}} if location else {}),
        **({"customerRef": {"id": customer}} if customer and number % 8 else {}),
        **_supplemental(random),
        **draw_timestamps(random, modified, created),
    }


def _order_line(
    shop: Shop, place: int, random: random.Random, rate: Decimal, discount: Decimal
) -> Record:
    quantity = random.randrange(1, 6)
    product = shop.ref("commerce-products", random)
    tax_ref = {"id": shop.ref("commerce-taxComponents", random) or "vat", "name": "Tax"}
    line: Record = {
        "id": str(place),
        "taxPercentage": rate * 100,
        "unitPrice": shop.money(random, 1, 120),
        "taxes": [{"taxComponentRef": tax_ref, "rate": random.choice((rate, rate, None))}],
        **({"productRef": {"id": product, "name": "Product"}} if product else {}),
    }
    return line | _worth(shop, quantity, line, rate, discount)


def _worth(shop: Shop, quantity: int, line: Record, rate: Decimal, discount: Decimal) -> Record:
    """Return the total of a number of pieces of a line; negative for a refund."""
    gross = line["unitPrice"] * quantity
    off = shop.share(gross, discount)
    tax = shop.share(gross - off, rate)
    return {
        "quantity": quantity,
        "totalAmount": gross - off + tax,
        "totalTaxAmount": tax,
        "taxes": [{**one, "taxAmount": tax} for one in line["taxes"]],
        "discountAllocations": [{"name": "Sale", "totalAmount": off}] if off else [],
    }


def _paid(
    shop: Shop, amount: Decimal, random: random.Random, created: datetime, modified: datetime
) -> Record:
    return {
        "id": shop.ref("commerce-payments", random) or "unknown",
        "amount": random.choice((amount, amount, amount, None)),
        "currency": shop.currency,
        "type": "Card",
        "status": "Paid",
        "dueDate": _UNKNOWN_DATE,
        "createdDate": created.isoformat(),
        "modifiedDate": modified.isoformat(),
    }


def _shipping(shop: Shop, random: random.Random, rate: Decimal) -> Record:
    net = shop.money(random, 1, 12)
    tax = shop.share(net, rate)
    return {
        "description": "Shipping",
        "totalAmount": net + tax,
        "taxPercentage": rate * 100,
        "taxAmount": tax,
        "taxes": [],
        "quantity": 1,
        "type": "Shipping",
    }


_MAKERS: Final[Mapping[str, Maker]] = {
    "commerce-customers": _customer,
    "commerce-disputes": _dispute,
    "commerce-locations": _location,
    "commerce-orders": _order,
    "commerce-paymentMethods": _payment_method,
    "commerce-payments": _payment,
    "commerce-productCategories": _category,
    "commerce-products": _product,
    "commerce-taxComponents": _tax,
    "commerce-transactions": _transaction,
}
