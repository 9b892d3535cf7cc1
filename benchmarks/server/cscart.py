"""CS-Cart's lists of orders and products in bulk.

The fake API of the sandbox responds to everything else. What it sends for a query of one of the two
lists is fetched once: its rows, each repeated under its own id and dates, and its `params`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from benchmarks.server.app import OK, fetch, send_json
from benchmarks.server.stencil import stencil
from commerce_sandbox.cscart import ROOT, FakeCSCart
from commerce_sandbox.cscart.query import parse
from commerce_sandbox.cscart.responses import encode
from commerce_sandbox.fake_api import Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

API: Final = f"{ROOT}/api/2.0/"
KEYS: Final = {"orders": "order_id", "products": "product_id"}
DATES: Final = dict.fromkeys(("timestamp", "updated_at", "updated_timestamp"), b'"%(second)d"')
CUTTING: Final = frozenset({"page", "items_per_page", "order_id", "updated_at_from"})
"""Parameters that choose rows; all others choose what a row looks like."""
SHAPING: Final = frozenset({"get_orders_data", "get_features", "extend[]", "sort_by", "sort_order"})

KINDS: Final = 50
FIRST_ID: Final = 1001
FIRST_SECOND: Final = 1_600_000_000
STEP: Final = 60
"""Seconds between the dates of two rows."""


class Cscart:
    """An ASGI application that responds like a store of CS-Cart.

    Args:
        rows: The number of rows of each list.
    """

    def __init__(self, rows: int) -> None:
        self._fake = FakeCSCart(Options(scale=0.05))
        self._rows = rows
        self._lists: dict[tuple[str, str], List] = {}

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-cscart as environment variables."""
        return self._fake.environment(url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        name = scope["path"].removeprefix(API)
        query = parse_qsl(scope["query_string"].decode())
        if name not in KEYS or not {key for key, _ in query} <= CUTTING | SHAPING:
            await self._fake.app(scope, receive, send)
            return
        shape = urlencode(sorted((key, value) for key, value in query if key not in CUTTING))
        found = self._lists.get((name, shape))
        if found is None:
            body = await fetch(self._fake.app, scope, f"{shape}&items_per_page=0")
            found = self._lists[name, shape] = List.read(name, body)
        await send_json(send, OK, found.page(parse(scope["query_string"].decode()), self._rows))


@dataclass(frozen=True)
class List:
    """A list, ready to be cut into pages.

    Attributes:
        name: The property with the rows.
        stencils: Rows as bytes, with places for an id and a date.
        params: The properties of `params` that do not depend on the page.
    """

    name: str
    stencils: Sequence[bytes]
    params: Mapping[str, Any]

    @classmethod
    def read(cls, name: str, body: bytes) -> List:
        """Make a list from a response with all rows of the fake API's list."""
        found = msgspec.json.decode(body)
        key = KEYS[name]
        rows = sorted(found[name], key=lambda row: int(row[key]))[:KINDS]
        places = {key: b'"%(id)d"', **DATES}
        return cls(name, [stencil(row, places, encode) for row in rows], found["params"])

    def page(self, parameters: Mapping[str, Any], rows: int) -> bytes:
        """Write a page.

        Args:
            parameters: The parameters of the request.
            rows: The number of rows of the list.

        Returns:
            The body of the response.
        """
        numbers: Sequence[int] = range(rows)
        if "order_id" in parameters:
            numbers = sorted(int(one) - FIRST_ID for one in parameters["order_id"].split(","))
        if "updated_at_from" in parameters:
            first = -(-(int(parameters["updated_at_from"]) - FIRST_SECOND) // STEP)
            numbers = range(min(max(first, 0), rows), rows)
        if self.params["sort_order"] == "desc":
            numbers = numbers[::-1]
        page, size = int(parameters["page"]), int(parameters["items_per_page"])
        pieces = [
            self.stencils[number % len(self.stencils)]
            % {b"id": number + FIRST_ID, b"second": FIRST_SECOND + STEP * number}
            for number in numbers[(page - 1) * size : page * size]
        ]
        params = {
            **self.params,
            **parameters,
            "page": page,
            "items_per_page": size,
            "total_items": str(len(numbers)),
        }
        return b'{"%b":[%b],"params":%b}' % (
            self.name.encode(),
            b",".join(pieces),
            encode(params),
        )
