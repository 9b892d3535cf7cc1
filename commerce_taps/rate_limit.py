"""Rate limits of a vendor: `RateLimiter` paces the requests of all threads."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from collections import defaultdict, deque

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TICK = 0.2
"""Seconds between two checks for signals while a thread waits."""

ROUNDING = 1e-9
"""The share of a full bucket that may be missing, since levels are floating-point numbers."""


class TokenBucket:
    """A limit of the vendor on requests, or on the complexity of queries."""

    def __init__(self, unit: str, size: float, seconds: float, level: float) -> None:
        """Create a bucket.

        Args:
            unit: What it counts, as in `Request.costs`.
            size: How much a full bucket holds.
            seconds: How long an empty bucket takes to become full.
            level: How much it holds now.
        """
        self.unit = unit
        self._size = size
        self._rate = size / seconds
        self._level = min(level, size)
        self._at: float | None = None

    def wait(self, cost: float, now: float) -> float:
        """Return how long a request has to wait for its cost.

        Args:
            cost: The cost. One that exceeds a full bucket waits for a full bucket.
            now: Seconds on a monotonic clock.

        Returns:
            Seconds; 0 if the bucket holds the cost.
        """
        if self._at is not None:
            self._level = min(self._level + (now - self._at) * self._rate, self._size)
        self._at = now
        missing = min(cost, self._size) - self._level
        return missing / self._rate if missing > self._size * ROUNDING else 0.0

    def take(self, cost: float) -> None:
        """Take a cost out of the bucket; a negative cost is put back. The level may be negative."""
        self._level = min(self._level - cost, self._size)

    def drain(self) -> None:
        """Empty the bucket."""
        self._level = min(self._level, 0.0)


class RateLimiter:
    """Paces the requests of all threads.

    Attributes:
        buckets: The vendor's token buckets, once known.
        exhausted: How often the vendor reported an empty bucket, without its name.
        waiting: How many requests are waiting.
    """

    def __init__(
        self, *, per_minute: int, at_once: int, per_key: int, check: Callable[[], None]
    ) -> None:
        """Create a limiter.

        Args:
            per_minute: Requests in any 60 seconds; 0 for no limit.
            at_once: Concurrent requests.
            per_key: Concurrent requests with the same `Request.concurrency_key`.
            check: Called while a request waits; raises `TapStopped` if the run is ending.
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
        """Wait until a request may be sent, and hold its slot until the response has arrived.

        Args:
            concurrency_key: As in `Request`.
            costs: As in `Request`.

        Raises:
            TapStopped: The run ends.
        """
        with self._lock:
            semaphore = self._per_key[concurrency_key]
        with semaphore, self._at_once:
            self._check()  # the run may have ended while this thread waited for its turn
            while (wait := self._reserve(costs or {})) is not None:
                self.sleep(wait)
            yield

    def _reserve(self, costs: Mapping[str, float]) -> float | None:
        """Reserve a request in this minute; return `None`, or the seconds to wait before."""
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
        """Correct the costs of a request once the response reports them.

        Args:
            costs: By unit, the actual cost minus the cost in the request.
        """
        with self._lock:
            self._take(costs)

    def pause(self, seconds: float) -> None:
        """Send nothing for some seconds, as the vendor requests: any bucket may be empty."""
        with self._lock:
            for bucket in self.buckets:
                bucket.drain()
            self.exhausted += bool(self.buckets)
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds.

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
