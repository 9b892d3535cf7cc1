"""Processes that are killed, interrupted or out of space: in the end the truth is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import crashes, meltano
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from tests.chaos.harness import Outcome
    from tests.chaos.tested import Tested


def is_clean(outcome: Outcome) -> None:
    assert outcome.expected > 500
    assert outcome.clean, outcome


@pytest.mark.parametrize(
    ("tested", "victims"),
    [
        pytest.param(tap, victims, id=f"{tap}, {'+'.join(victims)}")
        for tap in TAPS
        for victims in tap.victims
    ],
)
def test_a_killed_pipeline_goes_on_where_it_was(
    tested: Tested, victims: tuple[str, ...], tmp_path: Path
) -> None:
    is_clean(crashes.killed(tested, victims, 1, tmp_path))


@pytest.mark.e2e
@pytest.mark.parametrize("tested", [tap for tap in TAPS if tap.job][:1], ids=str)
def test_a_killed_meltano_run_goes_on_where_it_was(tested: Tested, tmp_path: Path) -> None:
    is_clean(meltano.killed(tested, 3, tmp_path))


@pytest.mark.parametrize("tested", TAPS[:1], ids=str)
def test_a_full_disk_costs_nothing_once_there_is_room(tested: Tested, tmp_path: Path) -> None:
    is_clean(crashes.disk_full(tested, 1, tmp_path))


@pytest.mark.parametrize(
    ("tested", "number"),
    [
        pytest.param(tap, number, id=f"{tap}, {number.name}")
        for tap in TAPS
        for number in tap.signals
    ],
)
def test_an_interrupted_tap_ends_at_once_with_a_state(
    tested: Tested, number: signal.Signals, tmp_path: Path
) -> None:
    is_clean(crashes.interrupted(tested, number, 1, tmp_path))
