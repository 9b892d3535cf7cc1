"""Time per record: many orders of 1.5 KB from one connection, over loopback, into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import (
    Row,
    alternate,
    bulk,
    catalog,
    divide,
    peer,
    records,
    same,
    tap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.harness import Bulk, Sizes, Usage

TAP, LOOP, PLAIN, MIXED = "tap-codat", "raw loop", "plain SDK", "tap-codat, mixed dates"


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare the tap with the raw loop and a plain SDK stream, at the ordinary size."""
    orders = catalog(folder, "orders")
    with bulk(1, sizes.orders) as server, bulk(1, sizes.orders, mixed_dates=True) as mixed:
        mixed.orders_path()
        ways = {
            TAP: tap(server, orders, output=folder / "tap.jsonl"),
            LOOP: loop(server, folder / "loop.jsonl"),
            MIXED: tap(mixed, orders, output=folder / "mixed.jsonl"),
        }
        taken = alternate(ways, sizes.pairs)
    same(**{name: records(folder / f"{name}.jsonl") for name in ("tap", "loop", "mixed")})
    size = f"{sizes.orders:,} orders"
    yield divide("tap ÷ raw loop", taken, TAP, LOOP, target=0.8, note=size)
    yield divide(
        "tap ÷ raw loop, mixed dates",
        taken,
        MIXED,
        LOOP,
        note=f"{size}; one in five has a date that is not UTC with Z",
    )
    yield against_plain(sizes.plain, sizes.pairs, folder)


def million(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare the tap with the raw loop, and its memory with that at the ordinary size."""
    orders = catalog(folder, "orders")
    with bulk(1, sizes.million) as server, bulk(1, sizes.orders) as small:
        small.orders_path()
        # Into nothing: gigabytes on a disk would be measured instead.
        ways = {TAP: tap(server, orders), LOOP: loop(server), "small": tap(small, orders)}
        taken = alternate(ways, sizes.few)
    size = f"{sizes.million:,} orders"
    note = f"{size}; output to the null device; few pairs, as each takes long"
    yield divide("tap ÷ raw loop", taken, TAP, LOOP, target=0.5, note=note)
    memory = {name: [usage.megabytes for usage in taken[name]] for name in (TAP, "small")}
    most, most_small = max(memory[TAP]), max(memory["small"])
    yield Row(
        "memory at many orders ÷ at few",
        [a / b for a, b in zip(memory[TAP], memory["small"], strict=True)],
        target=1.2,
        note=f"{most:.0f} MB at {size}, {most_small:.0f} MB at {sizes.orders:,}; 200 MB at most",
        figures={"megabytes": memory[TAP], "megabytes at few": memory["small"]},
    )


def million_plain(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare with a plain SDK stream where start-up no longer counts. Takes minutes."""
    yield against_plain(sizes.million, 1, folder)


def against_plain(orders: int, pairs: int, folder: Path) -> Row:
    """Compare the tap with a stream as the SDK's template leads one to write it."""
    chosen, output = catalog(folder, "orders"), folder / "plain.jsonl"
    with bulk(1, orders) as server:
        server.orders_path()
        settings = folder / "plain.json"
        settings.write_text(f'{{"api_url":"{server.url}","api_key":"benchmark","page_size":2000}}')
        ways = {
            PLAIN: peer("plain_sdk_tap", f"--config={settings}", output=output),
            TAP: tap(server, chosen, output=folder / "tap.jsonl"),
        }
        taken = alternate(ways, pairs)
    same(tap=records(folder / "tap.jsonl"), plain=records(output))
    note = f"{orders:,} orders; more is better"
    return divide("plain SDK stream ÷ tap", taken, PLAIN, TAP, target=10, at_least=True, note=note)


def loop(server: Bulk, output: Path | None = None) -> Callable[[], Usage]:
    """Prepare the raw loop over the first connection's orders."""
    return peer("raw_loop", f"{server.url}/{server.orders_path()}", "2000", output=output)
