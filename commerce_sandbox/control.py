"""The control endpoints, under `/_control`: how a test in another process controls the sandbox.

They serve the programs of this machine, and no page in its browser: see `Guarded`.

GET    /_control/truth/STREAM   rows of a stream, JSON lines
POST   /_control/mutate         {"changes": 20, "inserts": 10, "deletes": 0, "stream": null}
GET    /_control/requests       the requests so far, in order; DELETE forgets them
POST   /_control/settle         ends the churn
POST   /_control/overrides      replaces responses, see `middleware.Override`; DELETE drops all
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Route

from commerce_sandbox.middleware import Override

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from commerce_sandbox.fake_apis import FakeApis


_OWN_SITES: Final = ("none", "same-origin")
"""How a browser marks a request of the user, or of a page of the sandbox itself."""


class Mutate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of a request to change rows."""

    changes: int = 0
    inserts: int = 0
    deletes: int = 0
    stream: str | None = None


class Guarded:
    """Refuses what a page of another origin may send through the user's browser.

    A browser names the page's origin in what changes anything. A page whose own name has been made
    to lead here (DNS rebinding) is of the same origin, but its name stands in `Host`; an address
    cannot be made to lead elsewhere.

    Args:
        host: The name or address the server listens at.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, or refuse it."""
        headers = HTTPConnection(scope).headers
        host = headers.get("host", "")
        origin = headers.get("origin", f"http://{host}")
        site = headers.get("sec-fetch-site", "none")
        app = self._app
        if not self._is_here(host) or origin != f"http://{host}" or site not in _OWN_SITES:
            app = _json({"error": "control endpoints refuse pages of another origin"}, 403)
        await app(scope, receive, send)

    def _is_here(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self._names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False


def routes(fakes: FakeApis) -> list[Route]:
    """Return the routes of the control endpoints."""

    async def truth(request: Request) -> Response:
        try:
            rows = fakes.truth(request.path_params["stream"])
        except KeyError:
            return _json({"error": "no such stream", "streams": fakes.streams}, 404)
        body = b"".join(row + b"\n" for row in rows)
        return Response(body, media_type="application/x-ndjson")

    async def mutate(request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=Mutate)
            changed = fakes.mutate(**msgspec.structs.asdict(wanted))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json(changed)

    async def requests(_request: Request) -> Response:
        return _json(fakes.requests)

    async def override(request: Request) -> Response:
        try:
            fakes.override(msgspec.json.decode(await request.body(), type=Override))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return Response(status_code=204)

    return [
        Route("/truth/{stream}", truth, methods=["GET"]),
        Route("/mutate", mutate, methods=["POST"]),
        Route("/settle", _order(fakes.settle), methods=["POST"]),
        Route("/requests", requests, methods=["GET"]),
        Route("/requests", _order(fakes.clear_requests), methods=["DELETE"]),
        Route("/overrides", override, methods=["POST"]),
        Route("/overrides", _order(fakes.clear_overrides), methods=["DELETE"]),
    ]


def _order(action: Callable[[], None]) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint that performs an action and returns no content."""

    async def endpoint(_request: Request) -> Response:
        action()
        return Response(status_code=204)

    return endpoint


def _json(content: Any, status: int = 200) -> Response:  # noqa: ANN401 (JSON)
    return Response(msgspec.json.encode(content), status, media_type="application/json")
