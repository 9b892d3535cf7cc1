from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from jsonschema import Draft202012Validator

from commerce_sandbox import Sandbox
from commerce_sandbox.codat.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sandbox.support import Client

Schema = dict[str, Any]

DATA = "/companies/{companyId}/connections/{connectionId}/data"

# Places where the specifications contradict themselves or the documentation, and the correction.
SLIPS: dict[str, Callable[[Schema], Schema]] = {
    # Requires `datatype` and defines `dataType`.
    "#/components/schemas/Integration/definitions/dataTypeFeature": lambda schema: {
        **schema,
        "required": ["dataType", "supportedFeatures"],
    },
    # Is documented to be null at times; the mark sits on the object in place of the property.
    "#/components/schemas/ModifiedDates/allOf/1/properties/sourceModifiedDate": lambda schema: {
        **schema,
        "nullable": True,
    },
}


class Spec:
    """An official specification, with its schemas turned into plain JSON Schema."""

    def __init__(self, path: Path) -> None:
        self.document = json.loads(path.read_text(encoding="utf-8"))
        self._definitions: dict[str, Any] = {}

    def validator(self, path: str, status: int) -> Draft202012Validator:
        operation = self._operation(path)
        assert operation is not None
        response = operation["responses"][str(status)]
        response = self._resolve(response["$ref"]) if "$ref" in response else response
        schema = response["content"]["application/json"]["schema"]
        converted = self._convert(schema, "")
        return Draft202012Validator(
            {**converted, "$defs": self._definitions},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )

    def has(self, path: str) -> bool:
        return self._operation(path) is not None

    def _operation(self, path: str) -> Schema | None:
        for known, operations in self.document["paths"].items():
            if "get" in operations and _same(path, known):
                operation: Schema = operations["get"]
                return operation
        return None

    def _resolve(self, reference: str) -> Any:  # noqa: ANN401 (JSON)
        found: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
        return found

    def _convert(self, schema: Any, place: str) -> Any:  # noqa: ANN401 (JSON)
        if place in SLIPS:
            schema = SLIPS[place](schema)
        if isinstance(schema, list):
            return [self._convert(item, f"{place}/{n}") for n, item in enumerate(schema)]
        if not isinstance(schema, dict):
            return schema
        converted = {
            name: self._convert(value, f"{place}/{name}")
            for name, value in schema.items()
            if name not in {"$ref", "nullable", "definitions", "example", "examples"}
        }
        if "$ref" in schema:
            converted["$ref"] = self._definition(schema["$ref"])
        if schema.get("nullable") is True:
            return {"anyOf": [converted, {"type": "null"}]}
        return converted

    def _definition(self, reference: str) -> str:
        name = re.sub(r"\W+", "_", reference)
        if name not in self._definitions:
            self._definitions[name] = {}
            self._definitions[name] = self._convert(self._resolve(reference), reference)
        return f"#/$defs/{name}"


def _same(one: str, other: str) -> bool:
    return re.sub(r"\{\w+\}", "{}", one) == re.sub(r"\{\w+\}", "{}", other)


def _requests(client: Client) -> Iterator[tuple[str, str]]:
    """Return every path with a response: its template, and the path filled in."""
    for path in ("/companies", "/integrations", "/webhooks", "/config/integrations"):
        yield path, path
    for platform in client.rows("/integrations"):
        for path in (
            "/integrations/{platformKey}",
            "/integrations/{platformKey}/branding",
            "/config/integrations/{platformKey}/branding",
        ):
            yield path, path.format(platformKey=platform["key"])
    for company in client.rows("/companies"):
        names = {"companyId": company["id"]}
        yield from _of_company(client, names)
        for connection in company["dataConnections"]:
            yield from _of_connection(client, {**names, "connectionId": connection["id"]})


def _of_company(client: Client, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for endpoint in ENDPOINTS:
        path = "/" + "/".join(endpoint.path)
        variables = set(re.findall(r"\{(\w+)\}", path))
        if variables == {"companyId"}:
            yield path, path.format(**names)
        for variable, key in (
            ("datasetId", "id"),
            ("pushOperationKey", "pushOperationKey"),
            ("syncId", "syncId"),
        ):
            if variables == {"companyId", variable}:
                parent = path.replace("{syncId}", "list").partition("/{" + variable)[0]
                body = client.json(parent.format(**names))
                for row in (body if isinstance(body, list) else body["results"])[:3]:
                    yield path, path.format(**names, **{variable: row[key]})


def _of_connection(client: Client, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield DATA.removesuffix("/data"), DATA.removesuffix("/data").format(**names)
    for endpoint in ENDPOINTS:
        path = "/" + "/".join(endpoint.path)
        if path.startswith(DATA) and not path.endswith("}"):
            yield path, path.format(**names)
            response = client.get(path.format(**names))
            for row in response.json().get("results", ())[:3]:
                yield f"{path}/{{recordId}}", f"{path.format(**names)}/{quote(row['id'], safe='')}"


@pytest.fixture(scope="module")
def specs(official_spec: Callable[[str], Path]) -> list[Spec]:
    return [
        Spec(official_spec(name))
        for name in ("Codat-Commerce", "Codat-Platform", "Codat-Sync-Commerce")
    ]


def _validate_everything(client: Client, specs: list[Spec]) -> Counter[str]:
    @cache
    def validators(path: str, status: int) -> list[Draft202012Validator]:
        return [spec.validator(path, status) for spec in specs if spec.has(path)]

    seen: Counter[str] = Counter()
    for path, filled in _requests(client):
        response = client.get(filled)
        body = response.json()
        found = validators(path, response.status_code)
        assert found, f"no specification has {path}"
        for validator in found:
            errors = [
                f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)
            ]
            assert not errors, f"{response.status_code} {filled}: {errors[:3]}"
        seen[f"{path} {response.status_code}"] += 1
    return seen


def test_every_response_matches_official_specs(client: Client, specs: list[Spec]) -> None:
    seen = _validate_everything(client, specs)

    responded = {key.partition(" ")[0] for key in seen if key.endswith(" 200")}
    assert responded == {"/" + "/".join(endpoint.path) for endpoint in ENDPOINTS}
    assert any(key.endswith(" 404") for key in seen)
    assert any(key.endswith(" 409") for key in seen)


def test_every_example_matches_official_specs(
    official_spec: Callable[[str], Path],
    client_of: Callable[[Sandbox], Client],
    specs: list[Spec],
) -> None:
    with Sandbox(codat_spec=official_spec("Codat-Commerce")) as sandbox:
        seen = _validate_everything(client_of(sandbox), specs)
    assert sum(key.endswith(" 200") for key in seen) > 20


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/companies", {"query": "a>"}, 400),
        ("/companies", {"query": "nothing=1"}, 400),
        ("/companies", {"pageSize": 0}, 400),
    ],
)
def test_error_response_matches_official_specs(
    client: Client, specs: list[Spec], path: str, parameters: dict[str, Any], status: int
) -> None:
    response = client.get(path, **parameters)
    assert response.status_code == status
    for spec in specs:
        if spec.has(path):
            assert spec.validator(path, status).is_valid(response.json())


def test_validator_rejects_wrong_page(client: Client, specs: list[Spec], big_shop: str) -> None:
    """The conversion of the specification keeps its constraints."""
    page = client.json(f"{big_shop}/commerce-orders", pageSize=5)
    validator = specs[0].validator(f"{DATA}/commerce-orders", 200)
    assert validator.is_valid(page)
    spoils: list[tuple[list[str | int], object]] = [
        (["totalAmount"], "12.50"),
        (["id"], None),
        (["orderLineItems", 0, "quantity"], "1"),
        (["payments", 0, "status"], "Spent"),
    ]
    for way, value in spoils:
        spoiled = json.loads(json.dumps(page))
        place = spoiled["results"][0]
        for step in way[:-1]:
            place = place[step]
        place[way[-1]] = value
        assert not validator.is_valid(spoiled)
