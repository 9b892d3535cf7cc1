"""Codat through Meltano and this repository's own loader into DuckDB: every digit is stored."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from commerce_sandbox import Sandbox
from commerce_taps.records import dates
from tests.e2e.support import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_own_loader_stores_exact_values(tmp_path: Path) -> None:
    with Sandbox(scale=0.1) as sandbox:
        pipeline = Pipeline(
            sandbox,
            tmp_path / "lines.duckdb",
            tmp_path / "meltano.db",
            job=("tap-codat", "target-duckdb-lines"),
        )
        load(pipeline)
        assert_equal(pipeline)
        assert sandbox.mutate(changes=30, inserts=10)
        load(pipeline)
        assert_equal(pipeline)


def load(pipeline: Pipeline) -> None:
    """Run the tap and the loader in Meltano."""
    pipeline.run(TARGET_DUCKDB_LINES_FILEPATH=str(pipeline.database))


def assert_equal(pipeline: Pipeline) -> None:
    """Compare every value of every table with that of the API."""
    with duckdb.connect(str(pipeline.database), read_only=True) as connection:
        connection.execute("SET schema = 'tap_codat'")
        names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        assert "commerce_orders" in names
        for name in names:
            result = connection.table(name).select("COLUMNS(lambda c: c NOT LIKE '_sdc_%')")
            is_json = [str(kind) == "JSON" for kind in result.types]
            found = {
                json.dumps(row, sort_keys=True, default=str)
                for row in (
                    {
                        column: loaded(value, json_=json_)
                        for column, value, json_ in zip(
                            result.columns, values, is_json, strict=True
                        )
                        if value is not None
                    }
                    for values in result.fetchall()
                )
            }
            wanted = {
                json.dumps(expected_row(row), sort_keys=True, default=str)
                for row in map(decode, pipeline.sandbox.truth_lines(name))
            }
            assert len(found) == len(wanted), name
            assert (name, sorted(found ^ wanted)[:4]) == (name, [])


def decode(text: str | bytes) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def loaded(value: Any, *, json_: bool) -> Any:  # noqa: ANN401
    """Convert a value of a table to the form of `sent`."""
    if json_:
        return decode(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return Decimal(repr(value)).normalize() if is_number else value


def expected_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the API as its table has it: with a text beside each truncated timestamp."""
    found = {column: sent(value) for column, value in row.items() if value is not None}
    cut = {
        f"{column}__text": row[column]
        for column, value in found.items()
        if isinstance(value, datetime)
        and row[column][len("2024-05-30T19:00:00.849078") :].strip("0Z")
    }
    return found | cut


def sent(value: Any) -> Any:  # noqa: ANN401
    """Convert a value of the API to the form of `loaded`."""
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, str) and value[4:5] == "-" and value[10:11] == "T":
        return dates.parse(value)
    return value
