"""One way of running hypothesis: the same examples every time, so that a red build stays red.

`COMMERCE_TAPS_EXAMPLES=5000 pytest tests/core` looks further, each time somewhere else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from commerce_taps import governor
from tests.core.api import Api, Clock, running

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = int(os.environ.get("COMMERCE_TAPS_EXAMPLES", "0"))

settings.register_profile(
    "core",
    max_examples=EXAMPLES or 50,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("core")


@pytest.fixture
def api() -> Iterator[Api]:
    with running() as api:
        yield api


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(governor, "time", clock)
    return clock
