"""Gives columns of their own to unknown fields, and to values that do not fit their column.

The types of new columns are those of a whole page, so that two values of one page never disagree.
"""

from __future__ import annotations

import typing as t

from commerce_taps.records.columns import (
    EXTRA,
    SCHEMAS,
    column_name,
    family,
    infer,
    is_int64,
    json_type,
)
from commerce_taps.records.conform import INVALID, compile_value

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from commerce_taps.records.columns import Kind, Schema
    from commerce_taps.records.conform import Record


class Unplaced(t.NamedTuple):
    """Fields of a record that have no column, or a value that is invalid in theirs.

    Attributes:
        record: The record as sent.
        out: What is emitted of it so far.
        fields: The fields and their values.
    """

    record: Record
    out: Record
    fields: Sequence[tuple[str, t.Any]]


class Evolution:
    """The columns of one stream, which may grow.

    Attributes:
        kinds: The columns added in this run or in earlier ones, and their types.
        added: The names of the columns added since the list was last cleared.
        fitters: For each column, the function that fits a value to it.
    """

    def __init__(self, properties: Schema, kinds: Mapping[str, Kind], *, max_columns: int) -> None:
        """Compile the columns.

        Args:
            properties: The schemas of all columns. New columns are added to them.
            kinds: The columns that earlier runs added, and their types.
            max_columns: How many columns may be added in all; further fields go to `_extra`.
        """
        self.kinds = dict(kinds)
        self.added: list[str] = []
        self.fitters = {
            name: compile_value(schema) for name, schema in properties.items() if name != EXTRA
        }
        self._properties = properties
        self._folded = set(map(str.lower, properties))
        self._max_columns = max_columns

    def place(self, page: Sequence[Unplaced]) -> bool:
        """Place all fields of a page that have no place yet.

        Args:
            page: The fields by record. Their values are added to what is emitted.

        Returns:
            Whether columns were added.
        """
        values: dict[tuple[str, str], list[object]] = {}
        for unplaced in page:
            for name, value in unplaced.fields:
                values.setdefault((name, family(value)), []).append(value)
        kinds = {group: infer(alike) for group, alike in values.items()}
        before = len(self.added)
        for unplaced in page:
            for name, value in unplaced.fields:
                self._place(unplaced, name, value, kinds[name, family(value)])
        return len(self.added) > before

    def _place(self, unplaced: Unplaced, name: str, value: object, kind: Kind) -> None:
        """Put a value into the first column that accepts it; add one if there is none."""
        for column in self._candidates(unplaced, name, value, kind):
            if column not in self._properties:
                # SQL targets fold case: to them `ID` and `id` are the same column.
                if column.lower() in self._folded:
                    continue
                if len(self.kinds) >= self._max_columns:
                    if EXTRA not in self._properties:
                        self._add(EXTRA, "object")
                    unplaced.out.setdefault(EXTRA, {})[name] = value
                    return
                self._add(column, kind)
            fitted = self.fitters[column](value)
            if fitted is not INVALID:
                unplaced.out[column] = fitted
                return

    def _candidates(
        self, unplaced: Unplaced, name: str, value: object, kind: Kind
    ) -> Iterator[str]:
        """List the columns for a value: the field's own, then variants without end."""
        column = column_name(name)
        while True:
            if column == name or not (column in unplaced.record or column in unplaced.out):
                yield column
            column = self._variant(column, value, kind)

    def _variant(self, column: str, value: object, kind: Kind) -> str:
        """Name the variant of a column that takes a value of another type."""
        if family(value) != "number":
            return column_name(column, f"__v_{json_type(value)}")
        number, integer = (column_name(column, f"__v_{one}") for one in ("number", "integer"))
        is_integer = integer in self._properties or (
            kind == "integer" and number not in self._properties
        )
        return integer if is_integer and is_int64(value) else number

    def _add(self, name: str, kind: Kind) -> None:
        self.kinds[name] = kind
        self.added.append(name)
        self._properties[name] = SCHEMAS[kind]
        self._folded.add(name.lower())
        if name != EXTRA:
            self.fitters[name] = compile_value(SCHEMAS[kind])
