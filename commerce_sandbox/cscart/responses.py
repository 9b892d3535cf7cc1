"""Responses: errors, and pages of lists with all their quirks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox.cscart.query import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from commerce_sandbox.cscart.query import Filter, Parameters
    from commerce_sandbox.cscart.setup import Setup
    from commerce_sandbox.cscart.values import Row

_PHRASES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class ApiError(Exception):
    """A response other than success.

    Args:
        text: What the store adds to the status, in its own language.
    """

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def encode(value: Any) -> bytes:  # noqa: ANN401 (JSON)
    r"""Write JSON as PHP does: `\u` for what is not ASCII, `\/` for a slash."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def error_body(setup: Setup, status: int, text: str = "") -> bytes:
    """Write the body of an error; from 4.13 on it lists the texts once more."""
    phrase = _PHRASES.get(status, "Error")
    body: dict[str, Any] = {"message": f"{phrase}: {text}" if text else phrase}
    if text and setup.since("4.20"):
        body["messages"] = [text]
    return encode(body | {"status": status})


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A list that the database pages.

    Attributes:
        key: The property of the response with the rows.
        sorts: Columns by the name they are sorted by.
        sort: The default name and direction.
        filters: Filters by the name of their parameter.
        period: The prefix of the parameters of a period, and the timestamp it is about.
        extra: The other members of `params`.
        echoes_size: Whether `items_per_page` comes back as text where it was sent.
    """

    key: str
    sorts: Mapping[str, str]
    sort: tuple[str, str]
    filters: Mapping[str, Filter] = {}
    period: tuple[str, str] | None = None
    extra: Mapping[str, Any] = {}
    echoes_size: bool = False


class Paging(msgspec.Struct, frozen=True):
    """The requested part of a list.

    Attributes:
        page: Number of the page, from 1.
        size: Rows a page; 0 for all.
    """

    page: int
    size: int

    @classmethod
    def read(cls, parameters: Parameters, default: int) -> Paging:
        """Read the parameters of a list; a value that is no number is ignored."""
        page = number(parameters.get("page"), 1)
        return cls(max(page, 1), number(parameters.get("items_per_page"), default))

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the page's rows."""
        if not self.size:
            return rows
        return rows[(self.page - 1) * self.size : self.page * self.size]

    def corrected(self, total: int) -> Paging:
        """Return the last page instead of one beyond it."""
        last = max(1, -(-total // self.size)) if self.size else 1
        return Paging(min(self.page, last), self.size)


def ordered(
    rows: list[Row], parameters: Parameters, listing: Listing, key: Callable[[Row], Any]
) -> tuple[list[Row], dict[str, str]]:
    """Sort rows as requested, or by default if the name is unknown.

    Args:
        parameters: The parameters of the request.
        key: The column that breaks ties.

    Returns:
        The rows, and what `params` holds about it.
    """
    name, direction = parameters.get("sort_by"), parameters.get("sort_order")
    if not isinstance(name, str) or name not in listing.sorts:
        name = listing.sort[0]
    if direction not in {"asc", "desc"}:
        direction = listing.sort[1]
    column = listing.sorts[name]
    backwards = direction == "desc"
    found = sorted(rows, key=key)
    found.sort(key=lambda row: _comparable(row.get(column)), reverse=backwards)
    return found, {
        "sort_order": direction,
        "sort_by": name,
        "sort_order_rev": "asc" if backwards else "desc",
    }


def _comparable(value: Any) -> tuple[int, Any]:  # noqa: ANN401 (any value)
    if value is None:
        return (0, 0)
    inner = getattr(value, "value", value)
    if hasattr(inner, "texts"):
        inner = inner.texts["en"]
    return (2, inner.lower()) if isinstance(inner, str) else (1, inner)
