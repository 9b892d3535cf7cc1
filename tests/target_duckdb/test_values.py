"""A value is loaded exactly, or rejected with a message that does not quote it."""

# ruff: noqa: DTZ001 (DuckDB gives timestamps without a zone)
# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import json
import tempfile
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_duckdb.errors import LoadError
from tests.target_duckdb.support import Database, record, schema, state

NUMBER = {"type": ["number", "null"]}
INTEGER = {"type": ["integer", "null"]}
TEXT = {"type": ["string", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
TIMESTAMP = {"type": ["string", "null"], "format": "date-time"}
DAY = {"type": ["string", "null"], "format": "date"}
CLOCK = {"type": ["string", "null"], "format": "time"}
OBJECT = {"type": ["object", "null"]}
ARRAY = {"type": ["array", "null"]}
EITHER = {"type": ["string", "integer", "null"]}


def line(raw: str) -> str:
    return f'{{"type":"RECORD","stream":"orders","record":{{"value":{raw}}}}}'


@pytest.mark.parametrize(
    ("kind", "raw", "kept", "beside"),
    [
        (OBJECT, '{"x":17.500,"y":1e-05}', '{"x":17.500,"y":1e-05}', None),
        (OBJECT, '{"x":0.1234567890123456789012345678}', '{"x":0.1234567890123456789012345678}', None),
        (OBJECT, '{"a":1,"a":2}', '{"a":1,"a":2}', None),
        (OBJECT, "{}", "{}", None),
        (ARRAY, "[]", "[]", None),
        (ARRAY, "[" * 300 + "]" * 300, "[" * 300 + "]" * 300, None),
        (EITHER, '"12"', '"12"', None),
        (EITHER, "12", "12", None),
        ({}, "true", "true", None),
        ({"anyOf": [{"type": "string"}, {"type": "object"}]}, '"\\u0000"', '"\\u0000"', None),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, '"2024-02-29"', date(2024, 2, 29), None),
        (TEXT, '""', "", None),
        (TEXT, '"\\u0000\\u2028\\ud83d\\ude00"', "\0\u2028\U0001f600", None),
        (NUMBER, "17.50", 17.5, None),
        (NUMBER, "1e-05", 1e-05, None),
        (NUMBER, "100000000000000000000", 1e20, None),
        (NUMBER, "0.1234567890123456789012345678", 0.12345678901234568, "0.1234567890123456789012345678"),
        (NUMBER, "9007199254740993", 9007199254740992.0, "9007199254740993"),
        (NUMBER, "1e400", None, "1e400"),
        (NUMBER, "1e-400", 0.0, "1e-400"),
        (NUMBER, "1e99999999999999999999", None, "1e99999999999999999999"),
        (INTEGER, "9223372036854775807", 9223372036854775807, None),
        (INTEGER, "100000000000000000000", 100000000000000000000, None),
        (INTEGER, "18446744073709551615", 18446744073709551615, None),
        (INTEGER, "3.0", 3, None),
        (TIMESTAMP, '"2024-03-01T09:30:00+02:00"', datetime(2024, 3, 1, 7, 30), None),
        (TIMESTAMP, '"2024-03-01T09:30:00-0530"', datetime(2024, 3, 1, 15, 0), None),
        (TIMESTAMP, '"2024-03-01 09:30:00"', datetime(2024, 3, 1, 9, 30), None),
        (TIMESTAMP, '"2024-03-01t09:30:00.1z"', datetime(2024, 3, 1, 9, 30, 0, 100000), None),
        (TIMESTAMP, '"2024-03-01T09:30:00.1234560Z"', datetime(2024, 3, 1, 9, 30, 0, 123456), None),
        (TIMESTAMP, '"2024-03-01T09:30:00.1234567Z"', datetime(2024, 3, 1, 9, 30, 0, 123456), "2024-03-01T09:30:00.1234567Z"),
        (TIMESTAMP, '"0001-01-01T00:00:00Z"', datetime(1, 1, 1), None),
        (TIMESTAMP, '"9999-12-31T23:59:59.999999Z"', datetime(9999, 12, 31, 23, 59, 59, 999999), None),
        (TIMESTAMP, '"2024-02-29"', datetime(2024, 2, 29), None),
        *(
            (TIMESTAMP, f'"{text}"', None, text)
            for text in (
                *("", "2024-02-30T00:00:00Z", "2024-03-01T09:30:60Z", "infinity", "epoch", "2024-3-1"),
                *(" 2024-03-01T09:30:00Z", "10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
                *("0001-01-01T00:00:00+14:00", "٢٠٢٤-03-01T09:30:00Z"),
            )
        ),
        (DAY, '"2024-03-01"', date(2024, 3, 1), None),
        (DAY, '"2024-03-01T09:30:00Z"', date(2024, 3, 1), "2024-03-01T09:30:00Z"),
        (DAY, '"2023-02-29"', None, "2023-02-29"),
        (CLOCK, '"09:30:00.5"', time(9, 30, 0, 500000), None),
        (CLOCK, '"09:30:00Z"', None, "09:30:00Z"),
        (BOOLEAN, "false", False, None),
        *((kind, "null", None, None) for kind in (NUMBER, INTEGER, TEXT, BOOLEAN, TIMESTAMP, OBJECT, {})),
    ],
)  # fmt: skip
def test_column_keeps_each_value(
    database: Database, kind: dict[str, Any], raw: str, kept: object, beside: str | None
) -> None:
    database.load(schema({"value": kind}), line(raw))

    (row,) = database.rows()
    found = row.pop("value")
    assert (type(found), repr(found)) == (type(kept), repr(kept))
    assert list(row.values()) == ([] if beside is None else [beside])


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        *((INTEGER, raw) for raw in ("17.5", '"12"', "true", "1e30", "[1]", str(1 << 127))),
        *((NUMBER, raw) for raw in ('"12.5"', "true", "{}", "[]")),
        *((BOOLEAN, raw) for raw in ("1", '"t"', '"yes"', "{}")),
        *((TEXT, raw) for raw in ("1", "{}", "true", '"\\ud800"')),
        *((TIMESTAMP, raw) for raw in ("1", "{}")),
        *((OBJECT, raw) for raw in ('{"secret":NaN}', '{"secret":1,}', '"\\ud800"', '"\\q"')),
    ],
)
@pytest.mark.parametrize("name", ["value", 'va"lue'])
def test_invalid_value_is_named_never_quoted(
    database: Database, kind: dict[str, Any], raw: str, name: str
) -> None:
    spelt = json.dumps(name)
    bad = f'{{"type":"RECORD","stream":"orders","record":{{{spelt}:{raw}}}}}'
    good = record(**{name: None})

    with pytest.raises(LoadError, match="`orders`") as error:
        database.load(schema({name: kind}), good, bad, state(1))

    assert raw in ("true", "1") or raw not in str(error.value)
    assert "Record 2 " in str(error.value)
    assert "secret" not in str(error.value)
    assert database.query("FROM duckdb_tables()") == []


def test_invalid_utf8_is_rejected(database: Database) -> None:
    with pytest.raises(LoadError, match="`orders`"):
        database.load(
            schema({"value": OBJECT}),
            b'{"type":"RECORD","stream":"orders","record":{"value":{"a":"\xff"}}}',
        )


@pytest.mark.parametrize("raw", ["1.5", "99999999999999999999999999999.123456789", "1e-9", "-0.1"])
def test_decimal_keeps_every_digit(database: Database, raw: str) -> None:
    database.settings["number_type"] = "DECIMAL(38,9)"
    database.load(schema({"value": NUMBER}), line(raw))

    assert database.rows() == [{"value": Decimal(raw)}]


@pytest.mark.parametrize("raw", ["1.1234567890", "1e29", '"1"', "true", "1e99999999999999999999"])
def test_decimal_is_never_rounded(database: Database, raw: str) -> None:
    if raw == "1.1234567890":
        raw = "1.12345678901"
    database.settings["number_types"] = {"orders.v*": "DECIMAL(38,9)"}

    with pytest.raises(LoadError, match=r"`value`.*DECIMAL\(38,9\)"):
        database.load(schema({"value": NUMBER}), line(raw))


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(NUMBER, "0.1234567890123456789012345678"), (TIMESTAMP, '"2024-02-30"'), (TEXT, "null")],
)
def test_key_is_exact_or_rejected(database: Database, kind: dict[str, Any], raw: str) -> None:
    with pytest.raises(LoadError, match="column `value`"):
        database.load(schema({"value": kind}, "value"), line(raw))


KINDS = [NUMBER, INTEGER, TEXT, BOOLEAN, TIMESTAMP, DAY, CLOCK, OBJECT, EITHER, {}]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.datetimes(timezones=st.none() | st.just(timezone(timedelta(hours=5)))).map(str)
    | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def is_of(kind: dict[str, Any], value: object) -> bool:
    """Check a value against a JSON Schema."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object"}
    names |= {list: "array", type(None): "null"}
    name = names[type(value)]
    types = kind.get("type", [name])
    return name in types or (name == "integer" and "number" in types)


@settings(max_examples=120)
@given(st.sampled_from(KINDS), VALUES)
def test_any_value_is_equal_or_rejected(kind: dict[str, Any], value: object) -> None:
    raw = json.dumps(value)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "rows.duckdb")
        try:
            database.load(schema({"value": kind}), line(raw))
        except LoadError as error:
            assert "`value`" in str(error)  # noqa: PT017
            assert not is_of(kind, value) or (isinstance(value, int) and abs(value) >= 1 << 127)
            return
        (row,) = database.rows()
    found, beside = row.pop("value"), [*row.values(), None][0]
    if beside is not None:
        assert beside in (value, raw)
    elif value is None or isinstance(found, (bool, int)):
        assert found == value
    elif isinstance(found, float):
        assert Decimal(repr(found)) == Decimal(raw)
    elif isinstance(found, datetime):
        expected = datetime.fromisoformat(str(value))
        assert found == expected.replace(tzinfo=None) - (expected.utcoffset() or timedelta(0))
    elif isinstance(found, (date, time)):
        assert str(found) == value
    else:
        assert found == (value if kind is TEXT else raw)
