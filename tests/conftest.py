"""What holds for every test."""

from __future__ import annotations

import pytest

from commerce_taps.redact import redact


@pytest.fixture(autouse=True)
def unmasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets of other tests: one that is an ordinary word masks it in any text."""
    monkeypatch.setattr(redact, "_forms", [])
