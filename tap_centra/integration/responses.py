"""Responses of the Integration API: the GraphQL envelope, its data and its errors.

Sources are Centra's documentation (pages "Authorization", "API rate limits") and public code that
queries the API.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

import msgspec
from msgspec import Raw

from commerce_taps.records.conform import UNREADABLE

AUTHORIZATION: t.Final = "authorization"
AUTHENTICATION: t.Final = "authentication"
_BAD_TOKEN: t.Final = re.compile(
    r"\btoken\b.*\b(expired|invalid|revoked)\b|\b(expired|invalid|revoked)\b.*\btoken\b",
    re.IGNORECASE,
)
_PERMISSION: t.Final = re.compile(r"[\w.]+:(?:read|write)")
_FIELD: t.Final = re.compile(r"to access `?(\w+)")


class _Extensions(msgspec.Struct):
    complexity: float


class Envelope(msgspec.Struct):
    """A GraphQL response: data, errors, or both."""

    data: Raw = Raw(b"null")
    errors: t.Any = None
    extensions: Raw = Raw(b"null")

    @property
    def complexity(self) -> float | None:
        """The cost of the query; `None` if the response does not report it."""
        with contextlib.suppress(msgspec.DecodeError):  # PHP writes an empty object as []
            return msgspec.json.decode(self.extensions, type=_Extensions).complexity
        return None


Id = int | str
"""The id of a row."""


class Rows(msgspec.Struct):
    """The data of a list: its rows, and the row before them if it was requested."""

    rows: list[Raw]
    before: t.Any = None

    @property
    def anchor(self) -> Id | None:
        """The id of the row before the page."""
        match self.before:
            case [{"id": value}, *_]:
                return valid_id(value)
        return None


class PageInfo(msgspec.Struct, rename="camel"):
    """Where the next page of a connection begins."""

    has_next_page: bool
    end_cursor: str | None = None


class _Edge(msgspec.Struct):
    node: Raw = Raw(b"null")


class _Edges(msgspec.Struct, rename="camel"):
    edges: list[_Edge | None]
    page_info: PageInfo
    total_count: t.Any = None


class Connection(msgspec.Struct):
    """The data of a connection."""

    rows: _Edges


class _Position(msgspec.Struct, rename="camel"):
    page_info: PageInfo


class Positions(msgspec.Struct):
    """The data of a connection without its rows."""

    rows: _Position


def valid_id(value: t.Any) -> Id | None:  # noqa: ANN401 (JSON)
    """Return an id; `None` for a value that no query could request."""
    return value if isinstance(value, Id) and not isinstance(value, bool) else None


class QueryError(msgspec.Struct):
    """One error of a response.

    Attributes:
        message: Centra's message.
        path: The field it is about, as keys and positions in the response's data.
        reported_category: The category as Centra reports it.
    """

    message: str = ""
    path: list[str | int] | None = None
    reported_category: str | None = None

    @property
    def category(self) -> str | None:
        """The category, corrected: Centra reports an expired token under any category, or none."""
        category = self.reported_category
        if _PERMISSION.search(self.message):
            return category
        is_of_field = self.path or self.field or "permission" in self.message
        is_bare = category == AUTHORIZATION and not is_of_field
        return AUTHENTICATION if is_bare or _BAD_TOKEN.search(self.message) else category

    @property
    def permission(self) -> str | None:
        """The missing permission; `None` if the error is about something else."""
        if self.category != AUTHORIZATION:
            return None
        found = _PERMISSION.search(self.message)
        return found[0] if found else "a permission"

    @property
    def field(self) -> str | None:
        """The name of the refused field, if the message names one."""
        found = _FIELD.search(self.message)
        return found[1] if found else None


class _Errors(msgspec.Struct):
    errors: t.Any


def parse_errors(errors: t.Any) -> list[QueryError]:  # noqa: ANN401 (JSON)
    """Parse the `errors` of a response, of any form PHP may give them."""
    if not errors:
        return []
    if isinstance(errors, dict) and "message" not in errors:
        errors = list(errors.values())
    return [_parse_error(one) for one in (errors if isinstance(errors, list) else [errors])]


def _parse_error(error: t.Any) -> QueryError:  # noqa: ANN401 (JSON)
    if not isinstance(error, dict):
        return QueryError("" if error is None else str(error))
    message, path, extensions = (error.get(name) for name in ("message", "path", "extensions"))
    category = extensions.get("category") if isinstance(extensions, dict) else None
    return QueryError(
        "" if message is None else str(message),
        [part for part in path if isinstance(part, str | int)] if isinstance(path, list) else None,
        category if isinstance(category, str) else None,
    )


def errors_of(body: bytes) -> list[QueryError]:
    """Parse the errors of a response; none if it is no GraphQL response."""
    try:
        return parse_errors(msgspec.json.decode(body, type=_Errors).errors)
    except UNREADABLE:
        return []
