"""Runs that end early: soon, and with the right exit code, even if something hangs.

What hangs does so for minutes, so the bound is far from both how long a run takes on a busy machine
and how long it would take if it waited.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests import processes
from tests.codat.support import catalog, settings_for
from tests.core.test_attacks import serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps

HANG = 600
BOUND = 60
both = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
SOME = catalog(commerce_customers=None, commerce_orders=None, commerce_products=None)


@dataclass
class Process:
    """A run in a process of its own.

    Attributes:
        popen: The process itself.
        log: What it logs.
    """

    popen: processes.Process
    log: Path

    def reach(self, *signs: Callable[[], bool]) -> None:
        """Wait until it has come so far."""
        until = time.monotonic() + BOUND
        while not all(sign() for sign in signs):
            assert self.popen.poll() is None, self.text
            assert time.monotonic() < until, self.text
            time.sleep(0.05)

    def has_logged(self, text: str) -> Callable[[], bool]:
        return lambda: text in self.text

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self, code: int, *parts: str) -> None:
        """Check that it ends soon, with a code and a message."""
        assert self.popen.wait(BOUND) == code, self.text
        for part in parts:
            assert part in self.text
        assert "Traceback" not in self.text
        assert "Exception ignored" not in self.text


@contextmanager
def started(
    arguments: list[str], folder: Path, stdout: int | IO[bytes] | None = None
) -> Iterator[Process]:
    """Start the tap; its output is read only if it goes to a file or a pipe."""
    log = folder / "log"
    with (
        log.open("wb") as stderr,
        Path(os.devnull).open("wb") as nothing,
        processes.started(
            "tap_codat",
            arguments,
            folder=folder,
            stdout=stdout if isinstance(stdout, int) else (stdout or nothing).fileno(),
            stderr=stderr.fileno(),
        ) as popen,
    ):
        yield Process(popen, log)


def settings(sandbox: Sandbox, **others: Any) -> dict[str, Any]:  # noqa: ANN401
    return settings_for(sandbox) | {"request_timeout": HANG, "max_wait": HANG} | others


def came(sandbox: Sandbox, path: str) -> Callable[[], bool]:
    return lambda: any(path in one.path for one in sandbox.requests)


# --- signals ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """What a run waits for when a signal comes.

    Attributes:
        response: What the API does with requests for orders.
        sign: What the log contains once it waits; otherwise the request is seen.
        arguments: More of the command line.
    """

    response: dict[str, Any]
    sign: str = ""
    arguments: list[str] = field(default_factory=list)


WAITS = {
    "a wait the API requests": Wait(
        {"status": 429, "headers": {"Retry-After": "500"}}, "try 2 of 9 in 500"
    ),
    "a response": Wait({"delay": HANG}),
    "a response, in the main thread": Wait({"delay": HANG}, arguments=["--test"]),
}


@both
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_signal_ends_waiting_run(
    run: Taps, own_sandbox: Sandbox, tmp_path: Path, wait: Wait, number: signal.Signals
) -> None:
    own_sandbox.override("data/commerce-", **wait.response)
    config = settings(own_sandbox)
    with started([*run.arguments(config=config), *wait.arguments], tmp_path) as process:
        sign = process.has_logged(wait.sign) if wait.sign else came(own_sandbox, "data/commerce-")
        process.reach(sign)
        process.popen.send_signal(number)
        process.end(128 + number, "interrupted")


@both
def test_signal_ends_run_with_hanging_bodies(
    run: Taps, sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    hanging: list[socket.socket] = []

    def respond(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{")
        hanging.append(connection)
        connection.recv(9999)  # until the other side goes

    with serving(respond) as url:
        arguments = run.arguments(config=settings(sandbox, api_url=url))
        with started(arguments, tmp_path) as process:
            process.reach(lambda: bool(hanging))
            process.popen.send_signal(number)
            process.end(128 + number, "interrupted")


@both
def test_signal_ends_run_with_blocked_output(
    run: Taps, sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = run.arguments(config=settings(sandbox))
    with started(arguments, tmp_path, stdout=subprocess.PIPE) as process:
        process.reach(process.has_logged("Beginning sync of 'commerce_"))
        time.sleep(1)  # the pipe is full soon after that, and it does no harm if it is not
        process.popen.send_signal(number)
        process.end(128 + number, "interrupted")


@both
def test_signal_keeps_its_exit_code_if_last_flush_fails(
    run: Taps, own_sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    """The first page is in the buffer, below its size, when signal and reader end the run."""
    second_page = "data/commerce-products.*modifiedDate>"
    own_sandbox.override(second_page, delay=HANG)
    config = settings(own_sandbox, concurrency=1, page_size=3)
    arguments = run.arguments(config=config, catalog=catalog(commerce_products=None))
    with started(arguments, tmp_path, stdout=subprocess.PIPE) as process:
        stdout = process.popen.stdout
        assert stdout is not None
        process.reach(
            lambda: any(
                "modifiedDate>" in one.query.get("query", "") for one in own_sandbox.requests
            )
        )
        stdout.close()
        process.popen.send_signal(number)
        process.end(128 + number, "interrupted", "The program that reads the output has ended.")


# --- failures -----------------------------------------------------------------------------------


def test_rejected_key_ends_run_with_hanging_threads(
    run: Taps, own_sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whatever comes first in the run's order: what hangs is not waited for."""
    own_sandbox.override("data/commerce-customers", delay=HANG)
    own_sandbox.override("data/commerce-(orders|products)", status=401)
    config = settings(own_sandbox, concurrency=16)
    with started(run.arguments(config=config, catalog=SOME), tmp_path) as process:
        process.end(1, "Stopped: ", "does not accept the key")


def test_failure_ends_strict_run_with_hanging_threads(
    run: Taps, own_sandbox: Sandbox, tmp_path: Path
) -> None:
    own_sandbox.override("data/commerce-customers", status=403)
    own_sandbox.override("data/commerce-(orders|products)", delay=HANG)
    config = settings(own_sandbox, concurrency=16, strict=True)
    with started(run.arguments(config=config, catalog=SOME), tmp_path) as process:
        process.end(1, "Stopped: commerce_customers")


@pytest.mark.parametrize("missing", [100, 3000], ids=["last flush", "before"])
def test_full_output_ends_run(run: Taps, sandbox: Sandbox, tmp_path: Path, missing: int) -> None:
    arguments = run.arguments(config=settings(sandbox, concurrency=1), catalog=SOME)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    with whole.open("wb") as output, started(arguments, tmp_path, stdout=output) as process:
        process.end(0)
    size = whole.stat().st_size - missing

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    with cut.open("wb") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "tap_codat", *arguments],
            check=False,
            env=processes.environment(),
            preexec_fn=limit,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 1
    assert "The output cannot be written (File too large)." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert cut.read_bytes()[: size // 2]
