"""Keeps a tap inside the vendor's limits: `RateLimiter` paces every request of every thread."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from collections import defaultdict, deque

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TICK = 0.2
"""Seconds between two looks at the clock and at signals while a page is waited for."""

ROUNDING = 1e-9
"""What may be missing of a whole bucket, since levels are not exact."""


class TokenBucket:
    """What a vendor allows of one thing: requests, or the complexity of queries."""

    def __init__(self, unit: str, size: float, seconds: float, level: float) -> None:
        """Start at a level.

        Args:
            unit: What is counted; requests name their cost by it.
            size: How much the bucket holds.
            seconds: How long an empty one takes to be full.
            level: How much is in it now.
        """
        self.unit = unit
        self._size = size
        self._rate = size / seconds
        self._level = min(level, size)
        self._at: float | None = None

    def wait(self, cost: float, now: float) -> float:
        """Tell how long a cost has to wait.

        Args:
            cost: How much will be taken. More than the bucket holds waits for a full one.
            now: The time, on any steady clock.

        Returns:
            Seconds; 0 if it can be taken now.
        """
        if self._at is not None:
            self._level = min(self._level + (now - self._at) * self._rate, self._size)
        self._at = now
        missing = min(cost, self._size) - self._level
        return missing / self._rate if missing > self._size * ROUNDING else 0.0

    def take(self, cost: float) -> None:
        """Take something out, or give back what was too much.

        Args:
            cost: How much; negative to give back. What is not there is owed.
        """
        self._level = min(self._level - cost, self._size)

    def drain(self) -> None:
        """Leave nothing: the vendor says that there is nothing."""
        self._level = min(self._level, 0.0)


class RateLimiter:
    """Keeps the whole tap inside the vendor's limits, whichever thread asks.

    Attributes:
        buckets: The vendor's token buckets, once they are known.
        emptied: How often the vendor said that one of them is empty, and not which.
        waiting: Requests that wait for their turn.
    """

    def __init__(
        self, *, per_minute: int, at_once: int, per_key: int, check: Callable[[], None]
    ) -> None:
        """Start with nothing sent.

        Args:
            per_minute: Requests in any 60 seconds; 0 for no limit.
            at_once: Requests under way at once.
            per_key: Requests under way at once in one lane.
            check: Raises `TapStopped` when the run is ending; called while waiting.
        """
        self._per_minute = per_minute
        self._at_once = threading.Semaphore(at_once)
        self._sent: deque[float] = deque()
        self._per_key: dict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(per_key)
        )
        self._paused_until = 0.0
        self._lock = threading.Lock()
        self._check = check
        self.buckets: Sequence[TokenBucket] = ()
        self.exhausted = 0
        self.waiting = 0

    @contextlib.contextmanager
    def slot(
        self, concurrency_key: str, costs: Mapping[str, float] | None = None
    ) -> Iterator[None]:
        """Wait until a request may be sent, and hold its place while it is under way.

        Args:
            concurrency_key: The request's lane.
            costs: What it takes out of the buckets, by their unit.

        Yields:
            Nothing.
        """
        with self._lock:
            semaphore = self._per_key[concurrency_key]
        with semaphore, self._at_once:
            while (wait := self._reserve(costs or {})) is not None:
                self.sleep(wait)
            yield

    def _reserve(self, costs: Mapping[str, float]) -> float | None:
        """Take a place in this minute: `None` once it is taken, else the seconds to wait."""
        now = time.monotonic()
        with self._lock:
            if now < self._paused_until:
                return self._paused_until - now
            if wait := max((b.wait(costs.get(b.unit, 0), now) for b in self.buckets), default=0):
                return wait
            if self._per_minute:
                while self._sent and self._sent[0] <= now - 60:
                    self._sent.popleft()
                if len(self._sent) >= self._per_minute:
                    return self._sent[0] + 60 - now
                self._sent.append(now)
            self._take(costs)
            return None

    def _take(self, costs: Mapping[str, float]) -> None:
        for bucket in self.buckets:
            bucket.take(costs.get(bucket.unit, 0))

    def charge(self, costs: Mapping[str, float]) -> None:
        """Correct what a request took out of the buckets.

        Args:
            costs: What it has cost beyond what was thought, by unit; negative for less.
        """
        with self._lock:
            self._take(costs)

    def pause(self, seconds: float) -> None:
        """Let nobody send for a while: the vendor asked for it, so any bucket may be empty.

        Args:
            seconds: How long from now.
        """
        with self._lock:
            for bucket in self.buckets:
                bucket.drain()
            self.exhausted += bool(self.buckets)
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is ending.

        Args:
            seconds: How long.

        Raises:
            TapStopped: The run is ending.
        """
        with self._lock:
            self.waiting += 1
        try:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                self._check()
                time.sleep(min(left, TICK))
        finally:
            with self._lock:
                self.waiting -= 1
