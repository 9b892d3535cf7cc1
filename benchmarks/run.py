"""`make bench`: measure all parts or some, print a table, write `benchmarks/results.json`.

Without `make`: `python -m benchmarks.run [--tiny] [PART …]`.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.harness import TINY, Row, Sizes, report
from benchmarks.parts import centra, cscart, discover, latency, load, records, scale, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Measure = Callable[[Sizes, Path], Iterator[Row]]

RESULTS: Final = Path(__file__).parent / "results.json"
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "performance.md"
MARK: Final = "<!-- from here to the end: written by `make bench ARGS=--document` -->\n"
PARTS: Final[dict[str, Measure]] = {
    "discover": discover.measure,
    "records": records.measure,
    "plain": records.plain,
    "million": records.million,
    "million-plain": records.million_plain,
    "cscart": cscart.measure,
    "centra": centra.measure,
    "load": load.measure,
    "latency": latency.measure,
    "scale": scale.measure,
    "requests": unchanged.measure,
}
LONG: Final = frozenset({"million-plain"})
"""Parts that are run only when they are named."""
PACKAGES: Final = ("singer-sdk", "msgspec", "orjson", "requests", "dlt", "duckdb")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure the taps against their peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--pairs", type=int, help="how often each pair of programs runs")
    parser.add_argument("--tiny", action="store_true", help="only see that it runs")
    parser.add_argument("--document", action="store_true", help=f"also into {DOCUMENT.name}")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    given = parser.parse_args(arguments)
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    sizes = TINY if given.tiny else Sizes()
    sizes = replace(sizes, pairs=given.pairs or sizes.pairs)
    found: dict[str, Any] = load_results(given.results)
    for name in given.parts or [part for part in PARTS if part not in LONG]:
        started = time.perf_counter()
        report(name)
        with tempfile.TemporaryDirectory() as folder:
            rows = list(PARTS[name](sizes, Path(folder)))
        found["parts"][name] = {
            "seconds": round(time.perf_counter() - started),
            "rows": [as_json(row) for row in rows],
        }
    found["machine"] = machine()
    given.results.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    print(table(found))
    if given.document:
        before, mark, _ = DOCUMENT.read_text(encoding="utf-8").partition(MARK)
        DOCUMENT.write_text(f"{before}{mark}\n{table(found)}\n", encoding="utf-8")


def load_results(path: Path) -> dict[str, Any]:
    """Read the last results: parts that are not run again stay as they are."""
    if not path.exists():
        return {"machine": {}, "parts": {}}
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return found


def as_json(row: Row) -> dict[str, Any]:
    """Write a row for the results."""
    return {
        "name": row.name,
        "median": round(row.median, 3),
        "min": round(min(row.ratios), 3),
        "max": round(max(row.ratios), 3),
        "pairs": len(row.ratios),
        "target": None if row.target is None else f"{'≥' if row.at_least else '≤'} {row.target:g}",
        "met": row.met,
        "note": row.note,
        "figures": row.figures,
    }


def machine() -> dict[str, Any]:
    """Describe the machine and the versions of the packages."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def table(found: dict[str, Any]) -> str:
    """Lay the results out as a Markdown table."""
    lines = [
        "| part | ratio | median | min | max | pairs | target | note |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for name in (name for name in PARTS if name in found["parts"]):
        for row in found["parts"][name]["rows"]:
            figures = " | ".join(f"{row[key]:.2f}" for key in ("median", "min", "max"))
            verdict = {True: " ✓", False: " ✗", None: ""}[row["met"]]
            target = f"{row['target'] or ''}{verdict}"
            cells = (name, row["name"], figures, str(row["pairs"]), target, row["note"])
            lines.append(f"| {' | '.join(cells)} |")
    facts = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return "\n".join([*lines, "", facts])


if __name__ == "__main__":
    main()
