"""What a failed answer of the Integration API means.

Facts come from Centra's documentation (pages "Authorization", "API rate limits") and from public
code that asks the API; the HTTP status of a refused query is documented nowhere, so a refusal is
known by its text, whatever its status.
"""

from __future__ import annotations

import re
import typing as t

import msgspec
from typing_extensions import override

from commerce_taps.errors import Action, ErrorTable, Message, Rule
from commerce_taps.records.conform import UNREADABLE
from commerce_taps.redact import first_words, redact

SERVER_ERRORS: t.Final = (500, 501, 502, *range(504, 600))
ANY_REFUSAL: t.Final = (200, 400, 401, 403, 422)
PATIENCE: t.Final = 2
"""How often a page that meets a rate limit is asked for again before fewer rows are: each time the
tap waits as long as it is told, so a bucket that others have emptied is full again."""
RATE_LIMIT: t.Final = "Centra's rate limit is reached"


class _Errors(ErrorTable):
    """The rows, looked up by what the errors of an answer say and by nothing else in it."""

    @override
    def classify(self, status: int, body: bytes, *, in_api_form: bool = True) -> Rule:
        """Find the row for an answer, by its words in small letters. See the base class."""
        found = errors_in(body)
        told = [(one.message, one.category) for one in found]
        said = (msgspec.json.encode(told) if found else body).lower()
        return super().classify(status, said, in_api_form=in_api_form)


ERRORS: t.Final[ErrorTable] = _Errors(
    Rule(
        range(300, 400),
        Action.RETRY,
        "the address answers with a redirect, where the token is not sent; check `base_url`",
    ),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", body=b'"authorization"'),
    Rule(
        (401, 403),
        Action.STOP,
        "Centra does not accept the token: it has expired or was revoked, or it is the secret of "
        "the Order API (`api: order`). Make a new one in the admin, System > API Tokens: {message}",
        recheck=3,
    ),
    Rule(
        ANY_REFUSAL,
        Action.STOP,
        "Centra does not accept the token: it has expired or was revoked: {message}",
        body=b'"authentication"',
        recheck=3,
    ),
    Rule(
        (404, 405, 410),
        Action.STOP,
        "no Integration API at this address; `base_url` is https://<customer>.centra.com: "
        "{message}",
    ),
    Rule((408, 504), Action.RETRY, "Centra took too long", on_exhausted=Action.REDUCE),
    Rule((413,), Action.REDUCE, "the query is too large"),
    # One query may cost more than the bucket of ten seconds ever holds.
    Rule((429,), Action.RETRY, RATE_LIMIT, on_exhausted=Action.REDUCE, divisible_retries=PATIENCE),
    Rule(
        ANY_REFUSAL,
        Action.FAIL,
        "Centra does not know what was asked for, so its schema has changed since the run began: "
        "{message}",
        body=b"cannot query field",
    ),
    Rule(
        ANY_REFUSAL,
        Action.FAIL,
        "Centra does not know an argument: {message}",
        body=b"unknown argument",
    ),
    Rule(
        ANY_REFUSAL,
        Action.RETRY,
        RATE_LIMIT,
        body=b"rate limit",
        on_exhausted=Action.REDUCE,
        divisible_retries=PATIENCE,
    ),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", body=b"complex"),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", body=b"limit"),
    Rule((503,), Action.RETRY, "Centra is down for maintenance", on_exhausted=Action.STOP),
    Rule(
        SERVER_ERRORS,
        Action.RETRY,
        "Centra has a fault of its own: {message}",
        on_exhausted=Action.REDUCE,
    ),
    Rule((200,), Action.RETRY, "Centra has a fault of its own: {message}", body=b"internal"),
    Rule(ANY_REFUSAL, Action.FAIL, "Centra refuses the query: {message}"),
)

AUTHORIZATION: t.Final = "authorization"
AUTHENTICATION: t.Final = "authentication"
_BAD_TOKEN: t.Final = re.compile(
    r"\btoken\b.*\b(expired|invalid|revoked)\b|\b(expired|invalid|revoked)\b.*\btoken\b",
    re.IGNORECASE,
)
_PERMISSION: t.Final = re.compile(r"[\w.]+:(?:read|write)")
_FIELD: t.Final = re.compile(r"to access `?(\w+)")


class QueryError(msgspec.Struct):
    """One error of an answer.

    Attributes:
        message: Centra's own words.
        path: The field it is about, as keys and numbers of the answer.
        told: What kind of error it is, in Centra's own word.
    """

    message: str = ""
    path: list[str | int] | None = None
    told: str | None = None

    @property
    def category(self) -> str | None:
        """What kind of error it is. That a token has expired may be told as any kind, or none."""
        category = self.told
        if _PERMISSION.search(self.message):
            return category
        is_of_field = self.path or self.field or "permission" in self.message
        is_bare = category == AUTHORIZATION and not is_of_field
        return AUTHENTICATION if is_bare or _BAD_TOKEN.search(self.message) else category

    @property
    def permission(self) -> str | None:
        """The permission that is missing; `None` where the error is about something else."""
        if self.category != AUTHORIZATION:
            return None
        found = _PERMISSION.search(self.message)
        return found[0] if found else "a permission"

    @property
    def field(self) -> str | None:
        """The name of the field that was refused, by Centra's own words."""
        found = _FIELD.search(self.message)
        return found[1] if found else None


class _Refusal(msgspec.Struct):
    errors: t.Any


def read_errors(errors: t.Any) -> list[QueryError]:  # noqa: ANN401 (JSON)
    """Read the errors of an answer, whatever they are.

    Args:
        errors: The value of its `errors`. Nothing, in each form PHP has for it, is none.

    Returns:
        The errors.
    """
    if not errors:
        return []
    if isinstance(errors, dict) and "message" not in errors:
        errors = list(errors.values())
    return [_read_error(one) for one in (errors if isinstance(errors, list) else [errors])]


def _read_error(error: t.Any) -> QueryError:  # noqa: ANN401 (JSON)
    if not isinstance(error, dict):
        return QueryError("" if error is None else str(error))
    message, path, beside = (error.get(name) for name in ("message", "path", "extensions"))
    category = beside.get("category") if isinstance(beside, dict) else None
    return QueryError(
        "" if message is None else str(message),
        [part for part in path if isinstance(part, str | int)] if isinstance(path, list) else None,
        category if isinstance(category, str) else None,
    )


def errors_in(body: bytes) -> list[QueryError]:
    """Read the errors of an answer.

    Args:
        body: The answer, of any kind.

    Returns:
        The errors, if there are any.
    """
    try:
        return read_errors(msgspec.json.decode(body, type=_Refusal).errors)
    except UNREADABLE:
        return []


def api_message(body: bytes) -> Message:
    """Find Centra's own words in the body of a failed answer.

    Args:
        body: A GraphQL answer with errors, or anything a proxy may have put in its place.

    Returns:
        The words of each error.
    """
    found = errors_in(body)
    if found:
        words = [one.message.strip().rstrip(".") for one in found]
        return Message(redact("; ".join(dict.fromkeys(words)))[:400])
    return Message(first_words(body))
