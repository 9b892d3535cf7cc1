"""The official example payloads, served as data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from commerce_sandbox import Sandbox
from commerce_sandbox.codat import fields
from commerce_sandbox.codat.truth import stream_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sandbox.support import Client

DATA = "/companies/{companyId}/connections/{connectionId}/data/"


def _pages(path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Return dataset, name and value of every example page, without code of the sandbox."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [
        (name, platform, example["value"])
        for name in (*fields.COMMERCE_LISTS, fields.COMMERCE_INFO)
        for platform, example in document["paths"][DATA + name]["get"]["responses"]["200"][
            "content"
        ]["application/json"]["examples"].items()
    ]


def test_examples_are_served_unchanged(
    official_spec: Callable[[str], Path], client_of: Callable[[Sandbox], Client]
) -> None:
    spec = official_spec("Codat-Commerce")
    pages = _pages(spec)
    assert len([name for name, _, _ in pages if name != fields.COMMERCE_INFO]) == 66
    with Sandbox(codat_spec=spec) as sandbox:
        client = client_of(sandbox)
        companies = {one["name"]: one for one in client.rows("/companies")}
        assert set(companies) == {platform for _, platform, _ in pages}
        counted: dict[str, int] = {}
        for name, platform, value in pages:
            company = companies[platform]
            (connection,) = company["dataConnections"]
            path = f"/companies/{company['id']}/connections/{connection['id']}/data/{name}"
            if name == fields.COMMERCE_INFO:
                assert client.json(path) == value
                continue
            assert client.rows(path, pageSize=1) == value["results"]
            counted[name] = counted.get(name, 0) + len(value["results"])
        assert sum(counted.values()) == 66  # the facts keep one row of each page
        for name, count in counted.items():
            assert len(sandbox.truth(stream_name(name))) == count
        assert len(sandbox.truth("commerce_company_info")) == 1


def test_type_without_example_is_unsupported(
    official_spec: Callable[[str], Path], client_of: Callable[[Sandbox], Client]
) -> None:
    with Sandbox(codat_spec=official_spec("Codat-Commerce")) as sandbox:
        client = client_of(sandbox)
        company = next(one for one in client.rows("/companies") if one["name"] == "SumUp")
        path = f"/companies/{company['id']}/connections/{company['dataConnections'][0]['id']}/data"
        status, error = client.error(f"{path}/commerce-disputes")
        assert (status, error) == (
            404,
            "Datatype commerce-disputes not supported by platform(s) SumUp",
        )
        status, _ = client.error(f"{path}/commerce-orders", query="nothing=1")
        assert status == 400


def test_examples_can_be_mutated(official_spec: Callable[[str], Path]) -> None:
    with Sandbox(codat_spec=official_spec("Codat-Commerce")) as sandbox:
        before = len(sandbox.truth("commerce_orders"))
        changed_rows = sandbox.mutate(changes=5, inserts=3, stream="commerce_orders")
        assert len(changed_rows) == 8
        assert len(sandbox.truth("commerce_orders")) == before + 3


def test_small_specification_serves_pages_and_records(
    tmp_path: Path, client_of: Callable[[Sandbox], Client]
) -> None:
    """Works without the official files: pages first, single records only where they add a row."""

    def operation(**examples: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        named = {name: {"value": value} for name, value in examples.items()}
        content = {"application/json": {"examples": named}}
        return {"get": {"responses": {"200": {"content": content}}}}

    spec = tmp_path / "spec.json"
    page = {"results": [{"id": "1", "amount": 1.50}, {"id": "2", "extra": {"a": [None]}}]}
    document = {
        "paths": {
            DATA + "commerce-payments/{paymentId}": operation(
                Shop={"id": "1", "amount": 7}, Till={"id": "9"}
            ),
            DATA + "commerce-payments": operation(Shop=page),
            DATA + "invoices": operation(Shop={"results": [{"id": "1"}]}),
            "/companies": {"post": {}},
        }
    }
    spec.write_text(json.dumps(document), encoding="utf-8")
    with Sandbox(codat_spec=spec) as sandbox:
        rows = {(row["id"], row.get("amount")) for row in sandbox.truth("commerce_payments")}
        assert rows == {("1", 1.5), ("2", None), ("9", None)}
        assert [one["name"] for one in client_of(sandbox).rows("/companies")] == ["Shop", "Till"]


@pytest.mark.parametrize("content", ["not JSON", "[]", "{}", '{"paths": {"/companies": {}}}'])
def test_specification_without_examples_raises_value_error(tmp_path: Path, content: str) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"spec\.json"), Sandbox(codat_spec=spec):
        pass
