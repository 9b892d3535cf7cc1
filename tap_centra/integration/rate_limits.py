"""The rate limits of the Integration API.

They are token buckets for requests and for the complexity of queries, each over ten seconds and
over an hour, which all integrations of a client share (Centra's documentation, "API rate limits").
"""

from __future__ import annotations

import math
import typing as t

import msgspec

from commerce_taps.rate_limit import TokenBucket

QUERY: t.Final = "{ rateLimits { type intervalSeconds quota remainingQuota } }"

QUOTA_SHARE: t.Final = 0.95
"""The share of each quota that the tap uses: the rest is for the client's other integrations."""

UNITS: t.Final = {"REQUEST_COUNT": "requests", "QUERY_COMPLEXITY": "complexity"}
SECONDS: t.Final = {"TEN_SECONDS": 10.0, "ONE_HOUR": 3600.0}


class _RateLimit(msgspec.Struct, rename="camel"):
    type: str
    interval_seconds: str
    quota: float
    remaining_quota: float

    @property
    def is_valid(self) -> bool:
        """Whether the tap knows the kind of limit, and its numbers do not contradict each other."""
        return (
            self.type in UNITS
            and self.interval_seconds in SECONDS
            and 0 <= self.remaining_quota <= self.quota > 0
        )


class RateLimits(msgspec.Struct, rename="camel"):
    """The data of the response to `QUERY`."""

    rate_limits: list[_RateLimit]

    @property
    def max_complexity(self) -> float:
        """The most that a query can cost."""
        limits = filter(lambda limit: limit.is_valid, self.rate_limits)
        costs = [limit.quota for limit in limits if UNITS[limit.type] == "complexity"]
        return min(costs, default=math.inf)

    def token_buckets(self) -> list[TokenBucket]:
        """Build a bucket for each limit, with what is left of it now."""
        return [
            TokenBucket(
                UNITS[limit.type],
                limit.quota * QUOTA_SHARE,
                SECONDS[limit.interval_seconds],
                limit.remaining_quota - limit.quota * (1 - QUOTA_SHARE),
            )
            for limit in self.rate_limits
            if limit.is_valid
        ]
