"""The server alone: what it costs to send a page, beside what it costs to read one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import requests

from benchmarks.harness import Row, bulk, peer, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Sizes


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Read all pages without looking at them, and again with the raw loop."""
    with bulk(1, sizes.orders) as server:
        url = f"{server.url}/{server.orders_path()}"
        loop = peer("raw_loop", url, "2000", output=folder / "loop.jsonl")
        alone, read = [], []
        for number in range(sizes.pairs):
            alone.append(fetch_all(url))
            read.append(loop().seconds)
            say(f"  {number + 1}/{sizes.pairs} server {alone[-1]:.2f} s, loop {read[-1]:.2f} s")
    yield Row(
        "server and transport ÷ raw loop",
        [a / b for a, b in zip(alone, read, strict=True)],
        note=f"{sizes.orders:,} orders; bodies received and thrown away",
        figures={"server seconds": alone, "raw loop seconds": read},
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
