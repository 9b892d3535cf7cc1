"""A request that meets a fault, and the ways to send a wrong response."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from random import Random

    from starlette.types import Message, Receive, Scope, Send

    from commerce_sandbox.connection import Connection
    from commerce_sandbox.fake_api import FakeApi, FaultOptions

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""Closing sends a reset instead of an orderly end."""


def body_of(scope: Scope) -> bytes:
    """Return a request's body, as far as it is known."""
    body: bytes = scope["extensions"].get("commerce_sandbox.body", b"")
    return body


def request_key(scope: Scope) -> tuple[bytes, bytes]:
    """Return what identifies a request: its path, and its query and body in one."""
    return scope["raw_path"], scope["query_string"] + body_of(scope)


def again(body: bytes, receive: Receive) -> Receive:
    """Replay the body of a request to the next reader.

    Args:
        receive: Receives the messages that follow it.

    Returns:
        A function that receives the body first.
    """
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


class Response(msgspec.Struct):
    """A whole response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def head(self) -> bytes:
        """Status line and headers as they go over the wire, with the blank line after them."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode()]
        lines += [b"%b: %b" % header for header in self.headers]
        return b"\r\n".join([*lines, b"", b""])

    def with_headers(self, **headers: str) -> Response:
        """Replace or add headers; `_` in a name stands for `-`, an empty value removes it."""
        new = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        kept = [(name, value) for name, value in self.headers if name not in new]
        return Response(self.status, kept + [one for one in new.items() if one[1]], self.body)


class Memory(msgspec.Struct):
    """The history that the faults of an API need.

    Attributes:
        previous: For each path, the last request and the right response to it.
        expired: The requests that have met an expired token.
    """

    previous: dict[bytes, tuple[bytes, Response]] = {}
    expired: set[tuple[bytes, bytes]] = set()


class Network(Protocol):
    """What faults need of the server."""

    def stop_listening(self, seconds: float) -> None:
        """Refuse new connections for a while."""

    async def elsewhere(self) -> str:
        """Return the address of another host."""


class Exchange:
    """A request on its way to a fault.

    Args:
        options: The measures of the faults.
        random: What the fault draws from.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        api: FakeApi,
        options: FaultOptions,
        memory: Memory,
        random: Random,
    ) -> None:
        self.api: Final = api
        self.options: Final = options
        self.random: Final = random
        self.memory: Final = memory
        self.path, self.query = request_key(scope)
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def network(self) -> Network:
        """What the server offers besides HTTP."""
        network: Network = self._scope["app"].state.server
        return network

    @property
    def connection(self) -> Connection:
        """The connection."""
        connection: Connection = self._scope["extensions"]["commerce_sandbox.connection"]
        return connection

    async def fetch_response(self) -> Response:
        """Fetch the correct response from the API."""
        response = Response(0, [], b"")

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status, response.headers = message["status"], list(message["headers"])
            else:
                response.body += message.get("body", b"")

        # A fault that has waited has read from the client since.
        await self.api.app(self._scope, again(body_of(self._scope), self._receive), take)
        self.memory.previous[self.path] = (self.query, msgspec.structs.replace(response))
        return response

    async def reply(self, response: Response) -> None:
        """Send a whole response."""
        announced = response.with_headers(content_length=str(len(response.body)))
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": announced.headers}
        )
        await self._send({"type": "http.response.body", "body": response.body})

    async def refuse(self, status: int, body: bytes | None = None, **headers: str) -> None:
        """Send a response with an error status.

        Args:
            body: The body; what the API documents for the status if none.
            headers: Headers, `_` standing for `-`; an empty one is left out.
        """
        content = self.api.error_body(status) if body is None else body
        response = Response(status, [(b"content-type", b"application/json")], content)
        await self.reply(response.with_headers(**headers))

    async def end(self, data: bytes = b"", *, reset: bool = False) -> None:
        """Write bytes as they are, then end the connection.

        Args:
            reset: Whether to break the connection off rather than to close it.
        """
        transport = self.connection.transport
        if transport.is_closing():
            return
        transport.write(data)
        if reset:
            await asyncio.sleep(0.01)  # the loop hands the bytes to the system first
            if not transport.is_closing():  # the client may have closed it since
                kernel_socket = transport.get_extra_info("socket")
                kernel_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                transport.abort()
        else:
            transport.close()
        await self.gone()

    async def stall(self) -> None:
        """Wait for as long as the options say, or until the client gives up."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.gone(), self.options.stall)

    async def gone(self) -> None:
        """Wait until the connection is lost, so that no response is sent after it."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


Fault = Callable[[Exchange], Awaitable[None]]
"""Sends a wrong response to a request, or none."""
