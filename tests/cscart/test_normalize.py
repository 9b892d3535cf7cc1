"""Values are normalized by stream and by name, and nothing is guessed."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.records import dates
from commerce_taps.records.conform import encode
from tap_cscart.normalize import KEYED, OPAQUE, normalizer
from tests.cscart.support import KINDS

if TYPE_CHECKING:
    from tests.contract import Record

PRODUCTS = "products"
FLAGS = ("is_edp", "free_shipping", "stored_price")
AMOUNTS = ("price", "list_price", "weight")
TIMESTAMPS = ("timestamp", "avail_since", "reply_timestamp")
OTHERS = ("amount", "tax_ids", "main_pair", "extra", "products", "name", "id")


def normalize(record: Record, stream: str) -> Record:
    found = normalizer(stream)(encode(record))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("field", "sent", "emitted"),
    [
        ("is_edp", "Y", True),
        ("is_edp", "N", False),
        ("is_edp", "", None),
        ("is_edp", None, None),
        ("is_edp", "D", "D"),
        ("is_edp", "no", "no"),
        ("is_edp", True, True),
        ("amount", "12", 12),
        ("amount", "-3", -3),
        ("amount", 12, 12),
        ("amount", "", None),
        ("amount", "007", "007"),
        ("amount", "1.5", "1.5"),
        ("amount", "1e3", "1e3"),
        ("amount", "٣", "٣"),
        ("amount", "9" * 30, "9" * 30),
        ("amount", " 1", " 1"),
        ("price", "129.00", Decimal("129.00")),
        ("price", "129.00000000", Decimal("129.00000000")),
        ("price", 13.5, Decimal("13.5")),
        ("price", "-0.10", Decimal("-0.10")),
        ("price", "1,50", "1,50"),
        ("price", "NaN", "NaN"),
        ("price", "Infinity", "Infinity"),
        ("price", "", None),
        ("timestamp", "1763990401", "2025-11-24T13:20:01Z"),
        ("timestamp", 1763990401, "2025-11-24T13:20:01Z"),
        ("timestamp", "0", None),
        ("timestamp", 0, None),
        ("timestamp", "", None),
        ("timestamp", "0000-00-00 00:00:00", None),
        ("timestamp", "0000-00-00", None),
        ("timestamp", "-86400", "1969-12-31T00:00:00Z"),
        ("timestamp", "2024-01-31", "2024-01-31"),
        ("timestamp", "999999999999999", "999999999999999"),
        ("timestamp", True, True),
        ("tax_ids", "6,7", [6, 7]),
        ("tax_ids", ["6", 7], [6, 7]),
        ("tax_ids", "", []),
        ("tax_ids", [], []),
        ("tax_ids", 6, [6]),
        ("tax_ids", "all", "all"),
        ("main_pair", [], {}),
        ("main_pair", {"pair_id": "1"}, {"pair_id": 1}),
        ("payment_info", [], {}),
        ("payment_info", {"amount": "12"}, {"amount": "12"}),
        ("extra", "a:0:{}", "a:0:{}"),
        ("promotions", False, None),
        ("image_pairs", [], []),
        ("image_pairs", {"5": {"pair_id": "5", "position": "0"}}, [{"pair_id": 5, "position": 0}]),
        ("image_pairs", {"5": {"alt": ""}}, [{"pair_id": 5, "alt": ""}]),
        ("combination", {"41": "101"}, [{"option_id": 41, "variant_id": 101}]),
        ("image_pairs", {"a": "b"}, {"a": "b"}),
        ("of_an_add_on", "Y", "Y"),
        ("of_an_add_on", [], []),
        ("of_an_add_on", {"amount": "3"}, {"amount": 3}),
    ],
    ids=repr,
)
def test_value_becomes_what_its_schema_declares(field: str, sent: Any, emitted: Any) -> None:  # noqa: ANN401
    found = normalize({field: sent}, PRODUCTS)[field]
    assert found == emitted
    assert type(found) is type(emitted)
    if isinstance(emitted, Decimal):
        assert str(found) == str(emitted)


def test_name_means_what_its_own_stream_declares() -> None:
    assert normalize({"cart_products": "a:0:{}"}, "call_requests") == {"cart_products": "a:0:{}"}
    assert normalize({"products": {"7": "2"}}, "shipments") == {
        "products": [{"item_id": 7, "amount": 2}]
    }
    assert normalize({"products": [{"amount": "2"}]}, "carts") == {"products": [{"amount": 2}]}
    assert normalize({"id": "5"}, "product_variation_groups") == {"id": 5}
    assert normalize({"id": "5"}, PRODUCTS) == {"id": "5"}
    assert normalize({"discounts": {"A": "1.50"}}, PRODUCTS) == {
        "discounts": {"A": Decimal("1.50")}
    }
    votes = {"helpfulness": {"helpfulness": "3", "vote_up": "4"}}
    assert normalize(votes, "product_reviews") == {"helpfulness": {"helpfulness": 3, "vote_up": 4}}
    assert normalize({"helpfulness": []}, "product_reviews") == {"helpfulness": {}}


texts = st.text()
names = st.sampled_from([*FLAGS, *AMOUNTS, *TIMESTAMPS, *OTHERS, *KEYED, *sorted(OPAQUE)])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
    | texts | st.sampled_from(["Y", "N", "0", "", "12", "1.50", "1763990401"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
records = st.dictionaries(names, values, max_size=6)
streams = st.sampled_from([*KINDS])


@given(records, streams)
def test_random_record_keeps_every_field(record: Record, stream: str) -> None:
    assert normalize(record, stream).keys() == record.keys()
    encode(normalize(record, stream))


@given(records, streams)
def test_normalizing_twice_changes_nothing(record: Record, stream: str) -> None:
    once = normalize(record, stream)
    assert normalize(once, stream) == once


@given(st.sampled_from(FLAGS), texts)
def test_flag_is_true_for_y_only(field: str, text: str) -> None:
    found = normalize({field: text}, PRODUCTS)[field]
    assert found == {"Y": True, "N": False, "": None}.get(text, text)


@given(
    st.sampled_from(TIMESTAMPS),
    st.datetimes(timezones=st.just(timezone.utc), min_value=datetime(1902, 1, 1)),  # noqa: DTZ001
)
def test_timestamp_keeps_its_time(field: str, time: datetime) -> None:
    seconds = int(dates.floor(time).timestamp())
    found = normalize({field: str(seconds)}, PRODUCTS)[field]
    assert found is None if seconds == 0 else dates.parse(found) == dates.floor(time)
