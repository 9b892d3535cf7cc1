"""Stands between a tap and the sandbox: keeps each response, and alters those it is told to.

A run against the sandbox is recorded once; later runs are served from memory, which makes a run
cheap enough for thousands. What was never recorded, such as a smaller page after a failure, still
goes to the sandbox. Everything above the socket is the tap's own: sessions, decoding, retries.
"""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import urllib3
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Response

    Alter = Callable[["Request", bytes], bytes]

_ID = re.compile(r"(?<=/)(?:\d+|[^/]*\d[^/]{7,})(?=/|$)")
"""A segment of a path that is an id: a number, or something long with a digit in it."""
_ROOT = re.compile(r"__typename\s+(?:\w+:\s*)?(\w+)")
"""The first field of a GraphQL query, behind the one that marks it."""


class Request(NamedTuple):
    """A request, as far as it decides the response."""

    method: str
    target: str
    body: bytes

    @property
    def endpoint(self) -> str:
        """Name what is requested, without ids and parameters."""
        path = _ID.sub("*", urlsplit(self.target).path)
        root = _ROOT.search(self.body.decode().replace("\\n", "\n"))
        return f"{path} {root[1]}" if root else path


class Recording(NamedTuple):
    """A response as the sandbox sent it."""

    status: int
    headers: dict[str, str]
    body: bytes


class Replay:
    """The responses of one sandbox.

    Attributes:
        recordings: Every response so far, by request, in the order of the first time.
        served: Requests of the last run that were served an altered response.
    """

    def __init__(self) -> None:
        self.recordings: dict[Request, Recording] = {}
        self.served: list[Request] = []

    @contextlib.contextmanager
    def serving(self, alter: Alter = lambda _, body: body) -> Iterator[None]:
        """Serve what is recorded to every session of this process.

        Args:
            alter: Makes the body to serve of a request and its recorded body.
        """
        self.served = []
        send = HTTPAdapter.send

        def serve(adapter: HTTPAdapter, request: PreparedRequest, **kwargs: object) -> Response:
            sent = request.body or b""
            body = sent if isinstance(sent, bytes) else sent.encode()
            key = Request(str(request.method), request.path_url, body)
            if key not in self.recordings:
                response = send(adapter, request, **kwargs)  # type: ignore[arg-type]
                kept = {
                    name: value
                    for name, value in response.headers.items()
                    if name.lower() not in {"content-length", "transfer-encoding"}
                }
                self.recordings[key] = Recording(response.status_code, kept, response.content)
            status, headers, recorded = self.recordings[key]
            altered = alter(key, recorded)
            if altered is not recorded:
                self.served.append(key)
            raw = urllib3.HTTPResponse(
                io.BytesIO(altered),
                {**headers, "Content-Length": str(len(altered))},
                status,
                preload_content=False,
            )
            return adapter.build_response(request, raw)

        HTTPAdapter.send = serve  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            HTTPAdapter.send = send  # type: ignore[method-assign]
