"""Into a database: tap-codat and target-duckdb, beside dlt's REST API source into DuckDB."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import msgspec

from benchmarks.harness import BIN, PEERS, alternate, bulk, catalog, divide, report, run, same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Row, Sizes, Usage

TARGET = Path(__file__).parents[2] / ".tools" / "target-duckdb"
PACKAGES = ("target-duckdb==0.8.0", "duckdb==1.2.2")
"""With this DuckDB, and metadata columns on, the target keeps every row; with later ones not."""


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Fill a fresh database each time, and compare what is in it."""
    program = target()
    orders = catalog(folder, "orders")
    settings = folder / "target.json"
    database = folder / "singer.duckdb"
    settings.write_bytes(
        msgspec.json.encode(
            {"path": str(database), "default_target_schema": "codat", "add_metadata_columns": True}
        )
    )
    with bulk(1, sizes.loaded) as server:
        server.orders_path()
        words = (BIN / "tap-codat", "--config=ENV", f"--catalog={orders}")
        pipe = f"{shlex.join(map(str, words))} | {program} --config={settings}"

        def singer() -> Usage:
            database.unlink(missing_ok=True)
            return run(
                ["bash", "-o", "pipefail", "-c", pipe],
                output=folder / "singer.out",
                environment=server.environment,
            )

        def dlt() -> Usage:
            shutil.rmtree(folder / "dlt", ignore_errors=True)
            (folder / "dlt").mkdir()
            words = (PEERS / "dlt_rest_api.py", server.url, "run", folder / "dlt", "orders")
            return run([sys.executable, *words], output=folder / "dlt.out")

        taken = alternate({"singer": singer, "dlt": dlt}, sizes.pairs)
    count = rows(database)
    same(singer=count, dlt=rows(folder / "dlt" / "dlt.duckdb"), served=sizes.loaded)
    yield divide(
        "tap + target-duckdb ÷ dlt rest_api → duckdb",
        taken,
        "singer",
        "dlt",
        note=f"{count:,} orders in either; nested values as JSON in their column",
    )


def rows(database: Path) -> int:
    """Count the orders in a database."""
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute("select count(*) from codat.commerce_orders").fetchone()
    return int(found[0]) if found else 0


def target() -> Path:
    """Install target-duckdb into an environment of its own, unless that was done before."""
    program = TARGET / "bin" / "target-duckdb"
    if not program.exists():
        report(f"Installing {PACKAGES[0]} into .tools/")
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, TARGET], check=True)
        install = ("uv", "pip", "install", "--quiet", "--python", TARGET / "bin" / "python")
        subprocess.run([*install, *PACKAGES], check=True)
    return program
