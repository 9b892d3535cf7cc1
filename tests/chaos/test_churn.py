"""Data that changes while it is read: nothing is lost, where reading by page number loses rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import churn
from tests.chaos.harness import Outcome
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tested import Tested


@pytest.mark.parametrize(
    ("tested", "seed"),
    [pytest.param(tap, seed, id=f"{tap}, {seed}") for tap in TAPS for seed in tap.seeds],
)
def test_nothing_is_lost_while_rows_change(tested: Tested, seed: int, tmp_path: Path) -> None:
    only = tested.changing if len(tested.seeds) == 1 else ()
    outcome = churn.churn(tested, seed, tmp_path, only=only)
    assert outcome.expected > 300
    assert outcome.clean, outcome


@pytest.mark.parametrize("tested", [tap for tap in TAPS if tap.by_page_number], ids=str)
def test_reading_by_page_number_loses_rows_in_the_same_churn(tested: Tested) -> None:
    """So the test above can fail."""
    outcome = Outcome()
    for seed in (1, 2, 3):
        outcome += churn.churn_by_page_number(tested, seed)
    assert outcome.lost > 0
    assert outcome.invented == 0
