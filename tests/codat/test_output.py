"""Standard output that fails: one message and exit code 1, whatever was being written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.codat.support import settings_for

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.codat.support import Processes, Taps

FULL = Path("/dev/full")
COMMANDS: tuple[list[str], ...] = (
    [],
    ["--discover"],
    ["--test"],
    ["--test=schema"],
    ["--about"],
    ["--version"],
    ["--help"],
)

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")


def errors(log: str) -> list[str]:
    """Return what the user reads."""
    assert "Traceback" not in log
    assert "Exception ignored" not in log
    return [line.rpartition("| ")[2] for line in log.splitlines() if "| ERROR " in line]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "sync")
def test_full_disk_ends_in_one_message(
    processes: Processes, run: Taps, sandbox: Sandbox, command: list[str]
) -> None:
    arguments = run.arguments(config=settings_for(sandbox))
    with FULL.open("wb", 0) as full:
        ended = processes.into(full.fileno(), *arguments, *command)
    assert ended.code == 1
    assert errors(ended.log) == ["The output cannot be written (No space left on device)."]


@pytest.mark.parametrize("command", [[], ["--discover"]], ids=["sync", "discover"])
def test_closed_output_ends_in_one_message(run: Taps, sandbox: Sandbox, command: list[str]) -> None:
    ended = with_closed(1, [*run.arguments(config=settings_for(sandbox)), *command])
    assert ended.returncode == 1
    assert errors(ended.stderr) == ["The output cannot be written (it is closed)."]


def test_closed_log_does_no_harm(run: Taps, sandbox: Sandbox) -> None:
    ended = with_closed(2, run.arguments(config=settings_for(sandbox)))
    assert ended.returncode == 0
    assert ended.stdout.count('"type":"STATE"')


def with_closed(descriptor: int, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the tap, one of whose standard streams is closed."""
    script = f'exec "$@" {descriptor}>&-'
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "tap_codat", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )
