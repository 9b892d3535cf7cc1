"""Flattens objects into columns (`flattening_enabled`), and drops nothing.

The SDK's flattening produces columns that are in no SCHEMA: for fields that the schema does not
know, for values of another type than declared, for objects that are null. Loaders drop or reject
them. Here each column belongs to a path, and the flat record is then fitted to the flat schema.
"""

from __future__ import annotations

import typing as t

from singer_sdk.helpers._flattening import flatten_key

from commerce_taps.records.conform import encode, kinds, unused_variant

if t.TYPE_CHECKING:
    from singer_sdk.helpers._flattening import FlatteningOptions

    from commerce_taps.records.columns import Schema
    from commerce_taps.records.conform import Record
    from commerce_taps.records.selection import Path

TEXT: t.Final = {"type": ["string", "null"]}
"""The schema of arrays, and of objects that are not flattened: a text, their JSON."""


class Flattening:
    """Flattens a schema and the records that are valid against it.

    Attributes:
        schema: The flat schema.
    """

    def __init__(self, schema: Schema, options: FlatteningOptions) -> None:
        """Flatten a schema.

        Args:
            schema: The schema of the records.
            options: How deep, and how columns are named.
        """
        self._options = options
        self._paths: dict[Path, str] = {}
        self._columns: dict[str, Schema] = {}
        self._add(schema["properties"], ())
        self.schema = {**schema, "properties": self._columns}

    def _name(self, path: Path) -> str:
        return flatten_key(
            path[-1],
            list(path[:-1]),
            self._options.separator,
            max_key_length=self._options.max_key_length,
        )

    def _add(self, properties: Schema, above: Path) -> None:
        for name, schema in properties.items():
            path = (*above, name)
            if "object" in kinds(schema) and schema.get("properties") and self._opens(path):
                self._add(schema["properties"], path)
                continue
            column, number = self._name(path), 2
            while column in self._columns:  # two paths may lead to one name
                column, number = f"{self._name(path)}__{number}", number + 1
            self._paths[path] = column
            self._columns[column] = self._flat(schema, nullable=bool(above))

    def _flat(self, schema: Schema, *, nullable: bool) -> Schema:
        """Return the schema of a column: nullable if it comes from inside an object."""
        own = kinds(schema)
        if not own or "array" in own or "object" in own:
            described = {"description": schema["description"]} if "description" in schema else {}
            return {**TEXT, **described}
        return {**schema, "type": [*own, "null"]} if nullable else schema

    def _opens(self, path: Path) -> bool:
        return len(path) <= self._options.max_level

    def flatten(self, record: Record) -> Record:
        """Flatten a record.

        Args:
            record: A record that is valid against the schema; it may have unknown fields.

        Returns:
            A value for every declared column, null if the record has none, and every unknown field
            under the name that its column would have.
        """
        out: Record = dict.fromkeys(self._columns)
        self._fill(out, record, ())
        return out

    def _fill(self, out: Record, found: Record, above: Path) -> None:
        for name, value in found.items():
            path = (*above, name)
            column = self._paths.get(path)
            if column is None and isinstance(value, dict) and self._opens(path):
                self._fill(out, value, path)
                continue
            if column is None:
                if value is None:  # an object that is null: so are all its columns
                    continue
                column = self._name(path)
                if column in out:
                    column = unused_variant(column, value, out)
            out[column] = encode(value).decode() if isinstance(value, (dict, list)) else value
