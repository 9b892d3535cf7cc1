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
from tests.core.api import (
    LARGEST,
    OK,
    ORDERS,
    SECRET,
    Answer,
    Api,
    Clock,
    client,
    pacing,
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
            raise ErrorResponse
        return parse(body)

    api.answers.append(Answer(200, b"refused for good"))
    with pytest.raises(PartitionSkipped, match="not for you: refused for good"):
        client(api).get(ORDERS, refused)
    api.answers.append(Answer(200, b"refused, no one knows why"))
    with pytest.raises(PartitionFailed, match=r"unexpected response HTTP 200 \(refused"):
        client(api).get(ORDERS, refused)


def test_several_are_under_way_at_once(api: Api) -> None:
    first = threading.Event()

    def number(body: bytes) -> int:
        return parse(body)[0]

    api.answers.extend(
        Answer(body=b'{"results":[%d]}' % number, before=before)
        for number, before in ((1, lambda: first.wait(5)), (2, first.set), (3, int))
    )
    assert sorted(get_all(client(api), [ORDERS] * 3, number)) == [1, 2, 3]
    assert first.is_set()  # the first was answered after the second was asked


def test_of_several_the_first_failure_ends_it(api: Api) -> None:
    requests = [Request((name,), stream="orders") for name in "abc"]
    only = client(api, workers=DaemonPool(1))
    api.answers.extend([Answer(), Answer(404, b"gone"), Answer()])
    answers = get_all(only, requests, parse)
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
    with pytest.raises(PartitionForbidden, match="the key does not open it: orders"):
        client(api).find(ORDERS, parse)


@pytest.mark.usefixtures("clock")
def test_timeout_of_divisible_request_asks_for_less_after_one_retry(api: Api) -> None:
    pages = replace(ORDERS, divisible=True)
    impatient = client(api, timeout=0.1)
    assert impatient.get(pages, parse) == [1]
    api.answers.extend(Answer(before=lambda: time.sleep(0.5)) for _ in range(2))
    with pytest.raises(RequestTooLarge, match="no response within `request_timeout`"):
        impatient.get(pages, parse)
    assert len(api.requests) == 3
    api.answers.extend(Answer(reset=True) for _ in range(2))
    assert impatient.get(pages, parse) == [1], "a smaller request does not help a reset connection"


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
    paced = pacing(at_once=2)
    lanes = [Request(("x",), concurrency_key=str(number)) for number in range(12)]
    list(get_all(client(api, paced=paced, workers=DaemonPool(6)), lanes, parse))
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
    assert isinstance(raised.value, expected)
    assert raised.value.where == "orders (companyId=c1)"
    assert str(raised.value).endswith("(after 3 tries).")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (Answer(401), TapStopped, "the key is wrong."),
        (Answer(404, b"No data."), PartitionSkipped, "nothing there: No data."),
        (Answer(404, b""), PartitionSkipped, "nothing there: no details given."),
        (Answer(400, b"Could not resolve x"), FilterNotSupported, "Could not resolve x."),
        (Answer(400, b"Malformed {0} {x}"), TapStopped, "not understood: Malformed {0} {x}."),
        (Answer(418, b"tea"), PartitionFailed, "unexpected response HTTP 418 (tea)."),
        (Answer(204, b""), PartitionFailed, "unexpected response HTTP 204 (no details given)."),
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
    remedy = raised.value.remedy and f": {raised.value.remedy}."
    assert str(raised.value) == f"orders (companyId=c1): {sentence.rstrip('.')}{remedy or '.'}"
    assert len(api.requests) == 1


@pytest.mark.usefixtures("clock")
def test_an_answer_that_does_not_come_is_given_up(api: Api) -> None:
    released = threading.Event()
    api.answers.append(Answer(before=lambda: released.wait(5)))
    try:
        assert client(api, timeout=0.5).get(ORDERS, parse) == [1]
    finally:
        released.set()
    assert len(api.requests) >= 2


def test_nobody_there_is_a_sentence(clock: Clock) -> None:
    with running() as api:
        gone = client(api)
    with pytest.raises(PartitionFailed, match=r"no response \(127\.0\.0\.1: Connection refused"):
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
def test_a_key_that_was_good_a_moment_ago_is_doubted_not_refused(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    asking = client(api)
    asking.get(ORDERS, parse)
    api.answers.append(Answer(401))
    assert asking.get(ORDERS, parse) == [1]
    api.answers.extend([Answer(401)] * 2)
    with pytest.raises(TapStopped, match="the key is wrong"):
        asking.get(ORDERS, parse)
    assert len(api.requests) == 5
    assert caplog.text.count("the key is wrong; try 2 of 2 in") == 2


@pytest.mark.usefixtures("clock")
def test_nothing_is_doubted_more_often_than_requests_are_repeated(api: Api) -> None:
    asking = client(api, errors=ErrorTable(Rule((401,), Action.STOP, "no", recheck=8)))
    asking.get(ORDERS, parse)
    api.answers.extend([Answer(401)] * 9)
    with pytest.raises(TapStopped):
        asking.get(ORDERS, parse)
    assert len(api.requests) == 1 + 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("answers", "enough"), [(1, http.MAX_FAILURES), (0, http.MAX_FIRST_FAILURES)]
)
def test_a_server_that_is_gone_ends_the_run_after_some_requests(answers: int, enough: int) -> None:
    with running() as api:
        gone = client(api)
        for _ in range(answers):
            api.answers.append(Answer(headers={"Connection": "close"}))
            gone.get(ORDERS, parse)
    for _ in range(enough - 1):
        with pytest.raises(PartitionFailed):
            gone.get(ORDERS, parse)
    with pytest.raises(TapStopped, match="no response"):
        gone.get(ORDERS, parse)


@pytest.mark.usefixtures("clock")
def test_an_address_where_nothing_can_be_read_ends_the_run(api: Api) -> None:
    asking = client(api)
    web_page = [Answer(body=b"<html>")] * 3
    api.answers.extend([*web_page, Answer(), *web_page, *web_page])
    with pytest.raises(PartitionFailed, match="begins with '<html>'"):
        asking.get(ORDERS, parse)
    asking.get(ORDERS, parse)
    for _ in range(2):
        with pytest.raises(PartitionFailed, match="begins with '<html>'"):
            asking.get(ORDERS, parse)

    asking = client(api)
    api.answers.extend([*web_page, *web_page])
    with pytest.raises(PartitionFailed, match="begins with '<html>'"):
        asking.get(ORDERS, parse)
    with pytest.raises(TapStopped, match=r"begins with '<html>' \(2 requests in a row"):
        asking.get(ORDERS, parse)


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
    low, high = http.FIRST_BACKOFF * 0.5, http.FIRST_BACKOFF
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
    assert 0 < clock.slept <= http.FIRST_BACKOFF


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
    paced = pacing()
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


@pytest.mark.parametrize("years", [-20, 0, 20])
@pytest.mark.parametrize("form", ["http", "unix", "iso"])
def test_a_moment_to_wait_for_goes_by_the_clock_that_names_it(
    api: Api, clock: Clock, years: int, form: str
) -> None:
    now = datetime.now(timezone.utc) + timedelta(days=365 * years)
    until = now + timedelta(seconds=90)
    moments = {
        "http": email.utils.format_datetime(until, usegmt=True),
        "unix": f"{until.timestamp():.0f}",
        "iso": until.isoformat(),
    }
    date = email.utils.format_datetime(now, usegmt=True)
    api.answers.append(Answer(429, headers={"Retry-After": moments[form], "Date": date}))
    assert client(api).get(ORDERS, parse) == [1]
    assert clock.slept == pytest.approx(90, abs=2)


# --- whose answer it is ---------------------------------------------------------------------------

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
def test_refusal_in_a_foreign_form_is_a_failure(api: Api, status: int, body: bytes) -> None:
    api.answers.extend([Answer(status, body)] * 3)
    with pytest.raises(PartitionFailed, match=f"HTTP {status} in a form that is not the API's own"):
        client(api, errors=STRICT).get(ORDERS, parse)
    assert len(api.requests) == 3, "a gateway's refusal may pass"


@pytest.mark.parametrize("status", [403, 404, 409])
@pytest.mark.parametrize(
    "body",
    [b'{"status":404,"error":"x","more":1}', b'\xef\xbb\xbf\n {"error":null,"status":404}'],
    ids=["plain", "with a byte order mark"],
)
def test_refusal_in_the_apis_own_form_is_ordinary(api: Api, status: int, body: bytes) -> None:
    api.answers.append(Answer(status, body))
    with pytest.raises(PartitionSkipped, match=r"nothing there|not for this key"):
        client(api, errors=STRICT).get(ORDERS, parse)
