"""Sends one request and reads the response within limits of time and size.

`requests` and `urllib3` limit only how long a server may be silent. This module also limits a body
that drips, and one that unpacks to a thousand times its size.
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
"""Bytes to read, or to unpack, at a time."""

BAD_ADDRESS: t.Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationParseError,
    UnicodeError,
)
"""Errors about an address that names no host."""

_current = threading.local()
"""The connection and the socket of this thread's request."""


class _Connection(urllib3.connection.HTTPConnection):
    """A connection whose socket another thread can shut down."""

    @override
    def connect(self) -> None:
        _current.connection = self
        super().connect()

    @override
    def getresponse(self) -> t.Any:
        _current.connection, _current.socket = self, self.sock
        return super().getresponse()


class _TLSConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _PoolTLS(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


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
    """Open a session for one thread, which accepts the encodings that `read_body` unpacks.

    Args:
        auth: Adds the credential.
        headers: Sent with every request.
    """
    session = requests.Session()
    session.auth = auth
    session.headers.update({"Accept-Encoding": "gzip, deflate", **headers})
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Limit the time of a request, from its first byte to the last byte of the response.

    Raises:
        requests.ReadTimeout: It took longer.
    """
    _current.connection = _current.socket = None
    current, expired = vars(_current), threading.Event()

    def shut_down() -> None:
        expired.set()
        found = current.get("socket") or getattr(current.get("connection"), "sock", None)
        if isinstance(found, socket.socket):
            with contextlib.suppress(OSError):
                # The method of a TLS socket is not safe to call from another thread.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if expired.is_set():
            raise requests.ReadTimeout from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise requests.ReadTimeout


def read_body(response: requests.Response, limit: int) -> bytes:
    """Read and unpack the body of a response whose headers were read.

    Args:
        limit: The largest size in bytes, unpacked.

    Raises:
        OversizedResponse: The body is larger.
        InvalidResponse: The body cannot be unpacked.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) < 19 and int(length) <= limit and not encoding:  # noqa: PLR2004
        return t.cast("bytes", response.raw.read())  # in one read, which is much faster
    parts, size = [], 0
    for part in _unpack(response, encoding) if encoding else _read_raw(response):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise OversizedResponse(f"the response has more than {limit} bytes")
    return b"".join(parts)


def _read_raw(response: requests.Response) -> Iterator[bytes]:
    while part := response.raw.read(CHUNK, decode_content=False):
        yield part


def _unpack(response: requests.Response, encoding: str) -> Iterator[bytes]:
    """Unpack a body, at most `CHUNK` bytes at a time."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        msg = f"the response has the encoding {encoding[:40]!r}, which the tap did not accept"
        raise InvalidResponse(msg)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for part in _read_raw(response):
            rest = part
            while rest:
                if unpacker.eof:  # another member follows
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
                yield unpacker.decompress(rest, CHUNK)
                rest = unpacker.unconsumed_tail or unpacker.unused_data
        if not unpacker.eof:
            msg = "the response is compressed and cut short"
            raise InvalidResponse(msg)
    except zlib.error as error:
        msg = f"the response cannot be decompressed ({error})"
        raise InvalidResponse(msg) from error


def describe_error(error: BaseException, url: str) -> str:
    """Describe an error of the connection to a host.

    Args:
        error: The error that `requests` or `urllib3` raised.
        url: The address of the request.

    Returns:
        For example `api.example: Connection refused`.
    """
    found, seen = error, set[int]()
    while id(found) not in seen:
        seen.add(id(found))
        inner = [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
        found = next((one for one in inner if isinstance(one, BaseException)), found)
    text = getattr(found, "verify_message", "") or getattr(found, "strerror", "") or ""
    words = " ".join(str(text or found).split())[:200]
    kind = type(error).__name__
    return f"{urlsplit(url).hostname}: {words or kind}" + (f", {kind}" if words != kind else "")


def raise_if_permanent(error: Exception, url: str) -> None:
    """Stop the run if a retry cannot succeed.

    Args:
        error: The error that `requests` or `urllib3` raised.
        url: The address of the request.

    Raises:
        TapStopped: The error is about a certificate, a file of them, or the form of the address.
    """
    text, host = str(error), urlsplit(url).hostname
    if "invalid path" in text and ("TLS" in text or "bundle" in text or "certificate" in text):
        reason = f"there is no file of trusted certificates ({text.rsplit(':', 1)[-1].strip()})"
        remedy = "correct or unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
    elif isinstance(error, requests.exceptions.SSLError) and _is_about_certificate(error):
        reason = f"the certificate of the server is not trusted ({describe_error(error, url)})"
        remedy = "check the address, or name the certificates of your proxy in REQUESTS_CA_BUNDLE"
    elif isinstance(error, BAD_ADDRESS):
        reason = f"the address in the settings names no valid host ({host})"
        remedy = "correct it"
    else:
        return
    raise TapStopped(reason, remedy=remedy) from error


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
