"""Growth: more and more connections with a handful of rows in each of eleven streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import COMMERCE, Row, bulk, catalog, report, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Sizes

ROWS = 3


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Time each number of connections, and compare it with half of them."""
    every, output = catalog(folder, *COMMERCE), folder / "tap.jsonl"
    before: tuple[float, int] | None = None
    for connections in sizes.scale:
        with bulk(connections, ROWS) as server:
            usage = tap(server, every, output=output)()
            requests = server.requests()
        with output.open("rb") as lines:
            state = sum(len(line) for line in lines if line.startswith(b'{"type":"STATE"'))
        took = f"{usage.seconds:.1f} s, {requests:,} requests, {state / 1e6:.2f} MB of STATE"
        report(f"  {connections} connections: {took}")
        if before is not None:
            yield Row(
                f"{connections:,} connections ÷ {connections // 2:,}",
                [usage.seconds / before[0]],
                target=2.2,
                note=f"{took} ({state / before[1]:.2f} times the bytes), {usage.megabytes:.0f} MB",
                figures={"seconds": usage.seconds, "requests": requests, "state bytes": state},
            )
        before = usage.seconds, max(state, 1)
