"""Pages that Codat cannot return: smaller ones are requested, and no row is lost."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.codat.support import catalog, truth
from tests.contract import bookmarks

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps

CONTEXT = ("companyId", "connectionId")
ORDERS = "commerce_orders"
BY_KEY, BY_NUMBER = "commerce_orders", "commerce_locations"
PATHS = {BY_KEY: "commerce-orders", BY_NUMBER: "commerce-locations"}
LARGE = r"pageSize=([3-9]\d|\d{3,})(&|$)"


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500, "body": {"error": "There is a problem with our server"}},
        {"status": 504, "body": "<h1>Gateway time-out</h1>"},
        {"status": 200, "body": " " * ((1 << 20) + 1)},
        {"delay": 2},
    ],
    ids=["500", "504", "beyond max_response_mb", "timeout"],
)
@pytest.mark.parametrize("stream", [BY_KEY, "pull_operations"])
def test_page_too_large_is_read_in_smaller_ones(
    run: Taps, sandbox: Sandbox, stream: str, failure: dict[str, Any]
) -> None:
    path = PATHS.get(stream, "data/history")
    sandbox.override(rf"{path}\?.*{LARGE}", **failure)
    settings: Any = {"max_response_mb": 1, "request_timeout": 1}
    ended = run(sandbox, catalog=catalog(**{stream: None}), page_size=50, **settings)
    assert ended.code == 0, ended.log
    assert "rows at once instead of" in ended.log
    assert ended.output.rows(stream) == truth(sandbox, ended.output, stream)


def test_unreadable_row_is_reported_and_others_arrive(run: Taps, sandbox: Sandbox) -> None:
    whole = truth(sandbox, run(sandbox, catalog=catalog(commerce_orders=None)).output, ORDERS)
    lists: dict[str, list[Any]] = {}
    for key, row in whole.items():
        lists.setdefault(str(key[1]), []).append((row["modifiedDate"], key))
    connection, rows = next((one, sorted(rows)) for one, rows in lists.items() if len(rows) > 20)
    bad = rows[11][1]
    sandbox.override(f"{connection}/data/commerce-orders", status=500, holding=f'"{bad[2]}"')
    ended = run(sandbox, catalog=catalog(commerce_orders=None), page_size=10, max_retries=1)
    assert ended.code == 1
    assert "1 rows could not be read, the first of them row" in ended.log
    assert set(ended.output.rows(ORDERS)) == set(whole) - {bad}
    kept = {dict(c)["connectionId"]: value for (_, c), value in bookmarks(ended.output.state)}
    assert kept.get(connection) is None or kept[connection] <= whole[bad]["modifiedDate"]


@pytest.mark.parametrize("timestamp", ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize(
    "date", ["Tue, 01 Jan 2002 00:00:00 GMT", "Thu, 01 Jan 2098 00:00:00 GMT", "never"]
)
def test_future_timestamp_and_wrong_clock_lose_no_row(
    run: Taps, own_sandbox: Sandbox, timestamp: str, date: str
) -> None:
    chosen = catalog(commerce_tax_components=None)
    whole = truth(own_sandbox, run(own_sandbox, catalog=chosen).output, "commerce_tax_components")
    key, row = next(iter(whole.items()))
    rows = [{**row, "id": "soon", "modifiedDate": timestamp}]
    body = {
        "results": [*({k: v for k, v in one.items() if k not in CONTEXT} for one in rows)],
        "pageNumber": 1, "pageSize": 2000, "totalResults": 1, "_links": {},
    }  # fmt: skip
    path = f"{key[1]}/data/commerce-taxComponents"
    own_sandbox.override(path, status=200, body=body, headers={"Date": date})
    first = run(own_sandbox, catalog=chosen)
    kept = {dict(c)["connectionId"]: value for (_, c), value in bookmarks(first.output.state)}
    assert kept.get(str(key[1]), "") < timestamp
    assert kept.get(str(key[1]), "") <= datetime.now(timezone.utc).isoformat()
