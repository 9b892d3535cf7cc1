"""Accounts, the groups they are in, and companies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.cscart.accounts import EMAIL
from commerce_sandbox.cscart.shop import DAY, NOW, OPENED, draw_timestamp, person, words
from commerce_sandbox.cscart.values import Row, Timestamp
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.shop import Shop

_STAFF: Final = 6
_VENDORS: Final = 4
_GROUPS: Final = (
    (3, "A", "Catalogue", "Katalog", ("view_catalog", "manage_catalog")),
    (4, "A", "Sales", "Verkauf", ("view_orders", "view_users", "edit_order")),
    (5, "C", "Wholesale", "Großhandel", ()),
    (6, "C", "Press", "Presse", ()),
)


def companies(shop: Shop) -> Table:
    """Make the stores of a CS-Cart, or the vendors of a Multi-Vendor."""
    many = shop.setup.multivendor
    random = shop.rng("companies")
    table: Table = {}
    for key in range(1, 6) if many else (1, 2):
        domain = f"{'vendor' if many else 'shop'}{key}.example"
        table[key] = {
            "company_id": key,
            "lang_code": "en",
            "email": f"office@{domain}",
            "timestamp": draw_timestamp(random, OPENED - 900 * DAY, OPENED),
            "status": {4: "P", 5: "D"}.get(key, "A"),
            "storefront": domain,
            "secure_storefront": domain,
            "company": f"Company {key}",
            "seo_name": f"company-{key}",
            "seo_path": "",
            "average_rating": "4.5000" if key == 1 else None,
            "company_thread_ids": f"{key}_0",
            "address": f"{key} Quay St",
            "city": "Boston",
            "state": "MA",
            "country": "US",
            "zipcode": "02110",
            "phone": "",
            "url": "",
            "tax_number": f"TN-{key:06}",
            "request_user_id": 0,
            "request_account_data": "",
            "categories": "",
        }
    return table


def users(shop: Shop) -> Table:
    """Make the accounts: administrators first, then vendors' (or stores') and customers'."""
    random = shop.rng("users")
    return {
        key: user(random, key, "A" if key <= _STAFF else "V" if key <= _STAFF + _VENDORS else "C")
        for key in range(1, shop.size("users") + 1)
    }


def user(random: Random, key: int, kind: str, born: int = 0) -> Row:
    """Make an account.

    Args:
        random: What its values are drawn from.
        key: Its id.
        kind: Its type: A, V or C.
        born: When it was made, in unix seconds; any time if 0.
    """
    first, last = person(random)
    email = EMAIL if key == 1 else f"user.{key}@example.org"
    since = Timestamp(born or random.randrange(OPENED, NOW))
    company = {"A": 0, "C": int(key % 7 != 0)}.get(kind, 1 + key % 2)
    return {
        "user_id": key,
        "user_login": email if chance(random, 0.5) else f"user_{key}",
        "is_root": key == 1,
        "timestamp": since,
        "user_type": kind,
        "status": "A" if key == 1 or chance(random, 0.95) else "D",
        "firstname": first if chance(random, 0.9) else "",
        "lastname": last,
        "email": email,
        "company": "",
        "company_id": company,
        "phone": f"+1 202-555-{key % 10000:04}" if chance(random, 0.7) else "",
        "last_login": draw_timestamp(random, since)
        if since < NOW and chance(random, 0.8)
        else Timestamp(0),
        "company_name": f"Company {company}" if company else None,
        "anonymized": None,
        "points": random.randrange(200),
        "erp_code": f"C{key:08}" if chance(random, 0.5) else None,
    }


def usergroups() -> Table:
    """Make the groups of accounts, each with its privileges."""
    return {
        key: {
            "usergroup_id": key,
            "status": "A",
            "type": kind,
            "usergroup": words(name, german),
            "privileges": list(privileges),
        }
        for key, kind, name, german, privileges in _GROUPS
    }


def memberships(key: int) -> list[Row]:
    """Return the groups an account is in."""
    if key in {2, 3}:
        groups: tuple[int, ...] = (key + 1,)
    else:
        groups = tuple(group for group in (5, 6) if key > _STAFF and key % (group + 1) == 0)
    return [
        {"link_id": 10 * key + group, "usergroup_id": group, "status": "AP"[(key + group) % 2]}
        for group in groups
    ]
