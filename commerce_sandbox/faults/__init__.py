"""Faults: what networks, proxies and vendors do to an answer on a bad day.

A profile names the faults that may happen and how likely one of them is. Whether and how a request
is struck depends on the seed, on what is asked, and on how often that has been asked, never on the
moment: a client that asks the same meets the same, whatever its threads do.

Faults lie, but never so well that nobody could tell: a wrong answer contradicts itself, the
question or the format. A list that is said to be empty and is not could not be told from the truth
by any client, so that is no fault here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from commerce_sandbox.faults import bodies, connections, statuses
from commerce_sandbox.faults.exchange import Exchange, Memory, question
from commerce_sandbox.seeded import chance, rng

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.double import Double, FaultOptions
    from commerce_sandbox.faults.exchange import Fault

__all__ = ["FAULTS", "PROFILES", "Faults", "describe"]

FAULTS: Final[Mapping[str, Fault]] = {
    **statuses.FAULTS,
    **connections.FAULTS,
    **bodies.FAULTS,
}
"""Every fault by its name."""

_SINGLE: Final = 0.2
PROFILES: Final[Mapping[str, tuple[float, Sequence[str]]]] = {
    "none": (0.0, ()),
    "flaky": (0.05, tuple(FAULTS)),
    "hostile": (0.3, tuple(FAULTS)),
    **{name: (_SINGLE, (name,)) for name in FAULTS},
}
"""The share of requests that meet a fault, and which, by the profile's name."""


def describe(profile: str) -> str:
    """Say in a sentence what a profile does."""
    share, names = PROFILES[profile]
    if profile in FAULTS:
        said = (FAULTS[profile].__doc__ or "").strip().partition("\n")[0]
    else:
        said = f"Any of {len(names)} faults." if names else "Nothing goes wrong."
    return f"{share:.0%} of the requests. {said}" if names else said


class Faults:
    """Stands before an API and lets its profile's faults happen.

    Args:
        double: The double that has the API.
        options: The profile, its seed and its measures.
    """

    def __init__(self, double: Double, options: FaultOptions) -> None:
        self._double = double
        self._options = options
        share, self._names = PROFILES[options.profile]
        self._share = share if options.share is None else options.share
        self._asked: Counter[tuple[bytes, bytes]] = Counter()
        self._memory = Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> str:
        """Answer a request, and give the name of the fault it has met, if any."""
        asked = question(scope)
        self._asked[asked] += 1
        random = rng(self._options.seed, *asked, self._asked[asked])
        exchange = Exchange(
            *(scope, receive, send),
            double=self._double,
            options=self._options,
            memory=self._memory,
            random=random,
        )
        if not chance(random, self._share):
            await exchange.reply(await exchange.answer())
            return ""
        name = random.choice(self._names)
        await FAULTS[name](exchange)
        return name
