"""Consumers, and the accounts of retailers with their buyers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.centra.values import (
    DAY,
    Row,
    address,
    attribute,
    draw_timestamps,
    drawn,
    person,
    text_element,
)
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.centra.setup import Setup


class People:
    """The rows of customers.

    Args:
        setup: The client's set-up.
        customers: How many consumers to make; an account for every fifty of them.
    """

    def __init__(self, random: Random, setup: Setup, customers: int) -> None:
        self._random = random
        self._setup = setup
        updates = draw_timestamps(random, customers)
        self.customers = [self._customer(n, updated) for n, updated in enumerate(updates, 1)]
        self.accounts: list[Row] = []
        self.buyers: list[Row] = []
        for number, updated in enumerate(draw_timestamps(random, max(3, customers // 50)), 1):
            self._add_account(number, updated)

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables, by the names of the root fields."""
        return {"customers": self.customers, "accounts": self.accounts, "buyers": self.buyers}

    def add_customer(self, timestamp: int) -> Row:
        """Add a consumer."""
        number = max(row["id"] for row in self.customers) + 1
        made = self._customer(number, timestamp) | {"createdAt": timestamp}
        self.customers.append(made)
        return made

    def _customer(self, number: int, updated: int) -> Row:
        random, setup = self._random, self._setup
        first, last = person(random)
        store = setup.stores[0 if chance(random, 0.9) else 2]
        country = random.choice(setup.countries)
        email = f"customer{number}@example.com"
        registered = chance(random, 0.6)
        pricelist = setup.pricelists[random.randrange(3) if store["id"] == 1 else 4]
        return {
            "id": number,
            "status": "ACTIVE" if chance(random, 0.95) else "INACTIVE",
            "email": email,
            "firstName": first,
            "lastName": last,
            "cellPhoneNumber": f"+46 70 {random.randrange(10**6):06}",
            "phoneNumber": None,
            "createdAt": drawn(random, updated - 300 * DAY, updated),
            "updatedAt": updated,
            "lastLoginAt": drawn(random, updated - 20 * DAY, updated) if registered else None,
            "totalOrders": 0,
            "billingAddress": address(random, country, email=email),
            "store": store,
            "birthdate": f"19{random.randrange(50, 99)}-0{random.randrange(1, 9)}-15"
            if chance(random, 0.3)
            else None,
            "isAnonymized": chance(random, 0.02),
            "gender": random.choice(("FEMALE", "MALE", None)),
            "attributes": [attribute("club", "Customer", [text_element("level", "gold")])]
            if chance(random, 0.1)
            else [],
            "country": country,
            "language": random.choice(setup.languages),
            "market": setup.markets[random.randrange(2) if store["id"] == 1 else 3],
            "pricelist": pricelist,
            "lastOrder": None,
            "_newsletter": chance(random, 0.4),
            "_registered": registered,
        }

    def _add_account(self, number: int, updated: int) -> None:
        random, setup = self._random, self._setup
        company = f"Retailer {number} & Sons"
        country = random.choice(setup.countries)
        email = f"account{number}@retail.example.com"
        addresses = [address(random, country, email=email, company=company) for _ in range(3)]
        account: Row = {
            "id": number,
            "name": company,
            "status": "ACTIVE",
            "createdAt": drawn(random, updated - 500 * DAY, updated),
            "updatedAt": updated,
            "discountPercent": random.choice((0.0, 5.0, 12.5)),
            "isDiscountVisible": chance(random, 0.5),
            "internalComment": "Pays late" if chance(random, 0.2) else None,
            "otherComment": "",
            "accountEmail": email,
            "billingEmail": email,
            "shippingEmail": None,
            "websiteUrl": None if chance(random, 0.5) else f"https://retail{number}.example.com/",
            "vatNumber": addresses[0]["vatNumber"],
            "creditLimit": setup.money[0](1_000_000) if chance(random, 0.5) else None,
            "allowShipToWarehouse": False,
            "applyCreditLimit": chance(random, 0.5),
            "blockIfUnpaidInvoices": False,
            "hasBrandsRestriction": False,
            "isInternal": False,
            "accountAddress": addresses[0],
            "billingAddress": addresses[1],
            "shippingAddress": addresses[2],
            "buyers": [],
            "carrierInformation": {
                "carrierName": "DHL",
                "serviceName": "Freight",
                "accountIdentifier": f"{random.randrange(10**6):06}",
                "taxId": None,
            },
            "allocationRule": setup.allocation_rules[0],
            "deliveryWindowDiscounts": [
                {"deliveryWindow": setup.delivery_windows[1], "discountPercent": 3.0}
            ],
            "invoices": [],
            "market": setup.markets[2],
            "orders": [],
            "paymentTerms": random.choice(setup.payment_terms),
            "pricelist": setup.pricelists[3],
            "returns": [],
            "salesRepresentative": setup.sales_representatives[0],
            "shippingTerms": random.choice(setup.shipping_terms),
            "shipToWarehouse": None,
        }
        self.accounts.append(account)
        for _ in range(random.choice((1, 1, 3))):
            first, last = person(random)
            buyer: Row = {
                "id": len(self.buyers) + 1,
                "status": "ACTIVE",
                "email": f"buyer{len(self.buyers) + 1}@retail.example.com",
                "firstName": first,
                "lastName": last,
                "websiteUrl": None,
                "receiveAutoEmails": chance(random, 0.5),
                "account": account,
                "billingAddress": account["billingAddress"],
            }
            self.buyers.append(buyer)
            account["buyers"].append(buyer)
