"""Pipelines of real processes that are killed, and what they have loaded in the end."""

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
"""So that a run takes long enough to be struck while it is under way."""
SILENCE: Final[dict[str, Any]] = {"delay": 4}
TEE: Final = shutil.which("tee") or "tee"
FULL_DISK: Final = ("sh", "-c", 'ulimit -f 300; exec "$@"', "sh")
"""Runs a command that may write no file larger than 150 or 300 KB, less than there is to load.

It stands in for a full disk, which takes a file system of one's own, and so rights that a test
should not need: to the program a write fails either way, in the middle of a file.
"""


class Pipeline:
    """`tap | tee | target`, run again and again with the state that was acknowledged last.

    Attributes:
        state: What the loader has acknowledged last.

    Args:
        tap: The tap.
        loader: What loads its output.
        folder: Where to write files.
        outcome: Where each run is counted.
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
        strike: Callable[[dict[str, Process]], None] = lambda _: None,
        *,
        full_disk: bool = False,
    ) -> tuple[Run, int]:
        """Run it to its end, whatever the end is.

        Args:
            strike: Called again and again with the processes by name, to do them harm.
            full_disk: Whether there is no room for what the loader writes.

        Returns:
            The tap's run, its output cut after the last whole line, and the loader's exit code.
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
            # Only the next process may hold a pipe's end, or nobody would learn that it is gone.
            tap.stdout, pipe = None, tap.stdout
            for end in (pipe, tee.stdout):
                if end is not None:
                    end.close()
            _, stderr, stall = listen(tap, lambda: strike({"tap": tap, "target": target}))
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
        """Let it run undisturbed, and compare what it has loaded over all with truth."""
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
    """Kill processes of a pipeline at random moments, then let it end.

    Args:
        tap_under_test: The tap.
        victims: Which of `tap` and `target` are killed each time.
        seed: Chooses the moments and names the data.
        folder: Where to write files.
        times: How often they are killed.
        loader: What loads the tap's output.
    """
    random = Random(f"{victims} {seed}")  # noqa: S311 (moments, not secrets)
    struck = 0

    def strike(running: dict[str, Process]) -> None:
        nonlocal struck
        if len(sandbox.requests) >= moment:
            struck += 1
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
            moment = random.randrange(1, tap_under_test.requests)
            pipeline.run(strike)
            tap.mutate()
        outcome.expect(struck, "nothing was killed")
        pipeline.finish()
    return outcome


def fill_disk(
    tap_under_test: TapUnderTest, seed: int, folder: Path, *, loader: type[Loader] = Loader
) -> Outcome:
    """Fill the loader's disk, then free it."""
    outcome = Outcome()
    with Sandbox(seed=seed, scale=tap_under_test.scale, api_key=CANARY) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, debug=bool(seed % 2))
        pipeline = Pipeline(tap, loader(tap, folder), folder, outcome)
        run, loaded = pipeline.run(full_disk=True)
        outcome.expect(loaded != 0, "the disk was not full")
        if loader is Loader:  # the other one takes everything in before it writes
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
    prompt: float = float("inf"),
) -> Outcome:
    """Ask a tap to end: at a random moment, while an answer does not come, and while it waits.

    Args:
        tap_under_test: The tap.
        number: The signal.
        seed: Chooses the moment and names the data.
        folder: Where to write files.
        prompt: Seconds in which it must have ended.
    """
    outcome = Outcome()
    random = Random(f"{number} {seed}")  # noqa: S311 (moments, not secrets)
    with Sandbox(
        seed=seed, scale=tap_under_test.scale, api_key=CANARY, latency_ms=LATENCY_MS
    ) as sandbox:
        tap = Tap(tap_under_test, sandbox, folder, debug=bool(seed % 2))
        state: State | None = None
        rows: dict[str, dict[Key, Record]] = {stream: {} for stream in tap.streams}
        for trouble in ({}, SILENCE, {"status": 429, "headers": {"Retry-After": "250"}}):
            sandbox.clear_requests()
            if not trouble:
                when = _After(sandbox, random.randrange(1, tap_under_test.requests // 2), "")
            else:
                sandbox.override(tap_under_test.main_path, **trouble)
                when = _After(sandbox, 1, tap_under_test.main_path, seconds=0.3)
            interrupter = _Interrupter(number, when)
            run = tap.run(state, watch=interrupter)
            unanswered = [one for one in sandbox.requests if not one.status]
            sandbox.clear_overrides()
            outcome.ran(run)
            outcome.expect_code(run, 128 + number)
            outcome.expect("Traceback" not in run.log, f"a traceback: {run.log[-1500:]}")
            outcome.expect(interrupter.seconds < prompt, f"{interrupter.seconds:.1f} s to the end")
            outcome.expect(trouble is not SILENCE or unanswered, "the answer was waited for")
            outcome.expect(run.output.states or not _marked(run), "no STATE at all")
            state = _collect(rows, _loaded(run))
            tap.mutate()  # so that there is something to read
        run = tap.run(state)
        outcome.ran(run)
        outcome.expect_code(run, 0)
        _collect(rows, run)
        for stream, found in rows.items():
            tap.compare(outcome, stream, found)
    return outcome


def _marked(run: Run) -> bool:
    """Tell whether rows came that move a bookmark."""
    return any(
        run.output.schemas[stream][-1].get("bookmark_properties") for stream in run.output.counts
    )


def _loaded(run: Run) -> Run:
    """Cut off what comes after the last STATE, which a loader may lose."""
    lines = run.stdout.splitlines(keepends=True)
    while lines and not lines[-1].startswith(b'{"type":"STATE"'):
        lines.pop()
    return replace(run, stdout=b"".join(lines))


def _collect(rows: dict[str, dict[Key, Record]], run: Run) -> State:
    """Add a run's rows to what was collected before, and give its last state."""
    for stream, found in rows.items():
        found.update(run.rows(stream))
    return run.output.state


class _After:
    """Tells when a number of requests have come in, and some time has passed since."""

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


class _Interrupter:
    """Sends a signal once, and takes the time until the end.

    Attributes:
        seconds: From the signal to the last look at the process.
    """

    def __init__(self, number: signal.Signals, when: _After) -> None:
        self._number, self._when = number, when
        self._sent = 0.0
        self.seconds = 0.0

    def __call__(self, process: Process) -> None:
        """Look at the process."""
        if self._sent:
            self.seconds = time.monotonic() - self._sent
        elif self._when:
            self._sent = time.monotonic()
            process.send_signal(self._number)
