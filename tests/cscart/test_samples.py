"""Sample responses, file by file, as the tap parses and normalizes them."""

from __future__ import annotations

import json
from decimal import Decimal
from logging import getLogger
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from commerce_taps.records.conform import encode
from commerce_taps.records.normalize import values_of
from tap_cscart.api import CSCartApi
from tap_cscart.responses import parse_collection, parse_list, parse_reviews
from tap_cscart.tap import TapCSCart
from tests.contract import mistakes
from tests.cscart.support import KINDS, SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cscart.stream import CSCartStream

STREAM_OF = {
    "cart_detail": "carts",
    "category_detail": "categories",
    "combinations_by_product_legacy": "product_option_combinations",
    "empty_list": "orders",
    "exceptions_by_product": "product_option_exceptions",
    "options_by_product": "product_options",
    "options_global_4_20": "product_options",
    "order_detail": "orders",
    "orders_api_1_0_unwrapped": "orders",
    "orders_with_get_orders_data": "orders",
    "payments_items_per_page_0": "payments",
    "product_detail_v20": "products",
    "product_reviews_4_20": "product_reviews",
    "product_variations_groups": "product_variation_groups",
    "usergroup_detail": "usergroups",
    "vendors_4_9_and_older": "vendors",
}
"""The stream of a file that has another name."""
BARE = ("options_by_product", "usergroups", "user_usergroups", "combinations_by_product_legacy",
        "exceptions_by_product", "blocks")  # fmt: skip
SINGLE = ("cart_detail", "category_detail", "order_detail", "product_detail_v20",
          "usergroup_detail")  # fmt: skip
NO_LIST = ("version", "error_400_users_without_user_type_4_20", "error_401",
           "error_404_4_9_and_older")  # fmt: skip
ADDED: dict[str, dict[str, Any]] = {
    "product_options": {"parent_product_id": 412},
    "user_usergroups": {"user_id": 58},
    "langvars": {"lang_code": "en"},
}
OWN_STREAMS = {"cart_detail": ("products",)}
"""Columns that are a stream of their own."""
EMPTY: tuple[Any, ...] = ("", "0", 0, False, None, [], {})


class Sample(NamedTuple):
    """A file's rows: as sent, as emitted, and the schema they fit."""

    sent: list[dict[str, Any]]
    records: list[dict[str, Any]]
    schema: dict[str, Any]


@pytest.fixture(scope="module")
def tap() -> TapCSCart:
    settings = {"store_url": "https://shop.example", "email": "a@b.example", "api_key": "none"}
    return TapCSCart(config=settings, parse_env_config=False)


def files() -> list[Path]:
    return sorted(SAMPLES.glob("*.json"))


def load(tap: TapCSCart, name: str) -> Sample:
    body = (SAMPLES / f"{name}.json").read_bytes()
    stream: CSCartStream = tap.streams[STREAM_OF.get(name, name)]  # type: ignore[assignment]
    if name in SINGLE:
        raws = [*parse_collection(b"[%b]" % body)]
    elif name in BARE:
        raws = parse_collection(body)
    elif name.startswith("product_reviews"):
        raws = parse_reviews(body, "product_reviews").records
    elif name == "options_global_4_20":
        raws = parse_list(body, "product_options").records
    elif name.endswith("_unwrapped"):
        raws = parse_list(body, stream.path, bare=True).records
    else:
        raws = stream.parse_list(body).records
    found = stream.parse_rows(raws, ADDED.get(stream.name))
    decoded = [json.loads(encode(values_of(one)), parse_float=Decimal) for one in found.records]
    return Sample([json.loads(bytes(raw)) for raw in raws], decoded, stream.shape.schema)


lists = pytest.mark.parametrize("name", [path.stem for path in files() if path.stem not in NO_LIST])


@lists
def test_every_sample_fits_its_schema(tap: TapCSCart, name: str) -> None:
    rows = load(tap, name)
    schema = json.dumps(rows.schema)
    for record in rows.records:
        assert mistakes(schema, encode(record)) == []


@lists
def test_every_sample_keeps_its_fields(tap: TapCSCart, name: str) -> None:
    rows = load(tap, name)
    for sent, record in zip(rows.sent, rows.records, strict=True):
        assert sent.keys() <= record.keys()
        assert record.keys() - {*OWN_STREAMS.get(name, ())} <= rows.schema["properties"].keys()
        for column, value in sent.items():
            if value not in EMPTY:
                assert record[column] not in ("", None, [], {}), column


def test_every_sample_file_is_used() -> None:
    names = {path.stem for path in files()}
    assert names >= {*NO_LIST, *BARE, *SINGLE, *STREAM_OF}
    assert {STREAM_OF.get(name, name) for name in names - {*NO_LIST}} <= set(KINDS)


# --- values -------------------------------------------------------------------------------------


def only(tap: TapCSCart, name: str, place: int = 0) -> dict[str, Any]:
    return load(tap, name).records[place]


def having(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names}


def test_sample_products_are_normalized(tap: TapCSCart) -> None:
    product = only(tap, "products")
    assert {name: value for name, value in product.items() if name in EXPECTED_PRODUCT} == (
        EXPECTED_PRODUCT
    )
    assert str(product["price"]) == "129.00"
    assert product["shipping_params"].startswith("a:5:{")
    assert [pair["pair_id"] for pair in product["image_pairs"]] == [1811]
    assert product["main_pair"]["detailed"]["image_x"] == 1200
    first, second = product["product_features"]
    assert having(first, "feature_id", "variant_id", "value_int", "display_on_product") == {
        "feature_id": 18,
        "variant_id": 86,
        "value_int": None,
        "display_on_product": False,
    }
    assert first["variants"] == [
        {"value": "", "value_int": None, "variant_id": 86, "variant": "Northwind"}
    ]
    assert (second["feature_id"], str(second["value_int"])) == (25, "140.00")
    assert only(tap, "products", 1)["product_features"] == []


EXPECTED_PRODUCT: dict[str, Any] = {
    "product_id": 412,
    "parent_product_id": 0,
    "amount": 37,
    "weight": Decimal("0.350"),
    "timestamp": "2024-03-04T09:00:00Z",
    "updated_timestamp": "2025-11-24T16:05:31Z",
    "avail_since": None,
    "is_edp": False,
    "is_returnable": True,
    "tracking": "B",
    "tax_ids": [6],
    "usergroup_ids": [0],
    "category_ids": [203, 165],
    "main_category": 203,
    "options_type_raw": None,
    "variation_features": [],
    "selected_options": [],
    "has_options": True,
    "product_options": [],
    "discounts": {"A": 0, "P": 0},
    "qty_content": [],
    "list_discount": 20,
    "list_discount_prc": 13,
    "product_code": "NW-TJ-412",
    "localization": "",
}


def test_product_detail_has_types_of_list(tap: TapCSCart) -> None:
    product = only(tap, "product_detail_v20")
    assert {n: v for n, v in product.items() if n in EXPECTED_PRODUCT} == {
        name: value for name, value in EXPECTED_PRODUCT.items() if name in product
    }
    assert str(product["price"]) == "129.00000000"
    assert product["shared_product"] is False
    assert product["detailed_params"] == {"info_type": "D"}
    assert product["popularity"] == 214


def test_sample_orders_are_normalized(tap: TapCSCart) -> None:
    order = only(tap, "orders_with_get_orders_data")
    assert order == only(tap, "order_detail")
    assert having(
        order,
        *("order_id", "is_parent_order", "issuer_id", "total", "subtotal", "shipping_ids"),
        *("timestamp", "updated_at", "promotions", "promotion_ids", "api_key", "last_activity"),
        *("is_root", "birthday", "tax_exempt", "need_shipping", "fields", "shipment_ids"),
        *("payment_info", "doc_ids", "b_zipcode", "email"),
    ) == {
        "order_id": 1097,
        "is_parent_order": False,
        "issuer_id": None,
        "total": Decimal("142.50"),
        "subtotal": 129,
        "shipping_ids": [1],
        "timestamp": "2025-11-24T13:20:01Z",
        "updated_at": "2025-11-24T16:00:10Z",
        "promotions": [],
        "promotion_ids": [],
        "api_key": "",
        "last_activity": None,
        "is_root": None,
        "birthday": None,
        "tax_exempt": False,
        "need_shipping": True,
        "fields": [],
        "shipment_ids": [31],
        "payment_info": {},
        "doc_ids": {},
        "b_zipcode": "02110",
        "email": "ines.calder@example.org",
    }
    (item,) = order["products"]
    assert having(item, "item_id", "order_id", "price", "amount", "shipped_amount") == {
        "item_id": 2511734880,
        "order_id": 1097,
        "price": Decimal("129.00"),
        "amount": 1,
        "shipped_amount": 1,
    }
    assert item["extra"]["product_options"] == [{"option_id": 41, "variant_id": 101}]
    assert item["extra"]["unlimited_download"] is False
    (tax,) = order["taxes"]
    assert having(tax, "tax_id", "rate_value", "price_includes_tax", "applies") == {
        "tax_id": 6,
        "rate_value": Decimal("0.000"),
        "price_includes_tax": False,
        "applies": {"P_2511734880": 0, "S_0_0": 0},
    }
    assert order["payment_method"]["tax_ids"] == []
    assert order["payment_method"]["image"] == {}
    assert order["payment_method"]["processor"] is None
    assert order["shipping"][0]["rate"] == Decimal("13.5")
    (group,) = order["product_groups"]
    assert group["products"] == [{"item_id": 2511734880, "product_id": 412, "amount": 1}]


def test_sample_carts_are_normalized(tap: TapCSCart) -> None:
    known, guest, wish = load(tap, "carts").records
    assert having(known, "user_id", "company_id", "date", "cart_products", "total") == {
        "user_id": 58,
        "company_id": 1,
        "date": "2025-11-24T15:43:20Z",
        "cart_products": 2,
        "total": Decimal("258.00"),
    }
    assert known["extra"].startswith('a:2:{s:7:"product";')
    assert having(known["user_data"], "user_id", "is_root", "last_login", "usergroups") == {
        "user_id": 58,
        "is_root": False,
        "last_login": "2025-11-24T13:13:20Z",
        "usergroups": [],
    }
    assert (guest["user_id"], guest["user_data"], guest["email"]) == (3480127741, {}, "")
    assert "total" not in wish
    (line,) = only(tap, "cart_detail")["products"]
    assert having(line, "item_id", "amount", "price") == {
        "item_id": 2511734880,
        "amount": 2,
        "price": Decimal("129.00"),
    }


def test_cart_without_company_gets_company_0(tap: TapCSCart) -> None:
    stream: CSCartStream = tap.streams["carts"]  # type: ignore[assignment]
    (record,) = stream.parse_rows(parse_collection(b'[{"user_id":"1","user_data":[]}]')).records
    assert values_of(record) == {"user_id": 1, "user_data": {}, "company_id": 0}


def test_keyed_objects_become_lists(tap: TapCSCart) -> None:
    assert only(tap, "shipments")["products"] == [{"item_id": 2511734880, "amount": 1}]
    assert only(tap, "call_requests")["responsible"] == [{"user_id": 1, "name": "Admin Ada"}]
    assert only(tap, "exceptions_by_product")["combination"] == [
        {"option_id": 41, "variant_id": 102},
        {"option_id": 9, "variant_id": -1},
    ]
    size, engraving = load(tap, "options_by_product").records
    assert [variant["variant_id"] for variant in size["variants"]] == [101, 102]
    assert size["variants"][0]["image_pair"] == {}
    assert size["variants"][1]["image_pair"]["icon"]["image_y"] == 1200
    assert str(size["variants"][1]["modifier"]) == "5.000"
    assert having(engraving, "product_id", "cur_product_id", "parent_product_id", "variants") == {
        "product_id": 0,
        "cur_product_id": 412,
        "parent_product_id": 412,
        "variants": [],
    }
    assert [row["lang_id"] for row in load(tap, "languages").records] == [1, 4]
    assert [row["storefront_ids"] for row in load(tap, "languages").records] == [[], [1]]
    assert [row["payment_id"] for row in load(tap, "payments_items_per_page_0").records] == [
        2,
        12,
    ]


def test_reviews_are_read_from_pair(tap: TapCSCart) -> None:
    review = only(tap, "product_reviews_4_20")
    assert having(review, "product_review_id", "rating_value", "reply", "images") == {
        "product_review_id": 7,
        "rating_value": 5,
        "reply": {},
        "images": [],
    }
    assert having(review["user_data"], "user_id", "is_buyer", "is_anon") == {
        "user_id": 58,
        "is_buyer": True,
        "is_anon": False,
    }
    assert review["message"]["comment"] == "Nice."
    assert review["helpfulness"] == {"helpfulness": 2, "vote_up": 2, "vote_down": 0}
    flat = b'{"product_reviews":[{"product_review_id":7},{"product_review_id":8}],"params":[]}'
    assert len(parse_reviews(flat, "product_reviews").records) == 2


def test_other_values_stay_unchanged(tap: TapCSCart) -> None:
    setting = only(tap, "settings", 1)
    assert having(setting, "value", "is_global", "tooltip") == {
        "value": "#M#A=Y&B=Y",
        "is_global": True,
        "tooltip": None,
    }
    payment = only(tap, "payments", 1)
    assert payment["processor_params"].startswith('a:2:{s:6:"secret"')
    assert (payment["tax_ids"], str(payment["p_surcharge"])) == ([6], "2.500")
    status = only(tap, "statuses")
    assert status["params"] == {
        "color": "#97cf4d",
        "notify": True,
        "inventory": "D",
        "repay": False,
        "gift_cert_status": "P",
    }
    assert only(tap, "statuses", 1)["params"] == {}
    call = only(tap, "call_requests")
    assert having(call, "time_from", "cart_products", "order_status") == {
        "time_from": "10:00",
        "cart_products": "",
        "order_status": None,
    }
    group = only(tap, "product_variations_groups")
    assert having(group, "id", "created_at", "updated_at") == {
        "id": 5,
        "created_at": "2023-11-14T22:13:20Z",
        "updated_at": "2025-11-24T13:13:20Z",
    }


@pytest.mark.parametrize("name", NO_LIST[1:])
def test_error_message_comes_from_store(name: str) -> None:
    body = (SAMPLES / f"{name}.json").read_bytes()
    assert CSCartApi({}, getLogger()).message(body).text == json.loads(body)["message"]
