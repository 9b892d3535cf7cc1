"""Real payloads: the examples of Codat's specification, served over HTTP and read by the tap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_sandbox.codat.truth import stream_name
from tests.codat.support import Taps, truth
from tests.contract import differences
from tests.fixtures import COMMERCE_SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.runs import Run

DATA = "/companies/{companyId}/connections/{connectionId}/data/"


@pytest.fixture(scope="module")
def examples() -> Iterator[Sandbox]:
    with Sandbox(codat_spec=COMMERCE_SPEC) as running:
        yield running


@pytest.fixture(scope="module")
def loaded(examples: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Taps(tmp_path_factory.mktemp("examples"))(examples)


def test_examples_of_specification_are_all_found(loaded: Run) -> None:
    expected: dict[str, int] = {}
    for path, methods in json.loads(COMMERCE_SPEC.read_text(encoding="utf-8"))["paths"].items():
        dataset = path.removeprefix(DATA)
        if path.startswith(DATA) and "/" not in dataset:
            content = methods["get"]["responses"]["200"]["content"]["application/json"]
            pages = [example["value"] for example in content.get("examples", {}).values()]
            records = [record for page in pages for record in page.get("results", [page])]
            expected[stream_name(dataset)] = len(records)
    found = loaded.output.counts
    assert {stream: found.get(stream, 0) for stream in expected} == expected
    assert sum(expected.values()) == 67
    assert loaded.code == 0


def test_each_record_arrives_with_all_fields(loaded: Run, examples: Sandbox) -> None:
    for stream in loaded.output.schemas:
        wanted = truth(examples, loaded.output, stream)
        assert differences(loaded.output.rows(stream), wanted)[:5] == []


def test_fields_and_types_match_the_schema(loaded: Run) -> None:
    sent_again = {stream for stream, sent in loaded.output.schemas.items() if len(sent) > 1}
    assert sent_again == set()
