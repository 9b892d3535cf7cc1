"""Time per record: many orders of 1.5 KB from one connection, over loopback, into a file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import requests

from benchmarks.harness import (
    Row,
    Usage,
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

    from benchmarks.harness import Server, Sizes

TAP, LOOP, PLAIN, MIXED = "tap-codat", "raw loop", "plain SDK", "tap-codat, mixed dates"
SERVER, SMALL = "server", "tap-codat at few"


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare the tap, and the server alone, with the raw loop, at the ordinary size."""
    orders = catalog(folder, "orders")
    with bulk(1, sizes.orders) as server, bulk(1, sizes.orders, mixed_dates=True) as mixed:
        url = f"{server.url}/{server.orders_path()}"
        mixed.orders_path()
        ways = {
            TAP: tap(server, orders, output=folder / "tap.jsonl"),
            LOOP: loop(server, folder / "loop.jsonl"),
            MIXED: tap(mixed, orders, output=folder / "mixed.jsonl"),
            SERVER: lambda: Usage(fetch_all(url), 0),
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
    yield divide(
        "server and transport ÷ raw loop",
        taken,
        SERVER,
        LOOP,
        note=f"{size}; bodies received and thrown away",
    )


def fetch_all(url: str) -> float:
    """Receive every page and drop it unread; give the seconds."""
    session = requests.Session()
    started = time.perf_counter()
    size, number, more = 2000, 1, True
    while more:
        parameters = {"page": str(number), "pageSize": str(size)}
        with session.get(url, params=parameters, stream=True, timeout=120) as response:
            more = b'"next":' in response.raw.read()[-1000:]
        number += 1
    return time.perf_counter() - started


def million(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare the tap with the raw loop, and its memory with that at the ordinary size."""
    orders = catalog(folder, "orders")
    with bulk(1, sizes.million) as server, bulk(1, sizes.orders) as small:
        small.orders_path()
        # Into nothing: gigabytes on a disk would be measured instead.
        ways = {TAP: tap(server, orders), LOOP: loop(server), SMALL: tap(small, orders)}
        taken = alternate(ways, sizes.pairs)
    size = f"{sizes.million:,} orders"
    note = f"{size}; output to the null device"
    yield divide("tap ÷ raw loop", taken, TAP, LOOP, target=0.5, note=note)
    memory = {name: [usage.megabytes for usage in taken[name]] for name in (TAP, SMALL)}
    most, most_small = max(memory[TAP]), max(memory[SMALL])
    yield Row(
        "memory at many orders ÷ at few",
        [a / b for a, b in zip(memory[TAP], memory[SMALL], strict=True)],
        target=1.2,
        note=f"{most:.0f} MB at {size}, {most_small:.0f} MB at {sizes.orders:,}; 200 MB at most",
        figures={"megabytes": memory[TAP], "megabytes at few": memory[SMALL]},
    )


def plain(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare with a plain SDK stream."""
    yield against_plain(sizes.plain, sizes.pairs, folder)


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


def loop(server: Server, output: Path | None = None) -> Callable[[], Usage]:
    """Prepare the raw loop over the first connection's orders."""
    path = server.orders_path()
    return peer("raw_loop", "codat", f"{server.url}/{path}", output=output)
