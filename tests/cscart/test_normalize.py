"""The quirk table: what it says of a field is what the schemas say, and nothing is guessed."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.records import dates
from commerce_taps.records.conform import encode
from tap_cscart import normalize
from tap_cscart.normalize import undone
from tests.cscart.conftest import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract import Record

PRODUCTS = "products"


def schema(stream: str) -> Record:
    folder = normalize.__file__.replace("normalize.py", "schemas")
    with open(f"{folder}/{stream}.json", encoding="utf-8") as file:  # noqa: PTH123
        found: Record = json.load(file)
    return found


def columns(stream: str) -> Iterator[tuple[str, Record, bool]]:
    """List the columns of a stream and the fields inside of them: name, schema, at the top?"""

    def walk(properties: Record, *, top: bool) -> Iterator[tuple[str, Record, bool]]:
        for name, one in properties.items():
            yield name, one, top
            yield from walk(one.get("properties", {}), top=False)
            yield from walk(one.get("items", {}).get("properties", {}), top=False)

    yield from walk(schema(stream)["properties"], top=True)


def kind_of(one: Record) -> str:
    kind = one["type"]
    return str(kind if isinstance(kind, str) else kind[0])


EXPECTED = {
    **dict.fromkeys(normalize.FLAGS.split(), "boolean"),
    **dict.fromkeys(normalize.COUNTS.split(), "integer"),
    **dict.fromkeys(normalize.AMOUNTS.split(), "number"),
    **dict.fromkeys(normalize.INSTANTS.split(), "string"),
    **dict.fromkeys(normalize.ID_LISTS.split(), "array"),
    **dict.fromkeys(normalize.KEYED, "array"),
}
SAME_NAME_OTHER_THING = {
    ("carts", "extra"),
    ("payments", "processor_params"),
    ("call_requests", "cart_products"),
    ("product_reviews", "helpfulness"),
    ("product_reviews", "reply"),
}


@pytest.mark.parametrize("stream", KINDS)
def test_the_schemas_say_the_same_as_the_table(stream: str) -> None:
    for name, one, top in columns(stream):
        if (stream, name) in SAME_NAME_OTHER_THING:
            continue
        if name in EXPECTED:
            assert kind_of(one) == EXPECTED[name], name
        elif name in (*normalize.OBJECTS.split(), *normalize.OPAQUE.split()):
            assert kind_of(one) == "object", name
        if name in normalize.INSTANTS.split():
            assert (one.get("format") == "date-time") == top, name
        else:
            assert "format" not in one, name


@pytest.mark.parametrize("stream", KINDS)
def test_what_the_store_sends_as_text_is_not_declared_as_something_else(stream: str) -> None:
    sent_as_such = {
        *("has_options", "use_variant_picker", "deleted_product", "is_accessible", "need_shipping"),
        *("one_full", "is_anon", "is_authorized", "is_purpose_create_catalog_item"),
        "is_purpose_create_variation_of_catalog_item",
    }
    for name, one, _ in columns(stream):
        if kind_of(one) in {"integer", "number"}:
            assert not isinstance(normalize.table(stream)[name]("12"), str), name
        elif kind_of(one) == "boolean":
            assert name in EXPECTED or name in sent_as_such, name


def test_no_field_stands_in_the_table_twice() -> None:
    groups = (normalize.FLAGS, normalize.COUNTS, normalize.AMOUNTS, normalize.INSTANTS,
              normalize.ID_LISTS, normalize.OBJECTS, normalize.OPAQUE,
              " ".join(normalize.KEYED))  # fmt: skip
    names = [name for group in groups for name in group.split()]
    assert len(names) == len(set(names))


def test_every_field_of_the_table_is_one_of_a_schema() -> None:
    known = {name for stream in KINDS for name, _, _ in columns(stream)}
    table = {*EXPECTED, *normalize.OBJECTS.split(), *normalize.OPAQUE.split()}
    assert table - known == {"stored_price"}  # inside of `extra`, which is open


# --- values -------------------------------------------------------------------------------------


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
        ("price", 13.5, 13.5),
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
def test_a_value_becomes_what_the_table_says(field: str, sent: Any, emitted: Any) -> None:  # noqa: ANN401
    found = undone({field: sent}, PRODUCTS)[field]
    assert found == emitted
    assert type(found) is type(emitted)
    if isinstance(emitted, Decimal):
        assert str(found) == str(emitted)


def test_a_field_that_means_something_else_in_a_stream_is_left_there() -> None:
    assert undone({"cart_products": "a:0:{}"}, "call_requests") == {"cart_products": "a:0:{}"}
    assert undone({"products": {"7": "2"}}, "shipments") == {
        "products": [{"item_id": 7, "amount": 2}]
    }
    assert undone({"products": [{"amount": "2"}]}, "carts") == {"products": [{"amount": 2}]}
    assert undone({"id": "5"}, "product_variation_groups") == {"id": 5}
    assert undone({"id": "5"}, PRODUCTS) == {"id": "5"}
    assert undone({"discounts": {"A": "1.50"}}, PRODUCTS) == {"discounts": {"A": Decimal("1.50")}}
    votes = {"helpfulness": {"helpfulness": "3", "vote_up": "4"}}
    assert undone(votes, "product_reviews") == {"helpfulness": {"helpfulness": 3, "vote_up": 4}}
    assert undone({"helpfulness": []}, "product_reviews") == {"helpfulness": {}}


texts = st.text()
names = st.sampled_from(
    [*EXPECTED, *normalize.OBJECTS.split(), *normalize.OPAQUE.split(), "name", "id"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
    | texts | st.sampled_from(["Y", "N", "0", "", "12", "1.50", "1763990401"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
records = st.dictionaries(names, values, max_size=6)
streams = st.sampled_from([*KINDS])


@given(records, streams)
def test_no_record_breaks_it_and_no_field_is_lost(record: Record, stream: str) -> None:
    assert undone(record, stream).keys() == record.keys()
    encode(undone(record, stream))


@given(records, streams)
def test_undoing_twice_is_undoing_once(record: Record, stream: str) -> None:
    once = undone(record, stream)
    assert undone(once, stream) == once


@given(st.sampled_from(normalize.FLAGS.split()), texts)
def test_no_text_becomes_true_because_it_is_not_empty(field: str, text: str) -> None:
    found = undone({field: text}, PRODUCTS)[field]
    assert found == {"Y": True, "N": False, "": None}.get(text, text)


@given(
    st.sampled_from(normalize.AMOUNTS.split()), st.decimals(allow_nan=False, allow_infinity=False)
)
def test_money_keeps_every_digit(field: str, amount: Decimal) -> None:
    text = format(amount, "f")
    amount = Decimal(text)  # the same without an exponent
    found = undone({field: text}, PRODUCTS)[field]
    assert format(found, "f") == text
    assert Decimal(encode(found).decode()).as_tuple() == amount.as_tuple()


@given(
    st.sampled_from(normalize.INSTANTS.split()),
    st.datetimes(timezones=st.just(timezone.utc), min_value=datetime(1902, 1, 1)),  # noqa: DTZ001
)
def test_an_instant_stays_the_same_instant(field: str, moment: datetime) -> None:
    seconds = int(dates.floor(moment).timestamp())
    found = undone({field: str(seconds)}, PRODUCTS)[field]
    assert found is None if seconds == 0 else dates.parse(found) == dates.floor(moment)
