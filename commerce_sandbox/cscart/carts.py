"""Carts, open and abandoned."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING

from commerce_sandbox.cscart.sales import buyers
from commerce_sandbox.cscart.shop import DAY, NOW, SECRET, referenced
from commerce_sandbox.cscart.values import Php, Row, Timestamp
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.shop import Shop


class Carts:
    """Makes carts from the store's products and users."""

    def __init__(self, shop: Shop, products: Table, users: Table, orders: Table) -> None:
        self._shop = shop
        self._orders = {row["user_id"]: row for row in orders.values()}
        self._products = products
        self._keys = referenced(list(products))
        self._users = users
        self._buyers = buyers(users)

    def all(self) -> Table:
        """Make the carts, by account and company."""
        random = self._shop.rng("carts")
        count = self._shop.size("carts")
        known = random.sample(self._buyers, min(len(self._buyers), count * 2 // 3))
        table: Table = {}
        for number in range(count):
            buyer = self._users[known[number]] if number < len(known) else None
            key = buyer["user_id"] if buyer else zlib.crc32(f"guest-{number}".encode())
            timestamp = random.randrange(NOW - 60 * DAY, NOW)
            order = self._orders.get(key) if number % 3 == 0 else None
            if order is not None:
                timestamp = int(order["timestamp"]) - random.randrange(600, 2 * DAY)
            cart = self.cart(random, key, timestamp)
            if order is not None and number % 2 and "order_id" in cart:
                cart["order_id"] = order["order_id"]
            table[cart_key(cart)] = cart
            # Every fortieth has a cart in the other store as well; vendors share one.
            if number % 40 == 3 and not self._shop.setup.multivendor:  # noqa: PLR2004
                other = self.cart(random, key, timestamp - random.randrange(1, 5 * DAY))
                other["company_id"] = other["storefront_id"] = 3 - cart["company_id"]
                table[cart_key(other)] = other
                recount(cart, other)
        return table

    def cart(self, random: Random, key: int, timestamp: int) -> Row:
        """Make a cart.

        Args:
            random: What its values are drawn from.
            key: The account's id, or the number a guest has instead.
            timestamp: When it was changed last, in unix seconds.
        """
        buyer = self._users.get(key)
        company = 1 if self._shop.setup.multivendor else random.choice((1, 1, 1, 2))
        row: Row = {
            "user_id": key,
            "firstname": buyer["firstname"] if buyer else "",
            "lastname": buyer["lastname"] if buyer else "",
            "date": Timestamp(timestamp),
            "ip_address": f"198.51.100.{key % 250}",
            "extra": Php({"user_data": {}} if buyer is None else {"product": "Größe “L”"}),
            "storefront_id": company,
            "company_id": company,
            "cart_products": 0,
            "total": Decimal("0.00"),
            "order_id": 0,
            "user_data": self._user_data(buyer) if buyer else {},
            "phone": buyer["phone"] if buyer else "",
        }
        if buyer is None:
            row["email"] = ""
        wishes = self._shop.setup.addons and chance(random, 0.06)
        chosen = random.sample(self._keys, random.choice((1, 2, 3)))
        row["products"] = [self._wanted(random, key, one, wish=wishes) for one in chosen]
        recount(row)
        return row

    def _wanted(self, random: Random, user: int, key: int, *, wish: bool) -> Row:
        product = self._products[key]
        return {
            "item_id": zlib.crc32(f"cart_{user}_{key}".encode()),
            "item_type": "W" if wish else "P",
            "product_id": key,
            "amount": random.choice((1, 1, 2)),
            "price": product["price"],
            "extra": {
                "product": product["product"],
                "product_options": {str(1000 + key): 10 * (1000 + key)}
                if product["has_options"].value
                else {},
            },
            "product": product["product"],
        }

    def _user_data(self, buyer: Row) -> Row:
        """Respond with the whole account and its profile."""
        copied = ("user_id", "status", "user_type", "user_login", "is_root", "company_id")
        personal = ("last_login", "timestamp", "firstname", "lastname", "email", "phone")
        key = buyer["user_id"]
        return {
            **{name: buyer[name] for name in (*copied, *personal)},
            "password": f"{SECRET}-password-{key}",
            "salt": f"{SECRET}-salt-{key}",
            "api_key": f"{SECRET}-api-key-{key}",
            "tax_exempt": False,
            "lang_code": "en",
            "usergroups": {},
            "profile_id": 60 + key,
            "profile_type": "P",
            "b_city": "Boston",
            "b_country": "US",
            "b_state": "MA",
            "fields": {},
        }


def recount(*rows: Row) -> None:
    """Compute the number and value of the pieces in the carts of one account.

    The store counts by account: each of several carts shows the sum of all. Where a cart has only
    wishes, the list has neither these columns nor the order's.
    """
    lines = {id(row): [one for one in row["products"] if one["item_type"] == "P"] for row in rows}
    bought = [one for some in lines.values() for one in some]
    for row in rows:
        if lines[id(row)]:
            row["cart_products"] = sum(one["amount"] for one in bought)
            row["total"] = sum((one["price"] * one["amount"] for one in bought), Decimal("0.00"))
        else:
            for name in ("cart_products", "total", "order_id"):
                row.pop(name, None)


def cart_key(row: Row) -> tuple[int, int]:
    """Return the key of a cart."""
    return row["user_id"], row["company_id"]
