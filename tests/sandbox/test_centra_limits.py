"""The token buckets of Centra's Integration API."""

from __future__ import annotations

import email.utils
import time
from datetime import datetime
from typing import Any

import pytest
import requests

from commerce_sandbox import Sandbox
from commerce_sandbox.centra import TOKEN
from commerce_sandbox.centra.limits import FORMS, PLANS, Exceeded, Limits

START = 1_700_000_000.0


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def _limits(plan: str = "growth", speed: float = 1.0, form: str = "unix") -> tuple[Limits, Clock]:
    clock = Clock()
    return Limits(plan, speed, form, clock), clock


def _drain(limits: Limits, **amounts: int) -> tuple[int, str]:
    """Take until nothing is left; returns how often, and the `Retry-After`."""
    for times in range(100_000):
        try:
            limits.take(**amounts)
        except Exceeded as exceeded:
            return times, exceeded.retry_after
    raise AssertionError


def test_bucket_empties_and_refills() -> None:
    limits, clock = _limits()
    assert _drain(limits, REQUEST_COUNT=1)[0] == 60
    clock.now += 5
    assert _drain(limits, REQUEST_COUNT=1)[0] == 30
    clock.now += 100
    assert _drain(limits, REQUEST_COUNT=1)[0] == 60


def test_hourly_quota_limits_requests() -> None:
    limits, clock = _limits()
    taken = 0
    while clock.now < START + 3600:
        times, _ = _drain(limits, REQUEST_COUNT=1)
        taken += times
        clock.now += 10
    assert 5000 <= taken <= 10_000
    assert taken < 360 * 60


def test_complexity_has_its_own_bucket() -> None:
    limits, _ = _limits()
    assert _drain(limits, REQUEST_COUNT=1, QUERY_COMPLEXITY=100_000)[0] == 2
    report = {(row["type"], row["intervalSeconds"]): row for row in limits.report()}
    assert len(report) == 6
    row = report["QUERY_COMPLEXITY", "TEN_SECONDS"]
    assert (row["quota"], row["usedQuota"], row["remainingQuota"]) == (250_000, 200_000, 50_000)
    # A refused request costs nothing.
    assert report["REQUEST_COUNT", "TEN_SECONDS"]["usedQuota"] == 2
    assert report["MUTATION_COUNT", "ONE_HOUR"]["usedQuota"] == 0


def test_early_retry_extends_the_refusal() -> None:
    limits, clock = _limits()
    _, until = _drain(limits, REQUEST_COUNT=1)
    assert int(until) == START + 1
    clock.now = START + 0.9
    with pytest.raises(Exceeded) as early:
        limits.take(REQUEST_COUNT=1)
    assert int(early.value.retry_after) == START + 2
    clock.now = START + 2
    limits.take(REQUEST_COUNT=1)


@pytest.mark.parametrize("form", FORMS)
def test_retry_after_form_gives_sufficient_time(form: str) -> None:
    limits, clock = _limits(form=form)
    seen = set()
    for _ in range(5):
        _, text = _drain(limits, REQUEST_COUNT=1)
        if "GMT" in text:
            kind, until = "date", email.utils.parsedate_to_datetime(text).timestamp()
        elif "T" in text:
            kind, until = "iso", datetime.fromisoformat(text).timestamp()
        elif int(text) < 10_000:
            kind, until = "seconds", clock.now + int(text)
        else:
            kind, until = "unix", float(text)
        seen.add(kind)
        assert clock.now < until <= clock.now + 3
        clock.now = until
        limits.take(REQUEST_COUNT=1)
    assert seen == (set(FORMS) - {"mixed"} if form == "mixed" else {form})


def test_speed_shortens_windows() -> None:
    limits, clock = _limits(speed=100)
    assert _drain(limits, REQUEST_COUNT=1)[0] == 60
    clock.now += 0.2
    assert _drain(limits, REQUEST_COUNT=1)[0] == 60


def test_plans_have_different_quotas() -> None:
    found = [_drain(_limits(plan)[0], REQUEST_COUNT=1)[0] for plan in PLANS]
    assert found == [60, 150, 450, 1500]


def test_limits_are_shared_over_http() -> None:
    """All tokens of a client share them, and a query of them costs a request as well."""
    query = {"query": "{ rateLimits { type intervalSeconds quota usedQuota remainingQuota } }"}
    with (
        Sandbox(scale=0.01, centra_plan="growth", centra_retry_after="iso") as sandbox,
        requests.Session() as session,
    ):
        url = f"{sandbox.url_of('centra')}/graphql"
        tokens = (TOKEN, "centra-token-few")

        def post(number: int) -> requests.Response:
            headers = {"Authorization": f"Bearer {tokens[number % 2]}"}
            return session.post(url, json=query, headers=headers, timeout=30)

        response = post(0).json()
        assert response["extensions"]["complexity"] == 10
        first: dict[str, Any] = response["data"]["rateLimits"][0]
        assert first["type"] == "REQUEST_COUNT"
        assert first["quota"] == 60 == first["usedQuota"] + first["remainingQuota"]
        refused = None
        for number in range(2000):
            refused = post(number)
            if refused.status_code == 429:
                break
        assert refused is not None
        assert refused.status_code == 429
        assert refused.json()["errors"]
        until = datetime.fromisoformat(refused.headers["Retry-After"]).timestamp()
        time.sleep(max(0.0, until - time.time()))
        assert post(0).status_code == 200
