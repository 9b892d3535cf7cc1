"""Trim Codat's OpenAPI documents to the facts that the tests compare with.

    python scripts/trim_codat_specs.py --specs FOLDER

FOLDER contains the specifications that Codat publishes. The trimmed documents go to
`tests/fixtures/codat`. Each is an OpenAPI document with the names, types, formats and required
fields of the responses to GET requests, and with the first row of each example of a list, without
e-mail addresses. It has no prose, no parameters, and no operations that change data. The generator
of the schemas of tap-codat writes the same schemas from both.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from scripts.generate_codat_schemas import STREAMS

FIXTURES: Final = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "codat"
KEPT: Final = {
    *("$ref", "additionalProperties", "allOf", "anyOf", "content", "definitions", "enum"),
    *("examples", "format", "items", "nullable", "oneOf", "properties", "required", "schema"),
    *("type", "value"),
}
NAMED: Final = {"content", "definitions", "examples", "properties"}
"""Keys whose children are names, not keywords of the specification."""
ROWS: Final = 1
DATES: Final = "Date time"
"""The title by which the generator knows a date."""


def reduced(node: Any, *, named: bool = False) -> Any:  # noqa: ANN401 (JSON)
    """Keep the parts of a node that a test compares with."""
    if isinstance(node, list):
        return [reduced(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {
        name: _page(value) if name == "value" and not named else reduced(value, named=name in NAMED)
        for name, value in node.items()
        if named or name in KEPT
    }
    return found | ({"title": DATES} if not named and node.get("title") == DATES else {})


def _page(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Keep the first rows of an example."""
    if isinstance(value, dict) and isinstance(value.get("results"), list):
        return value | {"results": value["results"][:ROWS]}
    return value


def trimmed(name: str, content: bytes) -> dict[str, Any]:
    """Trim a document.

    Args:
        name: Its name.
        content: The document.
    """
    whole = json.loads(content)
    info, digest = whole["info"], hashlib.sha256(content).hexdigest()
    paths = {
        path: {"get": {"responses": _responses(path, operations["get"]["responses"])}}
        for path, operations in whole["paths"].items()
        if "get" in operations and name != "Codat-Lending"  # it repeats those of Codat-Commerce
    }
    wanted = [f"#/components/schemas/{schema}" for source in STREAMS.values()
              for spec, schema in source.schemas if spec == name]  # fmt: skip
    components: dict[str, dict[str, Any]] = {}
    wanted += _references(paths)
    while wanted:
        kind, part = wanted.pop().split("/")[2:4]
        if part not in components.setdefault(kind, {}):
            found = reduced(whole["components"][kind][part])
            components[kind][part] = found
            wanted += _references(found)
    origin = f"{info['title']} {info['version']}, sha256 {digest}"
    return {"info": {"x-origin": origin}, "paths": paths, "components": components}


def _responses(path: str, known: dict[str, Any]) -> dict[str, Any]:
    """Trim the responses of an operation. Examples of a single row repeat those of a page."""
    found = {status: reduced(response) for status, response in known.items()}
    if path.endswith("}"):
        for response in found.values():
            for media in response.get("content", {}).values():
                media.pop("examples", None)
    return found


def _references(node: Any) -> list[str]:  # noqa: ANN401 (JSON)
    """List the components that a node refers to."""
    return re.findall(r'"\$ref": "(#/components/[^"]+)"', json.dumps(node))


def main(arguments: list[str] | None = None) -> int:
    """Write the trimmed documents."""
    parser = argparse.ArgumentParser(description="Trim Codat's specifications to facts.")
    parser.add_argument("--specs", type=Path, required=True, help="folder of the specifications")
    parser.add_argument("--output", type=Path, default=FIXTURES, help="where to write them")
    options = parser.parse_args(arguments)
    for name in sorted({spec for source in STREAMS.values() for spec, _ in source.schemas}):
        found = trimmed(name, (options.specs / f"{name}.json").read_bytes())
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        text = re.sub(r"[\w.+-]+@[\w.-]+\w", "someone@example.com", text)
        (options.output / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
