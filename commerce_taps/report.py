"""What the run did, per stream: counted while it runs, told every few seconds and at the end."""

from __future__ import annotations

import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

UNCHANGED: t.Final = "nothing has changed since the last run"
"""Why a partition is skipped that was read to its end before."""


def list_names(names: Iterable[object], limit: int = 20) -> str:
    """Write names for a message: sorted, each between backticks, the first of many."""
    listed = sorted(map(str, names))
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(f"`{name}`" for name in listed[:limit]) + more


@dataclass(slots=True)
class StreamReport:
    """One stream's figures.

    Attributes:
        partitions: How many there are.
        read: Partitions read to their end.
        skipped: Partitions with nothing to read, by reason.
        refused: Those of them that the server refused.
        failed: Partitions that should have been read and were not, by what happened.
        records: Records emitted.
        seconds: Time from the stream's first page to its last.
        started: When the stream began, on the monotonic clock.
    """

    partitions: int = 0
    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    records: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        """Partitions that are over, however they ended."""
        return self.read + self.skipped.total() + self.failed.total()

    @property
    def is_refused(self) -> bool:
        """Whether nothing was to be had of the stream, in this run or an earlier one."""
        return bool(self.refused) and not self.read and not self.skipped[UNCHANGED]

    def fail_refused(self) -> None:
        """Count what the server refused as failed."""
        self.failed += self.refused
        self.skipped -= self.refused
        self.refused.clear()


class Report(dict[str, StreamReport]):
    """The figures of all streams of a run."""

    @property
    def complete(self) -> bool:
        """Whether everything that should have been read was."""
        return not any(stream.failed for stream in self.values())

    def progress(self, name: str, requests: int, waiting: int) -> str:
        """Write a line on a stream that is being read.

        Args:
            name: The stream.
            requests: Requests made for it.
            waiting: Requests of any stream that wait for the API's limits or for the next try.

        Returns:
            Partitions, records, requests, speed, and the time left where it can be known.
        """
        s = self[name]
        seconds = max(time.monotonic() - s.started, 0.001)
        left = ""
        if s.done and s.partitions > s.done:
            left = f", about {seconds / s.done * (s.partitions - s.done):.0f} s left"
        return (
            f"{name}: {s.done} of {s.partitions} partitions, {s.records:,} records, "
            f"{s.records / seconds:,.0f} records/s, {requests} requests, {waiting} waiting{left}"
        )

    def lines(self, requests: Mapping[str, int]) -> Iterator[str]:
        """Write the summary.

        Args:
            requests: Requests made, by stream.

        Yields:
            A table, line by line, then a line for each reason.
        """
        width = max((len(name) for name in self), default=6)
        yield (
            f"{'stream':<{width}}  {'partitions':>10}  {'read':>6}  {'skipped':>7}  "
            f"{'failed':>6}  {'records':>9}  {'requests':>8}  {'seconds':>7}"
        )
        for name, s in self.items():
            yield (
                f"{name:<{width}}  {s.partitions:>10}  {s.read:>6}  {s.skipped.total():>7}  "
                f"{s.failed.total():>6}  {s.records:>9}  {requests.get(name, 0):>8}  "
                f"{s.seconds:>7.1f}"
            )
        for name, s in self.items():
            for word, reasons in (("skipped", s.skipped), ("failed", s.failed)):
                for reason, times in reasons.most_common():
                    yield f"{name}: {times} {word}: {reason}"
