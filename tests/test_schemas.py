"""What every schema of every tap has to have, so that loaders can make tables of it."""

from __future__ import annotations

import pytest

from tests.contract import untyped
from tests.test_secrets import APIS, streams_of


@pytest.mark.parametrize("api", APIS)
def test_columns_and_items_have_a_type(api: str) -> None:
    found = {stream.name: list(untyped(stream.schema)) for stream in streams_of(api)}
    assert len(found) > 10
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize(
    ("column", "places"),
    [
        ({}, [".a"]),
        ({"type": "null"}, [".a"]),
        ({"type": ["null"]}, [".a"]),
        ({"type": ["array", "null"]}, [".a[]"]),
        ({"type": "array", "items": {}}, [".a[]"]),
        ({"type": "array", "items": {"type": "array", "items": {}}}, [".a[][]"]),
        ({"type": "object", "properties": {"b": {"type": "null"}}}, [".a.b"]),
        ({"type": "array", "items": {"type": ["string", "null"]}}, []),
    ],
)
def test_column_without_type_is_found(column: dict[str, object], places: list[str]) -> None:
    assert list(untyped({"type": "object", "properties": {"a": column}})) == places
