"""What is the store's own: its address, its errors, its envelopes.

Facts come from the product's developer manual (pages API, Errors and those of the entities) and
from the behaviour of releases 4.1 to 4.20. A store is never asked to do anything, only to tell.
"""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal
from types import MappingProxyType

import msgspec
from msgspec import Raw

from commerce_taps.errors import (
    Action,
    ErrorResponse,
    ErrorTable,
    InvalidResponse,
    Message,
    Rule,
)
from commerce_taps.http import Request
from commerce_taps.records.conform import UNREADABLE, decode, decode_object
from commerce_taps.records.envelope import open_envelope
from commerce_taps.redact import first_words, redact

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Params = Mapping[str, str | int | Sequence[str]]

T = t.TypeVar("T")

ERRORS: t.Final = ErrorTable(
    Rule(
        range(300, 400),
        Action.FAIL,
        "the store redirects to another address, where the tap does not send the key",
        "write `store_url` as the store itself does: with https, with or without `www`, and with "
        "the folder that the store is in",
        recheck=8,
    ),
    Rule(
        (400,),
        Action.FAIL,
        "the store rejects the request ({message})",
        "please report it",
        in_api_form=True,
        recheck=2,
    ),
    Rule(
        (401,),
        Action.STOP,
        "the store does not accept the key",
        "check `email` and `api_key`, that the account is active and has API access, and that the "
        "web server passes the header `Authorization` to PHP (`HTTP_AUTHORIZATION` for nginx and "
        "FastCGI)",
        recheck=3,
    ),
    Rule(
        (403,),
        Action.FORBIDDEN,
        "the account may not read this",
        "give its user group the privilege, or deselect the stream",
    ),
    Rule(
        (404,),
        Action.SKIP,
        "the store does not have this",
        "no action is needed if this release does not have the entity, or if its add-on is off",
    ),
    Rule(
        (404,),
        Action.FAIL,
        "the web server finds nothing at this address",
        "check `store_url`, and set `use_rewrite` to false if the store does not rewrite addresses",
        recheck=2,
    ),
    Rule(
        (400, 403, 406),
        Action.RETRY,
        "a firewall or a content delivery network replied in place of the store ({message})",
        "let it allow the address of the tap, or its `user_agent`, for paths below `/api/`",
    ),
    Rule(
        (429,),
        Action.RETRY,
        "the host limits requests ({message})",
        "lower `requests_per_minute` and `concurrency`",
        on_exhausted=Action.STOP,
    ),
    Rule(
        (503,),
        Action.RETRY,
        "the store is closed, or down for maintenance ({message})",
        "run again once it is open",
        on_exhausted=Action.STOP,
    ),
    # One row with a text that is not UTF-8 empties the whole page it is on.
    Rule(
        (200,),
        Action.RETRY,
        "the response of the store is empty",
        "correct the row whose text is not UTF-8",
        on_exhausted=Action.REDUCE,
    ),
    form=("message", "status"),
)

_TAIL: t.Final = re.compile(
    r"/+((api(\.php)?(/+v?\d+(\.\d+)?(/.*)?)?|index\.php|admin\.php)/*)?$", re.IGNORECASE
)


def store_address(url: str) -> str:
    """Take off what users copy along with a store's address.

    Args:
        url: For example `https://shop.example/en/api/2.0/products`.

    Returns:
        The store's address without a slash at its end: `https://shop.example/en`.
    """
    return _TAIL.sub("", url)


class _ApiError(msgspec.Struct):
    message: str = ""


def api_message(body: bytes) -> Message:
    """Find the store's own words in the body of a failed answer.

    Args:
        body: An object with a `message` in the store's language, or the web page of what stands in
            front of the store.

    Returns:
        The message, or the first words of the page.
    """
    try:
        return Message(redact(msgspec.json.decode(body, type=_ApiError).message.strip()))
    except UNREADABLE:
        return Message(first_words(body, tags=False))


# --- envelopes ----------------------------------------------------------------------------------


CHOOSING: t.Final = {"user_type": "user_type", "type": "type", "feature_types": "feature_type"}
"""Parameters that make another list of it, and the column they choose by. The store repeats them,
and may have a default."""
NARROWING: t.Final = ("order_id", "get_orders_data", "updated_at_from", "updated_in_hours")
"""Parameters that narrow a list or widen its rows. The store repeats them where it was asked."""

_WHOLE: t.Final = re.compile(r"(\d{1,400})(\.0+)?", re.ASCII)
_LIST_OR_OBJECT: t.Final = list[Raw] | dict[str, Raw]


class Answer(t.NamedTuple):
    """An opened list.

    Attributes:
        records: The records.
        number: Which page the store says it is.
        total: How many records the store says there are.
        params: What the store says it was asked.
    """

    records: list[Raw]
    number: int | None = None
    total: int | None = None
    params: Mapping[str, t.Any] = MappingProxyType({})

    def check(self, asked: Params) -> None:
        """Make sure that it is the answer to the question.

        Args:
            asked: The parameters of the question.

        Raises:
            InvalidResponse: It is another page, or that of another list.
        """
        for name in (*CHOOSING, *NARROWING):
            told, right = _text(self.params.get(name)), _text(asked.get(name))
            if told not in {"", right or "0"} and (right or name in NARROWING):
                msg = f"the answer is to another question: its `{name}` is {told}"
                raise InvalidResponse(msg)
        number, size = asked["page"], asked["items_per_page"]
        if self.number is None or not isinstance(number, int) or not isinstance(size, int):
            return
        is_last = self.total is None or self.number * size >= self.total
        # Beyond the last page the store may send that one again.
        if self.number > number or (self.number < number and not is_last):
            msg = f"page {self.number} came in place of page {number}"
            raise InvalidResponse(msg)


def _text(value: object) -> str:
    """Write a parameter, which may come back as a text or a number; "" for anything else."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def opened(body: bytes, kind: t.Any) -> t.Any:  # noqa: ANN401 (any type)
    """Decode a body.

    Args:
        body: The body.
        kind: The msgspec type it should be of.

    Returns:
        The decoded body.

    Raises:
        ErrorResponse: It is empty.
        InvalidResponse: It is a web page, or no JSON of this type.
    """
    text = body.strip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        raise ErrorResponse
    if text.startswith(b"<"):
        msg = (
            "a web page came instead of an answer, as firewalls, maintenance and log-in pages "
            f"send; it begins with {first_words(text, tags=False)!r}"
        )
        raise InvalidResponse(msg)
    return open_envelope(body, kind)


def collection(raw: Raw | bytes) -> list[Raw]:
    """List the rows of a collection: an array, or an object keyed by id.

    Args:
        raw: The collection.

    Returns:
        The rows.

    Raises:
        InvalidResponse: It is neither.
    """
    rows = opened(bytes(raw), _LIST_OR_OBJECT)
    return list(rows.values()) if isinstance(rows, dict) else rows


def listing(body: bytes, key: str, *, bare: bool = False) -> Answer:
    """Open a page of a list.

    Args:
        body: An object with the rows under the key and what they are under `params`.
        key: Where the rows are; "" where there is no envelope.
        bare: Whether the rows alone are right as well, as in version 1.0 of the API. Elsewhere they
            would be some that were cut out of something else.

    Returns:
        The page.

    Raises:
        InvalidResponse: It is no such list.
        ErrorResponse: There is nothing.
    """
    if not key:
        return Answer(collection(body))
    envelope = opened(body, _LIST_OR_OBJECT if bare else dict[str, Raw])
    if isinstance(envelope, list):
        return Answer(envelope)
    if key not in envelope and bare:
        return Answer(list(envelope.values()))
    if key not in envelope:
        msg = f"the answer has no `{key}`; it begins with {first_words(body, tags=False)!r}"
        raise InvalidResponse(msg)
    try:
        params = decode(envelope.get("params", b"{}"))
    except UNREADABLE as error:
        msg = f"the answer does not tell what it answers: its `params` cannot be read ({error})"
        raise InvalidResponse(msg) from error
    if not isinstance(params, dict):  # empty, it is an array
        params = {}
    return Answer(
        collection(envelope[key]),
        _whole(params.get("page")),
        _whole(params.get("total_items")),
        params,
    )


def _whole(value: object) -> int | None:
    """Read a number that may be sent as a text; `None` for anything else."""
    text = str(value) if isinstance(value, (str, int, Decimal)) else ""
    return int(_WHOLE.sub(r"\1", text)) if _WHOLE.fullmatch(text) else None


def reviews(body: bytes, key: str) -> Answer:
    """Open a page of reviews: in place of the list stands a pair of the reviews by id, and params.

    A plain list is taken as well, for the pair looks like a slip that a release may mend.

    Args:
        body: The answer's body.
        key: Where the pair is.

    Returns:
        The page.

    Raises:
        InvalidResponse: It is no such list.
        ErrorResponse: There is nothing.
    """
    answer = listing(body, key)
    if len(answer.records) == 2:  # noqa: PLR2004 - a pair
        params = decode_object(answer.records[1])
        if "total_items" in params:
            rows = collection(answer.records[0])
            return answer._replace(
                records=rows,
                number=_whole(params.get("page")),
                total=_whole(params["total_items"]),
            )
    return answer


# --- requests -----------------------------------------------------------------------------------


def api_request(
    config: Mapping[str, t.Any],
    path: Sequence[str],
    params: Params,
    *,
    version: str = "",
    stream: str = "",
    context: Mapping[str, t.Any] | None = None,
    divisible: bool = False,
) -> Request:
    """Make a request in the form the store understands.

    Args:
        config: The settings.
        path: Path below the API's address.
        params: Parameters; a list stands for one parameter several times.
        version: Version of the API, if not the one of the settings.
        stream: As for `Request`.
        context: As for `Request`.
        divisible: As for `Request`.

    Returns:
        The request.
    """
    version = version or config["api_version"]
    asked: list[tuple[str, str | int]] = []
    for name, value in params.items():
        values = [value] if isinstance(value, (str, int)) else value
        asked += [(name, one) for one in values]
    address = ("api", version, *path)
    if not config["use_rewrite"]:
        asked = [("_d", "/".join((version, *path))), ("ajax_custom", 1), *asked]
        address = ("api.php",)
    return Request(address, asked, stream=stream, context=context or {}, divisible=divisible)
