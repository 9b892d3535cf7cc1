"""Responses of the API: error bodies and pages."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import msgspec

from commerce_sandbox.codat.table import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from commerce_sandbox.codat.table import Table

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE_PARAMETER: Final = 5000
MAX_PAGE_SIZE: Final = 2000
"""By the specification the parameter may be up to 5,000, the envelope's `pageSize` up to 2,000. The
fake API follows both: it serves no more than 2,000 rows and reports that size."""

_MESSAGES: Final = {
    400: "Error parsing query - Malformed query.",
    401: "Unauthorized",
    402: (
        "You have exceeded the 50-company limit that applies to a Free plan. We recommend that you"
        " delete any companies you no longer need and retry the request."
    ),
    403: "You are using an outdated API key or a key not associated with that resource.",
    404: "Not found",
    405: "Method not allowed",
    409: "The data set has not been requested.",
    429: "You have made too many requests in a given amount of time; please retry later.",
    500: "There is a problem with our server. Please try again later.",
    503: "The Codat API is temporarily offline for maintenance. Please try again later.",
}


class ApiError(Exception):
    """A response other than success.

    Args:
        message: The message in the body; the documented one for the status if none.
    """

    def __init__(self, status: int, message: str | None = None) -> None:
        super().__init__(message or _MESSAGES.get(status, "Error"))
        self.status = status


def error_body(status: int, message: str | None = None) -> bytes:
    """Write the body of an error as the official examples have it."""
    return encode(
        {
            "statusCode": status,
            "service": "PublicApi",
            "error": message or _MESSAGES.get(status, "Error"),
            "correlationId": uuid.uuid4().hex,
            "canBeRetried": "Unknown",
            "detailedErrorCode": 0,
        }
    )


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The requested page and selection.

    Attributes:
        page: Number of the page, from 1.
        size: Rows a page.
        query: The decoded `query`, if any.
        order: The decoded `orderBy`, if any.
        tags: The decoded `tags`, if any.
    """

    page: int = 1
    size: int = DEFAULT_PAGE_SIZE
    query: str | None = None
    order: str | None = None
    tags: str | None = None

    @classmethod
    def read(cls, parameters: dict[str, str]) -> PageRequest:
        """Read the parameters of a list.

        Raises:
            ApiError: A number is none or out of range.
        """
        return cls(
            page=_number(parameters, "page", 1, 2**31 - 1),
            size=min(
                _number(parameters, "pageSize", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE_PARAMETER),
                MAX_PAGE_SIZE,
            ),
            query=parameters.get("query"),
            order=parameters.get("orderBy"),
            tags=parameters.get("tags"),
        )

    def href(self, path: str, page: int) -> str:
        """Write the relative link to a page of the same selection."""
        optional = {"query": self.query, "orderBy": self.order, "tags": self.tags}
        parameters = {
            "page": page,
            "pageSize": self.size,
            **{name: value for name, value in optional.items() if value is not None},
        }
        return f"{path}?{urlencode(parameters, quote_via=quote)}"


def _number(parameters: dict[str, str], name: str, default: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ApiError(400, f"The value {text!r} is not valid for {name}.")
    return int(text)


def page(table: Table, selected: Iterable[int], path: str, request: PageRequest) -> bytes:
    """Write a page of a list.

    Args:
        selected: The numbers of the rows meant, in order.
        path: Path of the list, below the root of the API.
    """
    numbers = list(selected)
    total = len(numbers)
    start = (request.page - 1) * request.size
    links = {
        "current": {"href": request.href(path, request.page)},
        "self": {"href": path},
    }
    if start + request.size < total:
        links["next"] = {"href": request.href(path, request.page + 1)}
    if request.page > 1:
        links["previous"] = {"href": request.href(path, request.page - 1)}
    return _envelope(
        [table.encoded(number) for number in numbers[start : start + request.size]],
        {
            "pageNumber": request.page,
            "pageSize": request.size,
            "totalResults": total,
            "_links": links,
        },
    )


def _envelope(rows: list[bytes], paging: dict[str, object]) -> bytes:
    return b'{"results":[' + b",".join(rows) + b"]," + encode(paging)[1:]
