"""From the API through Meltano and this repository's own loader into DuckDB, to the last digit."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from commerce_sandbox import Sandbox
from commerce_taps.records import dates
from tests.e2e.support import BIN, ROOT, Pipeline, alone, install

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_own_loader_stores_exact_values(tmp_path: Path) -> None:
    with Sandbox(scale=0.1) as sandbox:
        pipeline = Pipeline(sandbox, tmp_path / "lines.duckdb", tmp_path / "meltano.db")
        load(pipeline)
        assert_true(pipeline)
        assert sandbox.mutate(changes=30, inserts=10)
        load(pipeline)
        assert_true(pipeline)


def load(pipeline: Pipeline) -> None:
    """Run the tap into the loader by Meltano."""
    install()
    file = {"TARGET_DUCKDB_LINES_FILEPATH": str(pipeline.database)}
    with alone():
        ran = subprocess.run(
            [
                *(BIN / "meltano", f"--env-file={os.devnull}", "--environment=sandbox"),
                *("--log-format=uncolored", "run", "tap-codat", "target-duckdb-lines"),
            ],
            cwd=ROOT,
            env=pipeline.environment | file,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout[-4000:]


def assert_true(pipeline: Pipeline) -> None:
    """Compare every table with what the API has, value by value."""
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
                json.dumps(sent_row(row), sort_keys=True, default=str)
                for row in map(decode, pipeline.sandbox.truth_lines(name))
            }
            assert len(found) == len(wanted), name
            assert (name, sorted(found ^ wanted)[:4]) == (name, [])


def decode(text: str | bytes) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def loaded(value: Any, *, json_: bool) -> Any:  # noqa: ANN401
    """Give what a column holds in the form of `sent`."""
    if json_:
        return decode(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return Decimal(repr(value)).normalize() if is_number else value


def sent_row(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row of the API as its table has it: a text beside a timestamp that is cut."""
    found = {column: sent(value) for column, value in row.items() if value is not None}
    cut = {
        f"{column}__text": row[column]
        for column, value in found.items()
        if isinstance(value, datetime)
        and row[column][len("2024-05-30T19:00:00.849078") :].strip("0Z")
    }
    return found | cut


def sent(value: Any) -> Any:  # noqa: ANN401
    """Give what the API has in the form of `loaded`."""
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, str) and value[4:5] == "-" and value[10:11] == "T":
        return dates.parse(value)
    return value
