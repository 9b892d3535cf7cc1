"""The marker of tests that run Meltano."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, by which these tests can be left out: `-m 'not e2e'`."""
    config.addinivalue_line("markers", "e2e: runs Meltano, which takes some ten seconds each time")
