"""The columns of every stream, one file a stream, in a folder for each of the two APIs.

A file is JSON Schema, shorter by two things, which are filled in when it is read:

- `{"$ref": "types.json#/Address"}` stands for an object that several streams have inside;
- an integer has the bounds of 64 bits, as SQL targets keep it.
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


class Declarations(SchemaDirectory):
    """The files of one folder."""

    def __init__(self, folder: ModuleType) -> None:
        """Read the shared objects.

        Args:
            folder: The package the files are in.
        """
        super().__init__(folder)
        self._types: Schema = super().fetch_schema("types")

    @override
    def fetch_schema(self, key: str) -> Schema:
        """Read a stream's file.

        Args:
            key: The stream's name.

        Returns:
            Its columns.
        """
        return self._whole(super().fetch_schema(key))

    def _whole(self, node: Schema) -> Schema:
        """Fill in what a file leaves out."""
        if "$ref" in node:
            shared = self._types[node["$ref"].removeprefix(TYPES)]
            node = {**shared, **{name: value for name, value in node.items() if name != "$ref"}}
        if "integer" in kinds(node):
            node = {**node, **INT64}
        if "items" in node:
            node = {**node, "items": self._whole(node["items"])}
        if "properties" in node:
            columns = {name: self._whole(column) for name, column in node["properties"].items()}
            node = {**node, "properties": columns}
        return node
