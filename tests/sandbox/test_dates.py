from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_sandbox.codat import dates
from commerce_sandbox.seeded import rng


@pytest.mark.parametrize(
    ("served", "in_utc"),
    [
        ("2021-10-27T15:22:37Z", "2021-10-27T15:22:37Z"),
        ("2021-10-27T15:22:37", "2021-10-27T15:22:37Z"),
        ("2021-10-27T15:22:37.000Z", "2021-10-27T15:22:37.000Z"),
        ("2022-10-27T10:22:43.6464237Z", "2022-10-27T10:22:43.6464237Z"),
        ("2022-10-27T10:22:43.6400000", "2022-10-27T10:22:43.6400000Z"),
        ("2022-10-27T00:30:00+01:00", "2022-10-26T23:30:00Z"),
        ("2022-10-27T00:30:00.5-05:30", "2022-10-27T06:00:00.5Z"),
        ("2022-10-27", "2022-10-27T00:00:00Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_to_utc_converts_every_form(served: str, in_utc: str) -> None:
    assert dates.to_utc(served) == in_utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2022-13-01",
        "2022-10-27 10:00:00",
        "2022-10-27T25:00:00Z",
        "2022-10-27T10:00",
        "0001-01-01T00:00:00+01:00",
        "2022-10-27T10:00:00+1",
    ],
)
def test_parse_invalid_date_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dates.parse(text)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.integers())  # noqa: DTZ001
def test_format_date_round_trips(timestamp: datetime, seed: int) -> None:
    timestamp = timestamp.replace(microsecond=0)
    written = dates.format_date(timestamp, rng(seed))
    assert dates.parse(written) == (timestamp, 0)


def test_format_date_produces_every_form() -> None:
    timestamp = datetime(2024, 5, 1, 12)  # noqa: DTZ001 (UTC)
    random = rng(1)
    forms = {dates.format_date(timestamp, random) for _ in range(1000)}
    assert forms == {
        "2024-05-01T12:00:00Z",
        "2024-05-01T12:00:00",
        "2024-05-01T13:00:00+01:00",
        "2024-05-01T07:00:00-05:00",
        "2024-05-01T17:30:00+05:30",
    }
