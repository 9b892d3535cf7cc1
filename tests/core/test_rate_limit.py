"""No limit of the vendor's is passed, whichever thread asks, and no wait outlives the run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps import rate_limit
from commerce_taps.errors import TapStopped
from commerce_taps.http import Request
from tests.core.api import (
    ORDERS,
    Answer,
    Api,
    Clock,
    client,
    pacing,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.integers(1, 5), st.lists(st.sampled_from([0.0, 0.125, 5.0, 30.0, 61.0]), max_size=30))
def test_no_minute_has_more_requests_than_allowed(per_minute: int, gaps: list[float]) -> None:
    clock = Clock()
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limit, "time", clock)
        patch.setattr(rate_limit, "TICK", 0.25)  # sums of these are exact
        paced = pacing(per_minute=per_minute)
        for gap in gaps:
            clock.now += gap
            due = clock.now
            with paced.slot("lane"):
                sent.append(clock.now)
            if len(sent) <= per_minute or due - sent[-1 - per_minute] >= 60:
                assert sent[-1] == due, "waited without need"
    for first, beyond in zip(sent, sent[per_minute:], strict=False):
        assert beyond - first >= 60


def test_zero_is_no_limit(clock: Clock) -> None:
    paced = pacing(per_minute=0)
    for _ in range(5000):
        with paced.slot("lane"):
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
    asking = client(api, paced=pacing(per_lane=3))
    request = Request(("x",), concurrency_key="c1")
    in_threads([watch, *[lambda: asking.get(request, parse)] * 6])
    assert len(api.requests) == 6


def test_a_full_lane_does_not_hold_back_another(api: Api) -> None:
    there, released = threading.Event(), threading.Event()

    def hold() -> None:
        there.set()
        assert released.wait(10)

    api.answers.append(Answer(before=hold))
    asking = client(api, paced=pacing(per_lane=1))

    def other() -> None:
        assert there.wait(10)
        asking.get(Request(("other",), concurrency_key="c2"), parse)
        released.set()

    in_threads([lambda: asking.get(Request(("x",), concurrency_key="c1"), parse), other])
    assert len(api.requests) == 2


@pytest.mark.usefixtures("clock")
def test_a_run_that_ends_ends_every_wait(api: Api) -> None:
    def interrupted() -> None:
        msg = "interrupted"
        raise TapStopped(msg)

    api.answers.append(Answer(429, headers={"Retry-After": "200"}))
    paced = pacing(check=interrupted)
    with pytest.raises(TapStopped, match="interrupted"):
        client(api, paced=paced).get(ORDERS, parse)
    assert paced.waiting == 0
