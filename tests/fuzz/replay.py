"""Records the sandbox's responses to a tap, and serves them again, unaltered or altered.

The first run is recorded. Later runs are served from memory, so they are cheap enough for
thousands. A request that was never recorded, such as one for a smaller page after a failure, still
goes to the sandbox. Everything above the socket is the tap's: sessions, decoding, retries.
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
"""The first field of a GraphQL query after its marker."""


class Request(NamedTuple):
    """The parts of a request that determine the response."""

    method: str
    target: str
    body: bytes

    @property
    def endpoint(self) -> str:
        """The path without ids and parameters, and the root field of a GraphQL query."""
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
        recordings: Every response so far, by request, in the order of the first requests.
        served: The requests of the last run that received an altered response.
    """

    def __init__(self) -> None:
        self.recordings: dict[Request, Recording] = {}
        self.served: list[Request] = []

    @contextlib.contextmanager
    def serving(self, alter: Alter = lambda _, body: body) -> Iterator[None]:
        """Serve the recorded responses to every session of this process.

        Args:
            alter: Returns the body to serve for a request and its recorded body.
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
