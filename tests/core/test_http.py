"""Requests over real HTTP to a server that misbehaves."""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import logging
import re
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps import http
from commerce_taps.errors import (
    Action,
    ErrorResponse,
    ErrorTable,
    FilterNotSupported,
    PartitionFailed,
    PartitionForbidden,
    PartitionSkipped,
    RequestTooLarge,
    Rule,
    TapError,
    TapStopped,
)
from commerce_taps.http import Request, retry_after
from commerce_taps.threads import DaemonPool
from tests.core.server import (
    LARGEST,
    OK,
    ORDERS,
    SECRET,
    Clock,
    FakeResponse,
    FakeServer,
    make_client,
    make_limiter,
    parse,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from commerce_taps.http import Client


def get_all(
    client: Client, requests: Iterable[Request], parse: Callable[[bytes], Any]
) -> Iterator[Any]:
    return client.workers.run_all(partial(client.get, request, parse) for request in requests)


# --- one request --------------------------------------------------------------------------------


def test_request_with_body_is_posted(server: FakeServer) -> None:
    body = b'{"query":"{ orders { id } }"}'
    assert make_client(server).get(Request(("graphql",), body=body, stream="orders"), parse) == [1]
    assert server.bodies == [body]
    assert server.requests[0][1]["Content-Type"] == "application/json"


def test_repeated_parameter_is_sent_repeatedly(server: FakeServer) -> None:
    make_client(server).get(Request(("products",), [("extend[]", "a b"), ("extend[]", "c")]), parse)
    assert server.paths == ["/products?extend%5B%5D=a%20b&extend%5B%5D=c"]


def test_error_with_status_200_uses_error_table(server: FakeServer) -> None:
    def refused(body: bytes) -> list[int]:
        if b"refused" in body:
            raise ErrorResponse
        return parse(body)

    server.responses.append(FakeResponse(200, b"refused for good"))
    with pytest.raises(PartitionSkipped, match="not for you: refused for good"):
        make_client(server).get(ORDERS, refused)
    server.responses.append(FakeResponse(200, b"refused, no one knows why"))
    with pytest.raises(PartitionFailed, match=r"unexpected response HTTP 200 \(refused"):
        make_client(server).get(ORDERS, refused)


def test_pool_sends_requests_concurrently(server: FakeServer) -> None:
    first = threading.Event()

    def number(body: bytes) -> int:
        return parse(body)[0]

    server.responses.extend(
        FakeResponse(body=b'{"results":[%d]}' % number, before=before)
        for number, before in ((1, lambda: first.wait(5)), (2, first.set), (3, int))
    )
    assert sorted(get_all(make_client(server), [ORDERS] * 3, number)) == [1, 2, 3]
    assert first.is_set()  # the second request was sent before the first response


def test_first_failed_request_ends_the_others(server: FakeServer) -> None:
    requests = [Request((name,), stream="orders") for name in "abc"]
    only = make_client(server, workers=DaemonPool(1))
    server.responses.extend([FakeResponse(), FakeResponse(404, b"gone"), FakeResponse()])
    responses = get_all(only, requests, parse)
    assert next(responses) == [1]
    with pytest.raises(PartitionSkipped, match="gone"):
        next(responses)


def test_missing_resource_is_found_to_be_none(server: FakeServer) -> None:
    client = make_client(server)
    assert client.find(ORDERS, parse) == [1]
    server.responses.append(FakeResponse(404, b"gone"))
    assert client.find(ORDERS, parse) is None


def test_forbidden_resource_is_not_none(server: FakeServer) -> None:
    server.responses.append(FakeResponse(403, b"orders"))
    with pytest.raises(PartitionForbidden, match="the key may not read it: orders"):
        make_client(server).find(ORDERS, parse)


@pytest.mark.usefixtures("clock")
def test_timeout_of_divisible_request_is_retried_once(server: FakeServer) -> None:
    pages = replace(ORDERS, divisible=True)
    impatient = make_client(server, timeout=0.1)
    assert impatient.get(pages, parse) == [1]
    server.responses.extend(FakeResponse(before=lambda: time.sleep(0.5)) for _ in range(2))
    with pytest.raises(RequestTooLarge, match="no response within `request_timeout`"):
        impatient.get(pages, parse)
    assert len(server.requests) == 3
    server.responses.extend(FakeResponse(reset=True) for _ in range(2))
    assert impatient.get(pages, parse) == [1], (
        "a reset connection is retried as often as for any request"
    )


def test_concurrent_requests_keep_the_limit(server: FakeServer) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def count() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1

    server.responses.extend(FakeResponse(before=count) for _ in range(12))
    limiter = make_limiter(at_once=2)
    distinct = [Request(("x",), concurrency_key=str(number)) for number in range(12)]
    list(get_all(make_client(server, limiter=limiter, workers=DaemonPool(6)), distinct, parse))
    assert most == 2


FAILURES = {
    "server error": FakeResponse(500, b"oops"),
    "too many requests": FakeResponse(429, b"slow down"),
    "redirect": FakeResponse(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "connection reset": FakeResponse(reset=True),
    "body cut short": FakeResponse(body=OK[:5], announced=len(OK)),
    "chunks cut short": FakeResponse(chunked=True),
    "HTML with status 200": FakeResponse(body=b"<html>Please sign in</html>"),
    "JSON cut short": FakeResponse(body=OK[:-1]),
    "another envelope": FakeResponse(body=b'{"items":[]}'),
    "empty body": FakeResponse(body=b""),
    "not UTF-8": FakeResponse(body=b'{"results":[1],"x":"\xff"}'),
    "too large": FakeResponse(body=OK + b" " * LARGEST),
    "too large when unpacked": FakeResponse(
        body=gzip.compress(OK + b" " * (64 * LARGEST)), headers={"Content-Encoding": "gzip"}
    ),
    "packed wrongly": FakeResponse(body=OK, headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failure", FAILURES)
def test_failure_is_retried_and_logged(
    server: FakeServer, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.responses.extend([FAILURES[failure]] * 2)
    with caplog.at_level(logging.WARNING):
        assert make_client(server).get(ORDERS, parse) == [1]
    assert len(server.requests) == 3
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 2
    assert all(text.startswith("orders (companyId=c1): ") for text in logged)
    assert "try 2 of 3" in logged[0]
    assert "try 3 of 3" in logged[1]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failure", FAILURES)
def test_persistent_failure_ends_in_one_message(server: FakeServer, failure: str) -> None:
    server.responses.extend([FAILURES[failure]] * 5)
    with pytest.raises(TapError) as raised:
        make_client(server).get(ORDERS, parse)
    assert len(server.requests) == 3
    expected = TapStopped if failure == "too many requests" else PartitionFailed
    assert isinstance(raised.value, expected)
    assert raised.value.where == "orders (companyId=c1)"
    assert str(raised.value).endswith("(after 3 tries).")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (FakeResponse(401), TapStopped, "the key is wrong."),
        (FakeResponse(404, b"No data."), PartitionSkipped, "nothing there: No data."),
        (FakeResponse(404, b""), PartitionSkipped, "nothing there: no details given."),
        (FakeResponse(400, b"Could not resolve x"), FilterNotSupported, "Could not resolve x."),
        (FakeResponse(400, b"Malformed {0} {x}"), TapStopped, "not understood: Malformed {0} {x}."),
        (FakeResponse(418, b"tea"), PartitionFailed, "unexpected response HTTP 418 (tea)."),
        (
            FakeResponse(204, b""),
            PartitionFailed,
            "unexpected response HTTP 204 (no details given).",
        ),
    ],
    ids=["401", "404", "404 without a message", "400 filter", "400", "418", "204"],
)
def test_final_error_is_not_retried(
    server: FakeServer, response: FakeResponse, error: type[TapError], message: str
) -> None:
    server.responses.append(response)
    with pytest.raises(error) as raised:
        make_client(server).get(ORDERS, parse)
    assert raised.value.reason == message
    remedy = raised.value.remedy and f": {raised.value.remedy}."
    assert str(raised.value) == f"orders (companyId=c1): {message.rstrip('.')}{remedy or '.'}"
    assert len(server.requests) == 1


@pytest.mark.usefixtures("clock")
def test_missing_response_times_out(server: FakeServer) -> None:
    released = threading.Event()
    server.responses.append(FakeResponse(before=lambda: released.wait(5)))
    try:
        assert make_client(server, timeout=0.5).get(ORDERS, parse) == [1]
    finally:
        released.set()
    assert len(server.requests) >= 2


def test_refused_connection_has_a_message(clock: Clock) -> None:
    with running() as server:
        gone = make_client(server)
    with pytest.raises(PartitionFailed, match=r"no response \(127\.0\.0\.1: Connection refused"):
        gone.get(ORDERS, parse)
    assert clock.slept > 0


def test_request_has_headers_and_is_counted(server: FakeServer) -> None:
    client = make_client(server)
    client.get(ORDERS, parse)
    client.get(ORDERS, parse)
    _, headers = server.requests[0]
    assert headers["Authorization"] == SECRET
    assert headers["User-Agent"] == "tap-test/1"
    assert client.requests == {"orders": 2}


def test_connection_is_reused(server: FakeServer) -> None:
    client = make_client(server)
    server.responses.extend(
        [
            FakeResponse(),
            FakeResponse(body=gzip.compress(OK), headers={"Content-Encoding": "gzip"}),
            FakeResponse(404),
            FakeResponse(),
        ]
    )
    for _ in range(4):
        with contextlib.suppress(PartitionSkipped):
            client.get(ORDERS, parse)
    assert len(server.requests) == 4
    assert len(server.connections) == 1


@pytest.mark.usefixtures("clock")
def test_rejected_key_is_checked_again_once_accepted(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(server)
    client.get(ORDERS, parse)
    server.responses.append(FakeResponse(401))
    assert client.get(ORDERS, parse) == [1]
    server.responses.extend([FakeResponse(401)] * 2)
    with pytest.raises(TapStopped, match="the key is wrong"):
        client.get(ORDERS, parse)
    assert len(server.requests) == 5
    assert caplog.text.count("the key is wrong; try 2 of 2 in") == 2


@pytest.mark.usefixtures("clock")
def test_recheck_keeps_max_retries(server: FakeServer) -> None:
    client = make_client(server, errors=ErrorTable(Rule((401,), Action.STOP, "no", recheck=8)))
    client.get(ORDERS, parse)
    server.responses.extend([FakeResponse(401)] * 9)
    with pytest.raises(TapStopped):
        client.get(ORDERS, parse)
    assert len(server.requests) == 1 + 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("successes", "limit"), [(1, http.MAX_FAILURES), (0, http.MAX_FIRST_FAILURES)]
)
def test_unreachable_server_stops_the_run(successes: int, limit: int) -> None:
    with running() as server:
        gone = make_client(server)
        for _ in range(successes):
            server.responses.append(FakeResponse(headers={"Connection": "close"}))
            gone.get(ORDERS, parse)
    for _ in range(limit - 1):
        with pytest.raises(PartitionFailed):
            gone.get(ORDERS, parse)
    with pytest.raises(TapStopped, match="no response"):
        gone.get(ORDERS, parse)


@pytest.mark.usefixtures("clock")
def test_unreadable_address_stops_the_run(server: FakeServer) -> None:
    client = make_client(server)
    web_page = [FakeResponse(body=b"<html>")] * 3
    server.responses.extend([*web_page, FakeResponse(), *web_page, *web_page])
    with pytest.raises(PartitionFailed, match="begins with '<html>'"):
        client.get(ORDERS, parse)
    client.get(ORDERS, parse)
    for _ in range(2):
        with pytest.raises(PartitionFailed, match="begins with '<html>'"):
            client.get(ORDERS, parse)

    client = make_client(server)
    server.responses.extend([*web_page, *web_page])
    with pytest.raises(PartitionFailed, match="begins with '<html>'"):
        client.get(ORDERS, parse)
    with pytest.raises(TapStopped, match=r"begins with '<html>' \(2 requests in a row"):
        client.get(ORDERS, parse)


def test_redirect_is_not_followed(server: FakeServer, clock: Clock) -> None:
    del clock
    with running() as other:
        for status in (301, 302, 303, 307, 308):
            location = {"Location": f"{other.url}/elsewhere"}
            server.responses.extend([FakeResponse(status, b"", location)] * 3)
            with pytest.raises(PartitionFailed, match="redirect"):
                make_client(server).get(ORDERS, parse)
        assert other.requests == []


# --- addresses ----------------------------------------------------------------------------------

IDS = [
    "plain", "a/b", "a?b", "a#b", "50%", "%2F", "%2e%2e", "a b", " ", "a+b", "a&b=c", "ü", "日本",
    "\u00a0", "\u2003x", "a:b", "a;b", "a\\b", ".a", "a..b", "'\"<>", "~", "\n",
]  # fmt: skip


@pytest.mark.parametrize("an_id", IDS)
def test_id_in_path_arrives_unchanged(server: FakeServer, an_id: str) -> None:
    make_client(server).get(Request(("companies", an_id, "orders"), {"page": 1}), parse)
    path = urlsplit(server.paths[0]).path
    assert [unquote(part) for part in path.split("/")] == ["", "companies", an_id, "orders"]


@pytest.mark.parametrize("an_id", [".", "..", ""])
def test_id_that_climbs_path_is_rejected(server: FakeServer, an_id: str) -> None:
    """HTTP libraries and servers undo `%2E`, so no quoting helps."""
    with pytest.raises(PartitionFailed, match="cannot be part of an address"):
        make_client(server).get(Request(("companies", an_id, "orders")), parse)
    assert server.requests == []


@pytest.mark.parametrize("value", [*IDS, "modifiedDate>=2024-01-01T00:00:00Z&&a<b", ".", ".."])
def test_parameter_arrives_unchanged(server: FakeServer, value: str) -> None:
    make_client(server).get(Request(("x",), {"query": value, "page": 2}), parse)
    query = urlsplit(server.paths[0]).query
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=True) == [
        ("query", value),
        ("page", "2"),
    ]
    assert "+" not in query


# --- waiting ------------------------------------------------------------------------------------


def http_date(seconds: float) -> str:
    return email.utils.format_datetime(
        datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True
    )


def test_backoff_grows_and_varies(server: FakeServer, clock: Clock) -> None:
    waits = []
    for _ in range(5):
        server.responses.extend([FakeResponse(500)] * 2)
        before = clock.slept
        make_client(server).get(ORDERS, parse)
        waits.append(clock.slept - before)
    low, high = http.FIRST_BACKOFF * 0.5, http.FIRST_BACKOFF
    assert all(low * 2.5 <= wait <= high * 2.5 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("120", 120, 121), ("0", 0, 1), ("300", 300, 301), (lambda: http_date(100), 98, 101)],
    ids=["seconds", "at once", "longest", "date"],
)
def test_retry_after_is_kept(  # noqa: PLR0917 - fixtures and cases
    server: FakeServer,
    clock: Clock,
    status: int,
    header: str | Callable[[], str],
    least: int,
    most: int,
) -> None:
    value = header if isinstance(header, str) else header()
    server.responses.append(FakeResponse(status, headers={"Retry-After": value}))
    make_client(server).get(ORDERS, parse)
    assert least - 1e-6 <= clock.slept <= most


@pytest.mark.parametrize(
    "header", ["", "soon", "-5", "nan", "inf", "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "0x10",
               "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 99 Foo 2024"],
)  # fmt: skip
def test_absurd_retry_after_is_ignored(server: FakeServer, clock: Clock, header: str) -> None:
    server.responses.append(FakeResponse(429, headers={"Retry-After": header}))
    assert make_client(server).get(ORDERS, parse) == [1]
    assert 0 < clock.slept <= http.FIRST_BACKOFF


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_beyond_max_wait_stops_the_run(
    server: FakeServer, clock: Clock, form: str
) -> None:
    header = http_date(7200) if form == "date" else "7200"
    server.responses.append(FakeResponse(429, headers={"Retry-After": header}))
    with pytest.raises(TapStopped, match="longer than `max_wait` \\(300 s\\)") as raised:
        make_client(server).get(ORDERS, parse)
    assert clock.slept == 0
    assert len(server.requests) == 1
    found = re.search(r"until (\S+ \S+) UTC", raised.value.reason)
    assert found
    until = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)
    assert abs(until - datetime.now(timezone.utc) - timedelta(hours=2)) < timedelta(minutes=1)


def test_retry_after_pauses_all_clients(
    server: FakeServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = make_limiter()
    server.responses.append(FakeResponse(429, headers={"Retry-After": "60"}))
    first = make_client(server, limiter=limiter)

    with monkeypatch.context() as patch:
        patch.setattr(limiter, "sleep", lambda seconds: seconds / 0)  # gives up instead of waiting
        with pytest.raises(ZeroDivisionError):
            first.get(ORDERS, parse)
    assert clock.slept == 0
    make_client(server, limiter=limiter).get(ORDERS, parse)
    assert clock.slept == pytest.approx(60)


@given(st.text() | st.from_regex(r"\A\w{3}, \d{1,2} \w{3} \d+ \d+:\d+:\d+ [+-]?\w+\Z"))
def test_any_retry_after_is_seconds_or_none(value: str) -> None:
    seconds = retry_after(value)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("years", [-20, 0, 20])
@pytest.mark.parametrize("form", ["http", "unix", "iso"])
def test_retry_after_timestamp_goes_by_servers_clock(
    server: FakeServer, clock: Clock, years: int, form: str
) -> None:
    now = datetime.now(timezone.utc) + timedelta(days=365 * years)
    until = now + timedelta(seconds=90)
    values = {
        "http": email.utils.format_datetime(until, usegmt=True),
        "unix": f"{until.timestamp():.0f}",
        "iso": until.isoformat(),
    }
    date = email.utils.format_datetime(now, usegmt=True)
    server.responses.append(FakeResponse(429, headers={"Retry-After": values[form], "Date": date}))
    assert make_client(server).get(ORDERS, parse) == [1]
    assert clock.slept == pytest.approx(90, abs=2)


# --- errors of others -----------------------------------------------------------------------------

STRICT = ErrorTable(
    Rule((404, 409), Action.SKIP, "nothing there"),
    Rule((403,), Action.FORBIDDEN, "not for this key"),
    form=("status", "error"),
)
FOREIGN = {
    "a web server's page": b"<html><h1>404 Not Found</h1></html>",
    "an empty body": b"",
    "the JSON of a gateway": b'{"message":"no Route matched with those values"}',
    "a list": b'["status","error"]',
    "a text": b'"status error"',
    "a page with JSON in it": b'<html><script>{"status":404,"error":"x"}</script></html>',
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("status", [403, 404, 409])
@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN)
def test_error_in_foreign_form_is_a_failure(server: FakeServer, status: int, body: bytes) -> None:
    server.responses.extend([FakeResponse(status, body)] * 3)
    with pytest.raises(PartitionFailed, match=f"HTTP {status} in a form that is not the API's own"):
        make_client(server, errors=STRICT).get(ORDERS, parse)
    assert len(server.requests) == 3, "a gateway's refusal may pass"


@pytest.mark.parametrize("status", [403, 404, 409])
@pytest.mark.parametrize(
    "body",
    [b'{"status":404,"error":"x","more":1}', b'\xef\xbb\xbf\n {"error":null,"status":404}'],
    ids=["plain", "with a byte order mark"],
)
def test_error_in_api_form_is_ordinary(server: FakeServer, status: int, body: bytes) -> None:
    server.responses.append(FakeResponse(status, body))
    with pytest.raises(PartitionSkipped, match=r"nothing there|not for this key"):
        make_client(server, errors=STRICT).get(ORDERS, parse)
