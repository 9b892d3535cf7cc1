"""Fixtures: runs of the tap, in this process or in one of its own, and the sandbox they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_taps import http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from tests.codat.support import Processes, Taps


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Processes:
    """Runs the tap in processes of its own."""
    return Processes(tmp_path_factory.mktemp("processes"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taps:
    """Runs the tap in this process, where it repeats a request at once."""
    monkeypatch.setattr(http, "FIRST_BACKOFF", 0.001)
    return Taps(tmp_path)


@pytest.fixture(scope="session")
def _shared() -> Iterator[Sandbox]:
    with Sandbox(scale=0.1) as running:
        yield running


@pytest.fixture
def sandbox(_shared: Sandbox) -> Iterator[Sandbox]:
    """A small sandbox whose data no test changes."""
    _shared.clear_requests()
    yield _shared
    _shared.clear_overrides()


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A small sandbox for a test that changes it."""
    with Sandbox(scale=0.1) as running:
        yield running
