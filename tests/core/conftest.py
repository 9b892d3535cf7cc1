"""Fixtures for the tests of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_taps import rate_limit
from tests.core.server import Clock, FakeServer, running
from tests.core.support import restore_process

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["restore_process"]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running() as server:
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock
