"""Parses the responses of a store: lists with and without an envelope, and single rows.

Facts come from the product's developer manual (pages API, Errors, and those of the entities) and
from the behavior of releases 4.1 to 4.20.
"""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal
from types import MappingProxyType

from msgspec import Raw

from commerce_taps.errors import ErrorResponse, InvalidResponse
from commerce_taps.records.conform import UNREADABLE, decode, decode_object
from commerce_taps.records.envelope import open_envelope
from commerce_taps.redact import first_words

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cscart.requests import Params

KIND_PARAMS: t.Final = {"user_type": "user_type", "type": "type", "feature_types": "feature_type"}
"""Parameters that select rows of one kind, and the column that holds the kind. The store echoes
them, and may have a default."""
ECHOED_PARAMS: t.Final = ("order_id", "get_orders_data", "updated_at_from", "updated_in_hours")
"""Parameters that narrow a list or widen its rows. The store echoes those it was sent."""

_WHOLE: t.Final = re.compile(r"(\d{1,400})(\.0+)?", re.ASCII)
_LIST_OR_OBJECT: t.Final = list[Raw] | dict[str, Raw]


class ListResponse(t.NamedTuple):
    """A parsed page of a list.

    Attributes:
        records: The rows as they were sent.
        number: The number of the page, as the store reports it.
        total: The number of rows of the list, as the store reports it.
        params: The parameters that the store echoes.
    """

    records: list[Raw]
    number: int | None = None
    total: int | None = None
    params: Mapping[str, t.Any] = MappingProxyType({})

    def check(self, requested: Params) -> None:
        """Check that this is the requested page of the requested list.

        Args:
            requested: The parameters of the request.

        Raises:
            InvalidResponse: It is another page, or a page of another list.
        """
        for name in (*KIND_PARAMS, *ECHOED_PARAMS):
            echoed, sent = _text(self.params.get(name)), _text(requested.get(name))
            if echoed not in {"", sent or "0"} and (sent or name in ECHOED_PARAMS):
                msg = f"the response belongs to another request: its `{name}` is {echoed}"
                raise InvalidResponse(msg)
        number, size = requested["page"], requested["items_per_page"]
        if self.number is None or not isinstance(number, int) or not isinstance(size, int):
            return
        is_last = self.total is None or self.number * size >= self.total
        # Beyond the last page, the store may send that one again.
        if self.number > number or (self.number < number and not is_last):
            msg = f"the response is page {self.number} instead of page {number}"
            raise InvalidResponse(msg)


def _text(value: object) -> str:
    """Write a parameter, which may be echoed as a text or a number; "" for anything else."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def decode_body(body: bytes, kind: t.Any) -> t.Any:  # noqa: ANN401 (any type)
    """Decode a body.

    Args:
        kind: The msgspec type it should have.

    Returns:
        The decoded body.

    Raises:
        ErrorResponse: The body is empty.
        InvalidResponse: The body is a web page, or not JSON of this type.
    """
    text = body.strip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        raise ErrorResponse
    if text.startswith(b"<"):
        msg = (
            "the response is a web page, as firewalls, maintenance and login pages send; it begins "
            f"with {first_words(text, tags=False)!r}"
        )
        raise InvalidResponse(msg)
    return open_envelope(body, kind)


def parse_collection(raw: Raw | bytes) -> list[Raw]:
    """List the rows of a collection: an array, or an object keyed by id.

    Returns:
        The rows.

    Raises:
        InvalidResponse: It is neither.
    """
    rows = decode_body(bytes(raw), _LIST_OR_OBJECT)
    return list(rows.values()) if isinstance(rows, dict) else rows


def parse_list(body: bytes, selector: str, *, bare: bool = False) -> ListResponse:
    """Parse a page of a list.

    Args:
        body: An object with the rows under `selector`, and what the store reports of them under
            `params`.
        selector: The member with the rows; "" where there is no envelope.
        bare: Whether rows without an envelope are valid too, as in version 1.0 of the API. In other
            versions they would be a fragment of something else.

    Returns:
        The page.

    Raises:
        InvalidResponse: The body is not such a list.
        ErrorResponse: The body is empty.
    """
    if not selector:
        return ListResponse(parse_collection(body))
    envelope = decode_body(body, _LIST_OR_OBJECT if bare else dict[str, Raw])
    if isinstance(envelope, list):
        return ListResponse(envelope)
    if selector not in envelope and bare:
        return ListResponse(list(envelope.values()))
    if selector not in envelope:
        msg = f"the response has no `{selector}`; it begins with {first_words(body, tags=False)!r}"
        raise InvalidResponse(msg)
    try:
        params = decode(envelope.get("params", b"{}"))
    except UNREADABLE as error:
        msg = f"the `params` of the response cannot be read ({error})"
        raise InvalidResponse(msg) from error
    if not isinstance(params, dict):  # empty, it is an array
        params = {}
    return ListResponse(
        parse_collection(envelope[selector]),
        _whole(params.get("page")),
        _whole(params.get("total_items")),
        params,
    )


def _whole(value: object) -> int | None:
    """Read a number that may be sent as a text; `None` for anything else."""
    text = str(value) if isinstance(value, (str, int, Decimal)) else ""
    return int(_WHOLE.sub(r"\1", text)) if _WHOLE.fullmatch(text) else None


def parse_reviews(body: bytes, selector: str) -> ListResponse:
    """Parse a page of reviews: the list is a pair of the reviews, keyed by id, and `params`.

    A plain list is accepted too: the pair looks like a mistake that a release may correct.

    Args:
        body: The body of the response.
        selector: The member with the pair.

    Returns:
        The page.

    Raises:
        InvalidResponse: The body is not such a list.
        ErrorResponse: The body is empty.
    """
    response = parse_list(body, selector)
    if len(response.records) == 2:  # noqa: PLR2004 - a pair
        params = decode_object(response.records[1])
        if "total_items" in params:
            rows = parse_collection(response.records[0])
            return response._replace(
                records=rows,
                number=_whole(params.get("page")),
                total=_whole(params["total_items"]),
            )
    return response
