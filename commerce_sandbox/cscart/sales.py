"""Orders and shipments."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart.shop import (
    DAY,
    NOW,
    OPENED,
    SECRET,
    person,
    referenced,
)
from commerce_sandbox.cscart.values import Computed, Csv, Native, Row, Timestamp
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.shop import Shop

_CENT: Final = Decimal("0.01")
_TAX: Final = Decimal("0.20")
_NONE: Final = Computed("0")
STATUSES: Final = "PCOFIDB"
INCOMPLETE: Final = "N"
# Columns of an account that an order's detail is padded with.
_PADDING: Final = (
    "b_county",
    "s_county",
    "s_address_type",
    "fax",
    "url",
    "validation_code",
    "api_key",
    "birthday",
    "last_activity",
    "is_root",
    "purchase_timestamp_from",
    "purchase_timestamp_to",
    "responsible_email",
    "password_change_timestamp",
    "helpdesk_user_id",
    "profile_update_timestamp",
)
_PARENT_EVERY: Final = 30
_CARRIERS: Final = (("ups", "UPS"), ("dhl", "DHL"), ("", ""))


def buyers(users: Table) -> list[int]:
    """Return the accounts that buy."""
    return referenced([key for key, row in users.items() if row["user_type"] == "C"])


class Sales:
    """Makes orders from the store's products and users."""

    def __init__(self, shop: Shop, products: Table, users: Table) -> None:
        self._shop = shop
        self._products = products
        self._keys = referenced(list(products))
        self._users = users
        self._buyers = buyers(users)

    def orders(self) -> Table:
        """Make the orders, in the order they were placed."""
        random = self._shop.rng("orders")
        count = self._shop.size("orders")
        placed = sorted(random.randrange(OPENED, NOW) for _ in range(count))
        table: Table = {}
        for number, timestamp in enumerate(placed):
            key = 1001 + number
            table[key] = self.order(random, key, timestamp)
            place = number % _PARENT_EVERY
            if place == 7:  # noqa: PLR2004 (somewhere in the middle)
                table[key]["status"] = INCOMPLETE
            if self._shop.setup.multivendor and 0 < place < 4 and key >= 1004:  # noqa: PLR2004
                self._split(table, key, place)
        return table

    def _split(self, table: Table, key: int, place: int) -> None:
        """Make an order a parent, or one of the two it was split into by vendor."""
        if place == 1:
            table[key] |= {"is_parent_order": True, "company_id": 0}
        elif key - place + 1 in table:
            table[key]["parent_order_id"] = key - place + 1

    def order(self, random: Random, key: int, placed: int) -> Row:
        """Make an order.

        Args:
            random: What its values are drawn from.
            key: Its id.
            placed: When it was placed, in unix seconds.
        """
        buyer = self._users[random.choice(self._buyers)] if chance(random, 0.7) else None
        first, last = person(random)
        if buyer is not None:
            first, last = buyer["firstname"] or first, buyer["lastname"]
        email = buyer["email"] if buyer else f"guest.{key}@example.org"
        chosen = random.sample(self._keys, random.choice((1, 1, 2, 3)))
        company = self._products[chosen[0]]["company_id"]
        items = [self._item(random, key, one, company) for one in chosen]
        shipping = Decimal(random.choice(("0.00", "4.90", "13.50")))
        status = random.choice(STATUSES)
        paid_by = random.choice((2, 12))
        row: Row = {
            "order_id": key,
            "is_parent_order": False,
            "parent_order_id": 0,
            "company_id": company,
            "issuer_id": 1 if chance(random, 0.1) else None,
            "user_id": buyer["user_id"] if buyer else 0,
            "total": Decimal("0.00"),
            "subtotal": _NONE,
            "discount": _NONE,
            "subtotal_discount": _NONE,
            "payment_surcharge": _NONE,
            "shipping_ids": Csv((1,)),
            "shipping_cost": shipping,
            "timestamp": Timestamp(placed),
            "status": status,
            "notes": "Leave it\nat the “desk”" if chance(random, 0.2) else "",
            "details": "",
            "promotions": Native(value=False) if chance(random, 0.2) else {},
            "promotion_ids": "",
            "firstname": first,
            "lastname": last,
            "company": "",
            **_address("b", first, last),
            **_address("s", first, last),
            "phone": buyer["phone"] if buyer else "",
            "email": email,
            "payment_id": paid_by,
            "tax_exempt": False,
            "lang_code": "en",
            "ip_address": f"203.0.113.{key % 250}",
            "repaid": 0,
            "localization_id": 0,
            "profile_id": 60 + buyer["user_id"] if buyer else 0,
            "storefront_id": 1 if self._shop.setup.multivendor else company,
            "updated_at": _later(random, placed, 20 * DAY),
            **dict.fromkeys(_PADDING, ""),
            "erp_code": f"SO{key:08}" if chance(random, 0.5) else None,
            "payment_method": _payment_method(paid_by),
            "fields": {},
            "products": {str(one["item_id"]): one for one in items},
            "taxes": {},
            "tax_subtotal": _NONE,
            "shipping_tax_value": _NONE,
            "display_shipping_cost": shipping,
            "b_country_descr": "United States",
            "s_country_descr": "United States",
            "b_state_descr": "Massachusetts",
            "s_state_descr": "Massachusetts",
            "need_shipping": Native(value=True),
            "shipping": [
                {
                    "shipping_id": 1,
                    "shipping": "Courier",
                    "delivery_time": "1-2 days",
                    "rate": Computed(shipping),
                    "group_key": Native(0),
                }
            ],
            "shipment_ids": [],
            "secondary_currency": random.choice(("USD", "USD", "EUR")),
            "user_type": "C",
            "display_subtotal": _NONE,
            "payment_info": {},
            "product_groups": [],
            "doc_ids": {},
            "issuer_name": None,
            "issuer_email": None,
            "invoice_id": key % 1000 if status == "C" else None,
            "credit_memo_id": None,
            "points": random.randrange(50) if chance(random, 0.2) else None,
        }
        if row["issuer_id"]:
            row |= {"issuer_name": "Ada Admin", "issuer_email": self._users[1]["email"]}
        if paid_by == 12:  # noqa: PLR2004 (the card)
            row["payment_info"] = {
                "card_number": f"{SECRET}-card-{key}",
                "cardholder_name": f"{first} {last}",
                "transaction_id": f"tx{key}",
            }
        row["product_groups"] = [
            {
                "name": f"Company {company}",
                "company_id": Native(company),
                "chosen_shippings": [{"shipping_id": 1, "shipping": "Courier"}],
                "products": {
                    str(one["item_id"]): {
                        "product_id": one["product_id"],
                        "amount": Native(one["amount"]),
                    }
                    for one in items
                },
            }
        ]
        retotal(row)
        return row

    def _item(self, random: Random, order: int, key: int, company: int) -> Row:
        product = self._products[key]
        price, amount = product["price"], random.choice((1, 1, 1, 2, 5))
        item = zlib.crc32(f"{order}_{key}".encode())
        extra: dict[str, Any] = {
            "product": product["product"],
            "company_id": company,
            "product_options": {},
            "unlimited_download": False,
            "is_edp": False,
            "edp_shipping": False,
            "base_price": Computed(price),
            "discount": _NONE,
            "stored_price": False,
        }
        if product["has_options"].value:
            extra["product_options"] = {str(1000 + key): 10 * (1000 + key)}
            extra["product_options_value"] = [
                {
                    "option_id": 1000 + key,
                    "option_type": "S",
                    "option_name": "Size",
                    "variant_name": "M",
                    "modifier": Decimal("0.000"),
                    "modifier_type": "A",
                }
            ]
        worth = Computed(price * amount)
        return {
            "item_id": item,
            "order_id": order,
            "product_id": key,
            "product_code": product["product_code"],
            "price": price,
            "amount": amount,
            "extra": extra,
            "product": product["product"],
            "product_status": "A",
            "deleted_product": Native(value=False),
            "discount": _NONE,
            "company_id": company,
            "base_price": Computed(price),
            "original_price": Computed(price),
            "cart_id": item,
            "tax_value": _NONE,
            "subtotal": worth,
            "display_subtotal": worth,
            "shipped_amount": Native(0),
            "shipment_amount": Native(amount),
            "is_accessible": Native(value=True),
            "product_url": f"https://shop.example/{product['seo_name']}.html",
        }

    def shipments(self, orders: Table) -> Table:
        """Ship some of the orders, and record the shipments on them."""
        random = self._shop.rng("shipments")
        table: Table = {}
        for order in orders.values():
            if order["status"] in {"P", "C"} and not order["is_parent_order"]:
                key = len(table) + 1
                table[key] = _shipment(random, key, order)
        return table


def retotal(row: Row) -> None:
    """Compute the amounts of an order from its items."""
    items = row["products"].values()
    subtotal = sum((one["price"] * one["amount"] for one in items), Decimal(0))
    tax = (subtotal * _TAX).quantize(_CENT) if subtotal else Decimal(0)
    row["subtotal"] = row["display_subtotal"] = Computed(subtotal)
    row["total"] = (subtotal + row["shipping_cost"]).quantize(_CENT)
    row["tax_subtotal"] = _NONE
    row["taxes"] = {
        "6": {
            "rate_type": "P",
            "rate_value": Decimal("20.000"),
            "price_includes_tax": True,
            "regnumber": "",
            "priority": 0,
            "tax_subtotal": Computed(tax),
            "description": "VAT",
            "applies": {f"P_{one['item_id']}": Computed(tax) for one in list(items)[:1]},
        }
    }


def _later(random: Random, timestamp: int, span: int) -> Timestamp:
    """Draw the time of the last change: that of creation, or later."""
    if timestamp >= NOW or chance(random, 0.3):
        return Timestamp(timestamp)
    return Timestamp(random.randrange(timestamp, min(timestamp + span, NOW)))


def _address(prefix: str, first: str, last: str) -> Row:
    return {
        f"{prefix}_firstname": first,
        f"{prefix}_lastname": last,
        f"{prefix}_address": "12 Quay St",
        f"{prefix}_address_2": "",
        f"{prefix}_city": "Boston",
        f"{prefix}_state": "MA",
        f"{prefix}_country": "US",
        f"{prefix}_zipcode": "02110",
        f"{prefix}_phone": "",
    }


def _payment_method(key: int) -> Row:
    return {
        "payment_id": key,
        "company_id": 1,
        "usergroup_ids": Csv((0,)),
        "position": 0,
        "status": "A",
        "template": "views/orders/components/payments/cc_outside.tpl",
        "processor_id": 0,
        "a_surcharge": Decimal("0.000"),
        "p_surcharge": Decimal("0.000"),
        "tax_ids": [],
        "localization": "",
        "payment_category": "tab1",
        "payment": "Phone ordering" if key == 2 else "Card",  # noqa: PLR2004
        "description": "",
        "instructions": "",
        "surcharge_title": "",
        "lang_code": "en",
        "processor": None,
        "processor_type": None,
        "processor_status": None,
        "image": [],
        "storefront_ids": "",
    }


def _shipment(random: Random, key: int, order: Row) -> Row:
    """Ship an order, whole or in part."""
    items: Sequence[Row] = list(order["products"].values())
    whole = chance(random, 0.8)
    sent = items if whole else items[:1]
    carrier, name = random.choice(_CARRIERS)
    timestamp = _later(random, order["timestamp"], 3 * DAY)
    for one in sent:
        one["shipped_amount"], one["shipment_amount"] = one["amount"], Native(0)
    order["shipment_ids"] = [str(key)]
    row: Row = {
        "shipment_id": key,
        "shipment_timestamp": timestamp,
        "comments": "" if whole else "Left at desk",
        "status": random.choice("PSD"),
        "order_id": order["order_id"],
        "order_timestamp": order["timestamp"],
        "s_firstname": order["s_firstname"],
        "s_lastname": order["s_lastname"],
        "firstname": order["firstname"],
        "lastname": order["lastname"],
        "company": "",
        "user_id": order["user_id"],
        "shipping_id": 1,
        "shipping": "Courier",
        "tracking_number": f"1Z{key:06}" if carrier else "",
        "carrier": carrier,
        "products": {str(one["item_id"]): one["amount"] for one in sent},
        "group_key": Native(order["order_id"] % 2),
        "one_full": Native(value=len(sent) == len(items)),
    }
    if carrier:
        url = f"https://track.example/1Z{key:06}"
        row["carrier_info"] = {"name": name, "tracking_url": url}
    return row
