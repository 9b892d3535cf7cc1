"""The server of Codat's lists in bulk responds as the strict fake API does."""

from __future__ import annotations

import typing as t

import pytest
import requests

from benchmarks.harness import bulk, catalog, records, tap

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = 50


@pytest.fixture(scope="module")
def orders() -> Iterator[str]:
    with bulk(1, ROWS) as server:
        yield f"{server.url}/{server.orders_path()}"


def fetch(orders: str, **parameters: str) -> dict[str, t.Any]:
    response = requests.get(orders, params=parameters, timeout=30)
    assert response.status_code == 200, response.text
    found: dict[str, t.Any] = response.json()
    return found


def test_pages_hold_each_row_once_in_order(orders: str) -> None:
    rows: list[dict[str, t.Any]] = []
    for number in range(1, 6):
        page = fetch(orders, page=str(number), pageSize="12", orderBy="modifiedDate")
        assert page["pageNumber"] == number
        assert page["totalResults"] == ROWS
        assert ("next" in page["_links"]) == (number < 5)
        rows += page["results"]
    assert len({row["id"] for row in rows}) == ROWS
    dates = [row["modifiedDate"] for row in rows]
    assert dates == sorted(dates)


def test_query_selects_rows_by_date(orders: str) -> None:
    rows = fetch(orders, pageSize="2000")["results"]
    start, end = rows[9]["modifiedDate"], rows[30]["modifiedDate"]
    found = fetch(orders, query=f"modifiedDate>={start}&&modifiedDate<{end}")
    wanted = [row for row in rows if start <= row["modifiedDate"] < end]
    assert found["results"] == wanted
    assert found["totalResults"] == len(wanted)


def test_unknown_query_or_list_refused(orders: str) -> None:
    assert requests.get(orders, params={"query": "id=1"}, timeout=30).status_code == 400
    assert requests.get(orders.replace("orders", "pears"), timeout=30).status_code == 404


@pytest.mark.parametrize("mixed_dates", [False, True])
def test_tap_reads_every_row(tmp_path: Path, *, mixed_dates: bool) -> None:
    output = tmp_path / "tap.jsonl"
    with bulk(2, ROWS, mixed_dates=mixed_dates) as server:
        tap(server, catalog(tmp_path, "orders", "locations"), output=output, page_size="20")()
    assert records(output) == 2 * 2 * ROWS
