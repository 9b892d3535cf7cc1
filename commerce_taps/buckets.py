"""Token buckets: so much of something at once, and refilled evenly."""

from __future__ import annotations

ROUNDING = 1e-9
"""What may be missing of a whole bucket, since levels are not exact."""


class Bucket:
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
