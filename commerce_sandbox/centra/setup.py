"""The client's set-up: stores, markets, price lists, warehouses, attributes of goods.

Nothing here changes any more, so rows may be shared freely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.centra.values import (
    DAY,
    NOW,
    Money,
    Row,
    attribute,
    choice_element,
    image_element,
    text_element,
)

if TYPE_CHECKING:
    from random import Random

WAREHOUSES: Final = 24

_COUNTRIES: Final = (
    ("Sweden", "SE", "Europe", True),
    ("Germany", "DE", "Europe", True),
    ("France", "FR", "Europe", True),
    ("United Kingdom", "GB", "Europe", False),
    ("United States", "US", "North America", False),
    ("Norway", "NO", "Europe", False),
    ("Japan", "JP", "Asia", False),
)
_STATES: Final = (("Texas", "TX"), ("Oregon", "OR"), ("Maine", "ME"))
_CURRENCIES: Final = (("EUR", 1.0), ("SEK", 0.0875), ("USD", 0.92), ("GBP", 1.17))
_LANGUAGES: Final = (("English", "en", "GB"), ("Svenska", "sv", "SE"), ("Deutsch", "de", "DE"))
_SIZES: Final = {
    "Clothes": ("XS", "S", "M", "L", "XL", "XXL", "3XL", "4XL", "5XL", "6XL"),
    "Shoes": ("36", "37", "38", "39", "40", "41", "42", "43", "44", "45"),
    "One size": ("One size",),
}


class Setup:
    """The rows of the set-up, in tables named as the root fields."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.countries = self._countries()
        self.currencies: list[Row] = [
            {"id": n, "code": code, "name": code, "isBase": n == 1}
            for n, (code, _) in enumerate(_CURRENCIES, 1)
        ]
        self.money = [
            Money(row, rate) for row, (_, rate) in zip(self.currencies, _CURRENCIES, strict=True)
        ]
        self.languages = [
            {
                "id": n,
                "name": name,
                "code": f"{language}_{country}",
                "languageCode": language,
                "countryCode": country,
                "isActive": True,
                "_isAvailableForLocalization": n > 1,
            }
            for n, (name, language, country) in enumerate(_LANGUAGES, 1)
        ]
        self.allocation_rules = _named("Default", "Stores first")
        self.stores = [
            {"id": 1, "name": "Online store", "type": "DIRECT_TO_CONSUMER"},
            {"id": 2, "name": "Showroom", "type": "WHOLESALE"},
            {"id": 3, "name": "Outlet", "type": "DIRECT_TO_CONSUMER"},
        ]
        self.markets = self._markets()
        self.pricelists = self._pricelists()
        self.warehouses = self._warehouses()
        self.admin_users = [
            {"id": n, "email": f"{name}@shop.example.com"}
            for n, name in enumerate(("admin", "stock", "service"), 1)
        ]
        self.brands = _named("Nordvind", "Atelier Ø", "Hill & Dale", "無印", "Brand X", "Zèbre")
        self.collections = [
            {"id": n, "name": name, "status": "ACTIVE", "uri": name.lower().replace(" ", "-")}
            for n, name in enumerate(("Spring 2023", "Autumn 2023", "Spring 2024", "Basics"), 1)
        ]
        self.categories = self._categories()
        self.folders = self._folders()
        self.size_charts = self._size_charts()
        self.measurement_charts = self._measurement_charts()
        self.tax_groups = _named("Standard", "Reduced")
        self.mapped_attributes = self._mapped_attributes()
        self.suppliers = _named("Filatura Uno", "Sapateiros Lda", "Weave & Co", "北の工場")
        self.payment_terms = self._terms("30 days net", "60 days net", "Prepaid")
        self.shipping_terms = self._terms("DAP", "FCA", "EXW")
        self.shipping_options = [
            {"id": n, "name": name, "uri": name.lower()}
            for n, name in enumerate(("Standard", "Express"), 1)
        ]
        self.sales_representatives = [
            {
                "id": 1,
                "name": "Maeve O'Brien",
                "email": "sales@shop.example.com",
                "commissionPercent": 4.5,
            }
        ]
        self.delivery_windows = self._delivery_windows()

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables, by the names of the root fields."""
        return {
            "stores": self.stores,
            "markets": self.markets,
            "pricelists": self.pricelists,
            "countries": self.countries,
            "currencies": self.currencies,
            "languages": self.languages,
            "allocationRules": self.allocation_rules,
            "warehouses": self.warehouses,
            "brands": self.brands,
            "categories": self.categories,
            "collections": self.collections,
            "folders": self.folders,
            "sizeCharts": self.size_charts,
            "measurementCharts": self.measurement_charts,
            "deliveryWindows": self.delivery_windows,
            "mappedAttributes": self.mapped_attributes,
            "suppliers": self.suppliers,
            "adminUsers": self.admin_users,
            "subscriptions": [{"id": n, "createdAt": NOW - n * DAY} for n in range(1, 6)],
            "subscriptionContracts": [{"id": n, "createdAt": NOW - n * DAY} for n in range(1, 4)],
        }

    def _countries(self) -> list[Row]:
        rows = [
            {
                "id": n,
                "name": name,
                "code": code,
                "continent": continent,
                "isEU": in_eu,
                "states": [],
            }
            for n, (name, code, continent, in_eu) in enumerate(_COUNTRIES, 1)
        ]
        states = [
            {"id": n, "name": name, "code": code} for n, (name, code) in enumerate(_STATES, 1)
        ]
        next(row for row in rows if row["code"] == "US")["states"] = states
        return rows

    def _markets(self) -> list[Row]:
        made = []
        for number, (name, store) in enumerate(
            (("Europe", 0), ("World", 0), ("Retailers", 1), ("Outlet", 2)), 1
        ):
            made.append(
                {
                    "id": number,
                    "name": name,
                    "comment": None,
                    "store": self.stores[store],
                    "allocationRule": self.allocation_rules[number % 2],
                    "assignedToCountries": self.countries[number - 1 : number + 2],
                }
            )
        return made

    def _pricelists(self) -> list[Row]:
        names = (
            ("EUR", 0, 0),
            ("SEK", 1, 0),
            ("USD", 2, 0),
            ("Wholesale EUR", 0, 1),
            ("Outlet", 0, 2),
        )
        return [
            {
                "id": n,
                "name": name,
                "status": "ACTIVE",
                "currency": self.currencies[currency],
                "store": self.stores[store],
                "assignedToCountries": self.countries[n - 1 : n + 1],
                "_money": self.money[currency],
            }
            for n, (name, currency, store) in enumerate(names, 1)
        ]

    def _warehouses(self) -> list[Row]:
        made = []
        for number in range(1, WAREHOUSES + 1):
            retail = number > 2  # noqa: PLR2004 (the first two are no shops)
            shop = {"id": number, "name": f"Shop {number}", "status": "ACTIVE"} if retail else None
            country = self.countries[number % len(self.countries)]
            made.append(
                {
                    "id": number,
                    "name": f"Shop stock {number}" if retail else ("Main", "Returns")[number - 1],
                    "status": "INACTIVE" if number == WAREHOUSES else "ACTIVE",
                    "stockOwnership": "THIRD_PARTY" if number == WAREHOUSES else "OWN",
                    "allocationPolicy": "CHECK_FIRST" if retail else "ALLOCATE_FIRST",
                    "stockMaster": "EXTERNAL" if retail else "CENTRA",
                    "isConsignation": number == WAREHOUSES,
                    "isHiddenFromStockView": False,
                    "threshold": 2 if retail else None,
                    "brickAndMortar": shop,
                    "country": country,
                    "state": country["states"][0] if country["states"] else None,
                    "zipCode": f"{number:03} 00",
                    "allocationRules": self.allocation_rules[: 1 + number % 2],
                    "stockChanges": [],
                    "stock": [],
                }
            )
        return made

    def _categories(self) -> list[Row]:
        names = ("Women", "Men", "Shirts", "Shoes", "Coats & jackets", "Bags")
        rows: list[Row] = [
            {
                "id": n,
                "name": name,
                "uri": name.lower().replace(" & ", "-"),
                "status": "ACTIVE",
                "metaDescription": f"All {name.lower()}",
                "childCategories": [],
                "_isTopCategory": n < 3,  # noqa: PLR2004 (the first two are the roots)
            }
            for n, name in enumerate(names, 1)
        ]
        rows[0]["childCategories"] = rows[2:4]
        rows[1]["childCategories"] = rows[4:]
        return rows

    def _folders(self) -> list[Row]:
        rows: list[Row] = [
            {"id": n, "name": name, "isTopFolder": n == 1, "childFolders": [], "products": []}
            for n, name in enumerate(("All", "2023", "2024", "Archive"), 1)
        ]
        rows[0]["childFolders"] = rows[1:]
        return rows

    def _size_charts(self) -> list[Row]:
        made = []
        first = 1
        for number, (name, sizes) in enumerate(_SIZES.items(), 1):
            rows = [{"id": n, "name": size} for n, size in enumerate(sizes, first)]
            first += len(rows)
            made.append(
                {
                    "id": number,
                    "name": name,
                    "dividerSymbol": "x" if number == 1 else None,
                    "horizontalLabels": list(sizes),
                    "verticalLabels": None,
                    "sizes": rows,
                }
            )
        return made

    def _measurement_charts(self) -> list[Row]:
        return [
            {
                "id": n,
                "name": name,
                "contentJSON": '{"S":{"chest":"92"},"M":{"chest":"98"}}',
                "displayUnit": "cm",
                "horizontalLabels": ["chest"],
                "verticalLabels": ["S", "M"],
            }
            for n, name in enumerate(("Shirts", "Trousers"), 1)
        ]

    def _mapped_attributes(self) -> list[Row]:
        elements: tuple[tuple[str, list[Row]], ...] = (
            ("Product", [text_element("fabric", "Cotton"), choice_element("care", "Wash cold")]),
            ("ProductVariant", [choice_element("color", "Blue")]),
            ("Display", [image_element("banner", 1)]),
        )
        return [
            {"id": n, "name": f"{kind} preset", **attribute("preset", kind, parts)}
            for n, (kind, parts) in enumerate(elements, 1)
        ]

    def _terms(self, *descriptions: str) -> list[Row]:
        return [
            {"id": n, "description": one, "status": "ACTIVE"}
            for n, one in enumerate(descriptions, 1)
        ]

    def _delivery_windows(self) -> list[Row]:
        at_once = {
            "__typename": "AtOnceDeliveryWindow",
            "id": 1,
            "name": "At once",
            "status": "ACTIVE",
            "daysFromNow": 3,
            "selectableDate": True,
        }
        preorders = [
            {
                "__typename": "PreorderDeliveryWindow",
                "id": number,
                "name": f"Preorder {number}",
                "status": "ACTIVE",
                "allocationOrder": "ORDER_DATE",
                "deliveryStartDate": NOW + number * 30 * DAY,
                "deliveryEndDate": NOW + number * 40 * DAY,
                "salesStartDate": NOW - 60 * DAY,
                "salesEndDate": None,
            }
            for number in (2, 3)
        ]
        return [at_once, *preorders]


def _named(*names: str) -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for number, name in enumerate(names, 1)]
