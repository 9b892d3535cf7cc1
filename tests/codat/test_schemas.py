"""The schema files: the rules they keep, their generator, and the vendor's example payloads."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from tests.fixtures import FIXTURES, WHOLE_SPECS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

Node = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SPECS = FIXTURES / "codat"

KEYS = {
    "companies": ["id"],
    "connections": ["companyId", "id"],
    "data_statuses": ["companyId", "dataType"],
    "pull_operations": ["companyId", "id"],
    "push_operations": ["companyId", "pushOperationKey"],
    "integrations": ["key"],
    "company_sync_settings": ["companyId", "dataType"],
    "webhook_consumers": ["id"],
    "commerce_company_info": ["companyId", "connectionId"],
    "commerce_customers": ["companyId", "connectionId", "id"],
    "commerce_disputes": ["companyId", "connectionId", "id"],
    "commerce_locations": ["companyId", "connectionId", "id"],
    "commerce_orders": ["companyId", "connectionId", "id"],
    "commerce_payment_methods": ["companyId", "connectionId", "id"],
    "commerce_payments": ["companyId", "connectionId", "id"],
    "commerce_product_categories": ["companyId", "connectionId", "id"],
    "commerce_products": ["companyId", "connectionId", "id"],
    "commerce_tax_components": ["companyId", "connectionId", "id"],
    "commerce_transactions": ["companyId", "connectionId", "id"],
    "commerce_sync_configurations": ["companyId"],
    "commerce_syncs": ["companyId", "syncId"],
}
SCHEMAS: dict[str, Node] = {
    path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
    for path in files("tap_codat.schemas").iterdir()
    if path.name.endswith(".json")
}

each_stream = pytest.mark.parametrize("stream", sorted(KEYS))
needs_whole_specs = pytest.mark.skipif(
    not WHOLE_SPECS.is_dir(),
    reason="Codat's specifications are not at hand whole; COMMERCE_TAPS_SPECS names their folder",
)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_codat_schemas", ROOT / "scripts" / "generate_codat_schemas.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # a dataclass looks its module up by name
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every column at any depth with its path."""
    for name, child in node.get("properties", {}).items():
        yield (here := f"{path}.{name}".removeprefix(".")), child
        yield from nodes(child, here)
    if "items" in node:
        yield f"{path}[]", node["items"]
        yield from nodes(node["items"], f"{path}[]")


# --- the rules --------------------------------------------------------------------------------


def test_each_stream_has_one_schema_file() -> None:
    assert set(SCHEMAS) == set(KEYS)


@each_stream
def test_schema_root_is_open_and_names_its_source(stream: str) -> None:
    schema = SCHEMAS[stream]

    assert set(schema) == {"$comment", "type", "properties"}
    assert schema["type"] == "object"
    assert re.search(r"\w+ \d[.\d]*, sha256 [0-9a-f]{64}\b", schema["$comment"])


@each_stream
def test_key_column_is_first_and_not_nullable(stream: str) -> None:
    properties, key = SCHEMAS[stream]["properties"], KEYS[stream]

    assert list(properties)[: len(key)] == key
    assert len(properties) > len(key)
    for name, column in properties.items():
        assert (column["type"] == "string") == (name in key), name


@each_stream
def test_each_node_has_one_nullable_type(stream: str) -> None:
    allowed = {
        "string": set[str](),
        "number": set[str](),
        "boolean": set[str](),
        "integer": {"minimum", "maximum"},
        "array": {"items"},
        "object": {"properties", "additionalProperties"},
    }
    for path, node in nodes(SCHEMAS[stream]):
        declared = node["type"]
        if isinstance(declared, list):
            kind, null = declared
            assert null == "null", path
        else:
            kind = declared
            assert path in KEYS[stream], path
        top = {"format"} if path in SCHEMAS[stream]["properties"] and kind == "string" else set()
        assert set(node) <= {"type", "description"} | top | allowed[kind], path
        if kind == "integer":
            assert (node["minimum"], node["maximum"]) == (-(2**63), 2**63 - 1), path
        if kind == "array":
            assert "items" in node, path
        if kind == "object":
            assert bool(node.get("properties")) != (node.get("additionalProperties") is True), path


@each_stream
def test_column_names_differ_by_more_than_case(stream: str) -> None:
    for path, node in [("", SCHEMAS[stream]), *nodes(SCHEMAS[stream])]:
        names = [name.lower() for name in node.get("properties", {})]
        assert len(names) == len(set(names)), path


@each_stream
def test_each_column_has_a_description(stream: str) -> None:
    for name, column in SCHEMAS[stream]["properties"].items():
        assert column["description"].endswith("."), name


@each_stream
def test_columns_named_like_times_are_timestamps(stream: str) -> None:
    named = re.compile(r"(Date|Utc|Sync)$|^(created|requested|completed)$|On[A-Z]\w+$")
    for name, column in SCHEMAS[stream]["properties"].items():
        if column["type"][0] == "string":
            assert (column.get("format") == "date-time") == bool(named.search(name)), name
        if "format" in column:
            assert column["description"].endswith("without a zone is taken as UTC."), name


def test_money_is_number_and_count_is_integer() -> None:
    orders = dict(nodes(SCHEMAS["commerce_orders"]))

    assert orders["totalAmount"]["type"] == ["number", "null"]
    assert orders["orderLineItems[].unitPrice"]["type"] == ["number", "null"]
    assert orders["serviceCharges[].quantity"]["type"] == ["integer", "null"]
    # declared with the format decimal and no type
    assert SCHEMAS["commerce_disputes"]["properties"]["totalAmount"]["type"] == ["number", "null"]


def test_free_map_stays_open() -> None:
    for stream, path in [
        ("companies", "tags"),
        ("connections", "connectionInfo"),
        ("commerce_orders", "supplementalData.content"),
        ("commerce_company_info", "sourceUrls"),
        ("commerce_sync_configurations", "configuration.sales.accounts"),
    ]:
        assert dict(nodes(SCHEMAS[stream]))[path]["additionalProperties"] is True, path


# --- the generator ----------------------------------------------------------------------------


def consumer_spec(**properties: Node) -> dict[str, Node]:
    """A specification that declares webhook consumers with these columns besides their id."""
    consumer = {"properties": {"id": {"type": "string"}, **properties}}
    return {
        "Codat-Platform": {
            "info": {"x-origin": "Platform API 0"},
            "components": {"schemas": {"WebhookConsumer": consumer}},
        }
    }


def test_new_column_needs_a_description(generator: ModuleType) -> None:
    with pytest.raises(ValueError, match="webhook_consumers: colour not described"):
        generator.schema_of(
            "webhook_consumers", consumer_spec(colour={"type": "string"}), {"*": {"id": "The id."}}
        )


def test_description_needs_a_column(generator: ModuleType) -> None:
    texts = {"*": {}, "webhook_consumers": {"id": "The id.", "colour": "Its colour."}}

    with pytest.raises(ValueError, match="webhook_consumers has no colour"):
        generator.schema_of("webhook_consumers", consumer_spec(), texts)


def test_shared_descriptions_are_used(generator: ModuleType) -> None:
    used = " ".join(
        node.get("description", "") for schema in SCHEMAS.values() for _, node in nodes(schema)
    )
    texts = json.loads(generator.DESCRIPTIONS.read_text(encoding="utf-8"))

    assert [path for path, text in texts["*"].items() if text not in used] == []


def test_references_are_unquoted_and_index_lists(generator: ModuleType) -> None:
    spec = {
        "paths": {"/companies/{id}": {"parameters": [{"schema": {"type": "integer"}}]}},
    }

    reference = {"$ref": "#/paths/~1companies~1%7Bid%7D/parameters/0/schema"}

    assert generator.shape(spec, reference) == {"type": "integer"}


def test_recursive_schema_ends_in_open_object(generator: ModuleType) -> None:
    line = {"properties": {"lines": {"type": "array", "items": {"$ref": "#/line"}}}}

    column = generator.column(generator.shape({"line": line}, {"$ref": "#/line"}), "", {})

    assert column["properties"]["lines"]["items"] == {
        "type": ["object", "null"],
        "additionalProperties": True,
    }


def test_schema_alternatives_are_rejected(generator: ModuleType) -> None:
    with pytest.raises(ValueError, match="oneOf"):
        generator.shape({}, {"oneOf": [{"type": "string"}, {"type": "number"}]})


def test_schema_files_match_generator(
    generator: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generator.main(["--check"]) == 0
    assert capsys.readouterr().out == ""

    assert generator.main(["--output", str(tmp_path)]) == 0
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (generator.SCHEMAS / path.name).read_bytes()


def test_check_finds_changed_missing_and_stale_files(
    generator: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "schemas"
    shutil.copytree(generator.SCHEMAS, copy)
    (copy / "companies.json").write_text("{}", encoding="utf-8")
    (copy / "connections.json").unlink()
    (copy / "old.json").write_text("{}", encoding="utf-8")

    assert generator.main(["--output", str(copy), "--check"]) == 1

    assert capsys.readouterr().out.splitlines() == [
        "old: belongs to no stream, remove it",
        "companies: changed",
        "connections: changed",
    ]
    assert (copy / "companies.json").read_text(encoding="utf-8") == "{}"
    assert not (copy / "connections.json").exists()


def test_schema_corrections_are_still_needed(generator: ModuleType) -> None:
    specs = generator.load(SPECS)
    for stream, corrections in generator.CORRECTIONS.items():
        for spec, name in generator.STREAMS[stream].schemas:
            declared = generator.shape(specs[spec], specs[spec]["components"]["schemas"][name])
            for column, change in corrections.items():
                have = declared["properties"].get(column, {})
                assert generator.union(have, change) != have, f"{stream}.{column}"


@needs_whole_specs
def test_descriptions_are_not_copied(generator: ModuleType) -> None:
    theirs = "\n".join(json.dumps(spec) for spec in generator.load(WHOLE_SPECS).values()).lower()
    for stream, schema in SCHEMAS.items():
        for path, node in nodes(schema):
            ours = node.get("description", "").removesuffix(f" {generator.ZONE}").rstrip(".")
            if len(ours.split()) > 4:
                assert ours.lower() not in theirs, f"{stream}.{path}"


# --- the vendor's example payloads ------------------------------------------------------------


def as_list(payload: Node) -> list[Node]:
    """The records of a page, or the single record."""
    return list(payload.get("results", [payload]))


# Path of the operation: stream, and where its records are in the payload.
PATHS: dict[str, list[tuple[str, Callable[[Node], list[Node]]]]] = {
    "/companies/{companyId}/connections": [("connections", as_list)],
    "/companies/{companyId}/dataStatus": [("data_statuses", lambda payload: [*payload.values()])],
    "/companies/{companyId}/data/history": [("pull_operations", as_list)],
    "/companies/{companyId}/syncSettings": [
        ("company_sync_settings", lambda payload: payload["settings"])
    ],
    "/webhooks": [("webhook_consumers", as_list)],
    "/companies": [
        ("companies", as_list),
        ("connections", lambda page: [c for row in as_list(page) for c in row["dataConnections"]]),
    ],
}
COMMERCE = "/companies/{companyId}/connections/{connectionId}/data/commerce-"
PATHS |= {
    COMMERCE + tail: [(stream, as_list)]
    for tail, stream in {
        "customers": "commerce_customers",
        "disputes": "commerce_disputes",
        "info": "commerce_company_info",
        "locations": "commerce_locations",
        "orders": "commerce_orders",
        "paymentMethods": "commerce_payment_methods",
        "payments": "commerce_payments",
        "productCategories": "commerce_product_categories",
        "products": "commerce_products",
        "taxComponents": "commerce_tax_components",
        "transactions": "commerce_transactions",
    }.items()
}


def payloads(generator: ModuleType, name: str) -> Iterator[tuple[str, str, Node]]:
    """Path without the id at its end, name and value of each example of a successful response."""
    spec = json.loads((SPECS / f"{name}.json").read_text(encoding="utf-8"))
    for path, operations in spec["paths"].items():
        collection = re.sub(r"/\{\w+\}$", "", path)
        for operation in operations.values():
            if collection not in PATHS or "responses" not in operation:
                continue
            for status, response in operation["responses"].items():
                media = response.get("content", {}).get("application/json", {})
                for title, example in media.get("examples", {}).items():
                    if status.startswith("2"):
                        reference = example.get("$ref")
                        given = generator.resolve(spec, reference) if reference else example
                        yield collection, title, given["value"]


def unknown(schema: Node, value: object, path: str = "") -> Iterator[str]:
    """Paths of what the value holds and the schema does not declare."""
    if isinstance(value, list):
        for item in value:
            yield from unknown(schema["items"], item, f"{path}[]")
    elif isinstance(value, dict) and schema.get("additionalProperties") is not True:
        for name, child in value.items():
            if name in schema["properties"]:
                yield from unknown(schema["properties"][name], child, f"{path}.{name}")
            else:
                yield f"{path}.{name}"


def normalised(schema: Node, record: Node) -> Node:
    """The record as the tap emits it: with its parents' keys, and a zone on each time."""
    times = {name for name, each in schema["properties"].items() if "format" in each}
    zoneless = re.compile(r"T[\d:.]+$")
    return {"companyId": "company", "connectionId": "connection"} | {
        name: f"{value}Z" if name in times and zoneless.search(value or "") else value
        for name, value in record.items()
    }


ALL_COMMERCE = {stream for stream in KEYS if "commerce_" in stream and "sync" not in stream}


@pytest.mark.parametrize(
    ("name", "count", "streams"),
    [
        ("Codat-Commerce", 67, ALL_COMMERCE),
        (
            "Codat-Platform",
            7,
            {
                "companies",
                "connections",
                "data_statuses",
                "pull_operations",
                "company_sync_settings",
                "webhook_consumers",
            },
        ),
        ("Codat-Sync-Commerce", 1, {"connections"}),
    ],
)
def test_example_payloads_fit_without_loss(
    generator: ModuleType, name: str, count: int, streams: set[str]
) -> None:
    reached = set()
    examples = list(payloads(generator, name))
    for path, title, payload in examples:
        for stream, records in PATHS[path]:
            schema = SCHEMAS[stream]
            validator = Draft7Validator(schema, format_checker=FormatChecker(["date-time"]))
            for record in records(payload):
                where = f"{path}, example {title}"
                assert list(unknown(schema, record)) == [], where
                errors = validator.iter_errors(normalised(schema, record))
                assert [f"{error.json_path}: {error.message}" for error in errors] == [], where
                reached.add(stream)

    assert len(examples) >= count
    assert reached >= streams
