"""Malicious servers: what they send harms neither terminal nor memory."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import io
import json
import logging
import socket
import ssl
import subprocess
import threading
import tracemalloc
import zlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from commerce_taps.errors import ErrorTable, PartitionFailed, TapError, TapStopped
from commerce_taps.redact import LONGEST_MESSAGE, MASK, Redactor, install, redact
from tests.core.server import LARGEST, ORDERS, FakeResponse, FakeServer, make_client, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("clock")

# --- words --------------------------------------------------------------------------------------

EVIL = "\x1b[2J\x1b]0;owned\x07Stopped\r\nERROR fake\u202eevil\u2066\x00\x9b31m\u2028next\x85"


def test_message_of_server_is_one_short_printable_line(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    install()
    server.responses.extend([FakeResponse(500, (EVIL + "x" * 5000).encode())] * 3)
    client = make_client(server)
    client._message = lambda body: both_words(body.decode())
    with pytest.raises(TapError) as raised, caplog.at_level(logging.WARNING):
        client.get(ORDERS, parse)
    logging.getLogger("tap-test").error("Failed %s", raised.value)
    texts = [str(raised.value), *(record.getMessage() for record in caplog.records)]
    assert len(texts) >= 4
    assert all(text.isprintable() and len(text) < 2 * LONGEST_MESSAGE + 200 for text in texts)
    assert "owned" not in "".join(texts)


def both_words(text: str) -> Any:  # noqa: ANN401 - a message
    from commerce_taps.errors import Message  # noqa: PLC0415

    return Message(text, text)


def test_text_of_user_stays_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    install()
    logging.getLogger("tap-test").error("company %s", EVIL * 1000)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 10_000


# --- secrets ------------------------------------------------------------------------------------

KEY = "Ab+9/<k&'\"zQ ü7xYw12"
ECHOES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "HTML": html.escape,
    "a line break within": lambda key: f"{key[:7]}\r\n{key[7:]}",
    "blanks between": " ".join,
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1"),
    "marks between": "\u200b".join,
    "HTML twice": lambda key: html.escape(html.escape(key)),
    "HTML by number": lambda key: "".join(f"&#{ord(sign)};" for sign in key),
    "HTML by hex number": lambda key: "".join(f"&#x{ord(sign):X};" for sign in key),
    "hex": lambda key: key.encode().hex(),
    "hex in capitals": lambda key: key.encode().hex().upper(),
    "small letters": str.lower,
    "capitals": lambda key: key.replace("ü", "Ü").upper(),
    "URL": lambda key: quote(key, safe=""),
    "URL twice": lambda key: quote(quote(key, safe=""), safe=""),
    "URL with small hex": lambda key: quote(key, safe="").lower(),
    "JSON": json.dumps,
    "JSON by number": lambda key: "".join(f"\\u{ord(sign):04X}" for sign in key),
    "JSON as PHP has it": lambda key: json.dumps(key).replace("/", "\\/"),
    "Python by number": lambda key: "".join(f"\\x{ord(sign):02x}" for sign in key),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 behind a name": lambda key: base64.b64encode(b"user:" + key.encode()).decode(),
    "base64 between others": lambda key: base64.b64encode(b"u:" + key.encode() + b"!").decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(b"me:" + key.encode()).decode(),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_echoed_key_is_masked_in_every_form(echo: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.add([KEY])
    text = redactor(f"you sent <{echo(KEY)}> here")
    assert MASK in text
    for part in (KEY[3:], KEY[:6], echo(KEY)[6:-6]):
        assert part not in text
    assert redactor("you sent nothing here") == "you sent nothing here"


def test_extra_of_log_call_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "_forms", [])
    install()
    redact.add([KEY])
    made: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = made.append  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("tap-extra")
    logger.addHandler(handler)
    logger.warning("x", extra={"sent": KEY, "inner": {"a": [KEY, 7]}, "error": ValueError(KEY)})
    logger.removeHandler(handler)
    found: Any = made[0]
    assert (found.sent, found.inner) == (MASK, {"a": [MASK, 7]})
    assert KEY not in str(found.error)


# --- bodies -------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve every connection with a function of its socket. Gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                respond(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


def drip(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.05)


def dripping(head: bytes, text: bytes) -> Callable[[socket.socket], None]:
    def respond(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(head)
        drip(connection, text)

    return respond


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "body": dripping(HEAD, b" " * 99),
    "chunks": dripping(CHUNKED, b"1\r\n \r\n" * 16),
    "head": dripping(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 99),
}


@pytest.mark.parametrize("respond", DRIPS.values(), ids=DRIPS)
def test_dripping_response_ends_by_total_limit(
    server: FakeServer,
    respond: Callable[[socket.socket], None],
) -> None:
    with serving(respond) as url:
        slow = make_client(server, timeout=60)
        slow.base_url, slow._total_timeout = url, 0.3
        with pytest.raises(PartitionFailed, match="no response within"):
            slow.get(ORDERS, parse)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = b" " * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "deflate"])
def test_compression_bomb_keeps_memory_limit(server: FakeServer, packing: str) -> None:
    body = bomb(100)
    server.responses.extend([FakeResponse(body=body, headers={"Content-Encoding": packing})] * 3)
    client = make_client(server)
    tracemalloc.start()
    try:
        with pytest.raises(PartitionFailed, match="larger than `max_response_mb`"):
            client.get(ORDERS, parse)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * LARGEST


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "gzip, br", "x" * 300])
def test_unaccepted_encoding_is_rejected(server: FakeServer, packing: str) -> None:
    body = gzip.compress(gzip.compress(b'{"results":[1]}'))
    server.responses.extend([FakeResponse(body=body, headers={"Content-Encoding": packing})] * 3)
    with pytest.raises(PartitionFailed, match="which the tap did not accept"):
        make_client(server).get(ORDERS, parse)
    assert server.requests[0][1]["Accept-Encoding"] == "gzip, deflate"


def test_compressed_body_of_several_members_is_complete(server: FakeServer) -> None:
    body = gzip.compress(b'{"resu') + gzip.compress(b'lts":[1]}')
    server.responses.append(FakeResponse(body=body, headers={"Content-Encoding": "gzip"}))
    assert make_client(server).get(ORDERS, parse) == [1]


def test_endless_headers_end_in_a_message(server: FakeServer) -> None:
    def respond(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-A: " + b"y" * 60000 + b"\r\n")

    with serving(respond) as url:
        client = make_client(server)
        client.base_url = url
        with pytest.raises(PartitionFailed, match=r"no response \(127\.0\.0\.1: .*headers"):
            client.get(ORDERS, parse)


# --- certificates and addresses -----------------------------------------------------------------


def test_untrusted_certificate_stops_the_run(server: FakeServer, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    made += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handshakes: list[int] = []

    def respond(connection: socket.socket) -> None:
        handshakes.append(1)
        context.wrap_socket(connection, server_side=True).recv(9999)

    with serving(respond) as url:
        client = make_client(server)
        client.base_url = url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(
            TapStopped, match=r"certificate .* not trusted \(localhost: self.signed"
        ):
            client.get(ORDERS, parse)
    assert len(handshakes) == 1


def test_missing_certificate_file_stops_the_run(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    client = make_client(server)
    client.base_url = "https://127.0.0.1:1"
    with pytest.raises(TapStopped, match=r"no file of trusted certificates.*/nowhere/ca\.pem"):
        client.get(ORDERS, parse)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "*.example"])
def test_invalid_host_stops_the_run(server: FakeServer, host: str) -> None:
    client = make_client(server)
    client.base_url = f"https://{host}"
    with pytest.raises(TapStopped, match="names no valid host"):
        client.get(ORDERS, parse)


def test_missing_proxy_has_a_message(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    client = make_client(server, errors=ErrorTable())
    client.base_url = "https://api.example"
    with pytest.raises(PartitionFailed, match=r"api\.example: .*refused.*ProxyError"):
        client.get(ORDERS, parse)


def test_log_call_with_any_extra_is_written() -> None:
    install()
    out = io.StringIO()
    logger = logging.getLogger("tap-odd")
    logger.addHandler(logging.StreamHandler(out))
    logger.warning("still %s", "here", extra={"odd": object(), "none": None})
    assert "still here" in out.getvalue()


# --- clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "earlier", "later"),
    [
        ("Tue, 01 Jan 2002 00:00:00 GMT", "2002", "own"),
        ("Thu, 01 Jan 2099 00:00:00 GMT", "own", "2099"),
        ("Fri, 31 Dec 9999 23:59:59 -2359", "own", "own"),
        ("yesterday", "own", "own"),
        ("", "own", "own"),
    ],
    ids=["behind", "ahead", "beyond all years", "no date", "none"],
)
def test_slower_clock_bounds_bookmarks_faster_one_filters(
    server: FakeServer, date: str, earlier: str, later: str
) -> None:
    def year(time: datetime) -> str:
        return "own" if abs(time - datetime.now(timezone.utc)) < DAY else str(time.year)

    client = make_client(server)
    client.get(ORDERS, parse)
    client._date = date
    assert (year(client.now), year(client.latest)) == (earlier, later)
