"""Both ways of shaping a record: they agree, lose nothing and emit what the SCHEMA says."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from singer_sdk.exceptions import EmptySchemaTypeError
from singer_sdk.helpers._typing import conform_record_data_types
from singer_sdk.helpers.conform import TypeConformanceLevel

from commerce_taps.emit import RecordLines
from commerce_taps.errors import PartitionFailed
from commerce_taps.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DrawFn, SearchStrategy

CONTEXT = {"companyId": 'a "quoted" cömpany'}
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=timezone.utc)
INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}

# --- records as text: only so can a test see what becomes of the digits -------------------------


@dataclass(frozen=True)
class Number:
    """A number as it stands in the text."""

    text: str


@dataclass(frozen=True)
class Style:
    """How a server writes JSON."""

    comma: str = ","
    colon: str = ":"
    inside: str = ""
    ascii_only: bool = False

    def write(self, value: Any) -> str:  # noqa: ANN401
        if isinstance(value, Number):
            return value.text
        if isinstance(value, dict):
            parts = (f"{self.write(k)}{self.colon}{self.write(v)}" for k, v in value.items())
            return f"{{{self.inside}{self.comma.join(parts)}{self.inside}}}"
        if isinstance(value, list):
            return f"[{self.comma.join(map(self.write, value))}]"
        return json.dumps(value, ensure_ascii=self.ascii_only)

    def record(self, value: dict[str, Any]) -> bytes:
        return self.write(value).encode()


STYLES = st.sampled_from([Style(), Style(", ", ": "), Style(inside=" "), Style(ascii_only=True)])


def exact(text: bytes | str) -> Any:  # noqa: ANN401
    """Parse so that equal means equal to the last digit, and `true` is not 1."""
    return json.loads(
        text,
        parse_int=lambda digits: ("integer", int(digits)),
        parse_float=lambda digits: ("number", *Decimal(digits).as_tuple()),
    )


def plain(text: bytes | str) -> Any:  # noqa: ANN401
    """Parse as Singer targets do."""
    return json.loads(text, parse_float=Decimal)


# --- strategies ---------------------------------------------------------------------------------

INTEGERS = [
    "0", "-1", "7", "42", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "1234567890123456789012345678901234567890",
]  # fmt: skip
FRACTIONS = [
    "1.0", "1.10", "-0.0", "0.1", "1e2", "1E+2", "2.50e1", "1e400", "-1e400", "1e-400",
    "123456789012345678901234567890.123456789", "3.0000000000000000000000000000000000001",
]  # fmt: skip
NORMAL = {
    "2024-03-01T09:30:00Z": "2024-03-01T09:30:00Z",
    "2024-03-01T09:30:00": "2024-03-01T09:30:00Z",
    "2024-03-01T09:30:00+00:00": "2024-03-01T09:30:00Z",
    "2024-03-01T11:30:00+02:00": "2024-03-01T09:30:00Z",
    "2024-02-29T23:59:59-05:30": "2024-03-01T05:29:59Z",
    "2024-03-01 09:30:00Z": "2024-03-01T09:30:00Z",
    "2024-03-01t09:30:00z": "2024-03-01T09:30:00Z",
    "2024-03-01T09:30:00.000Z": "2024-03-01T09:30:00.000Z",
    "2024-03-01T09:30:00.12Z": "2024-03-01T09:30:00.12Z",
    "2024-03-01T09:30:00.1234567Z": "2024-03-01T09:30:00.1234567Z",
    "2024-03-01T09:30:00.9999999": "2024-03-01T09:30:00.9999999Z",
    "2024-12-31T23:59:59.9999999+01:00": "2024-12-31T22:59:59.9999999Z",
    "2024-03-01": "2024-03-01T00:00:00Z",
    "0001-01-01T00:00:00": "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999Z": "9999-12-31T23:59:59.9999999Z",
}
"""Timestamps as they come, and as they are emitted."""

WORDS = [
    "", "N", "false", "x", "0", "2024-02-30T00:00:00Z", "2024-13-01", "0001-01-01T00:00:00+01:00",
    "now", "20240301", 'quo"te', "back\\slash", "line\nbreak", "nül\u0000", "\U0001f600", "\u2028",
]  # fmt: skip
NAMES = [
    "a", "A", "total", "Total", "modifiedDate", "a__v_string", "a__v_integer", "A__v_string",
    'quo"te', "back\\slash", "new\nline", "ünïcode", "日本", "with space", "\u0007bell", "a.b", "",
    "f_61", "İ", "ß", "self", "__class__",
]  # fmt: skip

names = st.sampled_from(NAMES) | st.text(max_size=4)
strings = st.sampled_from([*WORDS, *NORMAL]) | st.text(max_size=5)
numbers = st.sampled_from([Number(digits) for digits in (*INTEGERS, *FRACTIONS)])
scalars: SearchStrategy[Any] = st.none() | st.booleans() | numbers | strings
anything: SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)

SCALAR_SCHEMAS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "format": "date-time"},
    {"type": "boolean"},
    {"type": "integer"},
    {"type": "integer", **INT64},
    {"type": "integer", "minimum": 0, "maximum": 100},
    {"type": "number"},
    {"type": "object"},
    {"type": "array"},
    {"type": "array", "items": {}},
]


@st.composite
def column_schemas(draw: DrawFn, depth: int = 2, *, hard: bool = True) -> dict[str, Any]:
    """Draw a property's schema; `hard` ones are never for the fast way, or not nullable."""
    kinds = ["scalar"] * 3 + ["open"] + (["several", "null"] if hard else [])
    kind = draw(st.sampled_from(kinds + (["object", "array"] if depth else [])))
    if kind == "open":
        return {}
    if kind == "null":
        return {"type": "null"}
    if kind == "several":
        several = st.lists(
            st.sampled_from(["string", "boolean", "integer", "number", "object", "array"]),
            min_size=2, max_size=3, unique=True,
        )  # fmt: skip
        schema = {"type": draw(several)}
    elif kind == "object":
        inner = column_schemas(depth - 1, hard=hard)
        schema = {
            "type": "object",
            "properties": draw(st.dictionaries(names, inner, min_size=1, max_size=3)),
        }
    elif kind == "array":
        schema = {"type": "array", "items": draw(column_schemas(depth - 1, hard=hard))}
    else:
        schema = dict(draw(st.sampled_from(SCALAR_SCHEMAS)))
        assume(hard or depth == 2 or "format" not in schema)
    if not hard or draw(st.booleans()):
        types = schema["type"]
        schema["type"] = [*([types] if isinstance(types, str) else types), "null"]
    return schema


@st.composite
def conforming(draw: DrawFn, schema: dict[str, Any], *, strays: bool = True) -> Any:  # noqa: ANN401
    """Draw a value of a schema; `strays` adds keys to objects that their schema does not name."""
    types = schema.get("type")
    if types is None:
        return draw(anything)
    kind = draw(st.sampled_from([types] if isinstance(types, str) else types))
    if kind == "null":
        return None
    if kind == "boolean":
        return draw(st.booleans())
    if kind == "string":
        return draw(
            st.sampled_from(sorted(set(NORMAL.values()))) if "format" in schema else strings
        )
    if kind == "integer":
        low, high = schema.get("minimum", -(10**30)), schema.get("maximum", 10**30)
        return Number(str(draw(st.integers(low, high))))
    if kind == "number":
        return draw(numbers.filter(lambda n: "e400" not in n.text))
    if kind == "array":
        items = conforming(schema.get("items", {}), strays=strays)
        return draw(st.lists(items, max_size=3))
    extra = st.dictionaries(names, scalars, max_size=2) if strays else st.just({})
    value: dict[str, Any] = draw(extra)
    for name, inner in schema.get("properties", {}).items():
        value.pop(name, None)
        if draw(st.booleans()):
            value[name] = draw(conforming(inner, strays=strays))
    return value


@dataclass
class Case:
    """A stream's schema and one record of it."""

    columns: dict[str, Any]
    record: dict[str, Any]
    style: Style = field(default_factory=Style)
    own_key: bool = True

    @property
    def schema(self) -> dict[str, Any]:
        keys = {"companyId": {"type": "string"}, "id": {"type": "string"}}
        return {"type": "object", "properties": {**keys, **self.columns}}

    @property
    def raw(self) -> bytes:
        return self.style.record(self.record)

    def shape(self, **options: Any) -> Shape:  # noqa: ANN401
        keys = ["companyId", "id"] if self.own_key else ["companyId"]
        return Shape(self.schema, keys=keys, context_keys=["companyId"], **options)


RESERVED = {"id", "companyid"}
columns = st.dictionaries(
    names.filter(lambda name: name.lower() not in RESERVED), column_schemas(), max_size=4
)


@st.composite
def cases(draw: DrawFn, *, own_key: bool | None = None) -> Case:
    """Draw a schema and a record of any kind, from conforming to nonsense."""
    drawn = draw(columns)
    # What a stream declares differs by more than case; a record may bring what it likes.
    assume(len({name.lower() for name in drawn}) == len(drawn))
    keyed = draw(st.booleans()) if own_key is None else own_key
    record: dict[str, Any] = {}
    for name, schema in drawn.items():
        how = draw(st.sampled_from(["fits", "fits", "fits", "any", "missing"]))
        if how != "missing":
            record[name] = draw(conforming(schema) if how == "fits" else anything)
    if draw(st.booleans()):
        strays = st.dictionaries(names, anything, min_size=1, max_size=3)
        record = {**draw(strays), **record}
        record.pop("companyId", None)
        record.pop("id", None)
    if keyed:
        record["id"] = draw(st.sampled_from(["1", "a/b", "ü"]))
    return Case(drawn, record, draw(STYLES), keyed)


@st.composite
def easy_cases(draw: DrawFn) -> Case:
    """Draw a nullable schema of single types, and a record that conforms to it."""
    drawn = draw(
        st.dictionaries(
            names.filter(
                lambda name: (
                    name.lower() not in RESERVED
                    and name.isprintable()
                    and not set('"\\') & set(name)
                )
            ),
            column_schemas(hard=False),
            max_size=4,
        )  # fmt: skip
    )
    record = {
        name: draw(conforming(schema)) for name, schema in drawn.items() if draw(st.booleans())
    }
    return Case(drawn, {"id": "1", **record}, draw(STYLES))


# --- what the tests look at ---------------------------------------------------------------------


LINES = RecordLines("orders", CONTEXT, NOW)


def fast(shape: Shape, raw: bytes) -> bytes | None:
    """Emit a record the fast way, if it may take it."""
    if not shape.check(raw):
        return None
    line = LINES.spliced([shape.splice(raw)])
    assert line.endswith(b"\n")
    return record_of(line)


def careful(shape: Shape, raw: bytes) -> bytes:
    return record_of(LINES.encoded(shape.conform(raw, CONTEXT)))


def record_of(line: bytes) -> bytes:
    """Cut the record's text out of a RECORD line."""
    start, end = b'"record":', b',"time_extracted":'
    assert line.count(b"\n") == 1
    assert json.loads(line)["type"] == "RECORD"
    return line[line.index(start) + len(start) : line.rindex(end)]


FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=(AssertionError, ValueError))
def is_utc_timestamp(value: object) -> bool:
    if isinstance(value, str):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value, re.ASCII)
        datetime.fromisoformat(value[:19])
    return True


def assert_valid(record: bytes, schema: dict[str, Any]) -> None:
    for validator in (Draft7Validator, Draft202012Validator):
        validator.check_schema(schema)
        errors = list(validator(schema, format_checker=FORMATS).iter_errors(plain(record)))
        assert not errors, errors[0].message
    unknown = exact(record).keys() - schema["properties"].keys()
    assert not unknown


def leaves(value: Any, *, dated: bool) -> Iterator[Any]:  # noqa: ANN401
    """List what a value says: texts, numbers by value, booleans, and that something is empty."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item, dated=dated)
    elif isinstance(value, list):
        yield from [f"empty {type(value).__name__}"] if not value else []
        for item in value:
            yield from leaves(item, dated=dated)
    elif isinstance(value, str):
        yield "text", NORMAL.get(value, value) if dated else value
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        yield "number", Decimal(value)
    elif value is not None:
        yield value


def mentions_dates(schema: dict[str, Any]) -> bool:
    return '"date-time"' in json.dumps(schema)


# --- the properties -----------------------------------------------------------------------------


@given(cases())
@example(Case({"a": {"type": ["string", "null"], "format": "date-time"}},
              {"id": "1", "a": "2024-03-01T09:30:00+00:00", "b": "2024-03-01T09:30:00Z"}))  # fmt: skip
@example(Case({}, {}, Style(inside=" "), own_key=False))
def test_both_ways_lead_to_the_same_record_to_the_last_digit(case: Case) -> None:
    spliced = fast(case.shape(), case.raw)
    assume(spliced is not None)
    assert spliced is not None
    assert exact(spliced) == exact(careful(case.shape(), case.raw))


@given(cases())
@example(Case({"a": {"type": "integer"}}, {"id": "1", "a": Number("1e30")}))
@example(Case({"a": {"type": "integer"}}, {"id": "1", "a": Number("1.0")}))
@example(Case({"a": {"type": "string"}}, {"id": "1", "a": Number("1")}))
def test_whatever_is_emitted_is_valid_against_the_schema_after_it(case: Case) -> None:
    shape = case.shape()
    spliced = fast(shape, case.raw)
    if spliced is not None:
        assert_valid(spliced, shape.schema)
    assert_valid(careful(shape, case.raw), shape.schema)


@given(cases())
@example(Case({"a": {"type": ["integer", "null"]}},
              {"a": "x", "a__v_string": "y", "id": "1"}))  # fmt: skip
@example(Case({"a": {"type": ["integer", "null"]}},
              {"a__v_string": "y", "a": "x", "id": "1"}))  # fmt: skip
@example(Case({"o": {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}}},
              {"o": {"a": "x", "a__v_string": "y"}, "id": "1"}))  # fmt: skip
@example(Case({"a": {"type": ["integer", "null"]}}, {"A": Number("1"), "a": "x", "id": "1"}))
def test_nothing_is_lost(case: Case) -> None:
    shape = case.shape()
    sent, emitted = plain(case.raw), plain(careful(shape, case.raw))
    dated = mentions_dates(case.schema)
    assert Counter(leaves(emitted, dated=dated)) == Counter(
        leaves({**CONTEXT, **sent}, dated=dated)
    )
    for name, value in sent.items():
        homes = {column: emitted[column] for column in emitted if column.startswith(name)}
        assert Counter(leaves(value, dated=dated)) <= Counter(leaves(homes, dated=dated))


@given(cases())
def test_a_column_never_holds_what_is_not_of_its_own_field(case: Case) -> None:
    emitted = exact(careful(case.shape(), case.raw))
    sent = exact(case.raw)
    for name, schema in case.columns.items():
        if name in emitted and not mentions_dates(schema) and schema.get("type") in (
            "string", ["string", "null"], "number", ["number", "null"],
        ):  # fmt: skip
            assert emitted[name] in (sent.get(name), None)


@given(easy_cases())
def test_a_conforming_record_is_what_the_sdk_would_emit(case: Case) -> None:
    def known(value: Any, schema: dict[str, Any]) -> Any:  # noqa: ANN401
        """Leave out what the SDK drops: keys that an object's schema does not name."""
        if isinstance(value, dict) and "properties" in schema:
            inner = schema["properties"]
            return {name: known(item, inner[name]) for name, item in value.items() if name in inner}
        if isinstance(value, list) and "properties" in schema.get("items", {}):
            return [known(item, schema["items"]) for item in value]
        return value

    assume(b"e400" not in case.raw)  # which the SDK makes null
    for name in [name for name, schema in case.columns.items() if not schema]:
        del case.columns[name]
        case.record.pop(name, None)
    try:
        sdk = conform_record_data_types(
            "orders",
            known({**plain(case.raw), **CONTEXT}, case.schema),
            case.schema,
            TypeConformanceLevel.RECURSIVE,
            logging.getLogger("sdk"),
        )
    except (EmptySchemaTypeError, KeyError):  # its faults: open items, objects without properties
        reject()
    emitted = case.shape().conform(case.raw, CONTEXT)
    assert known(emitted, case.schema) == sdk


@given(easy_cases(), st.dictionaries(st.sampled_from(["new", "newer"]), anything))
def test_after_a_new_column_the_next_record_like_it_takes_the_fast_way(
    case: Case, new: dict[str, Any]
) -> None:
    new = {k: v for k, v in new.items() if v is not None}
    assume(not case.columns.keys() & new.keys())
    huge = [number for number in (*INTEGERS, *FRACTIONS) if len(number) > 18 or "400" in number]
    assume(not any(isinstance(v, Number) and v.text in huge for v in new.values()))
    case = Case(case.columns, {**case.record, **new}, case.style)
    shape = case.shape()
    assert shape.check(case.raw) != bool(new)
    emitted = careful(shape, case.raw)
    assert sorted(shape.new_columns) == sorted(new)
    spliced = fast(shape, case.raw)
    assert spliced is not None
    assert exact(spliced) == exact(emitted)


@given(cases())
def test_the_schema_grows_once_for_the_same_record(case: Case) -> None:
    shape = case.shape()
    first = careful(shape, case.raw)
    shape.new_columns.clear()
    assert careful(shape, case.raw) == first
    assert shape.new_columns == []


@given(cases())
def test_columns_never_differ_by_case_alone(case: Case) -> None:
    shape = case.shape()
    careful(shape, case.raw)
    folded = Counter(name.lower() for name in shape.schema["properties"])
    assert folded.most_common(1)[0][1] == 1


@given(cases())
def test_drop_adds_no_column_and_names_what_it_left_out(case: Case) -> None:
    shape = case.shape(evolve=False)
    emitted = plain(careful(shape, case.raw))
    assert shape.schema == case.schema
    assert shape.new_columns == []
    assert emitted.keys() <= case.schema["properties"].keys()
    sent = {name for name, value in case.record.items() if value is not None}
    for name in sent - case.schema["properties"].keys():
        assert name in shape.dropped
    for name in shape.dropped:
        assert any(name.startswith(field) for field in sent)


@given(cases(), st.data())
@example(Case({"a": {"type": ["integer", "null"]}}, {"a": Number("1")}, own_key=False), None)
@example(Case({"a": {"type": ["integer", "null"]}}, {"a": "secret", "id": "1"}), None)
def test_deselected_columns_are_gone_on_both_ways(case: Case, data: st.DataObject | None) -> None:
    every = list(case.columns)
    hidden = (
        data.draw(st.lists(st.sampled_from(every)) if every else st.just([])) if data else every
    )
    shape = case.shape(deselected=hidden)
    whole = exact(careful(case.shape(), case.raw))
    spliced = fast(shape, case.raw)
    emitted = exact(careful(shape, case.raw))
    assert spliced is None or exact(spliced) == emitted
    assert not emitted.keys() & set(hidden)
    assert emitted.keys() <= whole.keys() | {"companyId"}
    for name in hidden:
        if name in case.record and not any(n.startswith(name) for n in case.record if n != name):
            assert not [column for column in emitted if column.startswith(f"{name}__v_")]


@given(cases(own_key=True), anything)
def test_a_record_without_a_usable_key_fails_its_partition(case: Case, key: object) -> None:
    assume(not isinstance(key, str))
    case.record["id"] = key
    shape = case.shape()
    assert not shape.check(case.raw)
    with pytest.raises(PartitionFailed, match="`id`"):
        shape.conform(case.raw, CONTEXT)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'"x"', b"null", b"1", b"{", b'{"id":"1",}', b'{"id":"\xff"}', b"{id:1}",
     b'{"id":"1","a":1e99999999999999999999}', b'{"id":"1","a":"\\ud800"}',
     b'{"id":"1","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
    ids=lambda raw: raw[:20].decode(errors="replace"),
)  # fmt: skip
def test_what_is_no_record_fails_its_partition_and_nothing_else(raw: bytes) -> None:
    shape = Case({"a": {"type": "number"}}, {}).shape(replication_key="id")
    assert not shape.check(raw)
    assert shape.stamp(raw) is None
    shape.key(raw)
    with pytest.raises(PartitionFailed):
        shape.conform(raw, CONTEXT)


@given(st.binary(max_size=30) | st.text(max_size=30).map(str.encode))
def test_wild_bytes_raise_nothing_but_partition_failed(raw: bytes) -> None:
    shape = Case({}, {}).shape(replication_key="id")
    row = shape.check(raw)
    shape.stamp(raw)
    shape.key(raw)
    try:
        shape.conform(raw, CONTEXT)
    except PartitionFailed:
        assert not row


@given(st.sampled_from(list(NORMAL)) | strings | scalars, STYLES)
def test_replication_value_is_the_same_on_both_ways(text: Any, style: Style) -> None:  # noqa: ANN401
    column = {"modifiedDate": {"type": ["string", "null"], "format": "date-time"}}
    case = Case(column, {"id": "1", "modifiedDate": text}, style)
    shape = case.shape(replication_key="modifiedDate")
    expected = NORMAL.get(text) if isinstance(text, str) else None
    emitted = plain(careful(shape, case.raw)).get("modifiedDate")
    assert emitted == expected
    at = shape.stamp(case.raw)
    assert shape.examine([msgspec.Raw(case.raw)])[1] == [at]
    assert at == (
        datetime.fromisoformat(
            expected[:19] + expected[19:-1][:7].ljust(7, "0") * ("." in expected)
        ).replace(tzinfo=timezone.utc)
        if expected
        else None
    )


@pytest.mark.parametrize("keys", [["companyId", "id"], ["companyId"], []], ids="-".join)
def test_identity_tells_records_apart_and_is_the_same_on_both_ways(keys: list[str]) -> None:
    shape = Shape(Case({}, {}).schema, keys=keys, context_keys=["companyId"])
    raws = [b'{"id":"1"}', b'{"id":"2"}', b'{"id":"3"}']
    found = {shape.key(raw) for raw in raws}
    assert len(found) == 3


def test_a_record_that_carries_a_partition_column_keeps_its_own_value() -> None:
    shape = Case({}, {}).shape()
    raw = b'{"id":"1","companyId":"its own"}'
    assert not shape.check(raw)
    assert shape.conform(raw, CONTEXT)["companyId"] == "its own"


def test_a_replaced_columns_old_rows_still_splice() -> None:
    """Rows are checked ahead in worker threads, and may be older than the schema."""
    shape = Case({"a": {"type": "string"}}, {}).shape(deselected=["a"])
    raw = b'{"id":"1","a":"x"}'
    shape.conform(b'{"id":"2","new":1}', CONTEXT)
    assert record_of(LINES.spliced([shape.splice(raw)])) == record_of(
        LINES.encoded({**CONTEXT, "id": "1"})
    )
