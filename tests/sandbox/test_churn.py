"""Data that changes while clients read it."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import requests

from commerce_sandbox import ChurnOptions, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.support import Client

STREAM = "commerce_orders"
KEY = ("companyId", "connectionId", "id")
PER_REQUEST = ChurnOptions(rate=10, per_request=7, stream=STREAM)


def _rows(sandbox: Sandbox) -> dict[tuple[str, ...], dict[str, Any]]:
    return {tuple(row[name] for name in KEY): row for row in sandbox.truth(STREAM)}


def test_churn_per_request_logs_every_change(
    client_of: Callable[[Sandbox], Client],
) -> None:
    with Sandbox(scale=0.1, churn=PER_REQUEST) as sandbox:
        client = client_of(sandbox)
        now = _rows(sandbox)
        latest = max(row["modifiedDate"] for row in now.values())
        assert sandbox.churned == []
        for _ in range(30):
            client.get("/companies")
        log = sandbox.churned
        assert [one.requests for one in log] == [n // 7 + 1 for n in range(210)]
        for one in log:
            key = tuple(one.changed.key.values())
            if one.changed.change == "deleted":
                assert one.row == b""
                del now[key]
            else:
                assert (one.changed.change == "inserted") == (key not in now)
                now[key] = json.loads(one.row)
                assert now[key]["modifiedDate"] > latest
        assert now == _rows(sandbox)
        changes = Counter(one.changed.change for one in log)
        assert changes["changed"] > changes["inserted"] > changes["deleted"] > 0
        # Twenty-one seconds of the sandbox's own time have gone by.
        timestamps = {json.loads(one.row)["modifiedDate"] for one in log if one.row}
        assert len(timestamps) == 21


def test_same_seed_changes_same_rows(client_of: Callable[[Sandbox], Client]) -> None:
    logs = []
    for _ in range(2):
        with Sandbox(scale=0.1, churn=PER_REQUEST) as sandbox:
            client = client_of(sandbox)
            for _ in range(5):
                client.get("/companies")
            logs.append(sandbox.churned)
    assert logs[0] == logs[1]


def test_sync_is_running_until_settled(client_of: Callable[[Sandbox], Client]) -> None:
    with Sandbox(scale=0.1, churn=PER_REQUEST) as sandbox:
        client = client_of(sandbox)
        client.get("/companies")
        company = sandbox.churned[0].changed.key["companyId"]
        path = f"/companies/{company}/dataStatus"
        assert client.json(path)["commerce-orders"]["currentStatus"] == "Fetching"
        sandbox.settle()
        settled = len(sandbox.churned)
        assert client.json(path)["commerce-orders"]["currentStatus"] == "Complete"
        assert len(sandbox.churned) == settled


def test_churn_by_clock_starts_with_first_request(
    client_of: Callable[[Sandbox], Client],
) -> None:
    with Sandbox(scale=0.1, churn=500) as sandbox:
        assert sandbox.churned == []
        client_of(sandbox).get("/companies")
        for _ in range(1000):
            if len(sandbox.churned) >= 20:
                break
            time.sleep(0.01)
        assert len(sandbox.churned) >= 20
        response = requests.post(f"{sandbox.url}/_control/settle", timeout=30)
        assert response.status_code == 204
        settled = sandbox.churned
        time.sleep(0.05)
        assert sandbox.churned == settled


def test_deleted_rows_leave_no_trace(own_sandbox: Sandbox) -> None:
    before = _rows(own_sandbox)
    changed_rows = own_sandbox.mutate(changes=10, deletes=25, stream=STREAM)
    changed, deleted = (
        {tuple(one.key.values()) for one in changed_rows if one.change == change}
        for change in ("changed", "deleted")
    )
    assert (len(changed), len(deleted)) == (10, 25)
    after = _rows(own_sandbox)
    assert before.keys() - after.keys() == deleted
    assert {key for key in after if after[key] != before[key]} == changed


@pytest.mark.parametrize("deletes", [-1, 10**6])
def test_impossible_deletion_raises_value_error(own_sandbox: Sandbox, deletes: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        own_sandbox.mutate(deletes=deletes)


def test_hostile_ids_need_quoting_in_paths(client_of: Callable[[Sandbox], Client]) -> None:
    with Sandbox(scale=0.1, api_key='k/+" 1', hostile_ids=True) as sandbox:
        client = client_of(sandbox)
        assert sandbox.environment["TAP_CODAT_API_KEY"] == sandbox.api_key == 'k/+" 1'
        companies = client.rows("/companies")
        ids = [company["id"] for company in companies]
        assert len(set(ids)) == 12
        assert any("/" in one for one in ids)
        connections = [one for company in companies for one in company["dataConnections"]]
        assert {one["id"] for one in connections} == {r["id"] for r in sandbox.truth("connections")}
        assert client.get("/companies/%2E%2E/integrations").status_code == 400
