"""The fast path: a msgspec Struct, compiled from a stream's schema, validates records.

JSON Schema in, decoder out. The decoder accepts a record only if the schema does. It may reject
more: `conform` handles everything that it rejects.
"""

from __future__ import annotations

import typing as t
from decimal import Decimal
from functools import lru_cache, partial
from operator import attrgetter

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from commerce_taps.records.columns import is_int64
from commerce_taps.records.conform import Record, encode, fit_date, fit_timestamp, kinds

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from commerce_taps.records.columns import Schema


SLOW_PATH: t.Final = t.Annotated[str, Meta(pattern="(?!)")]
"""A type that has no values: a record with such a column always takes the slow path."""


def attribute(name: str) -> str:
    """Name the Struct attribute of a column: a Python identifier for any column name."""
    return "f_" + name.encode().hex()


def is_plain(name: str) -> bool:
    """Check whether a Struct can have a column: JSON must not have to escape its name.

    A record with any other column takes the slow path.
    """
    return encode(name) == b'"%b"' % name.encode()


def attributes(names: Iterable[str]) -> Callable[[Struct], Sequence[t.Any]]:
    """Compile a function from a row to the values of these columns."""
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
    """Compile a decoder that accepts a record only if it is valid.

    Args:
        properties: The columns' schemas. A column with the schema `{}` accepts any value, as raw
            bytes.
        required: Columns that every record must have.
        ignored: Columns that accept any value, as raw bytes.
        strict: Whether the decoder rejects unknown fields.
        closed: Whether it rejects unknown fields inside objects too.

    Returns:
        A function from bytes to a Struct whose attributes are named by `attribute`.
    """
    types = {
        name: msgspec.Raw if name in ignored else _type(schema, top=strict, closed=closed)
        for name, schema in properties.items()
    }
    return msgspec.json.Decoder(_struct(types, required=required, strict=strict)).decode


def value_checker(
    properties: Mapping[str, Schema], required: Sequence[str], *, closed: bool = False
) -> Callable[[Record], Struct]:
    """Compile a function that accepts decoded values only if they are valid.

    Args:
        properties: The columns' schemas. A column with the schema `{}` accepts any value.
        required: Columns that every record must have.
        closed: Whether it rejects unknown fields inside objects, of those that declare any.

    Returns:
        A function from a record to a Struct whose attributes are named by `attribute`. It raises
        `msgspec.ValidationError` for any other record.
    """
    types = {
        name: _type(schema, top=True, closed=closed, decoded=True)
        for name, schema in properties.items()
    }
    return partial(
        msgspec.convert,
        type=_struct(types, required=required, strict=True),
        dec_hook=_check_text,
        builtin_types=(Decimal,),  # no text is one
    )


class _Timestamp:
    """The type of a nested timestamp in the canonical form."""


class _Date:
    """The type of a date."""


_VALID: t.Final = {_Timestamp: _Timestamp(), _Date: _Date()}


@lru_cache(maxsize=4096)
def _check_text(kind: type[object], value: object) -> object:
    fitted = fit_date(value) if kind is _Date else fit_timestamp(value)
    if fitted != value:
        raise ValueError
    return _VALID[kind]


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


def _type(
    schema: Schema,
    *,
    top: bool = False,
    closed: bool = False,
    decoded: bool = False,
) -> t.Any:  # noqa: ANN401
    """Translate a schema into the type that msgspec checks."""
    if "type" not in schema:
        return t.Any if decoded else SLOW_PATH if closed else msgspec.Raw
    kind, *others = kinds(schema) or ["null"]
    checked: t.Any
    if kind == "null":
        checked = type(None)
    elif others:
        checked = SLOW_PATH  # several types are rare
    elif kind == "object":
        inner = schema.get("properties", {})
        checked = _struct(
            {name: _type(one, closed=closed, decoded=decoded) for name, one in inner.items()},
            strict=closed and not (decoded and not inner),
        )
    elif kind == "array":
        items = _type(schema.get("items", {}), closed=closed, decoded=decoded)
        checked = list[items]  # type: ignore[valid-type]
    elif kind == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        checked = SLOW_PATH  # msgspec checks no other bounds
        if all(bound is None or is_int64(bound) for bound in (low, high)):
            checked = t.Annotated[int, Meta(ge=low, le=high)]
    elif kind == "string" and schema.get("format") == "date-time":
        # `Shape` checks the form of those at the top, of a whole page at once.
        checked = str if top else _Timestamp if decoded else SLOW_PATH
    elif kind == "string" and schema.get("format") == "date":
        checked = _Date if decoded else SLOW_PATH
    else:
        number = int | Decimal if decoded else float
        checked = {"string": str, "boolean": bool, "number": number}[kind]
    return checked | None if "null" in schema["type"] else checked
