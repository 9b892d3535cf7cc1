"""Faults without an end stop the run with a message, and no output contains the key."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from commerce_sandbox import FaultOptions, Sandbox
from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.page import Page, TimeRange
from tests.chaos.harness import Run, Tap
from tests.chaos.tap_under_test import CANARY
from tests.chaos.taps import CODAT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = {"commerce_orders": 442, "commerce_payments": 442, "commerce_products": 367}
ONLY = tuple(ROWS)


@pytest.fixture(scope="module")
def _shared() -> Iterator[Sandbox]:
    with Sandbox(scale=0.02, api_key=CANARY) as running:
        yield running


@pytest.fixture
def sandbox(_shared: Sandbox) -> Iterator[Sandbox]:
    _shared.clear_requests()
    yield _shared
    _shared.clear_overrides()


def assert_failed(run: Run, *parts: str) -> None:
    """Check that a run has failed with a message that has these parts, and printed no secret."""
    assert run.code == 1, run.log
    for part in parts:
        assert part in run.log
    assert "Traceback" not in run.log
    assert not run.leaked
    assert run.output.raw == run.stdout


def run_with_fault(folder: Path, profile: str, **settings: Any) -> Run:  # noqa: ANN401
    """Run the tap while every request meets a fault."""
    faults = FaultOptions(profile=profile, share=1.0, size=2_000_000, wait=0.1)
    with Sandbox(scale=0.02, api_key=CANARY, faults=faults) as sandbox:
        return Tap(CODAT, sandbox, folder, only=ONLY, max_retries=1, **settings).run()


def test_endless_pages_fail_the_partition(tmp_path: Path) -> None:
    assert_failed(run_with_fault(tmp_path, "endless"), "contradicts itself")


def test_false_total_stops_the_run(tmp_path: Path) -> None:
    assert_failed(run_with_fault(tmp_path, "false-total"), "Stopped: companies")


def test_oversized_response_stops_the_run(tmp_path: Path) -> None:
    assert_failed(run_with_fault(tmp_path, "huge", max_response_mb=1), "`max_response_mb`")
    assert run_with_fault(tmp_path, "huge", max_response_mb=4).code == 0


def test_deep_nesting_costs_no_row(tmp_path: Path) -> None:
    run = run_with_fault(tmp_path, "deep")
    assert run.code == 0, run.log
    assert "data_statuses" in run.log
    assert "cannot be read" in run.log
    assert "Traceback" not in run.log
    assert {name: len(run.rows(name)) for name in ONLY} == ROWS


def test_endless_redirects_stop_the_run(tmp_path: Path) -> None:
    assert_failed(run_with_fault(tmp_path, "redirect"), "redirect", "the address in the settings")


@pytest.mark.parametrize("address", ["http://127.0.0.1", "https://127.0.0.1", "http://localhost"])
def test_redirect_to_other_address_sends_nothing(
    address: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A server at another port, scheme or host receives no connection."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        location = f"{address}:{other.getsockname()[1]}/codat/companies"
        sandbox.override("commerce-payments", status=307, headers={"Location": location})
        assert_failed(Tap(CODAT, sandbox, tmp_path, only=ONLY, max_retries=1).run(), "redirect")
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_list_growing_while_read_fails() -> None:
    now = datetime(2024, 6, 1, tzinfo=timezone.utc)

    def fetch(requested: TimeRange, _number: int) -> Page:
        """The list begins with ten rows. Each request adds two, a second apart."""
        nonlocal now
        now += timedelta(seconds=2)
        first = requested.start or now
        dates = [first, first + timedelta(seconds=1)]
        records = [msgspec.Raw(b'{"id":"%b"}' % str(date).encode()) for date in dates]
        return Page(records, [True, True], dates, total=10, size=2, has_next=True)

    pages = keyset(fetch, bytes, datetime(2024, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(PartitionFailed, match="grew as fast as it was read"):
        list(islice(pages, 2000))


def test_rejected_key_stops_at_first_request(sandbox: Sandbox, tmp_path: Path) -> None:
    assert_failed(
        Tap(CODAT, sandbox, tmp_path, debug=True, api_key=CANARY[::-1]).run(),
        "does not accept the key",
    )
    assert [one.status for one in sandbox.requests] == [401]


def test_revoked_key_stops_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.override("commerce-payments", status=401)
    run = Tap(CODAT, sandbox, tmp_path, only=ONLY, concurrency=1).run()
    assert_failed(run, "does not accept the key")
    assert 1 < sum(one.status == 401 for one in sandbox.requests) < 10
    assert run.rows("commerce_orders")


def test_wait_beyond_max_wait_stops_run(sandbox: Sandbox, tmp_path: Path) -> None:
    tap = Tap(CODAT, sandbox, tmp_path, only=ONLY)

    def run(hours: int) -> Run:
        headers = {"Retry-After": str(hours * 3600)}
        sandbox.override("commerce-payments", status=429, headers=headers, times=1)
        return tap.run()

    assert_failed(run(3), "wait until", "`max_wait`")
    sandbox.clear_overrides()
    assert run(26).code == 0


def test_strict_run_stops_at_first_failure(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.override("commerce-payments", status=403)
    tap = Tap(CODAT, sandbox, tmp_path, only=ONLY)
    strict = tap.run(strict=True)
    assert_failed(strict, "Stopped: commerce_payments")
    assert strict.rows("commerce_orders")
    assert not strict.rows("commerce_products")
    lenient = tap.run()
    assert_failed(lenient)
    assert lenient.rows("commerce_products")
    sandbox.clear_overrides()
    rest = tap.run(strict.output.state)
    assert rest.code == 0
    assert rest.rows("commerce_payments")
    assert rest.rows("commerce_products")


def test_debug_log_contains_no_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.override("commerce-payments", status=500, body={"error": f"key {CANARY}"}, times=3)
    run = Tap(CODAT, sandbox, tmp_path, only=ONLY, debug=True).run()
    assert run.code == 0
    assert " GET http" in run.log
    assert "***" in run.log
    assert not run.leaked
