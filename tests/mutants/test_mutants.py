"""The list of mutants fits the product, and the page of promises fits the list."""

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
"""Each promise of the page with its test."""

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])


@cache
def names_in(file: str) -> set[str]:
    """The names of the tests of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def bare(mutant: Mutant) -> str:
    """A mutant's test without its case."""
    return mutant.test.partition("[")[0]


def test_mutant_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@each_mutant
def test_replaced_line_occurs_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, "the line has changed: change the mutant with it"
    assert mutant.new != mutant.old
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


@each_mutant
def test_killing_test_exists(mutant: Mutant) -> None:
    file, _, name = bare(mutant).partition("::")
    assert name in names_in(file)


@pytest.mark.parametrize(("promise", "test"), PROMISED)
def test_promised_test_kills_a_mutant(promise: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert name in names_in(file), promise
    assert test in {bare(mutant) for mutant in MUTANTS}, promise


def test_page_lists_every_killing_test() -> None:
    assert {bare(mutant) for mutant in MUTANTS} == {test for _, test in PROMISED}


def test_every_section_has_promises() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    promising = [one for one in sections if "*Rests on:*" in one or "| Bound |" in one]
    assert len(promising) >= 6
    for section in promising:
        assert "| Promise | Fails when it is broken |" in section, section.partition("\n")[0]
