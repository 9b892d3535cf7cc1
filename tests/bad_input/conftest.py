"""Fixtures for the tests of what users pass in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from commerce_taps import http
from tests.bad_input.support import TAPS, TapRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A small sandbox whose data no test changes."""
    with Sandbox(scale=0.01) as running:
        yield running


@pytest.fixture(params=TAPS, ids=str)
def run(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TapRunner:
    """Runs each of the taps, which repeats a request at once."""
    monkeypatch.setattr(http, "FIRST_BACKOFF", 0.001)
    return TapRunner(request.param, request.param.settings(sandbox), tmp_path)
