"""Columns that no schema declares: their names, their types, and how the state keeps them.

A field that the schema does not know, and a value that does not fit its column, get a column of
their own during a run. The state keeps its name and kind, so every later run has it in its first
SCHEMA with the same type: loaders need not alter a column, and clear it in a row without the field.
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
"""A column's type as the state keeps it: a JSON type, or the type of an array's items and `[]`."""

INT64: t.Final = {"minimum": -(2**63), "maximum": 2**63 - 1}
"""Bounds of a column for which SQL targets create a BIGINT."""

EXTRA: t.Final = "_extra"
"""The column, an object, that keeps the fields beyond the setting `max_new_columns`."""

MAX_NAME_BYTES: t.Final = 63
"""PostgreSQL truncates longer names ("Lexical Structure", NAMEDATALEN)."""

RESERVED: t.Final = re.compile(rf"{EXTRA}|_sdc_.*|tableoid|ctid|xmin|xmax|cmin|cmax", re.IGNORECASE)
"""Names of columns that loaders or PostgreSQL reserve."""

PLAIN: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names that every loader leaves unchanged."""


def json_type(value: object) -> str:
    """Name the JSON type of a decoded value, such as "integer" or "null"."""
    names: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number",
                              Decimal: "number", list: "array", dict: "object"}  # fmt: skip
    return names.get(type(value), "null")


def column_name(name: str, suffix: str = "") -> str:
    """Name the column of a field so that any loader and database accepts it.

    Args:
        name: The field.
        suffix: A suffix for the column's name.

    Returns:
        The field's own name if it has only letters, digits and underscores, does not begin with a
        digit, is not reserved, and is short enough. Otherwise other characters become underscores,
        a long name is truncated, and eight digits of its SHA-256 keep it unique.
    """
    room, text = MAX_NAME_BYTES - len(suffix), name
    if not PLAIN.fullmatch(name) or RESERVED.fullmatch(name):
        text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
        text = f"_{text}" if text[:1].isdigit() else text
    elif len(name) <= room:
        return name + suffix
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{text[: room - 9]}_{digest}{suffix}"


def is_int64(value: object) -> bool:
    """Check whether a decoded value is an integer that fits in 64 bits."""
    return type(value) is int and INT64["minimum"] <= value <= INT64["maximum"]


def family(value: object) -> str:
    """Name the JSON type of a decoded value, where integers count as numbers.

    Values of one family share a column.
    """
    kind = json_type(value)
    return "number" if kind == "integer" else kind


def infer(values: Sequence[object]) -> Kind:
    """Infer a new column's type.

    Args:
        values: All values of the page for this column, of one family; at least one.

    Returns:
        The type that all of them have. Integers together with decimals are numbers; so are
        integers too large for 64 bits.
    """
    kind = family(values[0])
    if kind == "array":
        return _infer_array(t.cast("Sequence[list[object]]", values))
    return "integer" if kind == "number" and all(map(is_int64, values)) else kind


def _infer_array(values: Iterable[list[object]]) -> Kind:
    """Infer the type of a column of arrays; without any item, arrays of texts."""
    items = [item for value in values for item in value if item is not None]
    kinds = {"integer" if is_int64(item) else json_type(item) for item in items} or {"string"}
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
    # Declared as an object as well: otherwise target-postgres creates an array of one SQL type.
    arrays["any[]"] = {"type": ["array", "object", "null"], "items": {"type": anything}}
    return scalars | arrays


SCHEMAS: t.Final = _schemas()
"""The schema of each kind: nullable, open, never without a type."""
