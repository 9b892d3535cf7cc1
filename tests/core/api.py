"""A server that misbehaves as it is told, a client of it, and a clock of one's own."""

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
from commerce_taps.rate_limit import RateLimiter
from commerce_taps.records.envelope import open_envelope
from commerce_taps.threads import DaemonPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "Basic c2VjcmV0"
ERRORS = ErrorTable(
    Rule(range(300, 400), Action.RETRY, "the address answers with a redirect"),
    Rule((200,), Action.SKIP, "not for you: {message}", body=b"for good", in_api_form=False),
    Rule((400,), Action.DROP_FILTER, "{message}", body=b"Could not resolve"),
    Rule((400,), Action.STOP, "not understood: {message}"),
    Rule((401,), Action.STOP, "the key is wrong", recheck=1),
    Rule((403,), Action.FORBIDDEN, "the key does not open it: {message}", in_api_form=False),
    Rule((404,), Action.SKIP, "nothing there: {message}", in_api_form=False),
    Rule((429,), Action.RETRY, "too many requests", on_exhausted=Action.STOP),
    Rule((500,), Action.RETRY, "a fault of its own: {message}"),
)
OK = b'{"results":[1]}'
LARGEST = 1 << 20


@dataclass
class Answer:
    """What the server does with one request."""

    status: int = 200
    body: bytes = OK
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Length that is announced, if another than the body's."""
    chunked: bool = False
    """Begin a chunked body and break off."""
    reset: bool = False
    """Reset the connection instead of answering."""
    before: Callable[[], object] = lambda: None
    """Called before the answer."""

    def give(self, handler: BaseHTTPRequestHandler) -> None:
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


class Api:
    """A server that gives prepared answers, and `OK` after the last."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.connections: set[object] = set()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body: bytes = b"") -> None:
                with api.lock:
                    api.requests.append((self.path, dict(self.headers)))
                    api.bodies.append(body)
                    api.connections.add(self.client_address)
                    answer = api.answers.popleft() if api.answers else Answer()
                answer.before()
                answer.give(self)

            @override
            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            @override
            def handle_error(self, request: Any, client_address: Any) -> None: ...

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextlib.contextmanager
def running() -> Iterator[Api]:
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        api.server.server_close()
        thread.join()


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def pacing(
    *,
    per_minute: int = 0,
    at_once: int = 16,
    per_lane: int = 10,
    check: Callable[[], None] = lambda: None,
) -> RateLimiter:
    return RateLimiter(per_minute=per_minute, at_once=at_once, per_key=per_lane, check=check)


def client(
    api: Api,
    *,
    paced: RateLimiter | None = None,
    workers: DaemonPool | None = None,
    errors: ErrorTable = ERRORS,
    timeout: float = 5.0,
) -> Client:
    return Client(
        api.url,
        auth=HeaderAuth(SECRET),
        errors=errors,
        headers={"User-Agent": "tap-test/1"},
        message=lambda body: Message(body[:20].decode(errors="replace")),
        limiter=paced or pacing(),
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
