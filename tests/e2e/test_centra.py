"""Each of Centra's two APIs through Meltano into DuckDB, in three runs into one file.

The first run is a full one, nothing changes before the second, and rows change before the third.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pytest
from typing_extensions import override

from commerce_sandbox import Sandbox
from commerce_taps.records import dates
from tests.centra.support import GIVEN, INTEGRATION, KINDS, ORDER, differences
from tests.e2e.support import Pipeline, normalize_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from commerce_sandbox.fake_api import ChangedRow

pytestmark = pytest.mark.e2e

Record = dict[str, Any]
Table = dict[tuple[Any, ...], Record]

JOBS = {INTEGRATION: "centra-to-duckdb", ORDER: "centra-order-to-duckdb"}
SCHEMAS = {INTEGRATION: "tap_centra", ORDER: "tap_centra_order"}
BY_CREATION = {
    (INTEGRATION, "returns"): "createdAt",
    (ORDER, "orders"): "orderDate",
    (ORDER, "returns"): "date",
    (ORDER, "shipments"): "shipmentDate",
}
"""Streams without a date of change, and the date by which the tap filters them."""
LOOKBACK = timedelta(days=30)


class CentraPipeline(Pipeline):
    """The project's job for one of the two APIs."""

    def __init__(self, api: str, sandbox: Sandbox, folder: Path) -> None:
        super().__init__(sandbox, folder / f"{api}.duckdb", folder / "meltano.db")
        self.api = api

    @override
    def command(self, *options: str) -> list[str]:
        """Return the command line of a run of the job."""
        return [*super().command(*options)[:-1], JOBS[self.api]]

    @override
    def tables(self) -> dict[str, Table]:
        """Read all tables, without the loader's own columns."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute(f"SET schema = '{SCHEMAS[self.api]}'")
            names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            return {name: keyed(self.api, name, rows_of(connection, name)) for name in names}

    def truth(self, stream: str) -> Table:
        """Return the rows that the table of a stream should have."""
        lines = self.sandbox.truth_lines(f"centra.{self.api}.{stream}")
        return keyed(self.api, stream, (json.loads(line) for line in lines))


def rows_of(connection: duckdb.DuckDBPyConnection, name: str) -> Iterator[Record]:
    """Yield the rows of a table in the form in which the tap emits them."""
    result = connection.table(name).select("COLUMNS(lambda c: c NOT LIKE '_sdc_%')")
    is_json = [str(kind) == "JSON" for kind in result.types]
    for row in result.fetchall():
        yield {
            column: plain(value, is_json=json_)
            for column, json_, value in zip(result.columns, is_json, row, strict=True)
        }


def plain(value: Any, *, is_json: bool) -> Any:  # noqa: ANN401 (JSON)
    """Convert a value of a table to the form in which the tap emits it."""
    if isinstance(value, datetime):
        return dates.normalize(value.isoformat())
    if isinstance(value, Decimal):
        return float(value)
    return json.loads(value) if is_json and value is not None else value


def keyed(api: str, stream: str, rows: Iterable[Record]) -> Table:
    """Index rows by key, with columns in lower case and empty texts as null, as in a table.

    Keys must be unique.
    """
    listed = [
        {name.lower(): None if value == "" else value for name, value in row.items()}
        for row in rows
    ]
    keys = [key.lower() for key in KINDS[api][stream].primary_keys]
    found = {tuple(row[key] for key in keys): row for row in listed}
    assert len(found) == len(listed), f"{stream}: {len(listed) - len(found)} rows share a key"
    return found


def table_differences(api: str, stream: str, table: Table, wanted: Table) -> list[str]:
    """List the differences of a table from the expected rows. A missing field may be null."""
    given = {name.lower() for name in GIVEN.get((api, stream), ())}
    columns = {name for row in wanted.values() for name in row}
    absent = {key: normalize_row({**dict.fromkeys(columns), **row}) for key, row in wanted.items()}
    rows = {
        key: normalize_row({name: value for name, value in row.items() if name not in given})
        for key, row in table.items()
    }
    return [one for one in differences(api, stream, rows, absent) if ": no " not in one]


class RunHistory(NamedTuple):
    """The results of three runs against one API.

    Attributes:
        api: The API.
        first: The tables after the first run, and as they should be.
        second: The tables after the second run, before which nothing changed.
        third: The tables after the third run, and as they should be.
        loaded: The number of rows of each stream that the second run loaded.
        touched: The rows that changed before the third run.
    """

    api: str
    first: tuple[dict[str, Table], dict[str, Table]]
    second: dict[str, Table]
    third: tuple[dict[str, Table], dict[str, Table]]
    loaded: dict[str, int]
    touched: list[ChangedRow]

    def keys(self, stream: str, change: str) -> set[tuple[Any, ...]]:
        """Return the keys of the rows of a stream with one kind of change."""
        names = KINDS[self.api][stream].primary_keys
        return {
            tuple(one.key[name] for name in names)
            for one in self.touched
            if one.stream.endswith(f"{self.api}.{stream}") and one.change == change
        }


@pytest.fixture(scope="module", params=[INTEGRATION, ORDER])
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunHistory]:
    with Sandbox(scale=0.02) as sandbox:
        pipeline = CentraPipeline(request.param, sandbox, tmp_path_factory.mktemp("centra"))
        pipeline.run()
        tables = pipeline.tables()
        first = tables, {stream: pipeline.truth(stream) for stream in tables}
        pipeline.run()
        second, loaded = pipeline.tables(), dict(pipeline.loaded)
        touched = sandbox.mutate(changes=24, inserts=9, deletes=2, stream="centra")
        pipeline.run()
        tables = pipeline.tables()
        third = tables, {stream: pipeline.truth(stream) for stream in tables}
        yield RunHistory(request.param, first, second, third, loaded, touched)


def test_first_run_loads_every_row(history: RunHistory) -> None:
    tables, wanted = history.first
    on = {name for name, kind in KINDS[history.api].items() if kind.selected_by_default}
    assert on == tables.keys()
    for stream, table in tables.items():
        found = table_differences(history.api, stream, table, wanted[stream])
        assert (stream, found[:5]) == (stream, [])


def test_second_run_loads_few_rows(history: RunHistory) -> None:
    tables, _ = history.first
    for stream, table in tables.items():
        assert history.second[stream] == table, stream
    for stream in ("orders", "customers"):
        assert history.loaded[stream] < len(tables[stream]) / 2


def test_third_run_loads_reported_changes(history: RunHistory) -> None:
    tables, wanted = history.third
    for stream, table in tables.items():
        stale = set()
        if (history.api, stream) in BY_CREATION:
            column = BY_CREATION[history.api, stream].lower()
            latest = max(row[column] for row in history.second[stream].values() if row[column])
            since = dates.render(dates.parse(latest) - LOOKBACK)
            stale = {
                key
                for key in history.keys(stream, "unmarked")
                if (wanted[stream][key][column] or "9999") < since
            }
        lost = history.keys(stream, "deleted")
        got = {key: row for key, row in table.items() if key not in stale | lost}
        right = {key: row for key, row in wanted[stream].items() if key not in stale}
        assert (stream, table_differences(history.api, stream, got, right)[:5]) == (stream, [])


def test_deleted_rows_stay_in_tables(history: RunHistory) -> None:
    tables, wanted = history.third
    gone = history.keys("customers", "deleted")
    assert gone
    assert gone <= tables["customers"].keys()
    assert not gone & wanted["customers"].keys()
