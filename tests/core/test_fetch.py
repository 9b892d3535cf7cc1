"""Requests over real HTTP to a server that misbehaves, and reading ahead in threads."""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import logging
import random
import re
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from commerce_taps import fetch
from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import (
    Action,
    ErrorTable,
    FilterRefused,
    Message,
    PartitionDenied,
    PartitionFailed,
    PartitionSkipped,
    Refused,
    Rule,
    TapError,
    TapStopped,
    TooMuchAsked,
)
from commerce_taps.fetch import Chain, Client, Governor, Prefetch, Request, Workers, retry_after
from commerce_taps.records import Page, open_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "Basic c2VjcmV0"
ERRORS = ErrorTable(
    Rule(range(300, 400), Action.RETRY, "the address answers with a redirect"),
    Rule((200,), Action.SKIP, "not for you: {message}", body=b"for good"),
    Rule((400,), Action.UNFILTER, "{message}", body=b"Could not resolve"),
    Rule((400,), Action.STOP, "not understood: {message}"),
    Rule((401,), Action.STOP, "the key is wrong", doubts=1),
    Rule((403,), Action.DENY, "the key does not open it: {message}"),
    Rule((404,), Action.SKIP, "nothing there: {message}"),
    Rule((429,), Action.RETRY, "too many requests", finally_=Action.STOP),
    Rule((500,), Action.RETRY, "a fault of its own: {message}"),
)
OK = b'{"results":[1]}'
LARGEST = 1 << 20

# --- a server -----------------------------------------------------------------------------------


@dataclass
class Answer:
    """What the server does with one request."""

    status: int = 200
    body: bytes = OK
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Length that is announced, if another than the body's."""
    chunked: bool = False
    """Begin a chunked body and break off."""
    reset: bool = False
    """Reset the connection instead of answering."""
    before: Callable[[], object] = lambda: None
    """Called before the answer."""

    def give(self, handler: BaseHTTPRequestHandler) -> None:
        if self.reset:
            handler.close_connection = True
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            return
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.chunked:
            handler.close_connection = True
            handler.send_header("Transfer-Encoding", "chunked")
        elif self.announced is not None:
            handler.close_connection = True
            handler.send_header("Content-Length", str(self.announced))
        else:
            handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(b"ff\r\n" + self.body if self.chunked else self.body)


class Api:
    """A server that gives prepared answers, and `OK` after the last."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.connections: set[object] = set()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body: bytes = b"") -> None:
                with api.lock:
                    api.requests.append((self.path, dict(self.headers)))
                    api.bodies.append(body)
                    api.connections.add(self.client_address)
                    answer = api.answers.popleft() if api.answers else Answer()
                answer.before()
                answer.give(self)

            @override
            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            @override
            def handle_error(self, request: Any, client_address: Any) -> None: ...

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextlib.contextmanager
def running() -> Iterator[Api]:
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        api.server.server_close()
        thread.join()


@pytest.fixture
def api() -> Iterator[Api]:
    with running() as api:
        yield api


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(fetch, "time", clock)
    return clock


def governor(
    *,
    per_minute: int = 0,
    at_once: int = 16,
    per_lane: int = 10,
    check: Callable[[], None] = lambda: None,
) -> Governor:
    return Governor(per_minute=per_minute, at_once=at_once, per_lane=per_lane, check=check)


def client(
    api: Api,
    *,
    paced: Governor | None = None,
    workers: Workers | None = None,
    errors: ErrorTable = ERRORS,
    timeout: float = 5.0,
) -> Client:
    return Client(
        api.url,
        auth=HeaderAuth(SECRET),
        errors=errors,
        headers={"User-Agent": "tap-test/1"},
        message=lambda body: Message(body[:20].decode(errors="replace")),
        governor=paced or governor(),
        workers=workers or Workers(3),
        logger=logging.getLogger("tap-test"),
        timeout=timeout,
        max_retries=2,
        max_wait=300,
        max_bytes=LARGEST,
    )


class Results(msgspec.Struct):
    results: list[int]


def parse(body: bytes) -> list[int]:
    return open_envelope(body, Results).results


ORDERS = Request(("companies", "c1", "orders"), stream="orders", context={"companyId": "c1"})

# --- one request --------------------------------------------------------------------------------


def test_a_request_with_a_body_is_posted(api: Api) -> None:
    body = b'{"query":"{ orders { id } }"}'
    assert client(api).get(Request(("graphql",), body=body, stream="orders"), parse) == [1]
    assert api.bodies == [body]
    assert api.requests[0][1]["Content-Type"] == "application/json"


def test_a_parameter_may_come_more_than_once(api: Api) -> None:
    client(api).get(Request(("products",), [("extend[]", "a b"), ("extend[]", "c")]), parse)
    assert api.paths == ["/products?extend%5B%5D=a%20b&extend%5B%5D=c"]


def test_a_refusal_in_a_200_is_a_row_of_the_table_like_any_other(api: Api) -> None:
    def refused(body: bytes) -> list[int]:
        if b"refused" in body:
            raise Refused
        return parse(body)

    api.answers.append(Answer(200, b"refused for good"))
    with pytest.raises(PartitionSkipped, match="not for you: refused for good"):
        client(api).get(ORDERS, refused)
    api.answers.append(Answer(200, b"refused, no one knows why"))
    with pytest.raises(PartitionFailed, match="unexpected answer HTTP 200: refused"):
        client(api).get(ORDERS, refused)


def test_several_are_under_way_at_once(api: Api) -> None:
    first = threading.Event()

    def number(body: bytes) -> int:
        return parse(body)[0]

    api.answers.extend(
        Answer(body=b'{"results":[%d]}' % number, before=before)
        for number, before in ((1, lambda: first.wait(5)), (2, first.set), (3, int))
    )
    assert sorted(client(api).each([ORDERS] * 3, number)) == [1, 2, 3]
    assert first.is_set()  # the first was answered after the second was asked


def test_of_several_the_first_failure_ends_it(api: Api) -> None:
    requests = [Request((name,), stream="orders") for name in "abc"]
    only = client(api, workers=Workers(1))
    api.answers.extend([Answer(), Answer(404, b"gone"), Answer()])
    answers = only.each(requests, parse)
    assert next(answers) == [1]
    with pytest.raises(PartitionSkipped, match="gone"):
        next(answers)


def test_what_is_not_there_is_found_to_be_none(api: Api) -> None:
    asked = client(api)
    assert asked.find(ORDERS, parse) == [1]
    api.answers.append(Answer(404, b"gone"))
    assert asked.find(ORDERS, parse) is None


def test_what_may_not_be_read_is_not_taken_for_nothing(api: Api) -> None:
    api.answers.append(Answer(403, b"orders"))
    with pytest.raises(PartitionDenied, match="the key does not open it: orders"):
        client(api).find(ORDERS, parse)


def test_an_answer_that_does_not_come_has_a_row_of_its_own(api: Api) -> None:
    rule = Rule((), Action.LESSEN, "too slow for so much ({message})")
    errors = ErrorTable(late=rule)
    api.answers.append(Answer(before=lambda: time.sleep(0.5)))
    with pytest.raises(TooMuchAsked, match="too slow for so much"):
        client(api, errors=errors, timeout=0.1).get(ORDERS, parse)
    api.answers.append(Answer(reset=True))
    assert client(api, errors=errors).get(ORDERS, parse) == [1]  # that was no matter of size


def test_no_more_are_under_way_at_once_than_allowed(api: Api) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def count() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1

    api.answers.extend(Answer(before=count) for _ in range(12))
    paced = governor(at_once=2)
    lanes = [Request(("x",), lane=str(number)) for number in range(12)]
    list(client(api, paced=paced, workers=Workers(6)).each(lanes, parse))
    assert most == 2


FAILURES = {
    "server error": Answer(500, b"oops"),
    "too many requests": Answer(429, b"slow down"),
    "redirect": Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "connection reset": Answer(reset=True),
    "body cut short": Answer(body=OK[:5], announced=len(OK)),
    "chunks cut short": Answer(chunked=True),
    "HTML with status 200": Answer(body=b"<html>Please sign in</html>"),
    "JSON cut short": Answer(body=OK[:-1]),
    "another envelope": Answer(body=b'{"items":[]}'),
    "empty body": Answer(body=b""),
    "not UTF-8": Answer(body=b'{"results":[1],"x":"\xff"}'),
    "too large": Answer(body=OK + b" " * LARGEST),
    "too large when unpacked": Answer(
        body=gzip.compress(OK + b" " * (64 * LARGEST)), headers={"Content-Encoding": "gzip"}
    ),
    "packed wrongly": Answer(body=OK, headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_repeated_and_told(
    api: Api, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.answers.extend([FAILURES[failure]] * 2)
    with caplog.at_level(logging.WARNING):
        assert client(api).get(ORDERS, parse) == [1]
    assert len(api.requests) == 3
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert all(text.startswith("orders (companyId=c1): ") for text in told)
    assert "try 2 of 3" in told[0]
    assert "try 3 of 3" in told[1]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_that_stays_ends_in_a_sentence(api: Api, failure: str) -> None:
    api.answers.extend([FAILURES[failure]] * 5)
    with pytest.raises(TapError) as raised:
        client(api).get(ORDERS, parse)
    assert len(api.requests) == 3
    expected = TapStopped if failure == "too many requests" else PartitionFailed
    assert type(raised.value) is expected
    assert raised.value.where == "orders (companyId=c1)"
    assert str(raised.value).endswith("(after 3 tries).")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (Answer(401), TapStopped, "the key is wrong."),
        (Answer(404, b"No data."), PartitionSkipped, "nothing there: No data."),
        (Answer(404, b""), PartitionSkipped, "nothing there: no details given."),
        (Answer(400, b"Could not resolve x"), FilterRefused, "Could not resolve x."),
        (Answer(400, b"Malformed {0} {x}"), TapStopped, "not understood: Malformed {0} {x}."),
        (Answer(418, b"tea"), PartitionFailed, "unexpected answer HTTP 418: tea."),
        (Answer(204, b""), PartitionFailed, "unexpected answer HTTP 204: no details given."),
    ],
    ids=["401", "404", "404 without a word", "400 filter", "400", "418", "204"],
)
def test_what_is_final_is_asked_once(
    api: Api, answer: Answer, error: type[TapError], sentence: str
) -> None:
    api.answers.append(answer)
    with pytest.raises(error) as raised:
        client(api).get(ORDERS, parse)
    assert raised.value.reason == sentence
    assert str(raised.value) == f"orders (companyId=c1): {sentence}"
    assert len(api.requests) == 1


@pytest.mark.usefixtures("clock")
def test_an_answer_that_does_not_come_is_given_up(api: Api) -> None:
    released = threading.Event()
    api.answers.append(Answer(before=released.wait))
    try:
        assert client(api, timeout=0.5).get(ORDERS, parse) == [1]
    finally:
        released.set()
    assert len(api.requests) >= 2


def test_nobody_there_is_a_sentence(clock: Clock) -> None:
    with running() as api:
        gone = client(api)
    with pytest.raises(PartitionFailed, match=r"no answer \(ConnectionError\)"):
        gone.get(ORDERS, parse)
    assert clock.slept > 0


def test_what_every_request_carries_and_counts(api: Api) -> None:
    asking = client(api)
    asking.get(ORDERS, parse)
    asking.get(ORDERS, parse)
    _, headers = api.requests[0]
    assert headers["Authorization"] == SECRET
    assert headers["User-Agent"] == "tap-test/1"
    assert asking.requests == {"orders": 2}


def test_a_connection_is_used_again(api: Api) -> None:
    asking = client(api)
    api.answers.extend(
        [
            Answer(),
            Answer(body=gzip.compress(OK), headers={"Content-Encoding": "gzip"}),
            Answer(404),
            Answer(),
        ]
    )
    for _ in range(4):
        with contextlib.suppress(PartitionSkipped):
            asking.get(ORDERS, parse)
    assert len(api.requests) == 4
    assert len(api.connections) == 1


@pytest.mark.usefixtures("clock")
def test_a_key_that_was_good_a_moment_ago_is_doubted_not_refused(api: Api) -> None:
    asking = client(api)
    asking.get(ORDERS, parse)
    api.answers.append(Answer(401))
    assert asking.get(ORDERS, parse) == [1]
    api.answers.extend([Answer(401)] * 2)
    with pytest.raises(TapStopped, match="the key is wrong"):
        asking.get(ORDERS, parse)
    assert len(api.requests) == 5


@pytest.mark.usefixtures("clock")
def test_a_server_that_is_gone_ends_the_run_after_some_requests() -> None:
    with running() as api:
        gone = client(api)
    for _ in range(fetch.UNREACHABLE - 1):
        with pytest.raises(PartitionFailed):
            gone.get(ORDERS, parse)
    with pytest.raises(TapStopped, match="no answer"):
        gone.get(ORDERS, parse)


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(api: Api, clock: Clock) -> None:
    del clock
    with running() as other:
        for status in (301, 302, 303, 307, 308):
            location = {"Location": f"{other.url}/elsewhere"}
            api.answers.extend([Answer(status, b"", location)] * 3)
            with pytest.raises(PartitionFailed, match="redirect"):
                client(api).get(ORDERS, parse)
        assert other.requests == []


# --- addresses ----------------------------------------------------------------------------------

IDS = [
    "plain", "a/b", "a?b", "a#b", "50%", "%2F", "%2e%2e", "a b", " ", "a+b", "a&b=c", "ü", "日本",
    "\u00a0", "\u2003x", "a:b", "a;b", "a\\b", ".a", "a..b", "'\"<>", "~", "\n",
]  # fmt: skip


@pytest.mark.parametrize("an_id", IDS)
def test_an_id_arrives_as_it_is(api: Api, an_id: str) -> None:
    client(api).get(Request(("companies", an_id, "orders"), {"page": 1}), parse)
    path = urlsplit(api.paths[0]).path
    assert [unquote(part) for part in path.split("/")] == ["", "companies", an_id, "orders"]


@pytest.mark.parametrize("an_id", [".", "..", ""])
def test_an_id_that_would_climb_the_path_is_not_asked_for(api: Api, an_id: str) -> None:
    """HTTP libraries and servers undo `%2E`, so no quoting helps."""
    with pytest.raises(PartitionFailed, match="cannot be part of an address"):
        client(api).get(Request(("companies", an_id, "orders")), parse)
    assert api.requests == []


@pytest.mark.parametrize("value", [*IDS, "modifiedDate>=2024-01-01T00:00:00Z&&a<b", ".", ".."])
def test_a_parameter_arrives_as_it_is(api: Api, value: str) -> None:
    client(api).get(Request(("x",), {"query": value, "page": 2}), parse)
    query = urlsplit(api.paths[0]).query
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


def test_waits_grow_and_differ(api: Api, clock: Clock) -> None:
    waits = []
    for _ in range(5):
        api.answers.extend([Answer(500)] * 2)
        before = clock.slept
        client(api).get(ORDERS, parse)
        waits.append(clock.slept - before)
    low, high = fetch.FIRST_WAIT * 0.5, fetch.FIRST_WAIT
    assert all(low * 2.5 <= wait <= high * 2.5 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("120", 120, 121), ("0", 0, 1), ("300", 300, 301), (lambda: http_date(100), 98, 101)],
    ids=["seconds", "at once", "longest", "date"],
)
def test_the_wait_the_api_asks_for_is_kept(  # noqa: PLR0917 - fixtures and cases
    api: Api, clock: Clock, status: int, header: str | Callable[[], str], least: int, most: int
) -> None:
    value = header if isinstance(header, str) else header()
    api.answers.append(Answer(status, headers={"Retry-After": value}))
    client(api).get(ORDERS, parse)
    assert least - 1e-6 <= clock.slept <= most


@pytest.mark.parametrize(
    "header", ["", "soon", "-5", "nan", "inf", "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "0x10",
               "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 99 Foo 2024"],
)  # fmt: skip
def test_an_absurd_wait_counts_as_none(api: Api, clock: Clock, header: str) -> None:
    api.answers.append(Answer(429, headers={"Retry-After": header}))
    assert client(api).get(ORDERS, parse) == [1]
    assert 0 < clock.slept <= fetch.FIRST_WAIT


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_beyond_the_longest_stops_and_says_until_when(
    api: Api, clock: Clock, form: str
) -> None:
    header = http_date(7200) if form == "date" else "7200"
    api.answers.append(Answer(429, headers={"Retry-After": header}))
    with pytest.raises(TapStopped, match="longer than `max_wait` \\(300 s\\)") as raised:
        client(api).get(ORDERS, parse)
    assert clock.slept == 0
    assert len(api.requests) == 1
    found = re.search(r"until (\S+ \S+) UTC", raised.value.reason)
    assert found
    until = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)
    assert abs(until - datetime.now(timezone.utc) - timedelta(hours=2)) < timedelta(minutes=1)


def test_a_wait_asked_of_one_holds_back_all(
    api: Api, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced = governor()
    api.answers.append(Answer(429, headers={"Retry-After": "60"}))
    first = client(api, paced=paced)

    with monkeypatch.context() as patch:
        patch.setattr(paced, "sleep", lambda seconds: seconds / 0)  # gives up instead of waiting
        with pytest.raises(ZeroDivisionError):
            first.get(ORDERS, parse)
    assert clock.slept == 0
    client(api, paced=paced).get(ORDERS, parse)
    assert clock.slept == pytest.approx(60)


@given(st.text() | st.from_regex(r"\A\w{3}, \d{1,2} \w{3} \d+ \d+:\d+:\d+ [+-]?\w+\Z"))
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    seconds = retry_after(value)
    assert seconds is None or seconds >= 0


# --- the governor -------------------------------------------------------------------------------


@given(st.integers(1, 5), st.lists(st.sampled_from([0.0, 0.125, 5.0, 30.0, 61.0]), max_size=30))
def test_no_minute_has_more_requests_than_allowed(per_minute: int, gaps: list[float]) -> None:
    clock = Clock()
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch, "time", clock)
        patch.setattr(fetch, "TICK", 0.25)  # sums of these are exact
        paced = governor(per_minute=per_minute)
        for gap in gaps:
            clock.now += gap
            due = clock.now
            with paced.turn("lane"):
                sent.append(clock.now)
            if len(sent) <= per_minute or due - sent[-1 - per_minute] >= 60:
                assert sent[-1] == due, "waited without need"
    for first, beyond in zip(sent, sent[per_minute:], strict=False):
        assert beyond - first >= 60


def test_zero_is_no_limit(clock: Clock) -> None:
    paced = governor(per_minute=0)
    for _ in range(5000):
        with paced.turn("lane"):
            pass
    assert clock.slept == 0


def in_threads(works: list[Callable[[], object]]) -> None:
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert errors == []


def test_a_lane_holds_as_many_requests_as_allowed_and_no_more(api: Api) -> None:
    there, released = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        there.release()
        assert released.wait(10)

    def watch() -> None:
        try:
            assert all(there.acquire(timeout=10) for _ in range(3))
            assert not there.acquire(timeout=0.2), "a fourth at the same time"
        finally:
            released.set()

    api.answers.extend(Answer(before=hold) for _ in range(6))
    asking = client(api, paced=governor(per_lane=3))
    request = Request(("x",), lane="c1")
    in_threads([watch, *[lambda: asking.get(request, parse)] * 6])
    assert len(api.requests) == 6


def test_a_full_lane_does_not_hold_back_another(api: Api) -> None:
    there, released = threading.Event(), threading.Event()

    def hold() -> None:
        there.set()
        assert released.wait(10)

    api.answers.append(Answer(before=hold))
    asking = client(api, paced=governor(per_lane=1))

    def other() -> None:
        assert there.wait(10)
        asking.get(Request(("other",), lane="c2"), parse)
        released.set()

    in_threads([lambda: asking.get(Request(("x",), lane="c1"), parse), other])
    assert len(api.requests) == 2


@pytest.mark.usefixtures("clock")
def test_a_run_that_ends_ends_every_wait(api: Api) -> None:
    def interrupted() -> None:
        msg = "interrupted"
        raise TapStopped(msg)

    api.answers.append(Answer(429, headers={"Retry-After": "200"}))
    paced = governor(check=interrupted)
    with pytest.raises(TapStopped, match="interrupted"):
        client(api, paced=paced).get(ORDERS, parse)
    assert paced.waiting == 0


# --- reading ahead ------------------------------------------------------------------------------


class Reading:
    """Partitions read through a `Prefetch`, and what went on meanwhile."""

    def __init__(
        self,
        partitions: dict[int, int | BaseException],
        concurrency: int,
        *,
        latency: Callable[[], float] = lambda: 0.0,
        tick: Callable[[], None] = lambda: None,
        before: Callable[[int, int], object] = lambda *_: None,
    ) -> None:
        """Plan partitions of so many pages; an error comes after the first page."""
        self.partitions = partitions
        self.lock = threading.Lock()
        self.planned = self.waiting = self.most_waiting = 0
        self.latency, self.before = latency, before
        self.prefetch = Prefetch(self.plan(), concurrency, tick)

    def plan(self) -> Iterator[Chain]:
        for key, pages in self.partitions.items():
            self.planned += 1
            yield Chain(key, self.read(key, pages))

    def asked(self, change: int) -> None:
        with self.lock:
            self.waiting += change
            self.most_waiting = max(self.waiting, self.most_waiting)

    def read(self, key: int, pages: int | BaseException) -> Iterator[Page]:
        count = pages if isinstance(pages, int) else 1
        for number in range(count):
            self.asked(1)
            time.sleep(self.latency())
            self.before(key, number)
            yield Page([msgspec.Raw(b"%d.%d" % (key, number))])
        if isinstance(pages, BaseException):
            raise pages

    def pages(self, key: int) -> Iterator[bytes]:
        for page in self.prefetch.pages(key):
            self.asked(-1)
            yield bytes(page.records[0])

    def all(self, key: int) -> list[bytes]:
        return list(self.pages(key))


def numbered(key: int, count: int) -> list[bytes]:
    return [b"%d.%d" % (key, number) for number in range(count)]


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_pages_come_in_the_same_order_however_long_each_takes(concurrency: int) -> None:
    sizes: dict[int, int | BaseException] = {key: (key * 7) % 5 for key in range(40)}
    chance = random.Random(concurrency)  # noqa: S311
    reading = Reading(sizes, concurrency, latency=lambda: chance.random() / 500)
    read = [page for key in sizes for page in reading.pages(key)]
    assert read == [page for key in sizes for page in numbered(key, (key * 7) % 5)]
    assert 1 <= reading.most_waiting <= concurrency


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_no_more_partitions_are_opened_than_may_be(concurrency: int) -> None:
    reading = Reading(dict.fromkeys(range(50), 1), concurrency)
    for done, key in enumerate(range(50)):
        for _ in reading.pages(key):
            assert reading.planned <= done + concurrency
    assert reading.planned == 50


def test_partitions_are_read_at_the_same_time() -> None:
    together = threading.Barrier(4)

    def meet(_: int, number: int) -> None:
        if number == 0:
            together.wait(10)

    reading = Reading(dict.fromkeys(range(8), 2), 4, before=meet)
    assert [reading.all(key) for key in range(8)] == [numbered(key, 2) for key in range(8)]


def test_the_next_page_is_asked_for_while_one_is_emitted() -> None:
    second = threading.Event()

    def note(_: int, number: int) -> None:
        if number == 1:
            second.set()

    reading = Reading({0: 2}, 1, before=note)
    pages = reading.pages(0)
    assert next(pages) == b"0.0"
    assert second.wait(10)
    assert next(pages) == b"0.1"


@pytest.mark.parametrize("error", [PartitionFailed("no"), ValueError("no"), SystemExit(3)])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_error_reaches_its_own_partition_only(error: BaseException, concurrency: int) -> None:
    reading = Reading({0: 2, 1: error, 2: 3}, concurrency)
    assert reading.all(0) == numbered(0, 2)
    pages = reading.pages(1)
    assert next(pages) == b"1.0"
    with pytest.raises(type(error), match=r"no|3"):
        next(pages)
    assert reading.all(2) == numbered(2, 3)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_partition_given_up_early_leaves_the_others_whole(concurrency: int) -> None:
    reading = Reading({0: 5, 1: 3, 2: 3, 3: 3}, concurrency)
    pages = reading.prefetch.pages(0)
    next(pages)
    del pages
    assert reading.all(1) == numbered(1, 3)
    assert reading.all(3) == numbered(3, 3), "one that nobody asked for is passed over"


def test_a_partition_that_was_not_planned_is_an_error() -> None:
    with pytest.raises(KeyError):
        next(Reading({0: 1}, 2).pages(7))


def test_waiting_is_interrupted_by_what_is_due() -> None:
    ticked = threading.Event()
    reading = Reading({0: 1}, 1, tick=ticked.set, before=lambda *_: ticked.wait(10))
    assert reading.all(0) == numbered(0, 1)
    assert ticked.is_set()

    def interrupted() -> None:
        msg = "interrupted"
        raise TapStopped(msg)

    released = threading.Event()
    stopping = Reading({0: 1}, 1, tick=interrupted, before=lambda *_: released.wait(10))
    try:
        with pytest.raises(TapStopped, match="interrupted"):
            stopping.all(0)
    finally:
        released.set()


def test_no_thread_keeps_the_process_alive_or_outlives_the_last_partition() -> None:
    before = set(threading.enumerate())
    reading = Reading({0: 1, 1: 2}, 3)
    started = set(threading.enumerate()) - before
    assert len(started) == 3
    assert all(thread.daemon for thread in started)
    reading.all(0)
    reading.all(1)
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()
