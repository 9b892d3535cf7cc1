"""The server of the sandbox."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Router

from commerce_sandbox import control
from commerce_sandbox.connection import Connection
from commerce_sandbox.fake_apis import FakeApis

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from commerce_sandbox.fake_api import Options

_T = TypeVar("_T")


class Server(uvicorn.Server):
    """Serves the fake APIs: in this thread by `run`, in one of its own by `start`.

    The address is known, and connections wait, before the server runs.

    Args:
        options: Data and behaviour of the fake APIs.
        host: The address to listen at.
        port: The port to listen at; 0 for a free one.
        on_ready: Called once when the server is ready.

    Raises:
        OSError: The port is not available, or a file of the options cannot be read.
        ValueError: A file of the options has another content.
    """

    def __init__(
        self,
        options: Options,
        host: str = "127.0.0.1",
        port: int = 0,
        on_ready: Callable[[Server], None] | None = None,
    ) -> None:
        self.fakes = FakeApis(options)
        mounts = [
            Mount(api.root, middleware)
            for api, middleware in zip(self.fakes.apis, self.fakes.middlewares, strict=True)
        ]
        steering = control.Guarded(Router(control.routes(self.fakes)), host)
        app = Starlette(routes=[*mounts, Mount("/_control", steering)])
        app.state.server = self
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                access_log=False,
                log_level="warning",
                lifespan="off",
                date_header=False,  # a fake API may have a clock of its own
            )
        )
        self._socket = socket.create_server((host, port))
        self._address = self._socket.getsockname()[:2]
        self._elsewhere: asyncio.Server | None = None
        self.strayed: list[str] = []
        self._on_ready = on_ready
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="commerce-sandbox", daemon=True)

    @property
    def url(self) -> str:
        """The address, without a path."""
        host, port = self._address
        return f"http://{host}:{port}"

    @override
    def run(self, sockets: list[socket.socket] | None = None) -> None:
        super().run(sockets or [self._socket])

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop.set_result(asyncio.get_running_loop())
        if self._on_ready is not None:
            self._on_ready(self)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = True  # do not wait for delayed responses
        super().handle_exit(sig, frame)

    def start(self) -> None:
        """Serve in a thread of its own; returns when the server is ready.

        Raises:
            Exception: What kept the server from starting.
        """
        self._thread.start()
        self._loop.result()

    def stop(self) -> None:
        """Stop the server that `start` started, without waiting for delayed responses."""
        self.should_exit = self.force_exit = True
        self._thread.join()

    def call(self, function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:  # noqa: ANN401
        """Call a function between two requests, in the thread that serves them.

        So no data needs a lock.
        """
        result: Future[_T] = Future()

        def run() -> None:
            try:
                result.set_result(function(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 (raised again where it was called)
                result.set_exception(error)

        self._loop.result().call_soon_threadsafe(run)
        return result.result()

    def stop_listening(self, seconds: float) -> None:
        """Refuse new connections for a while; those that are open go on.

        Must be called in the thread that serves requests.
        """
        listener = self.servers[0]
        if listener.is_serving():
            listener.close()
            self._listening = asyncio.create_task(self._listen_again(seconds))

    async def _listen_again(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.servers[0] = await asyncio.get_running_loop().create_server(
            lambda: Connection(self.config, self.server_state, self.lifespan.state),
            sock=socket.create_server(self._address),
            backlog=self.config.backlog,
        )

    async def elsewhere(self) -> str:
        """Return the address of another host, which logs its requests in `strayed`."""
        if self._elsewhere is None:

            async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self.strayed.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                writer.close()

            self._elsewhere = await asyncio.start_server(note, "127.0.0.1", 0)
            self.servers.append(self._elsewhere)
        port = self._elsewhere.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/elsewhere"

    def _run(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 (raised again in `start`)
            if not self._loop.done():
                self._loop.set_exception(error)
