"""Codat's query language.

    query      = conjunction *( "||" conjunction )
    conjunction = term *( "&&" term )
    term       = "{" query "}" | property operator value
    operator   = "=" | "!=" | "~" | ">" | "<" | ">=" | "<="

`=` and `!=` take text, numbers, flags and dates, `~` (contains) text, the others numbers and
dates. How a value would quote an operator is nowhere documented, so a value that holds a character
of an operator, a brace or a quotation mark is malformed here. (Codat docs, "Querying", and the
response `Malformed-Query` of the official specs.)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final

from commerce_sandbox.codat import dates

MAX_LENGTH: Final = 2048
_MAX_DEPTH: Final = 32

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]


class Kind(Enum):
    """The type of a property, which decides how it compares."""

    TEXT = auto()
    NUMBER = auto()
    DATE = auto()
    FLAG = auto()


Fields = Mapping[str, Kind]
"""The properties of a dataset that can be queried, sub-objects with dots."""


class QueryError(ValueError):
    """The query is invalid; the text is the API's message."""


class MalformedError(QueryError):
    """The text is not a query."""

    def __init__(self) -> None:
        super().__init__("Error parsing query - Malformed query.")


class UnresolvedError(QueryError):
    """The query names a property that the dataset does not have, or that cannot be queried."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Error parsing query - Could not resolve property {name} on Dataset")


_TOKEN: Final = re.compile(
    r"\s*(?:(?P<brace>[{}])|(?P<link>&&|\|\|)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*)"
    r"\s*(?P<operator>!=|>=|<=|=|~|>|<)\s*(?P<value>[^&|{}<>=!~\"'\\]*[^&|{}<>=!~\"'\\\s])"
    r")\s*"
)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_ORDERED: Final = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def value_at(row: Row, name: str) -> Any:  # noqa: ANN401 (a JSON value)
    """Look up a dotted name in a row; `None` if a part is missing."""
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def comparable(value: Any, kind: Kind) -> Any:  # noqa: ANN401 (a JSON value)
    """Convert a value of a row to one that compares as its kind does."""
    return dates.parse(value) if kind is Kind.DATE and value is not None else value


def compile_query(text: str, fields: Fields) -> Predicate:
    """Compile a query into a predicate on rows.

    Args:
        text: The decoded value of the `query` parameter.
        fields: The properties that can be queried.

    Raises:
        QueryError: The query is malformed or names an unknown property.
    """
    if len(text) >= MAX_LENGTH:
        raise MalformedError
    return _Parser(text, fields).parse()


class _Parser:
    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._fields = fields
        self._token = _TOKEN.match(text)
        self._depth = 0

    def parse(self) -> Predicate:
        result = self._any_of()
        if self._token is not None:
            raise MalformedError
        return result

    def _advance(self) -> None:
        end = self._current().end()
        self._token = _TOKEN.match(self._text, end) if end < len(self._text) else None
        if self._token is None and end < len(self._text):
            raise MalformedError

    def _current(self) -> re.Match[str]:
        if self._token is None:
            raise MalformedError
        return self._token

    def _accept(self, group: str, text: str) -> bool:
        if self._token is None or self._token[group] != text:
            return False
        self._advance()
        return True

    def _any_of(self) -> Predicate:
        terms = [self._all_of()]
        while self._accept("link", "||"):
            terms.append(self._all_of())
        return terms[0] if len(terms) == 1 else lambda row: any(term(row) for term in terms)

    def _all_of(self) -> Predicate:
        terms = [self._term()]
        while self._accept("link", "&&"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else lambda row: all(term(row) for term in terms)

    def _term(self) -> Predicate:
        if self._accept("brace", "{"):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise MalformedError
            inner = self._any_of()
            if not self._accept("brace", "}"):
                raise MalformedError
            self._depth -= 1
            return inner
        found = self._current()
        if found["name"] is None:
            raise MalformedError
        self._advance()
        return self._comparison(found["name"], found["operator"], found["value"])

    def _comparison(self, name: str, sign: str, literal: str) -> Predicate:
        try:
            kind = self._fields[name]
        except KeyError:
            raise UnresolvedError(name) from None
        wanted = _literal(literal, kind)
        if sign == "~":
            if kind is not Kind.TEXT:
                raise MalformedError
            return lambda row: wanted in (value_at(row, name) or "")
        if sign not in {"=", "!="} and kind not in {Kind.NUMBER, Kind.DATE}:
            raise MalformedError
        compare = _ORDERED[sign]

        def holds(row: Row) -> bool:
            value = comparable(value_at(row, name), kind)
            return sign == "!=" if value is None else bool(compare(value, wanted))

        return holds


def _literal(text: str, kind: Kind) -> Any:  # noqa: ANN401 (one type a kind)
    if kind is Kind.TEXT:
        return text
    if kind is Kind.NUMBER and _NUMBER.fullmatch(text):
        return Decimal(text)
    if kind is Kind.FLAG and text in {"true", "false"}:
        return text == "true"
    if kind is Kind.DATE:
        try:
            return dates.parse(text)
        except ValueError as error:
            raise MalformedError from error
    raise MalformedError
