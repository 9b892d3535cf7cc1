"""Each mutant applies to the product, and docs/reliability.md lists the tests that kill them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mutants.mutants import MUTANTS

if TYPE_CHECKING:
    from tests.mutants.mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROMISED = re.findall(r"^\| ([^|]+) \| `(tests/[\w/]+\.py::test_\w+)` \|$", PAGE, re.MULTILINE)
"""The promises of the page, each with its test."""

for_each_mutant = pytest.mark.parametrize(
    "mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS]
)


@cache
def functions_in(file: str) -> set[str]:
    """Collect the names of the functions in a test file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def without_case(mutant: Mutant) -> str:
    """Return the id of a mutant's test without its case."""
    return mutant.test.partition("[")[0]


def test_mutant_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@for_each_mutant
def test_replaced_line_occurs_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, "the product has changed: adapt the mutant"
    assert mutant.new != mutant.old
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


@for_each_mutant
def test_killing_test_exists(mutant: Mutant) -> None:
    file, _, name = without_case(mutant).partition("::")
    assert name in functions_in(file)


@pytest.mark.parametrize(("promise", "test"), PROMISED)
def test_promised_test_kills_a_mutant(promise: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert name in functions_in(file), promise
    assert test in {without_case(mutant) for mutant in MUTANTS}, promise


def test_page_lists_every_killing_test() -> None:
    assert {without_case(mutant) for mutant in MUTANTS} == {test for _, test in PROMISED}


def test_every_section_has_promises() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    promising = [one for one in sections if "*Rests on:*" in one or "| Bound |" in one]
    assert len(promising) >= 6
    for section in promising:
        assert "| Promise | Fails when it is broken |" in section, section.partition("\n")[0]
