"""Load the sandbox's shop data into DuckDB through Meltano, check the counts and look at it.

`make demo` runs it. Nothing in it is pretended but the vendor: the tap asks over HTTP, Meltano
runs tap and loader, and what is printed is read from the file they have written.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from commerce_sandbox.double import Options
from commerce_sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
DATABASE: Final = ROOT / "output" / "demo.duckdb"
LOG: Final = ROOT / "output" / "demo.log"
SCHEMA: Final = "tap_codat"

# A state of its own, not looked at: the file is new each time, so every row is needed.
PIPELINE: Final = (
    *("commerce-sandbox", "exec", "--"),
    *("meltano", "--environment=sandbox", "--log-format=uncolored", "run"),
    *("--full-refresh", "--state-id-suffix=demo", "tap-codat", "target-duckdb"),
)

QUESTIONS: Final = {
    "Orders by month (the last six)": """
        SELECT
            strftime(date_trunc('month', createddate), '%Y-%m') AS month,
            count(*) AS orders,
            count(DISTINCT connectionid) AS shops,
            count(DISTINCT currency) AS currencies
        FROM commerce_orders
        WHERE createddate IS NOT NULL
        GROUP BY month
        ORDER BY month DESC
        LIMIT 6
    """,
    "Top products (by units sold)": """
        WITH lines AS (
            SELECT companyid, connectionid, unnest(orderlineitems::JSON[]) AS line
            FROM commerce_orders
        )
        SELECT
            products.name AS product,
            companies.name AS company,
            sum((line ->> '$.quantity')::DOUBLE)::BIGINT AS units,
            count(*) AS order_lines
        FROM lines
        JOIN commerce_products AS products
            ON products.companyid = lines.companyid
            AND products.connectionid = lines.connectionid
            AND products.id = (line ->> '$.productRef.id')
        JOIN companies ON companies.id = lines.companyid
        GROUP BY products.companyid, products.connectionid, products.id, product, company
        ORDER BY units DESC, product, company
        LIMIT 5
    """,
    "Open disputes (by what is next)": """
        SELECT
            status,
            count(*) AS disputes,
            count(DISTINCT companyid) AS companies,
            strftime(min(duedate), '%Y-%m-%d') AS first_due
        FROM commerce_disputes
        WHERE status IN ('EvidenceRequired', 'Processing')
        GROUP BY status
        ORDER BY disputes DESC, status
    """,
}


def main() -> int:
    """Run the demonstration.

    Returns:
        The exit code: 0 if the file holds exactly as many rows as the sandbox.
    """
    started = time.monotonic()
    DATABASE.parent.mkdir(exist_ok=True)
    for path in DATABASE.parent.glob(f"{DATABASE.name}*"):
        path.unlink()

    print(f"Loading the sandbox into {shown(DATABASE)} (log: {shown(LOG)})")
    print(f"  $ {' '.join(PIPELINE)}")
    with LOG.open("wb") as log:
        code = subprocess.run(
            PIPELINE, check=False, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    if code:
        lines = LOG.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "[warning " in line or "[error " in line]
        print(*(telling or lines)[-20:], sep="\n", file=sys.stderr)
        print(f"The pipeline ended with exit code {code}; see {shown(LOG)}.", file=sys.stderr)
        return 1
    print(f"Done after {time.monotonic() - started:.0f} seconds.")

    world = World(Options())
    with duckdb.connect(str(DATABASE), read_only=True) as connection:
        connection.execute(f"SET schema = '{SCHEMA}'")
        counts = [
            (stream, sum(1 for _ in world.truth(stream)), rows_in(connection, stream))
            for stream in world.streams
        ]
        print_table("Rows", ("stream", "in the sandbox", "in DuckDB"), counts)
        for title, sql in QUESTIONS.items():
            answer = connection.execute(sql)
            names = [column[0] for column in answer.description or ()]
            print_table(title, names, answer.fetchall())

    short = [stream for stream, expected, found in counts if expected != found]
    if short:
        print(f"\nThe counts differ: {', '.join(short)}.", file=sys.stderr)
        return 1
    print(f"\nEvery row arrived. The file is yours to query: {shown(DATABASE)}")
    return 0


def rows_in(connection: duckdb.DuckDBPyConnection, stream: str) -> int:
    """Count the rows of a stream's table, which does not exist if the stream had none."""
    exists = connection.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
        [SCHEMA, stream],
    ).fetchone()
    if exists is None:
        return 0
    (count,) = connection.table(stream).count("*").fetchall()[0]
    return int(count)


def print_table(title: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows in columns, numbers to the right."""
    rows = list(rows)
    cells = [
        [f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [all(isinstance(value, int) for value in column) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(
                row, widths, right or [False] * len(row), strict=True
            )
        ]
        return "  " + "  ".join(padded).rstrip()

    print(f"\n{title}\n", line(names), "  " + "  ".join("-" * width for width in widths), sep="\n")
    for row in cells:
        print(line(row))


def shown(path: Path) -> str:
    """Give a path as seen from the project."""
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
