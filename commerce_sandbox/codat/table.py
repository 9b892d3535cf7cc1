"""A list of records as the API serves it: filtered, sorted, and kept encoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox.codat.query import (
    Fields,
    MalformedError,
    UnresolvedError,
    comparable,
    compile_query,
    value_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Record = dict[str, Any]

encode: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes a record; a decimal becomes a number with all its digits, so 12.50 stays 12.50."""

_ORDER: Final = re.compile(r"-?[A-Za-z][A-Za-z0-9.]*")


class Table:
    """Records in storage order, which is neither that of their ids nor that of their timestamps.

    Args:
        fields: The properties that can be queried and sorted by.
        key: The property that identifies a record.
    """

    def __init__(self, rows: list[Record], fields: Fields, key: str = "id") -> None:
        self.rows = rows
        self.fields = fields
        self.key = key
        self._encoded: list[bytes | None] = [None] * len(rows)
        self._selected: dict[tuple[str | None, str | None], list[int]] = {}

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.rows)

    def encoded(self, number: int) -> bytes:
        """Return a record as JSON."""
        known = self._encoded[number]
        if known is None:
            known = self._encoded[number] = encode(self.rows[number])
        return known

    def find(self, key: str) -> bytes | None:
        """Return the record with this key as JSON."""
        for number, row in enumerate(self.rows):
            if row.get(self.key) == key:
                return self.encoded(number)
        return None

    def select(
        self, query: str | None, order: str | None, queryable: Fields | None = None
    ) -> Sequence[int]:
        """Return the numbers of the records that a query means, in order.

        Records that tie in the order keep their storage order.

        Args:
            query: The `query` parameter.
            order: The `orderBy` parameter: a property, descending with `-` before it.
            queryable: The properties a query may name, if not all.

        Raises:
            QueryError: One of the two is invalid.
        """
        if query is None and order is None:
            return range(len(self.rows))
        signature = (query, order)
        known = self._selected.get(signature)
        if known is None:
            known = self._select(query, order, self.fields if queryable is None else queryable)
            self._selected[signature] = known
        return known

    def _select(self, query: str | None, order: str | None, queryable: Fields) -> list[int]:
        chosen: list[int] = list(range(len(self.rows)))
        if query is not None:
            predicate = compile_query(query, queryable)
            chosen = [number for number in chosen if predicate(self.rows[number])]
        if order is not None:
            if not _ORDER.fullmatch(order):
                raise MalformedError
            name = order.removeprefix("-")
            kind = self.fields.get(name)
            if kind is None:
                raise UnresolvedError(name)
            values = {n: comparable(value_at(self.rows[n], name), kind) for n in chosen}
            nothing = [number for number in chosen if values[number] is None]
            something = [number for number in chosen if values[number] is not None]
            something.sort(key=values.__getitem__, reverse=order.startswith("-"))
            chosen = something + nothing if order.startswith("-") else nothing + something
        return chosen

    def add(self, row: Record) -> None:
        """Append a record."""
        self.rows.append(row)
        self._encoded.append(None)
        self._selected.clear()

    def remove(self, number: int) -> Record:
        """Take a record out."""
        del self._encoded[number]
        self._selected.clear()
        return self.rows.pop(number)

    def changed(self, number: int) -> None:
        """Drop the cached forms of a changed record."""
        self._encoded[number] = None
        self._selected.clear()

    def all_changed(self) -> None:
        """Drop the cached forms of all records."""
        self._encoded = [None] * len(self.rows)
        self._selected.clear()

    def __iter__(self) -> Iterator[Record]:
        """Go through the records in storage order."""
        return iter(self.rows)
