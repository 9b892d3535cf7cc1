"""One kind of fault again and again costs no row; one that never ends costs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_sandbox.faults import FAULTS
from tests.chaos import scenarios
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tested import Tested


@pytest.mark.parametrize(
    ("tested", "fault"),
    [
        pytest.param(tap, fault, id=f"{tap}, {fault}")
        for tap in TAPS
        for fault in tap.faults or FAULTS
    ],
)
def test_a_fault_costs_no_row(tested: Tested, fault: str, tmp_path: Path) -> None:
    outcome = scenarios.faults(tested, fault, 1, tmp_path, only=tested.of_each_kind)
    assert outcome.expected > 250
    assert outcome.clean, outcome


@pytest.mark.parametrize(
    ("tested", "what"),
    [pytest.param(tap, what, id=f"{tap}, {what}") for tap in TAPS for what in tap.failing],
)
def test_what_always_fails_costs_nothing_else_and_comes_the_next_time(
    tested: Tested, what: str, tmp_path: Path
) -> None:
    outcome = scenarios.failing_for_ever(tested, what, 1, tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, outcome
