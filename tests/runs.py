"""Runs of a tap through its command line, in this process, and what they leave."""

from __future__ import annotations

import io
import json
import logging
import re
import signal
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from commerce_taps.stream import HTTPStream
    from commerce_taps.tap import HTTPTap
    from tests.contract import Record, State


@dataclass(frozen=True)
class Run:
    """How a run ended and what it left.

    Attributes:
        code: Its exit code.
        stdout: What it wrote.
        log: What it logged.
        before: The state it was given.
    """

    code: int
    stdout: bytes
    log: str
    before: State = field(default_factory=dict)

    @cached_property
    def output(self) -> Output:
        """The output, which keeps the contract."""
        return Output(self.stdout, self.before)

    def summary(self, stream: str) -> dict[str, int]:
        """Read a stream's line of the table at the end of the log."""
        lines = re.findall(rf"^.*\b{stream} +((?:\d+ +){{6}})[\d.]+$", self.log, re.MULTILINE)
        names = ("partitions", "read", "skipped", "failed", "records", "requests")
        return dict(zip(names, map(int, lines[-1].split()), strict=True))


# It has a line at DEBUG for each column of each stream, which take a third of the time of a run.
logging.getLogger("singer_sdk.singerlib.catalog").setLevel(logging.INFO)


def in_process(tap: type[HTTPTap], *arguments: str, before: State | None = None) -> Run:
    """Run a tap's command line in this process, leaving no trace in it."""
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="utf-8")
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level, hook, factory = root.level, sys.excepthook, logging.getLogRecordFactory()
    signals = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        with redirect_stdout(stdout), pytest.raises(SystemExit) as end:
            tap.get_singer_command().main(arguments, tap.name)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        sys.excepthook = hook
        logging.captureWarnings(capture=False)
        logging.setLogRecordFactory(factory)
        for number, action in signals.items():
            signal.signal(number, action)
    stdout.flush()
    return Run(int(end.value.code or 0), written.getvalue(), log.getvalue(), before or {})


def secrets_of(kinds: Iterable[type[HTTPStream]]) -> list[str]:
    """List what `include_secrets` may name, so that a run can be compared with the whole truth."""
    return [f"{vars(kind)['name']}.{column}" for kind in kinds for column in kind.secret_columns]


def settings_from(sandbox: Sandbox, prefix: str) -> Record:
    """Read the settings of a tap from a sandbox's environment.

    Args:
        sandbox: The sandbox.
        prefix: How the variables of the tap begin, or of one of its APIs.
    """
    found: Record = {
        name.removeprefix(prefix).lower(): value
        for name, value in sandbox.environment.items()
        if name.startswith(prefix) and ("ORDER" in prefix or "_ORDER_" not in name)
    }
    if "voucher_ids" in found:
        found["voucher_ids"] = json.loads(found["voucher_ids"])
    return found


class Runs:
    """Runs a tap in this process, with settings, state and catalog in files."""

    def __init__(
        self, tap: type[HTTPTap], settings_for: Callable[..., Record], folder: Path
    ) -> None:
        self._tap = tap
        self._settings_for = settings_for
        self._folder = folder
        self._files = 0

    def __call__(
        self,
        sandbox: Sandbox,
        *api: str,
        state: State | None = None,
        catalog: Record | None = None,
        **settings: Any,  # noqa: ANN401 (JSON)
    ) -> Run:
        """Run the tap against a sandbox.

        Args:
            sandbox: The sandbox to read.
            api: Which API, where the tap has several; the first if none.
            state: The state of an earlier run.
            catalog: The streams to read; the tap's default if none.
            settings: Settings that replace those of the sandbox; `None` removes one.
        """
        return self.run(self._settings_for(sandbox, *api) | settings, state, catalog)

    def run(self, config: Record, state: State | None, catalog: Record | None) -> Run:
        """Run the tap with its settings, those that are `None` left out."""
        given = {name: value for name, value in config.items() if value is not None}
        arguments = self.arguments(config=given, state=state, catalog=catalog)
        return in_process(self._tap, *arguments, before=state)

    def arguments(self, **files: Record | None) -> list[str]:
        """Write files, and give the command line that names them."""
        self._files += 1
        found = []
        for option, content in files.items():
            if content is not None:
                path = self._folder / f"{option}-{self._files}.json"
                path.write_text(json.dumps(content), encoding="utf-8")
                found += [f"--{option}", str(path)]
        return found
