"""Requests of all threads keep the limits, and no wait outlives the run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps import rate_limit
from commerce_taps.errors import TapStopped
from commerce_taps.http import Request
from commerce_taps.rate_limit import TokenBucket
from tests.core.server import (
    ORDERS,
    Clock,
    FakeResponse,
    FakeServer,
    make_client,
    make_limiter,
    parse,
    seconds,
    with_buckets,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.integers(1, 5), st.lists(st.sampled_from([0.0, 0.125, 5.0, 30.0, 61.0]), max_size=30))
def test_any_minute_keeps_the_limit(per_minute: int, gaps: list[float]) -> None:
    clock = Clock()
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limit, "time", clock)
        patch.setattr(rate_limit, "TICK", 0.25)  # sums of these are exact
        limiter = make_limiter(per_minute=per_minute)
        for gap in gaps:
            clock.now += gap
            due = clock.now
            with limiter.slot("key"):
                sent.append(clock.now)
            if len(sent) <= per_minute or due - sent[-1 - per_minute] >= 60:
                assert sent[-1] == due, "waited without need"
    for first, beyond in zip(sent, sent[per_minute:], strict=False):
        assert beyond - first >= 60


def test_zero_per_minute_is_no_limit(clock: Clock) -> None:
    limiter = make_limiter(per_minute=0)
    for _ in range(5000):
        with limiter.slot("key"):
            pass
    assert clock.slept == 0


# --- token buckets ------------------------------------------------------------------------------


def test_full_bucket_is_spent_before_requests_wait(clock: Clock) -> None:
    limiter = with_buckets(TokenBucket("requests", 60, 10, 60))
    assert seconds(clock, limiter, 60, requests=1) == 0
    assert seconds(clock, limiter, 120, requests=1) == pytest.approx(20)


def test_emptiest_bucket_sets_the_pace(clock: Clock) -> None:
    limiter = with_buckets(
        TokenBucket("requests", 60, 10, 60), TokenBucket("complexity", 1000, 10, 1000)
    )
    assert seconds(clock, limiter, 20, requests=1, complexity=100) == pytest.approx(10)


def test_actual_cost_is_charged_afterwards(clock: Clock) -> None:
    limiter = with_buckets(TokenBucket("complexity", 1000, 10, 1000))
    limiter.charge({"complexity": 3000})
    assert seconds(clock, limiter, 1, complexity=100) == pytest.approx(21)
    limiter.charge({"complexity": -500})
    assert seconds(clock, limiter, 1, complexity=500) == 0


def test_cost_beyond_bucket_waits_for_full_one(clock: Clock) -> None:
    limiter = with_buckets(TokenBucket("complexity", 1000, 10, 1000))
    assert seconds(clock, limiter, 2, complexity=5000) == pytest.approx(50)


def test_pause_empties_buckets(clock: Clock) -> None:
    limiter = with_buckets(TokenBucket("requests", 60, 10, 60))
    limiter.pause(0)
    assert seconds(clock, limiter, 60, requests=1) == pytest.approx(10)


# --- threads ------------------------------------------------------------------------------------


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


def test_concurrency_key_keeps_its_limit(server: FakeServer) -> None:
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

    server.responses.extend(FakeResponse(before=hold) for _ in range(6))
    client = make_client(server, limiter=make_limiter(per_key=3))
    request = Request(("x",), concurrency_key="c1")
    in_threads([watch, *[lambda: client.get(request, parse)] * 6])
    assert len(server.requests) == 6


def test_busy_concurrency_key_does_not_block_another(server: FakeServer) -> None:
    there, released = threading.Event(), threading.Event()

    def hold() -> None:
        there.set()
        assert released.wait(10)

    server.responses.append(FakeResponse(before=hold))
    client = make_client(server, limiter=make_limiter(per_key=1))

    def other() -> None:
        assert there.wait(10)
        client.get(Request(("other",), concurrency_key="c2"), parse)
        released.set()

    in_threads([lambda: client.get(Request(("x",), concurrency_key="c1"), parse), other])
    assert len(server.requests) == 2


@pytest.mark.usefixtures("clock")
def test_ending_run_ends_every_wait(server: FakeServer) -> None:
    def interrupted() -> None:
        if server.requests:
            raise TapStopped("interrupted")

    server.responses.append(FakeResponse(429, headers={"Retry-After": "200"}))
    limiter = make_limiter(check=interrupted)
    with pytest.raises(TapStopped, match="interrupted"):
        make_client(server, limiter=limiter).get(ORDERS, parse)
    assert limiter.waiting == 0
    assert len(server.requests) == 1


def test_ended_run_sends_no_request(server: FakeServer) -> None:
    def ended() -> None:
        raise TapStopped("ended")

    with pytest.raises(TapStopped, match="ended"):
        make_client(server, limiter=make_limiter(check=ended)).get(ORDERS, parse)
    assert not server.requests
