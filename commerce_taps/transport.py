"""One exchange with a server: a whole response within limits of time and size, or a named error.

`requests` and `urllib3` bound the silence of a server and nothing else. A body that drips, or one
that unpacks to a thousand times its size, is bounded here.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import typing as t
import zlib
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from typing_extensions import override

from commerce_taps.errors import InvalidResponse, OversizedResponse, TapStopped

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests.auth import AuthBase

CHUNK: t.Final = 1 << 16
"""Bytes read, or unpacked, at once."""

HOPELESS: t.Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationParseError,
    UnicodeError,
)
"""An address nobody can be asked at."""

_open = threading.local()
"""The socket of this thread's request, as far as there is one."""


class _Noted(urllib3.connection.HTTPConnection):
    """A connection whose socket can be shut from outside of the thread that waits for it."""

    @override
    def connect(self) -> None:
        _open.connection = self
        super().connect()

    @override
    def getresponse(self) -> t.Any:
        _open.connection, _open.socket = self, self.sock
        return super().getresponse()


class _NotedTLS(_Noted, urllib3.connection.HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Noted


class _PoolTLS(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _NotedTLS


class _Adapter(requests.adapters.HTTPAdapter):
    @override
    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}

    @override
    def proxy_manager_for(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}
        return manager


def open_session(auth: AuthBase, headers: Mapping[str, str]) -> requests.Session:
    """Open a session for one thread.

    Args:
        auth: Adds the credential.
        headers: Sent with every request.

    Returns:
        The session. It asks for packings that can be unpacked bit by bit.
    """
    session = requests.Session()
    session.auth = auth
    session.headers.update({"Accept-Encoding": "gzip, deflate", **headers})
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound the time of an exchange, from its first byte to its last.

    Args:
        seconds: How long it may take.

    Yields:
        Nothing.

    Raises:
        requests.ReadTimeout: It took longer.
    """
    _open.connection = _open.socket = None
    noted, over = vars(_open), threading.Event()

    def shut() -> None:
        over.set()
        found = noted.get("socket") or getattr(noted.get("connection"), "sock", None)
        if isinstance(found, socket.socket):
            with contextlib.suppress(OSError):
                # Not the method of a TLS socket, which is not safe from another thread.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if over.is_set():
            raise requests.ReadTimeout from error
        raise
    finally:
        timer.cancel()
    if over.is_set():
        raise requests.ReadTimeout


def read(response: requests.Response, most: int) -> bytes:
    """Read the whole body of a response, unpacked.

    Args:
        response: The response, of which only the head was read.
        most: How many bytes it may have, unpacked.

    Returns:
        The body.

    Raises:
        OversizedResponse: It has more.
        InvalidResponse: It is packed wrongly, or in a way that was not asked for.
    """
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) < 19 and int(length) <= most and not packing:  # noqa: PLR2004
        return t.cast("bytes", response.raw.read())  # at once, which is much quicker
    parts, size = [], 0
    for part in _unpacked(response, packing) if packing else _raw(response):
        parts.append(part)
        size += len(part)
        if size > most:
            msg = f"the answer is larger than `max_response_mb` ({most >> 20} MB)"
            raise OversizedResponse(msg)
    return b"".join(parts)


def _raw(response: requests.Response) -> Iterator[bytes]:
    while part := response.raw.read(CHUNK, decode_content=False):
        yield part


def _unpacked(response: requests.Response, packing: str) -> Iterator[bytes]:
    """Unpack a body, never more than `CHUNK` bytes at a time."""
    if packing not in {"gzip", "x-gzip", "deflate"}:
        msg = f"the answer is packed as {packing[:40]!r}, which was not asked for"
        raise InvalidResponse(msg)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for part in _raw(response):
            rest = part
            while rest:
                if unpacker.eof:  # another member follows
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
                yield unpacker.decompress(rest, CHUNK)
                rest = unpacker.unconsumed_tail or unpacker.unused_data
        if not unpacker.eof:
            msg = "the answer is packed and cut short"
            raise InvalidResponse(msg)
    except zlib.error as error:
        msg = f"the answer cannot be unpacked ({error})"
        raise InvalidResponse(msg) from error


def cause(error: BaseException, url: str) -> str:
    """Name the host and what went wrong with the connection.

    Args:
        error: The error of the library.
        url: The address that was asked.

    Returns:
        For example `api.example: Connection refused`.
    """
    found, seen = error, set[int]()
    while id(found) not in seen:
        seen.add(id(found))
        inner = [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
        found = next((one for one in inner if isinstance(one, BaseException)), found)
    text = getattr(found, "verify_message", "") or getattr(found, "strerror", "") or ""
    said = " ".join(str(text or found).split())[:200]
    kind = type(error).__name__
    return f"{urlsplit(url).hostname}: {said or kind}" + (f", {kind}" if said != kind else "")


def refuse_hopeless(error: Exception, url: str) -> None:
    """End the run where another try cannot help.

    Args:
        error: What the library raised.
        url: The address that was asked.

    Raises:
        TapStopped: It is about a certificate, a bundle of them, or the form of the address.
    """
    text, host = str(error), urlsplit(url).hostname
    if "invalid path" in text and ("TLS" in text or "bundle" in text or "certificate" in text):
        msg = (
            "the file of trusted certificates is not there: look at REQUESTS_CA_BUNDLE and "
            f"CURL_CA_BUNDLE ({text.rsplit(':', 1)[-1].strip()})"
        )
    elif isinstance(error, requests.exceptions.SSLError) and _is_about_certificate(error):
        msg = (
            f"the certificate of the server is not trusted ({cause(error, url)}): check the "
            "address, or name the certificates of a proxy of yours in REQUESTS_CA_BUNDLE"
        )
    elif isinstance(error, HOPELESS):
        msg = f"the address names no host that can be asked: {host}; check it"
    else:
        return
    raise TapStopped(f"{msg}.") from error


def _is_about_certificate(error: BaseException) -> bool:
    found: BaseException | None = error
    for _ in range(10):
        if isinstance(found, ssl.SSLCertVerificationError):
            return True
        if found is None:
            break
        inner = [getattr(found, "reason", None), *found.args, found.__cause__, found.__context__]
        found = next((one for one in inner if isinstance(one, BaseException)), None)
    return "certificate verify failed" in str(error).lower()
