"""Fixtures: runs of the tap in this process, and the stores they read."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_taps import http
from tests.cscart.support import SCALE, Taps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taps:
    """Runs the tap in this process, where it repeats a request at once."""
    monkeypatch.setattr(http, "FIRST_BACKOFF", 0.001)
    return Taps(tmp_path)


@pytest.fixture(scope="session")
def stores() -> Iterator[Callable[..., Sandbox]]:
    """Gives a running store of each kind, whose data no test changes."""
    with ExitStack() as stack:

        @cache
        def store(release: str = "4.20", edition: str = "cscart", addons: str = "on") -> Sandbox:
            store = Sandbox(
                scale=SCALE,
                cscart_release=release,
                cscart_edition=edition,
                cscart_addons=addons,
            )
            return stack.enter_context(store)

        yield store


@pytest.fixture
def sandbox(stores: Callable[..., Sandbox]) -> Iterator[Sandbox]:
    """A store of release 4.20 whose data no test changes."""
    store = stores()
    store.clear_requests()
    yield store
    store.clear_overrides()


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A store of release 4.20 for a test that changes it."""
    with Sandbox(scale=SCALE) as running:
        yield running
