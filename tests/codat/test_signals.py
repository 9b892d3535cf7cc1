"""Runs that are cut off: what they have written can be loaded, and the next run goes on there."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from tests import processes
from tests.codat.support import catalog, settings_for, truth
from tests.contract import bookmarks
from tests.runs import Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.codat.support import Taps

STREAMS = ("commerce_customers", "commerce_orders", "commerce_products")
SOME = catalog(**dict.fromkeys(STREAMS))
ENOUGH = 30
"""Records after which a run is cut off. Many more are still to come."""


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[Sandbox]:
    """A sandbox that takes its time, so that a run is under way when it is cut off."""
    with Sandbox(scale=0.1, latency_ms=60) as running:
        yield running


class Process:
    """A run in a process of its own."""

    def __init__(self, running: processes.Process, log: Path) -> None:
        self._running = running
        self._log = log
        assert running.stdout is not None
        self.stdout = running.stdout

    def send(self, number: signal.Signals) -> None:
        assert self._running.poll() is None, self._log.read_text(encoding="utf-8")
        self._running.send_signal(number)

    def fill(self) -> None:
        """Read nothing until nothing more fits into the pipe."""
        waiting, before = 0, -1
        while not waiting or waiting != before:
            assert self._running.poll() is None, "it has ended before"
            time.sleep(0.5)
            held = fcntl.ioctl(self.stdout, termios.FIONREAD, bytes(4))
            waiting, before = int.from_bytes(held, sys.byteorder), waiting

    def end(self, stdout: bytes = b"") -> Run:
        """Wait for its end; what it wrote until now is given."""
        rest = b"" if self.stdout.closed else self.stdout.read()
        code = self._running.wait()
        return Run(code, stdout + rest, self._log.read_text(encoding="utf-8"))


@contextmanager
def started(
    arguments: list[str], folder: Path, *, quick: bool = True, **variables: str
) -> Iterator[Process]:
    log = folder / "log"
    with (
        log.open("wb") as stderr,
        processes.started(
            "tap_codat",
            arguments,
            quick=quick,
            variables=variables,
            folder=folder,
            stderr=stderr.fileno(),
        ) as running,
    ):
        yield Process(running, log)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_interrupted_run_can_be_continued(
    run: Taps, slow_sandbox: Sandbox, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    settings = settings_for(slow_sandbox) | {"page_size": 10, "concurrency": 2}
    with started(run.arguments(config=settings, catalog=SOME), tmp_path) as process:
        lines: list[bytes] = []
        while sum(b'"RECORD"' in line for line in lines) < ENOUGH:
            lines.append(process.stdout.readline())
        process.send(number)
        ended = process.end(b"".join(lines))
    assert ended.code == code
    assert f"Stopped: the run was interrupted by {number.name}" in ended.log
    assert "Traceback" not in ended.log

    first = ended.output
    assert json.loads(first.raw.splitlines()[-1])["type"] == "STATE"
    assert list(bookmarks(first.state))
    assert not first.records["commerce_products"], "it should not have come so far"

    second = run(slow_sandbox, catalog=SOME, state=first.state)
    assert second.code == 0
    for stream in STREAMS:
        before = first.rows(stream) if stream in first.schemas else {}
        together = before | second.output.rows(stream)
        assert together == truth(slow_sandbox, second.output, stream)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_signal_with_slow_reader_cuts_no_line(
    run: Taps, sandbox: Sandbox, tmp_path: Path, unbuffered: str
) -> None:
    """Without a buffer of Python's, the system ends a write that a signal interrupts."""
    arguments = run.arguments(config=settings_for(sandbox), catalog=SOME)
    with started(arguments, tmp_path, quick=False, PYTHONUNBUFFERED=unbuffered) as process:
        process.fill()
        process.send(signal.SIGTERM)
        time.sleep(0.2)  # until it has reached the write
        ended = process.end()
    assert ended.code == 143
    first = ended.output
    assert sum(first.counts.values()) >= ENOUGH

    second = run(sandbox, catalog=SOME, state=first.state)
    for stream in STREAMS:
        before = first.rows(stream) if stream in first.schemas else {}
        together = before | second.output.rows(stream)
        assert together == truth(sandbox, second.output, stream)


def test_signal_with_silent_api_ends_run(run: Taps, own_sandbox: Sandbox, tmp_path: Path) -> None:
    own_sandbox.override("/codat/companies", delay=4)
    with started(run.arguments(config=settings_for(own_sandbox)), tmp_path) as process:
        while not own_sandbox.requests:
            assert process.stdout.readable()
        process.send(signal.SIGTERM)
        ended = process.end()
    (requests,) = own_sandbox.requests
    assert requests.status == 0, "the run waited for the response"
    assert ended.code == 143
    assert "Traceback" not in ended.log


def test_end_of_reader_ends_run(run: Taps, sandbox: Sandbox, tmp_path: Path) -> None:
    with started(run.arguments(config=settings_for(sandbox)), tmp_path) as process:
        process.stdout.readline()
        process.stdout.close()
        ended = process.end()
    assert ended.code == 1
    messages = [line for line in ended.log.splitlines() if "| ERROR " in line]
    assert len(messages) == 1, messages
    assert "The program that reads the output has ended." in messages[0]
    assert "Traceback" not in ended.log
    assert "Exception ignored" not in ended.log
