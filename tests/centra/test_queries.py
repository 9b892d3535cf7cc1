"""Every query the tap can build is one the API would take, whatever is selected.

graphql-core judges, by both variants of the schema. Nothing is sent here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from graphql import (
    build_schema,
    get_operation_ast,
    graphql_sync,
    parse,
    specified_rules,
    validate,
)
from graphql.execution import get_variable_values

from commerce_sandbox.centra import query_cost
from commerce_sandbox.centra.schema import schema
from commerce_taps.errors import PartitionSkipped
from commerce_taps.pagination.page import TimeRange
from tap_centra.integration.introspection import QUERY, Introspection, LiveSchema
from tap_centra.integration.list_query import ENVELOPE, ListQuery, PageRequest
from tap_centra.tap import TapCentra

if TYPE_CHECKING:
    from commerce_taps.threads import Once
    from tap_centra.integration.api import IntegrationApi
    from tap_centra.integration.responses import Id
from tests.centra.support import INTEGRATION, KINDS, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphql import GraphQLSchema

    from tap_centra.integration.stream import IntegrationStream
    from tests.contract import Record

STREAMS = KINDS[INTEGRATION]
SIZE = 100
NOW = datetime(2024, 6, 1, tzinfo=timezone.utc)
REQUESTS = (
    PageRequest(),
    PageRequest(number=7),
    PageRequest(TimeRange(NOW), by_key=True),
    PageRequest(TimeRange(NOW, NOW), number=2),
    PageRequest(cursor="bnVtYmVyOjE2Ng=="),
)
CONFIG = {"base_url": "https://customer.example", "token": "pretended-token"}


@cache
def whole(variant: str) -> GraphQLSchema:
    return schema(variant)


@cache
def live(variant: str) -> LiveSchema:
    """The schema as a client sees it."""
    response = graphql_sync(whole(variant), QUERY)
    assert response.errors is None
    return LiveSchema(msgspec.convert(response.data, Introspection), NOW)


def tap(variant: str, catalog: Record | None = None, **config: Any) -> TapCentra:  # noqa: ANN401
    """A tap that knows the schema and has sent nothing."""
    made = TapCentra(config=CONFIG | config, catalog=catalog)
    api = cast("IntegrationApi", made.run.api)
    api._live = cast("Once[LiveSchema]", lambda: live(variant))
    return made


def queries(
    stream: IntegrationStream, requests: Sequence[PageRequest] = REQUESTS
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the queries a stream can be read with."""
    query = ListQuery(stream)
    for request in requests:
        numbered = request.number > 1 and query.root.is_connection
        yield query.page(PageRequest(request.window) if numbered else request, SIZE)
    ids: list[Id] = ["1", "2"] if stream.root == "orders" else [1, 2]
    for column in [None, *query.paged_columns] if query.nested_limit else query.paged_columns:
        yield query.rest(ids, column, 2, (PageRequest(), SIZE))


def errors_in(variant: str, text: str, variables: dict[str, Any]) -> list[str]:
    """List what is wrong with a query."""
    document = parse(text)
    problems = validate(whole(variant), document, specified_rules)
    operation = get_operation_ast(document)
    assert operation is not None
    assert operation.operation.value == "query"
    declared = list(operation.variable_definitions or ())
    given_ = get_variable_values(whole(variant), declared, variables)
    problems += given_ if isinstance(given_, list) else []
    return [str(problem) for problem in problems]


def check(variant: str, made: TapCentra, requests: Sequence[PageRequest] = REQUESTS) -> int:
    """Validate the queries of every stream. Returns how many streams have any."""
    found = [
        [errors_in(variant, *query) for query in requested]
        for stream in made.streams.values()
        if (requested := queries_of(cast("IntegrationStream", stream), requests))
    ]
    assert [problem for problems in found for problem in problems if problem] == []
    return len(found)


def queries_of(
    stream: IntegrationStream, requests: Sequence[PageRequest] = REQUESTS
) -> list[tuple[str, dict[str, Any]]]:
    """Give the queries of a stream; none if the environment does not have it."""
    try:
        return list(queries(stream, requests))
    except PartitionSkipped:
        return []


@pytest.mark.parametrize("variant", VARIANTS)
def test_query_of_all_columns_is_valid(variant: str) -> None:
    found = check(variant, tap(variant))
    assert found == (len(STREAMS) if variant == "current" else len(STREAMS) - 8)


@cache
def entries() -> dict[str, str]:
    """What the catalog says of each stream, encoded."""
    catalog = TapCentra(config=CONFIG).catalog_dict
    return {entry["tap_stream_id"]: json.dumps(entry) for entry in catalog["streams"]}


def selecting(columns: dict[str, set[str]]) -> Record:
    """A catalog of these streams, each with these columns."""
    made = [json.loads(entries()[stream]) for stream in columns]
    for entry in made:
        for place in entry["metadata"]:
            name = ".".join(place["breadcrumb"][1::2])
            selected = not name or name in columns[entry["tap_stream_id"]]
            place["metadata"]["selected"] = selected
    return {"streams": made}


@pytest.mark.parametrize("variant", VARIANTS)
def test_query_of_keys_is_valid(variant: str) -> None:
    made = tap(variant, selecting({name: set() for name in STREAMS}), new_fields="drop")
    assert check(variant, made) >= len(STREAMS) - 8
    (text, _), *_ = queries(cast("IntegrationStream", made.streams["products"]))
    assert text.endswith("{ id updatedAt } }")


@cache
def columns() -> dict[str, list[str]]:
    """The columns of each stream, those inside of objects among them."""
    found: dict[str, list[str]] = {}
    for stream, entry in entries().items():
        names = [".".join(place["breadcrumb"][1::2]) for place in json.loads(entry)["metadata"]]
        found[stream] = [name for name in names if name]
    return found


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("variant", VARIANTS)
def test_query_of_random_selection_is_valid(variant: str, share: float) -> None:
    random = Random(f"{variant} {share}")  # noqa: S311 (no secret)
    chosen = {
        name: {one for one in names if random.random() < share} for name, names in columns().items()
    }
    assert check(variant, tap(variant, selecting(chosen)), REQUESTS[1:2]) >= len(STREAMS) - 8


def test_fewer_columns_make_a_smaller_query() -> None:
    (full, _), *_ = queries(cast("IntegrationStream", tap("current").streams["orders"]))
    few = tap("current", selecting({name: {"number", "status"} for name in STREAMS}))
    (small, _), *_ = queries(cast("IntegrationStream", few.streams["orders"]))
    assert small.endswith("{ id number status updatedAt } }")
    assert len(small) < len(full) / 4


def test_deselected_part_of_object_is_not_requested() -> None:
    everything = {name: set(names) for name, names in columns().items()}
    everything["orders"] -= {"billingAddress.city", "customer.id", "customer.email"}
    made = tap("current", selecting(everything))
    (text, _), *_ = queries(cast("IntegrationStream", made.streams["orders"]))
    billing = text.partition("billingAddress { ")[2].partition("shippingAddress {")[0]
    assert " zipCode " in billing
    assert " city " not in billing
    assert "customer" not in text


def test_union_rows_request_fields_of_each_type() -> None:
    (text, _), *_ = queries(cast("IntegrationStream", tap("current").streams["orders"]))
    assert "{ id __typename number " in text
    assert "... on DirectToConsumerOrder { customer { id email } }" in text
    assert "... on WholesaleOrder { account { id name }" in text


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_query_is_a_mutation(variant: str) -> None:
    texts = [
        text
        for stream in tap(variant).streams.values()
        for text, _ in queries_of(cast("IntegrationStream", stream))
    ]
    assert texts
    assert all(text.startswith("query") and "mutation" not in text for text in texts)


# --- environments that differ from both ---------------------------------------------------------

ODD = """
type Query {
  brands(limit: Int, page: Int, audience: String!): [Brand!]!
  collections(limit: Int = 20, page: Int = 1): [Collection!]!
  folders: [Folder!]!
  stores(limit: Int, page: Int): [Store!]!
}
type Brand { id: Int! name: String! }
type Collection {
  id: Int! name(language: String!): String status: Status!
  founded: Int labels: [String!]! logo: Logo stock(limit: Int = 20, page: Int = 1): [Logo!]!
}
type Logo { url: String }
enum Status { ON OFF }
type Folder { name: String! }
interface Store { id: Int! }
type Shop implements Store { id: Int! name: String! floor: Int tills: Int! old: Int @deprecated }
type Site implements Store { id: Int! name: String! floor: String tills: Int! host: String }
"""


def facing(sdl: str) -> TapCentra:
    """A tap that faces a schema unlike any that was seen."""
    response = graphql_sync(build_schema(sdl), QUERY)
    made = TapCentra(config=CONFIG)
    schema = LiveSchema(msgspec.convert(response.data, Introspection), NOW)
    cast("IntegrationApi", made.run.api)._live = cast("Once[LiveSchema]", lambda: schema)
    return made


@pytest.fixture
def odd() -> TapCentra:
    """A tap that faces many oddities at once."""
    return facing(ODD)


def first(made: TapCentra, stream: str) -> str:
    (text, _), *_ = queries(cast("IntegrationStream", made.streams[stream]))
    return text


def test_field_with_unknown_argument_is_not_requested(odd: TapCentra) -> None:
    assert "name" not in first(odd, "collections")
    with pytest.raises(PartitionSkipped, match="requires an argument"):
        first(odd, "brands")


def test_new_scalars_are_requested_without_objects(odd: TapCentra) -> None:
    text = first(odd, "collections")
    assert text.endswith("{ id status founded labels } }")


def test_stream_without_key_field_is_skipped(odd: TapCentra) -> None:
    with pytest.raises(PartitionSkipped, match="no `id`"):
        first(odd, "folders")


def test_clashing_field_is_requested_of_one_type(odd: TapCentra) -> None:
    text = first(odd, "stores")
    assert "... on Shop { name floor tills }" in text
    assert "... on Site { name tills host }" in text


APART = """
type Query {
  returns(where: Where, limit: Int, page: Int): [Return!]!
}
input Where { id: [Int!] }
interface Return { id: Int! }
type DirectToConsumerReturn implements Return { id: Int! customer: Customer! note: Int }
type KioskReturn implements Return { id: Int! customer: Customer till: Int note: String }
type Customer { id: Int! }
"""


def test_clashing_fields_of_new_type_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    text = first(facing(APART), "returns")
    assert "... on DirectToConsumerReturn { customer { id } note }" in text
    assert "... on KioskReturn { till }" in text
    assert (
        "returns: left out `KioskReturn.customer`, `KioskReturn.note`, where it is of another type."
        in caplog.messages
    )


# --- how a list is read -------------------------------------------------------------------------

SORTED = """
type Query {
  orders(where: Where, sort: [OrderSort!], limit: Int, page: Int): [Order!]!
  orderConnection(where: Where, sort: [OrderSort!], first: Int, after: String): Orders!
}
input Where { id: [String!] updatedAt: Range }
input Range { from: String to: String }
enum OrderSort { orderDate_ASC UNIQUE }
type Orders { edges: [Edge!]! pageInfo: PageInfo! }
type Edge { cursor: String! node: Order! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Order { id: String! updatedAt: String! }
"""


@pytest.mark.parametrize(
    ("sort", "root", "requested"),
    [
        ("number_ASC", "orderConnection", ["number_ASC"]),
        ("id_ASC number_ASC", "orderConnection", ["id_ASC"]),
        ("updatedAt_ASC id_ASC", "orders", ["updatedAt_ASC", "id_ASC"]),
        ("updatedAt_DESC", "orders", None),
    ],
)
def test_cursor_requires_a_unique_sort(sort: str, root: str, requested: list[str] | None) -> None:
    """The cursor is a value of the sort: of rows that share it, those behind the page are lost."""
    query = ListQuery(
        cast("IntegrationStream", facing(SORTED.replace("UNIQUE", sort)).streams["orders"])
    )
    assert query.root.field.name == root
    _, variables = query.page(PageRequest(TimeRange(NOW), by_key="updatedAt_ASC" in sort), SIZE)
    assert variables.get("rows_sort") == requested


def test_list_by_key_ends_at_run_start() -> None:
    query = ListQuery(cast("IntegrationStream", tap("current").streams["orders"]))
    _, variables = query.page(PageRequest(TimeRange(), by_key=True), SIZE)
    assert variables["rows_where"] == {"updatedAt": {"to": NOW.isoformat()}}


# --- permissions --------------------------------------------------------------------------------


def documented() -> dict[str, tuple[set[str], str]]:
    """What the page says of each stream: its permissions, and what single columns need."""
    page = (Path(__file__).parents[2] / "docs" / "tap-centra.md").read_text(encoding="utf-8")
    table = page.partition("| Streams | Permission |")[2].partition("\n\n")[0]
    found: dict[str, tuple[set[str], str]] = {}
    for line in table.splitlines()[2:]:
        names, needed, more = (cell.strip() for cell in line.strip("|").split("|"))
        streams, permissions = (re.findall(r"`([^`]+)`", cell) for cell in (names, needed))
        each = len(streams) == len(permissions) > 1
        for number, stream in enumerate(streams):
            found[stream] = {permissions[number]} if each else set(permissions), more
    return found


@pytest.mark.parametrize("stream", STREAMS)
def test_required_permissions_are_documented(stream: str) -> None:
    text, variables = next(queries(cast("IntegrationStream", tap("current").streams[stream])))
    operation = get_operation_ast(parse(text))
    assert operation is not None
    cost = query_cost.QueryCost(whole("current"), operation, {}, variables, frozenset())
    paths = [(one.permission, [n for n in one.path if n not in ENVELOPE]) for one in cost.missing]
    own = KINDS[INTEGRATION][stream].type_name
    page = documented()
    needed, more = page.get(stream, ({f"{own}:read"}, ""))
    keys = set(KINDS[INTEGRATION][stream].id_columns.values())
    assert {one for one, path in paths if not path or path[0] in keys} == needed
    for permission, path in paths:
        guarded = permission.partition(":")[0].partition(".")[2]
        if path and guarded:
            assert f"`{path[0]}`" in more or (path[0].endswith("Address") and "addresses" in more)
            assert f"{permission.partition('.')[0]}.<column>:read" in more or permission in more
