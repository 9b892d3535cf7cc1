"""Pipelines of real processes that are killed, interrupted or out of space, and their results."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox import Sandbox
from tests.chaos.harness import Outcome, Run, Tap, leaks
from tests.chaos.loaders import Loader
from tests.chaos.tap_under_test import CANARY
from tests.processes import listen, started

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest
    from tests.contract import Key, Record, State
    from tests.processes import Process

LATENCY_MS: Final = 5.0
"""Makes a run long enough to be killed before it ends."""
NO_RESPONSE: Final[dict[str, Any]] = {"delay": 4}
TEE: Final = shutil.which("tee") or "tee"
FULL_DISK: Final = ("sh", "-c", 'ulimit -f 300; exec "$@"', "sh")
"""Runs a command that cannot write files above 150 or 300 KB (by shell), less than it has to load.

It stands in for a full disk, which would take a file system of its own, and so privileges that a
test should not need. The program sees the same: a write fails in the middle of a file.
"""


class Pipeline:
    """The pipeline `tap | tee | target`. Each run starts with the last acknowledged state.

    Attributes:
        state: The last state that the loader has acknowledged.

    Args:
        tap: The tap.
        loader: The loader of its output.
        folder: Where to write files.
        outcome: Where to count each run.
    """

    def __init__(self, tap: Tap, loader: Loader, folder: Path, outcome: Outcome) -> None:
        self._tap = tap
        self._loader = loader
        self._folder = folder
        self._outcome = outcome
        self._runs = 0
        self.state: State | None = None

    def run(
        self,
        watch: Callable[[dict[str, Process]], None] = lambda _: None,
        *,
        full_disk: bool = False,
    ) -> tuple[Run, int]:
        """Run the pipeline until all processes have ended.

        Args:
            watch: Called repeatedly with the processes by name, and may kill them.
            full_disk: Whether the loader's writes fail for lack of space.

        Returns:
            The run of the tap, with output up to the last whole line, and the loader's exit code.
        """
        self._runs += 1
        copy, states, target_log = (
            self._folder / f"{name}-{self._runs}" for name in ("output", "states", "target")
        )
        before = self.state
        command = [*(FULL_DISK if full_disk else ()), *self._loader.command]
        with (
            states.open("wb") as acknowledged,
            target_log.open("wb") as log,
            started(self._tap.package, self._tap.arguments(before), **self._tap.options) as tap,
            subprocess.Popen([TEE, copy], stdin=tap.stdout, stdout=subprocess.PIPE) as tee,
            subprocess.Popen(command, stdin=tee.stdout, stdout=acknowledged, stderr=log) as target,
        ):
            # If this process kept an end of a pipe open, the others would not see it close.
            tap.stdout, pipe = None, tap.stdout
            for end in (pipe, tee.stdout):
                if end is not None:
                    end.close()
            _, stderr, stall = listen(tap, lambda: watch({"tap": tap, "target": target}))
            code = tap.wait()
            loaded = target.wait()
        lines = states.read_bytes().rpartition(b"\n")[0].splitlines()
        if lines:
            self.state = msgspec.json.decode(lines[-1])
        raw = copy.read_bytes()
        run = Run(code, raw[: raw.rfind(b"\n") + 1], stderr, stall, before)
        self._outcome.ran(run)
        self._outcome.leaked += leaks(target_log.read_bytes())
        return run, loaded

    def finish(self) -> None:
        """Run the pipeline undisturbed, and compare all loaded rows with truth."""
        run, loaded = self.run()
        self._outcome.expect_code(run, 0)
        self._outcome.expect(loaded == 0, f"exit code {loaded} of the loader")
        self._loader.compare(self._outcome)


def kill(
    tap_under_test: TapUnderTest,
    victims: tuple[str, ...],
    seed: int,
    folder: Path,
    *,
    times: int = 2,
    loader: type[Loader] = Loader,
) -> Outcome:
    """Kill processes of a pipeline after random numbers of requests, then let it end.

    Args:
        tap_under_test: The tap.
        victims: The processes to kill each time: `tap`, `target`, or both.
        seed: Determines when they are killed, and the data.
        folder: Where to write files.
        times: How often they are killed.
        loader: The loader of the tap's output.
    """
    random = Random(f"{victims} {seed}")  # noqa: S311 (times, not secrets)
    kills = 0

    def watch(running: dict[str, Process]) -> None:
        nonlocal kills
        if len(sandbox.requests) >= kill_after:
            kills += 1
            for name in victims:
                running[name].kill()

    outcome = Outcome()
    with Sandbox(
        seed=seed, scale=tap_under_test.scale, api_key=CANARY, latency_ms=LATENCY_MS
    ) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, debug=bool(seed % 2))
        pipeline = Pipeline(tap, loader(tap, folder), folder, outcome)
        for _ in range(times):
            sandbox.clear_requests()
            kill_after = random.randrange(1, tap_under_test.requests)
            pipeline.run(watch)
            tap.mutate()
        outcome.expect(kills, "nothing was killed")
        pipeline.finish()
    return outcome


def fill_disk(
    tap_under_test: TapUnderTest, seed: int, folder: Path, *, loader: type[Loader] = Loader
) -> Outcome:
    """Run a pipeline on a full disk, then again with space."""
    outcome = Outcome()
    with Sandbox(seed=seed, scale=tap_under_test.scale, api_key=CANARY) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, debug=bool(seed % 2))
        pipeline = Pipeline(tap, loader(tap, folder), folder, outcome)
        run, loaded = pipeline.run(full_disk=True)
        outcome.expect(loaded != 0, "the disk was not full")
        if loader is Loader:  # target-duckdb reads all of its input before it writes
            outcome.expect_code(run, 1)
        outcome.expect("Traceback" not in run.log, f"a traceback: {run.log[-1500:]}")
        pipeline.finish()
    return outcome


def interrupt(
    tap_under_test: TapUnderTest,
    number: signal.Signals,
    seed: int,
    folder: Path,
    *,
    max_seconds: float = float("inf"),
) -> Outcome:
    """Send a signal to a tap during a read, while a response is outstanding, and during a wait.

    Args:
        tap_under_test: The tap.
        number: The signal.
        seed: Determines when the signal is sent, and the data.
        folder: Where to write files.
        max_seconds: Seconds from the signal within which the tap must end.
    """
    outcome = Outcome()
    random = Random(f"{number} {seed}")  # noqa: S311 (times, not secrets)
    with Sandbox(
        seed=seed, scale=tap_under_test.scale, api_key=CANARY, latency_ms=LATENCY_MS
    ) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, debug=bool(seed % 2))
        state: State | None = None
        rows: dict[str, dict[Key, Record]] = {stream: {} for stream in tap.streams}
        for fault in ({}, NO_RESPONSE, {"status": 429, "headers": {"Retry-After": "250"}}):
            sandbox.clear_requests()
            if not fault:
                when = _Condition(sandbox, random.randrange(1, tap_under_test.requests // 2), "")
            else:
                sandbox.override(tap_under_test.main_path, **fault)
                when = _Condition(sandbox, 1, tap_under_test.main_path, seconds=0.3)
            signaller = _Signaller(number, when)
            run = tap.run(state, watch=signaller)
            outstanding = [one for one in sandbox.requests if not one.status]
            sandbox.clear_overrides()
            outcome.ran(run)
            outcome.expect_code(run, 128 + number)
            outcome.expect("Traceback" not in run.log, f"a traceback: {run.log[-1500:]}")
            outcome.expect(signaller.seconds < max_seconds, f"{signaller.seconds:.1f} s to the end")
            outcome.expect(fault is not NO_RESPONSE or outstanding, "the tap awaited the response")
            outcome.expect(run.output.states or not _moved_bookmark(run), "no STATE at all")
            state = _collect(rows, _acknowledged(run))
            tap.mutate()  # so that there is something to read
        run = tap.run(state)
        outcome.ran(run)
        outcome.expect_code(run, 0)
        _collect(rows, run)
        for stream, found in rows.items():
            tap.compare(outcome, stream, found)
    return outcome


def _moved_bookmark(run: Run) -> bool:
    """Whether a run has emitted rows of streams with a bookmark."""
    return any(
        run.output.schemas[stream][-1].get("bookmark_properties") for stream in run.output.counts
    )


def _acknowledged(run: Run) -> Run:
    """Remove the output after the last STATE, which a loader may lose."""
    lines = run.stdout.splitlines(keepends=True)
    while lines and not lines[-1].startswith(b'{"type":"STATE"'):
        lines.pop()
    return replace(run, stdout=b"".join(lines))


def _collect(rows: dict[str, dict[Key, Record]], run: Run) -> State:
    """Add the rows of a run to those of earlier runs. Returns its last state."""
    for stream, found in rows.items():
        found.update(run.rows(stream))
    return run.output.state


class _Condition:
    """True once a number of requests have been received and some seconds have passed since."""

    def __init__(self, sandbox: Sandbox, number: int, path: str, seconds: float = 0.0) -> None:
        self._sandbox, self._number, self._path = sandbox, number, path
        self._seconds = seconds
        self._since: float | None = None

    def __bool__(self) -> bool:
        if self._since is None:
            found = sum(bool(re.search(self._path, one.path)) for one in self._sandbox.requests)
            if found >= self._number:
                self._since = time.monotonic()
        return self._since is not None and time.monotonic() - self._since >= self._seconds


class _Signaller:
    """Sends a signal once, and measures the time until the process ends.

    Attributes:
        seconds: Seconds from the signal to the last call.
    """

    def __init__(self, number: signal.Signals, when: _Condition) -> None:
        self._number, self._when = number, when
        self._sent = 0.0
        self.seconds = 0.0

    def __call__(self, process: Process) -> None:
        """Send the signal if it is time, or measure. Called repeatedly while the process runs."""
        if self._sent:
            self.seconds = time.monotonic() - self._sent
        elif self._when:
            self._sent = time.monotonic()
            process.send_signal(self._number)
