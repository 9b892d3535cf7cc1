"""The fast and the slow path: they agree, lose nothing, and emit records that fit the SCHEMA."""

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

from commerce_taps.errors import RecordFailed
from commerce_taps.output import RecordLines
from commerce_taps.records.columns import column_name, infer
from commerce_taps.records.conform import decode
from commerce_taps.records.normalize import NormalizedRecord
from commerce_taps.records.selection import Selection, fold
from commerce_taps.records.validate import Shape
from tests.core.support import is_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypothesis.strategies import DrawFn, SearchStrategy

    Schema = dict[str, Any]

CONTEXT = {"companyId": 'a "quoted" cömpany'}
LINES = RecordLines("orders", CONTEXT, datetime(2026, 11, 21, 3, tzinfo=timezone.utc))

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


STYLES = st.sampled_from([Style(), Style(", ", ": "), Style(inside=" "), Style(ascii_only=True)])


def exact(text: bytes) -> Any:  # noqa: ANN401
    """Parse so that equal means equal to the last digit, and `true` is not 1."""
    return json.loads(
        text,
        parse_int=lambda digits: ("integer", int(digits)),
        parse_float=lambda digits: ("number", *Decimal(digits).as_tuple()),
    )


def plain(text: bytes) -> Any:  # noqa: ANN401
    """Parse as Singer targets do."""
    return json.loads(text, parse_float=Decimal)


# --- what there is to draw from -----------------------------------------------------------------

INTEGERS = ["0", "-1", "7", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
INTEGERS += ["9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"]
FRACTIONS = ["1.0", "1.10", "-0.0", "0.1", "1e2", "1E+2", "2.50e1", "1e30", "1e-400", "1e400"]
FRACTIONS += ["123456789012345678901234567890.123456789", "3.0000000000000000000000000000000001"]
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

WORDS = ["", "N", "false", "0", "now", "20240301", "2024-02-30T00:00:00Z", "2024-13-01T00:00:00Z"]
WORDS += ["0001-01-01T00:00:00+01:00", 'quo"te', "back\\slash", "line\nbreak", "nül\0", "\u2028"]
NAMES = [
    "a",
    "A",
    "total",
    "Total",
    "a__v_string",
    "a__v_integer",
    "A__v_string",
    "a.b",
    "",
    "日本",
]
NAMES += ['quo"te', "back\\slash", "new\nline", "\abell", "with space", "İ", "ß", "f_61", "self"]

names = st.sampled_from(NAMES) | st.text(max_size=4)
strings = st.sampled_from([*WORDS, *NORMAL]) | st.text(max_size=5)
numbers = st.sampled_from([Number(digits) for digits in (*INTEGERS, *FRACTIONS)])
scalars: SearchStrategy[Any] = st.none() | st.booleans() | numbers | strings
anything: SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)

TIMESTAMP: Schema = {"type": ["string", "null"], "format": "date-time"}
NUMBER: Schema = {"type": ["integer", "null"]}
KINDS = ["string", "boolean", "integer", "number", "object", "array"]
SIMPLE: list[Schema] = [
    *({"type": kind} for kind in KINDS),
    {"type": "string", "format": "date-time"},
    {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    {"type": "integer", "minimum": 0, "maximum": 100},
    {"type": "array", "items": {}},
]


@st.composite
def schemas(draw: DrawFn, depth: int = 2, *, hard: bool = True) -> Schema:
    """Draw a property's schema; `hard` ones are never for the fast path, or not nullable."""
    kinds = ["simple", "simple", "simple", "open"]
    kinds += ["object", "array"] if depth else []
    kinds += ["several", "null"] if hard else []
    kind = draw(st.sampled_from(kinds))
    if kind == "open":
        return {}
    if kind == "null":
        return {"type": "null"}
    if kind == "several":
        several = st.lists(st.sampled_from(KINDS), min_size=2, max_size=3, unique=True)
        return {"type": draw(several) + draw(st.sampled_from([[], ["null"]]))}
    schema = dict(draw(st.sampled_from(SIMPLE)))
    if kind == "object":
        inner = schemas(depth - 1, hard=hard)
        properties = draw(st.dictionaries(names, inner, min_size=1, max_size=3))
        schema = {"type": "object", "properties": properties}
    elif kind == "array":
        schema = {"type": "array", "items": draw(schemas(depth - 1, hard=hard))}
    elif not hard and depth < 2:
        schema.pop("format", None)
    if not hard or draw(st.booleans()):
        schema["type"] = [schema["type"], "null"]
    return schema


def conforming(schema: Schema) -> SearchStrategy[Any]:
    """Draw values of a schema; objects may have unknown keys."""
    if "type" not in schema:
        return anything
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return st.one_of([_conforming(kind, schema) for kind in types])


def _conforming(kind: str, schema: Schema) -> SearchStrategy[Any]:
    if kind == "string":
        return st.sampled_from(list(NORMAL.values())) if "format" in schema else strings
    if kind == "integer":
        low, high = schema.get("minimum", -(10**30)), schema.get("maximum", 10**30)
        return st.integers(low, high).map(lambda value: Number(str(value)))
    if kind == "array":
        return st.lists(conforming(schema.get("items", {})), max_size=3)
    if kind == "object":
        properties = schema.get("properties", {})
        named = st.fixed_dictionaries(
            {}, optional={k: conforming(v) for k, v in properties.items()}
        )
        strays = st.dictionaries(names.filter(lambda n: n not in properties), scalars, max_size=2)
        return st.builds(lambda stray, name: {**stray, **name}, strays, named)
    values: dict[str, SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "number": numbers.filter(lambda number: "e400" not in number.text),
    }
    return values[kind]


@dataclass
class Case:
    """A stream's schema and one record of it."""

    columns: dict[str, Schema]
    record: dict[str, Any]
    style: Style = field(default_factory=Style)
    own_key: bool = True

    @property
    def schema(self) -> Schema:
        keys = {"companyId": {"type": "string"}, "id": {"type": "string"}}
        return {"type": "object", "properties": {**keys, **self.columns}}

    @property
    def raw(self) -> msgspec.Raw:
        return msgspec.Raw(self.style.write(self.record).encode())

    @property
    def text(self) -> bytes:
        return bytes(self.raw)

    def shape(self, *, hidden: Iterable[str] = (), **options: Any) -> Shape:  # noqa: ANN401
        keys = ["companyId", "id"] if self.own_key else ["companyId"]
        selection = Selection(self.schema, deselected=[(name,) for name in hidden])
        options.setdefault("selection", selection)
        options.setdefault("replication_key", next(iter(self.columns), None))
        return Shape(self.schema, keys=keys, context_keys=["companyId"], **options)


free_names = names.filter(lambda name: name.lower() not in {"id", "companyid"})
# A name that JSON escapes is never for the fast path.
easy_names = free_names.filter(lambda name: json.dumps(name, ensure_ascii=False) == f'"{name}"')


@st.composite
def cases(draw: DrawFn, *, own_key: bool | None = None) -> Case:
    """Draw a schema and a record of any kind, from conforming to nonsense."""
    columns = draw(st.dictionaries(free_names, schemas(), max_size=4))
    # What a stream declares differs by more than case; a record may bring what it likes.
    assume(len({name.lower() for name in columns}) == len(columns))
    record = draw(st.just({}) | st.dictionaries(free_names, anything, max_size=3))
    for name, schema in columns.items():
        fits = conforming(schema)
        record.pop(name, None)
        match draw(st.sampled_from(["fits", "fits", "fits", "any", "missing"])):
            case "fits":
                record[name] = draw(fits)
            case "any":
                record[name] = draw(anything)
    keyed = draw(st.booleans()) if own_key is None else own_key
    if keyed:
        record["id"] = draw(st.sampled_from(["1", "a/b", "ü"]))
    return Case(columns, record, draw(STYLES), keyed)


@st.composite
def easy_cases(draw: DrawFn) -> Case:
    """Draw a nullable schema of single types, and a record that conforms to it."""
    columns = draw(st.dictionaries(easy_names, schemas(hard=False), max_size=4))
    record = {
        name: draw(conforming(schema)) for name, schema in columns.items() if draw(st.booleans())
    }
    return Case(columns, {"id": "1", **record}, draw(STYLES))


# --- emitted records ---------------------------------------------------------------------


def fast(shape: Shape, raw: msgspec.Raw) -> bytes | None:
    """Emit a record on the fast path; `None` if it has to take the slow one."""
    page = shape.validate([raw])
    (found,), (fits,) = page.records, page.valid
    return record_of(LINES.spliced([shape.splice(found)])) if fits else None


def shaped(shape: Shape, raw: msgspec.Raw) -> dict[str, Any]:
    (record,) = shape.conform([raw], CONTEXT)
    if isinstance(record, RecordFailed):
        raise record
    return record


def slow(shape: Shape, raw: msgspec.Raw) -> bytes:
    return record_of(LINES.encoded(shaped(shape, raw)))


def normalized(shape: Shape, raw: msgspec.Raw) -> bytes:
    """Emit a record as one that was decoded and normalized before."""
    (record,) = shape.conform([NormalizedRecord(decode(raw))], CONTEXT)
    assert isinstance(record, dict), record
    return record_of(LINES.encoded(record))


def record_of(line: bytes) -> bytes:
    """Cut the record's text out of a RECORD line."""
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["type"] == "RECORD"
    start, end = b'"record":', b',"time_extracted":'
    return line[line.index(start) + len(start) : line.rindex(end)]


FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=(AssertionError, ValueError))
def is_utc_timestamp(value: object) -> bool:
    if isinstance(value, str):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value, re.ASCII)
        datetime.fromisoformat(value[:19])
    return True


def assert_valid(record: bytes, schema: Schema) -> None:
    for validator in (Draft7Validator, Draft202012Validator):
        validator.check_schema(schema)
        errors = list(validator(schema, format_checker=FORMATS).iter_errors(plain(record)))
        assert not errors, errors[0].message
    assert exact(record).keys() <= schema["properties"].keys()


def leaves(value: Any, *, dated: bool) -> Iterator[Any]:  # noqa: ANN401
    """List the content of a value: strings, numbers by value, booleans, and empty containers."""
    if isinstance(value, (dict, list)):
        if value == []:
            yield "nothing"
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item, dated=dated)
    elif isinstance(value, str):
        yield "text", NORMAL.get(value, value) if dated else value
    elif isinstance(value, bool):
        yield value
    elif value is not None:
        yield "number", Decimal(value)


def mentions_dates(schema: Schema) -> bool:
    return '"date-time"' in json.dumps(schema)


def inside(schema: Schema) -> dict[str, Schema]:
    """Put a column into an object."""
    return {"o": {"type": "object", "properties": {"a": schema}}}


# --- the properties -----------------------------------------------------------------------------


@given(cases())
@example(Case({"a": TIMESTAMP}, {"id": "1", "a": "2024-03-01T09:30:00+00:00",
                             "b": "2024-03-01T09:30:00Z"}))  # fmt: skip
@example(Case({"a": {"type": ["string", "boolean"]}}, {"id": "1", "a": None}))
@example(Case({}, {}, Style(inside=" "), own_key=False))
def test_both_paths_emit_the_same_record(case: Case) -> None:
    spliced = fast(case.shape(), case.raw)
    assume(spliced is not None)
    assert spliced is not None
    assert exact(spliced) == exact(slow(case.shape(), case.raw))


@given(cases())
@example(Case({"a": TIMESTAMP}, {"id": "1", "a": ""}))
@example(Case({"a": TIMESTAMP}, {"id": "1", "a": "2024-03-01 09:30:00Z"}))
@example(Case({"a": TIMESTAMP}, {"id": "1", "a": "0001-01-01T00:00:00+01:00"}))
@example(Case({"a": {"type": "integer"}}, {"id": "1", "a": Number("1e30")}))
@example(Case({"a": {"type": "integer"}}, {"id": "1", "a": Number("1.0")}))
@example(Case({"a": {"type": "string"}}, {"id": "1", "a": Number("1")}))
@example(Case({"a": {"type": "integer", "maximum": 100}}, {"id": "1", "a": Number("101")}))
@example(Case({"a": {"type": "integer", "minimum": 0}}, {"id": "1", "a": Number("-1")}))
@example(Case(inside({"type": "integer"}), {"id": "1", "o": {"a": "x"}}))
@example(Case(inside(TIMESTAMP), {"id": "1", "o": {"a": "2024-03-01"}}))
@example(Case({'quo"te': TIMESTAMP}, {"id": "1"}))
def test_emitted_record_is_valid_against_schema(case: Case) -> None:
    shape = case.shape()
    spliced = fast(shape, case.raw)
    if spliced is not None:
        assert_valid(spliced, shape.schema)
    assert_valid(slow(shape, case.raw), shape.schema)


@given(cases())
@example(Case({"a": NUMBER}, {"a": "x", "a__v_string": "y", "id": "1"}))
@example(Case({"a": NUMBER}, {"a__v_string": "y", "a": "x", "id": "1"}))
@example(Case({"a": NUMBER}, {"A": Number("1"), "a": "x", "id": "1"}))
@example(Case(inside(NUMBER), {"id": "1", "o": {"a": "x", "a__v_string": "y"}}))
@example(Case({"a": {"type": "array", "items": NUMBER}}, {"id": "1", "a": [Number("1"), "x"]}))
def test_slow_path_keeps_every_value(case: Case) -> None:
    sent, emitted = plain(case.text), plain(slow(case.shape(), case.raw))
    dated = mentions_dates(case.schema)
    expected = Counter(leaves({**CONTEXT, **sent}, dated=dated))
    assert Counter(leaves(emitted, dated=dated)) == expected
    for name, value in sent.items():
        begins = (name, column_name(name))
        homes = {column: emitted[column] for column in emitted if column.startswith(begins)}
        assert Counter(leaves(value, dated=dated)) <= Counter(leaves(homes, dated=dated))


@given(cases())
def test_column_holds_its_own_field_only(case: Case) -> None:
    sent, emitted = exact(case.text), exact(slow(case.shape(), case.raw))
    for name in case.columns.keys() & emitted.keys():
        if case.columns[name] in ({"type": "string"}, {"type": "number"}, {"type": "boolean"}):
            assert emitted[name] == sent[name]


@given(easy_cases())
def test_valid_record_equals_sdk_output(case: Case) -> None:
    def known(value: Any, schema: Schema) -> Any:  # noqa: ANN401
        """Leave out what the SDK drops: keys that an object's schema does not name."""
        if isinstance(value, dict) and "properties" in schema:
            inner = schema["properties"]
            return {name: known(item, inner[name]) for name, item in value.items() if name in inner}
        if isinstance(value, list) and "properties" in schema.get("items", {}):
            return [known(item, schema["items"]) for item in value]
        return value

    assume(b"e400" not in case.text)  # which the SDK makes null
    for name in [name for name, schema in case.columns.items() if not schema]:
        del case.columns[name]
        case.record.pop(name, None)
    try:
        sdk = conform_record_data_types(
            "orders",
            known({**plain(case.text), **CONTEXT}, case.schema),
            case.schema,
            TypeConformanceLevel.RECURSIVE,
            logging.getLogger("sdk"),
        )
    except (EmptySchemaTypeError, KeyError):  # its faults: open items, objects without properties
        reject()
    assert known(shaped(case.shape(), case.raw), case.schema) == sdk


def is_huge(value: object) -> bool:
    """Check whether a number is beyond a 64-bit integer or a double."""
    return isinstance(value, Number) and (len(value.text) > 18 or "e400" in value.text)


@given(easy_cases(), st.dictionaries(st.sampled_from(["new", "newer"]), anything))
def test_record_after_new_column_takes_fast_path(case: Case, new: dict[str, Any]) -> None:
    new = {k: v for k, v in new.items() if v is not None and not is_huge(v)}
    assume(all(infer([plain(case.style.write(v).encode())]) != "any[]" for v in new.values()))
    assume(not case.columns.keys() & new.keys())
    assume(b'"9999-' not in case.text)  # which C would round up, beyond the calendar
    case = Case(case.columns, {**case.record, **new}, case.style)
    shape = case.shape()
    assert is_valid(shape, case.raw) == (not new)
    emitted = slow(shape, case.raw)
    assert sorted(shape.new_columns) == sorted(new)
    spliced = fast(shape, case.raw)
    assert spliced is not None
    assert exact(spliced) == exact(emitted)


@given(cases())
@example(Case({"a": NUMBER}, {"A": Number("1"), "id": "1"}))
def test_same_record_grows_schema_once(case: Case) -> None:
    shape = case.shape()
    first = exact(slow(shape, case.raw))
    shape.new_columns.clear()
    assert exact(slow(shape, case.raw)) == first
    assert shape.new_columns == []


@given(cases())
@example(Case({}, {"a": Number("1"), "A": Number("1"), "a__v_integer": "x", "id": "1"}))
def test_columns_never_differ_only_in_case(case: Case) -> None:
    shape = case.shape()
    slow(shape, case.raw)
    folded = Counter(name.lower() for name in shape.schema["properties"])
    assert folded.most_common(1)[0][1] == 1


@given(cases())
def test_drop_adds_no_column_and_names_fields(case: Case) -> None:
    shape = case.shape(evolve=False)
    emitted = plain(slow(shape, case.raw))
    assert shape.schema == case.schema
    assert shape.new_columns == []
    assert emitted.keys() <= case.schema["properties"].keys()
    sent = {name for name, value in case.record.items() if value is not None}
    assert shape.dropped >= sent - case.schema["properties"].keys()
    for name in shape.dropped:
        assert any(name.startswith(known) for known in sent)


@given(cases(), st.integers(0, 15))
@example(Case({"a": NUMBER}, {"a": Number("1")}, own_key=False), 15)
@example(Case({"a": NUMBER}, {"a": "a secret", "id": "1"}), 15)
@example(Case(inside({"type": "number"}), {"id": "1", "o": {"a": "1.5"}}), 0)
def test_deselected_columns_disappear_on_all_paths(case: Case, which: int) -> None:
    hidden = {name for place, name in enumerate(case.columns) if which & 1 << place}
    shape = case.shape(hidden=hidden)
    spliced = fast(shape, case.raw)
    emitted = exact(slow(shape, case.raw))
    assert spliced is None or exact(spliced) == emitted
    assert exact(normalized(case.shape(hidden=hidden), case.raw)) == emitted
    gone = set(map(fold, hidden))
    visible = {
        name: value
        for name, value in case.record.items()
        if name not in hidden and (name in case.columns or fold(name) not in gone)
    }
    without = Case(case.columns, visible, case.style, case.own_key)
    assert emitted == exact(slow(without.shape(), without.raw))


# --- keys, replication values, what is no record ------------------------------------------------


@given(cases(own_key=True), anything.filter(lambda value: not isinstance(value, str)))
def test_record_without_usable_key_fails(case: Case, key: object) -> None:
    without = {name: value for name, value in case.record.items() if name != "id"}
    for record in ({**without, "id": key}, without):
        keyless = Case(case.columns, record, case.style)
        shape = keyless.shape()
        assert not is_valid(shape, keyless.raw)
        with pytest.raises(RecordFailed, match="`id`"):
            shaped(shape, keyless.raw)


NO_OBJECTS = [b"", b"[]", b'"x"', b"null", b"1"]
NO_RECORDS = [b"{", b"{id:1}", b'{"id":"1",}', b'{"id":"\xff"}', b'{"id":"1","a":"\\ud800"}']
NO_RECORDS += [b'{"id":"1","a":%b}' % (b"1" * 5_000)]
NO_RECORDS += [b'{"id":"1","a":%b%b}' % (b"[" * 100_000, b"]" * 100_000)]


def shown(text: bytes) -> str:
    return text[:20].decode(errors="replace")


@pytest.mark.parametrize("text", [*NO_OBJECTS, *NO_RECORDS], ids=shown)
def test_invalid_record_fails_only_itself(text: bytes) -> None:
    shape = Case({"a": {"type": "number"}}, {}).shape(replication_key="id")
    raw = msgspec.Raw(text)
    assert shape.timestamp(raw) is None
    shape.key(raw)
    with pytest.raises(RecordFailed):
        shaped(shape, raw)


@pytest.mark.parametrize("text", [*NO_OBJECTS, *NO_RECORDS], ids=shown)
def test_page_with_invalid_record_validates_others(text: bytes) -> None:
    shape = Case({"a": {"type": "number"}}, {}).shape(replication_key="id")
    good = msgspec.Raw(b'{"id":"1"}')
    page = shape.validate([good, msgspec.Raw(text)])
    assert (page.valid, page.timestamps) == ([True, False], [None, None])


@given(st.binary(max_size=30) | st.text(max_size=30).map(str.encode))
def test_random_bytes_raise_only_record_failed(text: bytes) -> None:
    shape = Case({}, {}).shape(replication_key="id")
    raw = msgspec.Raw(b"{" + text)
    fits = is_valid(shape, raw)
    shape.timestamp(raw)
    shape.key(raw)
    try:
        shaped(shape, raw)
    except RecordFailed:
        assert not fits


@pytest.mark.parametrize(
    "sent", ["2024-02-30", "2024-01-01T00:00:00Z", "soon", "", "\uff12024-01-01"]
)
def test_invalid_date_moves_to_string_variant(sent: str) -> None:
    shape = Case({"a": {"type": ["string", "null"], "format": "date"}}, {}).shape()
    record = shaped(shape, msgspec.Raw(json.dumps({"id": "1", "a": sent}).encode()))
    assert (record["a"], record["a__v_string"]) == (None, sent)
    assert shaped(shape, msgspec.Raw(b'{"id":"1","a":"2024-02-29"}'))["a"] == "2024-02-29"


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1.5E-9999999999999999999999"])
def test_huge_exponent_moves_to_string_variant(number: str) -> None:
    shape = Case({"a": {"type": ["integer", "null"]}}, {}).shape()
    raw = msgspec.Raw(b'{"id":"1","a":%b,"b":{"c":[%b]}}' % (number.encode(), number.encode()))
    record = shaped(shape, raw)
    assert record["a"] is None
    assert record["a__v_string"] == number
    assert record["b"] == {"c": [number]}


def dated_record(value: object, style: Style = Style()) -> msgspec.Raw:
    return Case({}, {"id": "1", "modifiedDate": value}, style).raw


@given(scalars, STYLES)
@example("", Style())
def test_replication_value_equals_emitted_timestamp(value: object, style: Style) -> None:
    shape = Case({"modifiedDate": TIMESTAMP}, {}).shape(replication_key="modifiedDate")
    raw = dated_record(value, style)
    normal = NORMAL.get(value) if isinstance(value, str) else None
    spliced = fast(shape, raw)
    assert plain(slow(shape, raw)).get("modifiedDate") == normal
    assert spliced is None or plain(spliced).get("modifiedDate") == normal
    expected = None
    if normal is not None:
        micro = int(normal[20:-1][:6].ljust(6, "0")) if "." in normal else 0
        expected = datetime.fromisoformat(normal[:19]).replace(
            microsecond=micro, tzinfo=timezone.utc
        )
    assert shape.validate([raw]).timestamps == [expected]


@given(st.lists(st.tuples(scalars, scalars), max_size=6))
@example([("2024-03-01T09:30:00Z", "2024-03-01T09:30:01Z"), ("2024-13-01T00:00:00Z", None)])
@example([("2024-03-01T09:30:00Z", None)])
def test_page_validates_as_single_records_do(values: list[tuple[Any, Any]]) -> None:
    columns = {"createdDate": TIMESTAMP, "modifiedDate": TIMESTAMP}
    shape = Case(columns, {}).shape(replication_key="modifiedDate")
    raws = [
        Case({}, {"id": "1", "createdDate": created, "modifiedDate": modified}).raw
        for created, modified in values
    ]
    page = shape.validate(raws)
    alone = [shape.validate([raw]) for raw in raws]
    assert [bytes(raw) for raw in page.records] == [bytes(one.records[0]) for one in alone]
    assert page.valid == [one.valid[0] for one in alone]
    assert page.timestamps == [one.timestamps[0] for one in alone]
    assert page.timestamps == [shape.timestamp(raw) for raw in raws]


@given(cases())
@example(Case({"at": {"type": "string"}}, {"id": "1", "at": "2024-03-01T09:30:00Z"}))
def test_replication_value_is_read_in_any_column(case: Case) -> None:
    shape = case.shape()
    assert shape.validate([case.raw]).timestamps == [shape.timestamp(case.raw)]


@pytest.mark.parametrize("keys", [["companyId", "id"], ["companyId"], []], ids="-".join)
def test_keys_distinguish_records(keys: list[str]) -> None:
    shape = Shape(Case({}, {}).schema, keys=keys, context_keys=["companyId"])
    texts = [b'{"id":"1"}', b'{"id":"2"}', b'{"id":"3"}']
    assert len({shape.key(msgspec.Raw(text)) for text in texts}) == 3


def test_record_keeps_its_own_partition_column() -> None:
    shape = Case({}, {}).shape()
    raw = msgspec.Raw(b'{"id":"1","companyId":"its own"}')
    assert not is_valid(shape, raw)
    assert shaped(shape, raw)["companyId"] == "its own"


def test_record_validated_before_growth_is_spliced() -> None:
    """Worker threads check ahead of the thread that emits."""
    shape = Case({"a": {"type": "string"}}, {}).shape(hidden=["a"])
    raw = msgspec.Raw(b'{"id":"1","a":"x"}')
    assert is_valid(shape, raw)
    shaped(shape, msgspec.Raw(b'{"id":"2","new":1}'))
    emitted = exact(record_of(LINES.spliced([shape.splice(raw)])))
    assert emitted == {**CONTEXT, "id": "1", "new": None}
