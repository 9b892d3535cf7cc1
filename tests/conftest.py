"""What holds for every test.

Hypothesis tries the same examples every time, so that a red build stays red.
`COMMERCE_TAPS_EXAMPLES=5000 pytest tests/core` looks further, each time somewhere else.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

from commerce_taps.redact import redact

NEED_DUCKDB = ["chaos", "e2e", "docs/test_claims.py"]
"""Tests that read what the loader wrote. Its duckdb has no wheel for the newest Python."""

collect_ignore = [] if find_spec("duckdb") else NEED_DUCKDB

EXAMPLES = int(os.environ.get("COMMERCE_TAPS_EXAMPLES", "0"))

settings.register_profile(
    "fixed",
    max_examples=EXAMPLES or 50,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings out: without `--config` a tap would read them."""
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", "1")
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def unmasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets of other tests: one that is an ordinary word masks it in any text."""
    monkeypatch.setattr(redact, "_forms", [])


def pytest_report_header() -> list[str]:
    """Log what is left out."""
    return [f"without duckdb, so without: {', '.join(collect_ignore)}"] if collect_ignore else []
