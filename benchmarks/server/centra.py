"""Centra's lists of orders in bulk, of the Integration API and of the Order API.

The fake API of the sandbox responds to everything else, once: the schema and the rate limits of the
Integration API are what it sends. What it sends for a query of orders is fetched once as well, and
each of its rows repeated under its own id, number and date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from benchmarks.server.app import OK, fetch, send_json
from benchmarks.server.stencil import stencil
from commerce_sandbox.centra import ORDER_ROOT, FakeCentra
from commerce_sandbox.fake_api import Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

KINDS: Final = 50
FIRST_NUMBER: Final = 10_000
FIRST_DATE: Final = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1)))  # Stockholm's winter
STEP: Final = timedelta(minutes=1)
"""The time between the dates of two rows."""
PLENTY: Final = 1000
"""Factor for the quotas of the fake API, so that no run waits for them."""

_MARK: Final = re.compile(r"(q[0-9a-f]{16}): __typename ")
"""The marker that the tap adds to a query to recognise the response."""
_LIST: Final = " rows: orders("
_DATES: Final = ("createdAt", "updatedAt", "orderDate")
_PLACES: Final = {
    "id": b'"%(hex)b"',
    "number": b"%(number)d",
    **dict.fromkeys(_DATES, b'"%(date)b"'),
}
_ORDER_PLACES: Final = {
    "orderId": b'"%(number)d"',
    "selectionId": b'"%(hex)b"',
    "orderDate": b'"%(date)b"',
}


def _values(number: int, form: str) -> dict[bytes, Any]:
    """Return the values that make each repetition of a row unique."""
    date = FIRST_DATE + STEP * number
    return {
        b"hex": b"%032x" % number,
        b"number": FIRST_NUMBER + number,
        b"date": date.strftime(form).encode() if form else date.isoformat().encode(),
    }


def _fill(stencils: Sequence[bytes], numbers: range, form: str = "") -> bytes:
    """Write the rows with these numbers."""
    return b",".join(stencils[number % len(stencils)] % _values(number, form) for number in numbers)


@dataclass(frozen=True)
class List:
    """The response of the fake API to a query of orders, prepared for paging.

    Attributes:
        stencils: Rows as bytes, with places for an id, a number and dates.
        extensions: The extensions of the response, with the complexity of the query.
    """

    stencils: Sequence[bytes]
    extensions: bytes


class Integration:
    """An ASGI application that responds like the Integration API.

    `/queries` has the queries of orders so far, each once and without its mark.

    Args:
        rows: The number of orders.
    """

    def __init__(self, rows: int) -> None:
        self._fake = FakeCentra(Options(scale=0.05))
        self._rows = rows
        self._lists: dict[tuple[str, int], List] = {}
        self._others: dict[bytes, bytes] = {}

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-centra as environment variables."""
        return self._fake.environment(url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["path"] == "/queries":
            await send_json(send, OK, msgspec.json.encode([query for query, _ in self._lists]))
            return
        body = await Request(scope, receive).body()
        given = msgspec.json.decode(body)
        if _LIST in given["query"]:
            found = await self._page(scope, given["query"], given["variables"])
        else:
            if body not in self._others:
                self._others[body] = _with_plenty(await fetch(self._fake.app, scope, "", body))
            found = self._others[body]
        await send_json(send, OK, found)

    async def _page(self, scope: Scope, query: str, variables: dict[str, Any]) -> bytes:
        """Write a page of orders."""
        mark, bare = _MARK.search(query), _MARK.sub("", query)
        key = bare, variables["rows_limit"]
        if key not in self._lists:
            first = {**variables, "rows_where": {}, "rows_page": 1}
            body = msgspec.json.encode({"query": bare, "variables": first})
            self._lists[key] = _read(await fetch(self._fake.app, scope, "", body))
        known = self._lists[key]
        numbers = _select(self._rows, **variables["rows_where"].get("updatedAt", {}))
        size, page = variables["rows_limit"], variables["rows_page"]
        rows = _fill(known.stencils, numbers[(page - 1) * size : page * size])
        marked = b'"%b":"Query",' % mark[1].encode() if mark else b""
        return b'{"data":{%b"rows":[%b]},"extensions":%b}' % (marked, rows, known.extensions)


def _read(body: bytes) -> List:
    """Make a list from the fake API's first page."""
    found = msgspec.json.decode(body)
    rows = found["data"]["rows"][:KINDS]
    return List(
        [stencil(row, _PLACES, msgspec.json.encode) for row in rows],
        msgspec.json.encode(found["extensions"]),
    )


def _select(rows: int, **bounds: str) -> range:
    """Find the rows between two dates; like those of the fake API, the bounds are exclusive."""
    ends = {name: datetime.fromisoformat(text) - FIRST_DATE for name, text in bounds.items()}
    first = ends["from"] // STEP + 1 if "from" in ends else 0
    end = -(-ends["to"] // STEP) if "to" in ends else rows
    return range(min(max(first, 0), rows), min(max(end, 0), rows))


def _with_plenty(body: bytes) -> bytes:
    """Multiply the quotas in a response, if it has any."""
    found = msgspec.json.decode(body)
    limits = found["data"].get("rateLimits")
    if not limits:
        return body
    for limit in limits:
        for name in ("quota", "remainingQuota"):
            limit[name] *= PLENTY
    return msgspec.json.encode(found)


class OrderApi:
    """An ASGI application that responds like the Order API, to requests of orders alone.

    Args:
        rows: The number of orders.
    """

    def __init__(self, rows: int) -> None:
        self._fake = FakeCentra(Options(scale=0.05))
        self._rows = rows
        self._stencils: Sequence[bytes] = ()

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-centra as environment variables."""
        prefix = "TAP_CENTRA_ORDER_"
        found = self._fake.environment(url)
        return {
            name.replace(prefix, "TAP_CENTRA_"): value
            for name, value in found.items()
            if name.startswith(prefix)
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["path"] != f"{ORDER_ROOT}/orders":
            await send_json(send, 404, self._fake.error_body(404))
            return
        if not self._stencils:
            body = await fetch(self._fake.app, scope, "limit=1000")
            orders = msgspec.json.decode(body)["orders"]
            some = orders[:: len(orders) // KINDS]  # the first ones are not like the others
            self._stencils = [stencil(row, _ORDER_PLACES, msgspec.json.encode) for row in some]
        given = dict(parse_qsl(scope["query_string"].decode()))
        first = int(given.get("offset", "0"))
        numbers = range(self._rows)[first : first + int(given["limit"])]
        rows = _fill(self._stencils, numbers, "%Y-%m-%d %H:%M:%S")
        await send_json(send, OK, b'{"status":"ok","orders":[%b]}' % rows)
