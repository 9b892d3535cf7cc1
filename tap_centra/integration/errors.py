"""Error responses of the Integration API.

Sources are Centra's documentation (pages "Authorization", "API rate limits") and public code that
queries the API. The HTTP status of a rejected query is not documented, so the rules go by its text.
"""

from __future__ import annotations

import re
import typing as t

import msgspec
from typing_extensions import override

from commerce_taps.errors import Action, ErrorTable, Message, Rule
from commerce_taps.records.conform import UNREADABLE
from commerce_taps.redact import first_words, redact

ANY_REFUSAL: t.Final = (200, 400, 401, 403, 422)
PATIENCE: t.Final = 2
"""Retries at a rate limit before the tap requests fewer rows. Each waits for `Retry-After`, after
which a bucket that other integrations emptied is full again."""
RATE_LIMIT: t.Final = "Centra's rate limit is reached"
_RATE_LIMIT_REMEDY: t.Final = (
    "run again later, or reduce the load of other integrations, which share the limit"
)
_TOO_COMPLEX: t.Final = "select fewer columns"
_NEW_CREDENTIAL: t.Final = (
    "create a new token with the same permissions in the admin, System > API Tokens; the secret of "
    "the Order API needs `api: order`"
)
_REPORT: t.Final = "please report it"


class _Errors(ErrorTable):
    """The rules, which apply to the messages and categories of the errors in a response only."""

    @override
    def classify(self, status: int, body: bytes, *, in_api_form: bool = True) -> Rule:
        found = [(error.message, error.category) for error in errors_in(body)]
        text = (msgspec.json.encode(found) if found else body).lower()
        return super().classify(status, text, in_api_form=in_api_form)


ERRORS: t.Final[ErrorTable] = _Errors(
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", body=b'"authorization"'),
    Rule(
        (401, 403),
        Action.STOP,
        "Centra does not accept the token: it has expired or was revoked ({message})",
        _NEW_CREDENTIAL,
        recheck=3,
    ),
    Rule(
        ANY_REFUSAL,
        Action.STOP,
        "Centra does not accept the token: it has expired or was revoked ({message})",
        _NEW_CREDENTIAL,
        body=b'"authentication"',
        recheck=3,
    ),
    Rule(
        (404, 405, 410),
        Action.STOP,
        "there is no Integration API at this address ({message})",
        "set `base_url` to https://<customer>.centra.com",
    ),
    Rule((413,), Action.REDUCE, "the query is too large", _TOO_COMPLEX),
    # One query may cost more than the bucket of ten seconds ever holds.
    Rule(
        (429,),
        Action.RETRY,
        RATE_LIMIT,
        _RATE_LIMIT_REMEDY,
        on_exhausted=Action.REDUCE,
        divisible_retries=PATIENCE,
    ),
    Rule(
        ANY_REFUSAL,
        Action.FAIL,
        "Centra's schema has changed since the run began ({message})",
        "run again",
        body=b"cannot query field",
    ),
    Rule(
        ANY_REFUSAL,
        Action.FAIL,
        "Centra does not know an argument ({message})",
        _REPORT,
        body=b"unknown argument",
    ),
    Rule(
        ANY_REFUSAL,
        Action.RETRY,
        RATE_LIMIT,
        _RATE_LIMIT_REMEDY,
        body=b"rate limit",
        on_exhausted=Action.REDUCE,
        divisible_retries=PATIENCE,
    ),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", _TOO_COMPLEX, body=b"complex"),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", _TOO_COMPLEX, body=b"limit"),
    Rule(
        (200,),
        Action.RETRY,
        "Centra has an internal error ({message})",
        "run again later; if it fails again, report it to Centra's support",
        body=b"internal",
    ),
    Rule(ANY_REFUSAL, Action.FAIL, "Centra rejects the query ({message})", _REPORT),
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
