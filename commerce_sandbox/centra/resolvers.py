"""Resolvers: the format of scalars, and fields with arguments.

All other fields are columns of their row.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from graphql import GraphQLError, GraphQLObjectType, GraphQLScalarType

from commerce_sandbox.centra import lists
from commerce_sandbox.centra.values import ZONE, Row, local

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLField, GraphQLResolveInfo, GraphQLSchema

    from commerce_sandbox.centra.limits import Limits
    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.tokens import Token

    Info = GraphQLResolveInfo["Context"]

_DEFAULT_FORMAT: Final = r"Y-m-d\TH:i:sP"
_LETTERS: Final = {
    "Y": "%Y", "m": "%m", "d": "%d", "H": "%H", "i": "%M", "s": "%S", "O": "%z", "e": "%Z",
}  # fmt: skip
_TOTALLED: Final = (
    "allocatedQuantity",
    "demandQuantity",
    "freeToAllocateQuantity",
    "physicalQuantity",
)


class Context(msgspec.Struct, frozen=True):
    """The context of a request for resolvers.

    Attributes:
        token: The token it came with.
        limits: The limits it counts for.
    """

    token: Token
    limits: Limits

    def visible(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return those of a table's rows that the token may see."""
        return self.token.visible(rows)


@lru_cache(maxsize=200_000)
def written(timestamp: int, form: str | None = None) -> str:
    """Write a timestamp in the merchant's zone, by default with its offset and a colon in it.

    Args:
        form: How, in the letters of PHP's `date`, of which the common ones are known.
    """
    shown = local(timestamp)
    if form is None or form == _DEFAULT_FORMAT:
        return shown.isoformat()
    text, letters = "", iter(form)
    for letter in letters:
        if letter == "\\":
            text += next(letters, "")
        elif letter in {"P", "c"}:
            text += shown.isoformat() if letter == "c" else shown.isoformat()[-6:]
        elif letter == "U":
            text += str(timestamp)
        else:
            text += shown.strftime(_LETTERS.get(letter, letter.replace("%", "%%")))
    return text


def parse_timestamp(text: object) -> int:
    """Read a timestamp: ISO 8601, in the merchant's zone if it has no offset, with `T` or a blank.

    Raises:
        GraphQLError: It is none.
    """
    try:
        timestamp = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise GraphQLError(f"DateTimeTz cannot represent value: {text!r}") from error
    return int((timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=ZONE)).timestamp())


def bind(schema: GraphQLSchema, store: Store) -> GraphQLSchema:
    """Attach resolvers to the fields of a schema."""
    scalar = schema.type_map["DateTimeTz"]
    assert isinstance(scalar, GraphQLScalarType)  # noqa: S101 (for the type checker)
    scalar.coerce_output_value = lambda value: written(value) if isinstance(value, int) else value
    scalar.coerce_input_value = parse_timestamp
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for name, field in kind.fields.items():
                _bind_field(name, field, at_root=kind is schema.query_type)
    own = {
        "Query": {
            "rateLimits": lambda _source, info: info.context.limits.report(),
            "counters": lambda source, _info: source,
            **{name: _by_id(table) for name, table in _SINGLE.items()},
            "orderConnection": _connection("orders", ["number_ASC"]),
            "stockChangeConnection": _connection("stockChanges", ["id_DESC"]),
        },
        "Counters": dict.fromkeys(("products", "customers", "orders"), _count),
        "Warehouse": {"stockTotals": _totals},
        "ProductSize": {"stockTotals": _totals},
        "Mutation": {
            "setEventListeners": lambda _source, _info, **given: store.events.listen(
                given["input"]
            ),
            "confirmEvents": lambda _source, _info, **given: store.events.confirm(
                given["input"]["eventsIds"]
            ),
        },
    }
    for kind_name, resolvers in own.items():
        kind = schema.type_map[kind_name]
        assert isinstance(kind, GraphQLObjectType)  # noqa: S101 (for the type checker)
        for name, resolver in resolvers.items():
            kind.fields[name].resolve = resolver
    return schema


_SINGLE: Final = {
    "market": "markets",
    "product": "products",
    "productVariant": "productVariants",
    "display": "displays",
    "priceAlteration": "priceAlterations",
    "order": "orders",
}


def column(source: Row, info: Info, **_arguments: Any) -> Any:  # noqa: ANN401
    """Return the column of a row that a field is named after."""
    return source[info.field_name]


def _bind_field(name: str, field: GraphQLField, *, at_root: bool) -> None:
    arguments = field.args
    if "format" in arguments:
        field.resolve = lambda source, _info, **given: (
            None
            if source[name] is None
            else written(source[name], given.get("format"))
            if isinstance(source[name], int)
            else source[name]
        )
    elif "includingTax" in arguments:
        field.resolve = lambda source, _info, **given: (
            source[f"_{name}ExcludingTax"] if given.get("includingTax") is False else source[name]
        )
    elif "includeFullyCancelled" in arguments:
        field.resolve = lambda source, _info, **given: (
            source[name]
            if given.get("includeFullyCancelled")
            else [one for one in source[name] if one["cancelledQuantity"] < one["quantity"]]
        )
    elif arguments.keys() & {"limit", "where"}:
        field.resolve = _list(name, at_root=at_root)


def _list(name: str, *, at_root: bool) -> Any:  # noqa: ANN401 (a resolver)
    """Make the resolver of a list that is filtered, sorted and paged."""

    def resolve(source: Row, info: Info, **given: Any) -> Any:  # noqa: ANN401
        rows = source[name]
        if at_root:
            rows = info.context.visible(rows)
        rows = lists.arrange(lists.select(rows, given.get("where")), given.get("sort"))
        limit = given.get("limit")
        if limit is None and at_root and "limit" in info.parent_type.fields[name].args:
            limit = lists.USUAL
        return lists.page_of(rows, limit, given.get("page"))

    return resolve


def _connection(table: str, usual: list[str]) -> Any:  # noqa: ANN401 (a resolver)
    def resolve(source: Row, info: Info, **given: Any) -> Row:  # noqa: ANN401
        rows = lists.select(info.context.visible(source[table]), given.pop("where", None))
        return lists.connection(rows, given.pop("sort", None) or usual, **given)

    return resolve


def _by_id(table: str) -> Any:  # noqa: ANN401 (a resolver)
    def resolve(source: Row, info: Info, **given: Any) -> Row | None:  # noqa: ANN401
        rows = info.context.visible(source[table])
        return next((row for row in rows if row["id"] == given["id"]), None)

    return resolve


def _count(source: Row, info: Info, **given: Any) -> int:  # noqa: ANN401
    rows = info.context.visible(source[info.field_name])
    return len(lists.select(rows, given.get("where")))


def _totals(source: Row, _info: Info, **given: Any) -> Row:  # noqa: ANN401
    rows = lists.select(source["stock"], given.get("where"))
    return {name: sum(row[name] for row in rows) for name in _TOTALLED}
