"""Codat through Meltano into DuckDB: no row is lost, duplicated or stale.

Runs are slow, so there are few. Four follow each other into one file. Each is a fixture with its
result.
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
"""The streams that the API filters by `modifiedDate`."""


class Result(NamedTuple):
    """The result of a run.

    Attributes:
        tables: The tables of the file.
        wanted: The tables as they should be.
        loaded: The number of rows loaded for each stream.
        ties: The number of rows of each stream with the latest date of change of their shop.
    """

    tables: dict[str, Table]
    wanted: dict[str, Table]
    loaded: dict[str, int]
    ties: dict[str, int]


def run(pipeline: Pipeline, *options: str, **variables: str) -> Result:
    pipeline.run(*options, **variables)
    tables = pipeline.tables()
    return Result(
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


def assert_equal(tables: dict[str, Table], wanted: dict[str, Table]) -> None:
    """Compare row by row and field by field."""
    for stream, table in tables.items():
        assert (stream, differences(table, wanted[stream])[:9]) == (stream, [])


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of Meltano's state. The files of the runs are beside it."""
    return tmp_path_factory.mktemp("meltano") / "meltano.db"


@pytest.fixture(scope="module")
def pipeline(state: Path) -> Iterator[Pipeline]:
    with Sandbox(scale=0.1) as sandbox:
        yield Pipeline(sandbox, state.with_name("shops.duckdb"), state)


@pytest.fixture(scope="module")
def first(pipeline: Pipeline) -> Result:
    """A first run."""
    return run(pipeline)


@pytest.fixture(scope="module")
def second(pipeline: Pipeline, first: Result) -> Result:
    """A run without changes that reads unchanged partitions all the same."""
    assert first.tables
    return run(pipeline, TAP_CODAT_SKIP_UNCHANGED="false")


@pytest.fixture(scope="module")
def touched(pipeline: Pipeline, second: Result) -> list[ChangedRow]:
    """Changes after the second run."""
    assert second.tables
    return pipeline.sandbox.mutate(changes=40, inserts=15)


@pytest.fixture(scope="module")
def third(pipeline: Pipeline, touched: list[ChangedRow]) -> Result:
    """The run after the changes."""
    assert touched
    return run(pipeline)


@pytest.fixture(scope="module")
def refreshed(pipeline: Pipeline, third: Result) -> Result:
    """A full refresh of a file with missing and wrong rows."""
    pipeline.execute("DELETE FROM commerce_orders WHERE id LIKE '%1%'")
    pipeline.execute("UPDATE commerce_products SET name = 'spoilt'")
    assert pipeline.tables() != third.tables
    return run(pipeline, "--full-refresh")


def test_first_run_loads_every_row(first: Result) -> None:
    assert_equal(first.tables, first.wanted)
    assert set(first.tables) == set(KEYS)
    assert first.loaded == {stream: len(table) for stream, table in first.tables.items()}


def test_single_text_row_is_no_header(first: Result) -> None:
    (row,) = first.tables["webhook_consumers"].values()
    assert all(isinstance(value, (str, list, type(None))) for value in row.values())
    assert row["url"].startswith("https://")


def test_second_run_loads_only_ties(first: Result, second: Result) -> None:
    assert {stream: second.loaded[stream] for stream in SORTED} == first.ties
    assert_equal(second.tables, first.tables)


def test_third_run_loads_exactly_the_changes(
    second: Result, touched: list[ChangedRow], third: Result
) -> None:
    assert_equal(third.tables, third.wanted)
    for stream in SORTED:
        changes = [one.change for one in touched if one.stream == stream]
        loaded = third.loaded.get(stream, 0)
        assert len(changes) <= loaded <= len(changes) + second.ties[stream]
        grown = len(third.tables[stream]) - len(second.tables[stream])
        assert grown == changes.count("inserted")


def test_full_refresh_repairs_tables(third: Result, refreshed: Result) -> None:
    assert_equal(refreshed.tables, third.tables)
    assert_equal(refreshed.tables, refreshed.wanted)
    for stream in SORTED:
        assert refreshed.loaded[stream] == len(refreshed.tables[stream])


def test_company_ids_limit_loaded_rows(pipeline: Pipeline, state: Path) -> None:
    sandbox = pipeline.sandbox
    company = sandbox.truth("commerce_orders")[0]["companyId"]
    narrowed = Pipeline(sandbox, state.with_name("narrowed.duckdb"), state)
    result = run(narrowed, TAP_CODAT_COMPANY_IDS=json.dumps([company]))
    for stream, rows in result.wanted.items():
        column = "id" if stream == "companies" else "companyid"
        wanted = {key: row for key, row in rows.items() if row.get(column, company) == company}
        assert (stream, differences(result.tables[stream], wanted)[:9]) == (stream, [])
    assert len(result.tables["companies"]) == 1
    assert len(result.tables["commerce_orders"]) > 1


def test_codat_spec_examples_are_loaded_whole(state: Path) -> None:
    with Sandbox(codat_spec=COMMERCE_SPEC) as sandbox:
        result = run(Pipeline(sandbox, state.with_name("examples.duckdb"), state))
        assert_equal(result.tables, result.wanted)
        assert sum(len(result.tables[stream]) for stream in (*SORTED, "commerce_locations")) == 66
        for stream in KEYS:
            assert len(result.tables.get(stream, {})) == len(sandbox.truth(stream)), stream
