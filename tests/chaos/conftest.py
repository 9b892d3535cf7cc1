"""Names the marker of the tests that run Meltano, for when these tests are run alone."""

from __future__ import annotations

from tests.e2e.conftest import pytest_configure

__all__ = ["pytest_configure"]
