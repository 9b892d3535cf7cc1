"""What the Order API does to values, and that it is undone and nothing else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.records import dates
from commerce_taps.records.conform import encode
from tap_centra.order.normalize import normalizer, to_wall_time

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def normalized(kind: str, value: object, zone: ZoneInfo = STOCKHOLM, **more: object) -> Any:  # noqa: ANN401
    schema = {"properties": {"column": {"type": [kind, "null"], **more}}}
    found = normalizer(schema, zone)(encode({"column": value}))
    assert found is not None
    return found["column"]


@pytest.mark.parametrize(
    ("kind", "sent", "meant"),
    [
        ("integer", "83651", 83651),
        ("integer", "-5", -5),
        ("integer", 20059, 20059),
        ("integer", "", None),
        ("integer", None, None),
        ("integer", "007", "007"),
        ("integer", "10002-1", "10002-1"),
        ("integer", "9" * 30, "9" * 30),
        ("number", "199.50", Decimal("199.50")),
        ("number", 199.5, Decimal("199.5")),
        ("number", "1,5", "1,5"),
        ("number", "nan", "nan"),
        ("boolean", 1, True),
        ("boolean", 0, False),
        ("boolean", "1", True),
        ("boolean", True, True),
        ("boolean", 2, 2),
        ("boolean", "yes", "yes"),
        ("string", "", ""),
        ("string", "0000-00-00", "0000-00-00"),
        ("string", 5, 5),
    ],
    ids=repr,
)
def test_value_becomes_what_its_schema_declares(kind: str, sent: object, meant: object) -> None:
    found = normalized(kind, sent)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("2024-05-31 14:00:00", "2024-05-31T12:00:00Z"),
        ("2024-01-31 14:00:00", "2024-01-31T13:00:00Z"),
        ("2024-01-31 14:00", "2024-01-31T13:00:00Z"),
        ("2024-01-31", "2024-01-30T23:00:00Z"),
        ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),  # comes twice: the first is meant
        ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),  # never came
        ("0000-00-00 00:00:00", None),
        ("0000-00-00", None),
        ("", None),
        (None, None),
        ("2024-05-31T14:00:00+02:00", "2024-05-31T14:00:00+02:00"),  # says its offset itself
        ("soon", "soon"),
        (17, 17),
    ],
    ids=repr,
)
def test_time_of_the_wall_becomes_utc(sent: object, meant: object) -> None:
    assert normalized("string", sent, format="date-time") == meant


@pytest.mark.parametrize(
    ("sent", "meant"), [("0000-00-00", None), ("", None), ("2024-05-31", "2024-05-31")], ids=repr
)
def test_date_of_zeros_becomes_null(sent: str, meant: str | None) -> None:
    assert normalized("string", sent, format="date") == meant


def test_fields_and_entries_are_normalized_by_their_place() -> None:
    items = {
        "type": ["object", "null"],
        "properties": {
            "lineId": {"type": ["integer", "null"]},
            "at": {"type": ["string", "null"], "format": "date-time"},
        },
    }
    row = {"lineId": "1", "at": "2024-01-31 14:00:00", "plugin": "0000-00-00"}
    meant = [{"lineId": 1, "at": "2024-01-31T13:00:00Z", "plugin": "0000-00-00"}]
    assert normalized("array", [row], items=items) == meant
    assert normalized("array", {"1": row}, items=items) == meant  # a webhook shows lists so
    assert normalized("array", "", items=items) is None
    assert normalized("array", [], items=items) == []
    assert normalized("object", []) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["string", "integer", "number", "boolean", "object", "array"]))
def test_random_value_without_a_known_form_stays(value: Any, kind: str) -> None:  # noqa: ANN401
    found = normalized(kind, value, items={})
    if isinstance(value, str):
        assert found is None or str(found) == value or isinstance(found, (bool, Decimal))
    elif value != found and not isinstance(value, dict):
        assert (kind, value) in [("boolean", 0), ("boolean", 1), ("object", [])]
    json.dumps(found, default=str)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)))  # noqa: DTZ001 (given a zone below)
def test_filter_time_reads_back_as_the_same_moment(moment: datetime) -> None:
    at = moment.replace(microsecond=0, tzinfo=timezone.utc)
    text = to_wall_time(at, STOCKHOLM)
    found = dates.parse(normalized("string", text, format="date-time"))
    assert found in {at, at - timedelta(hours=1)}  # an hour that comes twice
