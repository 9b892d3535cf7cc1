"""Error responses of the Order API.

Centra's reference shows three forms of an error (a `status` other than "ok", alone, with
`errorMessages`, or with `msg`), which may have HTTP status 200. It does not describe a wrong key.
"""

from __future__ import annotations

import typing as t

import msgspec

from commerce_taps.errors import Action, ErrorTable, Message, Rule
from commerce_taps.records.conform import UNREADABLE
from commerce_taps.redact import first_words, redact

_VOUCHER: t.Final = "remove the id of a voucher that does not exist; report any other case"

ERRORS: t.Final = ErrorTable(
    Rule(
        (200, 403),
        Action.FORBIDDEN,
        "the plugin does not allow this endpoint",
        "tick it in the settings of the Order API plugin, under `Allow access to the following "
        "endpoints`, or deselect the stream",
        body=b'"Not Allowed"',
    ),
    Rule(
        (401, 403),
        Action.STOP,
        "Centra does not accept the key ({message})",
        "check `api_key`, the shared secret of the Order API plugin; a token of the Integration "
        "API needs `api: integration`",
        recheck=3,
    ),
    Rule((404,), Action.FAIL, "Centra does not have this ({message})", _VOUCHER, in_api_form=True),
    Rule(
        (404, 405, 410),
        Action.STOP,
        "there is no Order API at this address ({message})",
        "set `base_url` to the address that the plugin shows, such as "
        "https://<customer>.centra.com/api/order-api",
    ),
    Rule(
        (429,),
        Action.RETRY,
        "Centra limits the number of requests",
        "lower `requests_per_minute` and `concurrency`",
        on_exhausted=Action.STOP,
    ),
    Rule(
        (200, 400, 422),
        Action.REDUCE,
        "Centra rejects the request ({message})",
        _VOUCHER,
        body=b'"limit"',
    ),
    Rule((200, 400, 422), Action.FAIL, "Centra rejects the request ({message})", _VOUCHER),
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
