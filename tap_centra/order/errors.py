"""What a failed answer of the Order API means.

Centra's reference shows three forms of a refusal (a `status` other than "ok", alone, with
`errorMessages`, or with `msg`) and says nothing of a wrong key; an answer with HTTP 200 may be one.
"""

from __future__ import annotations

import typing as t

import msgspec

from commerce_taps.errors import Action, ErrorTable, Message, Rule
from commerce_taps.records.conform import UNREADABLE
from commerce_taps.redact import first_words, redact

SERVER_ERRORS: t.Final = (500, 501, 502, *range(504, 600))

_KEY: t.Final = (
    "Centra does not accept the key: check `api_key`, the shared secret of the Order API plugin; a "
    "token of the Integration API needs `api: integration`: {message}"
)

ERRORS: t.Final = ErrorTable(
    Rule(
        range(300, 400),
        Action.RETRY,
        "the address answers with a redirect, where the key is not sent; check `base_url`",
    ),
    Rule(
        (200, 403),
        Action.FORBIDDEN,
        "the plugin does not allow it: switch it on in the settings of the Order API plugin, "
        "under `Allow access to the following endpoints`",
        body=b'"Not Allowed"',
    ),
    Rule((401, 403), Action.STOP, _KEY, recheck=3),
    Rule((404,), Action.FAIL, "Centra does not have it: {message}", in_api_form=True),
    Rule(
        (404, 405, 410),
        Action.STOP,
        "no Order API at this address; `base_url` is the address the plugin shows, such as "
        "https://<customer>.centra.com/api/order-api: {message}",
    ),
    Rule((408, 504), Action.RETRY, "Centra took too long", on_exhausted=Action.REDUCE),
    Rule((429,), Action.RETRY, "Centra asks for fewer requests", on_exhausted=Action.STOP),
    Rule((503,), Action.RETRY, "Centra is down for maintenance", on_exhausted=Action.STOP),
    Rule(
        SERVER_ERRORS,
        Action.RETRY,
        "Centra has a fault of its own: {message}",
        on_exhausted=Action.REDUCE,
    ),
    Rule((200, 400, 422), Action.REDUCE, "Centra refuses the request: {message}", body=b'"limit"'),
    Rule((200, 400, 422), Action.FAIL, "Centra refuses the request: {message}"),
    form=("status",),
)


class _Refusal(msgspec.Struct, rename="camel"):
    status: t.Any = None
    msg: t.Any = None
    errors: t.Any = None
    error_messages: t.Any = None


def api_message(body: bytes) -> Message:
    """Find Centra's own words in the body of a failed answer.

    Args:
        body: An envelope of the Order API, or anything a proxy may have put in its place.

    Returns:
        The words, each with the field they are about where one is named.
    """
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except UNREADABLE:
        return Message(first_words(body))
    words = [*_words(refusal.msg), *_words(refusal.error_messages), *_words(refusal.errors)]
    return Message(redact("; ".join(words or _words(refusal.status)))[:400])


def _words(value: t.Any) -> list[str]:  # noqa: ANN401 (JSON)
    """Read a text, an object of texts by field, or a list of these."""
    if isinstance(value, list):
        return [word for one in value for word in _words(one)]
    if isinstance(value, dict):
        return [f"{name}: {str(text).rstrip('.')}" for name, text in value.items()]
    return [str(value).rstrip(".")] if value else []
