"""Random faults between the API and the tap lose no row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import scenarios
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest


@pytest.mark.parametrize(
    ("tap_under_test", "seed"),
    [pytest.param(tap, seed, id=f"{tap}, {seed}") for tap in TAPS for seed in tap.seeds],
)
@pytest.mark.parametrize("profile", ["flaky", "hostile"])
def test_mixed_faults_lose_no_row(
    tap_under_test: TapUnderTest, profile: str, seed: int, tmp_path: Path
) -> None:
    outcome = scenarios.faults(tap_under_test, profile, seed, tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, outcome


@pytest.mark.parametrize("tap_under_test", [tap for tap in TAPS if tap.hostile_ids], ids=str)
def test_hostile_ids_are_quoted(tap_under_test: TapUnderTest, tmp_path: Path) -> None:
    outcome = scenarios.hostile_ids(tap_under_test, 1, tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, outcome
