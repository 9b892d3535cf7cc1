"""Reading data that changes meanwhile, and what must have come of it."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from commerce_sandbox import ChurnOptions, Sandbox
from tests.chaos.harness import Outcome, Tap
from tests.chaos.tap_under_test import CANARY, decode

if TYPE_CHECKING:
    from collections.abc import Collection, ItemsView, Iterable
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest
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

    Of streams whose every change is told, all versions of a row are known; of others, those of the
    start and of the end.

    Args:
        tap_under_test: The tap that is to read them.
        sandbox: The sandbox, before its first request.
        streams: The streams to follow.
        told: Those of which every change is told.
    """

    def __init__(
        self,
        tap_under_test: TapUnderTest,
        sandbox: Sandbox,
        streams: Iterable[str],
        told: Collection[str],
    ) -> None:
        self._tap_under_test = tap_under_test
        self._sandbox = sandbox
        self._told = told
        # For each row its versions, each with the number of requests that had come in before.
        self._versions: dict[str, dict[Key, list[tuple[int, Record | None]]]] = {
            stream: defaultdict(
                list,
                {key: [(0, row)] for key, row in tap_under_test.truth(sandbox, stream).items()},
            )
            for stream in streams
        }
        self._unmarked: set[tuple[str, Key]] = set()
        self._deleted: list[ItemsView[str, Any]] = []

    def end(self) -> None:
        """End the churn, and learn what it has done."""
        self._sandbox.settle()
        for one in self._sandbox.churned:
            place = self._tap_under_test.locate(one.changed)
            if one.changed.change == "deleted":
                self._deleted.append(one.changed.key.items())
            if place and place[0] in self._told:
                stream, key = place
                row = decode(one.row) if one.row else None
                self._versions[stream][key].append((one.requests, row))
                if one.changed.change == "unmarked":
                    self._unmarked.add(place)
        for stream in self._versions.keys() - self._told:
            right = self._tap_under_test.truth(self._sandbox, stream)
            for key in self._versions[stream].keys() | right.keys():
                version = (len(self._sandbox.requests), right.get(key))
                self._versions[stream][key].append(version)

    def compare(
        self, outcome: Outcome, stream: str, found: dict[Key, Record], *, keys_alone: bool = False
    ) -> None:
        """Compare what a reading has brought with what was there when it began.

        A row that was there must have come, as it was then or later, unless it was deleted
        meanwhile. A row that came must have been there at some moment, as it came.

        Args:
            outcome: Where to count.
            stream: The stream.
            found: What the reading has brought.
            keys_alone: Whether only the rows' keys were read.
        """
        began = self._began(stream)
        partition = len(next(iter(began), ()))
        versions = self._versions[stream]
        whole = stream in self._told and not keys_alone

        def same(came: Record, right: Record | None) -> bool:
            """Tell whether a row that came is a version of it."""
            return right is not None and (
                not whole or self._tap_under_test.same(stream, came, right)
            )

        for key, known in versions.items():
            # Where it cannot be told when the reading began, it was with the first request.
            start = began.get(key[:partition], 0)
            when_it_began = [row for when, row in known if when <= start][-1:]
            then = when_it_began + [row for when, row in known if when > start]
            if when_it_began and None not in then:
                outcome.expected += 1
                outcome.lost += key not in found or not any(same(found[key], row) for row in then)
        outcome.invented += sum(
            not any(same(came, row) for _, row in versions.get(key, ()))
            and not self._has_gone(came)
            for key, came in found.items()
        )

    def compare_now(self, outcome: Outcome, stream: str, found: dict[Key, Record]) -> None:
        """Compare with truth, but for what is nowhere told: deleted rows, changes without stamp."""
        right = self._tap_under_test.truth(self._sandbox, stream)
        versions = self._versions[stream]
        same = partial(self._tap_under_test.same, stream)

        def is_old(key: Key) -> bool:
            """Tell whether a row may be as it was before a change that nothing tells of."""
            if stream not in self._told:  # nor are all its versions known
                return stream in self._tap_under_test.unreported
            return (stream, key) in self._unmarked and any(
                row is not None and same(found[key], row) for _, row in versions[key]
            )

        kept = {
            key: row
            for key, row in found.items()
            if key in right or not (versions.get(key) or self._has_gone(row))
        }
        outcome.compare(kept, right, same, {key for key in kept if is_old(key)})

    def _has_gone(self, row: Record) -> bool:
        """Tell whether a row is one that was deleted, or has hung on one."""
        return any(all(row.get(name) == value for name, value in key) for key in self._deleted)

    def _began(self, stream: str) -> dict[Key, int]:
        """For each partition, how many requests had come in before the first one for it."""
        began: dict[Key, int] = {}
        for number, request in enumerate(self._sandbox.requests):
            asked = self._tap_under_test.partition_of(request)
            if asked and asked[0] == stream:
                began.setdefault(asked[1], number)
        return began


def read_under_churn(
    tap_under_test: TapUnderTest, seed: int, folder: Path, *, only: Collection[str] = ()
) -> Outcome:
    """Read streams while they change, and once more when they have settled.

    Args:
        tap_under_test: The tap.
        seed: Names the data, and what changes in which way.
        folder: Where to write files.
        only: The streams to read; those that are read by default if none are named.
    """
    outcome = Outcome()
    sandbox, told = _sandbox(tap_under_test, seed)
    with sandbox:
        history = History(tap_under_test, sandbox, only or tap_under_test.default_streams, told)
        debug = bool(seed % 2)
        tap = Tap(
            *(tap_under_test, sandbox, folder),
            debug=debug,
            only=only or tap_under_test.default_streams,
            page_size=PAGE_SIZE,
            concurrency=4,
        )
        first = tap.run()
        history.end()
        outcome.ran(first)
        outcome.expect_code(first, 0)
        outcome.expect(sandbox.churned, "nothing has changed")
        for stream in tap.streams:
            history.compare(outcome, stream, first.rows(stream))

        second = tap.run(first.output.state)
        outcome.ran(second)
        outcome.expect_code(second, 0)
        for stream in tap.streams:
            history.compare_now(outcome, stream, first.rows(stream) | second.rows(stream))
    return outcome


def read_pages_under_churn(tap_under_test: TapUnderTest, seed: int) -> Outcome:
    """Read a list while it changes as most clients do: by page number."""
    assert tap_under_test.by_page_number
    outcome = Outcome()
    stream = tap_under_test.changing[0]
    sandbox, told = _sandbox(tap_under_test, seed, INTENSITIES[0])
    with sandbox:
        history = History(tap_under_test, sandbox, [stream], told)
        found: dict[Key, Record] = {
            key: {} for key in tap_under_test.by_page_number(sandbox, PAGE_SIZE)
        }
        outcome.runs += 1
        history.end()
        history.compare(outcome, stream, found, keys_alone=True)
    return outcome


def _sandbox(
    tap_under_test: TapUnderTest, seed: int, how: Intensity | None = None
) -> tuple[Sandbox, Collection[str]]:
    """Make a sandbox whose data change, and tell of which streams it tells every change."""
    how = how or INTENSITIES[seed % len(INTENSITIES)]
    number = how.stream if tap_under_test.reports_all_changes or how.stream == 0 else seed
    stream = (
        None if number is None else tap_under_test.changing[number % len(tap_under_test.changing)]
    )
    options = ChurnOptions(
        rate=how.rate,
        per_request=how.per_request,
        stream=None if stream is None else tap_under_test.name_in_fake_api(stream),
        seed=seed,
    )
    sandbox = Sandbox(seed=seed, scale=tap_under_test.churn_scale, api_key=CANARY, churn=options)
    return (
        sandbox,
        tap_under_test.changing
        if tap_under_test.reports_all_changes or stream is None
        else {stream},
    )
