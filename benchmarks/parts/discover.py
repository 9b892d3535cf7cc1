"""Start-up: what the tap adds to the import of the SDK it is made with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.harness import BIN, Row, alternate, divide, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Sizes

DISCOVER, IMPORT = "tap-codat --discover", "import singer_sdk"


def measure(sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Compare discovery with an empty program that imports the SDK."""
    config = {"TAP_CODAT_API_KEY": "benchmark", "TAP_CODAT_API_URL": "http://127.0.0.1"}
    ways = {
        DISCOVER: lambda: run(
            [BIN / "tap-codat", "--config=ENV", "--discover"],
            output=folder / "catalog.json",
            environment=config,
        ),
        IMPORT: lambda: run([sys.executable, "-c", "import singer_sdk"]),
    }
    alternate(ways, 1)  # bytecode is written on the first run
    taken = alternate(ways, 2 * sizes.pairs)
    yield divide(f"{DISCOVER} ÷ {IMPORT}", taken, DISCOVER, IMPORT, target=1.3)
