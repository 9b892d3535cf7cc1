"""Faults of the connection: the response is short, late or missing."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_sandbox.faults.exchange import Exchange, Fault, Response


async def refused(exchange: Exchange) -> None:
    """The connection is reset, and new ones are refused for a while."""
    exchange.network.stop_listening(exchange.options.wait)
    await exchange.end(reset=True)


async def closed(exchange: Exchange) -> None:
    """The connection is closed without a response."""
    await exchange.end()


async def reset(exchange: Exchange) -> None:
    """The connection is reset before the headers."""
    await exchange.end(reset=True)


async def reset_in_body(exchange: Exchange) -> None:
    """The connection is reset in the middle of the body."""
    response = await exchange.fetch_response()
    await exchange.end(_announced(response) + _part(exchange, response), reset=True)


async def cut_short(exchange: Exchange) -> None:
    """The connection is closed before the announced end of the body."""
    response = await exchange.fetch_response()
    await exchange.end(_announced(response) + _part(exchange, response))


async def broken_chunks(exchange: Exchange) -> None:
    """A chunked body ends without its last chunk, or with an invalid one."""
    response = await exchange.fetch_response()
    head = response.with_headers(transfer_encoding="chunked", content_length="").head
    part = _part(exchange, response)
    tail = exchange.random.choice((b"", b"zz\r\n", b"ffff\r\n{", b"-1\r\n"))
    await exchange.end(head + b"%x\r\n%b\r\n" % (len(part), part) + tail)


async def broken_gzip(exchange: Exchange) -> None:
    """A compressed body that is cut, damaged, or not compressed at all."""
    response = await exchange.fetch_response()
    packed = gzip.compress(response.body)
    middle = len(packed) // 2
    response.body = exchange.random.choice(
        (
            packed[:middle],
            packed[:-8] + b"\x00" * 8,
            packed[:middle] + b"\xff\x00" + packed[middle + 2 :],
            response.body,
        )
    )
    await exchange.reply(response.with_headers(content_encoding="gzip"))


async def stall(exchange: Exchange) -> None:
    """No bytes for a long time, before the response or in the middle of it."""
    if exchange.random.randrange(2):
        await exchange.stall()
        await exchange.reply(await exchange.fetch_response())
        return
    response = await exchange.fetch_response()
    part = _part(exchange, response)
    transport = exchange.connection.transport
    transport.write(_announced(response) + part)
    await exchange.stall()
    await exchange.end(response.body[len(part) :])


def _announced(response: Response) -> bytes:
    """Write the head of a response that announces the whole body."""
    return response.with_headers(content_length=str(len(response.body))).head


def _part(exchange: Exchange, response: Response) -> bytes:
    """Return a part of the body that is neither empty nor whole."""
    return response.body[: exchange.random.randrange(1, len(response.body))]


FAULTS: Final[Mapping[str, Fault]] = {
    "refused": refused,
    "closed": closed,
    "reset": reset,
    "reset-in-body": reset_in_body,
    "cut-short": cut_short,
    "broken-chunks": broken_chunks,
    "broken-gzip": broken_gzip,
    "stall": stall,
}
