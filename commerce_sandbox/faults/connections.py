"""Faults of the connection: what arrives is less than was sent, or late, or nothing."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_sandbox.faults.exchange import Answer, Exchange, Fault


async def refused(exchange: Exchange) -> None:
    """The connection breaks, and for a while nobody listens: new ones are refused."""
    exchange.server.stop_listening(exchange.options.wait)
    await exchange.end(reset=True)


async def closed(exchange: Exchange) -> None:
    """The connection is closed in good order instead of an answer."""
    await exchange.end()


async def reset(exchange: Exchange) -> None:
    """The connection is reset before the headers."""
    await exchange.end(reset=True)


async def reset_in_body(exchange: Exchange) -> None:
    """The connection is reset in the middle of the body."""
    answer = await exchange.answer()
    await exchange.end(_announced(answer) + _part(exchange, answer), reset=True)


async def cut_short(exchange: Exchange) -> None:
    """The connection is closed before the announced end of the body."""
    answer = await exchange.answer()
    await exchange.end(_announced(answer) + _part(exchange, answer))


async def broken_chunks(exchange: Exchange) -> None:
    """A chunked body ends without its last chunk, or in what is no chunk."""
    answer = await exchange.answer()
    head = answer.with_headers(transfer_encoding="chunked", content_length="").head
    part = _part(exchange, answer)
    tail = exchange.random.choice((b"", b"zz\r\n", b"ffff\r\n{", b"-1\r\n"))
    await exchange.end(head + b"%x\r\n%b\r\n" % (len(part), part) + tail)


async def broken_gzip(exchange: Exchange) -> None:
    """A compressed body that is cut, damaged, or not compressed at all."""
    answer = await exchange.answer()
    packed = gzip.compress(answer.body)
    middle = len(packed) // 2
    answer.body = exchange.random.choice(
        (
            packed[:middle],
            packed[:-8] + b"\x00" * 8,
            packed[:middle] + b"\xff\x00" + packed[middle + 2 :],
            answer.body,
        )
    )
    await exchange.reply(answer.with_headers(content_encoding="gzip"))


async def stall(exchange: Exchange) -> None:
    """Nothing comes for a long while, before the answer or in the middle of it."""
    if exchange.random.randrange(2):
        await exchange.stall()
        await exchange.reply(await exchange.answer())
        return
    answer = await exchange.answer()
    part = _part(exchange, answer)
    transport = exchange.wire.transport
    transport.write(_announced(answer) + part)
    await exchange.stall()
    await exchange.end(answer.body[len(part) :])


def _announced(answer: Answer) -> bytes:
    """Write the head of an answer whose body is announced in full length."""
    return answer.with_headers(content_length=str(len(answer.body))).head


def _part(exchange: Exchange, answer: Answer) -> bytes:
    """Cut the body anywhere, but not to its whole length nor to nothing."""
    return answer.body[: exchange.random.randrange(1, len(answer.body))]


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
