"""Requests not made: a first run, one with nothing new, and one after some orders changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmarks.harness import BIN, COMMERCE, Row, catalog, report, run
from commerce_sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Sizes

SPARE = 5
"""Requests besides one a company that a run with nothing new may make."""


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Count requests in the sandbox's log. Counts do not vary, so one run is enough."""
    every, state, output = catalog(folder, *COMMERCE), folder / "state.json", folder / "tap.jsonl"
    command = [str(BIN / "tap-codat"), "--config=ENV", f"--catalog={every}"]
    with Sandbox(scale=0.1 if sizes.pairs == 1 else 1.0) as sandbox:
        sandbox.mutate(changes=1)  # a day passes, and reads by Codat that were under way have ended

        def count(label: str) -> int:
            sandbox.clear_requests()
            given = [f"--state={state}"] if state.exists() else []
            run([*command, *given], output=output, environment=sandbox.environment)
            state.write_bytes(last_state(output))
            report(f"  {label}: {len(sandbox.requests)} requests")
            return len(sandbox.requests)

        first = count("first run")
        with_nothing_new = count("nothing new")
        touched = sandbox.mutate(changes=1, stream="commerce_orders")
        after_change = count("orders of one company changed")
        companies = {one["id"] for one in sandbox.truth("companies")}
    few = len(companies) + SPARE
    for name, requests in (
        ("first run", first),
        ("nothing new", with_nothing_new),
        (f"{len(touched)} order changed", after_change),
    ):
        yield Row(
            f"{name}: requests ÷ (companies + {SPARE})",
            [requests / few],
            target=1.0 if name == "nothing new" else None,
            note=f"{requests:,} requests for {len(companies)} companies",
            figures={"requests": requests, "companies": len(companies)},
        )


def last_state(output: Path) -> bytes:
    """Take the last state out of an output."""
    with output.open("rb") as lines:
        *_, last = (line for line in lines if line.startswith(b'{"type":"STATE"'))
    return bytes(msgspec.json.decode(last, type=dict[str, msgspec.Raw])["value"])
