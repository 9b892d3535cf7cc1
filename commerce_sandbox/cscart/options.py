"""Options of products: those of one product, those shared by many, and their combinations."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from commerce_sandbox.cscart.shop import image, words

if TYPE_CHECKING:
    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.values import Row

_GLOBAL: Final = range(1, 6)
_NOTHING: Final = Decimal("0.000")


def global_options() -> Table:
    """Make the options that any product can be linked to."""
    return {
        key: _option(key, 0, "T" if key % 2 else "S", f"Engraving {key}", f"Gravur {key}")
        for key in _GLOBAL
    }


def options_of(product: Row, shared: Table) -> Table:
    """Return the options of a product.

    Args:
        shared: The options any product can be linked to.
    """
    if not product["has_options"].value:
        return {}
    key: int = product["product_id"]
    own = _option(1000 + key, key, "S", "Size", "Größe")
    found = {own["option_id"]: own}
    if key % 2:
        linked = shared[1 + key % len(shared)]
        found[linked["option_id"]] = linked | {"cur_product_id": key}
    return found


def exceptions_of(product: Row, shared: Table) -> list[Row]:
    """Return the combinations of options that a product cannot be had in."""
    own, *others = [*options_of(product, shared).values(), *[None] * 2][:2]
    if own is None or product["product_id"] % 4:
        return []
    combination = {str(own["option_id"]): list(own["variants"].values())[-1]["variant_id"]}
    if others[0] is not None:
        combination[str(others[0]["option_id"])] = -1
    key = product["product_id"]
    return [{"exception_id": key + 7, "product_id": key, "combination": combination}]


def combinations_of(product: Row, shared: Table) -> list[Row]:
    """Return the combinations of options that a product is counted in."""
    own = next(iter(options_of(product, shared).values()), None)
    if own is None:
        return []
    key = product["product_id"]
    return [
        {
            "product_id": key,
            "product_code": f"{product['product_code']}-{variant['variant_name'].texts['en']}",
            "combination_hash": zlib.crc32(f"{key}_{variant['variant_id']}".encode()),
            "combination": {str(own["option_id"]): variant["variant_id"]},
            "amount": (key + variant["variant_id"]) % 30,
            "temp": False,
            "position": 0,
            "image_pairs": {},
        }
        for variant in own["variants"].values()
    ]


def _option(key: int, product: int, kind: str, name: str, german: str) -> Row:
    variants = [_variant(key, number) for number in range(3)] if kind == "S" else []
    return {
        "option_id": key,
        "product_id": product,
        "company_id": 1,
        "option_type": kind,
        "regexp": "",
        "required": key % 5 == 0,
        "multiupload": False,
        "allowed_extensions": "",
        "max_file_size": 0,
        "missing_variants_handling": "M",
        "status": "A",
        "position": 0,
        "value": "",
        "option_name": words(name, german),
        "internal_option_name": name,
        "option_text": "",
        "description": "",
        "inner_hint": "",
        "incorrect_message": "",
        "comment": "",
        "variants": {str(one["variant_id"]): one for one in variants},
    }


def _variant(option: int, number: int) -> Row:
    key = 10 * option + number
    return {
        "variant_name": words(("M", "L", "XL")[number]),
        "variant_id": key,
        "option_id": option,
        "position": 10 * number,
        "modifier": Decimal(5 * number).quantize(_NOTHING),
        "modifier_type": "A",
        "weight_modifier": _NOTHING,
        "weight_modifier_type": "A",
        "point_modifier": _NOTHING,
        "point_modifier_type": "A",
        "status": "A",
        "image_pair": image("variant_image", key, key, detailed=False) if number == 1 else {},
    }
