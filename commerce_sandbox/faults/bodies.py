"""Faults of the body: the status is right, the body is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from commerce_sandbox.faults.exchange import Exchange, Fault

    Tamper = Callable[[Exchange, bytes], bytes]

_DEPTH: Final = 100_000


def _tampering(tamper: Tamper) -> Fault:
    """Make a fault that alters the body of a successful response and sends it in good order."""

    async def fault(exchange: Exchange) -> None:
        response = await exchange.fetch_response()
        if response.status == 200:  # noqa: PLR2004 (HTTP status OK)
            response.body = tamper(exchange, response.body)
        await exchange.reply(response)

    fault.__doc__ = tamper.__doc__
    return fault


def empty(_exchange: Exchange, _body: bytes) -> bytes:
    """200 with an empty body."""
    return b""


def cut_json(exchange: Exchange, body: bytes) -> bytes:
    """JSON that is cut short, with the matching length."""
    return body[: exchange.random.randrange(1, len(body))]


def wrong_shape(exchange: Exchange, body: bytes) -> bytes:
    """Valid JSON of another shape."""
    if body.startswith(b"["):
        return exchange.random.choice((b'{"results":[]}', b'"ok"', b"null"))
    choices = [b'"ok"', b"[%b]" % body, b"17", b"true"]
    if not _is_keyed(body):
        choices.append(b"[]")
    page = _Page(exchange, body)
    if page.is_one:
        one_each: list[Any] = [1, "x", [], None]
        wrong = [{}, 1, "x", {"rows": page.rows}, *([one] * len(page.rows) for one in one_each)]
        choices += [page.written(rows) for rows in wrong if rows != page.rows]
        choices += [b"{}", b'{"error":"The backend is warming up."}']
    return exchange.random.choice(choices)


def null_results(exchange: Exchange, body: bytes) -> bytes:
    """The list of records is null, or the whole response."""
    page = _Page(exchange, body)
    return page.written(None) if page.is_one else b"null"


async def repeated_page(exchange: Exchange) -> None:
    """The response to the previous request on the same path, if that was another one."""
    before = exchange.memory.previous.get(exchange.path)
    right = await exchange.fetch_response()
    await exchange.reply(before[1] if before and before[0] != exchange.query else right)


def endless(exchange: Exchange, body: bytes) -> bytes:
    """There is always a next page: the link leads in a circle."""
    page = _Page(exchange, body)
    if page.is_one:
        links = page.envelope[exchange.api.envelope.links]
        links["next"] = exchange.random.choice([links["current"], links.get("previous")]) or {
            "href": links["self"]["href"]
        }
    return page.written(page.rows) if page.is_one else body


def false_total(exchange: Exchange, body: bytes) -> bytes:
    """The number of all records is not that of the records there are."""
    page = _Page(exchange, body)
    if not page.is_one:
        return body
    total = exchange.api.envelope.total
    right = page.envelope[total]
    wrong = [0, right - 1, right + 1, right + 1000, -1]
    page.envelope[total] = exchange.random.choice([one for one in wrong if one != right])
    return page.written(page.rows)


def bad_numbers(exchange: Exchange, body: bytes) -> bytes:
    """NaN, infinity, and numbers that fit no type, where a number belongs."""
    number = exchange.random.choice((b"NaN", b"Infinity", b"-1e999", b"9" * 400, b"0x1F"))
    page = _Page(exchange, body)
    if page.is_one:
        name = exchange.random.choice([exchange.api.envelope.total, "pageSize", "pageNumber"])
        page.envelope[name] = msgspec.Raw(number)
        return page.written(page.rows)
    return body.replace(b":", b":NaN,", 1) if b":" in body else b"[NaN]"


def bad_utf8(exchange: Exchange, body: bytes) -> bytes:
    """A byte that is no UTF-8, inside of a text."""
    places = [place for place, byte in enumerate(body) if byte == ord('"')][::2]
    if not places:
        return b"\xff"
    place = exchange.random.choice(places) + 1
    wrong = exchange.random.choice((b"\xff", b"\xc3", b"\xed\xa0\x80"))
    return body[:place] + wrong + body[place:]


def huge(exchange: Exchange, body: bytes) -> bytes:
    """A correct response of tens of megabytes, most of them blanks or an unknown field."""
    filling = exchange.options.size
    if body.startswith(b"{") and len(body) > len(b"{}") and exchange.random.randrange(2):
        page = _Page(exchange, body)
        if page.is_one:
            return b'{"debug":"%b",%b' % (b"." * filling, body[1:])
    return body[:1] + b" " * filling + body[1:]


def deep(exchange: Exchange, body: bytes) -> bytes:
    """An unknown field of lists a hundred thousand deep."""
    nested = b"[" * _DEPTH + b"]" * _DEPTH
    return b'{"debug":%b,%b' % (nested, body[1:]) if _Page(exchange, body).is_one else nested


def _is_keyed(body: bytes) -> bool:
    """Return whether rows are keyed by their ids, in which case an empty list means no rows."""
    return all(isinstance(one, dict) for one in msgspec.json.decode(body).values())


class _Page:
    """A page of a list, opened as far as a fault has to."""

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        self._names = exchange.api.envelope
        value = msgspec.json.decode(body)
        names = {self._names.records, self._names.total, self._names.links}
        self.is_one = isinstance(value, dict) and names <= value.keys()
        if self.is_one:
            raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            self.rows = msgspec.json.decode(raw.pop(self._names.records), type=list[msgspec.Raw])
            self.envelope: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(raw))

    def written(self, rows: Any) -> bytes:  # noqa: ANN401 (JSON)
        """Write the page with other records, or none."""
        return msgspec.json.encode({self._names.records: rows} | self.envelope)


FAULTS: Final[Mapping[str, Fault]] = {
    "empty": _tampering(empty),
    "cut-json": _tampering(cut_json),
    "wrong-shape": _tampering(wrong_shape),
    "null-results": _tampering(null_results),
    "repeated-page": repeated_page,
    "endless": _tampering(endless),
    "false-total": _tampering(false_total),
    "bad-numbers": _tampering(bad_numbers),
    "bad-utf8": _tampering(bad_utf8),
    "huge": _tampering(huge),
    "deep": _tampering(deep),
}
