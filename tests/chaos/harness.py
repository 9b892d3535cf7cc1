"""Runs a tap as a process, and counts lost and invented rows and printed secrets."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

from typing_extensions import Self

from tests.chaos.tap_under_test import CANARY
from tests.contract import Output, is_exact
from tests.processes import listen, started

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from tests.chaos.tap_under_test import TapUnderTest
    from tests.contract import Key, Record, State
    from tests.processes import Process


def _base64(secret: str) -> Iterator[str]:
    """Yield the base64 of a secret, alone and at each offset within a longer text."""
    plain = secret.encode()
    yield base64.b64encode(plain).decode().rstrip("=")
    for before in (1, 2):
        # A character stands for six bits. Leave out those that share bits with another text.
        encoded = base64.b64encode(bytes(before) + plain).decode()
        yield encoded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


FORMS: Final = tuple(
    form.encode()
    for form in {
        CANARY,
        *_base64(CANARY),
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        repr(CANARY)[1:-1],
        json.dumps(CANARY)[1:-1],
        CANARY[:14],
    }
)
"""The secret in every form in which it may be printed, and its beginning."""


def leaks(printed: bytes) -> int:
    """Count the forms of the secret in printed bytes."""
    return sum(form in printed for form in FORMS)


@dataclass
class Outcome:
    """The outcome of a scenario, summed over its runs.

    Attributes:
        runs: Processes of the tap.
        expected: Rows in the sandbox.
        lost: Rows that did not arrive, or not in their last version.
        invented: Rows that arrived and are not in the sandbox.
        leaked: How often a form of the secret was printed.
        stall: The longest time without output, in seconds.
        notes: Descriptions of all other faults.
    """

    runs: int = 0
    expected: int = 0
    lost: int = 0
    invented: int = 0
    leaked: int = 0
    stall: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether no row was lost or invented, no secret printed, and no other fault noted."""
        return not (self.lost or self.invented or self.leaked or self.notes)

    def __iadd__(self, other: Outcome) -> Self:
        """Add the outcome of another run or scenario."""
        self.runs += other.runs
        self.expected += other.expected
        self.lost += other.lost
        self.invented += other.invented
        self.leaked += other.leaked
        self.stall = max(self.stall, other.stall)
        self.notes += other.notes
        return self

    def ran(self, run: Run) -> None:
        """Count a process, and check its output up to the point where it ended."""
        self.runs += 1
        self.leaked += run.leaked
        self.stall = max(self.stall, run.stall)
        try:
            assert run.output.raw == run.stdout
        except AssertionError as error:
            self.notes.append(f"the output breaks the contract: {error}")

    def expect(self, condition: object, note: str) -> None:
        """Add a note unless a condition holds."""
        if not condition:
            self.notes.append(note)

    def expect_code(self, run: Run, code: int) -> None:
        """Note the end of the log unless a run has ended with this exit code."""
        self.expect(run.code == code, f"exit code {run.code}, not {code}: {run.log[-1500:]}")

    def compare(
        self,
        found: dict[Key, Record],
        truth: dict[Key, Record],
        same: Callable[[Record, Record], bool] = is_exact,
        unreported: Collection[Key] = (),
    ) -> None:
        """Count the rows that differ from truth.

        Args:
            found: The rows that arrived, by key.
            truth: The rows of the sandbox, by key.
            same: Compares a row that arrived with the row of the sandbox.
            unreported: Keys of rows that may have an earlier version, but may not be missing.
        """
        self.expected += len(truth)
        self.lost += sum(
            key not in found or not (key in unreported or same(found[key], row))
            for key, row in truth.items()
        )
        self.invented += len(found.keys() - truth.keys())


@dataclass
class Run:
    """A process of the tap that has ended.

    Attributes:
        code: The exit code.
        stdout: The output.
        stderr: The log.
        stall: The longest time without output, in seconds.
        before: The state with which it started.
    """

    code: int
    stdout: bytes
    stderr: bytes
    stall: float
    before: State | None = None

    @cached_property
    def output(self) -> Output:
        """The output, checked against the contract: a STATE covers only rows before it."""
        return Output(self.stdout, self.before)

    def rows(self, stream: str) -> dict[Key, Record]:
        """Return the last record of each key of a stream, as a loader would keep it."""
        return self.output.rows(stream) if stream in self.output.schemas else {}

    @property
    def log(self) -> str:
        """The log as text."""
        return self.stderr.decode(errors="replace")

    @property
    def leaked(self) -> int:
        """How often a form of the secret was printed."""
        return leaks(self.stdout) + leaks(self.stderr)

    def failed(self, stream: str) -> int:
        """Read the number of failed partitions of a stream from the summary in the log."""
        lines = re.findall(rf"\b{stream} +((?:\d+ +){{6}})[\d.]+$", self.log, re.MULTILINE)
        return int(lines[-1].split()[3]) if lines else 0


class Tap:
    """Runs a tap as a process against a sandbox.

    Args:
        tap_under_test: The tap.
        sandbox: The sandbox.
        folder: Where to write the files of a run.
        quick: Whether retries follow almost at once.
        debug: Whether the log level is DEBUG.
        only: The streams to read; all if empty.
        settings: Settings besides those of the sandbox.
    """

    def __init__(
        self,
        tap_under_test: TapUnderTest,
        sandbox: Sandbox,
        folder: Path,
        *,
        quick: bool = True,
        debug: bool = False,
        only: Collection[str] = (),
        **settings: Any,  # noqa: ANN401 (JSON)
    ) -> None:
        self.tap_under_test = tap_under_test
        self.sandbox = sandbox
        self.package = tap_under_test.package
        self.streams = [one for one in tap_under_test.streams if not only or one in only]
        variables = {f"{self.package.upper()}_LOGLEVEL": "DEBUG"} if debug else {}
        self.options: dict[str, Any] = {"quick": quick, "variables": variables}
        self._folder = folder
        self._unreported: set[tuple[str, Key]] = set()
        self._config = tap_under_test.config(sandbox) | settings
        self._files = 0

    def arguments(self, state: State | None = None, **settings: Any) -> list[str]:  # noqa: ANN401
        """Write the files of a run, and return its command line arguments."""
        arguments = []
        self._files += 1
        for option, content in (
            ("config", self._config | settings),
            ("catalog", self.tap_under_test.catalog(self.streams)),
            ("state", state),
        ):
            if content is not None:
                path = self._folder / f"{option}-{self._files}.json"
                path.write_text(json.dumps(content), encoding="utf-8")
                arguments += [f"--{option}", str(path)]
        return arguments

    def run(
        self,
        state: State | None = None,
        *,
        watch: Callable[[Process], None] = lambda _: None,
        **settings: Any,  # noqa: ANN401
    ) -> Run:
        """Run the tap until it ends.

        Args:
            state: The state of an earlier run.
            watch: Called repeatedly with the process while it runs.
            settings: Settings for this run.
        """
        with started(self.package, self.arguments(state, **settings), **self.options) as running:
            stdout, stderr, stall = listen(running, lambda: watch(running))
            return Run(running.wait(), stdout, stderr, stall, state)

    def truth(self, stream: str) -> dict[Key, Record]:
        """Read the rows that a stream has in the sandbox, by key."""
        return self.tap_under_test.truth(self.sandbox, stream)

    def mutate(self) -> None:
        """Change two rows and add one in each stream that can change."""
        self._unreported |= self.tap_under_test.mutate(self.sandbox, changes=2, inserts=1)

    def compare(self, outcome: Outcome, stream: str, rows: dict[Key, Record]) -> None:
        """Compare the rows of a stream with truth, allowing for changes that no response shows."""
        unreported = {key for of, key in self._unreported if of == stream}
        outcome.compare(
            rows, self.truth(stream), partial(self.tap_under_test.same, stream), unreported
        )
