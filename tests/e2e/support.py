"""Runs the repository's own Meltano project: a tap and a loader, into a file of the test.

Meltano installs the plugins once into the project's `.meltano` folder, which `make demo` uses too.
Its state is in a database of the test.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
from filelock import BaseFileLock, FileLock

from commerce_taps.records import dates
from tap_centra.integration.streams import STREAMS as CENTRA
from tap_codat.streams import STREAMS
from tests import contract
from tests.runs import secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from commerce_sandbox import Sandbox
Record = dict[str, Any]
Key = tuple[Any, ...]
Table = dict[Key, Record]
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SCHEMA = "tap_codat"
KEYS = {
    str(vars(kind)["name"]): [key.lower() for key in cast("Sequence[str]", kind.primary_keys)]
    for kind in STREAMS
}


@cache
def install() -> None:
    """Have Meltano install all plugins, once for all processes of a test run."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = ROOT / ".meltano"
    folder.mkdir(exist_ok=True)
    done = folder / "tests.installed"
    with FileLock(folder / "tests.lock"):
        if not (done.exists() and done.read_text() == run):
            subprocess.run(
                [BIN / "meltano", "install"],
                cwd=ROOT,
                env=tool_environment(),
                check=True,
                timeout=300,
            )
            done.write_text(run)


def exclusive_job() -> BaseFileLock:
    """Return the lock that keeps other processes from running a job at the same time.

    Meltano has one folder of run files for each plugin, so two jobs at once would write the same
    catalog of a tap, or the same logging configuration of a loader.
    """
    return FileLock(ROOT / ".meltano" / "tests.job.lock")


def tool_environment() -> dict[str, str]:
    path = os.pathsep.join([str(BIN), str(ROOT / ".tools" / "bin"), os.environ["PATH"]])
    return os.environ | {"PATH": path}


@dataclass
class Pipeline:
    """The project's job, from a sandbox into a DuckDB file.

    Attributes:
        sandbox: The sandbox that the tap reads.
        database: The file.
        state: The database of Meltano's state.
        job: The job, or the plugins, that `meltano run` runs.
        loaded: The number of rows of each stream that the last run loaded.
    """

    sandbox: Sandbox
    database: Path
    state: Path
    job: Sequence[str] = ("codat-to-duckdb",)
    loaded: Counter[str] = field(default_factory=Counter)

    def run(self, *options: str, **variables: str) -> None:
        """Run the job.

        Args:
            options: Options of `meltano run`.
            variables: Variables of the environment.
        """
        command = self.command(*options)
        with exclusive_job():
            ran = subprocess.run(
                command,
                cwd=ROOT,
                env=self.environment | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=300,
                check=False,
            )
        assert ran.returncode == 0, ran.stdout[-8000:]
        assert self.sandbox.api_key not in ran.stdout
        self.loaded = Counter()
        for rows, stream in re.findall(r"Loading (\d+) rows into '.*\"(\w+)\"'", ran.stdout):
            self.loaded[stream] += int(rows)

    def command(self, *options: str) -> list[str]:
        """Return the command line of a run of the job."""
        install()
        return [
            *(str(BIN / "meltano"), f"--env-file={os.devnull}", "--environment=sandbox"),
            *("--log-format=uncolored", "run"),
            *(f"--state-id-suffix={self.database.stem}", *options, *self.job),
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run of the job."""
        project = {
            "MELTANO_DATABASE_URI": f"sqlite:///{self.state}",
            "TARGET_DUCKDB_FILEPATH": str(self.database),
            # The tables are compared with all columns of the sandbox.
            "TAP_CODAT_INCLUDE_SECRETS": json.dumps(secrets_of(STREAMS)),
            "TAP_CENTRA_INCLUDE_SECRETS": json.dumps(secrets_of(CENTRA)),
        }
        return tool_environment() | project | self.sandbox.environment

    def execute(self, statement: str) -> None:
        """Execute a statement in the file without the loader."""
        with duckdb.connect(str(self.database)) as connection:
            connection.execute(f"SET schema = '{SCHEMA}'")
            connection.execute(statement)

    def tables(self) -> dict[str, Table]:
        """Read all tables, without the loader's own columns."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute(f"SET schema = '{SCHEMA}'")
            names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            return {name: read_table(connection, name) for name in names}


def read_table(connection: duckdb.DuckDBPyConnection, name: str) -> Table:
    result = connection.table(name).select("COLUMNS(lambda c: c NOT LIKE '_sdc_%')")
    is_json = [str(kind) == "JSON" for kind in result.types]
    rows = [
        {
            column: _decode(value) if json_ and value is not None else value
            for column, json_, value in zip(result.columns, is_json, row, strict=True)
        }
        for row in result.fetchall()
    ]
    return keyed(name, rows)


def keyed(stream: str, rows: Iterable[Record]) -> Table:
    """Index rows by key, and check that keys are unique."""
    listed = list(rows)
    found = {tuple(row[key] for key in KEYS[stream]): row for row in listed}
    assert len(found) == len(listed), f"{stream}: {len(listed) - len(found)} rows share a key"
    return found


def expected(sandbox: Sandbox, stream: str, table: Table) -> Table:
    """Return the rows of a stream as its table should have them.

    Names of columns are in lower case. Missing fields and empty texts are null. All other values
    have the type of their column.
    """
    names = set(next(iter(table.values()), ()))
    kinds: dict[str, type] = {}
    for row in table.values():
        kinds |= {name: type(value) for name, value in row.items() if value is not None}
    rows = []
    for line in sandbox.truth_lines(stream):
        row = {name.lower(): value for name, value in _decode(line).items()}
        assert not table or row.keys() <= names, f"{stream} lost {row.keys() - names}"
        rows.append({name: _convert(kinds.get(name), row.get(name)) for name in names or row})
    return keyed(stream, rows)


def differences(table: Table, wanted: Table) -> list[str]:
    """List the differences between a table and the expected rows."""
    return contract.differences(*({key: normalize_row(row) for key, row in rows.items()}
                                  for rows in (table, wanted)))  # fmt: skip


def normalize_row(row: Record) -> Record:
    """Normalize a row as a table does: an empty text becomes null, and a number a float.

    `tests.contract` compares digits and types in the output of the tap.
    """
    return {name: None if value == "" else _number(value) for name, value in row.items()}


def _number(value: Any) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(value, dict):
        return {name: _number(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_number(one) for one in value]
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    return float(value) if is_number else value


def _decode(text: str | bytes) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(text, parse_float=Decimal)


def _convert(kind: type | None, value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Convert a value of the API to the type of its column."""
    if value is None or value == "":
        return None
    if kind is datetime:
        return dates.parse(value).replace(tzinfo=None)
    return float(value) if kind is float else value
