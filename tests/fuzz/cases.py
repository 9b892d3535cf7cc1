"""Fuzzes responses: alters one place of one response, and checks two runs of a tap.

`Fuzzer.play(seed)` alters one place of one response of a good run and runs the tap on it. Then it
runs the tap on good responses with the state of that run. It reports a fault unless

- the run ends by itself with exit code 0 or 1, without a traceback or control characters;
- the output keeps the contract of `tests.contract`;
- with exit code 0 every row is there; with 1 the log names every missing row's stream;
- no row is invented, and no row differs from that of the good run;
- after the second run every row is there, so no bookmark or change token has passed one.

The altered record and the rows made from it are exempt.
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
"""Size of the sandbox's data: the smallest that has every kind of row."""

SECONDS = 60
"""Time limit of a run, which takes about one second."""

REQUIRED_ENDPOINTS: Final = {
    "tap-codat": "/companies",
    "tap-cscart": "/version",
    "tap-centra (integration)": "__schema",
}
"""The end of the endpoint that a tap needs for all streams. If it fails, the tap stops the run."""

PLACE_REMOVED: Final = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
    ArithmeticError,
    msgspec.DecodeError,
)
"""The errors of a mutation whose place an earlier mutation has removed."""

PARENTS: Final = {
    "order_lines": "orders",
    "order_items": "orders",
    "cart_items": "carts",
    "product_feature_values": "products",
    "feature_variants": "features",
}
"""Streams whose rows are nested in those of another stream, whose partitions fail."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_PARTS = re.compile(r"[/?&=]")
_READ_AT = {"readAt"}
"""Columns with the time at which a row was read."""


class Case(NamedTuple):
    """An altered response, and the faults of the runs on it."""

    request: Request
    mutations: Sequence[Mutation]
    run: Run | None
    faults: list[str]

    @override
    def __str__(self) -> str:
        """Describe the request, the mutations and the faults."""
        places = ", ".join(map(str, self.mutations))
        request = f"{self.request.endpoint}: {places}\n  {self.request.method} "
        lines = [f"{request}{self.request.target} {self.request.body.decode()[:200]}"]
        return "\n  ".join(lines + self.faults)


class Fuzzer:
    """Plays cases with one tap against one sandbox.

    Args:
        tap_under_test: The tap.
        sandbox: The sandbox. Its data must not change between runs.
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
        """The rows and the successful requests of a run on unaltered responses."""
        with self._replay.serving():
            run = self._run()
        assert run.code == 0, run.log
        found = self._replay.recordings.items()
        requests = sorted(request for request, response in found if response.status == 200)
        return _rows(run), requests

    @property
    def expected(self) -> int:
        """The number of rows of a good run."""
        return sum(map(len, self._good[0].values()))

    def draw(self, seed: int, places: int = 1) -> tuple[Request, list[Mutation]]:
        """Draw a request and the mutations of its response.

        Args:
            seed: Determines both.
            places: The number of mutations.
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
            seed: Determines the request and the mutations.
            places: The number of mutations.
        """
        request, drawn = self.draw(seed, places)
        return self.alter(request, *drawn)

    def alter(self, request: Request, *changes: Mutation) -> Case:
        """Alter a response and run the tap twice.

        Args:
            request: The request whose response to alter.
            changes: The mutations. With several, missing rows are checked only after the second
                run, and changed rows not at all.
        """
        good = self._good[0]
        original = altered = self._replay.recordings[request].body
        for change in changes:
            # An earlier mutation may have removed the place.
            with contextlib.suppress(*PLACE_REMOVED):
                altered = change.apply(altered)
        origins = [_Origin(request, change, original) for change in changes]
        try:
            with self._replay.serving(lambda r, body: altered if r == request else body):
                run = self._run()
        except BaseException as error:  # noqa: BLE001 - a user would see any error
            _reraise(error)
            return Case(request, changes, None, [f"the run ended in {error!r}"])
        faults = list(_faults(run))
        try:
            first = _rows(run)
            state = run.output.state
        except AssertionError as error:
            return Case(request, changes, run, [*faults, f"contract: {str(error)[:900]}"])
        if len(origins) == 1:
            faults += self._judge(run, first, *origins)
        try:
            with self._replay.serving():
                again = self._run(state)
            second = _rows(again)
        except (Exception, AssertionError) as error:  # noqa: BLE001 - as above
            faults.append(f"the run after it ended in {str(error)[:900]!r}")
            return Case(request, changes, run, faults)
        faults += [f"the run after it: {one}" for one in _faults(again)]
        if again.code != 0:
            failures = re.findall(r"(?:Failed|Stopped).*", again.log)[:3]
            faults.append(f"the run after it ended with {again.code}: {failures}")
        whole = {name: first.get(name, {}) | second.get(name, {}) for name in good}
        for name, rows in good.items():
            lost = [
                key
                for key in rows.keys() - whole[name].keys()
                if not any(origin.has(name, key) for origin in origins)
            ]
            if lost:
                faults.append(
                    f"{name}: {len(lost)} rows are lost for good, such as {lost[0]} "
                    f"(exit {run.code})"
                )
        return Case(request, changes, run, faults)

    def _judge(self, run: Run, rows: Rows, origin: _Origin) -> Iterator[str]:
        """Compare the rows of a run on an altered response with those of the good run."""
        good = self._good[0]
        if run.code == 1 and not re.search(r"Failed .|Stopped: .", run.log):
            yield f"exit 1, but the log names no failure: {run.log[-600:]!r}"
        stopped = re.search(r"Stopped: .*", run.log)
        if stopped:
            if not origin.decides_all(self._tap_under_test):
                yield f"the run was stopped: {stopped[0][:300]}"
            return
        for name, wanted in good.items():
            found = rows.get(name, {})
            missing = [key for key in wanted.keys() - found.keys() if not origin.has(name, key)]
            failed = _failed(run, name) or _failed(run, PARENTS.get(name, name))
            if origin.is_emptied and not found:
                missing = []
            if run.code == 1 and failed and origin.record is not None:
                missing = [key for key in missing if not origin.touches(key)]
            if missing and not (run.code == 1 and failed and origin.record is None):
                yield (
                    f"{name}: {len(missing)} of {len(wanted)} rows are missing, such as "
                    f"{missing[0]} (exit {run.code}, {failed} failed)"
                )
            invented = found.keys() - wanted.keys()
            if len(invented) > origin.most(name, wanted):
                yield f"{name}: {len(invented)} rows are invented, such as {next(iter(invented))}"
            other = [
                key
                for key in wanted.keys() & found.keys()
                if found[key] != wanted[key] and not origin.has(name, key)
            ]
            if other and origin.record is not None:
                changed = [
                    column
                    for column in {**wanted[other[0]], **found[other[0]]}
                    if wanted[other[0]].get(column) != found[other[0]].get(column)
                ]
                yield f"{name}: {len(other)} rows differ, such as {other[0]} in {changed}"


def fuzz(tap_under_test: TapUnderTest, cases: Iterable[int], folder: Path) -> Outcome:
    """Play cases with a tap.

    Args:
        tap_under_test: The tap.
        cases: The numbers of the cases.
        folder: Where to write files.
    """
    outcome = Outcome()
    with Sandbox(scale=SCALE, api_key=CANARY) as sandbox, _without_backoff():
        fuzzer = Fuzzer(tap_under_test, sandbox, folder)
        for number in cases:
            # Every seventh has three places altered.
            case = fuzzer.play(number, 1 if number % 7 else 3)
            outcome.runs += 2
            outcome.expected += fuzzer.expected
            outcome.expect(not case.faults, f"case {number}: {case}")
            if case.run is not None:
                outcome.leaked += leaks(case.run.stdout) + leaks(case.run.log.encode())
    return outcome


@contextlib.contextmanager
def _without_backoff() -> Iterator[None]:
    """Make retries follow at once."""
    before = http.FIRST_BACKOFF
    http.FIRST_BACKOFF = 0.001
    try:
        yield
    finally:
        http.FIRST_BACKOFF = before


class _Origin:
    """The altered record, and the rows that may be made from it.

    Args:
        request: The request whose response was altered.
        mutation: The mutation.
        original: The response before the mutation.

    Attributes:
        record: The record, by its key or index; `None` if no record was altered.
        is_emptied: Whether a list without an envelope was emptied. No reader can notice that.
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
        """Whether the tap needs the response for all streams."""
        end = REQUIRED_ENDPOINTS.get(str(tap_under_test))
        return bool(end and self._endpoint.endswith(end)) and (
            self.record is None or end == "__schema"
        )

    def has(self, _stream: str, key: Key) -> bool:
        """Whether a row may be made from the record."""
        return self.record is not None and all(str(part) in self._known for part in key)

    def touches(self, key: Key) -> bool:
        """Whether a row may depend on the record, for example on the record of its company."""
        return self.record is not None and any(str(part) in self._own for part in key)

    def most(self, stream: str, wanted: Collection[Key]) -> int:
        """Count the rows that may arrive under other keys."""
        return sum(self.has(stream, key) or self.touches(key) for key in wanted)


def _is_table(value: Any) -> bool:  # noqa: ANN401 (JSON)
    """Whether an object contains records by key."""
    rows = value.values() if isinstance(value, dict) else ()
    return len(rows) > 2 and all(row is None or isinstance(row, dict) for row in rows)


def _is_bare(body: bytes) -> bool:
    """Whether a response is a list without an envelope."""
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
    """Return the rows of a run by stream and key, without columns that are null.

    A record has a null for every column that was created before it, so nulls depend on the order.
    """
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
    """Read the number of failed partitions of a stream from the summary in the log."""
    lines = re.findall(rf"^.*\b{stream} +(?:\d+ +){{3}}(\d+) .*[\d.]+$", run.log, re.MULTILINE)
    return int(lines[-1]) if lines else 0


def _faults(run: Run) -> Iterator[str]:
    """List the faults that no run may have."""
    if run.code not in (0, 1):
        yield f"exit {run.code}"
    if "unhandled error" in run.log or "unexpected error in the tap" in run.log:
        yield "the run ended with an unexpected error"
    if "Traceback" in run.log:
        yield f"traceback: {run.log[run.log.index('Traceback') :][-900:]!r}"
    strange = _CONTROL_CHARACTERS.search(run.log)
    if strange:
        yield f"{strange[0]!r} in the log: {run.log[max(strange.start() - 80, 0) :][:160]!r}"


def _reraise(error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        raise error


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """End a run that exceeds the time limit."""

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
