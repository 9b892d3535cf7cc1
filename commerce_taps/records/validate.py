"""Validates raw records against a stream's schema, and makes of them what is emitted.

A record takes one of two paths:

- the fast path, if a Struct compiled from the schema accepts it (types checked in C, no unknown
  field, timestamps in the canonical form): its own bytes are emitted, every digit as sent;
- the slow path, record by record, otherwise: `Shape.conform` writes timestamps in the canonical
  form, gives an unknown field a column of its own, and moves a value that is not valid in its
  column to a variant of the column, `<name>__v_<type>`, as dlt does. Nothing is dropped.

If a record could take either, both emit the same. Only top-level columns of the format `date-time`
are timestamps; nested values stay as sent.
"""

from __future__ import annotations

import copy
import itertools
import typing as t

import msgspec
from msgspec import UNSET

from commerce_taps.errors import RecordFailed
from commerce_taps.pagination.page import Page, digest
from commerce_taps.records import dates
from commerce_taps.records.columns import EXTRA, SCHEMAS, json_type
from commerce_taps.records.conform import (
    INVALID,
    UNREADABLE,
    Record,
    decode,
    encode,
    variant,
)
from commerce_taps.records.evolve import Evolution, Unplaced
from commerce_taps.records.normalize import AnyRecord, NormalizedRecord, values_of
from commerce_taps.records.selection import Selection
from commerce_taps.records.structs import (
    attribute,
    attributes,
    is_plain,
    struct_decoder,
    value_checker,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from datetime import datetime

    from msgspec import Struct

    from commerce_taps.records.columns import Kind, Schema

Timestamps = t.Sequence[t.Any]
"""The values of a record's timestamp columns, the replication key first: text, null or UNSET."""


class _Decoded(t.NamedTuple):
    """What validates and prunes normalized records.

    Attributes:
        check_declared: Accepts a record of declared fields only, each of its declared type.
        prune_declared: Prunes such a record.
        check_pruned: Accepts a record that was pruned as any other is.
    """

    check_declared: Callable[[Record], Struct]
    prune_declared: Callable[[Record], Record]
    check_pruned: Callable[[Record], Struct]


class Shape:
    """The schema of one stream, compiled to validate and emit its records.

    Attributes:
        schema: The stream's schema. It grows if `evolve` is on and a record needs a new column.
        selection: What is emitted.
        columns: The columns added in this run or in earlier ones, and their types. Every record has
            them, null if it has no value for them: loaders clear only columns that a record has.
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
            keys: Key columns. Every record must have a valid value for each.
            context_keys: Columns that come from the partition, not from the record.
            replication_key: The column that bookmarks are made of.
            selection: What is emitted; by default everything.
            evolve: Whether unknown fields become columns (`new_fields: evolve`).
            columns: Columns that earlier runs added, and their types, which never change.
            max_new_columns: How many columns may be added in all; further fields go to `_extra`.
        """
        self.schema = copy.deepcopy(schema)
        self.selection = selection or Selection(schema)
        self.dropped: set[str] = set()
        self._keys = keys
        self._context_keys = context_keys
        self._replication_key = replication_key
        self._evolve = evolve
        properties = self.schema["properties"]
        if evolve:
            properties.update({name: SCHEMAS[kind] for name, kind in columns.items()})
        self._evolution = Evolution(properties, columns, max_columns=max_new_columns)
        self.columns = self._evolution.kinds
        self._fitters = self._evolution.fitters
        self._compile()

    @property
    def new_columns(self) -> list[str]:
        """The names of the columns added since the list was last cleared."""
        return self._evolution.added

    def _compile(self) -> None:
        """Compile the functions that validate and splice records."""
        properties = self.schema["properties"]
        # A field that is itself called `_extra` goes into that column like any unknown field.
        self._foreign = {*self._context_keys, EXTRA}
        own = {name: value for name, value in properties.items() if name not in self._foreign}
        self._own_keys = [name for name in self._keys if name in own]
        hidden = {name for name in own if self.selection.hides(name)}
        self._hidden = {attribute(name) for name in hidden}
        ignored = hidden - {self._replication_key}
        # The fast path accepts an object with hidden parts only if the record has none of them.
        emitted = self.selection.closed_schema(self.schema)["properties"]
        self._decode_valid = struct_decoder(
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
        self._has_timestamp = self._replication_key in timestamps
        self._read_timestamps = attributes(timestamps)
        self._timestamp_attributes = [attribute(name) for name in timestamps]
        self._decoded: _Decoded | None = None
        self._decode_slices = struct_decoder({name: {} for name in own}, strict=False)
        kept: dict[str, Schema] = {name: {} for name in own if name not in hidden}
        self._decode_selected = struct_decoder(kept, strict=False) if hidden else None
        self._added = [name for name in self.columns if not self.selection.hides(name)]
        self._decode_added = struct_decoder({name: {} for name in self._added}, strict=False)
        self._read_added = attributes(self._added)
        self._nulls = [b"%b:null," % encode(name) for name in self._added]

    # --- fast path ------------------------------------------------------------------------------

    def validate(self, records: Sequence[msgspec.Raw]) -> Page:
        """Validate the records of a page, in C.

        The decoded values are not kept: keeping them would cost more than everything else.

        Args:
            records: The records' bytes.

        Returns:
            A page of the records, with timestamps in the canonical form if nothing else is wrong
            with them; `valid` and `timestamps` are filled in.
        """
        out, found = list(records), [self._check(raw) for raw in records]
        texts = _texts(found)
        if not dates.are_canonical(texts):
            for index, one in enumerate(found):
                if one is not None and not dates.are_canonical(_texts([one])):
                    out[index], found[index] = self._normalize_timestamps(out[index])
            texts = _texts(found)
        if not dates.are_timestamps(texts):
            found = [
                None if one is not None and not dates.are_timestamps(_texts([one])) else one
                for one in found
            ]
        valid = [one is not None for one in found]
        return Page(out, valid, self._replication_values(out, found))

    def page_of(self, records: Sequence[AnyRecord]) -> Page:
        """Make a page of normalized records, which are validated when they are written.

        Args:
            records: The records, and the bytes of those that are no objects.

        Returns:
            The page.
        """
        return Page(records, [False] * len(records), list(map(self.timestamp, records)))

    def _check(self, raw: msgspec.Raw) -> Timestamps | None:
        """Validate a record, except the form of its timestamps.

        Returns:
            Its timestamps; `None` if it is not valid.
        """
        try:
            row: Struct = self._decode_valid(raw)
        except UNREADABLE:
            return None
        # Without a key of its own, a record may have no field at all: nothing could be spliced.
        if not self._own_keys and all(
            name in self._hidden or getattr(row, name) is UNSET for name in row.__struct_fields__
        ):
            return None
        return self._read_timestamps(row)

    def _normalize_timestamps(self, raw: msgspec.Raw) -> tuple[msgspec.Raw, Timestamps | None]:
        """Write a record's timestamps in the canonical form, and leave the rest as sent.

        Returns:
            The record and its timestamps; the record unchanged and `None` if one is not valid.
        """
        row, found = self._decode_slices(raw), []
        for name in self._timestamp_attributes:
            value = getattr(row, name)
            text = UNSET if value is UNSET else decode(value)
            if isinstance(text, str) and not dates.are_canonical([text]):
                try:
                    text = dates.normalize(text)
                except ValueError:
                    return raw, None
                setattr(row, name, msgspec.Raw(encode(text)))
            found.append(text)
        return msgspec.Raw(encode(row)), found

    def _replication_values(
        self, records: Sequence[msgspec.Raw], found: Sequence[Timestamps | None]
    ) -> list[datetime | None]:
        """Parse the replication values: those of all valid records at once."""
        if not self._has_timestamp:
            return [self.timestamp(raw) for raw in records]
        texts = [one[0] if one else None for one in found]
        values = dates.parse_canonical([text if isinstance(text, str) else None for text in texts])
        for index, one in enumerate(found):
            if one is None:
                values[index] = self.timestamp(records[index])
        return values

    def timestamp(self, record: AnyRecord) -> datetime | None:
        """Parse the replication value of a record, valid or not.

        Args:
            record: The record.

        Returns:
            The timestamp; `None` if the record has none.
        """
        if self._replication_key is None:
            return None
        try:
            return dates.parse(values_of(record)[self._replication_key])
        except (KeyError, AttributeError, TypeError, ValueError, *UNREADABLE):
            return None

    def key(self, record: AnyRecord) -> Hashable:
        """Read a record's identity within its partition.

        Args:
            record: The record.

        Returns:
            The values of its own key columns. The record's digest if the stream has none, or if a
            value is missing or invalid.
        """
        found = values_of(record)
        values = [self._fitters[key](found.get(key)) for key in self._own_keys]
        is_unusable = not values or None in values or INVALID in values
        return digest(record) if is_unusable else tuple(map(encode, values))

    def splice(self, raw: msgspec.Raw | bytes) -> memoryview | bytes:
        """Cut off a record's opening brace, so that partition columns can be put before its own.

        Args:
            raw: The bytes of a record that `validate` accepted.

        Returns:
            The bytes after the brace, without deselected columns, and with null for each of
            `columns` that the record lacks.
        """
        if self._decode_selected is not None:
            rest: memoryview | bytes = encode(self._decode_selected(raw))[1:]
        else:
            rest = memoryview(raw)[1:]
        if not self._added:
            return rest
        values = self._read_added(self._decode_added(raw))
        lacks = b"".join(
            null for null, value in zip(self._nulls, values, strict=True) if value is UNSET
        )
        return lacks + rest if lacks else rest

    # --- slow path ------------------------------------------------------------------------------

    def conform(
        self, records: Sequence[AnyRecord], context: Mapping[str, t.Any]
    ) -> list[Record | RecordFailed]:
        """Fit the records of a page that cannot be emitted as sent.

        Args:
            records: The records.
            context: The partition's columns, used unless the record has a value of its own.

        Returns:
            The records, each valid against `schema`, which may have grown: see `new_columns`. In
            place of a record without a usable key, or that cannot be decoded, the error.
        """
        opened = [self._open(record) for record in records]
        found = [one for one, _ in opened]
        return self.fit(found, context, _are_valid([timestamps for _, timestamps in opened]))

    def fit(
        self,
        records: Iterable[Record | RecordFailed],
        context: Mapping[str, t.Any] = {},
        valid: Iterable[bool] = itertools.repeat(object=False),
    ) -> list[Record | RecordFailed]:
        """Fit decoded records to the schema.

        Args:
            records: The records of a page, or the error of one that cannot be emitted.
            context: As for `conform`.
            valid: For each record, whether it is known to fit.

        Returns:
            As for `conform`.
        """
        unplaced: list[Unplaced] = []
        found = [
            one
            if isinstance(one, RecordFailed)
            else self._with_context(one, context)
            if is_valid
            else self._fit(one, context, unplaced)
            for one, is_valid in zip(records, valid, strict=False)
        ]
        if not self._evolve:
            known = self.schema["properties"]
            for _, _, fields in unplaced:
                self.dropped.update(
                    variant(name, value) if name in known else name for name, value in fields
                )
        elif self._evolution.place(unplaced):
            self._compile()
        for one in found:
            if isinstance(one, dict):
                for name in self._added:
                    one.setdefault(name, None)
        return found

    def _compile_decoded(self) -> _Decoded:
        """Compile what validates and prunes normalized records; most streams have none."""
        own = [name for name in self.schema["properties"] if name not in self._foreign]
        emitted = self.selection.schema(self.schema)["properties"]
        declared, prune = self.selection.compile(self.schema)
        return _Decoded(
            value_checker(
                {name: declared["properties"][name] for name in own},
                required=self._own_keys,
                closed=self.selection.is_deep,
            ),
            prune,
            value_checker(
                {name: emitted[name] for name in own if not self.selection.hides(name)},
                required=self._own_keys,
            ),
        )

    def _check_values(self, check: Callable[[Record], Struct], values: Record) -> Timestamps | None:
        """Validate decoded values, except the form of timestamps.

        Returns:
            The timestamps; `None` if the values are not valid.
        """
        try:
            return self._read_timestamps(check(values))
        except UNREADABLE:
            return None

    def _with_context(self, record: Record, context: Mapping[str, t.Any]) -> Record:
        if not self._context_keys:
            return record
        return {**{name: context[name] for name in self._context_keys if name in context}, **record}

    def _open(self, raw: AnyRecord) -> tuple[Record | RecordFailed, Timestamps | None]:
        """Decode and prune a record, and validate it in C if it is normalized.

        Returns:
            The record, and its timestamps if it is valid; their form is not validated.
        """
        try:
            if not isinstance(raw, NormalizedRecord):
                record = _decode(raw)
                if not isinstance(record, RecordFailed):
                    record = self.selection.prune(record)
                return record, None
            decoded = self._decoded = self._decoded or self._compile_decoded()
            timestamps = self._check_values(decoded.check_declared, raw.values)
            if timestamps is not None:
                return decoded.prune_declared(raw.values), timestamps
            pruned = self.selection.prune(raw.values)
            return pruned, self._check_values(decoded.check_pruned, pruned)
        except RecursionError:
            return RecordFailed("its values are nested too deeply"), None

    def _fit(
        self, record: Record, context: Mapping[str, t.Any], unplaced: list[Unplaced]
    ) -> Record | RecordFailed:
        """Fit a record to the schema, and list its fields that have no place in it.

        Returns:
            The record; the error if a key is missing or invalid.
        """
        out: Record = {name: context[name] for name in self._context_keys if name in context}
        fields: list[tuple[str, t.Any]] = []
        for name, value in record.items():
            if value is None and name in out:
                continue
            fitter = self._fitters.get(name)
            fitted = INVALID if fitter is None else fitter(value)
            if fitted is not INVALID:
                out[name] = fitted
                continue
            if name not in out and fitter is not None and fitter(None) is None:
                out[name] = None
            if value is not None:  # null has no type of its own, so it needs no column
                fields.append((name, value))
        for key in self._keys:
            if out.get(key) is None:
                problem = "is missing" if key not in record else f"is {json_type(record[key])}"
                return RecordFailed(f"its key `{key}` {problem}")
        if fields:
            unplaced.append(Unplaced(record, out, fields))
        return out


def _decode(raw: msgspec.Raw) -> Record | RecordFailed:
    """Decode a record; the error if it is no object."""
    try:
        record = decode(raw)
    except UNREADABLE as error:
        # The decoder's message may quote the record; the name of its error does not.
        return RecordFailed(f"it cannot be decoded ({type(error).__name__})")
    if not isinstance(record, dict):
        return RecordFailed(f"it is {json_type(record)} and not an object")
    return record


def _are_valid(found: Sequence[Timestamps | None]) -> list[bool]:
    """Check which of the records whose timestamps these are have them in the canonical form."""
    texts = _texts(found)
    if dates.are_canonical(texts) and dates.are_timestamps(texts):
        return [one is not None for one in found]
    return [
        one is not None and dates.are_canonical(own) and dates.are_timestamps(own)
        for one in found
        for own in [_texts([one])]
    ]


def _texts(found: Sequence[Timestamps | None]) -> list[str]:
    """List all timestamps that records have."""
    return [text for one in found if one for text in one if isinstance(text, str)]
