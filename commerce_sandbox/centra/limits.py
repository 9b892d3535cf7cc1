"""The limits of the GraphQL API: token buckets that all integrations of a client share.

The figures are those of Centra's public page on rate limits, by plan. A bucket fills again bit by
bit. A client that finds one empty learns when to come back; one that comes earlier
is refused again, for as long again.
"""

from __future__ import annotations

import email.utils
import math
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PLANS: Final = {
    "growth": ((60, 5_000), (20, 1_800), (250_000, 30_000_000)),
    "enhanced": ((150, 20_000), (50, 4_500), (900_000, 90_000_000)),
    "high-volume": ((450, 40_000), (150, 7_000), (1_800_000, 180_000_000)),
    "enterprise": ((1_500, 85_000), (500, 25_000), (4_000_000, 400_000_000)),
}
"""Requests, mutations and complexity, each within ten seconds and within an hour."""
KINDS: Final = ("REQUEST_COUNT", "MUTATION_COUNT", "QUERY_COMPLEXITY")
WINDOWS: Final = {"TEN_SECONDS": 10.0, "ONE_HOUR": 3600.0}
FORMS: Final = ("unix", "iso", "date", "seconds", "mixed")
"""How `Retry-After` is written. The documentation calls it a timestamp, without its form."""

_LEAST: Final = 1.0
"""The shortest refusal, in seconds."""


class Exceeded(Exception):
    """A bucket is empty.

    Attributes:
        retry_after: The header with the time of the next try.
    """

    def __init__(self, retry_after: str) -> None:
        super().__init__("Rate limit exceeded.")
        self.retry_after = retry_after


class Bucket:
    """A bucket that fills again bit by bit.

    Args:
        seconds: How long it takes from empty to full.
        least: The seconds one is turned away for at least.
    """

    def __init__(self, quota: int, seconds: float, least: float, now: float) -> None:
        self.quota = quota
        self._seconds = seconds
        self._least = least
        self._level = float(quota)
        self._seen = now
        self._closed_until = 0.0

    def wait(self, amount: int, now: float) -> float:
        """Return the seconds until an amount can be taken; 0 if it can be now."""
        self.level(now)
        if now >= self._closed_until and amount <= self._level:
            return 0.0
        missing = (amount - self._level) / self.quota * self._seconds
        wait = max(missing, self._least)
        self._closed_until = now + wait
        return wait

    def take(self, amount: int) -> None:
        """Take an amount."""
        self._level -= amount

    def level(self, now: float) -> int:
        """Refill by the time that has passed, and return the level."""
        gained = (now - self._seen) / self._seconds * self.quota
        self._level = min(float(self.quota), self._level + gained)
        self._seen = now
        return int(self._level)


class Limits:
    """All buckets of a client.

    Args:
        plan: The name of the plan, of `PLANS`.
        speed: How much faster than in truth the buckets fill: at 10, ten seconds are one.
        form: How `Retry-After` is written, of `FORMS`.
        clock: Returns the time in seconds of Unix time.
    """

    def __init__(
        self, plan: str, speed: float, form: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._form = form
        self._refused = 0
        self._buckets = {
            (kind, window): Bucket(quota, seconds / speed, _LEAST / speed, clock())
            for kind, quotas in zip(KINDS, PLANS[plan], strict=True)
            for (window, seconds), quota in zip(WINDOWS.items(), quotas, strict=True)
        }

    def take(self, **amounts: int) -> None:
        """Take amounts, named by kind, out of their buckets; or nothing.

        Raises:
            Exceeded: One of the buckets is too empty.
        """
        now = self._clock()
        wanted = [(one, amounts[one[0]]) for one in self._buckets if amounts.get(one[0])]
        wait = max((self._buckets[one].wait(amount, now) for one, amount in wanted), default=0.0)
        if wait:
            raise Exceeded(self._written(now, wait))
        for one, amount in wanted:
            self._buckets[one].take(amount)

    def report(self) -> list[dict[str, Any]]:
        """Return the rows of `rateLimits`."""
        now = self._clock()
        rows = []
        for (kind, window), bucket in self._buckets.items():
            left = max(0, bucket.level(now))
            rows.append(
                {
                    "type": kind,
                    "intervalSeconds": window,
                    "quota": bucket.quota,
                    "usedQuota": bucket.quota - left,
                    "remainingQuota": left,
                }
            )
        return rows

    def _written(self, now: float, wait: float) -> str:
        form = self._form
        if form == "mixed":
            form = FORMS[self._refused % (len(FORMS) - 1)]
        self._refused += 1
        timestamp = datetime.fromtimestamp(math.ceil((now + wait) * 1000) / 1000, timezone.utc)
        if form == "iso":
            return timestamp.isoformat(timespec="milliseconds")
        if form == "date":
            whole = datetime.fromtimestamp(math.ceil(now + wait), timezone.utc)
            return email.utils.format_datetime(whole, usegmt=True)
        return str(math.ceil(wait if form == "seconds" else now + wait))
