"""The goods: products, variants and sizes, displays and prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra.values import (
    DAY,
    Row,
    attribute,
    choice_element,
    draw_timestamps,
    drawn,
    text_element,
    weight,
)
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.centra.setup import Setup

VOUCHERS: Final = 12
"""How many vouchers there are, with ids from 1."""
_UNTOUCHED: Final = 3
"""The campaign without a timestamp of its last change."""

_THINGS: Final = (
    "Shirt",
    "Coat",
    "Trousers",
    "Boots",
    "Scarf; wool",
    'Bag "Weekend"',
    "Cap",
    "Socks",
)
_COLORS: Final = ("Black", "Blå", "Off-white", "Vert/Rouge", "グレー")


class Catalogue:
    """The rows of the goods, linked to each other.

    The first variant has ten sizes, which the stock puts into every warehouse.

    Args:
        setup: The client's set-up.
        products: How many products to make.
    """

    def __init__(self, random: Random, setup: Setup, products: int) -> None:
        self._random = random
        self._setup = setup
        self.products: list[Row] = []
        self.variants: list[Row] = []
        self.sizes: list[Row] = []
        self.displays: list[Row] = []
        self.display_items: list[Row] = []
        self.prices: list[Row] = []
        self.bundles: list[Row] = []
        for number, updated in enumerate(draw_timestamps(random, products), 1):
            self._add(number, updated)
        for rows in (self.variants, self.sizes, self.displays):
            for row, updated in zip(rows, draw_timestamps(random, len(rows)), strict=True):
                row["updatedAt"] = updated
        for size in self.sizes:
            size["_stockModified"] = size["updatedAt"]
        self.vouchers = self._vouchers(VOUCHERS)
        self.campaigns = self._campaigns()
        self.price_alterations = self._price_alterations()

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables, by the names of the root fields."""
        return {
            "products": self.products,
            "productVariants": self.variants,
            "productSizes": self.sizes,
            "displays": self.displays,
            "displayItems": self.display_items,
            "prices": self.prices,
            "priceAlterations": self.price_alterations,
            "bundles": self.bundles,
            "vouchers": self.vouchers,
            "campaigns": self.campaigns,
        }

    def _add(self, number: int, updated: int) -> None:
        random, setup = self._random, self._setup
        name = f"{random.choice(_THINGS)} {number}"
        bundle = {"id": len(self.bundles) + 1} if number % 25 == 0 else None
        if bundle:
            self.bundles.append(bundle)
        folder = random.choice(setup.folders[1:])
        product: Row = {
            "id": number,
            "name": name,
            "status": "INACTIVE" if chance(random, 0.08) else "ACTIVE",
            "productNumber": f"P-{number:05}",
            "createdAt": drawn(random, updated - 500 * DAY, updated),
            "updatedAt": updated,
            "harmonizedCommodityCode": f"{6100 + random.randrange(20)}{random.randrange(10000):04}",
            "harmonizedCommodityCodeDescription": "Garments, knitted or crocheted",
            "internalComment": None if chance(random, 0.7) else f"Check the label of {name}",
            "isBundle": bundle is not None,
            "isSerializableProduct": chance(random, 0.05),
            "seasonCode": random.choice(("SS23", "AW23", "SS24")),
            "weight": weight(random) if chance(random, 0.95) else None,
            "attributes": [
                attribute(
                    "material", "Product", [text_element("fabric", random.choice(("Wool", None)))]
                )
            ],
            "brand": random.choice(setup.brands),
            "bundle": bundle,
            "collection": random.choice((*setup.collections, None)),
            "countryOfOrigin": random.choice(setup.countries),
            "displays": [],
            "folder": folder,
            "translations": self._translations(name),
            "media": [self._media(number * 100 + n) for n in range(25 if number == 1 else 2)],
            "variants": [],
            "_category": random.choice(setup.categories),
        }
        self.products.append(product)
        folder["products"].append(product)
        for place in range(1 if number == 1 else random.choice((1, 1, 2, 2))):
            self._add_variant(product, place)
        self._add_displays(product)

    def _add_variant(self, product: Row, place: int) -> None:
        random, setup = self._random, self._setup
        number = len(self.variants) + 1
        color = random.choice(_COLORS)
        variant: Row = {
            "id": number,
            "name": color,
            "internalName": f"{product['productNumber']} {color}",
            "status": product["status"],
            "variantNumber": f"V{place + 1}",
            "updatedAt": 0,
            "unitCost": setup.money[0](random.randrange(500, 9000, 5)),
            "stockOffset": random.choice((0, 0, 5)),
            "attributes": [attribute("look", "ProductVariant", [choice_element("color", color)])],
            "translations": self._translations(color),
            "productSizes": [],
            "product": product,
            "prices": [],
            "supply": [{"supplier": random.choice(setup.suppliers)}],
            "media": product["media"][:1],
            "stock": [],
        }
        self.variants.append(variant)
        product["variants"].append(variant)
        chart = setup.size_charts[0 if number == 1 else random.randrange(2)]
        count = 10 if number == 1 else random.randint(2, 6)
        for size in chart["sizes"][:count]:
            self._add_size(variant, size)
        cents = random.randrange(1000, 40000, 50)
        for pricelist in setup.pricelists:
            money = pricelist["_money"]
            price: Row = {
                "id": len(self.prices) + 1,
                "pricelist": pricelist,
                "price": money(round(cents / money.rate)),
                "recommendedRetailPrice": money(round(cents * 1.5 / money.rate)),
                "product": product,
                "productVariant": variant,
            }
            self.prices.append(price)
            variant["prices"].append(price)

    def _add_size(self, variant: Row, size: Row) -> None:
        random = self._random
        number = len(self.sizes) + 1
        ean = f"735{number:010}"
        article = f"{variant['product']['productNumber']}-{variant['variantNumber']}"
        row: Row = {
            "id": number,
            "SKU": f"{article}-{size['name']}",
            "EAN": ean,
            "UPC": None if chance(random, 0.6) else f"{number:012}",
            "GTIN": ean,
            "description": None if chance(random, 0.8) else f"Fits {size['name']}",
            "quantity": 0,
            "preorder": chance(random, 0.03),
            "sizeNumber": size["name"],
            "weight": None if chance(random, 0.8) else weight(random),
            "updatedAt": 0,
            "isActive": variant["status"] == "ACTIVE",
            "size": size,
            "productVariant": variant,
            "stock": [],
        }
        self.sizes.append(row)
        variant["productSizes"].append(row)

    def _add_displays(self, product: Row) -> None:
        random, setup = self._random, self._setup
        for store in random.sample(setup.stores, random.choice((1, 1, 2))):
            number = len(self.displays) + 1
            name = product["name"]
            display: Row = {
                "id": number,
                "name": name,
                "status": product["status"],
                "uri": f"{store['id']}-{product['id']}",
                "minimumOrderQuantity": 1,
                "orderQuantityDenominator": None,
                "description": f"<p>{name}, made to last.</p>",
                "shortDescription": None if chance(random, 0.5) else name,
                "metaTitle": name,
                "metaDescription": f"Buy {name}",
                "metaKeywords": "",
                "comment": None,
                "tags": random.sample(["new", "sale", "limited"], random.randrange(3)),
                "updatedAt": 0,
                "attributes": [],
                "categories": sorted(
                    {product["_category"]["id"], random.randrange(1, 7)},
                ),
                "canonicalCategory": product["_category"],
                "markets": [one for one in setup.markets if one["store"] is store],
                "product": product,
                "productVariants": list(product["variants"]),
                "store": store,
                "taxGroup": random.choice(setup.tax_groups),
                "media": product["media"],
                "translations": self._translations(name),
            }
            display["categories"] = [setup.categories[one - 1] for one in display["categories"]]
            self.displays.append(display)
            product["displays"].append(display)
            for variant in product["variants"]:
                number = len(self.display_items) + 1
                item = {"id": number, "display": display, "productVariant": variant}
                self.display_items.append(item)

    def _translations(self, name: str) -> list[Row]:
        if chance(self._random, 0.6):
            return []
        language = self._random.choice(self._setup.languages[1:])
        value = f"{name} ({language['languageCode']})"
        return [{"language": language, "fields": [{"field": "name", "value": value}]}]

    def _media(self, number: int) -> Row:
        url = f"https://cdn.example.com/media/{number}.jpg"
        source = {"type": "IMAGE", "url": url, "mimeType": "image/jpeg"}
        return {"id": number, "metaDataJSON": None, "source": source}

    def _vouchers(self, count: int) -> list[Row]:
        random = self._random
        made: list[Row] = []
        for number, updated in enumerate(draw_timestamps(random, count), 1):
            created = drawn(random, updated - 90 * DAY, updated)
            by_code = chance(random, 0.8)
            made.append(
                {
                    "id": number,
                    "name": f"Voucher {number}",
                    "code": f"HELLO{number}" if by_code else None,
                    "type": random.choice(("PERCENT_OFF", "PRICE_OFF")),
                    "method": "CODE" if by_code else "AUTO",
                    "status": random.choice(("ACTIVE", "ACTIVE", "INACTIVE")),
                    "startAt": created,
                    "stopAt": None if chance(random, 0.5) else created + 365 * DAY,
                    "maxUsages": random.choice((None, 100)),
                    "successfulUsages": random.randrange(50),
                    "createdAt": created,
                    "updatedAt": updated,
                    "combineWithOtherVouchers": False,
                    "reuse": chance(random, 0.5),
                    "_percent": random.randrange(5, 50, 5),
                }
            )
        return made

    def _campaigns(self) -> list[Row]:
        return [
            {
                "id": number,
                "name": f"Campaign {number}",
                "status": "ACTIVE" if number % 2 else "INACTIVE",
                "updatedAt": None if number == _UNTOUCHED else updated,
                "attributes": [],
                "store": self._setup.stores[0],
            }
            for number, updated in enumerate(draw_timestamps(self._random, 5), 1)
        ]

    def _price_alterations(self) -> list[Row]:
        return [
            {
                "id": number,
                "name": f"Alteration {number}",
                "status": "ACTIVE",
                "startDate": f"2024-0{number}-01",
                "store": self._setup.stores[0],
                "prices": self.prices[number * 5 : number * 5 + 5],
            }
            for number in range(1, 4)
        ]
