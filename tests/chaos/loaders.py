"""Loaders for a tap's output, and the comparison of the loaded rows with truth."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import msgspec
from typing_extensions import override

from tests.chaos.tap_under_test import decode
from tests.e2e import support as e2e
from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from commerce_sandbox import Sandbox
    from tests.chaos.harness import Outcome, Tap
    from tests.chaos.tap_under_test import TapUnderTest
    from tests.contract import Key, Record

TARGET: Final = Path(__file__).with_name("target.py")
TARGET_DUCKDB: Final = ROOT.joinpath(
    *(".meltano", "loaders", "target-duckdb", "venv", "bin", "target-duckdb")
)


class Loader:
    """Loads into SQLite.

    Args:
        tap: The tap whose output it loads.
        folder: The folder of its database.
    """

    def __init__(self, tap: Tap, folder: Path) -> None:
        self._tap = tap
        self._database = folder / "rows.sqlite"
        self.command = [sys.executable, str(TARGET), str(self._database)]

    def compare(self, outcome: Outcome) -> None:
        """Compare the loaded rows with truth."""
        database = sqlite3.connect(self._database)
        rows: dict[str, dict[Key, Record]] = {stream: {} for stream in self._tap.streams}
        for stream, key, row in database.execute("SELECT stream, key, row FROM rows"):
            # A column created at run time is null in every row that lacks its field.
            declared = self._tap.tap_under_test.columns[stream]
            rows[stream][tuple(msgspec.json.decode(key))] = {
                name: value
                for name, value in decode(row).items()
                if value is not None or name in declared
            }
        database.close()
        for stream, found in rows.items():
            self._tap.compare(outcome, stream, found)


class DuckDBLoader(Loader):
    """Loads into DuckDB with the loader that Meltano has installed."""

    def __init__(self, tap: Tap, folder: Path) -> None:
        super().__init__(tap, folder)
        self._database = folder / "rows.duckdb"
        config = folder / "target.json"
        settings = {
            "filepath": str(self._database),
            "default_target_schema": tap.package,
            "add_metadata_columns": True,
        }
        config.write_bytes(msgspec.json.encode(settings))
        if not TARGET_DUCKDB.exists():
            install = [str(e2e.BIN / "meltano"), "install", "loader", "target-duckdb"]
            subprocess.run(install, cwd=ROOT, check=True, capture_output=True)
        self.command = [str(TARGET_DUCKDB), "--config", str(config)]

    @override
    def compare(self, outcome: Outcome) -> None:
        compare_tables(
            outcome, self._tap.tap_under_test, self._tap.sandbox, self._database, self._tap.streams
        )


def compare_tables(
    outcome: Outcome,
    tap_under_test: TapUnderTest,
    sandbox: Sandbox,
    database: Path,
    streams: Iterable[str],
) -> None:
    """Compare the tables of a DuckDB file with truth, field by field.

    Args:
        outcome: Where to count.
        tap_under_test: The tap whose rows were loaded.
        sandbox: The sandbox from which the tap read them.
        database: The file. A loader that was killed may have left other tables in it.
        streams: The streams that must have a table.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute(f"SET schema = '{tap_under_test.package}'")
        there = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
        for stream in {*streams, *(there & tap_under_test.streams.keys())}:
            table = e2e.read_table(connection, stream) if stream in there else {}
            wanted = e2e.expected(sandbox, stream, table)
            outcome.compare(_normalize(table), _normalize(wanted))


def _normalize(rows: dict[Key, Record]) -> dict[Key, Record]:
    return {key: e2e.normalize_row(row) for key, row in rows.items()}
