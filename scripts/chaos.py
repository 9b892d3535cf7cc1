"""Run the taps through faults, changes and crashes, many times, and count lost and invented rows.

    make chaos              20 seeds, which takes more than two hours on two cores
    make chaos SEEDS=3      three seeds
    make chaos SEEDS=7-7    the seventh alone
    make chaos ARGS="churn hostile"    scenarios with one of these words in their names

Real processes over real HTTP. The exit code is 0 if no row was lost, none invented, no secret
printed, and every run ended as it should.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commerce_sandbox.faults import FAULTS
from tests.chaos import churn, crashes, meltano, scenarios
from tests.chaos.harness import Outcome
from tests.chaos.loaders import DuckDBLoader, Loader
from tests.chaos.taps import TAPS
from tests.fuzz.cases import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.chaos.tap_under_test import TapUnderTest

    Scenario = Callable[[TapUnderTest, int, Path], Outcome]


def seeds(text: str) -> range:
    """Parse the number of seeds, or a range of them: `3` or `7-9`."""
    first, dash, last = text.rpartition("-")
    return range(int(first) if dash else 1, int(last) + 1)


SEEDS: Final = seeds(os.environ.get("SEEDS") or "20")
LOSING: Final = "(the same, by page number)"
"""The scenario that must lose rows, or the changes would prove nothing."""
EVERY_FIFTH: Final = 5
ALTERED: Final = 40
"""Responses to alter per seed."""
MAX_SECONDS: Final = 2.0
"""Seconds within which an interrupted tap must end."""


def inject_faults(profile: str, tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Run a profile of faults; every fifth seed has its long stalls and large pages."""
    return scenarios.faults(tap_under_test, profile, seed, folder, quick=seed % EVERY_FIFTH != 0)


def inject_each_fault(tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Run each fault alone."""
    outcome = Outcome()
    for profile in FAULTS:
        inner = folder / profile
        inner.mkdir()
        streams = tap_under_test.sample_streams
        outcome += scenarios.faults(tap_under_test, profile, seed, inner, only=streams)
    return outcome


def fail_permanently(what: str, tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Run a fault that never ends."""
    return scenarios.permanent_failure(tap_under_test, what, seed, folder)


def read_by_page_number(tap_under_test: TapUnderTest, seed: int, _folder: Path) -> Outcome:
    """Read by page number, as most clients do."""
    return churn.read_pages_under_churn(tap_under_test, seed)


def kill(
    victims: tuple[str, ...], tap_under_test: TapUnderTest, seed: int, folder: Path
) -> Outcome:
    """Kill parts of a pipeline with the small loader."""
    return crashes.kill(tap_under_test, victims, seed, folder, times=3)


def kill_with_duckdb(tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Kill parts of a pipeline with target-duckdb."""
    victims = (("tap",), ("target",), ("tap", "target"))[seed % 3]
    return crashes.kill(tap_under_test, victims, seed, folder, loader=DuckDBLoader)


def fill_disk(tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Fill the disk; the seeds alternate between both loaders."""
    loader = DuckDBLoader if seed % 2 and tap_under_test.job else Loader
    return crashes.fill_disk(tap_under_test, seed, folder, loader=loader)


def interrupt(
    number: signal.Signals, tap_under_test: TapUnderTest, seed: int, folder: Path
) -> Outcome:
    """Send a signal to the tap."""
    return crashes.interrupt(tap_under_test, number, seed, folder, max_seconds=MAX_SECONDS)


def alter_responses(tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Alter one place in one response, many times."""
    return fuzz(tap_under_test, range(seed * ALTERED, (seed + 1) * ALTERED), folder)


def scenarios_of(tap_under_test: TapUnderTest) -> Iterator[tuple[str, Scenario]]:
    """List the scenarios of a tap, by name."""
    yield "faults: flaky, 5 % of requests", partial(inject_faults, "flaky")
    yield "faults: hostile, 30 % of requests", partial(inject_faults, "hostile")
    yield f"faults: each of {len(FAULTS)} alone", inject_each_fault
    for what, fails in tap_under_test.permanent_failures.items():
        yield f"always {fails.status}: {what}", partial(fail_permanently, what)
    if tap_under_test.hostile_ids:
        yield "hostile ids", scenarios.hostile_ids
    yield f"responses altered in one place, {ALTERED} of them", alter_responses
    yield "churn", churn.read_under_churn
    if tap_under_test.by_page_number:
        yield LOSING, read_by_page_number
    yield "SIGKILL: tap", partial(kill, ("tap",))
    yield "SIGKILL: loader, SIGPIPE: tap", partial(kill, ("target",))
    yield "SIGKILL: tap and loader", partial(kill, ("tap", "target"))
    if tap_under_test.job:
        yield "SIGKILL: with target-duckdb", kill_with_duckdb
        yield "SIGKILL: within meltano run", meltano.kill
    yield "disk full", fill_disk
    yield "SIGTERM", partial(interrupt, signal.SIGTERM)
    yield "Ctrl-C", partial(interrupt, signal.SIGINT)


def main(words: Sequence[str]) -> int:
    """Run the scenarios, and print a row for each.

    Args:
        words: Run only scenarios with one of these words in their names; all by default.

    Returns:
        The exit code.
    """
    print(
        f"{'scenario':<60}  {'runs':>5}  {'expected':>9}  {'lost':>6}  {'invented':>8}  "
        f"{'leaked':>6}  {'stall':>7}",
        flush=True,
    )
    notes: list[str] = []
    for tap_under_test in TAPS:
        for title, scenario in scenarios_of(tap_under_test):
            name = f"{tap_under_test}: {title}"
            if words and not any(word in name for word in words):
                continue
            outcome = play(tap_under_test, scenario)
            print(
                f"{name:<60}  {outcome.runs:>5}  {outcome.expected:>9,}  {outcome.lost:>6}  "
                f"{outcome.invented:>8}  {outcome.leaked:>6}  {outcome.stall:>5.1f} s",
                flush=True,
            )
            if title == LOSING:
                notes += [] if outcome.lost else [f"{name}: no row was lost, so nothing is proved"]
            elif not outcome.clean:
                notes += [f"{name}: {note}" for note in outcome.notes or ["see the row above"]]
    print(*notes, sep="\n", file=sys.stderr)
    return 1 if notes else 0


def play(tap_under_test: TapUnderTest, scenario: Scenario) -> Outcome:
    """Run a scenario with every seed."""
    total = Outcome()
    for seed in SEEDS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome = scenario(tap_under_test, seed, Path(folder))
            except Exception as error:  # noqa: BLE001 - an error in one must not hide the others
                outcome = Outcome(notes=[repr(error)])
        outcome.notes = [f"seed {seed}: {note}" for note in outcome.notes]
        total += outcome
        if sys.stderr.isatty():
            sys.stderr.write(f"\rseed {seed} of {SEEDS[-1]}, {time.monotonic() - started:.0f} s \r")
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
