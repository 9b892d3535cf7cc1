"""From the API over HTTP through Meltano into DuckDB: nothing lost, nothing twice, nothing stale.

A run takes its time, so there are few. Four follow each other into one file; each is a fixture that
keeps what it left.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from commerce_sandbox import Sandbox
from tests.e2e.support import KEYS, Pipeline, differences, expected
from tests.fixtures import COMMERCE_SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from commerce_sandbox.fake_api import ChangedRow
    from tests.e2e.support import Record, Table

pytestmark = pytest.mark.e2e

SORTED = (
    "commerce_customers",
    "commerce_disputes",
    "commerce_orders",
    "commerce_payment_methods",
    "commerce_payments",
    "commerce_product_categories",
    "commerce_products",
    "commerce_tax_components",
    "commerce_transactions",
)
"""What the API filters by `modifiedDate`."""


class Left(NamedTuple):
    """What a run left.

    Attributes:
        tables: The file's content.
        wanted: What it should be.
        loaded: How many rows of each stream were loaded.
        ties: How many rows of each stream changed when the last one of their shop did.
    """

    tables: dict[str, Table]
    wanted: dict[str, Table]
    loaded: dict[str, int]
    ties: dict[str, int]


def run(pipeline: Pipeline, *options: str, **variables: str) -> Left:
    pipeline.run(*options, **variables)
    tables = pipeline.tables()
    return Left(
        tables,
        {stream: expected(pipeline.sandbox, stream, table) for stream, table in tables.items()},
        dict(pipeline.loaded),
        {stream: ties(pipeline.sandbox.truth(stream)) for stream in SORTED},
    )


def ties(rows: list[Record]) -> int:
    latest: dict[str, str] = {}
    for row in rows:
        shop = row["connectionId"]
        latest[shop] = max(latest.get(shop, ""), row["modifiedDate"])
    return sum(row["modifiedDate"] == latest[row["connectionId"]] for row in rows)


def is_true(tables: dict[str, Table], wanted: dict[str, Table]) -> None:
    """Compare row by row and field by field."""
    for stream, table in tables.items():
        assert (stream, differences(table, wanted[stream])[:9]) == (stream, [])


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which Meltano keeps its state, and beside which the databases are."""
    return tmp_path_factory.mktemp("meltano") / "meltano.db"


@pytest.fixture(scope="module")
def pipeline(state: Path) -> Iterator[Pipeline]:
    with Sandbox(scale=0.1) as sandbox:
        yield Pipeline(sandbox, state.with_name("shops.duckdb"), state)


@pytest.fixture(scope="module")
def first(pipeline: Pipeline) -> Left:
    """A first run."""
    return run(pipeline)


@pytest.fixture(scope="module")
def second(pipeline: Pipeline, first: Left) -> Left:
    """A run for which nothing has changed, and which is not told so."""
    assert first.tables
    return run(pipeline, TAP_CODAT_SKIP_UNCHANGED="false")


@pytest.fixture(scope="module")
def touched(pipeline: Pipeline, second: Left) -> list[ChangedRow]:
    """Changes made after that."""
    assert second.tables
    return pipeline.sandbox.mutate(changes=40, inserts=15)


@pytest.fixture(scope="module")
def third(pipeline: Pipeline, touched: list[ChangedRow]) -> Left:
    """The run after the changes."""
    assert touched
    return run(pipeline)


@pytest.fixture(scope="module")
def refreshed(pipeline: Pipeline, third: Left) -> Left:
    """A full refresh, after somebody has spoilt the file."""
    pipeline.execute("DELETE FROM commerce_orders WHERE id LIKE '%1%'")
    pipeline.execute("UPDATE commerce_products SET name = 'spoilt'")
    assert pipeline.tables() != third.tables
    return run(pipeline, "--full-refresh")


def test_first_run_loads_every_row(first: Left) -> None:
    is_true(first.tables, first.wanted)
    assert set(first.tables) == set(KEYS)
    assert first.loaded == {stream: len(table) for stream, table in first.tables.items()}


def test_single_text_row_is_no_header(first: Left) -> None:
    (row,) = first.tables["webhook_consumers"].values()
    assert all(isinstance(value, (str, list, type(None))) for value in row.values())
    assert row["url"].startswith("https://")


def test_second_run_loads_only_ties(first: Left, second: Left) -> None:
    assert {stream: second.loaded[stream] for stream in SORTED} == first.ties
    is_true(second.tables, first.tables)


def test_third_run_loads_exactly_the_changes(
    second: Left, touched: list[ChangedRow], third: Left
) -> None:
    is_true(third.tables, third.wanted)
    for stream in SORTED:
        changes = [one.change for one in touched if one.stream == stream]
        loaded = third.loaded.get(stream, 0)
        assert len(changes) <= loaded <= len(changes) + second.ties[stream]
        grown = len(third.tables[stream]) - len(second.tables[stream])
        assert grown == changes.count("inserted")


def test_full_refresh_repairs_tables(third: Left, refreshed: Left) -> None:
    is_true(refreshed.tables, third.tables)
    is_true(refreshed.tables, refreshed.wanted)
    for stream in SORTED:
        assert refreshed.loaded[stream] == len(refreshed.tables[stream])


def test_company_ids_limit_loaded_rows(pipeline: Pipeline, state: Path) -> None:
    sandbox = pipeline.sandbox
    company = sandbox.truth("commerce_orders")[0]["companyId"]
    narrowed = Pipeline(sandbox, state.with_name("narrowed.duckdb"), state)
    left = run(narrowed, TAP_CODAT_COMPANY_IDS=json.dumps([company]))
    for stream, rows in left.wanted.items():
        column = "id" if stream == "companies" else "companyid"
        wanted = {key: row for key, row in rows.items() if row.get(column, company) == company}
        assert (stream, differences(left.tables[stream], wanted)[:9]) == (stream, [])
    assert len(left.tables["companies"]) == 1
    assert len(left.tables["commerce_orders"]) > 1


def test_codat_spec_examples_are_loaded_whole(state: Path) -> None:
    with Sandbox(codat_spec=COMMERCE_SPEC) as sandbox:
        left = run(Pipeline(sandbox, state.with_name("examples.duckdb"), state))
        is_true(left.tables, left.wanted)
        assert sum(len(left.tables[stream]) for stream in (*SORTED, "commerce_locations")) == 66
        for stream in KEYS:
            assert len(left.tables.get(stream, {})) == len(sandbox.truth(stream)), stream
