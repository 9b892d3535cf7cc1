"""What every fake API has in common: latency, a log of requests, overridden responses."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from commerce_sandbox.churn import Churn
from commerce_sandbox.faults import Faults
from commerce_sandbox.faults.exchange import again

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from commerce_sandbox.fake_api import FakeApi, Options

_LOGGED_AT_MOST: Final = 100_000
_BODILESS: Final = frozenset({"GET", "HEAD"})
_CREDENTIALS: Final = ("authorization", "api-authorization", "cookie")


class LoggedRequest(msgspec.Struct, kw_only=True):
    """A request that came in.

    Attributes:
        raw_path: Its path as it came, still percent-encoded.
        path: Its path, decoded.
        raw_query: Its query string as it came.
        query: Its parameters, decoded.
        headers: Its headers by lower-case name, without the credentials.
        status: The status of the response; 0 while there is none.
        fault: The name of the fault it has met; empty if none.
    """

    method: str
    raw_path: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str = ""
    status: int = 0
    fault: str = ""


class Override(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A response that replaces the API's own.

    Attributes:
        path: A regular expression to be found in `path?query`, both decoded, or in the body
            that was sent.
        status: The status of the response. None for the API's own response, after the delay.
        body: The body: text as it is, anything else as JSON. None gives the body the API documents
            for the status.
        times: How many requests it applies to; all if none.
        delay: Seconds to wait before the response.
        holding: Replace only responses of the API that hold this text, such as every page with
            one broken row.

    Raises:
        ValueError: The path is no regular expression.
    """

    path: str
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = {}
    times: int | None = None
    delay: float = 0.0
    holding: str = ""

    def __post_init__(self) -> None:
        """Check the regular expression."""
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"{self.path!r} is no regular expression: {error}") from error

    def takes(self, *sent: str) -> bool:
        """Return whether it applies to a request, and count that."""
        if self.times == 0 or not any(re.search(self.path, part) for part in sent):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Middleware:
    """Wraps a fake API with a log, latency, overrides, churn and faults."""

    def __init__(self, api: FakeApi, options: Options) -> None:
        self._api = api
        self._latency = options.latency_ms / 1000
        self._faults = Faults(api, options.faults) if options.faults.profile != "none" else None
        self.churn = Churn(api, options.churn)
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOGGED_AT_MOST)
        self.overrides: list[Override] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log a request and respond to it."""
        try:
            await self._respond(scope, receive, send)
        except asyncio.CancelledError:  # the server stops
            scope["extensions"]["commerce_sandbox.connection"].abandon()

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        logged = _log_entry(request)
        self.requests.append(logged)
        if logged.method not in _BODILESS:
            try:
                body = await request.body()
            except ClientDisconnect:  # killed in the middle of it
                return
            logged.body = body.decode(errors="replace")
            scope["extensions"]["commerce_sandbox.body"] = body
            receive = again(body, receive)
        self.churn.request()

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                logged.status = message["status"]
                scope["extensions"]["commerce_sandbox.connection"].count_response(logged.status)
            await send(message)

        target = f"{logged.path}?{unquote(logged.raw_query)}"
        sent = (target, logged.body) if logged.body else (target,)
        override = next((one for one in self.overrides if one.takes(*sent)), None)
        delay = self._latency + (override.delay if override else 0)
        if delay:
            await asyncio.sleep(delay)
        if (
            override
            and override.holding
            and await self._spared(override, scope, receive, send_and_log)
        ):
            return
        if override is None or override.status is None:
            if self._faults is None:
                await self._api.app(scope, receive, send_and_log)
            else:
                logged.fault = await self._faults(scope, receive, send_and_log)
        else:
            response = Response(
                self._body(override, override.status),
                override.status,
                {"content-type": "application/json", **override.headers},
            )
            await response(scope, receive, send_and_log)

    async def _spared(self, override: Override, scope: Scope, receive: Receive, send: Send) -> bool:
        """Fetch the API's response, and send it unless it holds the override's text."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._api.app(scope, receive, keep)
        if override.holding.encode() in b"".join(one.get("body", b"") for one in messages):
            return False
        for message in messages:
            await send(message)
        return True

    def _body(self, override: Override, status: int) -> bytes:
        if override.body is None:
            return self._api.error_body(status)
        if isinstance(override.body, str):
            return override.body.encode()
        return msgspec.json.encode(override.body)


def _log_entry(request: Request) -> LoggedRequest:
    raw_query = request.scope["query_string"].decode("latin-1")
    headers = {name: value for name, value in request.headers.items() if name not in _CREDENTIALS}
    return LoggedRequest(
        method=request.method,
        raw_path=request.scope["raw_path"].decode("latin-1"),
        path=request.scope["path"],
        raw_query=raw_query,
        query=dict(parse_qsl(raw_query, keep_blank_values=True)),
        headers=headers,
    )
