"""Pages that Centra does not manage whole: smaller ones are requested, and no row is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.centra.support import INTEGRATION, ORDER, row_differences
from tests.contract import bookmarks

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.centra.support import Catalogs, Taps

SERVER_ERROR: dict[str, Any] = {"status": 500, "body": "<h1>Internal Server Error</h1>"}
FAILURES: dict[str, dict[str, Any]] = {
    "500": SERVER_ERROR,
    "504": {"status": 504, "body": "<h1>Gateway time-out</h1>"},
    "beyond max_response_mb": {"status": 200, "body": " " * ((1 << 20) + 1)},
    "no response in time": {"delay": 2},
}
SOME = r"(1[1-9]|[2-9]\d|\d{3,})"
"""More than 10."""
BY_KEY, BY_NUMBER, BY_CURSOR = "orders", "brands", "stock_changes"


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        (BY_KEY, "no response in time"),
        (BY_NUMBER, "500"),
        (BY_CURSOR, "500"),
        ("stock_change_lines", "500"),
        ("prices", "500"),
    ],
)
def test_large_integration_page_is_read_in_parts(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, stream: str, failure: str
) -> None:
    sandbox.override(rf'"rows_(limit|first)":{SOME}\b', **FAILURES[failure])
    some = catalog(INTEGRATION, **{stream: None})
    timeout = 1 if failure == "no response in time" else 60
    settings: Any = {"max_response_mb": 1, "request_timeout": timeout}
    ended = run(sandbox, catalog=some, page_size=40, max_retries=1, **settings)
    assert ended.code == 0, ended.log
    assert "rows at once" in ended.log
    assert row_differences(sandbox, INTEGRATION, ended.output, stream) == []


@pytest.mark.parametrize(
    ("stream", "marks"),
    [(BY_KEY, "number"), (BY_KEY, "id"), (BY_NUMBER, "id"), (BY_CURSOR, "id")],
)
def test_failing_integration_row_fails_alone(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, stream: str, marks: str
) -> None:
    some = catalog(INTEGRATION, **{stream: None})
    whole = run(sandbox, catalog=some).output.rows(stream)
    key = sorted(whole)[len(whole) // 2]
    value = whole[key][marks]
    mark = f'"{marks}":"{value}"' if isinstance(value, str) else f'"{marks}":{value},'
    sandbox.override("graphql", **SERVER_ERROR, holding=mark)
    ended = run(sandbox, catalog=some, page_size=4, max_retries=1)
    assert ended.code == 1
    assert "even for a single row" in ended.log
    assert set(ended.output.rows(stream)) == set(whole) - {key}
    for _, kept in bookmarks(ended.output.state):
        assert kept <= whole[key]["updatedAt"]


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        *(("orders", failure) for failure in FAILURES if failure != "no response in time"),
        ("returns", "500"),
        ("products", "500"),
    ],
)
def test_large_order_page_is_read_in_parts(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, stream: str, failure: str
) -> None:
    sandbox.override(rf"/{stream}\?.*limit={SOME}\b", **FAILURES[failure])
    some = catalog(ORDER, customers=None, **{stream: None})  # one stream succeeds first
    settings: Any = {"max_response_mb": 1, "request_timeout": 1}
    ended = run(sandbox, ORDER, catalog=some, page_size=40, max_retries=1, **settings)
    assert ended.code == 0, ended.log
    assert "rows at once" in ended.log
    assert row_differences(sandbox, ORDER, ended.output, stream) == []


@pytest.mark.parametrize(
    "case",
    [
        *(("orders", "orderId", '"orderId":"{}"', place) for place in (0, 3, 5)),
        *(("returns", "returnId", '"returnId":{},', place) for place in (0, 3, 5)),
        ("products", "stockItemId", '"stockItemId":{},', 3),
    ],
)
def test_failing_order_row_fails_alone(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, case: tuple[str, str, str, int]
) -> None:
    stream, name, mark, place = case
    some = catalog(ORDER, **{stream: None})
    good = run(sandbox, ORDER, catalog=some).output
    bad = good.records[stream][place][name]
    sandbox.override(rf"/{stream}\?", **SERVER_ERROR, holding=mark.format(bad))
    ended = run(sandbox, ORDER, catalog=some, page_size=4, max_retries=1)
    assert ended.code == 1
    assert "even for a single row" in ended.log
    assert set(ended.output.rows(stream)) == set(good.rows(stream)) - {(bad,)}
    assert list(bookmarks(ended.output.state)) == []


def test_indivisible_request_gets_all_retries(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    sandbox.override(r'"nested_page":2', status=504, body="<h1>Gateway time-out</h1>", times=6)
    only = catalog(INTEGRATION, stock_change_lines=None)
    ended = run(sandbox, catalog=only, page_size=50, max_retries=7)
    assert "try 7 of 8" in ended.log
    assert ended.code == 0, ended.log
    assert row_differences(sandbox, INTEGRATION, ended.output, "stock_change_lines") == []
