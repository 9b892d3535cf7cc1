"""Servers that mean harm: what they send reaches neither terminal nor memory beyond its bounds."""

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
from tests.core.api import LARGEST, ORDERS, Answer, Api, client, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("clock")

# --- words --------------------------------------------------------------------------------------

EVIL = "\x1b[2J\x1b]0;owned\x07Stopped\r\nERROR fake\u202eevil\u2066\x00\x9b31m\u2028next\x85"


def test_words_of_a_server_are_one_harmless_line_and_cut(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    install()
    api.answers.extend([Answer(500, (EVIL + "x" * 5000).encode())] * 3)
    asking = client(api)
    asking._message = lambda body: asking_message(body.decode())
    with pytest.raises(TapError) as raised, caplog.at_level(logging.WARNING):
        asking.get(ORDERS, parse)
    logging.getLogger("tap-test").error("Failed %s", raised.value)
    texts = [str(raised.value), *(record.getMessage() for record in caplog.records)]
    assert len(texts) >= 4
    assert all(text.isprintable() and len(text) < 2 * LONGEST_MESSAGE + 200 for text in texts)
    assert "owned" not in "".join(texts)


def asking_message(text: str) -> Any:  # noqa: ANN401 - a message
    from commerce_taps.errors import Message  # noqa: PLC0415

    return Message(text, text)


def test_text_of_a_user_in_a_log_line_breaks_no_line(caplog: pytest.LogCaptureFixture) -> None:
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
def test_key_that_a_server_echoes_is_masked_in_every_form(echo: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.add([KEY])
    text = redactor(f"you sent <{echo(KEY)}> here")
    assert MASK in text
    for part in (KEY[3:], KEY[:6], echo(KEY)[6:-6]):
        assert part not in text
    assert redactor("you sent nothing here") == "you sent nothing here"


def test_what_a_log_call_gives_along_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
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
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
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
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


def drip(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.05)


def dripping(head: bytes, text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(head)
        drip(connection, text)

    return answer


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "body": dripping(HEAD, b" " * 99),
    "chunks": dripping(CHUNKED, b"1\r\n \r\n" * 16),
    "head": dripping(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 99),
}


@pytest.mark.parametrize("answer", DRIPS.values(), ids=DRIPS)
def test_response_that_drips_ends_by_the_total_limit(
    api: Api,
    answer: Callable[[socket.socket], None],
) -> None:
    with serving(answer) as url:
        slow = client(api, timeout=60)
        slow.base_url, slow._total_timeout = url, 0.3
        with pytest.raises(PartitionFailed, match="no response within"):
            slow.get(ORDERS, parse)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = b" " * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "deflate"])
def test_bomb_keeps_memory_within_the_largest_response(api: Api, packing: str) -> None:
    body = bomb(100)
    api.answers.extend([Answer(body=body, headers={"Content-Encoding": packing})] * 3)
    asking = client(api)
    tracemalloc.start()
    try:
        with pytest.raises(PartitionFailed, match="larger than `max_response_mb`"):
            asking.get(ORDERS, parse)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * LARGEST


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "gzip, br", "x" * 300])
def test_packing_that_was_not_asked_for_is_refused(api: Api, packing: str) -> None:
    body = gzip.compress(gzip.compress(b'{"results":[1]}'))
    api.answers.extend([Answer(body=body, headers={"Content-Encoding": packing})] * 3)
    with pytest.raises(PartitionFailed, match="which the tap did not accept"):
        client(api).get(ORDERS, parse)
    assert api.requests[0][1]["Accept-Encoding"] == "gzip, deflate"


def test_packed_body_of_several_members_is_read_whole(api: Api) -> None:
    body = gzip.compress(b'{"resu') + gzip.compress(b'lts":[1]}')
    api.answers.append(Answer(body=body, headers={"Content-Encoding": "gzip"}))
    assert client(api).get(ORDERS, parse) == [1]


def test_head_without_end_is_a_sentence(api: Api) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-A: " + b"y" * 60000 + b"\r\n")

    with serving(answer) as url:
        asking = client(api)
        asking.base_url = url
        with pytest.raises(PartitionFailed, match=r"no response \(127\.0\.0\.1: .*headers"):
            asking.get(ORDERS, parse)


# --- certificates and addresses -----------------------------------------------------------------


def test_certificate_nobody_trusts_is_named_at_once(api: Api, tmp_path: Path) -> None:
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

    def answer(connection: socket.socket) -> None:
        handshakes.append(1)
        context.wrap_socket(connection, server_side=True).recv(9999)

    with serving(answer) as url:
        asking = client(api)
        asking.base_url = url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(
            TapStopped, match=r"certificate .* not trusted \(localhost: self.signed"
        ):
            asking.get(ORDERS, parse)
    assert len(handshakes) == 1


def test_missing_file_of_certificates_is_a_sentence(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    asking = client(api)
    asking.base_url = "https://127.0.0.1:1"
    with pytest.raises(TapStopped, match=r"no file of trusted certificates.*/nowhere/ca\.pem"):
        asking.get(ORDERS, parse)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "*.example"])
def test_host_that_cannot_be_is_named_at_once(api: Api, host: str) -> None:
    asking = client(api)
    asking.base_url = f"https://{host}"
    with pytest.raises(TapStopped, match="names no valid host"):
        asking.get(ORDERS, parse)


def test_proxy_that_is_not_there_is_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    asking = client(api, errors=ErrorTable())
    asking.base_url = "https://api.example"
    with pytest.raises(PartitionFailed, match=r"api\.example: .*refused.*ProxyError"):
        asking.get(ORDERS, parse)


def test_log_line_is_written_whatever_is_given_along() -> None:
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
def test_clock_that_is_behind_bounds_bookmarks_and_the_one_ahead_bounds_filters(
    api: Api, date: str, earlier: str, later: str
) -> None:
    def year(moment: datetime) -> str:
        return "own" if abs(moment - datetime.now(timezone.utc)) < DAY else str(moment.year)

    asking = client(api)
    asking.get(ORDERS, parse)
    asking._date = date
    assert (year(asking.now), year(asking.latest)) == (earlier, later)
