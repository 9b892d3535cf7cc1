"""The schemas of all streams: one JSON Schema file per stream, in a folder per API.

The files leave out two things, which are filled in here:

- `{"$ref": "types.json#/Address"}` stands for an object that several streams contain;
- every integer has the bounds of 64 bits, which SQL targets need.
"""

from __future__ import annotations

import typing as t

from singer_sdk import SchemaDirectory
from typing_extensions import override

from commerce_taps.records.columns import INT64
from commerce_taps.records.conform import kinds

if t.TYPE_CHECKING:
    from types import ModuleType

    from commerce_taps.records.columns import Schema

TYPES: t.Final = "types.json#/"


class SchemaFiles(SchemaDirectory):
    """The files of one folder."""

    def __init__(self, folder: ModuleType) -> None:
        """Read the shared objects.

        Args:
            folder: The package that contains the files.
        """
        super().__init__(folder)
        self._types: Schema = super().fetch_schema("types")

    @override
    def fetch_schema(self, key: str) -> Schema:
        return self._complete(super().fetch_schema(key))

    def _complete(self, node: Schema) -> Schema:
        """Fill in what a file leaves out."""
        if "$ref" in node:
            shared = self._types[node["$ref"].removeprefix(TYPES)]
            node = {**shared, **{name: value for name, value in node.items() if name != "$ref"}}
        if "integer" in kinds(node):
            node = {**node, **INT64}
        if "items" in node:
            node = {**node, "items": self._complete(node["items"])}
        if "properties" in node:
            columns = {name: self._complete(one) for name, one in node["properties"].items()}
            node = {**node, "properties": columns}
        return node
