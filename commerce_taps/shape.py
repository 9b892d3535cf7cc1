"""Turns a raw record into what is emitted: checked against the schema, and never cut.

A record takes one of two ways:

- the fast one: a Struct compiled from the stream's schema accepts it (types checked in C, no
  unknown field, timestamps in the one form): its own bytes are emitted, every digit as sent;
- the careful one, record by record, for anything else: `Shape.conform` brings timestamps into
  the one form, gives an unknown field a new column, and moves a value that is not of the
  column's type into a column of its own, `<name>__v_<type>`, as dlt does. Nothing is dropped.

Both lead to the same record where both apply. Timestamps are columns of format `date-time` at the
top level; nested values are kept as they came.
"""

from __future__ import annotations

import copy
import typing as t

import msgspec
from msgspec import UNSET

from commerce_taps import dates
from commerce_taps.conform import (
    MISFIT,
    UNREADABLE,
    Record,
    Schema,
    compile_value,
    decode,
    encode,
    fields,
    infer,
    json_type,
    spare,
    variant,
)
from commerce_taps.errors import MalformedAnswer, PartitionFailed
from commerce_taps.selection import Selection
from commerce_taps.structs import attribute, attributes, is_plain, struct_decoder

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import datetime

    from msgspec import Struct


Look = t.Sequence[t.Any]
"""What stands in a record's timestamp columns, the replication key's first: a text, null, UNSET."""


class Shape:
    """One stream's records, shaped by its schema.

    Attributes:
        schema: The stream's schema. Grows when `evolve` is on and a new column is met.
        new_columns: Names of the columns added since somebody last cleared the list.
        dropped: Names of the fields not emitted because `evolve` is off.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        keys: Sequence[str] = (),
        context_keys: Sequence[str] = (),
        replication_key: str | None = None,
        selection: Selection | None = None,
        evolve: bool = True,
    ) -> None:
        """Compile the schema.

        Args:
            schema: JSON Schema of the stream's records.
            keys: Key columns, which must be there and fit.
            context_keys: Columns that come from the partition, not from the record.
            replication_key: The column bookmarks are made of.
            selection: What is emitted; by default all is.
            evolve: Whether unknown fields become columns (`new_fields: evolve`).
        """
        self.schema = copy.deepcopy(schema)
        self.new_columns: list[str] = []
        self.dropped: set[str] = set()
        self._keys = keys
        self._context_keys = context_keys
        self._replication_key = replication_key
        self.selection = selection or Selection(schema)
        self._evolve = evolve
        self._compile()

    def _compile(self) -> None:
        properties = self.schema["properties"]
        self._conform = {name: compile_value(value) for name, value in properties.items()}
        own = {name: value for name, value in properties.items() if name not in self._context_keys}
        self._own_keys = [name for name in self._keys if name in own]
        hidden = {name for name in own if self.selection.hides(name)}
        self._hidden = {attribute(name) for name in hidden}
        ignored = hidden - {self._replication_key}
        # Of what has parts that are hidden the fast way takes only what has none of them.
        emitted = self.selection.schema(self.schema)["properties"]
        self._check = struct_decoder(
            {**own, **{name: emitted[name] for name in own if name not in hidden}},
            required=self._keys,
            ignored=ignored,
            closed=self.selection.is_deep,
        )
        timestamps = [
            name
            for name, value in own.items()
            if value.get("format") == "date-time" and is_plain(name) and name not in ignored
        ]
        timestamps.sort(key=lambda name: name != self._replication_key)
        self._stamped = self._replication_key in timestamps
        self._dates = attributes(timestamps)
        self._timestamps = [attribute(name) for name in timestamps]
        self._slices = struct_decoder({name: {} for name in own}, strict=False)
        kept: dict[str, Schema] = {name: {} for name in own if name not in hidden}
        self._project = struct_decoder(kept, strict=False) if hidden else None

    def check(self, raw: msgspec.Raw) -> bool:
        """Check a record against the schema.

        Args:
            raw: The record's bytes.

        Returns:
            Whether its bytes can be emitted as they are.
        """
        records, fits, _ = self.examine([raw])
        return fits[0] and records[0] is raw

    def examine(
        self, records: Sequence[msgspec.Raw]
    ) -> tuple[list[msgspec.Raw], list[bool], list[datetime | None]]:
        """Check the records of a page against the schema, in C.

        What is decoded for it is not kept, which would cost more than all the rest.

        Args:
            records: The records' bytes.

        Returns:
            The records, those that lack nothing but the one form of their timestamps brought into
            it; for each whether its bytes can be emitted as they are, and its replication value.

        Raises:
            MalformedAnswer: A record is no object.
        """
        found, looks = list(records), [self._look(raw) for raw in records]
        texts = _texts(looks)
        if not dates.look_normal(texts):
            for place, look in enumerate(looks):
                if look is not None and not dates.look_normal(_texts([look])):
                    found[place], looks[place] = self._normalised(found[place])
            texts = _texts(looks)
        if not dates.are_timestamps(texts):
            for place, look in enumerate(looks):
                if look is not None and not dates.are_timestamps(_texts([look])):
                    looks[place] = None
        fits = [look is not None for look in looks]
        if any(not fit and bytes(raw)[:1] != b"{" for fit, raw in zip(fits, found, strict=True)):
            msg = "a record is no object"
            raise MalformedAnswer(msg)
        return found, fits, self._stamps(found, looks)

    def _look(self, raw: msgspec.Raw) -> Look | None:
        """Check a record, but for its timestamps.

        Returns:
            What stands in its timestamp columns; `None` for a misfit.
        """
        try:
            row: Struct = self._check(raw)
        except UNREADABLE:
            return None
        # Without a key of its own a record may hold nothing that could be spliced.
        if not self._own_keys and all(
            name in self._hidden or getattr(row, name) is UNSET for name in row.__struct_fields__
        ):
            return None
        return self._dates(row)

    def _normalised(self, raw: msgspec.Raw) -> tuple[msgspec.Raw, Look | None]:
        """Bring a record's timestamps into the one form; all else stays as it was sent."""
        row, look = self._slices(raw), []
        for name in self._timestamps:
            value = getattr(row, name)
            text = UNSET if value is UNSET else decode(value)
            if isinstance(text, str) and not dates.look_normal([text]):
                try:
                    text = dates.normalise(text)
                except ValueError:
                    return raw, None
                setattr(row, name, msgspec.Raw(encode(text)))
            look.append(text)
        return msgspec.Raw(encode(row)), look

    def _stamps(
        self, records: Sequence[msgspec.Raw], looks: Sequence[Look | None]
    ) -> list[datetime | None]:
        """Read the replication values, of all records that fit at once."""
        if not self._stamped:
            return [self.stamp(raw) for raw in records]
        keys = [look[0] if look else None for look in looks]
        stamps = dates.instants([key if isinstance(key, str) else None for key in keys])
        for place, look in enumerate(looks):
            if look is None:
                stamps[place] = self.stamp(records[place])
        return stamps

    def stamp(self, raw: msgspec.Raw | bytes) -> datetime | None:
        """Read the replication value of any record.

        Args:
            raw: The record's bytes.

        Returns:
            The instant, or `None` where the record has none.
        """
        if self._replication_key is None:
            return None
        try:
            return dates.parse(decode(raw)[self._replication_key])
        except (KeyError, AttributeError, TypeError, ValueError, *UNREADABLE):
            return None

    def key(self, raw: msgspec.Raw | bytes) -> Hashable:
        """Read a record's identity within its partition.

        Args:
            raw: The record's bytes.

        Returns:
            The values of its own key columns; the record itself where it lacks one, or where there
            are none.
        """
        record = fields(raw)
        values = [record.get(key) for key in self._own_keys]
        return bytes(raw) if None in values or not values else tuple(map(encode, values))

    def splice(self, raw: msgspec.Raw | bytes) -> memoryview | bytes:
        """Cut a checked record so that partition columns can be put before its own.

        Args:
            raw: The bytes of a record that `check` accepted.

        Returns:
            The bytes after the opening brace, deselected columns left out.
        """
        if self._project is None:
            return memoryview(raw)[1:]
        return encode(self._project(raw))[1:]

    def conform(self, raw: msgspec.Raw | bytes, context: Mapping[str, t.Any]) -> Record:
        """Shape a record that cannot be emitted as it is.

        Args:
            raw: The record's bytes.
            context: The partition's columns, added where the record has none of that name.

        Returns:
            A record that is valid against `schema`, which may have grown: see `new_columns`.

        Raises:
            PartitionFailed: The record has no usable key, or cannot be decoded.
        """
        try:
            record = decode(raw)
        except UNREADABLE as error:
            msg = f"a record cannot be read ({error})"
            raise PartitionFailed(msg) from error
        if not isinstance(record, dict):
            msg = f"a record is {json_type(record)} and not an object"
            raise PartitionFailed(msg)
        try:
            record = self.selection.prune(record)
        except RecursionError as error:
            msg = "a record cannot be read (its values are nested too deep)"
            raise PartitionFailed(msg) from error
        before = len(self.new_columns)
        out: Record = {}
        for name, value in (*((k, v) for k, v in context.items() if k not in record),
                            *record.items()):  # fmt: skip
            function = self._conform.get(name)
            fitted = MISFIT if function is None else function(value)
            if fitted is not MISFIT:
                out[name] = fitted
                continue
            if function is not None and function(None) is None:
                out[name] = None
            self._add(out, name, value, record)
        for key in self._keys:
            if out.get(key) is None:
                msg = f"a record has no usable value for its key `{key}`"
                raise PartitionFailed(msg)
        if len(self.new_columns) > before:
            self._compile()
        return out

    def _add(self, out: Record, name: str, value: object, record: Record) -> None:
        """Emit a value that has no column, or does not fit the one it has, by giving it one."""
        if value is None:  # says nothing, not even a type
            return
        known = self.schema["properties"]
        if not self._evolve:
            self.dropped.add(variant(name, value) if name in known else name)
            return
        while True:
            # SQL targets fold case: `ID` beside `id` would be the same column.
            if name not in known and name.lower() not in map(str.lower, known):
                known[name] = infer(value)
                self._conform[name] = compile_value(known[name])
                self.new_columns.append(name)
            fitted = self._conform[name](value) if name in known else MISFIT
            if fitted is not MISFIT:
                out[name] = fitted
                return
            name = spare(name, value, record, out)


def _texts(looks: Sequence[Look | None]) -> list[str]:
    """Gather all timestamps that are given."""
    return [text for look in looks if look for text in look if isinstance(text, str)]
