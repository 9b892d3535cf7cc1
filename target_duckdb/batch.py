"""Converts the RECORD lines of a stream to Arrow arrays, a few thousand at a time.

A Struct, compiled from the SCHEMA, decodes and checks a batch. Only if that fails is the batch
decoded value by value, to report the stream, column and record.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

import msgspec
from arro3.core import Array, ChunkedArray, DataType, Table

from target_duckdb.columns import NULL, json_kind, parse_timestamp
from target_duckdb.errors import InvalidValue, LoadError, MissingKey

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_duckdb.columns import Column

BATCH: t.Final = 2000
"""Records that are decoded at a time."""

ARROW: t.Final = {
    "boolean": DataType.bool(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
}
TEXT: t.Final = DataType.string()


class _Record(msgspec.Struct):
    """A RECORD message whose record is decoded value by value."""

    type: t.Literal["RECORD"]
    stream: str
    record: dict[str, msgspec.Raw]
    time_extracted: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of one stream that a flush writes.

    Attributes:
        table: The Arrow table: a column per column of the stream, named `0` and on, their overflow
            `<number>_overflow`, and `extracted`, `version` and `row`, the row's index in the input.
        wide: Numbers of the integer columns that need a HUGEINT; their values are strings here.
        overflow: Numbers of the columns that have overflow.
    """

    table: Table
    wide: frozenset[int]
    overflow: frozenset[int]


class Batches:
    """Collects the records of a stream."""

    def __init__(self, stream: str, columns: Sequence[Column], *, strict: bool) -> None:
        """Compile the decoder.

        Args:
            stream: The stream's name.
            columns: The stream's columns.
            strict: Whether a field that the SCHEMA lacks is an error.
        """
        self.stream = stream
        self.columns = columns
        self.left_out: Counter[str] = Counter()
        self.count = 0
        self._strict = strict
        self._seen = 0
        self._values = {one.name: msgspec.json.Decoder(one.decoded_type) for one in columns}
        self._generic = msgspec.json.Decoder(_Record)
        self._decoder = self._compile()
        self._lines: list[bytes] = []
        self._arrays: list[list[Array]] = []
        self._overflow: list[dict[int, Array]] = []

    def add(self, line: bytes) -> None:
        """Add the line of a RECORD message of this stream."""
        self._lines.append(line)
        self.count += 1
        if len(self._lines) >= BATCH:
            self._convert()

    def _compile(self) -> msgspec.json.Decoder[t.Any] | None:
        """Compile a decoder of messages; `None` if msgspec cannot represent a name."""
        defaults: dict[bool, t.Any] = {True: NULL, False: None}
        fields: list[t.Any] = [
            (f"f{number}", one.decoded_type)
            if one.is_key
            else (f"f{number}", one.decoded_type, defaults[one.decoded_type is msgspec.Raw])
            for number, one in enumerate(self.columns)
        ]
        try:
            record = msgspec.defstruct(
                "Record",
                fields,
                rename={f"f{number}": one.name for number, one in enumerate(self.columns)},
                forbid_unknown_fields=True,
                kw_only=True,
                gc=False,
            )
            message = msgspec.defstruct(
                "Message",
                [
                    ("type", t.Literal["RECORD"]),
                    ("stream", t.Literal[self.stream]),
                    ("record", record),
                    ("time_extracted", str | None, None),
                    ("version", int | None, None),
                ],
                gc=False,
            )
            return msgspec.json.Decoder(message)
        except ValueError:  # a quote, backslash or control character
            return None

    def _convert(self) -> None:
        """Decode the collected lines, and convert them to arrays."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        values: list[Sequence[t.Any]]
        try:
            if self._decoder is None:
                raise msgspec.ValidationError
            messages = self._decoder.decode_lines(b"\n".join(lines))
            if len(messages) != len(lines):
                raise msgspec.ValidationError
            records = [message.record for message in messages]
            values = list(zip(*map(msgspec.structs.astuple, records), strict=True))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            messages, values = self._decode_by_value(lines)
        arrays: list[Array] = []
        overflow: dict[int, Array] = {}
        for number, one in enumerate(self.columns):
            try:
                converted, texts = one.convert(values[number])
            except InvalidValue as invalid:
                raise self._error(one, invalid.index, invalid.reason) from None
            arrays.append(_array(converted, one))
            if texts:
                overflow[number] = Array([texts.get(n) for n in range(len(lines))], TEXT)
        extracted = {
            text: None if text is None else parse_timestamp(text)[0]
            for text in {m.time_extracted for m in messages}
        }  # usually one for a whole page
        arrays.append(Array([extracted[m.time_extracted] for m in messages], TEXT))
        arrays.append(Array([m.version for m in messages], DataType.int64()))
        rows = range(self._seen, self._seen + len(lines))
        arrays.append(Array(list(rows), DataType.int64()))
        self._arrays.append(arrays)
        self._overflow.append(overflow)
        self._seen += len(lines)

    def _decode_by_value(
        self, lines: Sequence[bytes]
    ) -> tuple[list[_Record], list[Sequence[t.Any]]]:
        """Decode messages value by value.

        Raises:
            LoadError: A record or value is invalid.
        """
        messages: list[_Record] = []
        values: list[list[t.Any]] = [[] for _ in self.columns]
        for index, line in enumerate(lines):
            try:
                message = self._generic.decode(line)
                if message.stream != self.stream:
                    raise msgspec.ValidationError
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise LoadError(f"{self._where(index)} is not a RECORD message in JSON.") from None
            messages.append(message)
            for number, one in enumerate(self.columns):
                values[number].append(self._decode_value(one, index, message.record))
            unknown = message.record.keys() - self._values.keys()
            if unknown and self._strict:
                raise LoadError(
                    f"{self._where(index)} has the field `{min(unknown)}`, which the SCHEMA of "
                    "its stream lacks. With `strict: false` such fields are left out."
                )
            self.left_out.update(unknown)
        return messages, list(values)

    def _decode_value(self, one: Column, index: int, record: dict[str, msgspec.Raw]) -> t.Any:  # noqa: ANN401
        """Decode one value of a record."""
        raw = record.get(one.name)
        if raw is None and one.is_key:
            raise self._error(one, index, "no value")
        try:
            return self._values[one.name].decode(NULL if raw is None else raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._error(one, index, json_kind(memoryview(raw or NULL))) from None

    def _error(self, one: Column, index: int, reason: str) -> LoadError:
        """Return the error about an invalid value."""
        text = f"{self._where(index)} has {reason} in the column `{one.name}`"
        if one.is_key and reason in ("no value", "null"):
            return MissingKey(f"{text}, which is part of the key.")
        return LoadError(f"{text}, which the SCHEMA declares as {one.kind} ({one.type}).")

    def _where(self, index: int) -> str:
        return f"Record {self._seen + index + 1:,} of the stream `{self.stream}`"

    def take(self) -> Rows | None:
        """Return the collected rows, and start over.

        Returns:
            The rows; `None` without any.

        Raises:
            LoadError: A record is invalid.
        """
        self._convert()
        if not self._arrays:
            return None
        arrays, self._arrays = self._arrays, []
        overflows, self._overflow = self._overflow, []
        self.count = 0
        columns: dict[str, t.Any] = {}
        wide: set[int] = set()
        names = [*map(str, range(len(self.columns))), "extracted", "version", "row"]
        for number, (name, chunks) in enumerate(zip(names, zip(*arrays, strict=True), strict=True)):
            kinds = {chunk.type for chunk in chunks} if number < len(self.columns) else set()
            is_wide = number < len(self.columns) and self.columns[number].kind == "integer"
            if is_wide and TEXT in kinds:
                wide.add(number)
                columns[name] = ChunkedArray([chunk.cast(TEXT) for chunk in chunks])
            else:
                columns[name] = ChunkedArray(list(chunks))
        overflow = {number for one in overflows for number in one}
        for number in overflow:
            columns[f"{number}_overflow"] = ChunkedArray(
                [
                    one.get(number, Array([None] * len(chunks[0]), TEXT))
                    for one, chunks in zip(overflows, arrays, strict=True)
                ]
            )
        return Rows(Table.from_pydict(columns), frozenset(wide), frozenset(overflow))


def _array(values: Sequence[t.Any], one: Column) -> Array:
    """Make an Arrow array; one of strings if an integer does not fit in 64 bits."""
    try:
        return Array(values, ARROW.get(one.kind, TEXT))
    except OverflowError:
        return Array([None if value is None else str(value) for value in values], TEXT)
