"""The columns: what they say of themselves, and that they are what the API has.

The API is the double's schema here, and the facts that were gathered from Centra's documentation.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest
from graphql import GraphQLObjectType, build_schema, get_named_type, is_leaf_type

from commerce_sandbox.centra.schema import schema
from tap_centra.tap import TapCentra
from tests.centra.support import EVERYTHING, FACTS, INTEGRATION, KINDS, ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLSchema

    from tap_centra.integration.stream import IntegrationStream

KINDS_OF = {
    "Int": "integer",
    "Int64": "integer",
    "Float": "number",
    "Boolean": "boolean",
    "String": "string",
    "Date": "string",
    "DateTimeTz": "string",
}
LEFT_OUT = {
    "Account": {"invoices", "orders", "returns"},
    "Display": set[str](),
    "Event": set[str](),
    "Folder": {"products"},
    "Order": {"lines", "paymentHistory", "shipments"},
    "OrderLine": set[str](),
    "Price": {"productVariant"},
    "Product": {"displays", "variants"},
    "ProductSize": {"stock", "stockTotals"},
    "ProductVariant": {"prices", "productSizes", "stock"},
    "PurchaseOrder": {"deliveries"},
    "Stock": {"product", "productVariant"},
    "StockChange": {"lines"},
    "StockChangeLine": {"stockChange"},
    "Warehouse": {"stock", "stockChanges", "stockTotals"},
}
"""Fields that are no column: the rows of another stream, or in a column of another name."""


@cache
def streams(api: str) -> dict[str, Any]:
    config = {"api": api}
    made = TapCentra(config=config, validate_config=False, setup_mapper=False)
    return {stream.name: stream for stream in made.discover_streams()}


def columns(api: str, stream: str) -> dict[str, Any]:
    return cast("dict[str, Any]", streams(api)[stream].schema["properties"])


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each node inside of a schema with its path."""
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from nodes(child, f"{path}.{name}")
    if isinstance(node.get("items"), dict):
        yield f"{path}[]", node["items"]
        yield from nodes(node["items"], f"{path}[]")


# --- the files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("api", "stream"), EVERYTHING)
def test_keys_are_required_and_not_null(api: str, stream: str) -> None:
    keys = KINDS[api][stream].primary_keys
    for name, column in columns(api, stream).items():
        assert ("null" not in column["type"]) == (name in keys), name
    assert set(keys) <= columns(api, stream).keys()
    assert next(iter(columns(api, stream))) in keys


@pytest.mark.parametrize(("api", "stream"), EVERYTHING)
def test_every_column_has_a_description(api: str, stream: str) -> None:
    for name, column in columns(api, stream).items():
        assert column["description"].endswith("."), name


@pytest.mark.parametrize(("api", "stream"), EVERYTHING)
def test_every_node_has_one_type(api: str, stream: str) -> None:
    for path, node in nodes(streams(api)[stream].schema):
        assert "$ref" not in node, path
        kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
        assert len([kind for kind in kinds if kind != "null"]) == 1, path
        if "integer" in kinds:
            assert node["maximum"] == 2**63 - 1, path


@pytest.mark.parametrize(("api", "stream"), EVERYTHING)
def test_names_differ_by_more_than_case(api: str, stream: str) -> None:
    names = [name.lower() for name in columns(api, stream)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("api", "stream"), EVERYTHING)
def test_replication_key_is_a_timestamp(api: str, stream: str) -> None:
    key = streams(api)[stream].replication_key
    if key is not None:
        assert columns(api, stream)[key]["format"] == "date-time"


# --- the Integration API ------------------------------------------------------------------------


def type_of(stream: IntegrationStream, whole: GraphQLSchema) -> str:
    """The type of a stream's records."""
    if stream.nested is None:
        return stream.type_name
    parent = whole.get_type(stream.type_name)
    return str(get_named_type(parent.fields[stream.nested].type))  # type: ignore[union-attr]


def fields(whole: GraphQLSchema, name: str) -> dict[str, Any]:
    """The fields of a type, and of all it may stand for."""
    kind = whole.get_type(name)
    found = dict(getattr(kind, "fields", {}))
    if not isinstance(kind, GraphQLObjectType):
        for one in whole.get_possible_types(kind):  # type: ignore[arg-type]
            found = {**one.fields, **found}
    return found


def mistakes(whole: GraphQLSchema, name: str, declared: dict[str, Any], path: str) -> Iterator[str]:
    """List declared fields that are not there, or of another type."""
    known = fields(whole, name)
    for column, node in declared.items():
        if column == "__typename":
            continue
        if column not in known:
            yield f"{path}.{column} is not there"
            continue
        inner = get_named_type(known[column].type)
        inside = node.get("items", node)
        kind = next(k for k in _list(inside["type"]) if k != "null")
        if is_leaf_type(inner):
            if kind != KINDS_OF.get(inner.name, "string"):
                yield f"{path}.{column} is {inner.name} and not {kind}"
            if (inner.name == "DateTimeTz") != ("format" in node) and path.count(".") == 0:
                yield f"{path}.{column}: is it a timestamp?"
        else:
            yield from mistakes(whole, inner.name, inside["properties"], f"{path}.{column}")


def _list(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


@pytest.mark.parametrize("stream", KINDS[INTEGRATION])
def test_columns_are_declared_by_the_api(stream: str) -> None:
    found, whole = streams(INTEGRATION)[stream], schema("current")
    assert list(mistakes(whole, type_of(found, whole), dict(found.declared_fields), stream)) == []


@pytest.mark.parametrize("stream", KINDS[INTEGRATION])
@pytest.mark.parametrize("variant", ["current", "facts"])
def test_every_api_field_is_a_column(stream: str, variant: str) -> None:
    whole = schema("current") if variant == "current" else facts()
    found = streams(INTEGRATION)[stream]
    name = type_of(found, whole)
    known = {n for n, field in fields(whole, name).items() if not field.deprecation_reason}
    assert known - columns(INTEGRATION, stream).keys() == LEFT_OUT.get(name, set())


@cache
def facts() -> GraphQLSchema:
    return build_schema((FACTS / "integration_api.graphql").read_text(encoding="utf-8"))


# --- the Order API ------------------------------------------------------------------------------


DOCUMENTED = json.loads((FACTS / "order_api.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("stream", sorted(set(KINDS[ORDER]) - {"order_lines"}))
def test_every_order_api_field_is_a_column(stream: str) -> None:
    facts = DOCUMENTED[stream]
    own = {"readAt"} if stream in {"products", "stock"} else set()
    requested = {"attributes"}  # only if requested, in a form that is not documented
    assert columns(ORDER, stream).keys() - own == {*facts["fields"]} - requested
    kind = KINDS[ORDER][stream]
    assert facts["path"] == f"/{kind.path}"
    assert facts["selector"] == kind.selector
    assert kind.primary_keys == (facts["key"],)


def test_order_lines_match_lines_of_orders() -> None:
    inside = columns(ORDER, "orders")["products"]["items"]["properties"]
    own = columns(ORDER, "order_lines")
    assert own.keys() - inside.keys() == {"orderId", "orderDate"}
    assert inside.keys() <= own.keys()


def test_catalog_needs_no_settings() -> None:
    bare = TapCentra(validate_config=False).catalog_dict
    assert json.dumps(bare).count('"tap_stream_id"') == len(KINDS[INTEGRATION])
