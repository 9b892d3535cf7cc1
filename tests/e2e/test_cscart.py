"""A store of each release through Meltano into DuckDB, in three runs into one file.

The first run is a full one, nothing changes before the second, and rows change before the third.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pytest
from typing_extensions import override

from commerce_sandbox import Sandbox
from commerce_taps.records import dates
from tests.cscart.support import KINDS, RELEASES, differences, off
from tests.e2e.support import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox.fake_api import ChangedRow

pytestmark = pytest.mark.e2e

Record = dict[str, Any]
Table = dict[tuple[Any, ...], Record]

DOCUMENT = (Path(__file__).parents[2] / "docs" / "tap-cscart.md").read_text(encoding="utf-8")

PARENTS = {"order_items": "orders", "product_feature_values": "products"}
"""The parent streams whose dates of change also cover these streams."""


class StorePipeline(Pipeline):
    """The project's job for tap-cscart."""

    @override
    def command(self, *options: str) -> list[str]:
        """Return the command line of a run of the job."""
        return [*super().command(*options)[:-1], "cscart-to-duckdb"]

    @override
    def tables(self) -> dict[str, Table]:
        """Read all tables, without the loader's own columns."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("SET schema = 'tap_cscart'")
            names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            return {name: read(connection, name) for name in names}

    def examples(self) -> list[list[Record]]:
        """Run the queries of docs/tap-cscart.md, and return the rows of each."""
        statements = re.findall(r"^```sql\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
        with duckdb.connect(str(self.database), read_only=True) as connection:
            found = [connection.sql(statement) for statement in statements]
            return [
                [dict(zip(one.columns, row, strict=True)) for row in one.fetchall()]
                for one in found
            ]

    def truth(self, stream: str) -> Table:
        """Return the rows that the table of a stream should have."""
        return keyed(stream, map(json.loads, self.sandbox.truth_lines(f"cscart.{stream}")))


def read(connection: duckdb.DuckDBPyConnection, name: str) -> Table:
    result = connection.table(name).select("COLUMNS(lambda c: c NOT LIKE '_sdc_%')")
    is_json = [str(kind) == "JSON" for kind in result.types]
    rows = (
        {
            column: plain(value, is_json=json_)
            for column, json_, value in zip(result.columns, is_json, row, strict=True)
        }
        for row in result.fetchall()
    )
    return keyed(name, rows)


def plain(value: Any, *, is_json: bool) -> Any:  # noqa: ANN401 (JSON)
    """Convert a value of a table to the form in which the tap emits it."""
    if isinstance(value, datetime):
        return dates.normalize(value.isoformat())
    return json.loads(value) if is_json and value is not None else value


def keyed(stream: str, rows: Any) -> Table:  # noqa: ANN401 (an iterable of rows)
    """Index rows by key, and check that keys are unique."""
    listed = list(rows)
    found = {tuple(row.get(key, 0) for key in KINDS[stream].primary_keys): row for row in listed}
    assert len(found) == len(listed), f"{stream}: {len(listed) - len(found)} rows share a key"
    return found


def table_differences(stream: str, table: Table, wanted: Table) -> list[str]:
    """List the differences of a table from the expected rows.

    In a table, empty texts and missing fields are null.
    """
    rows, right = dict(table), dict(wanted)
    for key in table.keys() & wanted.keys():
        row, other = table[key], wanted[key]
        rows[key] = {n: value for n, value in row.items()
                     if value is not None or other.get(n) not in (None, {})}  # fmt: skip
        right[key] = {n: None if value == "" and row.get(n) is None else value
                      for n, value in other.items()}  # fmt: skip
    return differences(rows, right, ignored=off(stream))


class RunHistory(NamedTuple):
    """The results of three runs against one store.

    Attributes:
        first: The tables after the first run, and as they should be.
        second: The tables after the second run, before which nothing changed.
        third: The tables after the third run, and as they should be.
        loaded: The number of rows of each stream that the second run loaded.
        examples: The rows of each documented query after the third run.
        stale: The keys of the order lines that a documented query finds to be removed.
        touched: The rows that changed before the third run.
    """

    first: tuple[dict[str, Table], dict[str, Table]]
    second: dict[str, Table]
    third: tuple[dict[str, Table], dict[str, Table]]
    loaded: dict[str, int]
    examples: list[list[Record]]
    stale: set[tuple[Any, ...]]
    touched: list[ChangedRow]


@pytest.fixture(scope="module", params=RELEASES)
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunHistory]:
    folder = tmp_path_factory.mktemp("store")
    with Sandbox(scale=0.02, cscart_release=request.param) as sandbox:
        pipeline = StorePipeline(sandbox, folder / "store.duckdb", folder / "meltano.db")
        pipeline.run()
        tables = pipeline.tables()
        first = tables, {stream: pipeline.truth(stream) for stream in tables}
        pipeline.run()
        second, loaded = pipeline.tables(), dict(pipeline.loaded)
        touched = sandbox.mutate(changes=40, inserts=8, deletes=4, stream="cscart")
        pipeline.run()
        tables = pipeline.tables()
        third = tables, {stream: pipeline.truth(stream) for stream in tables}
        examples = pipeline.examples()
        stale = {(row["order_id"], row["item_id"]) for row in examples[1]}
        yield RunHistory(first, second, third, loaded, examples, stale, touched)


def test_first_run_loads_every_row(history: RunHistory) -> None:
    tables, wanted = history.first
    on = {name for name, kind in KINDS.items() if kind.selected_by_default}
    assert on - tables.keys() <= {"vendors", "product_variation_groups"}  # they have no rows
    for stream, table in tables.items():
        found = table_differences(stream, table, wanted[stream])
        assert (stream, found[:5]) == (stream, [])


def test_second_run_loads_few_rows(history: RunHistory) -> None:
    tables, _ = history.first
    assert history.second == tables
    for stream in ("orders", "products"):
        assert history.loaded[stream] < len(tables[stream]) / 2


def test_third_run_loads_reported_changes(history: RunHistory) -> None:
    tables, wanted = history.third
    unmarked = {(one.stream, tuple(one.key.values())) for one in history.touched
             if one.change == "unmarked" and one.stream in ("orders", "products")}  # fmt: skip
    deleted = {(one.stream, tuple(one.key.values())) for one in history.touched
               if one.change == "deleted"}  # fmt: skip
    for stream, table in tables.items():
        of = PARENTS.get(stream, stream)
        size = len(KINDS[of].primary_keys)
        checked = {
            key: row
            for key, row in table.items()
            if (of, key[:size]) not in unmarked | deleted
            and (stream != "order_items" or key not in history.stale)
            and ("orders", (row.get("order_id"),)) not in deleted
        }
        rows = {key: row for key, row in wanted[stream].items() if (of, key[:size]) not in unmarked}
        found = table_differences(stream, checked, rows)
        assert (stream, found[:5]) == (stream, [])


def test_removed_lines_are_found_by_time(history: RunHistory) -> None:
    tables, wanted = history.third
    assert not history.stale & wanted["order_items"].keys()
    has_dates = any(row["updated_at"] for row in tables["orders"].values())
    assert bool(history.stale) == has_dates


def test_documented_queries_find_rows(history: RunHistory) -> None:
    _, _, *others = history.examples
    assert len(others) == 5
    assert all(others)


def test_deleted_rows_stay_in_tables(history: RunHistory) -> None:
    tables, wanted = history.third
    gone = [one for one in history.touched if one.change == "deleted"]
    assert gone
    for one in gone:
        key = tuple(one.key.values())
        assert key in tables[one.stream]
        assert key not in wanted[one.stream]
