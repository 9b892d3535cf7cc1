"""Reads streams while their rows change, and compares the result with every version of the rows."""

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
    """The intensity of churn.

    Attributes:
        rate: Rows changed per second of the sandbox's time.
        per_request: Rows changed before each response.
        stream: The index of the one stream that changes; all change if None.
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
"""From less than a page of changes per second of the sandbox's time to ten pages."""


class History:
    """Every version of the rows of a sandbox since its start.

    For streams whose changes are all logged, these are all versions. For other streams, they are
    the first and the last.

    Args:
        tap_under_test: The tap that is to read them.
        sandbox: The sandbox, before its first request.
        streams: The streams to follow.
        logged: The streams whose changes the sandbox logs completely.
    """

    def __init__(
        self,
        tap_under_test: TapUnderTest,
        sandbox: Sandbox,
        streams: Iterable[str],
        logged: Collection[str],
    ) -> None:
        self._tap_under_test = tap_under_test
        self._sandbox = sandbox
        self._logged = logged
        # For each row its versions, each with the number of requests received before it.
        self._versions: dict[str, dict[Key, list[tuple[int, Record | None]]]] = {
            stream: defaultdict(
                list,
                {key: [(0, row)] for key, row in tap_under_test.truth(sandbox, stream).items()},
            )
            for stream in streams
        }
        self._unmarked: set[tuple[str, Key]] = set()
        self._deleted: list[ItemsView[str, Any]] = []

    def finish(self) -> None:
        """End the churn, and add the versions that it has made."""
        self._sandbox.settle()
        for one in self._sandbox.churned:
            place = self._tap_under_test.locate(one.changed)
            if one.changed.change == "deleted":
                self._deleted.append(one.changed.key.items())
            if place and place[0] in self._logged:
                stream, key = place
                row = decode(one.row) if one.row else None
                self._versions[stream][key].append((one.requests, row))
                if one.changed.change == "unmarked":
                    self._unmarked.add(place)
        for stream in self._versions.keys() - self._logged:
            right = self._tap_under_test.truth(self._sandbox, stream)
            for key in self._versions[stream].keys() | right.keys():
                version = (len(self._sandbox.requests), right.get(key))
                self._versions[stream][key].append(version)

    def compare(
        self, outcome: Outcome, stream: str, found: dict[Key, Record], *, keys_alone: bool = False
    ) -> None:
        """Count the rows that a run under churn has lost or invented.

        A row that existed when the reading began must arrive, in its version of that time or a
        later one, unless it was deleted during the reading. A row that arrives must equal one of
        its versions.

        Args:
            outcome: Where to count.
            stream: The stream.
            found: The rows that arrived.
            keys_alone: Whether only keys were read.
        """
        starts = self._starts(stream)
        width = len(next(iter(starts), ()))
        versions = self._versions[stream]
        is_logged = stream in self._logged and not keys_alone

        def same(came: Record, right: Record | None) -> bool:
            """Whether a row that arrived equals a version."""
            return right is not None and (
                not is_logged or self._tap_under_test.same(stream, came, right)
            )

        for key, known in versions.items():
            # Where the start of a reading is not known, it is the first request.
            start = starts.get(key[:width], 0)
            at_start = [row for when, row in known if when <= start][-1:]
            then = at_start + [row for when, row in known if when > start]
            if at_start and None not in then:
                outcome.expected += 1
                outcome.lost += key not in found or not any(same(found[key], row) for row in then)
        outcome.invented += sum(
            not any(same(came, row) for _, row in versions.get(key, ()))
            and not self._was_deleted(came)
            for key, came in found.items()
        )

    def compare_now(self, outcome: Outcome, stream: str, found: dict[Key, Record]) -> None:
        """Compare with truth, except for deleted rows and changes that no timestamp shows."""
        right = self._tap_under_test.truth(self._sandbox, stream)
        versions = self._versions[stream]
        same = partial(self._tap_under_test.same, stream)

        def is_old(key: Key) -> bool:
            """Whether a row may still have its version before a change that no response shows."""
            if stream not in self._logged:  # not all versions are known
                return stream in self._tap_under_test.unreported
            return (stream, key) in self._unmarked and any(
                row is not None and same(found[key], row) for _, row in versions[key]
            )

        kept = {
            key: row
            for key, row in found.items()
            if key in right or not (versions.get(key) or self._was_deleted(row))
        }
        outcome.compare(kept, right, same, {key for key in kept if is_old(key)})

    def _was_deleted(self, row: Record) -> bool:
        """Whether a row was deleted, or belonged to a row that was."""
        return any(all(row.get(name) == value for name, value in key) for key in self._deleted)

    def _starts(self, stream: str) -> dict[Key, int]:
        """For each partition, the number of requests received before the first one for it."""
        starts: dict[Key, int] = {}
        for number, request in enumerate(self._sandbox.requests):
            partition = self._tap_under_test.partition_of(request)
            if partition and partition[0] == stream:
                starts.setdefault(partition[1], number)
        return starts


def read_under_churn(
    tap_under_test: TapUnderTest, seed: int, folder: Path, *, only: Collection[str] = ()
) -> Outcome:
    """Read streams while they change, and again when they no longer do.

    Args:
        tap_under_test: The tap.
        seed: Determines the data, and which rows change how.
        folder: Where to write files.
        only: The streams to read; the default streams if empty.
    """
    outcome = Outcome()
    sandbox, logged = _sandbox(tap_under_test, seed)
    with sandbox:
        history = History(tap_under_test, sandbox, only or tap_under_test.default_streams, logged)
        debug = bool(seed % 2)
        tap = Tap(
            *(tap_under_test, sandbox, folder),
            debug=debug,
            only=only or tap_under_test.default_streams,
            page_size=PAGE_SIZE,
            concurrency=4,
        )
        first = tap.run()
        history.finish()
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
    """Read a list by page number while it changes, as most clients do."""
    assert tap_under_test.by_page_number
    outcome = Outcome()
    stream = tap_under_test.changing[0]
    sandbox, logged = _sandbox(tap_under_test, seed, INTENSITIES[0])
    with sandbox:
        history = History(tap_under_test, sandbox, [stream], logged)
        found: dict[Key, Record] = {
            key: {} for key in tap_under_test.by_page_number(sandbox, PAGE_SIZE)
        }
        outcome.runs += 1
        history.finish()
        history.compare(outcome, stream, found, keys_alone=True)
    return outcome


def _sandbox(
    tap_under_test: TapUnderTest, seed: int, how: Intensity | None = None
) -> tuple[Sandbox, Collection[str]]:
    """Make a sandbox with churn. Returns it with the streams whose changes are all logged."""
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
