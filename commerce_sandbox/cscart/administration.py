"""An administrator's set-up: payments, shipping, taxes, statuses, texts, settings, pages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from commerce_sandbox.cscart.shop import NOW, SECRET, draw_timestamp, words
from commerce_sandbox.cscart.values import Csv, Native, Php, Row, Timestamp

if TYPE_CHECKING:
    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.shop import Shop

_NOTHING: Final = Decimal("0.000")
_COMPANY: Final = 1


def payments() -> Table:
    """Make the ways to pay; the parameters of a gateway are secret."""
    table: Table = {}
    for number, (key, name, german) in enumerate(
        ((2, "Phone ordering", "Telefon"), (12, "Card", "Karte"), (14, "Invoice", "Rechnung"))
    ):
        gateway = key == 12  # noqa: PLR2004 (the card)
        parameters = {"secret": f"{SECRET}-payment-{key}", "mode": "test"}
        table[key] = {
            "payment_id": key,
            "company_id": _COMPANY,
            "usergroup_ids": Csv((0,)),
            "position": 10 * number,
            "status": "AAD"[number],
            "template": "views/orders/components/payments/phone.tpl",
            "processor_id": 118 if gateway else 0,
            "processor_params": Php(parameters) if gateway else "",
            "a_surcharge": _NOTHING,
            "p_surcharge": Decimal("2.500") if gateway else _NOTHING,
            "tax_ids": Csv((6,) if gateway else ()),
            "localization": "",
            "payment_category": f"tab{1 + number}",
            "payment": words(name, german),
            "description": "",
            "instructions": "",
            "surcharge_title": "",
            "lang_code": "en",
            "processor_status": "A",
            "processor_type": "P" if gateway else None,
            "processor_script": "examplegate.php" if gateway else None,
        }
    return table


def shippings() -> Table:
    """Make the ways to ship, with their rates."""
    return {
        key: {
            "shipping_id": key,
            "company_id": _COMPANY,
            "min_weight": _NOTHING,
            "max_weight": Decimal(f"{30 * key}.000"),
            "position": 10 * key,
            "status": "A",
            "tax_ids": Csv(()),
            "usergroup_ids": Csv((0,)),
            "shipping": words(name, german),
            "delivery_time": "1-2 days",
            "company_name": "Company 1",
            "storefront_id": None,
            "rates": {"1": {"rate_id": key, "destination_id": 1, "base_rate": Decimal("4.90")}},
        }
        for key, name, german in ((1, "Courier", "Kurier"), (2, "Pickup", "Abholung"))
    }


def taxes() -> Table:
    """Make the taxes."""
    return {
        key: {
            "tax_id": key,
            "address_type": "S",
            "status": "A",
            "price_includes_tax": key == 6,  # noqa: PLR2004 (VAT)
            "display_including_tax": False,
            "display_info": "",
            "regnumber": "1234242",
            "priority": 0,
            "tax": words(name, german),
        }
        for key, name, german in ((6, "VAT", "USt"), (7, "Reduced", "Ermäßigt"))
    }


def statuses() -> Table:
    """Make the statuses of orders and shipments."""
    names = (
        *(("O", letter) for letter in "POCFIDBNG"),
        *(("S", letter) for letter in "PSD"),
    )
    return {
        key: {
            "status_id": key,
            "status": letter,
            "type": kind,
            "is_default": letter != "G",
            "position": 10 * key,
            "description": words(f"Status {kind}-{letter}", f"Zustand {kind}-{letter}"),
            "email_subj": f"is now {letter}",
            "email_header": None if letter == "G" else "Thank you.",
            "lang_code": "en",
            "params": {}
            if letter == "G"
            else {
                "color": "#97cf4d",
                "notify": True,
                "inventory": "D",
                "repay": False,
                "payment_received": kind == "O" and letter in "PC",
                "gift_cert_status": "P",
            },
        }
        for key, (kind, letter) in enumerate(names, 1)
    }


def languages() -> Table:
    """Make the languages, by their code."""
    known = ((1, "en", "English", "US", "A"), (2, "de", "Deutsch", "DE", "A"))
    return {
        code: {
            "lang_id": key,
            "lang_code": code,
            "name": name,
            "status": status,
            "country_code": country,
            "direction": "ltr",
            "storefront_ids": "1" if code == "de" else "",
            "storefront_ids_raw": [Native(1)] if code == "de" else [],
        }
        for key, code, name, country, status in known
    }


def langvars(shop: Shop) -> Table:
    """Make the texts of the interface, by their name."""
    return {
        name: {"value": words(f"Text of {name}", f"Text für {name}"), "name": name}
        for name in sorted(f"label_{number:05}" for number in range(shop.size("langvars")))
    }


def settings() -> Table:
    """Make the settings; one holds a password."""
    chosen = [
        ("admin_elements_per_page", 4, "U", "50"),
        ("allowed_types", 7, "N", "#M#A=Y&B=Y"),
        ("mailer_smtp_password", 9, "P", f"{SECRET}-smtp"),
        *((f"setting_{number}", 4 + number % 6, "C", "YN"[number % 2]) for number in range(60)),
    ]
    return {
        key: {
            "object_id": key,
            "name": name,
            "section_id": section,
            "section_tab_id": 0,
            "type": kind,
            "edition_type": "ROOT",
            "position": 10 * key,
            "is_global": True,
            "handler": "",
            "parent_id": 0,
            "description": words(name.replace("_", " ").capitalize()),
            "tooltip": "" if kind == "U" else None,
            "object_type": "O",
            "value": value,
        }
        for key, (name, section, kind, value) in enumerate(chosen, 24)
    }


def pages(shop: Shop) -> Table:
    """Make the pages."""
    random = shop.rng("pages")
    return {
        key: {
            "page_id": key,
            "company_id": _COMPANY,
            "parent_id": 0,
            "id_path": str(key),
            "status": "A",
            "page_type": random.choice("TTLF"),
            "position": 10 * random.randrange(5),
            "timestamp": draw_timestamp(random),
            "usergroup_ids": Csv((0,)),
            "localization": "",
            "new_window": 0,
            "use_avail_period": key % 9 == 0,
            "avail_from_timestamp": Timestamp(NOW if key % 9 == 0 else 0),
            "avail_till_timestamp": Timestamp(0),
            "lang_code": "en",
            "page": words(f"Page {key}", f"Seite {key}"),
            "description": words(f"<p>Page {key}</p>", f"<p>Seite {key}</p>"),
            "meta_keywords": "",
            "meta_description": "",
            "page_title": "",
            "link": "",
            "seo_name": f"page-{key}",
            "seo_path": "",
        }
        for key in range(30, 30 + shop.size("pages"))
    }


def blocks() -> Table:
    """Make the blocks of the layout."""
    return {
        key: {
            "block_id": key,
            "type": "menu",
            "properties": {"template": "blocks/menu/text_links.tpl"} if key % 2 else {},
            "company_id": _COMPANY,
            "storefront_id": 1,
            "lang_code": "en",
            "name": words(f"Menu {key}", f"Menü {key}"),
            "locations": {},
        }
        for key in range(5, 12)
    }


def currencies() -> Table:
    """Make the currencies, by their code."""
    return {
        code: _currency(key, code, symbol, coefficient)
        for key, (code, symbol, coefficient) in enumerate(
            (("USD", "$", "1.00000"), ("EUR", "€", "1.08000")), 1
        )
    }


def _currency(key: int, code: str, symbol: str, coefficient: str) -> Row:
    return {
        "currency_id": key,
        "currency_code": code,
        "after": code == "EUR",
        "symbol": symbol,
        "coefficient": Decimal(coefficient),
        "is_primary": code == "USD",
        "position": 10 * key,
        "decimals_separator": ".",
        "thousands_separator": ",",
        "decimals": 2,
        "status": "A",
        "description": words({"USD": "US Dollar", "EUR": "Euro"}[code]),
    }
