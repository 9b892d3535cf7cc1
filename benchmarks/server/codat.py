"""Codat's lists in bulk.

Every company has one connection, and every connection has the same rows: a few dozen of the
sandbox's, each repeated under its own ids and dates. A page is one join of bytes.
"""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from benchmarks.server.app import OK, send_json
from commerce_sandbox.codat import commerce, dates, fields
from commerce_sandbox.codat.merchants import join, make_company, make_connection
from commerce_sandbox.codat.operations import COMPLETE
from commerce_sandbox.codat.platforms import ALL_COMMERCE, COMMERCE
from commerce_sandbox.codat.responses import ApiError, PageRequest, error_body
from commerce_sandbox.codat.table import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

_KINDS: Final = 50
_PLATFORM: Final = COMMERCE[-1]
_FIRST: Final = datetime(2020, 1, 1)  # noqa: DTZ001 (UTC, as all dates of the sandbox)
_TIES: Final = 7
"""Rows that share a second: few enough that a page is never of one second alone."""
_BOUND: Final = re.compile(r"modifiedDate(>=|<)([0-9T:Z.+-]+)", re.ASCII)


class BulkList:
    """A list of records in ascending order of `modifiedDate`, ready to be cut into pages.

    Args:
        dataset: Path tail of the data type.
        count: The number of rows.
        plain: Whether all dates are in UTC with `Z`, or as various as platforms write them.
    """

    def __init__(self, dataset: str, count: int, *, plain: bool) -> None:
        connection = make_connection("bulk", _PLATFORM, "Linked", ("bulk",))
        connection.counts = dict.fromkeys(connection.datasets, _KINDS)
        kinds = commerce.rows(connection, dataset)
        self._count = count
        self._tails = [_tail(_plain(row) if plain else row) for row in kinds]
        self._pieces = [
            piece
            for number, tail in zip(range(count), itertools.cycle(self._tails), strict=False)
            for piece in (_head(number), tail)
        ]

    def page(self, path: str, request: PageRequest) -> bytes:
        """Write a page.

        Args:
            path: Path of the list, below the root of the API.
            request: The request, which selects rows and a page.

        Raises:
            ApiError: The query is none that bulk lists know.
        """
        first, end = self._selected(request.query)
        start = min(first + (request.page - 1) * request.size, end)
        stop = min(start + request.size, end)
        return _envelope(path, request, end - first, self._pieces[2 * start : 2 * stop])

    def _selected(self, query: str | None) -> tuple[int, int]:
        """Return the range of row numbers that a query selects."""
        first, end = 0, self._count
        for term in query.split("&&") if query else ():
            bound = _BOUND.fullmatch(term.strip())
            if bound is None:
                raise ApiError(400)
            when, nanoseconds = dates.parse(bound[2])
            seconds = -(-(when - _FIRST) // timedelta(seconds=1)) + bool(nanoseconds)
            number = min(max(seconds * _TIES, 0), self._count)
            first, end = (max(first, number), end) if bound[1] == ">=" else (first, number)
        return first, max(first, end)


def _head(number: int) -> bytes:
    date = _FIRST + timedelta(seconds=number // _TIES)
    return b'{"id":"row-%08d","modifiedDate":"%bZ",' % (number, date.isoformat().encode())


def _tail(row: dict[str, Any]) -> bytes:
    rest = {name: value for name, value in row.items() if name not in {"id", "modifiedDate"}}
    return encode(rest)[1:] + b","


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: dates.to_utc(value) if name.endswith("Date") and value else value
        for name, value in row.items()
    }


class Codat:
    """An ASGI application that responds like Codat, without looking at credentials.

    Args:
        connections: The number of companies, each with one connection.
        rows: The number of rows of each list.
        plain: Whether all dates are in UTC with `Z`.
    """

    def __init__(self, connections: int, rows: int, *, plain: bool) -> None:
        self._companies = [_company(number) for number in range(connections)]
        self._rows = rows
        self._plain = plain
        self._lists: dict[str, BulkList] = {}

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-codat as environment variables."""
        return {"TAP_CODAT_API_URL": url, "TAP_CODAT_API_KEY": "benchmark"}

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Respond to one request."""
        try:
            body = self._body(scope["path"], scope["query_string"].decode())
        except ApiError as error:
            await send_json(send, error.status, error_body(error.status, str(error)))
        else:
            await send_json(send, OK, body)

    def _body(self, path: str, query: str) -> bytes:
        request = PageRequest.read(dict(parse_qsl(query)))
        match path.strip("/").split("/"):
            case ["companies"]:
                first = (request.page - 1) * request.size
                companies = self._companies[first : first + request.size]
                return _envelope(path, request, len(self._companies), companies)
            case ["integrations"]:
                return _envelope(path, request, 1, [encode(_PLATFORM.integration()) + b","])
            case ["companies", _, "dataStatus"]:
                return self._data_status()
            case ["companies", _, "connections", _, "data", fields.COMMERCE_INFO]:
                return b'{"companyName":"Bulk","baseCurrency":"GBP"}'
            case ["companies", _, "connections", _, "data", dataset] if dataset in ALL_COMMERCE:
                return self._list(dataset).page(path, request)
        raise ApiError(404)

    def _list(self, dataset: str) -> BulkList:
        if dataset not in self._lists:
            self._lists[dataset] = BulkList(dataset, self._rows, plain=self._plain)
        return self._lists[dataset]

    def _data_status(self) -> bytes:
        synced = (_FIRST + timedelta(seconds=self._rows, days=1)).isoformat() + "Z"
        names = map(fields.data_type, ALL_COMMERCE)
        return encode(
            {
                name: {"dataType": name, "currentStatus": COMPLETE, "lastSuccessfulSync": synced}
                for name in names
            }
        )


def _company(number: int) -> bytes:
    company = make_company(("bulk", number), f"Company {number}")
    join(company, make_connection(company.id, _PLATFORM, "Linked", ("bulk", number)))
    return encode(company.record) + b","


def _envelope(path: str, request: PageRequest, total: int, pieces: list[bytes]) -> bytes:
    """Join the pieces of a page's rows, the last of which ends in a comma too many."""
    links = {"current": {"href": request.href(path, request.page)}, "self": {"href": path}}
    if request.page * request.size < total:
        links["next"] = {"href": request.href(path, request.page + 1)}
    paging = {
        "pageNumber": request.page,
        "pageSize": request.size,
        "totalResults": total,
        "_links": links,
    }
    if pieces:
        pieces[-1] = pieces[-1][:-1]
    return b"".join([b'{"results":[', *pieces, b"],", encode(paging)[1:]])
