from __future__ import annotations

import operator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_sandbox.codat.query import (
    Kind,
    MalformedError,
    QueryError,
    UnresolvedError,
    compile_query,
)

FIELDS = {
    "id": Kind.TEXT,
    "total": Kind.NUMBER,
    "paid": Kind.FLAG,
    "modifiedDate": Kind.DATE,
    "customerRef.id": Kind.TEXT,
}
ROW = {
    "id": "Order 61",
    "total": Decimal("12.50"),
    "paid": True,
    "modifiedDate": "2024-01-15T12:00:00+01:00",
    "customerRef": {"id": "61"},
}


@pytest.mark.parametrize(
    "query",
    [
        "id=Order 61",
        "id!=Order 62",
        "id~rder",
        "total=12.5",
        "total=12.50",
        "total>12.49",
        "total<=12.50",
        "paid=true",
        "paid!=false",
        "customerRef.id=61",
        "modifiedDate=2024-01-15T11:00:00Z",
        "modifiedDate>=2024-01-15T11:00:00.000Z",
        "modifiedDate>2024-01-15",
        "modifiedDate<2024-01-15T11:00:01",
        "total>1 && paid=true",
        "total>99||paid=true",
        "{total>99||paid=true}&&id~61",
        "{ { total = 12.5 } }",
        "total>99&&paid=true||id~61",
        "id~61||total>99&&paid=false",
    ],
)
def test_matching_query_holds(query: str) -> None:
    assert compile_query(query, FIELDS)(ROW)


@pytest.mark.parametrize(
    "query",
    [
        "id=order 61",
        "id~RDER",
        "total!=12.5",
        "total>12.50",
        "paid=false",
        "customerRef.id=6",
        "modifiedDate>2024-01-15T11:00:00Z",
        "modifiedDate>=2024-01-15T11:00:00.001Z",
        "total>1&&paid=false",
        "{total>99||paid=true}&&id~62",
        "total>99&&{paid=true||id~61}",
    ],
)
def test_other_query_does_not_hold(query: str) -> None:
    assert not compile_query(query, FIELDS)(ROW)


@pytest.mark.parametrize("name", ["id", "total", "modifiedDate", "customerRef.id"])
def test_absent_or_null_is_only_unequal(name: str) -> None:
    literal = {"total": "1", "modifiedDate": "2024-01-01"}.get(name, "1")
    for row in ({}, {name.partition(".")[0]: None}):
        assert compile_query(f"{name}!={literal}", FIELDS)(row)
        assert not compile_query(f"{name}={literal}", FIELDS)(row)


@pytest.mark.parametrize(
    "query",
    [
        "",
        " ",
        "id",
        "id=",
        "=1",
        "id==1",
        "id=a&id=b",
        "id=a&&",
        "&&id=a",
        "id=a||||id=b",
        "{id=a",
        "id=a}",
        "{}",
        "(id=a)",
        "id=a id2=b",
        "id='a'",
        'id="a"',
        "id=a>b",
        "id>a",
        "paid>true",
        "paid=yes",
        "total~1",
        "total=one",
        "total=1e3",
        "modifiedDate=today",
        "modifiedDate~2024",
        "modifiedDate>=2024-13-01",
        "modifiedDate>=2024-01-01 00:00:00",
        "modifiedDate>=2024-01-01T00:00:00 00:00",
        "customerRef..id=1",
        "customerRef.=1",
        "{" * 40 + "id=a" + "}" * 40,
        "id=" + "a" * 2045,
    ],
)
def test_malformed_query_raises_error(query: str) -> None:
    with pytest.raises(MalformedError, match=r"^Error parsing query - Malformed query\.$"):
        compile_query(query, FIELDS)


def test_query_of_2047_characters_is_accepted() -> None:
    assert compile_query("id!=" + "a" * 2043, FIELDS)(ROW)


@pytest.mark.parametrize(
    "name", ["isCompleted", "customerRef", "customerRef.name", "ID", "lines.id"]
)
def test_unknown_property_raises_error(name: str) -> None:
    with pytest.raises(UnresolvedError, match=f"Could not resolve property {name} on Dataset"):
        compile_query(f"id=1&&{name}=1", FIELDS)


_TIMESTAMPS = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)).map(  # noqa: DTZ001 (UTC)
    lambda timestamp: timestamp.replace(microsecond=0)
)
_SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@given(_TIMESTAMPS, _TIMESTAMPS, st.integers(-14 * 60, 14 * 60), st.sampled_from(sorted(_SIGNS)))
def test_dates_compare_as_timestamps(
    one: datetime, other: datetime, offset: int, sign: str
) -> None:
    local = one + timedelta(minutes=offset)
    hours, minutes = divmod(abs(offset), 60)
    row = {
        "modifiedDate": f"{local.isoformat()}{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
    }
    query = f"modifiedDate{sign}{other.isoformat()}Z"
    assert compile_query(query, FIELDS)(row) == _SIGNS[sign](one, other)


_NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99, max_value=99)


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, Any]:
    """Return a query and the equivalent function."""
    if depth == 0 or draw(st.booleans()):
        sign, number = draw(st.sampled_from(sorted(_SIGNS))), draw(_NUMBERS)
        return f"total{sign}{number:f}", lambda row: _SIGNS[sign](row["total"], number)
    left, left_holds = draw(_expressions(depth - 1))
    right, right_holds = draw(_expressions(depth - 1))
    space = draw(st.sampled_from(["", " "]))
    if draw(st.booleans()):
        query = f"{{{left}}}{space}&&{space}{{{right}}}"
        return query, lambda row: left_holds(row) and right_holds(row)
    query = f"{{{left}{space}||{space}{right}}}"
    return query, lambda row: left_holds(row) or right_holds(row)


@given(_expressions(), _NUMBERS)
def test_operators_combine_with_precedence(expression: tuple[str, Any], number: Decimal) -> None:
    query, holds = expression
    row = {"total": number}
    assert compile_query(query, FIELDS)(row) == holds(row)


@given(st.text(st.sampled_from("id=total<>!~{}&| .1a-:TZ\"'"), max_size=40) | st.text(max_size=30))
def test_any_text_compiles_or_raises_error(text: str) -> None:
    try:
        predicate = compile_query(text, FIELDS)
    except QueryError:
        return
    assert predicate(ROW) in {True, False}
