"""Reading data that changes meanwhile, and what must have come of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from commerce_sandbox import ChurnOptions, Sandbox
from tests.chaos.harness import Outcome, Tap
from tests.chaos.taps import CANARY

if TYPE_CHECKING:
    from pathlib import Path

    from commerce_sandbox import Touched
    from tests.chaos.taps import Tested
    from tests.contract import Key, Record

PAGE_SIZE: Final = 25


class Intensity(NamedTuple):
    """How the data changes.

    Attributes:
        rate: Rows changed in a second of the sandbox's time.
        per_request: Rows changed before each answer.
        stream: Which of the streams that can change; all if none.
    """

    rate: float
    per_request: int
    stream: int | None = None


INTENSITIES: Final = (
    Intensity(15, 5, 0),
    Intensity(30, 10, 0),
    Intensity(5, 2, 2),
    Intensity(10, 5),
    Intensity(75, 5, 1),
)
"""A second of the sandbox's time holds between less than a page of changes and ten pages."""


class History:
    """What the sandbox's lists have held since its start.

    Args:
        tested: The tap that is to read them.
        sandbox: The sandbox, before its first request.
    """

    def __init__(self, tested: Tested, sandbox: Sandbox) -> None:
        self._tested = tested
        self._sandbox = sandbox
        # For each row its versions, each with the number of requests that had come in before.
        self._versions: dict[str, dict[Key, list[tuple[int, Record | None]]]] = {
            stream: defaultdict(
                list, {key: [(0, row)] for key, row in tested.truth(sandbox, stream).items()}
            )
            for stream in tested.changing
        }

    def end(self) -> None:
        """End the churn, and learn what it has done."""
        self._sandbox.settle()
        for one in self._sandbox.churned:
            stream, key = self._place(one.touched)
            row = self._tested.row(stream, one.row) if one.row else None
            self._versions[stream][key].append((one.requests, row))

    def _place(self, touched: Touched) -> tuple[str, Key]:
        stream = touched.stream.removeprefix(self._tested.in_double(""))
        return stream, self._tested.key(stream, touched.key)

    def compare(self, outcome: Outcome, stream: str, found: dict[Key, Record]) -> None:
        """Compare what a reading has brought with what was there when it began.

        A row that was there must have come, as it was then or later, unless it was deleted
        meanwhile. A row that came must have been there at some moment, as it came.
        """
        began = self._began(stream)
        partition = len(next(iter(began), ()))
        versions = self._versions[stream]
        for key, known in versions.items():
            # Where it cannot be told when the reading began, it was with the first request.
            start = began.get(key[:partition], 0)
            when_it_began = [row for when, row in known if when <= start][-1:]
            then = when_it_began + [row for when, row in known if when > start]
            if when_it_began and None not in then:
                outcome.expected += 1
                outcome.lost += found.get(key) not in then
        outcome.invented += sum(
            row not in [version for _, version in versions.get(key, ())]
            for key, row in found.items()
        )

    def compare_now(self, outcome: Outcome, stream: str, found: dict[Key, Record]) -> None:
        """Compare with truth, but for what is nowhere told: deleted rows, changes without stamp."""
        right = self._tested.truth(self._sandbox, stream)
        versions = self._versions[stream]
        kept = {key: row for key, row in found.items() if key in right or key not in versions}
        for touched in (one.touched for one in self._sandbox.churned):
            of, key = self._place(touched)
            if of == stream and touched.change == "unmarked" and key in kept:
                was = [row for _, row in versions[key]]
                kept[key] = right[key] if kept[key] in was and key in right else kept[key]
        outcome.compare(kept, right)

    def _began(self, stream: str) -> dict[Key, int]:
        """For each partition, how many requests had come in before the first one for it."""
        began: dict[Key, int] = {}
        for number, request in enumerate(self._sandbox.requests):
            asked = self._tested.asked(request)
            if asked and asked[0] == stream:
                began.setdefault(asked[1], number)
        return began


def churn(tested: Tested, seed: int, folder: Path, intensity: Intensity | None = None) -> Outcome:
    """Read everything while it changes, and once more when it has settled."""
    outcome = Outcome()
    with _sandbox(tested, seed, intensity) as sandbox:
        history = History(tested, sandbox)
        debug = bool(seed % 2)
        tap = Tap(tested, sandbox, folder, debug=debug, page_size=PAGE_SIZE, concurrency=4)
        first = tap.run()
        history.end()
        outcome.ran(first)
        outcome.expect_code(first, 0)
        outcome.expect(sandbox.churned, "nothing has changed")
        for stream in tested.changing:
            history.compare(outcome, stream, first.rows(stream))

        second = tap.run(first.output.state)
        outcome.ran(second)
        outcome.expect_code(second, 0)
        for stream in tap.streams:
            rows = first.rows(stream) | second.rows(stream)
            if stream in tested.changing:
                history.compare_now(outcome, stream, rows)
            else:
                outcome.compare(rows, tap.truth(stream))
    return outcome


def churn_by_page_number(tested: Tested, seed: int, intensity: Intensity | None = None) -> Outcome:
    """Read the main list while it changes as most clients do: by page number."""
    assert tested.by_page_number
    outcome = Outcome()
    with _sandbox(tested, seed, intensity) as sandbox:
        history = History(tested, sandbox)
        rows = tested.by_page_number(sandbox, PAGE_SIZE)
        found = {tested.key(tested.main, row): row for row in rows}
        outcome.runs += 1
        history.end()
        history.compare(outcome, tested.main, found)
    return outcome


def _sandbox(tested: Tested, seed: int, intensity: Intensity | None) -> Sandbox:
    how = intensity or INTENSITIES[seed % len(INTENSITIES)]
    stream = None if how.stream is None else _of(tested, how.stream)
    options = ChurnOptions(rate=how.rate, per_request=how.per_request, stream=stream, seed=seed)
    return Sandbox(seed=seed, scale=tested.churn_scale, api_key=CANARY, churn=options)


def _of(tested: Tested, number: int) -> str:
    return tested.in_double(tested.changing[number % len(tested.changing)])
