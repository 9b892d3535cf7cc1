"""Figures of a run by stream, for progress lines and the summary at its end."""

from __future__ import annotations

import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

UNCHANGED: t.Final = "nothing has changed since the last run"
"""Why a partition is skipped that an earlier run has read to its end."""


def list_names(names: Iterable[object], limit: int = 20) -> str:
    """Write names for a message: sorted, each between backticks, the first of many."""
    listed = sorted(map(str, names))
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(f"`{name}`" for name in listed[:limit]) + more


@dataclass(slots=True)
class StreamReport:
    """One stream's figures.

    Attributes:
        partitions: How many partitions there are.
        read: How many were read to their end.
        skipped: How many had nothing to read, by reason.
        refused: How many of the skipped ones the API refused, by reason.
        failed: How many could not be read, by reason.
        records: How many records were written.
        seconds: The time from the first page to the last.
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
        """Partitions read, skipped or failed."""
        return self.read + self.skipped.total() + self.failed.total()

    @property
    def is_refused(self) -> bool:
        """Whether the API refused all partitions, in this run and before."""
        return bool(self.refused) and not self.read and not self.skipped[UNCHANGED]

    def fail_refused(self) -> None:
        """Count refused partitions as failed."""
        self.failed += self.refused
        self.skipped -= self.refused
        self.refused.clear()


class Report(dict[str, StreamReport]):
    """The figures of all streams of a run."""

    @property
    def complete(self) -> bool:
        """Whether nothing failed."""
        return not any(stream.failed for stream in self.values())

    def progress(self, name: str, requests: int, waiting: int) -> str:
        """Write a line on the progress of a stream, with the time left once it can be estimated.

        Args:
            name: The stream.
            requests: Requests sent for it.
            waiting: Requests of any stream that wait for a rate limit or a retry.
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
        """Write the summary: a table, then a line for each reason.

        Args:
            requests: Requests sent, by stream.
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
