"""From the lines of one stream to Arrow arrays, a few thousand at a time.

A Struct that is compiled from the SCHEMA reads and checks the values. Only where a batch does not
fit is it gone through value by value, to say which stream, column and record it is.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

import msgspec
from arro3.core import Array, ChunkedArray, DataType, Table

from target_duckdb.columns import NULL, named, utc
from target_duckdb.errors import LoadError, Misfit, MissingKey

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_duckdb.columns import Column

BATCH: t.Final = 2000
"""Records that are read at a time."""

ARROW: t.Final = {
    "boolean": DataType.bool(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
}
TEXT: t.Final = DataType.string()


class _Record(msgspec.Struct):
    """A RECORD message whose record is looked at value by value."""

    type: t.Literal["RECORD"]
    stream: str
    record: dict[str, msgspec.Raw]
    time_extracted: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of one stream that a flush writes.

    Attributes:
        table: The Arrow table: the columns `0` and on, their `<number>_kept`, and `extracted`,
            `version` and `row`, the place of the row in the input.
        wide: Numbers of the columns of whole numbers that need a HUGEINT, and are texts here.
        kept: Numbers of the columns of which not all is held.
    """

    table: Table
    wide: frozenset[int]
    kept: frozenset[int]


class Batches:
    """Collects the records of a stream."""

    def __init__(self, stream: str, columns: Sequence[Column], *, strict: bool) -> None:
        """Compile the decoder.

        Args:
            stream: The stream's name.
            columns: Its columns.
            strict: Whether a field that its SCHEMA lacks ends the load.
        """
        self.stream = stream
        self.columns = columns
        self.left_out: Counter[str] = Counter()
        self.count = 0
        self._strict = strict
        self._seen = 0
        self._values = {one.name: msgspec.json.Decoder(one.reads) for one in columns}
        self._generic = msgspec.json.Decoder(_Record)
        self._decoder = self._compiled()
        self._lines: list[bytes] = []
        self._arrays: list[list[Array]] = []
        self._kept: list[dict[int, Array]] = []

    def add(self, line: bytes) -> None:
        """Take a RECORD message of this stream."""
        self._lines.append(line)
        self.count += 1
        if len(self._lines) >= BATCH:
            self._read()

    def _compiled(self) -> msgspec.json.Decoder[t.Any] | None:
        """Compile a decoder of whole messages, unless a name is none that msgspec can have."""
        defaults: dict[bool, t.Any] = {True: NULL, False: None}
        fields: list[t.Any] = [
            (f"f{number}", one.reads)
            if one.is_key
            else (f"f{number}", one.reads, defaults[one.reads is msgspec.Raw])
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

    def _read(self) -> None:
        """Read the lines that wait."""
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
            messages, values = self._by_value(lines)
        arrays: list[Array] = []
        kept: dict[int, Array] = {}
        for number, one in enumerate(self.columns):
            try:
                held, texts = one.convert(values[number])
            except Misfit as misfit:
                raise self._refused(one, misfit.index, misfit.reason) from None
            arrays.append(_array(held, one))
            if texts:
                kept[number] = Array([texts.get(n) for n in range(len(lines))], TEXT)
        moments = {
            text: None if text is None else utc(text)[0]
            for text in {m.time_extracted for m in messages}
        }  # a page has one for all
        arrays.append(Array([moments[m.time_extracted] for m in messages], TEXT))
        arrays.append(Array([m.version for m in messages], DataType.int64()))
        rows = range(self._seen, self._seen + len(lines))
        arrays.append(Array(list(rows), DataType.int64()))
        self._arrays.append(arrays)
        self._kept.append(kept)
        self._seen += len(lines)

    def _by_value(self, lines: Sequence[bytes]) -> tuple[list[_Record], list[Sequence[t.Any]]]:
        """Read messages value by value.

        Raises:
            LoadError: One does not fit.
        """
        messages: list[_Record] = []
        values: list[list[t.Any]] = [[] for _ in self.columns]
        for index, line in enumerate(lines):
            try:
                message = self._generic.decode(line)
                if message.stream != self.stream:
                    raise msgspec.ValidationError
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise LoadError(f"{self._where(index)} is no RECORD message in JSON.") from None
            messages.append(message)
            for number, one in enumerate(self.columns):
                values[number].append(self._value(one, index, message.record))
            unknown = message.record.keys() - self._values.keys()
            if unknown and self._strict:
                raise LoadError(
                    f"{self._where(index)} has the field `{min(unknown)}`, which the SCHEMA of "
                    "its stream lacks. With `strict: false` such fields are left out."
                )
            self.left_out.update(unknown)
        return messages, list(values)

    def _value(self, one: Column, index: int, record: dict[str, msgspec.Raw]) -> t.Any:  # noqa: ANN401
        """Read one value of a record."""
        raw = record.get(one.name)
        if raw is None and one.is_key:
            raise self._refused(one, index, "no value")
        try:
            return self._values[one.name].decode(NULL if raw is None else raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._refused(one, index, named(memoryview(raw or NULL))) from None

    def _refused(self, one: Column, index: int, reason: str) -> LoadError:
        """Say that a value does not fit."""
        text = f"{self._where(index)} has {reason} in the column `{one.name}`"
        if one.is_key and reason in ("no value", "null"):
            return MissingKey(f"{text}, which is part of the key.")
        return LoadError(f"{text}, of which the SCHEMA says {one.kind} ({one.type}).")

    def _where(self, index: int) -> str:
        return f"Record {self._seen + index + 1:,} of the stream `{self.stream}`"

    def take(self) -> Rows | None:
        """Give what has been collected, and start anew.

        Returns:
            The rows, if there are any.

        Raises:
            LoadError: A record does not fit.
        """
        self._read()
        if not self._arrays:
            return None
        arrays, self._arrays = self._arrays, []
        keeps, self._kept = self._kept, []
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
        kept = {number for keep in keeps for number in keep}
        for number in kept:
            columns[f"{number}_kept"] = ChunkedArray(
                [
                    keep.get(number, Array([None] * len(chunks[0]), TEXT))
                    for keep, chunks in zip(keeps, arrays, strict=True)
                ]
            )
        return Rows(Table.from_pydict(columns), frozenset(wide), frozenset(kept))


def _array(values: Sequence[t.Any], one: Column) -> Array:
    """Make an Arrow array, of texts where a whole number is beyond 64 bits."""
    try:
        return Array(values, ARROW.get(one.kind, TEXT))
    except OverflowError:
        return Array([None if value is None else str(value) for value in values], TEXT)
