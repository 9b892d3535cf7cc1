"""A server with prepared responses, a client of it, and a clock without waits."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import (
    Action,
    ErrorTable,
    Message,
    Rule,
)
from commerce_taps.http import Client, Request
from commerce_taps.rate_limit import RateLimiter, TokenBucket
from commerce_taps.records.envelope import open_envelope
from commerce_taps.threads import DaemonPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "Basic c2VjcmV0"
ERRORS = ErrorTable(
    Rule(range(300, 400), Action.RETRY, "redirected"),
    Rule((200,), Action.SKIP, "not for you: {message}", body=b"for good", in_api_form=False),
    Rule((400,), Action.DROP_FILTER, "{message}", body=b"Could not resolve"),
    Rule((400,), Action.STOP, "not understood: {message}"),
    Rule((401,), Action.STOP, "the key is wrong", recheck=1),
    Rule((403,), Action.FORBIDDEN, "the key may not read it: {message}", in_api_form=False),
    Rule((404,), Action.SKIP, "nothing there: {message}", in_api_form=False),
    Rule((429,), Action.RETRY, "too many requests", on_exhausted=Action.STOP),
    Rule((500,), Action.RETRY, "internal error: {message}"),
)
OK = b'{"results":[1]}'
LARGEST = 1 << 20


@dataclass
class FakeResponse:
    """What the server does with one request."""

    status: int = 200
    body: bytes = OK
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Length that is announced, if another than the body's."""
    chunked: bool = False
    """Begin a chunked body and break off."""
    reset: bool = False
    """Reset the connection instead of responding."""
    before: Callable[[], object] = lambda: None
    """Called before the response."""

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        if self.reset:
            handler.close_connection = True
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            return
        if "Date" in self.headers:
            handler.send_response_only(self.status)
        else:
            handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.chunked:
            handler.close_connection = True
            handler.send_header("Transfer-Encoding", "chunked")
        elif self.announced is not None:
            handler.close_connection = True
            handler.send_header("Content-Length", str(self.announced))
        else:
            handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(b"ff\r\n" + self.body if self.chunked else self.body)


class FakeServer:
    """A server that sends prepared responses, and `OK` after the last."""

    def __init__(self) -> None:
        self.responses: deque[FakeResponse] = deque()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.connections: set[object] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.respond()

            def do_POST(self) -> None:
                self.respond(self.rfile.read(int(self.headers["Content-Length"])))

            def respond(self, body: bytes = b"") -> None:
                with server.lock:
                    server.requests.append((self.path, dict(self.headers)))
                    server.bodies.append(body)
                    server.connections.add(self.client_address)
                    response = server.responses.popleft() if server.responses else FakeResponse()
                response.before()
                response.send(self)

            @override
            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            @override
            def handle_error(self, request: Any, client_address: Any) -> None: ...

        self.httpd = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextlib.contextmanager
def running() -> Iterator[FakeServer]:
    server = FakeServer()
    thread = threading.Thread(target=server.httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.httpd.shutdown()
        server.httpd.server_close()
        thread.join()


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1e-6)  # rounding must not stop the clock
        self.slept += seconds


def make_limiter(
    *,
    per_minute: int = 0,
    at_once: int = 16,
    per_key: int = 10,
    check: Callable[[], None] = lambda: None,
) -> RateLimiter:
    return RateLimiter(per_minute=per_minute, at_once=at_once, per_key=per_key, check=check)


def with_buckets(*buckets: TokenBucket) -> RateLimiter:
    limiter = make_limiter()
    limiter.buckets = buckets
    return limiter


def seconds(clock: Clock, limiter: RateLimiter, times: int, **costs: float) -> float:
    """The time that requests wait for their costs."""
    start = clock.now
    for _ in range(times):
        with limiter.slot("", costs):
            pass
    return clock.now - start


def make_client(
    server: FakeServer,
    *,
    limiter: RateLimiter | None = None,
    workers: DaemonPool | None = None,
    errors: ErrorTable = ERRORS,
    timeout: float = 5.0,
) -> Client:
    return Client(
        server.url,
        auth=HeaderAuth(SECRET),
        errors=errors,
        headers={"User-Agent": "tap-test/1"},
        message=lambda body: Message(body[:20].decode(errors="replace")),
        limiter=limiter or make_limiter(),
        workers=workers or DaemonPool(3),
        logger=logging.getLogger("tap-test"),
        timeout=timeout,
        max_retries=2,
        max_wait=300,
        max_bytes=LARGEST,
    )


class Results(msgspec.Struct):
    results: list[int]


def parse(body: bytes) -> list[int]:
    return open_envelope(body, Results).results


ORDERS = Request(("companies", "c1", "orders"), stream="orders", context={"companyId": "c1"})
