"""Centra's rate limits: the tap keeps them, and waits or requests less at a 429."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import contextmanager
from datetime import datetime
from functools import partialmethod
from logging import getLogger
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from typing_extensions import override

from commerce_sandbox import Sandbox
from commerce_sandbox.centra import limits
from commerce_taps import http, rate_limit
from commerce_taps.rate_limit import RateLimiter, TokenBucket
from tap_centra.integration.api import IntegrationApi
from tap_centra.integration.rate_limits import QUOTA_SHARE
from tests.centra.support import INTEGRATION, row_differences, truth
from tests.core.server import Clock, seconds, with_buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from commerce_taps.http import Client, Request
    from tests.centra.support import Catalogs, Taps

HANDFUL = 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock


# --- buckets ------------------------------------------------------------------------------------


def test_run_of_three_buckets_takes_two_intervals(clock: Clock) -> None:
    """A third bucket lasts two intervals, since the vendor's bucket is full at first."""
    share = QUOTA_SHARE
    limiter = with_buckets(TokenBucket("complexity", 250_000 * share, 10, 250_000 * share))
    assert seconds(clock, limiter, 300, complexity=2_500) <= 1.2 * 20


def api_with_costs(limiter_: RateLimiter, complexity: float, **data: Any) -> IntegrationApi:  # noqa: ANN401
    """The API with a client that returns the same response to each query."""

    class SameResponse:
        limiter = limiter_

        def get(self, request: Request, parse: Callable[[bytes], Any]) -> Any:  # noqa: ANN401
            with self.limiter.slot("", request.costs):
                alias = msgspec.json.decode(request.body or b"")["query"].split()[1].rstrip(":")
            response = {"data": {alias: "Query"} | data, "extensions": {"complexity": complexity}}
            return parse(msgspec.json.encode(response))

    api = IntegrationApi({}, getLogger())
    api.connect(cast("Client", SameResponse()), lambda: None)
    return api


def test_unknown_cost_is_charged_afterwards(clock: Clock) -> None:
    limiter, start = with_buckets(TokenBucket("complexity", 1000, 10, 1000)), clock.now
    api = api_with_costs(limiter, 1000)
    for waited in (0, 10, 20):
        api.fetch(msgspec.Raw, "{ stores { id } }")
        assert clock.now - start == pytest.approx(waited)


def test_share_of_quota_is_left_to_others(clock: Clock) -> None:
    limit = {"type": "REQUEST_COUNT", "intervalSeconds": "TEN_SECONDS", "quota": 100}
    limits_ = [limit | {"remainingQuota": 15}, limit | {"type": "COFFEE", "remainingQuota": 0}]
    limiter = with_buckets()
    api_with_costs(limiter, 10, rateLimits=limits_).refresh_limits()
    assert seconds(clock, limiter, 10, requests=1) == 0
    assert seconds(clock, limiter, 95, requests=1) == pytest.approx(10)


@pytest.mark.parametrize("cost", [1e30, -1e30])
def test_impossible_cost_is_not_charged(clock: Clock, cost: float) -> None:
    limiter = with_buckets()
    limit = {"type": "QUERY_COMPLEXITY", "intervalSeconds": "TEN_SECONDS", "quota": 1000}
    api = api_with_costs(limiter, cost, rateLimits=[limit | {"remainingQuota": 1000}])
    api.refresh_limits()
    start = clock.now
    for _ in range(3):
        api.fetch(msgspec.Raw, "{ stores { id } }")
    assert clock.now - start < 1


@pytest.mark.parametrize(("quota", "left"), [(1, 5_000), (-5, 0), (100, -1e30), (0, 0)])
def test_contradictory_limits_are_ignored(clock: Clock, quota: float, left: float) -> None:
    limit = {"type": "REQUEST_COUNT", "intervalSeconds": "ONE_HOUR", "quota": quota}
    limiter = with_buckets()
    api_with_costs(limiter, 10, rateLimits=[limit | {"remainingQuota": left}]).refresh_limits()
    assert seconds(clock, limiter, 100, requests=1) == 0


# --- over HTTP ----------------------------------------------------------------------------------


class Skipping:
    """The time of this machine, of which every wait is skipped."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._lock = threading.Lock()

    def time(self) -> float:
        return time.time() + self._skipped

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._skipped += seconds
        time.sleep(0)  # the turn of the other threads


@contextmanager
def limited(monkeypatch: pytest.MonkeyPatch, form: str = "unix") -> Iterator[Sandbox]:
    """A double with the smallest plan, and with the clock of the tap, which waits for nothing."""
    clock = Skipping()

    class Now(datetime):
        @classmethod
        @override
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(clock.time(), tz)

    monkeypatch.setattr(rate_limit, "time", clock)
    monkeypatch.setattr(http, "datetime", Now)
    clocked = partialmethod(limits.Limits.__init__, clock=clock.time)
    monkeypatch.setattr(limits.Limits, "__init__", clocked)
    with Sandbox(scale=0.05, centra_plan="growth", centra_retry_after=form) as sandbox:
        yield sandbox


def turned_away(sandbox: Sandbox) -> int:
    return sum(request.status == 429 for request in sandbox.requests)


def spend(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Empty the bucket right before a request comes, as another integration would."""
    plain, requests = limits.Limits.take, itertools.count(1)

    def take(self: limits.Limits, **amounts: int) -> None:
        if "REQUEST_COUNT" in amounts and next(requests) == before:
            bucket = self._buckets["REQUEST_COUNT", "TEN_SECONDS"]
            bucket.take(bucket.quota)
        plain(self, **amounts)

    monkeypatch.setattr(limits.Limits, "take", take)


@pytest.mark.parametrize(
    ("streams", "page_size"),
    [
        pytest.param(("stock_changes",), 5, id="requests"),
        pytest.param(
            ("orders", "order_lines", "stock_change_lines", "stock"), 100, id="complexity"
        ),
    ],
)
def test_run_of_three_buckets_is_rarely_limited(
    run: Taps,
    catalog: Catalogs,
    monkeypatch: pytest.MonkeyPatch,
    streams: tuple[str, ...],
    page_size: int,
) -> None:
    with limited(monkeypatch) as sandbox:
        some = catalog(INTEGRATION, **dict.fromkeys(streams))
        output = run(sandbox, catalog=some, page_size=page_size).output
        for stream in streams:
            wanted = truth(sandbox, INTEGRATION, output, stream)
            assert output.rows(stream).keys() == wanted.keys()
        sent = len(sandbox.requests)
        assert sent > 180 or len(streams) > 1
        assert turned_away(sandbox) <= HANDFUL


@pytest.mark.parametrize("form", ["unix", "iso", "date", "seconds"])
def test_limited_run_waits_for_retry_after(
    run: Taps, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Buckets that the tap does not know of, such as those others have emptied."""
    monkeypatch.setattr(IntegrationApi, "refresh_limits", lambda *_: None)
    with limited(monkeypatch, form) as sandbox:
        spend(monkeypatch, before=3)
        some = catalog(INTEGRATION, stock_changes=None)
        found = run(sandbox, catalog=some, concurrency=1)
        assert found.code == 0
        assert row_differences(sandbox, INTEGRATION, found.output, "stock_changes") == []
        assert 1 <= turned_away(sandbox) <= 2
        assert "Centra's rate limit is reached" in found.log


def test_limits_are_refreshed_after_429(
    run: Taps, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any bucket may be the empty one, and to think that of the hour's would be slow."""
    with limited(monkeypatch) as sandbox:
        spend(monkeypatch, before=4)
        run(sandbox, catalog=catalog(INTEGRATION, stock_changes=None), concurrency=1)
        assert turned_away(sandbox) == 1
        refreshed = ["rateLimits" in request.body for request in sandbox.requests]
        assert [index for index, is_refresh in enumerate(refreshed) if is_refresh] == [1, 5]


def test_page_beyond_bucket_is_made_smaller(
    run: Taps, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of such a refusal are not documented: it looks like any other of the limits'."""
    quotas = dict(zip(limits.KINDS, limits.PLANS["growth"], strict=True))
    quotas["QUERY_COMPLEXITY"] = (20_000, 10**8)
    monkeypatch.setitem(limits.PLANS, "growth", tuple(quotas.values()))
    with limited(monkeypatch) as sandbox:
        some = catalog(INTEGRATION, orders=None, order_lines=None)
        found = run(sandbox, catalog=some, max_retries=1)
        assert found.code == 0
        assert (
            "orders: Centra's rate limit is reached; requesting 50 rows at once instead"
            in found.log
        )
        for stream in ("orders", "order_lines"):
            assert row_differences(sandbox, INTEGRATION, found.output, stream) == []


def test_fewer_columns_cost_less(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    def cost(**streams: set[str] | None) -> int:
        log = run(sandbox, catalog=catalog(INTEGRATION, **streams)).log
        line = next(line for line in log.splitlines() if line.startswith("Complexity of the"))
        return int(line.partition("orders ")[2].split(", schema")[0].replace(",", ""))

    assert cost(orders={"number", "status", "grandTotal"}) < cost(orders=None) / 10


def test_page_of_complex_query_is_made_smaller(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commerce_sandbox.centra import query_cost  # noqa: PLC0415

    monkeypatch.setattr(query_cost, "LARGEST", 8_000)
    found = run(sandbox, catalog=catalog(INTEGRATION, orders=None, order_lines=None))
    assert found.code == 0
    assert "orders: Query complexity" in found.log
    assert "requesting 50 rows at once instead of 100" in found.log
    for stream in ("orders", "order_lines"):
        assert row_differences(sandbox, INTEGRATION, found.output, stream) == []
        assert len(found.output.records[stream]) == len(found.output.rows(stream))


def test_too_complex_row_fails_stream(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commerce_sandbox.centra import query_cost  # noqa: PLC0415

    monkeypatch.setattr(query_cost, "LARGEST", 150)
    found = run(sandbox, catalog=catalog(INTEGRATION, orders=None, brands={"id"}))
    assert found.code == 1
    assert "Failed orders: Query complexity" in found.log
    assert "exceeds the maximum of 150: even for a single row, row 1" in found.log
    assert found.output.counts == {"brands": 6}
