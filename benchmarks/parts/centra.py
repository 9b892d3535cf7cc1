"""Centra: time per record, of the Integration API and of the Order API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from benchmarks.harness import alternate, catalog, divide, peer, records, same, serve, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Row, Sizes

TAP, LOOP = "tap-centra", "raw loop"
PAIRS = 3
"""The most pairs of each API: the part is to take a minute."""


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare the tap with the raw loop on orders with their lines, of either API."""
    output, looped, queries = (folder / name for name in ("tap.jsonl", "loop.jsonl", "queries"))
    for api, path in (("integration", "graphql"), ("order", "orders")):
        with serve(f"centra-{api}", rows=sizes.rewritten) as server:
            chosen = catalog(folder, "orders", "order_lines", server=server)
            read = tap(server, chosen, output=output)
            read()  # which prepares the lists
            arguments = [f"{server.environment['TAP_CENTRA_BASE_URL']}/{path}"]
            if api == "integration":
                queries.write_bytes(requests.get(f"{server.url}/queries", timeout=60).content)
                arguments.append(str(queries))
            loop = peer("raw_loop", f"centra_{api}", *arguments, output=looped)
            taken = alternate({TAP: read, LOOP: loop}, min(sizes.pairs, PAIRS))
        count = records(output, "")
        same(tap=count, loop=records(looped, ""))
        note = f"{sizes.rewritten:,} orders with {count - sizes.rewritten:,} lines"
        yield divide(f"{api} API: tap ÷ raw loop", taken, TAP, LOOP, target=2.0, note=note)
