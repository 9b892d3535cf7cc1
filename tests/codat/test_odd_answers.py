"""Responses with an odd value in one place: the rest is read, and the value is reported."""

from __future__ import annotations

from copy import deepcopy
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.codat.support import catalog, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps
    from tests.contract import Record

PRODUCTS: Final = "commerce_products"
JUST_PRODUCTS: Final = catalog(commerce_products=None)
MISSING: Final = object()
ODD: Final = {
    "missing": MISSING,
    "null": None,
    "number": 5,
    "true": True,
    "empty": "",
    "list": [],
    "object": {"a": [1e3]},
}


def odd(*names: str) -> pytest.MarkDecorator:
    chosen = {name: value for name, value in ODD.items() if not names or name in names}
    return pytest.mark.parametrize("value", chosen.values(), ids=chosen)


def put(record: Record, name: str, value: object) -> None:
    """Put a value into a record, or take one out."""
    if value is MISSING:
        record.pop(name, None)
    else:
        record[name] = value


def page(rows: list[Any], **envelope: Any) -> Record:  # noqa: ANN401 (JSON)
    """Make a page that holds all of a list."""
    whole = {
        "results": rows,
        "pageNumber": 1,
        "pageSize": 5000,
        "totalResults": len(rows),
        "_links": {"self": {"href": "/"}, "current": {"href": "/"}},
        **envelope,
    }
    return {name: value for name, value in whole.items() if value is not MISSING}


@pytest.fixture
def companies(sandbox: Sandbox) -> list[Record]:
    """The companies as the API lists them, to be changed."""
    return deepcopy(sandbox.truth("companies"))


@pytest.fixture
def shop(companies: list[Record], sandbox: Sandbox) -> Record:
    """One of several connections that have products, in `companies`."""
    selling = dict.fromkeys(str(row["connectionId"]) for row in sandbox.truth(PRODUCTS))
    connections = [one for company in companies for one in company["dataConnections"]]
    return next(one for one in connections if one["id"] == list(selling)[1])


@pytest.fixture
def owner(companies: list[Record], shop: Record) -> Record:
    """The company the connection is of."""
    return next(one for one in companies if shop in one["dataConnections"])


# --- companies and connections ------------------------------------------------------------------


@pytest.mark.parametrize("skip_unchanged", [True, False])
@pytest.mark.parametrize("name", ["status", "sourceType", "integrationKey", "lastSync"])
@pytest.mark.parametrize("first", [0, 4])
def test_odd_connection_fields_lose_no_row(
    run: Taps,
    sandbox: Sandbox,
    companies: list[Record],
    *,
    name: str,
    first: int,
    skip_unchanged: bool,
) -> None:
    selling = {row["connectionId"] for row in sandbox.truth(PRODUCTS)}
    connections = [one for company in companies for one in company["dataConnections"]]
    values = [*ODD.values()] * 2
    for place, one in enumerate(one for one in connections if one["id"] in selling):
        put(one, name, values[first + place])
    sandbox.override(r"/companies\?", status=200, body=page(companies))
    ended = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=skip_unchanged)
    assert ended.code == 0
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


@odd()
def test_connection_without_id_is_reported_and_others_read(
    run: Taps, sandbox: Sandbox, companies: list[Record], shop: Record, value: object
) -> None:
    id_ = shop["id"]
    put(shop, "id", value)
    sandbox.override(r"/companies\?", status=200, body=page(companies))
    ended = run(sandbox, catalog=JUST_PRODUCTS)
    assert ended.code == 1
    assert "Traceback" not in ended.log
    assert "connectionId=None): the list of companies has no usable `connectionId`" in ended.log
    wanted = truth(sandbox, ended.output, PRODUCTS)
    assert ended.output.rows(PRODUCTS) == {k: row for k, row in wanted.items() if k[1] != id_}


@odd()
def test_company_without_id_is_reported_and_others_read(
    run: Taps, sandbox: Sandbox, companies: list[Record], owner: Record, value: object
) -> None:
    id_ = owner["id"]
    put(owner, "id", value)
    if value:
        companies.append({**owner, "name": "Another of the kind"})
    sandbox.override(r"/companies\?", status=200, body=page(companies))
    ended = run(sandbox, catalog=catalog(commerce_products=None, data_statuses=None))
    assert ended.code == 1
    assert "Traceback" not in ended.log
    assert "Failed data_statuses (companyId=None): the list of companies has no" in ended.log
    for stream in (PRODUCTS, "data_statuses"):
        wanted = truth(sandbox, ended.output, stream)
        assert ended.output.rows(stream) == {k: row for k, row in wanted.items() if k[0] != id_}


@pytest.mark.parametrize("strange", [None, "n/a", 7, [], ["x"]])
def test_invalid_company_is_reported_and_others_read(
    run: Taps, sandbox: Sandbox, companies: list[Record], strange: object
) -> None:
    sandbox.override(r"/companies\?", status=200, body=page([strange, *companies]))
    ended = run(sandbox, catalog=JUST_PRODUCTS)
    assert ended.code == 1
    assert "Traceback" not in ended.log
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


@pytest.mark.parametrize(
    ("value", "code"),
    [(MISSING, 0), (None, 0), ([], 0), ({}, 0), ({"a": 1}, 1), ("n/a", 1), (7, 1)],
    ids=["missing", "null", "list", "object", "object of something", "text", "number"],
)
def test_invalid_connections_fail_only_their_company(
    run: Taps,
    sandbox: Sandbox,
    companies: list[Record],
    owner: Record,
    *,
    value: object,
    code: int,
) -> None:
    put(owner, "dataConnections", value)
    sandbox.override(r"/companies\?", status=200, body=page(companies))
    ended = run(sandbox, catalog=JUST_PRODUCTS)
    assert ended.code == code
    wanted = truth(sandbox, ended.output, PRODUCTS)
    assert ended.output.rows(PRODUCTS) == {
        key: row for key, row in wanted.items() if key[0] != owner["id"]
    }


@pytest.mark.parametrize("strange", [None, "n/a", 7, [], {}])
def test_invalid_connection_is_reported_and_others_read(
    run: Taps, sandbox: Sandbox, companies: list[Record], owner: Record, strange: object
) -> None:
    owner["dataConnections"].insert(0, strange)
    sandbox.override(r"/companies\?", status=200, body=page(companies))
    ended = run(sandbox, catalog=JUST_PRODUCTS)
    assert ended.code == 1
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


def test_invalid_unused_connection_costs_nothing(
    run: Taps, sandbox: Sandbox, companies: list[Record]
) -> None:
    books = next(
        one
        for company in companies
        for one in company["dataConnections"]
        if one["sourceType"] == "Accounting"
    )
    books["id"] = None
    sandbox.override(r"/companies\?", status=200, body=page(companies))
    assert run(sandbox, catalog=JUST_PRODUCTS).code == 0


# --- look-ups that only save requests -----------------------------------------------------------


def _each(nodes: list[Record], name: str) -> None:
    """Put another odd value into each of several records."""
    for node, value in zip(nodes, cycle(ODD.values()), strict=False):
        put(node, name, value)


def _inside(rows: list[Record], *names: str) -> list[Record]:
    """Give the records inside of records."""
    for name in names:
        rows = [one for row in rows for one in row[name]]
    return rows


FEATURES: Final = ("datatypeFeatures", "supportedFeatures")
INTEGRATIONS: Final[dict[str, Callable[[list[Any]], None]]] = {
    "no rows": lambda rows: rows.clear(),
    "one row twice": lambda rows: rows.append(rows[0]),
    "no objects": lambda rows: rows.extend([None, "x", 5, [], [{}], {}]),
    "features that are no objects": lambda rows: rows[0].update(datatypeFeatures=[None, 5, {}]),
    "key": lambda rows: _each(rows, "key"),
    "features": lambda rows: _each(rows, "datatypeFeatures"),
    "data type": lambda rows: _each(_inside(rows, *FEATURES[:1]), "dataType"),
    "supported features": lambda rows: _each(_inside(rows, *FEATURES[:1]), "supportedFeatures"),
    "feature type": lambda rows: _each(_inside(rows, *FEATURES), "featureType"),
    "feature state": lambda rows: _each(_inside(rows, *FEATURES), "featureState"),
}


@pytest.mark.parametrize("change", INTEGRATIONS.values(), ids=INTEGRATIONS)
def test_odd_integrations_lose_no_row(
    run: Taps, sandbox: Sandbox, change: Callable[[list[Any]], None]
) -> None:
    rows: list[Any] = deepcopy(sandbox.truth("integrations"))
    change(rows)
    sandbox.override(r"/integrations\?", status=200, body=page(rows))
    ended = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, max_retries=0)
    assert ended.code == 0
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


@pytest.mark.parametrize("path", [r"/integrations\?", "/dataStatus"])
@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_failed_lookup_loses_no_row(run: Taps, sandbox: Sandbox, path: str, status: int) -> None:
    sandbox.override(path, status=status)
    ended = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, max_retries=0)
    assert ended.code == 0
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


ODD_STATUSES: Final[list[Any]] = [None, 5, [], "", "New"]
STATUSES: Final[list[Any]] = [
    *([], "null", 5, "x", {}),
    *({"commerce-products": one} for one in ODD_STATUSES[1:]),
    *({"commerce-products": {"currentStatus": one}} for one in ODD_STATUSES),
]


@pytest.mark.parametrize("body", STATUSES, ids=str)
def test_odd_status_is_read_in_each_run(run: Taps, sandbox: Sandbox, body: object) -> None:
    sandbox.override("/dataStatus", status=200, body=body)
    first = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, max_retries=0)
    assert first.code == 0
    assert first.output.rows(PRODUCTS) == truth(sandbox, first.output, PRODUCTS)
    state = first.output.state
    again = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, max_retries=0, state=state)
    assert again.output.records[PRODUCTS]


# --- 400 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["Malformed query.", "Could not resolve property X on Dataset"])
def test_unfilterable_log_is_read_completely(run: Taps, sandbox: Sandbox, error: str) -> None:
    body = {"statusCode": 400, "error": f"Error parsing query - {error}"}
    sandbox.override("/data/history.*query=", status=400, body=body)
    some = catalog(pull_operations=None)
    first = run(sandbox, catalog=some)
    second = run(sandbox, catalog=some, state=first.output.state)
    assert second.code == 0
    assert second.output.records["pull_operations"]


def test_log_ignoring_filter_is_read_completely(run: Taps, sandbox: Sandbox) -> None:
    some = catalog(pull_operations=None)
    first = run(sandbox, catalog=some)
    rows = deepcopy(first.output.records["pull_operations"])
    company = next(one["companyId"] for one in rows)
    mine = [one for one in rows if one["companyId"] == company]
    new = {**mine[-1], "id": "new", "requested": "2025-01-01T00:00:00Z"}
    sandbox.override(f"{company}/data/history", status=200, body=page([*mine, new]))
    second = run(sandbox, catalog=some, state=first.output.state)
    assert second.code == 0
    keys = {key[1] for key in second.output.keys("pull_operations") if key[0] == company}
    assert "new" in keys
    assert len(keys) < len(mine)


def test_refused_log_fails_and_stops_nothing(run: Taps, sandbox: Sandbox) -> None:
    sandbox.override("/data/history", status=400)
    ended = run(sandbox, catalog=catalog(pull_operations=None, commerce_products=None))
    assert ended.code == 1
    assert "Failed pull_operations (companyId=" in ended.log
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


@pytest.mark.parametrize("refused", ["orderBy=", "query="])
@pytest.mark.parametrize("start_date", [None, "2024-05-11"])
def test_unsortable_list_is_read_completely(
    run: Taps, sandbox: Sandbox, refused: str, start_date: str | None
) -> None:
    error = "Error parsing query - Could not resolve property modifiedDate on Dataset"
    body = {"statusCode": 400, "error": error}
    sandbox.override(f"/data/commerce-products.*{refused}", status=400, body=body)
    ended = run(sandbox, catalog=JUST_PRODUCTS, page_size=3, start_date=start_date)
    assert ended.code == 0
    assert ended.output.rows(PRODUCTS) == {
        key: row
        for key, row in truth(sandbox, ended.output, PRODUCTS).items()
        if row["modifiedDate"] >= (start_date or "")
    }
    if refused == "orderBy=":
        assert not ended.output.state["bookmarks"][PRODUCTS].get("partitions")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": None, "correlationId": "c0ffee"}, "correlation id c0ffee"),
        ({"error": ["x"], "correlationId": 5}, '{"error":["x"],"correlationId":5}'),
        ("[" * 5000, "[[["),
        ("\x00", "the API has an internal error"),
    ],
)
def test_odd_error_body_gives_no_traceback(
    run: Taps, sandbox: Sandbox, body: object, message: str
) -> None:
    sandbox.override("/data/history", status=500, body=body)
    ended = run(sandbox, catalog=catalog(pull_operations=None), max_retries=0)
    assert ended.code == 1
    assert message in ended.log
    assert "Traceback" not in ended.log


# --- pages --------------------------------------------------------------------------------------


def test_list_without_parameters_keeps_its_page_size(run: Taps, own_sandbox: Sandbox) -> None:
    own_sandbox.mutate(inserts=700, stream="commerce_locations")
    ended = run(own_sandbox, catalog=catalog(commerce_locations=None))
    assert ended.code == 0
    wanted = truth(own_sandbox, ended.output, "commerce_locations")
    assert ended.output.rows("commerce_locations") == wanted
    requests = [one.query for one in own_sandbox.requests if "commerce-locations" in one.path]
    assert max(int(one.get("page", 1)) for one in requests) > 1
    assert {one.get("pageSize", "100") for one in requests} == {"100"}


ROWS: Final = [{"id": "a", "modifiedDate": "2024-05-01T00:00:00Z", "name": "A"}]
LINKS: Final = {"self": {"href": "/"}, "current": {"href": "/"}}
WHOLE: Final = {
    "next null": {"_links": {**LINKS, "next": None}},
    "next without address": {"_links": {**LINKS, "next": {}}},
    "next to null": {"_links": {**LINKS, "next": {"href": None}}},
    "next to nothing": {"_links": {**LINKS, "next": {"href": ""}}},
    "next a text": {"_links": {**LINKS, "next": ""}},
    "no links": {"_links": MISSING},
    "links null": {"_links": None},
    "links a list": {"_links": []},
    "numbers as texts": {"pageNumber": "1", "pageSize": "100", "totalResults": "1"},
    "no page number": {"pageNumber": MISSING},
    "page number null": {"pageNumber": None},
    "no page size": {"pageSize": MISSING},
}
SHORT: Final = {
    "total": {"totalResults": 2},
    "total as a text": {"totalResults": "2"},
    "total and no links": {"totalResults": 2, "_links": None},
    "another page follows": {"_links": {"next": "/next"}},
    "no total": {"totalResults": MISSING},
    "total null": {"totalResults": None},
    "total below nothing": {"totalResults": -1},
    "no results": {"results": MISSING},
    "results null": {"results": None},
    "results an object": {"results": {}},
    "size nothing": {"pageSize": 0},
    "another page": {"pageNumber": 2},
}


@pytest.mark.parametrize("stream", [PRODUCTS, "companies"])
@pytest.mark.parametrize("envelope", WHOLE.values(), ids=WHOLE)
def test_envelope_in_other_form_is_read(
    run: Taps, sandbox: Sandbox, envelope: Record, stream: str
) -> None:
    rows = [{**ROWS[0], "dataConnections": []}] if stream == "companies" else ROWS
    path = rf"/{stream.replace('_', '-')}\?"
    sandbox.override(path, status=200, body=page(rows, **envelope))
    ended = run(sandbox, catalog=catalog(**{stream: None}))
    assert ended.code == 0
    assert {row["id"] for row in ended.output.records[stream]} == {"a"}


@pytest.mark.parametrize("stream", [PRODUCTS, "companies"])
@pytest.mark.parametrize("envelope", SHORT.values(), ids=SHORT)
def test_envelope_with_too_few_records_is_reported(
    run: Taps, sandbox: Sandbox, envelope: Record, stream: str
) -> None:
    rows = [{**ROWS[0], "dataConnections": []}] if stream == "companies" else ROWS
    path = rf"/{stream.replace('_', '-')}\?"
    sandbox.override(path, status=200, body=page(rows, **envelope))
    ended = run(sandbox, catalog=catalog(**{stream: None}), max_retries=0)
    assert ended.code == 1
    assert "Traceback" not in ended.log
    assert f"{stream}" in ended.log
    if stream == PRODUCTS and str(envelope.get("totalResults")) == "2":
        assert {row["id"] for row in ended.output.records[stream]} == {"a"}


def test_row_without_date_in_filtered_list_loses_no_other(run: Taps, sandbox: Sandbox) -> None:
    dated = {"id": "b", "modifiedDate": "2024-05-02T00:00:00Z"}
    sandbox.override(r"commerce-products\?", status=200, body=page([{"id": "a"}, dated]))
    ended = run(sandbox, catalog=JUST_PRODUCTS, start_date="2024-01-01")
    assert ended.code == 0
    assert {row["id"] for row in ended.output.records[PRODUCTS]} == {"a", "b"}


def test_pages_without_links_are_counted(run: Taps, sandbox: Sandbox) -> None:
    rows = [{"id": f"{n}", "modifiedDate": f"2024-05-0{n}T00:00:00Z"} for n in range(1, 6)]
    for number in (1, 2, 3):
        body = page(
            rows[2 * number - 2 : 2 * number],
            pageNumber=str(number),
            pageSize="2",
            totalResults="5",
            _links=None,
        )
        sandbox.override(rf"commerce-locations\?page={number}&pageSize=2$", status=200, body=body)
        if number == 1:
            sandbox.override(r"commerce-locations\??$", status=200, body=body)
    ended = run(sandbox, catalog=catalog(commerce_locations=None))
    assert ended.code == 0
    assert {row["id"] for row in ended.output.records["commerce_locations"]} == set("12345")
