"""The catalogue: categories, features, products and their parts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.cscart.shop import DAY, NOW, OPENED, draw_timestamp, image, money, words
from commerce_sandbox.cscart.values import Computed, Csv, Native, Php, Row, Timestamp
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from commerce_sandbox.cscart.shop import Shop

Table = dict[Any, Row]

_THINGS: Final = (
    ("Jacket", "Jacke"),
    ("Lamp", "Lampe"),
    ("Kettle", "Kessel"),
    ("Tent", "Zelt"),
    ("Notebook", "Heft"),
    ("Mug", "Becher"),
    ("Chair", "Stuhl"),
)
_MANNERS: Final = ("Trail", "Harbour", "Nordic", "Plain", "Amber", "Café", "Quiet", "Second")
_BRANDS: Final = 45
"""More than the 40 variants beyond which a list leaves them out."""
_OVERRIDABLE: Final = (
    "options_type",
    "exceptions_type",
    "tracking",
    "zero_price_action",
    "min_qty",
    "max_qty",
    "qty_step",
    "list_qty_count",
)
_BOX: Final = ("min_items_in_box", "max_items_in_box", "box_length", "box_width", "box_height")
BRAND: Final = 18
"""The feature every product has."""
GROUPING: Final = 31
"""The feature whose variants distinguish the products of a variation group."""
_GROUP_EVERY: Final = 12
_PROMOTED_EVERY: Final = 9
_PROMOTION: Final = Decimal("0.9")
_CENT: Final = Decimal("0.01")
_TYPES: Final = ("S", "M", "O", "T", "C", "D", "N", "E")
SELECTABLE: Final = frozenset({"S", "M", "N", "E"})
"""Types of features whose values are variants."""


def categories(shop: Shop) -> Table:
    """Make the tree of categories."""
    random = shop.rng("categories")
    table: Table = {}
    for number in range(shop.size("categories")):
        key = 160 + 3 * number
        parent = random.choice(list(table.values())) if table and chance(random, 0.8) else None
        path = f"{parent['id_path']}/{key}" if parent else str(key)
        thing, ding = random.choice(_THINGS)
        table[key] = {
            "category_id": key,
            "parent_id": parent["category_id"] if parent else 0,
            "id_path": path,
            "category": words(f"{thing}s {number}", f"{ding} {number}"),
            "position": 10 * random.randrange(9),
            "status": random.choice("AAAAHD"),
            "company_id": 1,
            "storefront_id": 1,
            "product_count": 0,
            "seo_name": f"{thing.lower()}s-{number}",
            "seo_path": parent["id_path"] if parent else "",
            "level": path.count("/") + 1,
            "usergroup_ids": Csv((0,)),
            "timestamp": draw_timestamp(random),
            "is_op": False,
            "localization": "",
            "age_verification": False,
            "age_limit": 0,
            "parent_age_verification": False,
            "parent_age_limit": 0,
            "selected_views": {},
            "default_view": "",
            "product_details_view": "default",
            "product_columns": 0,
            "is_trash": False,
            "is_default": False,
            "lang_code": "en",
            "description": words(f"<p>All {thing.lower()}s.</p>", f"<p>Alles: {ding}.</p>"),
            "meta_keywords": "",
            "meta_description": "",
            "page_title": "",
            "age_warning_message": None,
            "main_pair": image("category", 5000 + key, key) if chance(random, 0.5) else {},
        }
    return table


def features(shop: Shop, of: Table) -> Table:
    """Make groups of features and features, these with their variants inside."""
    random = shop.rng("features")
    table: Table = {}
    groups = (30, 60, 90)
    numbers = [BRAND, GROUPING, *range(100, 100 + shop.size("features") - 2)]
    for key in (*groups, *numbers):
        kind = {BRAND: "E", GROUPING: "S"}.get(key, _TYPES[key % len(_TYPES)])
        name = {BRAND: "Brand", GROUPING: "Size"}.get(key, f"Feature {key}")
        if key in groups:
            kind, name = "G", f"Group {key}"
        # The last group stays without members.
        parent = 0 if key in {*groups, BRAND} else random.choice((0, *groups[:2]))
        table[key] = {
            "feature_id": key,
            "company_id": 1,
            "feature_type": kind,
            "parent_id": parent,
            "display_on_product": chance(random, 0.8),
            "display_on_catalog": key == BRAND,
            "display_on_header": key == BRAND,
            "description": words(name, f"{name} (de)"),
            "internal_name": name,
            "lang_code": "en",
            "prefix": "",
            "suffix": "g/m2" if kind == "O" else "",
            "categories_path": Csv(sorted(random.sample(list(of), 2))),
            "full_description": "",
            "status": "A" if key in {BRAND, GROUPING} else random.choice("AAAD"),
            "comparison": False,
            "position": 10 * random.randrange(5),
            "purpose": "organize_catalog" if key == BRAND else "find_products",
            "feature_style": "",
            "filter_style": "checkbox",
            "feature_code": "",
            "timestamp": (born := draw_timestamp(random)),
            "updated_timestamp": draw_timestamp(random, born),
        }
        if kind != "G":
            table[key]["group_position"] = table[parent]["position"] if parent else None
        if kind in SELECTABLE:
            count = _BRANDS if key == BRAND else random.randint(2, 6)
            variants = [_variant(key, number) for number in range(count)]
            table[key]["variants"] = {str(one["variant_id"]): one for one in variants}
    return table


def _variant(feature: int, number: int) -> Row:
    return {
        "variant_id": 100 * feature + number,
        "variant": words(f"Variant {feature}-{number}", f"Variante {feature}-{number}"),
        "description": "",
        "page_title": "",
        "meta_keywords": "",
        "meta_description": "",
        "lang_code": "en",
        "feature_id": feature,
        "url": "",
        "color": None,
        "position": number,
    }


def products(shop: Shop, of: Table, known: Table, companies: Sequence[int]) -> Table:
    """Make the products.

    Args:
        companies: The companies they belong to.
    """
    random = shop.rng("products")
    count = shop.size("products")
    born = sorted(random.randrange(OPENED, NOW) for _ in range(count))
    # An import writes many rows in one second.
    imports = [random.randrange(NOW - 300 * DAY, NOW) for _ in range(6)]
    table: Table = {}
    parent = 0
    for number in range(count):
        key = 400 + number
        updated = random.choice(imports) if chance(random, 0.3) else 0
        place = number % _GROUP_EVERY
        if place == 0:
            parent = key
        table[key] = product(
            random,
            key,
            company=random.choice(companies),
            of=random.sample(list(of), random.choice((1, 1, 2))),
            features=known,
            born=born[number],
            updated=updated or random.randrange(born[number], NOW),
            # The second and third of each dozen are variations of the first.
            parent=parent if place in {1, 2} and key % 10 and parent % 10 else 0,
        )
    return table


def product(
    random: Random,
    key: int,
    *,
    company: int,
    of: list[int],
    features: Table,
    born: int,
    updated: int,
    parent: int = 0,
) -> Row:
    """Make a product.

    Args:
        random: What its values are drawn from.
        key: Its id.
        of: Its categories, the main one first.
        born: When it was made, in unix seconds.
        updated: When it was edited last.
        parent: The product it is a variation of, if any.
    """
    manner = random.choice(_MANNERS)
    thing, ding = random.choice(_THINGS)
    slug = f"{manner}-{thing}-{key}".lower()
    row: Row = {
        "product_id": key,
        "product": words(f"{manner} {thing} {key}", f"{manner} {ding} {key}"),
        "product_type": "V" if parent else "P",
        "parent_product_id": parent,
        "product_code": f"NW-{thing[:2].upper()}-{key}",
        "status": random.choice("AAAAAAHD"),
        "company_id": company,
        "list_price": Decimal("0.00"),
        "amount": random.randrange(-2, 200),
        "weight": Decimal(random.randrange(9000)).scaleb(-3),
        "length": 0,
        "width": 0,
        "height": 0,
        "shipping_freight": Decimal("0.00"),
        "low_avail_limit": 0,
        "timestamp": Timestamp(born),
        "updated_timestamp": Timestamp(updated),
        "usergroup_ids": Csv((0,)),
        "is_edp": False,
        "edp_shipping": False,
        "unlimited_download": False,
        "tracking": "B",
        "free_shipping": chance(random, 0.1),
        "zero_price_action": "R",
        "is_pbp": False,
        "is_op": False,
        "is_oper": False,
        "is_returnable": chance(random, 0.9),
        "return_period": 10,
        "avail_since": Timestamp(NOW + 30 * DAY if chance(random, 0.05) else 0),
        "out_of_stock_actions": "N",
        "localization": "",
        "min_qty": 0,
        "max_qty": 0,
        "qty_step": 0,
        "list_qty_count": 0,
        "tax_ids": Csv((6,) if chance(random, 0.8) else ()),
        "age_verification": chance(random, 0.02),
        "age_limit": 0,
        "options_type": "P",
        "exceptions_type": "F",
        "details_layout": "",
        "shipping_params": Php(dict.fromkeys(_BOX, 0)),
        "price": money(random, 5, 400) if chance(random, 0.97) else Decimal("0.00"),
        "category_ids": [Native(one) for one in of],
        "main_category": Native(of[0]),
        **{f"{name}_raw": None for name in _OVERRIDABLE},
        "details_layout_raw": "",
        "variation_features": {},
        "seo_name": slug,
        "seo_path": str(of[0]),
        "erp_code": f"{key:010}" if chance(random, 0.7) else None,
        "main_pair": image("product", 1800 + key, key) if chance(random, 0.8) else {},
        "image_pairs": {},
        "selected_options": {},
        "has_options": Native(key % 3 == 0),
        "discounts": {"A": Native(0), "P": Native(0)},
        "qty_content": [],
        "product_features": {
            str(one["feature_id"]): _value(random, one)
            for one in (_chosen(random, features) if chance(random, 0.95) else ())
        },
        "lang_code": "en",
        "shortname": "",
        "short_description": f"<p>{manner}.</p>" if chance(random, 0.4) else "",
        "full_description": words(
            f"<p>A {thing.lower()}, and “more”.</p>", f"<p>Ein Stück: {ding}.</p>"
        ),
        "meta_keywords": "",
        "meta_description": f"{manner} {thing}",
        "search_words": thing.lower(),
        "page_title": "",
        "age_warning_message": None,
        "promo_text": "",
        "popularity": random.randrange(500),
        "company_name": f"Company {company}" if company else None,
        **dict.fromkeys(_BOX, Native(0)),
        "shared_product": False,
    }
    if chance(random, 0.3):
        row["image_pairs"] = {str(9000 + key): image("product", 9000 + key, key)}
    if chance(random, 0.3):
        row["list_price"] = row["price"] + money(random, 1, 50)
    reprice(row, row["price"])
    return row


def reprice(row: Row, price: Decimal) -> None:
    """Change the price of a product and what is computed from it; some are in a promotion."""
    row["base_price"] = price
    if row["product_id"] % _PROMOTED_EVERY == 0:
        price = (price * _PROMOTION).quantize(_CENT)
    row["price"] = price
    row.pop("list_discount", None)
    row.pop("list_discount_prc", None)
    if row["list_price"] > price:
        saved = row["list_price"] - price
        row["list_discount"] = Computed(saved)
        row["list_discount_prc"] = str(round(100 * saved / row["list_price"]))


def _chosen(random: Random, features: Table) -> list[Row]:
    others = [one for one in features.values() if one["feature_type"] != "G"]
    return [
        features[BRAND],
        *random.sample([one for one in others if one is not features[BRAND]], 2),
    ]


def _value(random: Random, feature: Row) -> Row:
    """Return the value a product has of a feature."""
    kind = feature["feature_type"]
    copied = ("internal_name", "description", "prefix", "suffix")
    flags = ("parent_id", "display_on_header", "display_on_catalog", "display_on_product")
    row: Row = {
        "feature_id": feature["feature_id"],
        "value": "",
        "value_int": None,
        "variant_id": 0,
        "feature_type": kind,
        **{name: feature[name] for name in copied},
        "variant": None,
        **{name: feature[name] for name in (*flags, "feature_code", "purpose")},
    }
    if kind in SELECTABLE:
        taken = random.sample(list(feature["variants"].values()), 2 if kind == "M" else 1)
        variants = [
            {
                "value": "",
                "value_int": Decimal(f"{one['position']}.00") if kind == "N" else None,
                "variant_id": one["variant_id"],
                "variant": one["variant"],
            }
            for one in taken
        ]
        row |= variants[0]
        row["features_hash"] = f"{feature['feature_id']}-{variants[0]['variant_id']}"
        row["variants"] = {str(one["variant_id"]): one for one in variants}
    elif kind in {"O", "D"}:
        high = NOW if kind == "D" else 900
        row["value_int"] = Decimal(random.randrange(100, high)).quantize(_CENT)
    else:
        row["value"] = random.choice("YN") if kind == "C" else "Hand wash, “cold”"
    return row
