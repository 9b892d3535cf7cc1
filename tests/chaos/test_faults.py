"""Whatever goes wrong between the API and the tap, its output is the truth, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import scenarios
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tested import Tested


@pytest.mark.parametrize(
    ("tested", "seed"),
    [pytest.param(tap, seed, id=f"{tap}, {seed}") for tap in TAPS for seed in tap.seeds],
)
@pytest.mark.parametrize("profile", ["flaky", "hostile"])
def test_faults_of_all_kinds_cost_no_row(
    tested: Tested, profile: str, seed: int, tmp_path: Path
) -> None:
    outcome = scenarios.faults(tested, profile, seed, tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, outcome


@pytest.mark.parametrize("tested", [tap for tap in TAPS if tap.hostile_ids], ids=str)
def test_ids_that_tear_a_path_apart_are_quoted(tested: Tested, tmp_path: Path) -> None:
    outcome = scenarios.hostile_ids(tested, 1, tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, outcome
