"""Waiting: many small lists, eight requests at a time, from an API that takes 100 ms each."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from benchmarks.harness import COMMERCE, PEERS, Row, bulk, catalog, records, report, run, same, tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.harness import Sizes, Usage

LATENCY_MS = 100
CONCURRENCY = 8
START_UP = 1.0
ROWS = 5
DLT_NAMES = (
    "customers",
    "disputes",
    "orders",
    "payments",
    "paymentMethods",
    "products",
    "productCategories",
    "taxComponents",
    "transactions",
    "locations",
    "info",
)


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Divide whole processes by what their requests would take without a gap, and a second."""
    every = catalog(folder, *COMMERCE)
    output, dlt_folder = folder / "tap.jsonl", folder / "dlt"
    lists = sizes.latency_connections * len(COMMERCE)
    with bulk(sizes.latency_connections, ROWS, latency_ms=LATENCY_MS) as server:
        read = tap(server, every, output=output, concurrency=str(CONCURRENCY))

        def dlt() -> Usage:
            shutil.rmtree(dlt_folder, ignore_errors=True)
            words = (PEERS / "dlt_rest_api.py", server.url, "extract", dlt_folder, *DLT_NAMES)
            return run(
                [sys.executable, *words],
                output=folder / "dlt.out",
                environment={"EXTRACT__WORKERS": str(CONCURRENCY)},
            )

        ratios: dict[str, list[float]] = {"tap": [], "dlt": []}
        figures: dict[str, list[float]] = {"requests": [], "seconds": [], "dlt requests": []}
        figures["dlt seconds"] = []
        for number in range(sizes.pairs):
            for name, way, prefix in (("tap", read, ""), ("dlt", dlt, "dlt ")):
                usage, requests = counted(way, server.requests)
                ideal = requests * LATENCY_MS / 1000 / CONCURRENCY + START_UP
                ratios[name].append(usage.seconds / ideal)
                figures[f"{prefix}requests"].append(requests)
                figures[f"{prefix}seconds"].append(round(usage.seconds, 3))
                took = f"{usage.seconds:.2f} s, {requests} requests, ideal {ideal:.2f} s"
                report(f"  {number + 1}/{sizes.pairs} {name}: {took}")
    same(tap=records(output), dlt=int((folder / "dlt.out").read_text().split()[-1]))
    shared = f"{lists} lists, {LATENCY_MS} ms a request, {CONCURRENCY} at a time"
    note = "ideal: the requests made, 8 at a time, and 1 s"
    yield Row("tap ÷ ideal", ratios["tap"], 1.15, note=f"{shared}; {note}", figures=figures)
    yield Row(
        "dlt, parallelized, 8 workers ÷ ideal",
        ratios["dlt"],
        note="its start alone takes longer than the second",
        figures=figures,
    )
    pairs = zip(figures["seconds"], figures["dlt seconds"], strict=True)
    yield Row("tap ÷ dlt", [a / b for a, b in pairs], note="seconds of whole processes")


def counted(way: Callable[[], Usage], requests: Callable[[], int]) -> tuple[Usage, int]:
    """Run a program and count the requests it makes."""
    before = requests()
    return way(), requests() - before
