"""Faults of networks, proxies and servers.

A profile names the faults that may happen and how likely one of them is. Whether and how a request
meets a fault depends on the seed, the request and how often the same request has come before, never
on the time: a client that repeats its requests meets the same faults, whatever its threads do.

A client can detect every fault: a wrong response contradicts itself, the request or the format. No
client can detect a list that claims to be empty and is not, so there is no such fault.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from commerce_sandbox.faults import bodies, connections, statuses
from commerce_sandbox.faults.exchange import Exchange, Memory, request_key
from commerce_sandbox.seeded import chance, rng

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.fake_api import FakeApi, FaultOptions
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
    """Describe a profile in a sentence."""
    share, names = PROFILES[profile]
    if profile in FAULTS:
        text = (FAULTS[profile].__doc__ or "").strip().partition("\n")[0]
    else:
        text = f"Any of {len(names)} faults." if names else "Nothing goes wrong."
    return f"{share:.0%} of the requests. {text}" if names else text


class Faults:
    """Wraps an API and injects the faults of a profile.

    Args:
        options: The profile, its seed and its measures.
    """

    def __init__(self, api: FakeApi, options: FaultOptions) -> None:
        self._api = api
        self._options = options
        share, self._names = PROFILES[options.profile]
        self._share = share if options.share is None else options.share
        self._seen: Counter[tuple[bytes, bytes]] = Counter()
        self._memory = Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> str:
        """Respond to a request, and return the name of the fault it met, if any."""
        key = request_key(scope)
        self._seen[key] += 1
        random = rng(self._options.seed, *key, self._seen[key])
        exchange = Exchange(
            *(scope, receive, send),
            api=self._api,
            options=self._options,
            memory=self._memory,
            random=random,
        )
        if not chance(random, self._share):
            await exchange.reply(await exchange.fetch_response())
            return ""
        name = random.choice(self._names)
        await FAULTS[name](exchange)
        return name
