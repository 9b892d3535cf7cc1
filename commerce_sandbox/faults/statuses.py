"""Faults that a status reports."""

from __future__ import annotations

import email.utils
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_sandbox.faults.exchange import Exchange, Fault

_ABSURD: Final = ("999999999", "-5", "soon", "Thu, 32 Foo 2024 25:00:00 GMT", "1e400", "nan")


async def too_many_requests(exchange: Exchange) -> None:
    """429, with a `Retry-After` in seconds, as a date, absent, or absurd."""
    wait = exchange.options.wait
    date = datetime.now(timezone.utc) + timedelta(seconds=wait)
    sensible = f"{wait:g}", email.utils.format_datetime(date, usegmt=True)
    value = exchange.random.choice((*sensible, "", exchange.random.choice(_ABSURD)))
    await exchange.refuse(429, retry_after=value)


async def timeout(exchange: Exchange) -> None:
    """408, as a proxy sends it."""
    await exchange.refuse(408, b"Request Timeout", content_type="text/plain")


async def server_error(exchange: Exchange) -> None:
    """500, with the body the API documents."""
    await exchange.refuse(500)


async def bad_gateway(exchange: Exchange) -> None:
    """502, with a page of HTML."""
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    await exchange.refuse(502, page, content_type="text/html")


async def unavailable(exchange: Exchange) -> None:
    """503, as during maintenance."""
    await exchange.refuse(503)


async def expired_token(exchange: Exchange) -> None:
    """401 in the middle: after successes on the same connection, once per request."""
    key, expired = (exchange.path, exchange.query), exchange.memory.expired
    if exchange.connection.successes and key not in expired:
        expired.add(key)
        await exchange.refuse(401)
    else:
        await exchange.reply(await exchange.fetch_response())


async def redirect(exchange: Exchange) -> None:
    """A redirect to another host, which logs the requests and their credentials."""
    location = await exchange.network.elsewhere()
    status = exchange.random.choice((301, 302, 303, 307, 308))
    await exchange.refuse(status, b"", location=location)


FAULTS: Final[Mapping[str, Fault]] = {
    "too-many-requests": too_many_requests,
    "timeout": timeout,
    "server-error": server_error,
    "bad-gateway": bad_gateway,
    "unavailable": unavailable,
    "expired-token": expired_token,
    "redirect": redirect,
}
