"""One altered response, two runs, and what must hold after them.

`Fuzzer.play(seed)` alters one place of one response of a run that is known to be good, runs the tap
on it, runs it once more on good responses with the state that the first run left, and lists what is
wrong:

- the run has ended by itself, with 0 or 1, without a traceback and without control characters;
- what it wrote keeps the contract of `tests.contract`;
- with 0, every row is there; with 1, what is missing was named, and nothing else is missing;
- no row is made up, and no row is another one than without the change;
- after the second run every row is there: no bookmark and no mark has passed one.

The altered record itself is excused, with the rows that are made of it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import random
import re
import signal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from typing_extensions import override

from commerce_sandbox import Sandbox
from commerce_taps import http
from tests.chaos.harness import Outcome, leaks
from tests.chaos.tap_under_test import CANARY
from tests.fuzz import mutations
from tests.fuzz.replay import Replay, Request
from tests.runs import Run, in_process

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from commerce_taps.tap import HTTPTap
    from tests.chaos.tap_under_test import TapUnderTest
    from tests.contract import Key, Record, State
    from tests.fuzz.mutations import Mutation

Rows = dict[str, dict["Key", "Record"]]
"""Rows by stream and key."""

SCALE = 0.002
"""Size of the sandbox's data: as little as has every kind of row."""

SECONDS = 60
"""A run takes about one: one that takes this long hangs."""

WITHOUT: Final = {
    "tap-codat": "/companies",
    "tap-cscart": "/version",
    "tap-centra (integration)": "__schema",
}
"""The end of the endpoint without which a tap can read nothing, so that it stops the run."""

GONE: Final = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
    ArithmeticError,
    msgspec.DecodeError,
)
"""How a change fails whose place another one has taken away."""

PARENTS: Final = {
    "order_lines": "orders",
    "order_items": "orders",
    "cart_items": "carts",
    "product_feature_values": "products",
    "feature_variants": "features",
}
"""Streams whose rows come inside of those of another one, which is what fails."""

_SIGNS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_PARTS = re.compile(r"[/?&=]")
_READ_AT = {"readAt"}
"""Columns that tell when a row was read."""


class Case(NamedTuple):
    """What was altered, and what is wrong after it."""

    request: Request
    mutations: Sequence[Mutation]
    run: Run | None
    complaints: list[str]

    @override
    def __str__(self) -> str:
        """Tell it so that it can be looked into."""
        places = ", ".join(map(str, self.mutations))
        what = f"{self.request.endpoint}: {places}\n  {self.request.method} "
        lines = [f"{what}{self.request.target} {self.request.body.decode()[:200]}"]
        return "\n  ".join(lines + self.complaints)


class Fuzzer:
    """Plays cases with one tap against one sandbox.

    Args:
        tap_under_test: The tap.
        sandbox: Whom to ask; its data must not change meanwhile.
        folder: Where to write files.
    """

    def __init__(self, tap_under_test: TapUnderTest, sandbox: Sandbox, folder: Path) -> None:
        self._tap_under_test = tap_under_test
        self._folder = folder
        self._replay = Replay()
        self._config = tap_under_test.config(sandbox) | {"requests_per_minute": 0, "max_retries": 1}

    @cached_property
    def _tap(self) -> type[HTTPTap]:
        found = vars(importlib.import_module(f"{self._tap_under_test.package}.tap")).values()
        taps = [one for one in found if getattr(one, "name", None) == self._tap_under_test.name]
        tap: type[HTTPTap] = taps[0]
        return tap

    def _run(self, state: State | None = None) -> Run:
        catalog = self._tap_under_test.catalog(self._tap_under_test.streams)
        arguments = []
        for option, content in (("config", self._config), ("catalog", catalog), ("state", state)):
            if content is not None:
                path = self._folder / f"{option}.json"
                path.write_text(json.dumps(content), encoding="utf-8")
                arguments += [f"--{option}", str(path)]
        with _limited():
            return in_process(self._tap, *arguments, before=state)

    @cached_property
    def _good(self) -> tuple[Rows, list[Request]]:
        """The rows of a run that meets nothing bad, and its requests."""
        with self._replay.serving():
            run = self._run()
        assert run.code == 0, run.log
        found = self._replay.recordings.items()
        asked = sorted(request for request, response in found if response.status == 200)
        return _rows(run), asked

    @property
    def expected(self) -> int:
        """How many rows a good run brings."""
        return sum(map(len, self._good[0].values()))

    def draw(self, seed: int, places: int = 1) -> tuple[Request, list[Mutation]]:
        """Draw what to alter.

        Args:
            seed: Decides.
            places: In how many places of the response.
        """
        chance = random.Random(f"{self._tap_under_test} {seed}")  # noqa: S311 - nothing to guard
        requests = self._good[1]
        endpoint = chance.choice(sorted({one.endpoint for one in requests}))
        request = chance.choice([one for one in requests if one.endpoint == endpoint])
        body = self._replay.recordings[request].body
        return request, [mutations.draw(chance, body) for _ in range(places)]

    def play(self, seed: int, places: int = 1) -> Case:
        """Play a case.

        Args:
            seed: Names it.
            places: In how many places the response is altered.
        """
        request, drawn = self.draw(seed, places)
        return self.alter(request, *drawn)

    def alter(self, request: Request, *changes: Mutation) -> Case:
        """Alter a response and run the tap twice.

        Args:
            request: Whose.
            changes: How. Of several, nothing is judged but what must always hold.
        """
        good = self._good[0]
        original = altered = self._replay.recordings[request].body
        for change in changes:
            # What came before may have taken the place away.
            with contextlib.suppress(*GONE):
                altered = change.apply(altered)
        origins = [_Origin(request, change, original) for change in changes]
        try:
            with self._replay.serving(lambda r, body: altered if r == request else body):
                run = self._run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, a user would see it
            _reraise(error)
            return Case(request, changes, None, [f"the run ended in {error!r}"])
        complaints = list(_complaints(run))
        try:
            first = _rows(run)
            state = run.output.state
        except AssertionError as error:
            return Case(request, changes, run, [*complaints, f"contract: {str(error)[:900]}"])
        if len(origins) == 1:
            complaints += self._judge(run, first, *origins)
        try:
            with self._replay.serving():
                again = self._run(state)
            second = _rows(again)
        except (Exception, AssertionError) as error:  # noqa: BLE001 - as above
            complaints.append(f"the run after it ended in {str(error)[:900]!r}")
            return Case(request, changes, run, complaints)
        complaints += [f"the run after it: {one}" for one in _complaints(again)]
        if again.code != 0:
            failures = re.findall(r"(?:Failed|Stopped).*", again.log)[:3]
            complaints.append(f"the run after it ended with {again.code}: {failures}")
        whole = {name: first.get(name, {}) | second.get(name, {}) for name in good}
        for name, rows in good.items():
            lost = [
                key
                for key in rows.keys() - whole[name].keys()
                if not any(made_of.has(name, key) for made_of in origins)
            ]
            if lost:
                complaints.append(
                    f"{name}: {len(lost)} rows are lost for good, such as {lost[0]} "
                    f"(exit {run.code})"
                )
        return Case(request, changes, run, complaints)

    def _judge(self, run: Run, rows: Rows, made_of: _Origin) -> Iterator[str]:
        """Compare the rows of an altered run with those of the good one."""
        good = self._good[0]
        if run.code == 1 and not re.search(r"Failed .|Stopped: .", run.log):
            yield f"exit 1, and nothing is named: {run.log[-600:]!r}"
        stopped = re.search(r"Stopped: .*", run.log)
        if stopped:
            if not made_of.decides_all(self._tap_under_test):
                yield f"the run was stopped: {stopped[0][:300]}"
            return
        for name, wanted in good.items():
            found = rows.get(name, {})
            missing = [key for key in wanted.keys() - found.keys() if not made_of.has(name, key)]
            failed = _failed(run, name) or _failed(run, PARENTS.get(name, name))
            if made_of.is_emptied and not found:
                missing = []
            if run.code == 1 and failed and made_of.record is not None:
                missing = [key for key in missing if not made_of.touches(key)]
            if missing and not (run.code == 1 and failed and made_of.record is None):
                yield (
                    f"{name}: {len(missing)} of {len(wanted)} rows are missing, such as "
                    f"{missing[0]} (exit {run.code}, {failed} failed)"
                )
            made_up = found.keys() - wanted.keys()
            if len(made_up) > made_of.most(name, wanted):
                yield f"{name}: {len(made_up)} rows are made up, such as {next(iter(made_up))}"
            other = [
                key
                for key in wanted.keys() & found.keys()
                if found[key] != wanted[key] and not made_of.has(name, key)
            ]
            if other and made_of.record is not None:
                changed = [
                    column
                    for column in {**wanted[other[0]], **found[other[0]]}
                    if wanted[other[0]].get(column) != found[other[0]].get(column)
                ]
                yield f"{name}: {len(other)} rows are others, such as {other[0]} in {changed}"


def fuzz(tap_under_test: TapUnderTest, cases: Iterable[int], folder: Path) -> Outcome:
    """Play cases with a tap.

    Args:
        tap_under_test: The tap.
        cases: Their numbers.
        folder: Where to write files.
    """
    outcome = Outcome()
    with Sandbox(scale=SCALE, api_key=CANARY) as sandbox, _impatient():
        fuzzer = Fuzzer(tap_under_test, sandbox, folder)
        for number in cases:
            # Every seventh has three places altered.
            case = fuzzer.play(number, 1 if number % 7 else 3)
            outcome.runs += 2
            outcome.expected += fuzzer.expected
            outcome.expect(not case.complaints, f"case {number}: {case}")
            if case.run is not None:
                outcome.leaked += leaks(case.run.stdout) + leaks(case.run.log.encode())
    return outcome


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Have requests repeated at once."""
    before = http.FIRST_BACKOFF
    http.FIRST_BACKOFF = 0.001
    try:
        yield
    finally:
        http.FIRST_BACKOFF = before


class _Origin:
    """The record that was altered, and the rows that may be made of it.

    Args:
        request: Whose response.
        mutation: What was done.
        original: The response before that.

    Attributes:
        record: The record, by its key or index; `None` where none was altered.
        is_emptied: Whether a list without an envelope is empty: nothing tells that it is wrong.
    """

    def __init__(self, request: Request, mutation: Mutation, original: bytes) -> None:
        self.record = None
        bare = mutation.kind in {"list", "object"} and not mutation.path
        self.is_emptied = bare and _is_bare(original)
        values: set[str] = set()
        if mutation.path:
            value = mutations.decode(original)
            for step in mutation.path:
                above, value = value, value[step]
                if mutations.is_index(step) or _is_table(above):
                    self.record = {step: value}
                    break
        if self.record is not None:
            values = set(_scalars(self.record))
        self._own = values
        self._known = values | set(_PARTS.split(request.target)) | set(_scalars(request.body))
        self._endpoint = request.endpoint

    def decides_all(self, tap_under_test: TapUnderTest) -> bool:
        """Tell whether nothing can be read without the response."""
        end = WITHOUT.get(str(tap_under_test))
        return bool(end and self._endpoint.endswith(end)) and (
            self.record is None or end == "__schema"
        )

    def has(self, _stream: str, key: Key) -> bool:
        """Tell whether a row may be made of the record."""
        return self.record is not None and all(str(part) in self._known for part in key)

    def touches(self, key: Key) -> bool:
        """Tell whether a row may hang on the record, such as on that of its company."""
        return self.record is not None and any(str(part) in self._own for part in key)

    def most(self, stream: str, wanted: Collection[Key]) -> int:
        """Tell how many rows may be there under other keys."""
        return sum(self.has(stream, key) or self.touches(key) for key in wanted)


def _is_table(value: Any) -> bool:  # noqa: ANN401 (JSON)
    """Tell whether an object holds records by their key."""
    rows = value.values() if isinstance(value, dict) else ()
    return len(rows) > 2 and all(row is None or isinstance(row, dict) for row in rows)


def _is_bare(body: bytes) -> bool:
    """Tell whether a response is a list without an envelope."""
    value = mutations.decode(body)
    return isinstance(value, list) or _is_table(value)


def _scalars(value: Any) -> Iterator[str]:  # noqa: ANN401 (JSON)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif isinstance(value, bytes):
        try:
            yield from _scalars(json.loads(value))
        except ValueError:
            return
    else:
        yield str(value)


def _rows(run: Run) -> Rows:
    """Arrange what a run brought; columns without a value are left out, for later ones are null."""
    return {
        name: {
            key: {
                column: value
                for column, value in row.items()
                if value is not None and column not in _READ_AT
            }
            for key, row in run.output.rows(name).items()
        }
        for name in run.output.schemas
    }


def _failed(run: Run, stream: str) -> int:
    """Read from the summary how many of a stream's partitions failed."""
    lines = re.findall(rf"^.*\b{stream} +(?:\d+ +){{3}}(\d+) .*[\d.]+$", run.log, re.MULTILINE)
    return int(lines[-1]) if lines else 0


def _complaints(run: Run) -> Iterator[str]:
    """List what no run may do."""
    if run.code not in (0, 1):
        yield f"exit {run.code}"
    if "unhandled error" in run.log or "unexpected error in the tap" in run.log:
        yield "the run ended in an error that nobody foresaw"
    if "Traceback" in run.log:
        yield f"traceback: {run.log[run.log.index('Traceback') :][-900:]!r}"
    strange = _SIGNS.search(run.log)
    if strange:
        yield f"{strange[0]!r} in the log: {run.log[max(strange.start() - 80, 0) :][:160]!r}"


def _reraise(error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        raise error


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """End a run that hangs."""

    def ring(*_: object) -> None:
        msg = f"it had not ended after {SECONDS} s"
        raise TimeoutError(msg)

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
