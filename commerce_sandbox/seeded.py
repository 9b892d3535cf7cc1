"""Randomness that depends on names alone.

Every generator is made from the names of the thing it describes, never from a shared stream of
numbers. So the rows of one list are the same whether or not another list was requested first, in
this process or in the next one.
"""

from __future__ import annotations

import random
import uuid
from typing import Final

_NAMESPACE: Final = uuid.UUID("6f6d3b2e-0f4b-4d8e-9a37-5c0f6f1f2a10")


def rng(*names: object) -> random.Random:
    """Return the generator that belongs to `names`.

    Python seeds a generator from text by way of SHA-512, so the result does not depend on the
    hash seed of the process.
    """
    return random.Random("/".join(map(str, names)))  # noqa: S311 (data, not secrets)


def guid(*names: object) -> str:
    """Return the GUID that belongs to `names`, as lower-case text."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, names))))


def chance(random: random.Random, share: float) -> bool:
    """Draw true with a probability of `share`."""
    return random.random() < share
