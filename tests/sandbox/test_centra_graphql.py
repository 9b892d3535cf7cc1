"""Centra's Integration API: real GraphQL, as other clients read it."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests
from gql import Client, gql
from gql.transport.requests import RequestsHTTPTransport
from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    parse,
    validate,
)

from commerce_sandbox import Sandbox
from commerce_sandbox.centra import TOKEN, integration_truth
from commerce_sandbox.centra.schema import schema, sdl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Record = dict[str, Any]

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d")
NESTED = {
    "order_lines": ("orders", "lines(includeFullyCancelled: true)", "Order", "OrderLine"),
    "payment_history": ("orders", "paymentHistory", "Order", "PaymentHistoryEntry"),
}


class Centra:
    """Queries the Integration API of a sandbox."""

    def __init__(self, sandbox: Sandbox, token: str = TOKEN) -> None:
        self.url = f"{sandbox.url_of('centra')}/graphql"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def post(self, query: str, **variables: Any) -> requests.Response:  # noqa: ANN401
        body = {"query": query, "variables": variables}
        return self._session.post(self.url, json=body, timeout=30)

    def execute(self, query: str, **variables: Any) -> Record:  # noqa: ANN401
        response = self.post(query, **variables)
        assert response.status_code == 200, response.text
        body: Record = response.json()
        return body

    def data(self, query: str, **variables: Any) -> Record:  # noqa: ANN401
        body = self.execute(query, **variables)
        assert "errors" not in body, body["errors"]
        data: Record = body["data"]
        return data

    def errors(self, query: str, **variables: Any) -> list[str]:  # noqa: ANN401
        return [error["message"] for error in self.execute(query, **variables)["errors"]]

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def centra_of() -> Iterator[Callable[..., Centra]]:
    made: list[Centra] = []

    def make(sandbox: Sandbox, token: str = TOKEN) -> Centra:
        made.append(Centra(sandbox, token))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def centra(sandbox: Sandbox, centra_of: Callable[..., Centra]) -> Centra:
    return centra_of(sandbox)


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    """A small sandbox after some changes."""
    with Sandbox(scale=0.02) as running:
        running.mutate(changes=14, inserts=3, stream="centra")
        yield running


@pytest.fixture(scope="module")
def older() -> Iterator[Sandbox]:
    with Sandbox(scale=0.02, centra_schema="older") as running:
        yield running


@pytest.mark.parametrize("variant", ["current", "older"])
def test_introspection_returns_the_schema(
    variant: str, sandbox: Sandbox, older: Sandbox, centra_of: Callable[..., Centra]
) -> None:
    centra = centra_of(sandbox if variant == "current" else older)
    introspected = build_client_schema(centra.data(get_introspection_query()))  # type: ignore[arg-type]
    expected = schema(variant)
    assert introspected.type_map.keys() == expected.type_map.keys()
    for name, kind in expected.type_map.items():
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            fields = introspected.type_map[name].fields  # type: ignore[attr-defined]
            assert {k: str(f.type) for k, f in fields.items()} == {
                k: str(f.type) for k, f in kind.fields.items()
            }
    assert "@needs" not in sdl(variant)


def test_older_schema_has_one_more_scalar() -> None:
    current: dict[str, Any] = schema("current").type_map
    old: dict[str, Any] = schema("older").type_map
    assert old.keys() - current.keys() == {"SeasonCode"}
    assert current["Query"].fields.keys() - old["Query"].fields.keys() >= {"shipments", "prices"}
    assert "updatedAt_ASC" not in old["OrderSort"].values
    assert old["Product"].fields.keys() - current["Product"].fields.keys() == {"seasonCode"}


def _selection(live: GraphQLSchema, kind_name: str, rows: list[Record]) -> str:
    """Write a selection of all columns in truth."""
    kind: Any = live.type_map[kind_name]
    abstract = isinstance(kind, (GraphQLInterfaceType, GraphQLUnionType))
    own: dict[str, list[Any]] = {}
    special: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        for name, value in row.items():
            known = getattr(kind, "fields", {})
            place = (
                own
                if name in known or name == "__typename"
                else special.setdefault(row["__typename"], {})
            )
            place.setdefault(name, []).append(value)
    parts = [_field(live, kind, name, values) for name, values in own.items()]
    for actual, fields in special.items():
        inner: Any = live.type_map[actual]
        inside = " ".join(_field(live, inner, name, values) for name, values in fields.items())
        parts.append(f"... on {actual} {{ {inside} }}")
    assert abstract or not special
    return " ".join(parts)


def _field(live: GraphQLSchema, kind: Any, name: str, values: list[Any]) -> str:  # noqa: ANN401
    rows = [one for value in values for one in (value if isinstance(value, list) else [value])]
    rows = [one for one in rows if isinstance(one, dict)]
    if not rows:
        inner = get_named_type(kind.fields[name].type) if name != "__typename" else None
        return f"{name} {{ __typename }}" if hasattr(inner, "fields") else name
    inner_name = get_named_type(kind.fields[name].type).name
    return f"{name} {{ {_selection(live, inner_name, rows)} }}"


def _in_utc(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _in_utc(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_in_utc(one) for one in value]
    if isinstance(value, str) and TIMESTAMP.fullmatch(value):
        form = "%Y-%m-%dT%H:%M:%S%z"
        timestamp = datetime.strptime(value, form).astimezone(timezone.utc)
        return timestamp.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _pages(centra: Centra, root: str, inside: str, arguments: str = "") -> Iterator[Record]:
    """Read a list to its end, with the largest pages that complexity allows."""
    limit, page = 200, 1
    while True:
        query = f"{{ {root}(limit: {limit}, page: {page}{arguments}) {{ {inside} }} }}"
        body = centra.execute(query)
        if "errors" in body and "complexity" in body["errors"][0]["message"]:
            assert page == 1
            limit //= 2
            continue
        assert "errors" not in body, body["errors"]
        rows = body["data"][root]
        yield from rows
        if len(rows) < limit:
            return
        page += 1


def _read(centra: Centra, live: GraphQLSchema, stream: str, truth: list[Record]) -> list[Record]:
    if stream in NESTED:
        root, field, _, kind = NESTED[stream]
        own = [
            {k: v for k, v in row.items() if k not in {"orderId", "orderNumber", "orderUpdatedAt"}}
            for row in truth
        ]
        inside = f"id number updatedAt rows: {field} {{ {_selection(live, kind, own)} }}"
        return [
            {"orderId": one["id"], "orderNumber": one["number"], "orderUpdatedAt": one["updatedAt"]}
            | row
            for one in _pages(centra, root, inside)
            for row in one["rows"]
        ]
    if stream == "stock":
        own = [{k: v for k, v in row.items() if k[-2:] != "Id" or k == "id"} for row in truth]
        rows_of = _selection(live, "Stock", own)
        found: list[Record] = []
        for page in (1, 2):
            for variant in _pages(
                centra, "productVariants", f"id stock(limit: 200, page: {page}) {{ {rows_of} }}"
            ):
                for row in variant["stock"]:
                    ids = {
                        "warehouseId": row["warehouse"]["id"],
                        "productSizeId": row["productSize"]["id"],
                        "productVariantId": variant["id"],
                    }
                    found.append(ids | row)
        return found
    table, kind = integration_truth._TABLES[stream]
    inside = _selection(live, kind, truth)
    arguments = live.query_type.fields[table].args if live.query_type else {}
    if "page" in arguments:
        return list(_pages(centra, table, inside))
    limit = "(limit: 200)" if "limit" in arguments else ""
    rows: list[Record] = centra.data(f"{{ {table}{limit} {{ {inside} }} }}")[table]
    return rows


@pytest.mark.parametrize("stream", integration_truth.STREAMS)
def test_served_rows_equal_truth(
    stream: str, small: Sandbox, centra_of: Callable[..., Centra]
) -> None:
    truth = small.truth(f"centra.integration.{stream}")
    served = [_in_utc(row) for row in _read(centra_of(small), schema(), stream, truth)]
    assert sorted(map(_line, served)) == sorted(map(_line, truth))
    assert truth


def _line(row: Record) -> str:
    return json.dumps(row, sort_keys=True)


def test_gql_client_validates_and_reads(sandbox: Sandbox) -> None:
    transport = RequestsHTTPTransport(
        url=f"{sandbox.url_of('centra')}/graphql", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        query = gql(
            "query($status: [OrderStatus!], $since: DateTimeTz) { orders(where: {status: $status,"
            " updatedAt: {from: $since}}, sort: [updatedAt_ASC], limit: 5)"
            " { __typename number updatedAt ... on WholesaleOrder { account { name } } } }"
        )
        query.variable_values = {"status": ["SHIPPED"], "since": "2023-06-01 00:00:00"}
        rows = session.execute(query)["orders"]
    assert [row["updatedAt"] for row in rows] == sorted(row["updatedAt"] for row in rows)
    assert len(rows) == 5


# --- requests


def test_token_is_accepted_in_header_or_cookie(sandbox: Sandbox) -> None:
    url = f"{sandbox.url_of('centra')}/graphql"
    body = {"query": "{ stores { id } }"}
    right = {"Authorization": f"Bearer {TOKEN}"}, {"Cookie": f"graphql-access={TOKEN}"}
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer x"},
        {"API-Authorization": TOKEN},
    )
    for headers in right:
        assert requests.post(url, json=body, headers=headers, timeout=30).status_code == 200
    for headers in wrong:
        response = requests.post(url, json=body, headers=headers, timeout=30)
        assert response.status_code == 401
        assert response.json()["errors"]
    assert requests.get(url, headers=right[0], timeout=30).status_code == 405
    assert requests.post(url, data="{", headers=right[0], timeout=30).status_code == 400


def test_expired_token_responds_401(sandbox: Sandbox, centra_of: Callable[..., Centra]) -> None:
    response = centra_of(sandbox, "centra-token-expired").post("{ stores { id } }")
    assert response.status_code == 401
    assert "expired" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ products { id nme } }", "Cannot query field 'nme'"),
        ("{ products(limit: 201) { id } }", "limit must be between 1 and 200"),
        ("{ products(limit: 0) { id } }", "limit must be between 1 and 200"),
        ("{ products(page: 0) { id } }", "page must be at least 1"),
        ("{ products { variants { stock(limit: 500) { physicalQuantity } } } }", "limit must be"),
        ('{ orderConnection(first: 2, after: "x") { totalCount } }', "cursor"),
        ("{ orderConnection(first: 2, last: 2) { totalCount } }", "not both"),
        ('{ products(where: {name: {equals: "a", contains: "b"}}) { id } }', "Exactly one"),
        ('{ orders(where: {createdAt: {from: "soon"}}) { id } }', "DateTimeTz"),
        ("{", "Syntax Error"),
        ("query A { stores { id } } query B { stores { id } }", "operation"),
    ],
)
def test_query_errors_respond_200(query: str, message: str, centra: Centra) -> None:
    assert message in centra.errors(query)[0]


def test_query_above_complexity_limit_is_refused(centra: Centra) -> None:
    numbers = "physicalQuantity demandQuantity incomingQuantity"
    query = f"{{ productVariants(limit: %d) {{ stock(limit: 200) {{ {numbers} }} }} }}"
    assert "complexity" in centra.errors(query % 200)[0]
    body = centra.execute(query % 100)
    assert body["extensions"]["complexity"] == 10 + 1 + 100 * (1 + 200 * 3)


def test_smaller_query_costs_less(centra: Centra) -> None:
    def cost(inside: str) -> int:
        fragment = "fragment F on Order { number status }" if "...F" in inside else ""
        query = f"query($n: Int = 50) {{ orders(limit: $n) {{ {inside} }} }} {fragment}"
        return int(centra.execute(query)["extensions"]["complexity"])

    assert cost("id") == 10 + 1 + 50
    assert cost("id") < cost("id number") < cost("id number lines { id }")
    assert cost("id ...F") == cost("id number status")


def test_response_extensions_report_cost_and_permissions(centra: Centra) -> None:
    extensions = centra.execute("{ productSizes(limit: 1) { id GTIN size { name } } }")[
        "extensions"
    ]
    assert extensions["permissionsUsed"] == ["ProductSize:read"]
    assert extensions["deprecatedFieldsUsed"] == ["ProductSize.GTIN"]
    assert extensions["appVersion"].startswith("v")


# --- permissions


def test_missing_permission_is_named(sandbox: Sandbox, centra_of: Callable[..., Centra]) -> None:
    plain = centra_of(sandbox, "centra-token-plain")
    body = plain.execute("{ orders(limit: 1) {\n  id s: shippingAddress { city } } }")
    (error,) = body["errors"]
    assert "data" not in body
    assert error == {
        "message": "You need Order.shippingAddress:read permission to access shippingAddress.",
        "extensions": {"category": "authorization"},
        "locations": [{"line": 2, "column": 6}],
        "path": ["orders", "s"],
    }
    assert plain.data("{ orders(limit: 1) { id } }")["orders"]

    few = centra_of(sandbox, "centra-token-few")
    introspected = few.errors(
        "{ customers { id } orderConnection { totalCount edges { node { id } } } }"
    )
    assert introspected == ["You need Customer:read permission to access customers."]
    wrong = "{ orders(limit: 1) { ... on DirectToConsumerOrder { customer { id } } } }"
    assert "Customer:read" in few.errors(wrong)[0]
    assert "Order:read" not in json.dumps(few.errors(wrong))
    assert few.data(get_introspection_query())["__schema"]


def test_store_token_sees_its_store_only(
    sandbox: Sandbox, centra: Centra, centra_of: Callable[..., Centra]
) -> None:
    query = "{ orderConnection { totalCount } counters { orders customers products } }"
    outlet, whole = centra_of(sandbox, "centra-token-outlet").data(query), centra.data(query)
    assert 0 < outlet["orderConnection"]["totalCount"] < whole["orderConnection"]["totalCount"]
    assert outlet["counters"]["customers"] < whole["counters"]["customers"]
    assert outlet["counters"]["products"] == whole["counters"]["products"]


# --- lists


def test_number_and_cursor_pages_agree(sandbox: Sandbox, centra: Centra) -> None:
    by_number = [
        row["number"] for row in _pages(centra, "orders", "number", ", sort: [number_ASC]")
    ]
    by_cursor: list[int] = []
    after = None
    query = (
        "query($after: String) { orderConnection(first: 150, after: $after, sort: [number_ASC])"
        " { totalCount edges { cursor node { number } } pageInfo { hasNextPage endCursor } } }"
    )
    while True:
        found = centra.data(query, after=after)["orderConnection"]
        by_cursor += [edge["node"]["number"] for edge in found["edges"]]
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            break
    assert base64.b64decode(after).decode() == f"number:{by_cursor[-1]}"
    assert by_number == by_cursor
    assert len(by_cursor) == found["totalCount"]
    assert len(by_cursor) == len(sandbox.truth("centra.integration.orders"))


def test_connection_pages_backwards(centra: Centra) -> None:
    query = (
        "query($before: String) { stockChangeConnection(last: 3, before: $before, sort: [id_ASC])"
        " { edges { node { id } } pageInfo { hasPreviousPage hasNextPage startCursor } } }"
    )
    last = centra.data(query)["stockChangeConnection"]
    assert last["pageInfo"]["hasPreviousPage"]
    assert not last["pageInfo"]["hasNextPage"]
    before = centra.data(query, before=last["pageInfo"]["startCursor"])["stockChangeConnection"]
    first, second = ([edge["node"]["id"] for edge in one["edges"]] for one in (before, last))
    assert first + second == list(range(first[0], first[0] + 6))


def test_cursor_on_tied_sort_loses_rows(sandbox: Sandbox, centra: Centra) -> None:
    query = (
        "query($after: String) { orderConnection(first: 100, after: $after, sort: [updatedAt_ASC])"
        " { edges { node { id } } pageInfo { hasNextPage endCursor } } }"
    )
    found: set[str] = set()
    page: Record = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
    while page["pageInfo"]["hasNextPage"]:
        page = centra.data(query, after=page["pageInfo"]["endCursor"])["orderConnection"]
        if not page["edges"]:
            break
        found |= {edge["node"]["id"] for edge in page["edges"]}
    assert 0 < len(found) < len(sandbox.truth("centra.integration.orders"))


def test_date_range_excludes_both_ends(sandbox: Sandbox, centra: Centra) -> None:
    truth = sandbox.truth("centra.integration.orders")
    timestamps = sorted(row["updatedAt"] for row in truth)
    low, high = timestamps[100], timestamps[400]
    query = (
        "query($range: DateRange, $page: Int) { orders(where: {updatedAt: $range}, limit: 200,"
        " page: $page, sort: [updatedAt_ASC]) { id updatedAt } }"
    )
    rows: list[Record] = []
    for page in (1, 2, 3):
        rows += centra.data(query, range={"from": low, "to": high}, page=page)["orders"]
    assert {row["id"] for row in rows} == {
        row["id"] for row in truth if low < row["updatedAt"] < high
    }
    # Without an offset it is the merchant's time.
    hour = datetime.fromisoformat(rows[0]["updatedAt"]).replace(tzinfo=None)
    just_before = f"{hour - timedelta(seconds=1):%Y-%m-%d %H:%M:%S}"
    (first, *_) = centra.data(query, range={"from": just_before}, page=1)["orders"]
    assert first["id"] == rows[0]["id"]


def test_filters_match_expected_rows(sandbox: Sandbox, centra: Centra) -> None:
    truth = sandbox.truth("centra.integration.orders")
    wholesale = [row for row in truth if row["__typename"] == "WholesaleOrder"]
    count = "query($where: OrderFilter) { orderConnection(where: $where) { totalCount } }"

    def found(**where: Any) -> int:  # noqa: ANN401
        total = centra.data(count, where=where)["orderConnection"]["totalCount"]
        assert isinstance(total, int)
        return total

    assert found(storeType="WHOLESALE") == len(wholesale) == found(storeId=2)
    assert found(storeType="WHOLESALE", negate=["storeType"]) == len(truth) - len(wholesale)
    account = wholesale[0]["account"]["id"]
    assert found(accountId=account) == sum(row["account"]["id"] == account for row in wholesale)
    assert found(number=truth[0]["number"]) == found(id=[truth[0]["id"]]) == 1
    assert found(isOnHold=True) == sum(row["isOnHold"] for row in truth)
    assert found(notNull=["userIP"]) == sum(row["userIP"] is not None for row in truth)
    number = wholesale[0]["purchaseOrderNumber"]
    assert found(purchaseOrderNumber={"equals": number}) == 1
    assert found(search=str(truth[5]["number"])) == 1


def test_format_argument_formats_timestamps(centra: Centra) -> None:
    (row,) = centra.data(
        r'{ purchaseOrders(limit: 1) { createdAt plain: createdAt(format: "d/m/Y \\a\\t H:i") '
        r'unix: createdAt(format: "U") ETA } }'
    )["purchaseOrders"]
    timestamp = datetime.fromisoformat(row["createdAt"])
    assert timestamp.utcoffset() in {timedelta(hours=1), timedelta(hours=2)}
    assert row["plain"] == f"{timestamp:%d/%m/%Y at %H:%M}"
    assert int(row["unix"]) == timestamp.timestamp()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]00", row["ETA"])


def test_some_lists_exceed_any_page(sandbox: Sandbox, centra: Centra) -> None:
    lines: dict[str, int] = {}
    kinds = {row["id"]: row["__typename"] for row in sandbox.truth("centra.integration.orders")}
    for row in sandbox.truth("centra.integration.order_lines"):
        lines[row["orderId"]] = lines.get(row["orderId"], 0) + 1
    long = {kinds[one] for one, count in lines.items() if count > 200}
    assert long == {"DirectToConsumerOrder", "WholesaleOrder"}
    query = (
        "query($page: Int) { productVariant(id: 1)"
        " { stock(limit: 200, page: $page) { warehouse { id } } } }"
    )
    pages = [centra.data(query, page=page)["productVariant"]["stock"] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [200, 40, 0]
    assert len({row["warehouse"]["id"] for page in pages for row in page}) == 24
    few = centra.data("{ productVariant(id: 1) { stock { physicalQuantity } } products { id } }")
    assert len(few["productVariant"]["stock"]) == 20
    assert len(few["products"]) == 20


def test_cancelled_lines_need_an_argument(centra: Centra) -> None:
    query = (
        "{ orders(where: {status: CANCELLED}, limit: 5)"
        " { some: lines { id } all: lines(includeFullyCancelled: true) { id } } }"
    )
    for row in centra.data(query)["orders"]:
        assert row["some"] == []
        assert row["all"]


def test_events_stay_until_confirmed(
    own_sandbox: Sandbox, centra_of: Callable[..., Centra]
) -> None:
    centra = centra_of(own_sandbox)
    assert centra.data("{ events { id } }")["events"] == []
    own_sandbox.mutate(stream="centra.integration.customers", changes=1, inserts=1, deletes=1)
    query = "{ events { id objectType changeType objectReference object { __typename } } }"
    events = centra.data(query)["events"]
    assert [event["changeType"] for event in events] == ["DELETED", "CREATED", "UPDATED"]
    assert [event["object"] for event in events] == [None, *[{"__typename": "Customer"}] * 2]
    confirm = (
        "mutation($ids: [Int!]!) { confirmEvents(input: {eventsIds: $ids})"
        " { events { id } userErrors { message } } }"
    )
    body = centra.data(confirm, ids=[events[0]["id"], 99])["confirmEvents"]
    assert len(body["events"]) == len(body["userErrors"]) == 1
    assert centra.data(query)["events"] == events[1:]
    deaf = (
        "mutation { setEventListeners(input: [{objectType: Customer}])"
        " { eventListeners { objectType } } }"
    )
    heard = centra.data(deaf)["setEventListeners"]["eventListeners"]
    assert {"objectType": "Customer"} not in heard
    own_sandbox.mutate(stream="centra.integration.customers", changes=1)
    assert centra.data(query)["events"] == events[1:]


def test_older_variant_refuses_newer_fields(
    older: Sandbox, centra_of: Callable[..., Centra]
) -> None:
    centra = centra_of(older)
    assert "Cannot query field 'shipments'" in centra.errors("{ shipments { id } }")[0]
    truth = older.truth("centra.integration.products")
    rows = centra.data("{ products(limit: 200) { id seasonCode } }")["products"]
    assert rows == [{"id": row["id"], "seasonCode": row["seasonCode"]} for row in truth]
    assert "isSerializableProduct" not in truth[0]


def test_validation_depends_on_variant() -> None:
    query = parse("{ orders { isInternal } }")
    assert validate(schema("current"), query) == []
    assert validate(schema("older"), query)
    kind = schema("older").type_map["Product"].fields["seasonCode"].type  # type: ignore[attr-defined]
    assert not isinstance(kind, (GraphQLList, GraphQLNonNull))
