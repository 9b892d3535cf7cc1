"""Processes that are killed, interrupted or out of space lose no row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import crashes, meltano
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from tests.chaos.harness import Outcome
    from tests.chaos.tap_under_test import TapUnderTest


def assert_clean(outcome: Outcome) -> None:
    assert outcome.expected > 500
    assert outcome.clean, outcome


@pytest.mark.parametrize(
    ("tap_under_test", "victims"),
    [
        pytest.param(tap, victims, id=f"{tap}, {'+'.join(victims)}")
        for tap in TAPS
        for victims in tap.victims
    ],
)
def test_killed_pipeline_loses_no_row(
    tap_under_test: TapUnderTest, victims: tuple[str, ...], tmp_path: Path
) -> None:
    assert_clean(crashes.kill(tap_under_test, victims, 1, tmp_path))


@pytest.mark.e2e
@pytest.mark.parametrize("tap_under_test", [tap for tap in TAPS if tap.job][:1], ids=str)
def test_killed_meltano_run_loses_no_row(tap_under_test: TapUnderTest, tmp_path: Path) -> None:
    assert_clean(meltano.kill(tap_under_test, 3, tmp_path))


@pytest.mark.parametrize("tap_under_test", TAPS[:1], ids=str)
def test_full_disk_loses_no_row(tap_under_test: TapUnderTest, tmp_path: Path) -> None:
    assert_clean(crashes.fill_disk(tap_under_test, 1, tmp_path))


@pytest.mark.parametrize(
    ("tap_under_test", "number"),
    [
        pytest.param(tap, number, id=f"{tap}, {number.name}")
        for tap in TAPS
        for number in tap.signals
    ],
)
def test_interrupted_tap_writes_state_and_ends(
    tap_under_test: TapUnderTest, number: signal.Signals, tmp_path: Path
) -> None:
    assert_clean(crashes.interrupt(tap_under_test, number, 1, tmp_path))
