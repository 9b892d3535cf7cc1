"""The harness of the scenarios notices secrets, lost rows and breaches of the contract."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from commerce_sandbox import Sandbox
from tests.chaos.harness import Outcome, Run, Tap, leaks
from tests.chaos.tap_under_test import CANARY
from tests.chaos.taps import TAPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WRAPPED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in Python": repr,
    "in JSON": json.dumps,
    "in a path": quote,
    "in a form": lambda secret: urlencode({"key": secret}),
    "in base64": _base64,
    "as a password": lambda secret: _base64(f":{secret}"),
    "with a user": lambda secret: _base64(f"someone@example.com:{secret}:and more"),
    "with another": lambda secret: _base64(f"other@example.com:{secret}"),
    "cut": lambda secret: secret[: len(secret) * 2 // 3],
}


@pytest.mark.parametrize("form", WRAPPED)
def test_secret_is_found_in_any_form(form: str) -> None:
    assert leaks(f"before {WRAPPED[form](CANARY)} after".encode())
    assert not leaks(f"before {WRAPPED[form](CANARY[::-1])} after".encode())


def test_rows_unlike_truth_are_counted() -> None:
    outcome = Outcome()
    outcome.compare({(1,): {"a": 1}, (2,): {"a": 2}}, {(1,): {"a": 1}, (2,): {"a": 1}, (3,): {}})
    outcome.compare({(1,): {}, (4,): {}}, {(1,): {}})
    assert (outcome.expected, outcome.lost, outcome.invented) == (4, 2, 1)
    assert not outcome.clean


def test_state_ahead_of_records_is_noted() -> None:
    outcome = Outcome()
    ahead = b'{"type":"STATE","value":{"bookmarks":{"a":{"replication_key_value":"2024-01-01"}}}}\n'
    outcome.ran(Run(code=0, stdout=ahead, stderr=b"", stall=0.0))
    assert "the output breaks the contract" in outcome.notes[0]


@pytest.mark.parametrize("tap_under_test", TAPS[:1], ids=str)
def test_forked_process_writes_the_same(tap_under_test: TapUnderTest, tmp_path: Path) -> None:
    """Both end with the same exit code and write the same rows."""
    with Sandbox(scale=tap_under_test.scale, api_key=CANARY) as sandbox:
        forked, started = (
            Tap(tap_under_test, sandbox, tmp_path, only=[tap_under_test.main], quick=quick).run()
            for quick in (True, False)
        )
    assert forked.code == started.code == 0
    assert forked.output.timeless() == started.output.timeless()
    assert forked.rows(tap_under_test.main) == started.rows(tap_under_test.main)
