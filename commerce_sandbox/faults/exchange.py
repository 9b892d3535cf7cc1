"""One request that meets a fault, and the means to answer it wrongly."""

from __future__ import annotations

import asyncio
import random as random_module
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from commerce_sandbox.double import Double, FaultOptions
    from commerce_sandbox.server import Server
    from commerce_sandbox.wire import Wire

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""Closing sends a reset instead of an orderly end."""


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
        lines = [b"HTTP/1.1 %d Said" % self.status]
        lines += [b"%b: %b" % header for header in self.headers]
        return b"\r\n".join([*lines, b"", b""])

    def with_headers(self, **headers: str) -> Answer:
        """Replace or add headers; `_` in a name stands for `-`, an empty value removes it."""
        new = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        kept = [(name, value) for name, value in self.headers if name not in new]
        return Answer(self.status, kept + [one for one in new.items() if one[1]], self.body)


class Exchange:
    """A request on its way to a fault.

    Args:
        double: Whose API is asked.
        options: The measures of the faults.
        previous: For each path, the last question and its answer.
        scope: The request.
        receive: Gives the request's messages.
        send: Takes the answer's messages.
        random: What the fault draws from.
    """

    def __init__(
        self,
        double: Double,
        options: FaultOptions,
        previous: dict[bytes, tuple[bytes, Answer]],
        scope: Scope,
        receive: Receive,
        send: Send,
        random: random_module.Random,
    ) -> None:
        self.double: Final = double
        self.options: Final = options
        self.random: Final = random
        self.previous: Final = previous
        self.scope: Final = scope
        self._receive = receive
        self._send = send

    @property
    def server(self) -> Server:
        """The server that has the connection."""
        server: Server = self.scope["app"].state.server
        return server

    @property
    def wire(self) -> Wire:
        """The connection."""
        wire: Wire = self.scope["extensions"]["commerce_sandbox.wire"]
        return wire

    async def answer(self) -> Answer:
        """Ask the API for the right answer."""
        answer = Answer(0, [], b"")

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        await self.double.app(self.scope, self._receive, take)
        self.previous[self.scope["raw_path"]] = (
            self.scope["query_string"],
            msgspec.structs.replace(answer),
        )
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
            headers: Headers, `_` standing for `-`.
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
        transport.write(data)
        if reset:
            await asyncio.sleep(0.01)  # the loop hands the bytes to the system first
            kernel_socket = transport.get_extra_info("socket")
            kernel_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            transport.abort()
        else:
            transport.close()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the connection is lost: an answer that is still owed is not sent any more."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


Fault = Callable[[Exchange], Awaitable[None]]
"""Answers a request wrongly, or not at all."""
