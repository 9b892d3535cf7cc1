"""Odd responses of the Integration API: what comes of them, and that no row is lost unnoticed."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox.centra import graphql_api
from commerce_taps.http import Client
from tests.centra.support import INTEGRATION, differences, row_differences, truth
from tests.contract import bookmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from commerce_sandbox.centra.graphql_api import GraphQLRequest
    from commerce_sandbox.centra.tokens import Token
    from tests.centra.support import Catalogs, Taps
    from tests.contract import Record

    Change = Callable[[Record, str], Record | None]
    Tamper = Callable[[str, Change], list[str]]


def error(message: str, category: str = "internal", *path: str | int) -> Record:
    return {"message": message, "path": list(path), "extensions": {"category": category}}


@pytest.fixture
def tamper(monkeypatch: pytest.MonkeyPatch) -> Tamper:
    """Changes the responses to queries with a text in them; gives the list of these queries."""

    def begin(part: str, change: Change) -> list[str]:
        plain, struck = graphql_api.GraphQLApi._respond, list[str]()

        def response(api: graphql_api.GraphQLApi, token: Token, request: GraphQLRequest) -> Record:
            found = plain(api, token, request)
            if part not in request.query:
                return found
            struck.append(request.query)
            return change(json.loads(json.dumps(found)), request.query) or found

        monkeypatch.setattr(graphql_api.GraphQLApi, "_respond", response)
        return struck

    return begin


def times(count: int, change: Change) -> Change:
    """Change so many responses and no more."""
    left = [count]

    def act(response: Record, query: str) -> Record | None:
        left[0] -= 1
        return change(response, query) if left[0] >= 0 else None

    return act


# --- errors beside data -------------------------------------------------------------------------


def half(response: Record, message: str, category: str = "graphql") -> Record:
    """An response of which a value is missing."""
    response["data"]["rows"][1]["grandTotal"] = None
    return {"errors": [error(message, category, "rows", 1, "grandTotal")]} | response


@pytest.mark.parametrize(
    "message",
    ["The creditLimit of unknown complexity.", "The moon is full."],
    ids=["limit", "moon"],
)
def test_row_with_error_fails_alone(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper, message: str
) -> None:
    requested = tamper("rows: orders", times(1, lambda a, _: half(a, message)))
    found = run(sandbox, catalog=catalog(orders=None, brands=None))
    assert found.code == 1
    assert "Failed orders: some rows could not be read, and all others were: " in found.log
    assert re.search(rf"{message.rstrip('.')}\)? \(row 2 of page 1\)\.", found.log)
    wanted = truth(sandbox, INTEGRATION, found.output, "orders")
    rows = found.output.rows("orders")
    assert len(rows) == len(wanted) - 1
    assert differences(INTEGRATION, "orders", rows, {key: wanted[key] for key in rows}) == []
    assert not found.output.state.get("bookmarks", {}).get("orders")
    assert found.summary("orders")["requests"] == len(requested)
    again = run(sandbox, catalog=catalog(orders=None), state=found.output.state)
    assert row_differences(sandbox, INTEGRATION, again.output, "orders") == []


@pytest.mark.parametrize("path", [["rows", 3, "nested", 1, "quantity"], ["rows", 3, "number"]])
def test_entry_with_error_fails_alone(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper, path: list[str | int]
) -> None:
    lost: list[str] = []

    def change(response: Record, _: str) -> Record:
        row = response["data"]["rows"][3]
        entry = path[3] if len(path) > 3 else slice(None)
        gone = row["nested"][entry]
        lost.extend(one["id"] for one in (gone if isinstance(gone, list) else [gone]))
        return {"errors": [error("The moon is full.", "graphql", *path)]} | response

    tamper("rows: orders", times(1, change))
    found = run(sandbox, catalog=catalog(order_lines=None))
    assert found.code == 1
    place = "entry 2 of row 4 of page 1" if len(path) > 3 else "row 4 of page 1"
    assert f"Centra rejects the query (The moon is full) ({place})." in found.log
    wanted = truth(sandbox, INTEGRATION, found.output, "order_lines")
    assert {key[1] for key in wanted.keys() - found.output.rows("order_lines").keys()} == {*lost}


@pytest.mark.parametrize(
    ("errors", "extensions"),
    [([], []), ({}, {}), (None, None), (False, ""), ("", [1]), ([], {"complexity": "much"})],
)
def test_empty_php_values_are_no_errors(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    tamper: Tamper,
    *,
    errors: object,
    extensions: object,
) -> None:
    tamper("", lambda a, _: a | {"errors": errors, "extensions": extensions})
    found = run(sandbox, catalog=catalog(brands=None))
    assert found.code == 0
    assert row_differences(sandbox, INTEGRATION, found.output, "brands") == []


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"errors": {}, "data": None}, "the response has neither data nor errors"),
        ({"errors": [], "data": []}, "the response has neither data nor errors"),
        ({"errors": {"message": "Full moon."}}, "Centra rejects the query (Full moon"),
        ({"errors": {"1": {"message": "Full moon."}}}, "Centra rejects the query (Full moon"),
        ({"errors": "Full moon.", "data": []}, "Centra rejects the query (Full moon"),
        ({"errors": [None], "data": None}, "Centra rejects the query (no details given"),
        ({"errors": [{"message": [1], "path": 5, "extensions": []}]}, "the query ([1])"),
    ],
)
def test_response_without_data_fails_its_stream(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    tamper: Tamper,
    *,
    response: Record,
    message: str,
) -> None:
    tamper("rows: orders", lambda *_: response)
    found = run(sandbox, catalog=catalog(orders=None, brands=None), max_retries=1)
    assert found.code == 1
    assert "Failed orders: " in found.log
    assert message in found.log
    assert set(found.output.counts) == {"brands"}


def test_internal_error_is_retried_with_same_size(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper
) -> None:
    """Beside the error stands what the query has cost: `complexity` is no complaint of it."""
    tamper("rows: orders", times(3, lambda a, _: half(a, "Internal server error", "internal")))
    found = run(sandbox, catalog=catalog(orders=None))
    assert found.code == 0
    assert found.log.count("orders: Centra has an internal error (Internal server error); try") == 3
    assert "rows at once" not in found.log
    assert row_differences(sandbox, INTEGRATION, found.output, "orders") == []


def test_error_is_classified_by_its_message(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper
) -> None:
    said = error("The moon is full.", "graphql")
    body = {"errors": [said], "extensions": {"complexity": 5, "limit": "internal"}}
    requested = tamper("rows: orders", lambda *_: body)
    found = run(sandbox, catalog=catalog(orders=None))
    assert "Failed orders: Centra rejects the query (The moon is full)" in found.log
    assert len(requested) == 1


@pytest.mark.parametrize(
    ("status", "message", "beside"),
    [
        (200, "Access token has expired", {"extensions": {"category": "authorization"}}),
        (200, "Access denied", {"extensions": {"category": "authorization"}}),
        (200, "Invalid token", {"path": ["rows"]}),
        (400, "Token expired", {}),
        (403, "The token was revoked", {"extensions": {"category": "graphql"}}),
    ],
)
def test_expired_token_stops_the_run(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    tamper: Tamper,
    *,
    status: int,
    message: str,
    beside: Record,
) -> None:
    def refuse(*_: object) -> Record:
        raise graphql_api.Refused(status, {"message": message, **beside})

    tamper("rows: ", refuse)
    found = run(sandbox, catalog=catalog(orders=None, brands=None))
    assert found.code == 1
    (said,) = [line for line in found.log.splitlines() if line.startswith(("Stopped", "Failed"))]
    assert said.startswith("Stopped: ")
    assert "Centra does not accept the token: it has expired or was revoked" in said
    assert message in said


def test_rate_limit_of_any_status_waits(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper
) -> None:
    # Not orders: the threads of the runs before this one may still request those.
    body = {"errors": [error("Rate limit exceeded.", "rateLimit")]}
    tamper("rows: invoices", times(2, lambda *_: body))
    found = run(sandbox, catalog=catalog(invoices=None))
    assert found.code == 0
    assert "rows at once" not in found.log
    assert row_differences(sandbox, INTEGRATION, found.output, "invoices") == []


def test_rate_limit_for_single_row_stops(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper
) -> None:
    def refuse(*_: object) -> Record:
        raise graphql_api.Refused(429, {"message": "Later."}, headers={"Retry-After": "0"})

    requested = tamper("rows: orders", refuse)
    found = run(sandbox, catalog=catalog(orders=None, brands=None), page_size=4, max_retries=1)
    assert found.code == 1
    assert "Stopped: orders: Centra's rate limit is reached" in found.log
    assert len(requested) == 3 * 2  # for 4 rows, for 2, for 1


# --- rows that are none, and unknown values ------------------------------------------------


NO_ROWS = [None, False, 5, "row", [], [1]]
"""Values that are no row."""


@pytest.mark.parametrize(
    ("stream", "place"), [("orders", "rows"), ("order_lines", "nested")], ids=["row", "entry"]
)
def test_value_that_is_no_row_fails_alone(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    tamper: Tamper,
    *,
    stream: str,
    place: str,
) -> None:
    def change(response: Record, _: str) -> Record:
        rows = response["data"]["rows"]
        found = rows if place == "rows" else rows[3]["nested"]
        found += NO_ROWS
        return response

    tamper("rows: ", times(1, change))
    found = run(sandbox, catalog=catalog(**{stream: None}))
    assert found.code == 1
    assert f"Failed {stream}: some rows could not be read, and all others were: " in found.log
    assert "is no object (" in found.log
    assert " and 1 more)." in found.log
    assert row_differences(sandbox, INTEGRATION, found.output, stream) == []
    assert not found.output.state.get("bookmarks", {}).get(stream)


NO_TIMES = [
    "-0001-11-30T00:00:00+01:00",
    "0000-00-00 00:00:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-01:00",
    "9999-12-31T00:00:00Z",
    "100000-01-01T00:00:00Z",
    "",
    "soon",
    1717200000,
    True,
    None,
    [],
    {"date": "2024-06-01"},
]


@pytest.mark.parametrize("place", [0, 4, -1], ids=["first", "middle", "last"])
def test_rows_without_timestamp_are_read(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper, place: int
) -> None:
    """Each page has one, wherever the reading goes on from."""
    left, odd = iter(NO_TIMES), dict[str, object]()

    def change(response: Record, _: str) -> Record:
        rows = response["data"]["rows"]
        if len(rows) > 4 and rows[place]["id"] not in odd:
            odd.update((rows[place]["id"], value) for value in islice(left, 1))
        for row in rows:
            row["updatedAt"] = odd.get(row["id"], row["updatedAt"])
        return response

    tamper("rows: orders", change)
    some = catalog(orders=["updatedAt"], order_lines=["orderUpdatedAt"])
    found = run(sandbox, catalog=some, page_size=10, concurrency=1)
    assert found.code == 0
    assert "Traceback" not in found.log
    assert list(odd.values()) == NO_TIMES
    for stream, column in (("orders", "updatedAt"), ("order_lines", "orderUpdatedAt")):
        wanted, rows = (
            truth(sandbox, INTEGRATION, found.output, stream),
            found.output.rows(stream),
        )
        assert rows.keys() == wanted.keys()
        for key, row in rows.items():
            variants = [v for name, v in row.items() if name.startswith(f"{column}__v_")]
            if key[0] not in odd:
                assert (row[column], variants) == (wanted[key][column], [])
            elif row[column] is None:
                assert variants in ([odd[key[0]]], [])
                assert variants or odd[key[0]] is None
            else:
                assert row[column][:4] == "9999"
    for _, bookmark in bookmarks(found.output.state):
        assert bookmark < "2024-06-02"


def test_unknown_types_are_kept(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper
) -> None:
    def change(response: Record, _: str) -> Record:
        for row in response["data"]["rows"]:
            row |= {"__typename": "PopUpOrder", "status": "BEAMED_UP"}
        return response

    tamper("rows: orders", change)
    found = run(sandbox, catalog=catalog(orders=None))
    assert found.code == 0
    rows = found.output.records["orders"]
    assert {(row["__typename"], row["status"]) for row in rows} == {("PopUpOrder", "BEAMED_UP")}
    assert len(rows) == len(truth(sandbox, INTEGRATION, found.output, "orders"))


# --- what is looked up first --------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        {"errors": [error('Cannot query field "remainingQuota" on type "RateLimit".', "graphql")]},
        {"errors": [error("Rate limits need a permission.", "authorization")]},
    ],
    ids=["field", "permission"],
)
def test_unknown_rate_limits_stop_nothing(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    tamper: Tamper,
    response: Record,
) -> None:
    tamper("rateLimits", lambda *_: response)
    found = run(sandbox, catalog=catalog(brands=None))
    assert found.code == 0
    assert "The rate limits are not known. The tap only waits when Centra asks for it" in (
        found.log
    )
    assert row_differences(sandbox, INTEGRATION, found.output, "brands") == []


def damaged(where: str) -> Change:
    """Damage what the environment says of itself, so that something seems not to be there."""

    def change(response: Record, _: str) -> Record:
        types = response["data"]["__schema"]["types"]
        (order,) = [one for one in types if one["name"] == "Order"]
        if where == "type":
            types.remove(order)
        elif where == "types":
            response["data"]["__schema"] = {}
        elif where == "kind":
            order["kind"] = None
        else:
            order[where] = None if where == "fields" else []
        return response

    return change


@pytest.mark.parametrize("where", ["type", "types", "kind", "fields"])
def test_damaged_schema_loses_no_stream(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper, where: str
) -> None:
    requested = tamper("__schema", times(2, damaged(where)))
    found = run(sandbox, catalog=catalog(orders=["number"]))
    assert found.code == 0
    assert len(requested) == 3
    assert found.output.counts["orders"]


def test_missing_schema_fails_the_run(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, tamper: Tamper
) -> None:
    tamper("__schema", damaged("fields"))
    found = run(sandbox, catalog=catalog(orders=None, brands=None), max_retries=1)
    assert found.code == 1
    assert "the schema of the environment is not known: " in found.log
    assert "it does not say what is in `Order`" in found.log


@pytest.mark.parametrize("years", [-20, 20])
def test_wrong_clock_costs_no_row(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    monkeypatch: pytest.MonkeyPatch,
    years: int,
) -> None:
    wrong = datetime.now(timezone.utc) + timedelta(days=365 * years)
    monkeypatch.setattr(Client, "now", property(lambda _: wrong))
    found = run(sandbox, catalog=catalog(orders=["number"], stock_changes=["type"]))
    assert found.code == 0
    for stream in ("orders", "stock_changes"):
        wanted = truth(sandbox, INTEGRATION, found.output, stream)
        assert found.output.rows(stream).keys() == wanted.keys()
    assert all(value <= wrong.isoformat() for _, value in bookmarks(found.output.state))


# --- runs that end in the middle ----------------------------------------------------------------


@pytest.mark.parametrize("variant", ["current", "older"])
def test_interrupted_run_resumes_without_loss(
    run: Taps,
    environments: Callable[[str], Sandbox],
    catalog: Catalogs,
    tamper: Tamper,
    *,
    variant: str,
) -> None:
    streams = ("orders", "order_lines", "shipments", "product_sizes", "stock_changes")
    some, environment = catalog(**dict.fromkeys(streams)), environments(variant)
    counts: Counter[str] = Counter()
    down = True

    def after_two(_: Record, query: str) -> Record | None:
        text = query.partition("rows: ")[2]
        counts[text] += 1
        refused = {"errors": [error("The moon is full.", "graphql")]}
        return refused if down and counts[text] > 2 else None

    tamper("rows: ", after_two)
    broken = run(environment, catalog=some, page_size=30)
    assert broken.code == 1
    down = False
    rest = run(environment, catalog=some, page_size=30, state=broken.output.state)
    assert rest.code == 0
    for stream in streams:
        wanted = truth(environment, INTEGRATION, rest.output, stream)
        assert broken.output.rows(stream).keys() < wanted.keys()
        rows = broken.output.rows(stream) | rest.output.rows(stream)
        assert differences(INTEGRATION, stream, rows, wanted)[:5] == []
    assert not broken.output.state.get("bookmarks", {}).get("stock_changes")
