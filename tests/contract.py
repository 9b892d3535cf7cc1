"""What every tap's output must hold, checked line by line as a loader would read it.

`Output(raw)` walks a run's whole output and raises `AssertionError` at the first line that breaks
the contract:

- every line is one whole Singer message;
- a SCHEMA is valid, comes before the first RECORD of its stream, and has its keys as columns that
  cannot be null;
- a RECORD is valid against the last SCHEMA of its stream, date-times being UTC with `Z`, and has
  its keys;
- a STATE holds each partition once and forgets none, no bookmark goes back, and none is beyond the
  largest replication value emitted for its partition so far; rows that come inside of other rows
  have no such value of their own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
from jsonschema import Draft7Validator, FormatChecker, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = dict[str, Any]
State = dict[str, Any]
Key = tuple[Any, ...]
Place = tuple[str, Key]
"""A stream and the context of one of its partitions, sorted."""

_RFC_3339 = FormatChecker(["date-time"])
_encode = msgspec.json.Encoder(decimal_format="number").encode
_exact = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def _is_utc(value: str) -> bool:
    return _RFC_3339.conforms(value, "date-time") and value.endswith("Z")


class Output:
    """A run's output, checked.

    Attributes:
        raw: The output as it came.
        schemas: Every SCHEMA message of each stream, in order.
        records: Every record of each stream, in order; numbers with a fraction are exact.
        states: The value of every STATE message, in order.
    """

    def __init__(self, raw: bytes, before: State | None = None) -> None:
        """Walk the output.

        Args:
            raw: The whole output.
            before: The state the run was given.
        """
        self.raw = raw
        self.schemas: dict[str, list[Record]] = defaultdict(list)
        self.records: dict[str, list[Record]] = defaultdict(list)
        self.states: list[State] = []
        self._before = before or {}
        self._bookmarks = dict(bookmarks(self._before))
        self._latest = _Latest()
        assert raw[-1:] in (b"", b"\n"), f"the output ends in half a line: {raw[-80:]!r}"
        take = {"SCHEMA": self._schema, "RECORD": self._record, "STATE": self._state}
        for number, line in enumerate(raw.split(b"\n")[:-1], 1):
            try:
                message = _decode(line)
                take[message["type"]](message)
            except (AssertionError, SchemaError, ValueError, KeyError, TypeError) as error:
                raise AssertionError(f"line {number}: {error!r}\n{line[:400]!r}") from error

    @property
    def state(self) -> State:
        """The last state, with which the next run begins."""
        return self.states[-1] if self.states else self._before

    @property
    def counts(self) -> dict[str, int]:
        """How many records each stream brought; streams that brought none are left out."""
        return {stream: len(records) for stream, records in self.records.items()}

    def keys(self, stream: str) -> list[Key]:
        """Give the key of each record of a stream, in order."""
        names = self.key_names(stream)
        return [tuple(record[name] for name in names) for record in self.records[stream]]

    def key_names(self, stream: str) -> list[str]:
        """Give the names of a stream's key columns."""
        return list(self.schemas[stream][-1]["key_properties"])

    def rows(self, stream: str) -> dict[Key, Record]:
        """Give a stream as it ends up in a table: the last record of each key.

        A column met at run time is left out where it is null: the record has no such field.
        """
        met = self.state.get("bookmarks", {}).get(stream, {}).get("columns", {})
        records = [
            {name: value for name, value in record.items() if value is not None or name not in met}
            for record in self.records[stream]
        ]
        return dict(zip(self.keys(stream), records, strict=True))

    def timeless(self) -> list[bytes]:
        """Give the lines without what the clock decides: when a record was read, and the states."""
        return [
            line.rpartition(b',"time_extracted":')[0] or line
            for line in self.raw.split(b"\n")
            if not line.startswith(b'{"type":"STATE"')
        ]

    def _schema(self, message: Record) -> None:
        schema = message["schema"]
        message["text"] = json.dumps(schema, default=float)
        _check_schema(message["text"])
        for key in message["key_properties"]:
            assert "null" not in schema["properties"][key]["type"], f"key {key} may be null"
        self.schemas[message["stream"]].append(message)

    def _record(self, message: Record) -> None:
        stream, record = message["stream"], message["record"]
        assert stream in self.schemas, f"a record of {stream} before its schema"
        assert _is_utc(message["time_extracted"]), message["time_extracted"]
        schema = self.schemas[stream][-1]
        found = mistakes(schema["text"], _encode(record))
        assert not found, found
        for key in schema["key_properties"]:
            assert record[key] is not None, f"key {key} is null"
        self.records[stream].append(record)
        for name in schema.get("bookmark_properties", []):
            self._latest.add(stream, record, record.get(name))

    def _state(self, message: Record) -> None:
        listed = list(bookmarks(message["value"]))
        found = dict(listed)
        assert len(found) == len(listed), "a partition comes twice"
        lost = self._bookmarks.keys() - found.keys()
        assert not lost, f"bookmarks are lost: {lost}"
        for place, value in found.items():
            before = self._bookmarks.get(place)
            if value != before:
                assert before is None or order(before) < order(value), f"{place} goes back"
                if self._is_derived(place[0]):
                    continue
                emitted = self._latest[place]
                assert emitted is not None, f"{place} moves to {value}, and nothing was emitted"
                assert order(value) <= order(emitted), f"{place}: {value} is beyond {emitted}"
        self._bookmarks = found
        self.states.append(message["value"])

    def _is_derived(self, stream: str) -> bool:
        """Whether a bookmark belongs to the parent stream."""
        sent = self.schemas.get(stream)
        return sent is not None and not sent[-1].get("bookmark_properties")


@cache
def _check_schema(text: str) -> None:
    """Refuse what is no JSON Schema, or leaves a loader without a type for a column."""
    schema = json.loads(text)
    Draft7Validator.check_schema(schema)
    assert not list(untyped(schema))


def untyped(schema: Record, place: str = "") -> Iterator[str]:
    """List the columns, fields and items of a schema that have no type but null."""
    given = schema.get("type", "null")
    kinds = {*([given] if isinstance(given, str) else given)} - {"null"}
    if not kinds:
        yield place
    if kinds == {"array"} or "items" in schema:
        yield from untyped(schema.get("items", {}), f"{place}[]")
    for name, inner in schema.get("properties", {}).items():
        yield from untyped(inner, f"{place}.{name}")


class _Latest:
    """The largest replication value emitted so far, by stream and partition."""

    def __init__(self) -> None:
        self._fresh: dict[str, list[tuple[Record, Any]]] = defaultdict(list)
        self._found: dict[Place, Any] = {}

    def add(self, stream: str, record: Record, value: Any) -> None:  # noqa: ANN401 (JSON)
        if value is not None:
            self._fresh[stream].append((record, value))

    def __getitem__(self, place: Place) -> Any:  # noqa: ANN401 (JSON)
        stream, context = place
        for record, value in self._fresh.pop(stream, ()):
            its = (stream, tuple((name, record[name]) for name, _ in context))
            known = self._found.get(its)
            if known is None or order(known) < order(value):
                self._found[its] = value
        return self._found.get(place)


def bookmarks(state: State) -> Iterator[tuple[Place, Any]]:
    """List a state's bookmarks, each with its stream and partition."""
    for stream, bookmark in state.get("bookmarks", {}).items():
        for one in (bookmark, *bookmark.get("partitions", [])):
            assert "progress_markers" not in one, f"{stream} has progress markers"
            if "replication_key_value" in one:
                context = tuple(sorted(one.get("context", {}).items()))
                yield (stream, context), one["replication_key_value"]


def order(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return what a replication value is ordered by: its time, if it is a timestamp."""
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return value


def is_exact(got: Any, wanted: Any) -> bool:  # noqa: ANN401 (JSON)
    """Whether two values are the same JSON, to the type and the digit.

    `==` is not enough: to Python `False` is `0`, and `12.50` is `12.5`.
    """
    return _exact(got) == _exact(wanted)


def differences(got: dict[Key, Record], wanted: dict[Key, Record]) -> list[str]:
    """List what rows have otherwise than they should, where each has exactly what the API sent."""
    return [
        *(f"{key} is missing" for key in wanted.keys() - got.keys()),
        *(f"{key} is too much" for key in got.keys() - wanted.keys()),
        *(
            f"{key} {name}: {got[key].get(name, '-')!r} and not {wanted[key].get(name, '-')!r}"
            for key in wanted.keys() & got.keys()
            for name in sorted(wanted[key].keys() | got[key].keys())
            if (name in got[key]) != (name in wanted[key])
            or not is_exact(got[key][name], wanted[key][name])
        ),
    ]


def by_key(rows: Iterable[bytes], names: Iterable[str]) -> dict[Key, Record]:
    """Arrange encoded rows as `Output.rows` does; that two share a key is a mistake.

    Args:
        rows: The rows, each a JSON object.
        names: The key columns.
    """
    decoded, names = [_decode(row) for row in rows], list(names)
    arranged = {tuple(row[name] for name in names): row for row in decoded}
    assert len(arranged) == len(decoded), f"{len(decoded) - len(arranged)} rows share a key"
    return arranged


def _decode(line: bytes) -> Record:
    value: Record = json.loads(line, parse_float=Decimal)
    return value


@cache
def _validator(schema: str) -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(
        json.loads(schema), validate_formats=True, formats={"date-time": _is_utc}
    )


@cache
def mistakes(schema: str, record: bytes) -> list[str]:
    """Validate an encoded record, once however many runs bring it.

    Args:
        schema: The JSON Schema, encoded.
        record: The record.

    Returns:
        What is wrong with it.
    """
    found = _validator(schema).iter_errors(_decode(record))
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in found]
