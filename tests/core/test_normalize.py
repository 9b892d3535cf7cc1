"""A schema decides what a value becomes; every digit and every odd value survives."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.records.conform import encode
from commerce_taps.records.normalize import Normalizer, integer, number

if TYPE_CHECKING:
    from tests.contract import Record

SCHEMA: dict[str, Any] = {
    "properties": {
        "id": {"type": "integer"},
        "price": {"type": ["number", "null"]},
        "name": {"type": "string"},
        "owner": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
        },
        "settings": {"type": "object"},
    }
}
RULES = {
    "integer": integer,
    "number": number,
    "object": lambda value: {} if value == [] else value,
    "array": lambda value: list(value.values()) if isinstance(value, dict) else value,
}
BY_NAME = {"id": {"type": "integer"}, "lines": {"type": "array", "items": {"type": "object"}}}


def normalized(record: Record, **options: Any) -> Record:  # noqa: ANN401
    def rule(_: str, schema: Record) -> Any:  # noqa: ANN401
        kind = schema.get("type", "")
        return RULES.get(kind if isinstance(kind, str) else kind[0])

    found = Normalizer(rule, **options).compile(SCHEMA)(encode(record))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ({"id": "7", "name": "7"}, {"id": 7, "name": "7"}),
        ({"price": ""}, {"price": None}),
        ({"owner": {"id": "7"}}, {"owner": {"id": 7}}),
        ({"owner": []}, {"owner": {}}),
        ({"lines": [{"id": "7"}, "odd"]}, {"lines": [{"id": 7}, "odd"]}),
        ({"lines": {"a": {"id": "7"}}}, {"lines": [{"id": 7}]}),
        ({"id": {"id": "7"}}, {"id": {"id": "7"}}),
    ],
    ids=repr,
)
def test_declared_value_takes_the_form_of_its_place(sent: Record, emitted: Record) -> None:
    assert normalized(sent) == emitted


def test_undeclared_field_stays_without_schemas_by_name() -> None:
    sent = {"addon": {"id": "7"}, "settings": {"id": "7"}}
    assert normalized(sent) == sent


def test_undeclared_field_is_normalized_by_its_name_at_any_depth() -> None:
    sent = {"addon": [{"id": "7", "lines": {"a": {"id": "8"}}}], "settings": {"id": "9"}}
    meant = {"addon": [{"id": 7, "lines": [{"id": 8}]}], "settings": {"id": 9}}
    assert normalized(sent, undeclared=BY_NAME) == meant


def test_fields_of_an_opaque_object_stay() -> None:
    sent = {"settings": {"id": "7"}, "owner": {"id": "7"}}
    found = normalized(sent, undeclared=BY_NAME, opaque={"settings"})
    assert found == {"settings": {"id": "7"}, "owner": {"id": 7}}


def test_field_nested_too_deeply_stays_and_the_others_are_normalized() -> None:
    deep: Any = {"id": "7"}
    for _ in range(700):
        deep = {"x": deep}
    assert normalized({"addon": deep, "id": "7"}, undeclared=BY_NAME) == {"addon": deep, "id": 7}


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b"{", b'"\xff"'])
def test_body_that_is_no_object_gives_none(body: bytes) -> None:
    assert Normalizer(lambda *_: None).compile(SCHEMA)(body) is None


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_number_keeps_every_digit(amount: Decimal) -> None:
    text = format(amount, "f")
    found = normalized({"price": text})["price"]
    assert format(found, "f") == text
    assert Decimal(encode(found).decode()).as_tuple() == Decimal(text).as_tuple()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["7", "", "1.50"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), values))
def test_random_record_keeps_every_field_and_normalizes_once(record: Record) -> None:
    once = normalized(record, undeclared=BY_NAME)
    assert once.keys() == record.keys()
    assert normalized(once, undeclared=BY_NAME) == once
