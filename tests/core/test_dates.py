"""Timestamps in every form, and in the canonical form."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commerce_taps.records import dates

NORMAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def is_normal(text: str) -> bool:
    return dates.are_canonical([text]) and dates.are_timestamps([text])


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Fraction]:
    """Draw a timestamp in a form of some API, and its exact seconds since the epoch."""
    local = draw(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))).replace(microsecond=0)  # noqa: DTZ001
    digits = draw(st.text("0123456789", max_size=12))
    minutes = draw(st.none() | st.integers(-1439, 1439))
    zone = draw(st.sampled_from(["", "Z", "z"]))
    if minutes is not None:
        colon = draw(st.sampled_from([":", ""]))
        zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"
    text = local.isoformat(sep=draw(st.sampled_from("Tt ")))
    fraction = Fraction(int(digits), 10 ** len(digits)) if digits else Fraction(0)
    since = local.replace(tzinfo=timezone.utc) - timedelta(minutes=minutes or 0) - EPOCH
    return f"{text}{f'.{digits}' if digits else ''}{zone}", since // timedelta(seconds=1) + fraction


def seconds(timestamp: datetime) -> Fraction:
    return Fraction((timestamp - EPOCH) // timedelta(microseconds=1), 10**6)


@given(written())
@example(("2024-12-31T23:59:59.9999999Z", Fraction(17356895999999999, 10**7)))
def test_parse_truncates_to_microseconds(sent: tuple[str, Fraction]) -> None:
    text, exactly = sent
    read = dates.parse(text)
    assert read.tzinfo is timezone.utc
    assert 0 <= exactly - seconds(read) < Fraction(1, 10**6)
    assert 0 <= exactly - seconds(dates.floor(read)) < 1


@given(written())
def test_canonical_form_keeps_timestamp_and_digits(sent: tuple[str, Fraction]) -> None:
    text, exactly = sent
    normal = dates.normalize(text)
    assert NORMAL.fullmatch(normal)
    fraction = normal[19:-1]
    whole = seconds(datetime.fromisoformat(normal[:19]).replace(tzinfo=timezone.utc))
    assert whole + Fraction(f"0{fraction or '.0'}") == exactly
    assert fraction == "".join(re.findall(r"\.\d+", text))


@given(written())
def test_canonical_form_is_recognized_and_unchanged(sent: tuple[str, Fraction]) -> None:
    normal = dates.normalize(sent[0])
    assert is_normal(normal)
    assert dates.normalize(normal) == normal
    assert is_normal(sent[0]) == (sent[0] == normal)


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_rendered_timestamp_parses_back(timestamp: datetime) -> None:
    text = dates.render(timestamp)
    assert dates.parse(text) == timestamp
    assert is_normal(text)


@given(
    st.text()
    | st.from_regex(
        r"\A\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{0,9})?)?([Zz]|[+-]\d\d:?\d\d)?)?\Z"
    )
    | st.tuples(written(), st.text(max_size=2)).map(lambda parts: parts[0][0] + parts[1])
)
@example("2024-03-01T09:30:00.123456\u0661Z")
@example("2024-03-01T09:30:00.Z")
@example("20240301")
@example("2024-W09-5")
@example("2024-02-30")
@example("0001-01-01T00:00:00+01:00")
@example("9999-12-31T23:59:59-01:00")
def test_any_text_parses_or_raises(text: str) -> None:
    try:
        normal = dates.normalize(text)
    except ValueError:
        assert not is_normal(text)
        with pytest.raises(ValueError):  # noqa: PT011 - which one is all the same
            dates.parse(text)
    else:
        assert NORMAL.fullmatch(normal)
        assert is_normal(normal)
        assert dates.parse(normal) == dates.parse(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2024-03-01", "2024-03-01T00:00:00Z"),
        (" 2024-03-01T09:30:00Z\n", "2024-03-01T09:30:00Z"),
        ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_known_forms_parse_as_expected(text: str, normal: str) -> None:
    assert dates.normalize(text) == normal


@pytest.mark.parametrize(
    "text", ["-", "now", "2024", "2024-02-30", "20240301", "2024-W09-5", "1709285400",
             "2024-03-01T25:00:00Z", "0001-01-01T00:00:00+01:00"],
)  # fmt: skip
def test_invalid_text_raises(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        dates.parse(text)
