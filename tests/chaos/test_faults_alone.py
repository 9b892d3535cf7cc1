"""A single kind of fault loses no row, and a permanent failure affects no other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_sandbox.faults import FAULTS
from tests.chaos import scenarios
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest


@pytest.mark.parametrize(
    ("tap_under_test", "fault"),
    [
        pytest.param(tap, fault, id=f"{tap}, {fault}")
        for tap in TAPS
        for fault in tap.faults or FAULTS
    ],
)
def test_single_fault_loses_no_row(
    tap_under_test: TapUnderTest, fault: str, tmp_path: Path
) -> None:
    outcome = scenarios.faults(
        tap_under_test, fault, 1, tmp_path, only=tap_under_test.sample_streams
    )
    assert outcome.expected > 250
    assert outcome.clean, outcome


@pytest.mark.parametrize(
    ("tap_under_test", "what"),
    [
        pytest.param(tap, what, id=f"{tap}, {what}")
        for tap in TAPS
        for what in tap.permanent_failures
    ],
)
def test_permanent_failure_affects_only_its_rows(
    tap_under_test: TapUnderTest, what: str, tmp_path: Path
) -> None:
    outcome = scenarios.permanent_failure(tap_under_test, what, 1, tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, outcome
