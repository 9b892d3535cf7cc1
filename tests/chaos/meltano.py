"""Kills processes of `meltano run`, and checks the rows of the next run."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Final

from commerce_sandbox import Sandbox
from tests.chaos.harness import Outcome, leaks
from tests.chaos.loaders import compare_tables
from tests.chaos.tap_under_test import CANARY
from tests.e2e.support import Pipeline, exclusive_job
from tests.processes import ROOT, listen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest

VICTIMS: Final = ("{tap}", "target-duckdb", "meltano", "")
"""Each is the name of the process to kill, as in its command line; "" kills all of them."""


def kill(tap_under_test: TapUnderTest, seed: int, folder: Path) -> Outcome:
    """Kill one process of a Meltano run, or all of them, then run again."""
    outcome = Outcome()
    random = Random(f"meltano {seed}")  # noqa: S311 (times, not secrets)
    victim = VICTIMS[seed % len(VICTIMS)].format(tap=tap_under_test.name)
    kill_after = random.randrange(1, tap_under_test.requests // 2)
    with Sandbox(seed=seed, scale=tap_under_test.scale, api_key=CANARY, latency_ms=40) as sandbox:
        pipeline = Pipeline(sandbox, folder / "chaos.duckdb", folder / "meltano.db")
        level = f"--log-level={'debug' if seed % 2 else 'info'}"
        code, log = _run(
            outcome, pipeline, level, tap_under_test.job, victim=victim, kill_after=kill_after
        )
        outcome.expect(code != 0, f"Meltano did not notice the kill of {victim!r}: {log[-1500:]}")
        tap_under_test.mutate(sandbox, changes=2, inserts=1)
        # For five minutes, Meltano considers a run that was killed active.
        code, log = _run(outcome, pipeline, level, tap_under_test.job, "--force")
        outcome.expect(code == 0, f"exit code {code} of Meltano: {log[-1500:]}")
        compare_tables(
            outcome, tap_under_test, sandbox, pipeline.database, tap_under_test.default_streams
        )
    return outcome


def _run(
    outcome: Outcome,
    pipeline: Pipeline,
    level: str,
    *arguments: str,
    victim: str | None = None,
    kill_after: int = 0,
) -> tuple[int, str]:
    """Run Meltano, and kill a process of it after a number of requests.

    Returns:
        The exit code and the log of Meltano.
    """
    program, *command, _ = pipeline.command()
    pipeline.sandbox.clear_requests()
    with (
        exclusive_job(),
        subprocess.Popen(
            [program, level, *command, *arguments],
            cwd=ROOT,
            env=pipeline.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as running,
    ):
        killed = False

        def watch() -> None:
            nonlocal killed
            if victim is not None and not killed and len(pipeline.sandbox.requests) >= kill_after:
                killed = True
                for process in _group(running.pid, victim):
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)

        try:
            stdout, stderr, stall = listen(running, watch)
        finally:
            for process in _group(running.pid, ""):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        outcome.runs += 1
        outcome.leaked += leaks(stdout) + leaks(stderr)
        outcome.stall = max(outcome.stall, stall)
        return running.wait(), stderr.decode(errors="replace")


def _group(leader: int, name: str) -> list[int]:
    """List the processes of a group whose command line contains a name."""
    listing = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,pgid=,args="],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = []
    for line in listing.splitlines():
        process, group, command = line.split(maxsplit=2)
        if int(group) == leader and f"bin/{name}" in command:
            found.append(int(process))
    return found
