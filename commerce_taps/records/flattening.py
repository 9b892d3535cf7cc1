"""Columns out of the fields of objects (`flattening_enabled`), so that nothing is dropped.

The SDK's own flattening leaves columns that no SCHEMA has: of fields the schema does not know, of
values that are not of the type it tells, of objects that are null. Loaders drop or refuse those.
Here a column is known by the path it came from, and the record is fitted to the flat schema after.
"""

from __future__ import annotations

import typing as t

from singer_sdk.helpers._flattening import flatten_key

from commerce_taps.records.conform import encode, kinds, spare

if t.TYPE_CHECKING:
    from singer_sdk.helpers._flattening import FlatteningOptions

    from commerce_taps.records.columns import Schema
    from commerce_taps.records.conform import Record

Path = tuple[str, ...]

TEXT: t.Final = {"type": ["string", "null"]}
"""What arrays, and objects that are not taken apart, become: their JSON."""


class Flattening:
    """Flattens one schema and the records that fit it.

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
        """Give the schema of a column, which is null wherever an object above it is."""
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
            record: A record that fits the schema, which may have fields beyond it.

        Returns:
            A value in every declared column, null where the record says nothing; and what has no
            column, under the name it would have.
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
                if value is None:  # says nothing; of an object, all its columns are null
                    continue
                column = self._name(path)
                if column in out:
                    column = spare(column, value, out)
            out[column] = encode(value).decode() if isinstance(value, (dict, list)) else value
