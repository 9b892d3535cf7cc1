"""Load the sandbox's shop data into DuckDB through Meltano, check the counts and look at it.

    python scripts/demo.py [codat | centra | cscart]

`make demo` runs it, `make demo TAP=cscart` with another tap. Only the API is fake: the tap makes
its requests over HTTP, Meltano runs tap and loader, and the printed tables are read from the file
that they have written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from commerce_sandbox.fake_api import Options
from commerce_sandbox.fake_apis import FakeApis
from tap_cscart.streams import STREAMS as CSCART_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
DATABASE: Final = ROOT / "output" / "demo.duckdb"
LOG: Final = ROOT / "output" / "demo.log"


@dataclass(frozen=True)
class Demo:
    """The demonstration of one tap.

    Attributes:
        name: Name of the fake API, and of the tap without its first word.
        questions: Queries by their titles.
        left_out: Streams the demonstration does not read.
        part: Prefix of the names of its streams, if the fake API consists of several APIs.
    """

    name: str
    questions: Mapping[str, str]
    left_out: Iterable[str] = ()
    part: str = ""

    @property
    def tap(self) -> str:
        """The tap."""
        return f"tap-{self.name}"

    @property
    def schema(self) -> str:
        """The schema the loader writes to."""
        return f"tap_{self.name}"

    @property
    def pipeline(self) -> tuple[str, ...]:
        """The command line. Its state is its own and not looked at: the file is new each time."""
        return (
            *("commerce-sandbox", "exec", "--"),
            # Without `.env`: what it selects is of the vendor's API.
            *("meltano", f"--env-file={os.devnull}", "--environment=sandbox"),
            *("--log-format=uncolored", "run"),
            *("--full-refresh", "--state-id-suffix=demo", self.tap, "target-duckdb"),
        )


CODAT: Final = {
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
    "Open disputes (by status)": """
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

CENTRA: Final = {
    "Turnover by month (the last six), without cancelled orders": """
        SELECT
            strftime(date_trunc('month', orderdate), '%Y-%m') AS month,
            grandtotal ->> '$.currency.code' AS currency,
            count(*) AS orders,
            round(sum((grandtotal ->> '$.value')::DOUBLE))::BIGINT AS total
        FROM orders
        WHERE status <> 'CANCELLED'
        GROUP BY ALL
        ORDER BY month DESC, total DESC
        LIMIT 6
    """,
    "Top products (by units sold)": """
        WITH left_over AS (
            SELECT productsizeid, sum(availablenowquantity) AS pieces FROM stock GROUP BY ALL
        )
        SELECT
            productname AS product,
            sum(quantity - coalesce(cancelledquantity, 0))::BIGINT AS units,
            count(*) AS order_lines,
            sum(left_over.pieces)::BIGINT AS left_over
        FROM order_lines
        LEFT JOIN left_over ON left_over.productsizeid = (productsize ->> '$.id')::BIGINT
        GROUP BY productname
        ORDER BY units DESC, productname
        LIMIT 5
    """,
    "Stock by warehouse (the five fullest)": """
        SELECT
            any_value(warehouses.name) AS warehouse,
            count(*) FILTER (physicalquantity > 0) AS sizes,
            sum(physicalquantity)::BIGINT AS pieces,
            sum(allocatedquantity)::BIGINT AS set_aside
        FROM stock
        JOIN warehouses ON warehouses.id = stock.warehouseid
        GROUP BY warehouses.id
        ORDER BY pieces DESC, warehouse
        LIMIT 5
    """,
}

CSCART: Final = {
    "Abandoned carts by week (the last six; no order since)": """
        SELECT
            strftime(date_trunc('week', date), '%Y-%m-%d') AS week,
            count(*) AS carts,
            count(*) FILTER (of_customer) AS of_customers,
            round(sum(total))::BIGINT AS worth
        FROM (
            SELECT  -- a customer's carts in several storefronts each have the total of all
                max(date) AS date,
                bool_or(user_data::VARCHAR <> '{}') AS of_customer,
                max(total) AS total
            FROM carts
            WHERE total > 0
                AND NOT EXISTS (
                    SELECT 1
                    FROM orders
                    WHERE orders.order_id = carts.order_id
                        OR (orders.user_id = carts.user_id AND orders.timestamp >= carts.date)
                )
            GROUP BY user_id
        )
        GROUP BY week
        ORDER BY week DESC
        LIMIT 6
    """,
    "Top products (by units sold)": """
        SELECT
            any_value(products.product) AS product,
            sum(order_items.amount)::BIGINT AS units,
            count(*) AS order_lines,
            any_value(products.amount) AS in_stock
        FROM order_items
        JOIN products ON products.product_id = order_items.product_id
        GROUP BY order_items.product_id
        ORDER BY units DESC, product
        LIMIT 5
    """,
    "Orders by status": """
        SELECT
            coalesce(statuses.description, orders.status) AS status,
            bool_or(statuses.params ->> '$.payment_received' = 'true') AS paid,
            count(*) AS orders,
            round(sum(orders.total))::BIGINT AS total
        FROM orders
        LEFT JOIN statuses ON statuses.type = 'O' AND statuses.status = orders.status
        GROUP BY statuses.description, orders.status
        ORDER BY orders DESC, status
    """,
}

DEMOS: Final = {
    demo.name: demo
    for demo in (
        Demo("codat", CODAT),
        Demo("centra", CENTRA, ["events"], part="integration."),
        Demo(
            "cscart",
            CSCART,
            [str(vars(one)["name"]) for one in CSCART_STREAMS if not one.selected_by_default],
        ),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Args:
        arguments: The arguments; those of the process if none.

    Returns:
        The exit code: 0 if the file holds exactly as many rows as the sandbox.
    """
    parser = argparse.ArgumentParser(description="Load a sandbox into DuckDB and look at it.")
    parser.add_argument("tap", nargs="?", choices=DEMOS, default="codat", help="which tap")
    demo = DEMOS[parser.parse_args(arguments).tap]
    started = time.monotonic()
    DATABASE.parent.mkdir(exist_ok=True)
    for path in DATABASE.parent.glob(f"{DATABASE.name}*"):
        path.unlink()

    print(f"Loading the sandbox into {shown(DATABASE)} (log: {shown(LOG)})")
    print(f"  $ {' '.join(demo.pipeline)}")
    with LOG.open("wb") as log:
        code = subprocess.run(
            demo.pipeline, check=False, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    if code:
        lines = LOG.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "[warning " in line or "[error " in line]
        print(*(telling or lines)[-20:], sep="\n", file=sys.stderr)
        print(f"The pipeline ended with exit code {code}; see {shown(LOG)}.", file=sys.stderr)
        return 1
    print(f"Done after {time.monotonic() - started:.0f} seconds.")

    fakes = FakeApis(Options())
    with duckdb.connect(str(DATABASE), read_only=True) as connection:
        connection.execute(f"SET schema = '{demo.schema}'")
        prefix = f"{demo.name}.{demo.part}"
        names = [name.removeprefix(prefix) for name in fakes.streams if name.startswith(prefix)]
        streams = [name for name in names if name not in demo.left_out]
        counts = [
            (
                stream,
                sum(1 for _ in fakes.truth(f"{prefix}{stream}")),
                rows_in(connection, stream),
            )
            for stream in streams
        ]
        print_table("Rows", ("stream", "in the sandbox", "in DuckDB"), counts)
        for title, sql in demo.questions.items():
            answer = connection.execute(sql)
            columns = [column[0] for column in answer.description or ()]
            print_table(title, columns, answer.fetchall())

    short = [stream for stream, expected, found in counts if expected != found]
    if short:
        print(f"\nThe counts differ: {', '.join(short)}.", file=sys.stderr)
        return 1
    print(f"\nEvery row arrived. The file is yours to query: {shown(DATABASE)}")
    return 0


def rows_in(connection: duckdb.DuckDBPyConnection, stream: str) -> int:
    """Count the rows of a stream's table, which does not exist if the stream had none."""
    exists = connection.execute(
        "SELECT 1 FROM information_schema.tables "
        "WHERE table_schema = current_schema() AND table_name = ?",
        [stream],
    ).fetchall()  # DuckDB 2 does nothing else while rows are left to fetch
    if not exists:
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
