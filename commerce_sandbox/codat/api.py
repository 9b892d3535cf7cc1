"""Codat's API as an ASGI application."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from commerce_sandbox.codat.endpoints import ENDPOINTS, Call
from commerce_sandbox.codat.requests import read_parameters, read_path
from commerce_sandbox.codat.responses import ApiError, error_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.codat.store import Store

ROOT: Final = "/codat"
API_KEY: Final = "commerce-sandbox-key"
"""The key the sandbox takes. Encoded with a colon it gives another header, which is refused."""

_JSON_TYPES: Final = {"application/json", "application/*", "*/*"}


class Api:
    """Serves requests from the store.

    Args:
        store: The content of the fake API.
        key: The key it takes.
    """

    def __init__(self, store: Store, key: str = API_KEY) -> None:
        self._store = store
        self._authorization = b"Basic " + base64.b64encode(key.encode())
        self._quota = store.quota
        self._responses = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        headers = self._rate_limit()
        try:
            status, body = 200, self._respond(Request(scope))
        except ApiError as error:
            status, body = error.status, error_body(error.status, str(error))
            if status == 405:  # noqa: PLR2004 (method not allowed)
                headers["Allow"] = "GET"
        response = Response(body, status, headers, media_type="application/json")
        await response(scope, receive, send)

    def _respond(self, request: Request) -> bytes:
        self._check_headers(request)
        raw_path = request.scope["raw_path"].removeprefix(ROOT.encode())
        segments = read_path(raw_path)
        for endpoint in ENDPOINTS:
            names = endpoint.match(segments)
            if names is not None:
                if request.method != "GET":
                    raise ApiError(405)
                parameters = read_parameters(request.scope["query_string"], endpoint.parameters)
                path = raw_path.decode("ascii")
                return endpoint.respond(Call(self._store, path, names, parameters))
        raise ApiError(404)

    def _rate_limit(self) -> dict[str, str]:
        self._responses += 1
        midnight = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        return {
            "X-Rate-Limit-Limit": str(self._quota),
            "X-Rate-Limit-Remaining": str(max(0, self._quota - self._responses)),
            "X-Rate-Limit-Reset": f"{midnight + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        }

    def _check_headers(self, request: Request) -> None:
        given = [value for name, value in request.scope["headers"] if name == b"authorization"]
        if given != [self._authorization]:
            raise ApiError(401)
        accepted = {
            part.partition(";")[0].strip().lower()
            for part in request.headers.get("accept", "*/*").split(",")
        }
        if not accepted & _JSON_TYPES:
            raise ApiError(406, "Only application/json can be served.")
