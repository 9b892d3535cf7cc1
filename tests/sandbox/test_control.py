"""Controlling the sandbox: changes between runs, the log of requests, overridden responses."""

from __future__ import annotations

import ipaddress
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from commerce_sandbox import Sandbox, middleware
from commerce_sandbox.codat import dates, fields
from commerce_sandbox.codat.truth import stream_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.support import Client

DATASETS = {stream_name(name): name for name in fields.COMMERCE_LISTS}
KEY = ("companyId", "connectionId", "id")


def _snapshot(sandbox: Sandbox) -> dict[tuple[str, ...], dict[str, Any]]:
    return {
        (stream, *(row[name] for name in KEY)): row
        for stream in DATASETS
        for row in sandbox.truth(stream)
    }


def test_mutation_changes_exactly_reported_rows(own_sandbox: Sandbox) -> None:
    before = _snapshot(own_sandbox)
    changed_rows = own_sandbox.mutate(changes=20, inserts=10)
    after = _snapshot(own_sandbox)

    reported = {(one.stream, *(one.key[name] for name in KEY)): one.change for one in changed_rows}
    assert Counter(reported.values()) == {"changed": 20, "inserted": 10}
    assert {key for key in after if key not in before} == {
        key for key, change in reported.items() if change == "inserted"
    }
    assert {key for key in before if before[key] != after[key]} == {
        key for key, change in reported.items() if change == "changed"
    }
    for key, change in reported.items():
        if change == "changed":
            assert after[key]["modifiedDate"] > before[key]["modifiedDate"]
            assert set(before[key]) <= set(after[key])


def test_second_mutation_is_later_and_different(own_sandbox: Sandbox) -> None:
    first = own_sandbox.mutate(changes=5, stream="commerce_orders")
    orders = own_sandbox.truth("commerce_orders")
    latest = max(row["modifiedDate"] for row in orders)
    second = own_sandbox.mutate(changes=5, stream="commerce_orders")
    assert first != second
    changed_rows = {one.key["id"] for one in second}
    later = [row for row in own_sandbox.truth("commerce_orders") if row["modifiedDate"] > latest]
    assert changed_rows <= {row["id"] for row in later}
    assert {one.stream for one in first + second} == {"commerce_orders"}


def test_first_inserted_row_ties_with_latest(own_sandbox: Sandbox) -> None:
    before = own_sandbox.truth("commerce_orders")
    changed_rows = own_sandbox.mutate(changes=200, inserts=1, stream="commerce_orders")
    (added,) = [one for one in changed_rows if one.change == "inserted"]
    connection = added.key["connectionId"]
    latest = max(row["modifiedDate"] for row in before if row["connectionId"] == connection)
    (row,) = [row for row in own_sandbox.truth("commerce_orders") if row["id"] == added.key["id"]]
    assert row["modifiedDate"] == latest


def test_changed_rows_share_timestamps(own_sandbox: Sandbox) -> None:
    changed_rows = {
        one.key["id"] for one in own_sandbox.mutate(changes=30, stream="commerce_payments")
    }
    timestamps = {
        row["modifiedDate"]
        for row in own_sandbox.truth("commerce_payments")
        if row["id"] in changed_rows
    }
    assert len(timestamps) <= 3


def test_modified_filter_finds_exactly_changes(
    own_sandbox: Sandbox, client_of: Callable[[Sandbox], Client]
) -> None:
    client = client_of(own_sandbox)
    bound = max(row["modifiedDate"] for row in own_sandbox.truth("commerce_orders"))
    changed_rows = own_sandbox.mutate(changes=8, stream="commerce_orders")
    by_path: dict[str, set[str]] = {}
    for one in changed_rows:
        path = f"/companies/{one.key['companyId']}/connections/{one.key['connectionId']}"
        by_path.setdefault(f"{path}/data/commerce-orders", set()).add(one.key["id"])
    for path, ids in by_path.items():
        rows = client.rows(path, query=f"modifiedDate>{bound}", orderBy="modifiedDate", pageSize=3)
        assert {row["id"] for row in rows} == ids


def test_mutation_moves_history_and_status(
    own_sandbox: Sandbox, client_of: Callable[[Sandbox], Client]
) -> None:
    client = client_of(own_sandbox)
    connections = {row["id"]: row for row in own_sandbox.truth("connections")}
    pulls = len(own_sandbox.truth("pull_operations"))
    (changed_rows,) = own_sandbox.mutate(changes=1, stream="commerce_orders")
    company, connection = changed_rows.key["companyId"], changed_rows.key["connectionId"]

    (row,) = [r for r in own_sandbox.truth("commerce_orders") if r["id"] == changed_rows.key["id"]]
    status = client.json(f"/companies/{company}/dataStatus")["commerce-orders"]
    assert dates.parse(status["lastSuccessfulSync"]) >= dates.parse(row["modifiedDate"])
    history = client.json(f"/companies/{company}/data/history/{status['latestSyncId']}")
    assert (history["dataType"], history["connectionId"]) == ("commerce-orders", connection)
    assert len(own_sandbox.truth("pull_operations")) == pulls + 1

    (now,) = [one for one in own_sandbox.truth("connections") if one["id"] == connection]
    assert now["lastSync"] > connections[connection]["lastSync"]
    assert client.json(f"/companies/{company}")["lastSync"] == now["lastSync"]
    listed = next(one for one in client.rows("/companies") if one["id"] == company)
    assert now["lastSync"] in [one.get("lastSync") for one in listed["dataConnections"]]


def test_same_seed_mutates_same_rows(own_sandbox: Sandbox) -> None:
    with Sandbox(scale=0.1) as other:
        other.truth("commerce_payments")  # reading other rows first must not matter
        for _ in range(2):
            assert other.mutate(changes=9, inserts=9) == own_sandbox.mutate(changes=9, inserts=9)
        assert other.truth("commerce_orders") == own_sandbox.truth("commerce_orders")


@pytest.mark.parametrize(
    ("changes", "stream"), [(1, "companies"), (1, "nothing"), (10**6, None), (-1, None)]
)
def test_impossible_mutation_raises_and_changes_nothing(
    own_sandbox: Sandbox, changes: int, stream: str | None
) -> None:
    before = _snapshot(own_sandbox)
    with pytest.raises(ValueError, match=r"."):
        own_sandbox.mutate(changes=changes, stream=stream)
    assert _snapshot(own_sandbox) == before


def test_requests_are_logged_in_order(
    own_sandbox: Sandbox, client_of: Callable[[Sandbox], Client]
) -> None:
    client = client_of(own_sandbox)
    client.get("/companies", page=1, query="name=a b&&x")
    client.get("/nothing/a%2Fb")
    requests.post(f"{own_sandbox.codat_url}/companies", timeout=30)
    first, second, third = own_sandbox.requests
    assert (first.method, first.status) == ("GET", 400)
    assert first.query == {"page": "1", "query": "name=a b&&x"}
    assert first.raw_query == "page=1&query=name%3Da+b%26%26x"
    assert second.raw_path == "/codat/nothing/a%2Fb"
    assert (second.path, second.status) == ("/codat/nothing/a/b", 404)
    assert (third.method, third.status) == ("POST", 401)
    assert "authorization" not in first.headers
    assert first.headers["user-agent"].startswith("python-requests/")
    own_sandbox.clear_requests()
    assert own_sandbox.requests == []


def test_override_replaces_given_number_of_responses(
    own_sandbox: Sandbox, client_of: Callable[[Sandbox], Client]
) -> None:
    client = client_of(own_sandbox)
    own_sandbox.override("/companies", status=429, headers={"Retry-After": "7"}, times=2)
    for _ in range(2):
        response = client.get("/companies")
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "7"
        assert response.json()["error"].startswith("You have made too many requests")
        assert client.get("/integrations").status_code == 200
    assert client.get("/companies").status_code == 200
    assert [one.status for one in own_sandbox.requests] == [429, 200, 429, 200, 200]


def test_override_body_may_be_anything(
    own_sandbox: Sandbox, client_of: Callable[[Sandbox], Client]
) -> None:
    client = client_of(own_sandbox)
    own_sandbox.override(r"page=2$", status=200, body='{"results":[')
    own_sandbox.override(r"pageSize=7", status=200, body={"results": None})
    html = {"content-type": "text/html"}
    own_sandbox.override(r"/integrations", status=200, body="<html>", headers=html)
    assert client.get("/companies", page=2).text == '{"results":['
    assert client.get("/companies", pageSize=7).json() == {"results": None}
    assert client.get("/integrations").headers["content-type"] == "text/html"
    assert client.get("/companies", page=1).status_code == 200
    own_sandbox.clear_overrides()
    assert client.get("/companies", page=2).json()["pageNumber"] == 2


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds the middleware would have waited."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(middleware, "asyncio", SimpleNamespace(sleep=sleep))
    return waited


def test_override_without_status_only_delays(
    own_sandbox: Sandbox, client_of: Callable[[Sandbox], Client], waits: list[float]
) -> None:
    client = client_of(own_sandbox)
    own_sandbox.override("/companies", delay=30, times=1)
    assert client.get("/companies").status_code == 200
    assert client.get("/companies").status_code == 200
    assert waits == [30]


def test_latency_delays_every_response(
    client_of: Callable[[Sandbox], Client], waits: list[float]
) -> None:
    with Sandbox(scale=0.1, latency_ms=50) as sandbox:
        client = client_of(sandbox)
        sandbox.override("/integrations", status=500, delay=1)
        for path in ("/companies", "/nothing", "/integrations"):
            client.get(path)
        sandbox.truth("companies")
        requests.get(f"{sandbox.url}/_control/requests", timeout=30)
    assert waits == [0.05, 0.05, 1.05]


def test_control_endpoints_work_over_http(own_sandbox: Sandbox) -> None:
    control = f"{own_sandbox.url}/_control"
    with requests.Session() as session:
        lines = session.get(f"{control}/truth/companies", timeout=30).content.splitlines()
        assert lines == own_sandbox.truth_lines("companies")

        body = {"changes": 2, "inserts": 1, "stream": "commerce_orders"}
        changed_rows = session.post(f"{control}/mutate", json=body, timeout=30).json()
        assert [one["change"] for one in changed_rows] == ["inserted", "changed", "changed"]
        assert set(changed_rows[0]["key"]) == set(KEY)

        rule = {"path": "/companies", "status": 503, "times": 1}
        assert session.post(f"{control}/overrides", json=rule, timeout=30).status_code == 204
        session.get(f"{own_sandbox.codat_url}/companies", timeout=30)
        logged = session.get(f"{control}/requests", timeout=30).json()
        assert [(one["path"], one["status"]) for one in logged] == [("/codat/companies", 503)]
        assert session.delete(f"{control}/requests", timeout=30).status_code == 204
        assert session.delete(f"{control}/overrides", timeout=30).status_code == 204
        assert session.get(f"{control}/requests", timeout=30).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "truth/nothing", None, 404),
        ("POST", "mutate", {"stream": "companies", "changes": 1}, 400),
        ("POST", "mutate", {"change": 1}, 400),
        ("POST", "overrides", {"status": 500}, 400),
        ("POST", "overrides", {"path": "("}, 400),
        ("POST", "overrides", {"path": "x", "state": 500}, 400),
        ("GET", "mutate", None, 405),
    ],
)
def test_control_refuses_unknown_requests(
    sandbox: Sandbox,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    status: int,
) -> None:
    response = requests.request(method, f"{sandbox.url}/_control/{path}", json=body, timeout=30)
    assert response.status_code == status


REFUSED = {
    "another origin": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "an origin that is hidden": {"Origin": "null"},
    "another scheme": {"Origin": "https://{host}"},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another port of the site": {"Sec-Fetch-Site": "same-site"},
    "a name that leads here": {"Host": "evil.example"},
    "a name that leads here, and its own page": {
        "Host": "evil.example:80",
        "Origin": "http://evil.example:80",
        "Sec-Fetch-Site": "same-origin",
    },
    "a name that looks like an address": {"Host": "127.0.0.1.evil.example"},
    "no name": {"Host": ""},
    "what is no name": {"Host": "[::1"},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "overrides"), ("DELETE", "requests"), ("GET", "truth/companies")]
)
def test_control_refuses_other_origins(
    own_sandbox: Sandbox, method: str, path: str, headers: dict[str, str]
) -> None:
    host = own_sandbox.url.removeprefix("http://")
    sent = {name: value.replace("{host}", host) for name, value in headers.items()}
    rule = {"path": "/companies", "status": 503}
    url = f"{own_sandbox.url}/_control/{path}"
    response = requests.request(method, url, json=rule, headers=sent, timeout=30)
    assert response.status_code == 403
    assert requests.get(f"{own_sandbox.codat_url}/companies", timeout=30).status_code == 401
    assert len(own_sandbox.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost"},
        {"Host": "LOCALHOST:8765"},
        {"Host": "[::1]:8765"},
        {"Host": "192.168.1.5:8765"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_control_accepts_this_machine(sandbox: Sandbox, headers: dict[str, str]) -> None:
    host = sandbox.url.removeprefix("http://")
    sent = {name: value.replace("{host}", host) for name, value in headers.items()}
    url = f"{sandbox.url}/_control/truth/companies"
    assert requests.get(url, headers=sent, timeout=30).status_code == 200


def test_default_host_is_loopback(own_sandbox: Sandbox) -> None:
    address = urlsplit(own_sandbox.url).hostname
    assert address is not None
    assert ipaddress.ip_address(address).is_loopback
    assert {one.getsockname()[0] for one in own_sandbox._server.servers[0].sockets} == {address}
