"""Faults as bytes, read with a plain socket: no client hides anything."""

from __future__ import annotations

import base64
import email.utils
import gzip
import json
import socket
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from commerce_sandbox import FaultOptions, Sandbox
from commerce_sandbox.faults import FAULTS, PROFILES
from tests.sandbox.support import run_command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIST = "/companies?page=1&pageSize=5"
TRIES = 60
"""Enough requests to draw each variant of a fault."""


class Reply:
    """The bytes of the response to one request, to the end of the connection."""

    def __init__(self, raw: bytes, *, was_reset: bool) -> None:
        self.raw = raw
        self.was_reset = was_reset
        head, self.has_head, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1]) if self.has_head else 0
        self.headers = dict(line.lower().split(": ", 1) for line in lines)

    @property
    def announced(self) -> int:
        return int(self.headers["content-length"])

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


def connect(sandbox: Sandbox, target: str = LIST, timeout: float = 20) -> socket.socket:
    """Send a request over a connection of its own."""
    url = urlsplit(sandbox.codat_url)
    key = base64.b64encode(sandbox.api_key.encode()).decode()
    lines = (
        f"GET {url.path}{target} HTTP/1.1",
        f"host: {url.netloc}",
        f"authorization: Basic {key}",
        "connection: close",
    )
    one = socket.create_connection((url.hostname, url.port), timeout=timeout)
    one.sendall("\r\n".join([*lines, "", ""]).encode())
    return one


def request(sandbox: Sandbox, target: str = LIST) -> Reply:
    raw, was_reset = b"", False
    with connect(sandbox, target) as one:
        try:
            while data := one.recv(65536):
                raw += data
        except ConnectionResetError:
            was_reset = True
    return Reply(raw, was_reset=was_reset)


@pytest.fixture
def faulty() -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox in which every request meets a fault."""
    running: list[Sandbox] = []

    def start(profile: str, **measures: Any) -> Sandbox:  # noqa: ANN401
        options = FaultOptions(**{"profile": profile, "share": 1.0, "wait": 0.2, **measures})
        running.append(Sandbox(scale=0.1, faults=options).__enter__())
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.__exit__(None, None, None)


def replies(sandbox: Sandbox, target: str = LIST, tries: int = TRIES) -> list[Reply]:
    return [request(sandbox, target) for _ in range(tries)]


def right(target: str = LIST) -> bytes:
    """The response without faults."""
    with Sandbox(scale=0.1) as honest:
        return request(honest, target).body


# --- statuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "status", "kind"),
    [
        ("timeout", 408, "text/plain"),
        ("server-error", 500, "application/json"),
        ("bad-gateway", 502, "text/html"),
        ("unavailable", 503, "application/json"),
    ],
)
def test_status_fault_sends_status_and_type(
    faulty: Callable[..., Sandbox], profile: str, status: int, kind: str
) -> None:
    sandbox = faulty(profile)
    reply = request(sandbox)
    assert (reply.status, reply.headers["content-type"]) == (status, kind)
    assert reply.announced == len(reply.body)
    (logged,) = sandbox.requests
    assert (logged.status, logged.fault) == (status, profile)


def test_too_many_requests_varies_retry_after(faulty: Callable[..., Sandbox]) -> None:
    found = replies(faulty("too-many-requests"))
    assert {reply.status for reply in found} == {429}
    values = {reply.headers.get("retry-after") for reply in found}
    assert {None, "0.2", "soon", "999999999"} <= values
    assert any(value and email.utils.parsedate_tz(value) for value in values)


def test_expired_token_strikes_once_after_success(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("expired-token")
    key = base64.b64encode(sandbox.api_key.encode()).decode()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Basic {key}"
        paths = ["/companies", "/integrations", "/integrations", "/integrations"]
        found = [session.get(sandbox.codat_url + path, timeout=20).status_code for path in paths]
    assert found == [200, 401, 200, 200]


def test_redirect_leads_to_other_host(
    faulty: Callable[..., Sandbox],
) -> None:
    sandbox = faulty("redirect")
    found = replies(sandbox)
    assert {reply.status for reply in found} == {301, 302, 303, 307, 308}
    (location,) = {reply.headers["location"] for reply in found}
    assert urlsplit(location).netloc != urlsplit(sandbox.url).netloc
    assert sandbox.strayed == []
    requests.get(location, headers={"Authorization": "Basic eA=="}, timeout=20)
    (stray,) = sandbox.strayed
    assert "authorization: basic ea==" in stray.lower()


# --- connections --------------------------------------------------------------------------------


def test_refused_stops_listening_for_a_while(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("refused", wait=0.5)
    assert request(sandbox).was_reset
    with pytest.raises(ConnectionRefusedError):
        request(sandbox)
    for _ in range(1000):
        time.sleep(0.01)
        with suppress(ConnectionRefusedError):
            assert request(sandbox).was_reset
            break
    else:
        pytest.fail("nobody listens any more")


def test_closed_sends_no_bytes(faulty: Callable[..., Sandbox]) -> None:
    reply = request(faulty("closed"))
    assert (reply.raw, reply.was_reset) == (b"", False)


def test_reset_sends_no_bytes(faulty: Callable[..., Sandbox]) -> None:
    reply = request(faulty("reset"))
    assert (reply.raw, reply.was_reset) == (b"", True)


@pytest.mark.parametrize(("profile", "was_reset"), [("reset-in-body", True), ("cut-short", False)])
def test_cut_body_ends_before_announced_length(
    faulty: Callable[..., Sandbox], profile: str, *, was_reset: bool
) -> None:
    sandbox = faulty(profile)
    whole = right()
    for reply in replies(sandbox, tries=10):
        assert (reply.status, reply.was_reset) == (200, was_reset)
        assert reply.announced == len(whole)
        assert 0 < len(reply.body) < len(whole)
        assert whole.startswith(reply.body)


def test_broken_chunks_lack_last_chunk(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("broken-chunks")
    for reply in replies(sandbox):
        assert reply.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in reply.headers
        assert not reply.raw.endswith(b"0\r\n\r\n")
    with pytest.raises(requests.RequestException):
        requests.get(f"{sandbox.codat_url}/companies", timeout=20)


def test_broken_gzip_cannot_be_decompressed(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("broken-gzip")
    for reply in replies(sandbox):
        assert reply.headers["content-encoding"] == "gzip"
        assert reply.announced == len(reply.body)
        with pytest.raises((OSError, EOFError, zlib.error)):
            gzip.decompress(reply.body)


def test_stall_precedes_or_splits_response(faulty: Callable[..., Sandbox]) -> None:
    """A stall of no length delays nothing; a long one ends the response before it."""
    brief, long = faulty("stall", stall=0.0), faulty("stall", stall=600.0)
    whole = right()
    assert [json.loads(reply.body) for reply in replies(brief, tries=10)] == [
        json.loads(whole)
    ] * 10
    parts = set()
    for _ in range(10):
        with connect(long, timeout=0.3) as one:
            try:
                parts.add(one.recv(65536)[:4])
            except TimeoutError:
                parts.add(b"")
    assert parts == {b"HTTP", b""}


# --- bodies -------------------------------------------------------------------------------------


def test_empty_sends_200_without_body(faulty: Callable[..., Sandbox]) -> None:
    reply = request(faulty("empty"))
    assert (reply.status, reply.body, reply.announced) == (200, b"", 0)


def test_cut_json_has_matching_length(faulty: Callable[..., Sandbox]) -> None:
    for reply in replies(faulty("cut-json"), tries=10):
        assert reply.announced == len(reply.body) > 0
        with pytest.raises(ValueError, match=r"."):
            json.loads(reply.body)


@pytest.mark.parametrize("target", [LIST, "/companies/{company}/dataStatus"])
def test_wrong_shape_is_valid_json(faulty: Callable[..., Sandbox], target: str) -> None:
    sandbox = faulty("wrong-shape")
    target = target.format(company=sandbox.truth("companies")[0]["id"])
    whole = json.loads(right(target))
    found = [reply.json for reply in replies(sandbox, target)]
    assert len({json.dumps(one) for one in found}) >= 5
    for one in found:
        assert one != whole
        if "results" in whole and isinstance(one, dict) and "results" in one:
            rows = one["results"]
            assert not isinstance(rows, list) or all(not isinstance(row, dict) for row in rows)


def test_null_results_keep_total(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("null-results")
    reply = request(sandbox)
    assert reply.json["results"] is None
    assert reply.json["totalResults"] == 12
    company = sandbox.truth("companies")[0]["id"]
    assert request(sandbox, f"/companies/{company}/dataStatus").body == b"null"


def test_repeated_page_sends_previous_page(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("repeated-page")
    first = request(sandbox).json
    second = request(sandbox, "/companies?page=2&pageSize=5").json
    third = request(sandbox, "/companies?page=3&pageSize=5").json
    assert [page["pageNumber"] for page in (first, second, third)] == [1, 1, 2]
    assert second == first


def test_endless_always_links_next(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("endless")
    for number in (1, 2, 3):
        for reply in replies(sandbox, f"/companies?page={number}&pageSize=5", tries=10):
            assert f"page={number + 1}" not in reply.json["_links"]["next"]["href"]
            assert reply.json["pageNumber"] == number


def test_false_total_varies_total(faulty: Callable[..., Sandbox]) -> None:
    totals = {reply.json["totalResults"] for reply in replies(faulty("false-total"))}
    assert totals == {0, 11, 13, 1012, -1}


def test_bad_numbers_are_no_json(faulty: Callable[..., Sandbox]) -> None:
    bodies = b"".join(reply.body for reply in replies(faulty("bad-numbers")))
    for number in (b":NaN", b":Infinity", b":-1e999", b":" + b"9" * 400, b":0x1F"):
        assert number in bodies


def test_bad_utf8_cannot_be_decoded(faulty: Callable[..., Sandbox]) -> None:
    for reply in replies(faulty("bad-utf8"), tries=20):
        with pytest.raises(UnicodeDecodeError):
            reply.body.decode()


def test_huge_body_holds_correct_page(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("huge", size=3_000_000)
    whole, fillings = json.loads(right()), set()
    for reply in replies(sandbox, tries=10):
        assert len(reply.body) > 3_000_000
        page = reply.json
        fillings.add(page.pop("debug", "")[:1])
        assert page == whole
    assert fillings == {"", "."}


def test_deep_body_is_nested(faulty: Callable[..., Sandbox]) -> None:
    reply = request(faulty("deep"))
    assert b"[" * 2000 + b"]" * 2000 in reply.body
    assert reply.announced == len(reply.body)


# --- profiles -----------------------------------------------------------------------------------


def _faults(profile: str, seed: int, paths: list[str]) -> dict[str, list[str]]:
    options = FaultOptions(profile=profile, seed=seed, stall=0.0, wait=0.0, size=10)
    with Sandbox(scale=0.1, faults=options) as sandbox:
        for path in paths:
            with suppress(ConnectionRefusedError):
                request(sandbox, path)
        met: dict[str, list[str]] = {}
        for one in sandbox.requests:
            met.setdefault(one.raw_query, []).append(one.fault)
        return met


def test_fault_depends_on_seed_and_request_only() -> None:
    """In another order, each request meets the same fault, the first time and again."""
    paths = [f"/companies?page=1&pageSize={size}" for size in range(1, 41)] * 2
    one = _faults("hostile", 1, paths)
    assert one == _faults("hostile", 1, paths[::-1])
    assert one != _faults("hostile", 2, paths)
    met = [fault for faults in one.values() for fault in faults]
    assert 10 < sum(map(bool, met)) < 40
    assert len(set(met)) > 8


def test_no_profile_injects_no_fault(sandbox: Sandbox) -> None:
    before = len(sandbox.requests)
    assert all(reply.status == 200 for reply in replies(sandbox, tries=5))
    assert {one.fault for one in sandbox.requests[before:]} == {""}


def test_faults_command_lists_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line("faults") == 0
    output = capsys.readouterr().out
    assert [line.split()[0] for line in output.splitlines()] == list(PROFILES)
    assert set(FAULTS) | {"none", "flaky", "hostile"} == set(PROFILES)
    assert all(len(line.split()) > 3 for line in output.splitlines())


def test_command_line_takes_profile_and_seed(tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    script.write_text("""
import os, urllib.error, urllib.request
for _ in range(30):
    try:
        urllib.request.urlopen(os.environ["TAP_CODAT_API_URL"] + "/companies")
    except urllib.error.HTTPError as error:
        print(error.code)
""")
    sandbox = (sys.executable, "-m", "commerce_sandbox", "exec", "--scale", "0.1")
    faults = ("--faults", "server-error", "--fault-seed", "3")
    ran = subprocess.run(
        [*sandbox, *faults, "--", sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(ran.stdout.split()) == {"401", "500"}


def test_posted_body_survives_stall(faulty: Callable[..., Sandbox]) -> None:
    sandbox = faulty("stall", share=1.0, stall=0.1)
    response = requests.post(
        f"{sandbox.url}/centra/graphql",
        json={"query": "{ stores { id } }"},
        headers={"Authorization": "Bearer centra-token-full"},
        timeout=5,
    )
    assert response.json()["data"]["stores"]
    logged = sandbox.requests[-1]
    assert "stores" in logged.body
    assert "centra-token" not in repr(logged)
