"""Lists as the GraphQL API gives them: filtered, sorted, and a page at a time.

Choices of its own, where the public reference is silent:

* Both ends of a range of timestamps are exclusive. A client that gets all rows here, gets them as
  well where an end is inclusive.
* Rows that tie in the order keep the order of the table. A cursor holds a value of the first sort
  alone, so what ties across the border of a page of a connection is lost: sort by what is unique.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from commerce_sandbox.centra.values import Row

    Condition = Callable[[Row], bool]

LARGEST: Final = 200
"""Rows that a page can hold at most."""
USUAL: Final = 20
"""Rows that a page of a list at the root holds by default."""

_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "storeType": ("store", "type"),
    "customerId": ("_customer", "id"),
    "countryOfOriginId": ("countryOfOrigin", "id"),
    "orderNumber": ("order", "number"),
    "shipmentNumber": ("shipment", "number"),
    "supplierName": ("supplier", "name"),
    "typeName": ("type", "name"),
    "userIp": ("userIP",),
}
"""The value of a filter or sort, if not a column of its name or `xId`."""
_SEARCHED: Final = (
    "name",
    "number",
    "email",
    "firstName",
    "lastName",
    "SKU",
    "productNumber",
    "comment",
)


def value_of(row: Row, name: str) -> Any:  # noqa: ANN401 (a column's value)
    """Return the value that a filter or sort compares."""
    path = _PATHS.get(name) or ((name,) if name in row else (name.removesuffix("Id"), "id"))
    value: Any = row
    for step in path:
        if step == "_customer":
            value = value.get("customer") or value.get("order", {}).get("customer")
        elif value is not None:
            value = value.get(step, value.get(f"_{step}"))
    return value


def select(rows: Sequence[Row], where: Mapping[str, Any] | None) -> Sequence[Row]:
    """Return the rows that a filter means.

    Raises:
        GraphQLError: The filter cannot be understood.
    """
    if not where:
        return rows
    negated = set(where.get("negate") or ())
    conditions = [
        (_condition(name, wanted), name in negated)
        for name, wanted in where.items()
        if name != "negate" and wanted is not None
    ]
    return [row for row in rows if all(one(row) != negative for one, negative in conditions)]


def _condition(name: str, wanted: Any) -> Condition:  # noqa: ANN401, PLR0911 (one for each kind)
    if name == "search":
        return lambda row: any(wanted.lower() in str(row.get(one, "")).lower() for one in _SEARCHED)
    if name == "notNull":
        return lambda row: all(value_of(row, one) is not None for one in wanted)
    if isinstance(wanted, list):
        return lambda row: value_of(row, name) in wanted
    if not isinstance(wanted, dict):
        return lambda row: value_of(row, name) == wanted
    if wanted.keys() <= {"equals", "contains"}:
        if len(wanted) != 1:
            raise GraphQLError(f"Exactly one operator must be given for {name}.")
        ((operator, text),) = wanted.items()
        if operator == "equals":
            return lambda row: value_of(row, name) == text
        return lambda row: text.lower() in (value_of(row, name) or "").lower()
    low, high = wanted.get("from"), wanted.get("to")

    def in_range(row: Row) -> bool:
        value = value_of(row, name)
        return value is not None and (low is None or low < value) and (high is None or value < high)

    return in_range


def arrange(rows: Sequence[Row], sort: Sequence[str] | None) -> Sequence[Row]:
    """Sort rows by keys such as `["updatedAt_ASC", "id_DESC"]`; null comes first."""
    for one in reversed(sort or ()):
        name, _, direction = one.rpartition("_")
        if name == "customOrder":
            continue

        def key(row: Row, name: str = name) -> tuple[bool, Any]:
            value = value_of(row, name)
            return value is not None, value

        rows = sorted(rows, key=key, reverse=direction == "DESC")
    return rows


def page_of(rows: Sequence[Row], limit: int | None, page: int | None) -> Sequence[Row]:
    """Return a page of rows; all of them if there is no limit.

    Raises:
        GraphQLError: There is no such page.
    """
    if limit is None:
        return rows
    _check_size(limit)
    number = 1 if page is None else page
    if number < 1:
        raise GraphQLError(f"The page must be at least 1, {number} given.")
    return rows[(number - 1) * limit : number * limit]


def connection(
    rows: Sequence[Row],
    sort: Sequence[str],
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Row:
    """Return a part of rows with cursors.

    Raises:
        GraphQLError: The part is not described as it should be.
    """
    name, _, direction = sort[0].rpartition("_")
    ordered = arrange(rows, sort)
    chosen = ordered
    sign = -1 if direction == "DESC" else 1
    if after is not None:
        low = _read_cursor(after, name, ordered)
        chosen = [row for row in chosen if sign * value_of(row, name) > sign * low]
    if before is not None:
        high = _read_cursor(before, name, ordered)
        chosen = [row for row in chosen if sign * value_of(row, name) < sign * high]
    if first is not None and last is not None:
        raise GraphQLError("Either first or last must be given, not both.")
    size = _check_size(last if last is not None else USUAL if first is None else first)
    part = chosen[-size:] if last is not None else chosen[:size]
    edges = [{"cursor": _cursor(name, value_of(row, name)), "node": row} for row in part]
    return {
        "totalCount": len(rows),
        "edges": edges,
        "pageInfo": {
            "hasNextPage": bool(part) and part[-1] is not ordered[-1],
            "hasPreviousPage": bool(part) and part[0] is not ordered[0],
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


def _check_size(size: int) -> int:
    if not 1 <= size <= LARGEST:
        raise GraphQLError(f"The limit must be between 1 and {LARGEST}, {size} given.")
    return size


def _cursor(name: str, value: object) -> str:
    return base64.b64encode(f"{name}:{value}".encode()).decode()


def _read_cursor(cursor: str, name: str, rows: Sequence[Row]) -> Any:  # noqa: ANN401 (a column's)
    try:
        field, colon, value = base64.b64decode(cursor, validate=True).decode().partition(":")
        kind = type(value_of(rows[0], name)) if rows else str
        if field == name and colon:
            return kind(value)
    except (binascii.Error, ValueError):
        pass
    raise GraphQLError(f"The cursor {cursor!r} is not one of this connection.")
