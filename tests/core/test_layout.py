"""The layers: who may import whom, type annotations included."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAPS = sorted(folder.name for folder in ROOT.glob("tap_*") if folder.is_dir())
PACKAGES = ("commerce_taps", *TAPS, "target_duckdb")


def modules() -> dict[str, Path]:
    """Map the name of each module of the product to its file."""
    found = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


def imported(file: Path) -> set[str]:
    """List what a module imports: modules, and members with the module in front."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


MODULES = modules()
IMPORTS = {
    name: {one if one in MODULES else one.rpartition(".")[0] for one in imported(file)}
    for name, file in MODULES.items()
}


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {name: found & MODULES.keys() - {name} for name, found in IMPORTS.items()}
    assert len(graph) > 80
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_layers_below(package: str) -> None:
    allowed = {"commerce_taps", package}
    strangers = {*PACKAGES, "commerce_sandbox", "tests", "benchmarks", "scripts"} - allowed
    for name, found in IMPORTS.items():
        if name.partition(".")[0] == package:
            assert not {one.partition(".")[0] for one in found} & strangers, name


def test_streams_import_no_tap() -> None:
    for name, found in IMPORTS.items():
        if not name.endswith((".tap", ".__main__")):
            assert not [one for one in found if one.endswith(".tap") and one in MODULES], name
