"""Serve one API with as many rows as wanted, for benchmarks: `python -m benchmarks.server API`.

What is measured is the client, so rows are encoded before they are requested and a response is a
join of bytes. The price is strictness: a server responds to what a tap and its peers request in a
benchmark, and is no fake API to test against.

The first line of the output has the settings of the API's tap as a JSON object.
"""

from __future__ import annotations

import argparse
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import uvicorn

from benchmarks.server.app import Counted
from benchmarks.server.centra import Integration, OrderApi
from benchmarks.server.codat import Codat
from benchmarks.server.cscart import Cscart

if TYPE_CHECKING:
    from collections.abc import Callable

APIS: Final[dict[str, Callable[[argparse.Namespace], Codat | Cscart | Integration | OrderApi]]] = {
    "codat": lambda given: Codat(given.connections, given.rows, plain=not given.mixed_dates),
    "cscart": lambda given: Cscart(given.rows),
    "centra-integration": lambda given: Integration(given.rows),
    "centra-order": lambda given: OrderApi(given.rows),
}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("api", choices=APIS)
    parser.add_argument("--rows", type=int, default=1000, help="rows of each list")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="delay of each response")
    parser.add_argument("--connections", type=int, default=1, help="companies of Codat")
    parser.add_argument("--mixed-dates", action="store_true", help="dates of Codat in all forms")
    given = parser.parse_args()
    api = APIS[given.api](given)
    with socket.create_server(("127.0.0.1", 0)) as listener, suppress(KeyboardInterrupt):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(msgspec.json.encode({"URL": url, **api.environment(url)}).decode(), flush=True)
        app = Counted(api, given.latency_ms)
        config = uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off")
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
