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

from commerce_taps.errors import RecordFailed
from commerce_taps.records import dates
from commerce_taps.records.columns import (
    EXTRA,
    SCHEMAS,
    column_name,
    family,
    infer,
    is_whole,
    json_type,
)
from commerce_taps.records.conform import (
    MISFIT,
    UNREADABLE,
    Record,
    compile_value,
    decode,
    decode_object,
    encode,
    variant,
)
from commerce_taps.records.selection import Selection
from commerce_taps.records.structs import attribute, attributes, is_plain, struct_decoder

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from msgspec import Struct

    from commerce_taps.records.columns import Kind, Schema


Timestamps = t.Sequence[t.Any]
"""What stands in a record's timestamp columns, the replication key's first: a text, null, UNSET."""

Misfit = tuple[str, t.Any]
"""A field and its value, which has no column or does not fit the one it has."""


class Shape:
    """One stream's records, shaped by its schema.

    Attributes:
        schema: The stream's schema. Grows when `evolve` is on and a new column is met.
        columns: The columns that were met at run time, in this run or in earlier ones, and their
            types. Every record has them, null where it says nothing of them: loaders only clear
            what a record holds.
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
        columns: Mapping[str, Kind] = {},
        max_new_columns: int = 200,
    ) -> None:
        """Compile the schema.

        Args:
            schema: JSON Schema of the stream's records.
            keys: Key columns, which must be there and fit.
            context_keys: Columns that come from the partition, not from the record.
            replication_key: The column bookmarks are made of.
            selection: What is emitted; by default all is.
            evolve: Whether unknown fields become columns (`new_fields: evolve`).
            columns: Columns that earlier runs met, and their types, which stay what they were.
            max_new_columns: How many columns may be met in all; what is beyond goes to `_extra`.
        """
        self.schema = copy.deepcopy(schema)
        self.columns = dict(columns)
        self.new_columns: list[str] = []
        self.dropped: set[str] = set()
        self._max_new_columns = max_new_columns
        self._keys = keys
        self._context_keys = context_keys
        self._replication_key = replication_key
        self.selection = selection or Selection(schema)
        self._evolve = evolve
        properties = self.schema["properties"]
        if evolve:
            properties.update({name: SCHEMAS[kind] for name, kind in columns.items()})
        self._conform = {
            name: compile_value(value) for name, value in properties.items() if name != EXTRA
        }
        self._folded = set(map(str.lower, properties))
        self._compile()

    def _compile(self) -> None:
        """Compile what checks and cuts records."""
        properties = self.schema["properties"]
        # A field that happens to be called as the column of all others goes into that as well.
        made = {*self._context_keys, EXTRA}
        own = {name: value for name, value in properties.items() if name not in made}
        self._own_keys = [name for name in self._keys if name in own]
        hidden = {name for name in own if self.selection.hides(name)}
        self._hidden = {attribute(name) for name in hidden}
        ignored = hidden - {self._replication_key}
        # Of what has parts that are hidden the fast way takes only what has none of them.
        emitted = self.selection.closed_schema(self.schema)["properties"]
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
        self._carried = [name for name in self.columns if not self.selection.hides(name)]
        self._slices_of_carried = struct_decoder({name: {} for name in self._carried}, strict=False)
        self._values = attributes(self._carried)
        self._nulls = [b"%b:null," % encode(name) for name in self._carried]

    def check(self, raw: msgspec.Raw) -> bool:
        """Check a record against the schema.

        Args:
            raw: The record's bytes.

        Returns:
            Whether its bytes can be emitted as they are.
        """
        records, fits, _ = self.validate([raw])
        return fits[0] and records[0] is raw

    def validate(
        self, records: Sequence[msgspec.Raw]
    ) -> tuple[list[msgspec.Raw], list[bool], list[datetime | None]]:
        """Check the records of a page against the schema, in C.

        What is decoded for it is not kept, which would cost more than all the rest.

        Args:
            records: The records' bytes.

        Returns:
            The records, those that lack nothing but the one form of their timestamps brought into
            it; for each whether its bytes can be emitted as they are, and its replication value.
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
        return found, fits, self._stamps(found, looks)

    def _look(self, raw: msgspec.Raw) -> Timestamps | None:
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

    def _normalised(self, raw: msgspec.Raw) -> tuple[msgspec.Raw, Timestamps | None]:
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
        self, records: Sequence[msgspec.Raw], looks: Sequence[Timestamps | None]
    ) -> list[datetime | None]:
        """Read the replication values, of all records that fit at once."""
        if not self._stamped:
            return [self.timestamp(raw) for raw in records]
        keys = [look[0] if look else None for look in looks]
        stamps = dates.instants([key if isinstance(key, str) else None for key in keys])
        for place, look in enumerate(looks):
            if look is None:
                stamps[place] = self.timestamp(records[place])
        return stamps

    def timestamp(self, raw: msgspec.Raw | bytes) -> datetime | None:
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
            The values of its own key columns; the record itself where one of them is missing or
            of another type, or where there are none.
        """
        record = decode_object(raw)
        values = [self._conform[key](record.get(key)) for key in self._own_keys]
        is_unusable = not values or None in values or MISFIT in values
        return bytes(raw) if is_unusable else tuple(map(encode, values))

    def splice(self, raw: msgspec.Raw | bytes) -> memoryview | bytes:
        """Cut a checked record so that partition columns can be put before its own.

        Args:
            raw: The bytes of a record that `check` accepted.

        Returns:
            The bytes after the opening brace: deselected columns left out, and null in each of
            `columns` that the record lacks.
        """
        if self._project is not None:
            rest: memoryview | bytes = encode(self._project(raw))[1:]
        else:
            rest = memoryview(raw)[1:]
        if not self._carried:
            return rest
        values = self._values(self._slices_of_carried(raw))
        lacks = b"".join(
            null for null, value in zip(self._nulls, values, strict=True) if value is UNSET
        )
        return lacks + rest if lacks else rest

    def conform(
        self, raws: Sequence[msgspec.Raw | bytes], context: Mapping[str, t.Any]
    ) -> list[Record | RecordFailed]:
        """Shape the records of a page that cannot be emitted as they are.

        Args:
            raws: The records' bytes.
            context: The partition's columns, added where a record has none of that name.

        Returns:
            The records, each valid against `schema`, which may have grown: see `new_columns`. In
            place of one that has no usable key or cannot be decoded, why.
        """
        return self.fit(map(self._open, raws), context)

    def fit(
        self,
        records: Iterable[Record | RecordFailed],
        context: Mapping[str, t.Any] = {},
    ) -> list[Record | RecordFailed]:
        """Fit decoded records to the schema.

        Args:
            records: The records of a page; in place of one that cannot be written, why.
            context: As for `conform`.

        Returns:
            As for `conform`.
        """
        found: list[Record | RecordFailed] = []
        misfits: list[tuple[Record, Record, list[Misfit]]] = []
        for record in records:
            if isinstance(record, RecordFailed):
                found.append(record)
                continue
            try:
                out, unfit = self._fit(record, context)
            except RecordFailed as error:
                found.append(error)
                continue
            found.append(out)
            if unfit:
                misfits.append((record, out, unfit))
        if self._evolve:
            self._place_misfits(misfits)
        else:
            known = self.schema["properties"]
            for _, _, unfit in misfits:
                self.dropped.update(variant(k, v) if k in known else k for k, v in unfit)
        for one in found:
            if isinstance(one, dict):
                for name in self._carried:
                    one.setdefault(name, None)
        return found

    def _open(self, raw: msgspec.Raw | bytes) -> Record | RecordFailed:
        try:
            record = decode(raw)
        except UNREADABLE as error:
            # What the decoder says may quote the record, what it is may not.
            return RecordFailed(f"it cannot be decoded ({type(error).__name__})")
        if not isinstance(record, dict):
            return RecordFailed(f"it is {json_type(record)} and not an object")
        try:
            return self.selection.prune(record)
        except RecursionError:
            return RecordFailed("its values are nested too deeply")

    def _fit(self, record: Record, context: Mapping[str, t.Any]) -> tuple[Record, list[Misfit]]:
        """Fit a record to the schema.

        Returns:
            What fits, and the values that have no column or do not fit the one they have.
        """
        out: Record = {name: context[name] for name in self._context_keys if name in context}
        misfits: list[Misfit] = []
        for name, value in record.items():
            if value is None and name in out:
                continue
            function = self._conform.get(name)
            fitted = MISFIT if function is None else function(value)
            if fitted is not MISFIT:
                out[name] = fitted
                continue
            if name not in out and function is not None and function(None) is None:
                out[name] = None
            if value is not None:  # which says nothing, not even a type
                misfits.append((name, value))
        for key in self._keys:
            if out.get(key) is None:
                what = "is missing" if key not in record else f"is {json_type(record[key])}"
                msg = f"its key `{key}` {what}"
                raise RecordFailed(msg)
        return out, misfits

    # --- columns met at run time ----------------------------------------------------------------

    def _place_misfits(self, misfits: Sequence[tuple[Record, Record, list[Misfit]]]) -> None:
        """Give all misfits of a page columns, whose types are those of the whole page."""
        page: dict[tuple[str, str], list[object]] = {}
        for _, _, unfit in misfits:
            for name, value in unfit:
                page.setdefault((name, family(value)), []).append(value)
        before = len(self.new_columns)
        for record, out, unfit in misfits:
            for name, value in unfit:
                self._place(out, name, value, record, page[name, family(value)])
        if len(self.new_columns) > before:
            self._compile()

    def _place(
        self, out: Record, name: str, value: object, record: Record, alike: Sequence[object]
    ) -> None:
        """Put a misfit into the first column that takes it, made if there is none yet."""
        known, kind = self.schema["properties"], infer(alike)
        for column in self._columns_for(name, value, kind, (record, out)):
            if column not in known:
                # SQL targets fold case: `ID` beside `id` would be the same column.
                if column.lower() in self._folded:
                    continue
                if len(self.columns) >= self._max_new_columns:
                    if EXTRA not in known:
                        self._add(EXTRA, "object")
                    out.setdefault(EXTRA, {})[name] = value
                    return
                self._add(column, kind)
            fitted = self._conform[column](value)
            if fitted is not MISFIT:
                out[column] = fitted
                return

    def _columns_for(
        self, name: str, value: object, kind: Kind, taken: Sequence[Record]
    ) -> Iterator[str]:
        """List the columns a misfit may be put into: its own, then variants without end."""
        column = column_name(name)
        while True:
            if column == name or not any(column in names for names in taken):
                yield column
            column = self._variant(column, value, kind)

    def _variant(self, column: str, value: object, kind: Kind) -> str:
        """Name the column for a value that does not fit its own."""
        if family(value) != "number":
            return column_name(column, f"__v_{json_type(value)}")
        known = self.schema["properties"]
        number, integer = (column_name(column, f"__v_{one}") for one in ("number", "integer"))
        whole = integer in known or (kind == "integer" and number not in known)
        return integer if whole and is_whole(value) else number

    def _add(self, name: str, kind: Kind) -> None:
        self.columns[name] = kind
        self.new_columns.append(name)
        self.schema["properties"][name] = SCHEMAS[kind]
        self._folded.add(name.lower())
        if name != EXTRA:
            self._conform[name] = compile_value(SCHEMAS[kind])


def _texts(looks: Sequence[Timestamps | None]) -> list[str]:
    """Gather all timestamps that are given."""
    return [text for look in looks if look for text in look if isinstance(text, str)]
