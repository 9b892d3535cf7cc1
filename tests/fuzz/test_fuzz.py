"""A response altered in one place loses no row from any other place."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.chaos.taps import TAPS
from tests.fuzz import mutations
from tests.fuzz.cases import fuzz
from tests.fuzz.mutations import Mutation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.tap_under_test import TapUnderTest

CASES = 14

DOCUMENT = b'{"a":[{"id":1,"b":"x"},{"id":2,"b":12.50}],"c":{"d":null}}'


@pytest.mark.parametrize("kind", mutations.kinds_for(("a", 0)))
def test_mutated_entry_leaves_rest_unchanged(kind: str) -> None:
    altered = Mutation(kind, ("a", 0)).apply(DOCUMENT)
    assert altered != DOCUMENT
    assert altered.endswith(b'{"id":2,"b":12.50}],"c":{"d":null}}') or kind == "entry twice"


@pytest.mark.parametrize("kind", mutations.kinds_for(("a", 0, "b")))
def test_mutated_value_leaves_rest_unchanged(kind: str) -> None:
    altered = Mutation(kind, ("a", 0, "b")).apply(DOCUMENT)
    assert altered != DOCUMENT
    assert altered.startswith(b'{"a":[{"id":1')
    assert altered.endswith(b',{"id":2,"b":12.50}],"c":{"d":null}}')


def test_draw_reaches_bodies_envelopes_and_records() -> None:
    chance = random.Random(1)  # noqa: S311 - nothing to guard
    depths = {len(mutations.draw(chance, DOCUMENT).path) for _ in range(100)}
    assert depths == {0, 1, 2, 3}


@pytest.mark.parametrize("tap_under_test", TAPS, ids=str)
def test_altered_response_loses_no_other_row(tap_under_test: TapUnderTest, tmp_path: Path) -> None:
    outcome = fuzz(tap_under_test, range(CASES), tmp_path)
    assert outcome.expected > 500
    assert outcome.clean, "\n".join(outcome.notes)
