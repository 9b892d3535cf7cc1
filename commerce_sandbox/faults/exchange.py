"""One request that meets a fault, and the means to answer it wrongly."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from random import Random

    from starlette.types import Message, Receive, Scope, Send

    from commerce_sandbox.double import Double, FaultOptions
    from commerce_sandbox.server import Server
    from commerce_sandbox.wire import Wire

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""Closing sends a reset instead of an orderly end."""


def body_of(scope: Scope) -> bytes:
    """Give a request's body, as far as it is known."""
    body: bytes = scope["extensions"].get("commerce_sandbox.body", b"")
    return body


def question(scope: Scope) -> tuple[bytes, bytes]:
    """Tell what is asked: the path, and query and body in one."""
    return scope["raw_path"], scope["query_string"] + body_of(scope)


def again(body: bytes, receive: Receive) -> Receive:
    """Give a request's body once more, to whom has not read it.

    Args:
        body: The body.
        receive: What gives the messages that come after it.

    Returns:
        What gives all of them.
    """
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


class Answer(msgspec.Struct):
    """A whole answer.

    Attributes:
        status: Its status.
        headers: Its headers.
        body: Its body.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def head(self) -> bytes:
        """Status line and headers as they go over the wire, with the blank line after them."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode()]
        lines += [b"%b: %b" % header for header in self.headers]
        return b"\r\n".join([*lines, b"", b""])

    def with_headers(self, **headers: str) -> Answer:
        """Replace or add headers; `_` in a name stands for `-`, an empty value removes it."""
        new = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        kept = [(name, value) for name, value in self.headers if name not in new]
        return Answer(self.status, kept + [one for one in new.items() if one[1]], self.body)


class Memory(msgspec.Struct):
    """What the faults of an API know of its past.

    Attributes:
        previous: For each path, the last question and the right answer to it.
        expired: The questions that an expired token was held against.
    """

    previous: dict[bytes, tuple[bytes, Answer]] = {}
    expired: set[tuple[bytes, bytes]] = set()


class Exchange:
    """A request on its way to a fault.

    Args:
        scope: The request.
        receive: Gives the request's messages.
        send: Takes the answer's messages.
        double: Whose API is asked.
        options: The measures of the faults.
        memory: What happened before.
        random: What the fault draws from.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        double: Double,
        options: FaultOptions,
        memory: Memory,
        random: Random,
    ) -> None:
        self.double: Final = double
        self.options: Final = options
        self.random: Final = random
        self.memory: Final = memory
        self.path, self.query = question(scope)
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def server(self) -> Server:
        """The server that has the connection."""
        server: Server = self._scope["app"].state.server
        return server

    @property
    def wire(self) -> Wire:
        """The connection."""
        wire: Wire = self._scope["extensions"]["commerce_sandbox.wire"]
        return wire

    async def answer(self) -> Answer:
        """Ask the API for the right answer."""
        answer = Answer(0, [], b"")

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        # A fault that has waited has listened to the client meanwhile.
        await self.double.app(self._scope, again(body_of(self._scope), self._receive), take)
        self.memory.previous[self.path] = (self.query, msgspec.structs.replace(answer))
        return answer

    async def reply(self, answer: Answer) -> None:
        """Send an answer in good order."""
        announced = answer.with_headers(content_length=str(len(answer.body)))
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": announced.headers}
        )
        await self._send({"type": "http.response.body", "body": answer.body})

    async def refuse(self, status: int, body: bytes | None = None, **headers: str) -> None:
        """Answer with a status other than success.

        Args:
            status: The status.
            body: The body; what the API documents for the status if none.
            headers: Headers, `_` standing for `-`; an empty one is left out.
        """
        content = self.double.error_body(status) if body is None else body
        answer = Answer(status, [(b"content-type", b"application/json")], content)
        await self.reply(answer.with_headers(**headers))

    async def end(self, data: bytes = b"", *, reset: bool = False) -> None:
        """Write bytes as they are, then end the connection.

        Args:
            data: What to write.
            reset: Whether to break the connection off rather than to close it.
        """
        transport = self.wire.transport
        if transport.is_closing():
            return
        transport.write(data)
        if reset:
            await asyncio.sleep(0.01)  # the loop hands the bytes to the system first
            if not transport.is_closing():  # the client may have gone meanwhile
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
        """Wait until the connection is lost: an answer that is still owed is not sent any more."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


Fault = Callable[[Exchange], Awaitable[None]]
"""Answers a request wrongly, or not at all."""
