"""Fixtures: sandboxes of Centra, and runs of tap-centra against them in this process."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_taps import http
from tests.centra.support import SCALE, Catalogs, Taps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taps:
    """Runs the tap in this process, where it repeats a request at once."""
    monkeypatch.setattr(http, "FIRST_BACKOFF", 0.001)
    return Taps(tmp_path)


@pytest.fixture(scope="session")
def environments() -> Iterator[Callable[[str], Sandbox]]:
    """Gives a running double with each variant of the schema, whose data no test changes."""
    with ExitStack() as stack:
        yield cache(
            lambda variant: stack.enter_context(Sandbox(scale=SCALE, centra_schema=variant))
        )


@pytest.fixture
def sandbox(environments: Callable[[str], Sandbox]) -> Iterator[Sandbox]:
    """A double whose data no test changes."""
    found = environments("current")
    found.clear_requests()
    yield found
    found.clear_overrides()


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A double for a test that changes it."""
    with Sandbox(scale=SCALE) as running:
        yield running


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalogs:
    """Makes catalogs."""
    return Catalogs(tmp_path_factory.mktemp("catalogs"))
