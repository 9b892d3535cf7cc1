"""The Order API: its address and secret, its errors, and the time zone of its values.

Centra's reference shows three forms of an error (a `status` other than "ok", alone, with
`errorMessages`, or with `msg`), which may have HTTP status 200. It does not describe a wrong key.
"""

from __future__ import annotations

import typing as t
from zoneinfo import ZoneInfo

import msgspec
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
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


class _Error(msgspec.Struct, rename="camel"):
    status: t.Any = None
    msg: t.Any = None
    errors: t.Any = None
    error_messages: t.Any = None


def _texts(value: t.Any) -> list[str]:  # noqa: ANN401 (JSON)
    """Read a text, an object of texts by field, or a list of these."""
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, dict):
        return [f"{name}: {str(text).rstrip('.')}" for name, text in value.items()]
    return [str(value).rstrip(".")] if value else []


class OrderApi(Api):
    """The Order API of one plugin."""

    errors = ERRORS

    @override
    @property
    def base_url(self) -> str:
        return str(self.config["base_url"]).rstrip("/")

    @override
    @property
    def auth(self) -> HeaderAuth:
        """The shared secret, without a scheme before it."""
        return HeaderAuth(self.config["api_key"], "API-Authorization")

    @override
    def message(self, body: bytes) -> Message:
        """Find Centra's own message in the body of an error response.

        Args:
            body: An envelope of the Order API, or anything a proxy may have put in its place.

        Returns:
            The messages, each with the field it is about if the response names one; otherwise the
            `status`, or the first words of the body.
        """
        try:
            error = msgspec.json.decode(body, type=_Error)
        except UNREADABLE:
            return Message(first_words(body))
        texts = [*_texts(error.msg), *_texts(error.error_messages), *_texts(error.errors)]
        return Message(redact("; ".join(texts or _texts(error.status)))[:400])

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the environment, which the API does not report."""
        return ZoneInfo(self.config["timezone"])
