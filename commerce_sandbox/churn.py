"""Data that changes while it is read.

Churn begins with the first request, so that the data before it is known. It has a time of its own:
`rate` rows change in each of its seconds, however long those are by the clock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from commerce_sandbox.fake_api import Churned
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from commerce_sandbox.fake_api import ChurnOptions, FakeApi

_BREATH = 0.01
"""Seconds between two rounds of changes of churn by the clock."""


class Churn:
    """Changes the rows of a fake API, bit by bit.

    Attributes:
        log: What was done, in order.

    Args:
        api: The fake API whose rows change.
    """

    def __init__(self, api: FakeApi, options: ChurnOptions) -> None:
        self._api = api
        self._options = options
        self._random = rng(options.seed, "churn")
        self._requests = 0
        self._clock: asyncio.Task[None] | None = None
        self._active = options.rate > 0
        self.log: list[Churned] = []

    def request(self) -> None:
        """Count a request, and change rows before its response."""
        self._requests += 1
        if not self._active:
            return
        if self._options.per_request is not None:
            self._change(self._options.per_request)
        elif self._clock is None:
            self._clock = asyncio.create_task(self._by_the_clock())

    def settle(self) -> None:
        """End the churn."""
        if self._active:
            self._active = False
            if self._clock is not None:
                self._clock.cancel()
            self._api.settle()

    async def _by_the_clock(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            self._change(int((loop.time() - began) * self._options.rate) - len(self.log))
            await asyncio.sleep(_BREATH)

    def _change(self, rows: int) -> None:
        for _ in range(rows):
            seconds = len(self.log) / self._options.rate
            changed, row = self._api.churn(seconds, self._random, self._options.stream)
            self.log.append(Churned(changed, row, self._requests))
