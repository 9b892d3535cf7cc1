"""The base of all servers: latency, a count of requests, and calls to a fake API in-process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OK = 200


class Counted:
    """An ASGI application in front of an API; `/requests` has the number of requests so far.

    Args:
        api: The API.
        latency_ms: Milliseconds by which each response is delayed.
    """

    def __init__(self, api: ASGIApp, latency_ms: float) -> None:
        self._api = api
        self._latency = latency_ms / 1000
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["path"] == "/requests":
            await send_json(send, OK, msgspec.json.encode(self._requests))
            return
        self._requests += 1
        if self._latency:
            await asyncio.sleep(self._latency)
        await self._api(scope, receive, send)


async def send_json(send: Send, status: int, body: bytes) -> None:
    """Send a response with a JSON body."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def fetch(api: ASGIApp, scope: Scope, query: str, body: bytes = b"") -> bytes:
    """Fetch a response from a fake API, without a socket.

    Args:
        api: The fake API's application.
        scope: The scope of the client's request: its path, its method, its credentials.
        query: The query string to send in place of the client's.
        body: The body to send.

    Returns:
        The body of the response.

    Raises:
        RuntimeError: Its status is not 200.
    """
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await api({**scope, "query_string": query.encode()}, receive, send)
    found = b"".join(message.get("body", b"") for message in messages)
    if messages[0]["status"] != OK:
        raise RuntimeError(f"the fake API refuses {scope['path']}?{query}: {found.decode()}")
    return found
