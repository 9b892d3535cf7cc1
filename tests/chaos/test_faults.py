"""Whatever goes wrong between the API and the tap, its output is the truth, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_sandbox.faults import FAULTS
from tests.chaos import scenarios
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.harness import Outcome
    from tests.chaos.taps import Tested

each_tap = pytest.mark.parametrize("tested", TAPS, ids=str)


def is_clean(outcome: Outcome) -> None:
    assert outcome.expected > 500
    assert outcome.clean, outcome


@each_tap
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("profile", ["flaky", "hostile"])
def test_faults_of_all_kinds_cost_no_row(
    tested: Tested, profile: str, seed: int, tmp_path: Path
) -> None:
    is_clean(scenarios.faults(tested, profile, seed, tmp_path))


@each_tap
@pytest.mark.parametrize("profile", FAULTS)
def test_a_fault_costs_no_row(tested: Tested, profile: str, tmp_path: Path) -> None:
    is_clean(scenarios.faults(tested, profile, 1, tmp_path, only=tested.of_each_kind))


@pytest.mark.parametrize(
    ("tested", "what"),
    [pytest.param(tap, what, id=f"{tap}, {what}") for tap in TAPS for what in tap.failing],
)
def test_what_always_fails_costs_nothing_else_and_comes_the_next_time(
    tested: Tested, what: str, tmp_path: Path
) -> None:
    is_clean(scenarios.failing_for_ever(tested, what, 1, tmp_path))


@pytest.mark.parametrize("tested", [tap for tap in TAPS if tap.hostile_ids], ids=str)
def test_ids_that_tear_a_path_apart_are_quoted(tested: Tested, tmp_path: Path) -> None:
    is_clean(scenarios.hostile_ids(tested, 1, tmp_path))
