"""Columns that no schema declares: how they are named, of what type they are, how state keeps them.

A field the schema does not know, and a value that does not fit its column, get a column at run
time. The state keeps its name and its kind, so that every later run sends it from the first SCHEMA
on, of the same type: loaders alter no column, and a row that lacks the field has it cleared.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from decimal import Decimal

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Schema = dict[str, t.Any]
Kind = str
"""A column's type, as the state keeps it: a JSON type, or that of an array's items and `[]`."""

INT64: t.Final = {"minimum": -(2**63), "maximum": 2**63 - 1}
"""Bounds of a column that SQL targets make a BIGINT."""

EXTRA: t.Final = "_extra"
"""The column, an object, of fields beyond the setting `max_new_columns`."""

LONGEST: t.Final = 63
"""Bytes of a name that PostgreSQL keeps; it cuts off the rest."""

RESERVED: t.Final = re.compile(rf"{EXTRA}|_sdc_.*|tableoid|ctid|xmin|xmax|cmin|cmax", re.IGNORECASE)
"""Names of columns that loaders or PostgreSQL have of their own."""


PLAIN: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names that every loader leaves as they are."""


def json_type(value: object) -> str:
    """Name a decoded value's JSON type.

    Args:
        value: What the decoder made of a JSON value.

    Returns:
        One of string, boolean, integer, number, array, object, null.
    """
    names: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number",
                              Decimal: "number", list: "array", dict: "object"}  # fmt: skip
    return names.get(type(value), "null")


def column_name(name: str, suffix: str = "") -> str:
    """Name the column of a field so that any loader and database can have it.

    Args:
        name: The field.
        suffix: What the column's name ends in.

    Returns:
        The field's own name if it has letters, digits and underscores only, begins with no digit,
        is not reserved and short enough. Of any other, all else becomes underscores, what is too
        long is cut, and eight digits of its SHA-256 tell it from others.
    """
    room, text = LONGEST - len(suffix), name
    if not PLAIN.fullmatch(name) or RESERVED.fullmatch(name):
        text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
        text = f"_{text}" if text[:1].isdigit() else text
    elif len(name) <= room:
        return name + suffix
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{text[: room - 9]}_{digest}{suffix}"


def is_whole(value: object) -> bool:
    """Tell whether a value is an integer that 64 bits hold.

    Args:
        value: A decoded value.

    Returns:
        Whether it is.
    """
    return type(value) is int and INT64["minimum"] <= value <= INT64["maximum"]


def family(value: object) -> str:
    """Name what a value has in common with those that share its column.

    Args:
        value: A decoded value.

    Returns:
        Its JSON type; integers are numbers.
    """
    kind = json_type(value)
    return "number" if kind == "integer" else kind


def infer(values: Sequence[object]) -> Kind:
    """Derive a new column's type.

    Args:
        values: All values of the page that are to stand in it, of one family, at least one.

    Returns:
        The type that all of them have. Integers and decimals together are numbers, and so are
        integers too large for 64 bits.
    """
    kind = family(values[0])
    if kind == "array":
        return _infer_array(t.cast("Sequence[list[object]]", values))
    return "integer" if kind == "number" and all(map(is_whole, values)) else kind


def _infer_array(values: Iterable[list[object]]) -> Kind:
    """Derive the type of a column of arrays; of texts where there is no item to tell."""
    items = [item for value in values for item in value if item is not None]
    kinds = {"integer" if is_whole(item) else json_type(item) for item in items} or {"string"}
    kind = f"{kinds.pop()}[]"
    return kind if not kinds and kind in SCHEMAS else "any[]"


def _schemas() -> dict[Kind, Schema]:
    scalars: dict[str, Schema] = {
        kind: {"type": [kind, "null"]} for kind in ("string", "boolean", "number", "object")
    }
    scalars["integer"] = {"type": ["integer", "null"], **INT64}
    arrays = {
        f"{kind}[]": {"type": ["array", "null"], "items": scalars[kind]}
        for kind in ("string", "boolean", "object", "integer")
    }
    anything = ["object", "string", "number", "boolean", "array", "null"]
    # Said to be an object, too, or target-postgres would make it an array of one SQL type.
    arrays["any[]"] = {"type": ["array", "object", "null"], "items": {"type": anything}}
    return scalars | arrays


SCHEMAS: t.Final = _schemas()
"""The schema of each kind of column: nullable, open, never without a type."""
