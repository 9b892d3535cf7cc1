"""The fast way of checking a record: a msgspec Struct compiled from the stream's schema.

JSON Schema in, decoder out. The decoder accepts a record only when the schema does; whatever it
refuses is looked at by `conform`, so it may refuse more.
"""

from __future__ import annotations

import typing as t
from operator import attrgetter

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from commerce_taps.records.conform import encode, kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from commerce_taps.records.columns import Schema


NOTHING: t.Final = t.Annotated[str, Meta(pattern="(?!)")]
"""A type that no value is of: what is declared so always goes the careful way."""


def attribute(name: str) -> str:
    """Name the Struct attribute of a column, whatever characters the column's name has.

    Args:
        name: The column.

    Returns:
        A Python identifier, the same for the same column.
    """
    return "f_" + name.encode().hex()


def is_plain(name: str) -> bool:
    """Tell whether a Struct can have a column: one whose name JSON has to escape it cannot.

    Args:
        name: The column.

    Returns:
        Whether the name stands in JSON as it is; a record with another goes the careful way.
    """
    return encode(name) == b'"%b"' % name.encode()


def attributes(names: Iterable[str]) -> Callable[[Struct], Sequence[t.Any]]:
    """Compile the function that reads these columns of a row.

    Args:
        names: The columns.

    Returns:
        A function from a row to the columns' values.
    """
    found = [attribute(name) for name in names]
    if len(found) > 1:
        return attrgetter(*found)
    return lambda row: [getattr(row, name) for name in found]


def struct_decoder(
    properties: Mapping[str, Schema],
    *,
    required: Sequence[str] = (),
    ignored: Container[str] = (),
    strict: bool = True,
    closed: bool = False,
) -> Callable[[t.Any], t.Any]:
    """Compile a decoder that accepts a record exactly when it conforms.

    Args:
        properties: The columns. `{}` as a column's schema takes any value, as raw bytes.
        required: Columns that must be there.
        ignored: Columns that take any value, as raw bytes.
        strict: Whether an unknown field is refused.
        closed: Whether an unknown field is refused inside of objects, too.

    Returns:
        A function from bytes to a Struct whose attributes are named by `attribute`.
    """
    types = {
        name: msgspec.Raw if name in ignored else _type(schema, top=strict, closed=closed)
        for name, schema in properties.items()
    }
    return msgspec.json.Decoder(_struct(types, required=required, strict=strict)).decode


def _struct(
    types: Mapping[str, t.Any], *, required: Sequence[str] = (), strict: bool = False
) -> type[Struct]:
    plain = {name: kind for name, kind in types.items() if is_plain(name)}
    return defstruct(
        "Record",
        [
            (attribute(name), kind)
            if name in required
            else (attribute(name), kind | UnsetType, UNSET)
            for name, kind in plain.items()
        ],
        rename={attribute(name): name for name in plain},
        kw_only=True,
        forbid_unknown_fields=strict,
        gc=False,
    )


def _type(schema: Schema, *, top: bool = False, closed: bool = False) -> t.Any:  # noqa: ANN401
    """Translate a schema into the type msgspec checks."""
    if "type" not in schema:
        return NOTHING if closed else msgspec.Raw
    kind, *others = kinds(schema) or ["null"]
    checked: t.Any
    if kind == "null":
        checked = type(None)
    elif others:
        checked = NOTHING  # a column of several types is rare: the careful way knows them
    elif kind == "object":
        inner = schema.get("properties", {})
        checked = _struct(
            {name: _type(one, closed=closed) for name, one in inner.items()}, strict=closed
        )
    elif kind == "array":
        checked = list[_type(schema.get("items", {}), closed=closed)]  # type: ignore[misc]
    elif kind == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        checked = NOTHING  # of other bounds than these, the careful way knows what fits
        if all(bound is None or _is_int64(bound) for bound in (low, high)):
            checked = t.Annotated[int, Meta(ge=low, le=high)]
    elif kind == "string" and schema.get("format") == "date-time":
        checked = str if top else NOTHING  # `Shape.examine` looks at the form, at the top only
    elif kind == "string" and schema.get("format") == "date":
        checked = NOTHING
    else:
        checked = {"string": str, "boolean": bool, "number": float}[kind]
    return checked | None if "null" in schema["type"] else checked


def _is_int64(bound: float) -> bool:
    """Tell whether a bound is one that msgspec can check."""
    return isinstance(bound, int) and -(2**63) <= bound < 2**63
