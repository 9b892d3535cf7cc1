"""CS-Cart: time per record, where every record is rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import alternate, catalog, divide, peer, records, same, serve, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Row, Server, Sizes

TAP, LOOP = "tap-cscart", "raw loop"
PAIRS = 3
"""The most pairs of each list: the part is to take a minute."""


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare the tap with the raw loop on orders with their lines, then on products."""
    with serve("cscart", rows=sizes.rewritten) as server:
        yield against_loop(server, folder, sizes, "orders", "order_items")
        yield against_loop(server, folder, sizes, "products")


def against_loop(server: Server, folder: Path, sizes: Sizes, name: str, *children: str) -> Row:
    """Compare the tap with the raw loop on a list."""
    # Discovery requests both lists, which prepares them.
    chosen = catalog(folder, name, *children, server=server)
    output, looped = folder / "tap.jsonl", folder / "loop.jsonl"
    url = f"{server.environment['TAP_CSCART_STORE_URL']}/api/2.0/{name}"
    ways = {
        TAP: tap(server, chosen, output=output),
        LOOP: peer("raw_loop", f"cscart_{name}", url, output=looped),
    }
    taken = alternate(ways, min(sizes.pairs, PAIRS))
    count = records(output, "")
    same(tap=count, loop=records(looped, ""))
    lines = f" with {count - sizes.rewritten:,} lines" if children else ""
    note = f"{sizes.rewritten:,} {name}{lines}"
    return divide(f"{name}: tap ÷ raw loop", taken, TAP, LOOP, target=2.0, note=note)
