"""Rows that change while the tap reads them are not lost, though page numbers lose some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import churn
from tests.chaos.harness import Outcome
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest


@pytest.mark.parametrize(
    ("tap_under_test", "seed"),
    [pytest.param(tap, seed, id=f"{tap}, {seed}") for tap in TAPS for seed in tap.seeds],
)
def test_changing_rows_are_never_lost(
    tap_under_test: TapUnderTest, seed: int, tmp_path: Path
) -> None:
    only = tap_under_test.changing if len(tap_under_test.seeds) == 1 else ()
    outcome = churn.read_under_churn(tap_under_test, seed, tmp_path, only=only)
    assert outcome.expected > 300
    assert outcome.clean, outcome


@pytest.mark.parametrize("tap_under_test", [tap for tap in TAPS if tap.by_page_number], ids=str)
def test_page_numbers_lose_changing_rows(tap_under_test: TapUnderTest) -> None:
    """Proves that the churn can make a reader lose rows."""
    outcome = Outcome()
    for seed in (1, 2, 3):
        outcome += churn.read_pages_under_churn(tap_under_test, seed)
    assert outcome.lost > 0
    assert outcome.invented == 0
