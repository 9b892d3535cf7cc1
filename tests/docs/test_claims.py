"""What the documents claim: links that lead somewhere, messages the taps print, SQL that runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tap_centra.tap import TapCentra
from tap_codat.tap import TapCodat
from tap_cscart.tap import TapCSCart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_taps.tap import HTTPTap

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
TAPS: tuple[type[HTTPTap], ...] = (TapCentra, TapCodat, TapCSCart)
"""The taps; what is claimed of each stands on its page."""

CATALOGS: dict[str, tuple[type[HTTPTap], dict[str, Any]]] = {
    **{tap.name: (tap, {}) for tap in TAPS},
    "tap-centra-order": (TapCentra, {"api": "order"}),
}
"""What the tables of each plugin of meltano.yml are made from."""


def page(tap: type[HTTPTap]) -> str:
    return (ROOT / "docs" / f"{tap.name}.md").read_text(encoding="utf-8")


# --- links --------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = without_code(document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_target(document: Path) -> None:
    text = without_code(document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.is_relative_to(ROOT), target
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_named_file_exists() -> None:
    for document in DOCUMENTS:
        text = without_code(document.read_text(encoding="utf-8"))
        for path in re.findall(r"`((?:commerce_\w+|tap_\w+|scripts|tests)/[\w./]*)`", text):
            made = "banking" in path or "tap_shop" in path  # the examples of docs/add-a-….md
            assert made or (ROOT / path).exists(), f"{document.name}: {path}"


def names_in(node: ast.ClassDef) -> Iterator[str]:
    """The methods and annotated attributes of a class."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef):
            yield child.name
        elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            yield child.target.id


def test_architecture_names_what_the_code_has() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    text = without_code(page.partition("\n## Use of the Singer SDK")[0])
    files = [*ROOT.glob("commerce_taps/**/*.py"), *ROOT.glob("tap_*/**/*.py")]
    paths = ["/" + file.relative_to(ROOT).as_posix() for file in files]
    for name in re.findall(r"`([\w/]+\.py)`", text):
        assert any(path.endswith(f"/{name}") for path in paths), name
    members: dict[str, set[str]] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                members.setdefault(node.name, set()).update(names_in(node))
    for name, member in re.findall(r"`([A-Z]+[a-z]\w+)(?:\.(\w+))?`", text):
        assert name in members, name
        assert not member or member in members[name], f"{name}.{member}"


# --- messages -----------------------------------------------------------------------------------


def messages(document: str) -> list[str]:
    """The messages in the table of a page, without the part that differs at their end."""
    table = document.partition("\n| Message | What to do |")[2].partition("\n\n")[0]
    found = re.findall(r"^\| (`{1,2})(.+?)\1 \| ", table, re.MULTILINE)
    return [message.strip().rstrip("…: ") for _, message in found]


COMMON = messages((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"))


@cache
def in_the_code() -> tuple[str, ...]:
    """Every text in the core and the taps, with `…` for what is filled in."""
    found = []
    for file in [*ROOT.glob("commerce_taps/**/*.py"), *ROOT.glob("tap_*/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…"
                         for part in node.values]  # fmt: skip
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(re.sub(r"\{message\}|%[ds]", "…", text) for text in found)


@pytest.mark.parametrize(
    "message", [*COMMON, *(message for tap in TAPS for message in messages(page(tap)))]
)
def test_documented_message_is_in_the_code(message: str) -> None:
    assert any(message in text for text in in_the_code())


# --- figures ------------------------------------------------------------------------------------


def test_readme_counts_match_the_sandbox() -> None:
    shown = re.findall(r"^  (\w+) +([\d,]+) +([\d,]+)$", README, re.MULTILINE)
    assert {"companies", "commerce_orders"} <= {stream for stream, _, _ in shown}
    for stream, expected, loaded in shown:
        command = [sys.executable, "-m", "commerce_sandbox", "truth", stream]
        truth = subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout
        rows = len(truth.splitlines())
        assert f"{rows:,}" == expected == loaded, stream


def test_readme_repeats_the_measured_ratios() -> None:
    table = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| ([^|]+) \| ([\d.]+) \|", table, re.MULTILINE)
    median = {(part, ratio): value for part, ratio, value in rows}
    for quoted in (
        f"takes {median['records', 'tap ÷ raw loop']} of its time for 100,000 orders",
        f"{median['million', 'tap ÷ raw loop']} for 1,000,000",
        f"{float(median['plain', 'plain SDK stream ÷ tap']):.0f} times as long as `tap-codat`",
        f"{float(median['million-plain', 'plain SDK stream ÷ tap']):.0f} times for 1,000,000",
        f"take {median['load', 'tap + target-duckdb ÷ dlt rest_api → duckdb']} of its time",
        f"equally fast ({median['latency', 'tap ÷ dlt']})",
    ):
        assert quoted in README, quoted


def test_readme_repeats_the_counts_of_chaos() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^tap-codat: (.+?) {2,}(\d+) +([\d,]+) +([\d,]+) ", page, re.MULTILINE)
    found = {name: [int(n.replace(",", "")) for n in counts] for name, *counts in rows}
    _, slipped, lost = found["(the same, by page number)"]
    _, churned, none = found["churn"]
    faults = [counts for name, counts in found.items() if name.startswith("faults: ")]
    runs, rows_read, rows_lost = (sum(column) for column in zip(*faults, strict=True))
    text = " ".join(README.split())
    assert f"it lost {lost:,} of {slipped:,} rows; `tap-codat` lost {none} of {churned:,}" in text
    assert f"{runs} runs of `tap-codat` lost {rows_lost} of {rows_read:,} rows" in text


# --- SQL ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty tables as target-duckdb makes them."""
    with duckdb.connect() as connection:
        for name, (tap, config) in CATALOGS.items():
            schema = name.replace("-", "_")
            connection.execute(f"CREATE SCHEMA {schema}")
            made = tap(config=config, validate_config=False, setup_mapper=False)
            for stream in made.discover_streams():
                properties = stream.schema["properties"]
                columns = [f'"{name}" {sql_type(column)}' for name, column in properties.items()]
                columns.append("_sdc_extracted_at TIMESTAMP")
                connection.execute(f"CREATE TABLE {schema}.{stream.name} ({', '.join(columns)})")
        yield connection


def sql_type(column: dict[str, Any]) -> str:
    if column.get("format") == "date-time":
        return "TIMESTAMP"
    kind = column["type"] if isinstance(column["type"], str) else column["type"][0]
    types = {"string": "VARCHAR", "number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN"}
    return types.get(kind, "JSON")


@pytest.mark.parametrize("tap", TAPS, ids=lambda tap: tap.name)
def test_documented_sql_runs(tables: duckdb.DuckDBPyConnection, tap: type[HTTPTap]) -> None:
    statements = re.findall(r"^```sql\n(.*?)^```$", page(tap), re.MULTILINE | re.DOTALL)
    assert len(statements) >= 3
    for sql in statements:
        assert tables.execute(sql).fetchall() == [], sql
