"""Scenarios of faults between an API and a tap, with real processes.

Each scenario returns its outcome. The tests run each with a few seeds, `make chaos` with many.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from commerce_sandbox import FaultOptions, Sandbox
from tests.chaos.harness import Outcome, Tap
from tests.chaos.tap_under_test import CANARY

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest
    from tests.contract import Record

QUICK: Final[dict[str, Any]] = {"wait": 0.05, "stall": 0.9, "size": 2_000_000}
LONG: Final[dict[str, Any]] = {"wait": 1.0, "stall": 30.0, "size": 40_000_000}
"""Seconds and bytes of the faults, short and long."""
MAX_RETRIES: Final = 25
"""Retries that outlast any likely series of faults."""


def read_all(outcome: Outcome, tap: Tap) -> None:
    """Run a tap that should emit every row, and compare its rows with truth."""
    run = tap.run()
    outcome.ran(run)
    outcome.expect_code(run, 0)
    for stream in tap.streams:
        tap.compare(outcome, stream, run.rows(stream))


def faults(
    tap_under_test: TapUnderTest,
    profile: str,
    seed: int,
    folder: Path,
    *,
    quick: bool = True,
    only: Collection[str] = (),
) -> Outcome:
    """Read while the sandbox injects the faults of a profile.

    Args:
        tap_under_test: The tap.
        profile: The profile.
        seed: Determines which requests meet a fault.
        folder: Where to write files.
        quick: Whether waits and sizes are small.
        only: The streams to read; all if empty.
    """
    outcome = Outcome()
    options = FaultOptions(profile=profile, seed=seed, **(QUICK if quick else LONG))
    with Sandbox(scale=tap_under_test.scale, api_key=CANARY, faults=options) as sandbox:
        tap = Tap(
            *(tap_under_test, sandbox, folder),
            quick=quick,
            debug=bool(seed % 2),
            only=only,
            max_retries=MAX_RETRIES,
            request_timeout=options.stall / 3,
        )
        read_all(outcome, tap)
        outcome.expect(any(one.fault for one in sandbox.requests), "no request met a fault")
        outcome.expect(not sandbox.strayed, f"a redirect was followed: {sandbox.strayed}")
    return outcome


def permanent_failure(tap_under_test: TapUnderTest, what: str, seed: int, folder: Path) -> Outcome:
    """Read while some requests always fail, then again without failures.

    Args:
        tap_under_test: The tap.
        what: Which requests fail: a key of `tap_under_test.permanent_failures`.
        seed: Determines the data.
        folder: Where to write files.
    """
    outcome = Outcome()
    path, status, streams = tap_under_test.permanent_failures[what]
    with Sandbox(seed=seed, scale=tap_under_test.scale, api_key=CANARY) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, max_retries=2)
        rows = list(tap.truth(tap_under_test.main).values())
        row = {name: re.escape(str(value)) for name, value in rows[seed % len(rows)].items()}
        sandbox.override(path.format_map(row), status=status)
        first = tap.run()
        outcome.ran(first)
        outcome.expect_code(first, 1)
        failed = {one.path for one in sandbox.requests if one.status == status}
        outcome.expect(failed, "no request failed")

        sandbox.clear_overrides()
        second = tap.run(first.output.state)
        outcome.ran(second)
        outcome.expect_code(second, 0)
        for stream in tap.streams:
            came, right = first.rows(stream), tap.truth(stream)
            missing = [
                row
                for key, row in right.items()
                if key not in came or not tap_under_test.same(stream, came[key], row)
            ]
            outcome.expect(
                stream in streams
                if missing and streams
                else all(_is_of(tap_under_test, row, failed) for row in missing),
                f"{stream}: rows are missing that did not fail",
            )
            outcome.expect(
                not missing or first.failed(stream) or "Stopped: " in first.log,
                f"{stream}: the summary names no failure",
            )
            tap.compare(outcome, stream, came | second.rows(stream))
    return outcome


def _is_of(tap_under_test: TapUnderTest, row: Record, paths: set[str]) -> bool:
    """Whether a row belongs to one of the partitions that requests to these paths read."""
    ids = [row[name] for name in tap_under_test.partition if name in row]
    return any(all(one in path.split("/") for one in ids) for path in paths)


def hostile_ids(tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Read rows whose ids contain characters that are special in a path."""
    outcome = Outcome()
    with Sandbox(
        seed=seed, scale=tap_under_test.scale, api_key=CANARY, hostile_ids=True
    ) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, debug=bool(seed % 2))
        read_all(outcome, tap)
        odd = [one.raw_path for one in sandbox.requests if one.status not in {200, 404, 409}]
        outcome.expect(not odd, f"requests that the sandbox rejected: {odd}")
        # The sandbox logs paths as received: each id must be one segment.
        parts = {unquote(part) for one in sandbox.requests for part in one.raw_path.split("/")}
        lists = [tap.truth(stream).values() for stream in tap_under_test.changing]
        ids = {row[name] for rows in lists for row in rows for name in tap_under_test.partition}
        outcome.expect(any(quote(one, safe="") != one for one in ids), "the ids are harmless")
        outcome.expect(ids <= parts, f"ids that no request has: {ids - parts}")
    return outcome
