"""Generate the schemas of tap-codat from Codat's OpenAPI documents.

    python scripts/generate_codat_schemas.py --specs FOLDER [--check]

FOLDER contains the specifications that Codat publishes: "Codat-Platform.json",
"Codat-Commerce.json", "Codat-Lending.json" and "Codat-Sync-Commerce.json". The default is
`tests/fixtures/codat`, which contains only the parts that the current schemas need. After a new
release, or for a new stream, update that folder with `scripts/trim_codat_specs.py`.

The specifications provide names and types only. The descriptions are our own, in
`codat_descriptions.json` beside this program: `*` has the columns that mean the same in every
stream, the other keys have the columns of one stream by path (`orderLineItems[].quantity`). A
column without a description, and a description without a column, are errors. `CORRECTIONS` below
has columns that real responses contain and the specifications lack.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

Node: TypeAlias = dict[str, Any]

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "tap_codat" / "schemas"
SPECS: Final = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "codat"
DESCRIPTIONS: Final = Path(__file__).with_name("codat_descriptions.json")

# With both bounds, targets that map JSON types to SQL choose BIGINT, not INTEGER or DECIMAL.
BIGINT: Final = {"minimum": -(2**63), "maximum": 2**63 - 1}
ZONE: Final = "In UTC; a value sent without a zone is taken as UTC."

STRING: Final[Node] = {"type": "string"}
NUMBER: Final[Node] = {"type": "number"}
DATE: Final[Node] = {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class Source:
    """The declaration of a stream's columns.

    Attributes:
        key: The primary key. The tap adds columns of the key that the record lacks.
        schemas: Specifications and names of components. The columns are those of all of them.
    """

    key: tuple[str, ...]
    schemas: tuple[tuple[str, str], ...]


def _platform(schema: str, *key: str) -> Source:
    return Source(key, (("Codat-Platform", schema),))


def _commerce(schema: str, *key: str) -> Source:
    """The Lending specification declares the same records under another name, and is newer."""
    return Source(
        ("companyId", "connectionId", *key),
        (("Codat-Commerce", schema), ("Codat-Lending", f"Commerce{schema}")),
    )


def _sync(schema: str, *key: str) -> Source:
    return Source(("companyId", *key), (("Codat-Sync-Commerce", schema),))


STREAMS: Final[dict[str, Source]] = {
    "companies": _platform("Company", "id"),
    "connections": _platform("Connection", "companyId", "id"),
    "data_statuses": _platform("DataStatus", "companyId", "dataType"),
    "pull_operations": _platform("PullOperation", "companyId", "id"),
    "push_operations": _platform("PushOperation", "companyId", "pushOperationKey"),
    "integrations": _platform("Integration", "key"),
    "company_sync_settings": _platform("SyncSetting", "companyId", "dataType"),
    "webhook_consumers": _platform("WebhookConsumer", "id"),
    "commerce_company_info": _commerce("CompanyInfo"),
    "commerce_customers": _commerce("Customer", "id"),
    "commerce_disputes": _commerce("Dispute", "id"),
    "commerce_locations": _commerce("Location", "id"),
    "commerce_orders": _commerce("Order", "id"),
    "commerce_payment_methods": _commerce("PaymentMethod", "id"),
    "commerce_payments": _commerce("Payment", "id"),
    "commerce_product_categories": _commerce("ProductCategory", "id"),
    "commerce_products": _commerce("Product", "id"),
    "commerce_tax_components": _commerce("TaxComponent", "id"),
    "commerce_transactions": _commerce("Transaction", "id"),
    "commerce_sync_configurations": _sync("Configuration"),
    "commerce_syncs": _sync("CompanySyncStatus", "syncId"),
}

_TAXES: Final[Node] = {"items": {"properties": {"taxes": {"items": {"properties": {
    "taxAmount": NUMBER,
}}}}}}  # fmt: skip
_REFERENCE: Final[Node] = {"type": "object", "properties": {"id": STRING, "name": STRING}}

# Columns to add to the specifications; None removes a column. All but the two with a comment are in
# the example payloads of the "Commerce API" and "Platform API" specifications.
CORRECTIONS: Final[dict[str, dict[str, Node]]] = {
    "companies": {"platform": STRING},
    # It is beside the list of settings in the response, and would be lost with the envelope.
    "company_sync_settings": {"overridesDefaults": {"type": "boolean"}},
    # The specification requires `datatype` and shows it in its example, but declares `dataType`.
    # Where names are compared without case, both together would be the same column twice.
    "integrations": {
        "datatypeFeatures": {"items": {"properties": {"dataType": None, "datatype": STRING}}},
    },
    "commerce_orders": {"orderLineItems": _TAXES, "serviceCharges": _TAXES},
    "commerce_payments": {"type": STRING},
    "commerce_products": {
        "status": STRING,
        "productCategoryRefs": {"type": "array", "items": _REFERENCE},
        "variants": {"items": {"properties": {"quantity": NUMBER}}},
        "createdDate": DATE,
        "modifiedDate": DATE,
        "sourceModifiedDate": DATE,
    },
}


def resolve(spec: Node, pointer: str) -> Node:
    """Follow a `$ref`; Codat's are URL-escaped and step through lists by number."""
    node: Any = spec
    for step in pointer.removeprefix("#/").split("/"):
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        node = node[int(name)] if isinstance(node, list) else node[name]
    return dict(node)


def union(left: Node, right: Node) -> Node:
    """Merge two shapes. If both have a value, the right one wins; its None removes the value."""
    merged = dict(left)
    for name, value in right.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = union(merged[name], value)
        else:
            merged[name] = value
    return merged


def shape(spec: Node, node: Node, within: frozenset[str] = frozenset()) -> Node:
    """Reduce a schema to type, format, properties and items, without `$ref` and `allOf`.

    A schema that contains itself ends in an open object at that point.

    Raises:
        ValueError: The schema has alternatives, which a column cannot express.
    """
    if alternatives := node.keys() & {"oneOf", "anyOf"}:
        raise ValueError(f"{sorted(alternatives)} in {str(node)[:80]}: decide on one type.")
    reduced: Node = {}
    if pointer := node.get("$ref"):
        if pointer in within:
            return {"type": "object"}
        within |= {pointer}
        reduced = shape(spec, resolve(spec, pointer), within)
    for part in node.get("allOf", ()):
        reduced = union(reduced, shape(spec, part, within))
    own: Node = {name: node[name] for name in ("type", "format") if name in node}
    if node.get("title") == "Date time":
        own["format"] = "date-time"
    if properties := node.get("properties"):
        own["properties"] = {name: shape(spec, each, within) for name, each in properties.items()}
    if "items" in node:
        own["items"] = shape(spec, node["items"], within)
    return union(reduced, own)


def column(shaped: Node, path: str, descriptions: dict[str, str], *, nullable: bool = True) -> Node:
    """Convert a shape to JSON Schema, and remove its descriptions from `descriptions`.

    Only top-level columns get the format date-time: nested values are kept as sent, and need not be
    RFC 3339. An object without properties is a free map.
    """
    kind = shaped.get("type")
    if kind is None:
        kind = "number" if shaped.get("format") == "decimal" else "object"
    result: Node = {"type": [kind, "null"] if nullable else kind}
    description = descriptions.pop(path, None)
    if "." not in path and "[" not in path and shaped.get("format") == "date-time":
        result["format"] = "date-time"
        description = f"{description} {ZONE}" if description else None
    if description:
        result["description"] = description
    if kind == "integer":
        result.update(BIGINT)
    elif kind == "array":
        result["items"] = column(shaped["items"], f"{path}[]", descriptions)
    elif kind == "object" and "properties" in shaped:
        result["properties"] = {
            name: column(each, f"{path}.{name}", descriptions)
            for name, each in shaped["properties"].items()
        }
    elif kind == "object":
        result["additionalProperties"] = True
    return result


def schema_of(stream: str, specs: dict[str, Node], texts: dict[str, dict[str, str]]) -> Node:
    """Build the schema of a stream: the key first, the rest in the order of the specification.

    Raises:
        ValueError: A column lacks its description, or a description its column.
    """
    source = STREAMS[stream]
    declared: Node = {}
    for spec, name in source.schemas:
        declared = union(declared, shape(specs[spec], specs[spec]["components"]["schemas"][name]))
    shapes = union(declared["properties"], CORRECTIONS.get(stream, {}))
    shapes = {name: shapes.get(name, STRING) for name in source.key} | shapes
    shared = {path: text for path, text in texts["*"].items() if path.split(".")[0] in shapes}
    descriptions = shared | texts.get(stream, {})
    properties = {
        name: column(each, name, descriptions, nullable=name not in source.key)
        for name, each in shapes.items()
    }
    if descriptions:
        raise ValueError(f"{stream} has no {', '.join(descriptions)}: correct {DESCRIPTIONS.name}.")
    if bare := [name for name, each in properties.items() if "description" not in each]:
        raise ValueError(f"{stream}: {', '.join(bare)} not described in {DESCRIPTIONS.name}.")
    origin = "; ".join(specs[spec]["info"]["x-origin"] for spec, _ in source.schemas)
    comment = f"Written by scripts/{Path(__file__).name}; types from {origin}."
    return {"$comment": comment, "type": "object", "properties": properties}


def load(folder: Path) -> dict[str, Node]:
    """Read the specifications, each with its title, version and hash under `info.x-origin`."""
    specs: dict[str, Node] = {}
    for name in sorted({spec for source in STREAMS.values() for spec, _ in source.schemas}):
        content = (folder / f"{name}.json").read_bytes()
        specs[name] = spec = json.loads(content)
        if "x-origin" not in (info := spec["info"]):  # a trimmed one has it already
            digest = hashlib.sha256(content).hexdigest()
            info["x-origin"] = f"{info['title']} {info['version']}, sha256 {digest}"
    return specs


def render(schema: Node) -> str:
    """Format a schema, indented by two, with each type on one line."""
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return re.sub(r'\[\s+("\w+"),\s+"null"\s+\]', r'[\1, "null"]', text) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the schema files, or compare them with `--check`. Returns 1 if they differ."""
    parser = argparse.ArgumentParser(description="Generate the schemas of tap-codat.")
    parser.add_argument("--specs", type=Path, default=SPECS, help="folder of the specifications")
    parser.add_argument("--output", type=Path, default=SCHEMAS, help="folder of the schemas")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 on a change")
    options = parser.parse_args(arguments)

    specs = load(options.specs)
    texts = json.loads(DESCRIPTIONS.read_text(encoding="utf-8"))
    stale = {path.stem for path in options.output.glob("*.json")} - STREAMS.keys()
    changed = sorted(stale)
    for stream in STREAMS:
        path = options.output / f"{stream}.json"
        text = render(schema_of(stream, specs, texts))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            changed.append(stream)
            if not options.check:
                path.write_text(text, encoding="utf-8")
    for stream in changed:
        print(f"{stream}: {'belongs to no stream, remove it' if stream in stale else 'changed'}")
    return int(options.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
