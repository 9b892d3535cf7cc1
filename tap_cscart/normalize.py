"""The rules of CS-Cart for `Normalizer`: what its values mean, beyond their schemas.

A store sends what its database returns, which is text. So a number arrives as text or as a number,
a flag as `"Y"`, a timestamp as unix seconds, an empty object as `[]`, and a list of rows as an
object keyed by id. The column's schema decides which form each takes:

| Declared as | The store sends | Emitted |
| --- | --- | --- |
| boolean | `"Y"`, `"N"` | `true`, `false` |
| integer | `"12"` or `12` | `12` |
| number | `"12.50"` or `12.5` | `12.50` or `12.5`: a number with the digits it came with |
| date-time | `"1763990401"` | `"2025-11-24T13:20:01Z"`; null for `"0"` and zero dates |
| array of integers | `"6,7"`, `["6", "7"]`, `""` | `[6, 7]`, `[]` |
| object | an object, `[]` if empty | the object, `{}` |
| array, in `KEYED` | an object keyed by id, `[]` if empty | a list of objects with their id |

An empty text stands for null in the first four. Every other value stays as it was sent: texts,
including PHP-serialized text, and values that do not have the declared form. Nothing is guessed.

In a store, a field name means the same everywhere. So a field that the schema of a stream does not
declare, such as one of an add-on inside a product, takes the form that the schemas of other streams
declare for its name.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from importlib.resources import files

import msgspec

from commerce_taps.records import dates
from commerce_taps.records.conform import kinds
from commerce_taps.records.normalize import Normalizer, integer, number
from tap_cscart import schemas

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from commerce_taps.records.columns import Schema
    from commerce_taps.records.conform import Record
    from commerce_taps.records.normalize import Normalize

OPAQUE: t.Final = frozenset({"payment_info", "processor_params", "properties"})
"""Objects with the data of payment gateways and blocks, whose fields stay as they were sent. One
that is PHP-serialized text stays text."""

NESTED_TIMESTAMPS: t.Final = frozenset({"reply_timestamp"})
"""Timestamps that occur only inside objects, where schemas declare no format."""

DECLARED_ONLY: t.Final = frozenset({"A", "P", "id", "message", "product"})
"""Names with another meaning in each place: what no schema declares there stays as it was sent."""

UNDECLARED: t.Final[Mapping[str, Schema]] = {"stored_price": {"type": "boolean"}}
"""Fields that no schema declares, because they are inside `extra`, an open object."""

KEYED: t.Final[Mapping[str, tuple[str, ...]]] = {
    "combination": ("option_id", "variant_id"),
    "coupons": ("coupon", "promotion_ids"),
    "fields": ("field_id", "value"),
    "image_pairs": ("pair_id",),
    "product_features": ("feature_id",),
    "product_options": ("option_id", "variant_id"),
    "promotions": ("promotion_id",),
    "rates": ("destination_id",),
    "responsible": ("user_id", "name"),
    "selected_options": ("option_id", "variant_id"),
    "taxes": ("tax_id",),
    "usergroups": ("usergroup_id",),
    "variants": ("variant_id",),
    "variation_features": ("feature_id",),
}
"""Lists that are sent as objects keyed by id: the name for the key and, where the values are not
objects, the name for the value."""

KEYED_OF_STREAM: t.Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "orders": {"products": ("item_id",)},
    "shipments": {"products": ("item_id", "amount")},
}
"""The same, for names that are such a list in one stream only."""

_FLAGS: t.Final[Mapping[str, bool | None]] = {"Y": True, "N": False, "": None}
_NO_DATE: t.Final = re.compile(r"0000-00-00([ T]00:00:00)?Z?", re.ASCII)
_EPOCH: t.Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CALENDAR: t.Final = range(-62_135_596_800, 253_402_300_800)
"""Seconds from the epoch to the beginning of the year 1, and to the end of the year 9999."""


@cache
def normalizer(stream: str) -> Callable[[bytes], Record | None]:
    """Compile the function that decodes and normalizes a stream's rows.

    Args:
        stream: The stream's name.

    Returns:
        As `Normalizer.compile` does.
    """
    rule = partial(_rule, keyed={**KEYED, **KEYED_OF_STREAM.get(stream, {})})
    compiled = Normalizer(rule, undeclared=_fields_by_name(), opaque=OPAQUE)
    return compiled.compile(_schemas()[stream])


def _rule(name: str, schema: Schema, *, keyed: Mapping[str, tuple[str, ...]]) -> Normalize | None:
    kind = next(iter(kinds(schema)), "")
    if kind == "array":
        if name in keyed:
            return partial(_keyed_list, names=keyed[name])
        return _id_list if kinds(schema.get("items", {})) == ["integer"] else None
    if kind == "string":
        return _timestamp if name in _timestamp_names() else None
    if kind == "object":
        return _object if name else None
    return _SCALARS.get(kind)


@cache
def _schemas() -> dict[str, Schema]:
    """Read the schemas of all streams as they are declared, whatever a catalog makes of them."""
    found = (file for file in files(schemas).iterdir() if file.name.endswith(".json"))
    return {
        file.name.removesuffix(".json"): msgspec.json.decode(file.read_bytes())
        for file in sorted(found, key=lambda file: file.name)
    }


def _declared_fields() -> Iterator[tuple[str, Schema]]:
    """List the fields that any schema declares, each before those inside of it."""
    waiting: list[Schema] = list(_schemas().values())
    for schema in waiting:
        for name, one in schema.get("properties", {}).items():
            yield name, one
            waiting += [one, one.get("items", {})]


@cache
def _timestamp_names() -> frozenset[str]:
    """Name the timestamps: inside of objects, schemas declare them as texts."""
    found = (name for name, one in _declared_fields() if one.get("format") == "date-time")
    return NESTED_TIMESTAMPS.union(found)


@cache
def _fields_by_name() -> dict[str, Schema]:
    """Gather a schema for each name. Where schemas differ, a text counts least."""
    found: dict[str, Schema] = {**UNDECLARED}
    for name, one in _declared_fields():
        is_text = kinds(one) == ["string"] and name not in _timestamp_names()
        if name not in DECLARED_ONLY and not is_text:
            found.setdefault(name, one)
    return found


# --- rules for each type ------------------------------------------------------------------------


def _flag(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return _FLAGS.get(value, value) if value.__class__ is str else value


def _timestamp(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    seconds = integer(value)
    if seconds.__class__ is not int:
        return None if isinstance(seconds, str) and _NO_DATE.fullmatch(seconds) else seconds
    if seconds == 0:
        return None
    if seconds not in _CALENDAR:
        return value
    return dates.render(_EPOCH + timedelta(seconds=seconds))


def _id_list(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    if value.__class__ is str:
        ids = [integer(part.strip()) for part in value.split(",")] if value else []
        return ids if all(isinstance(one, int) for one in ids) else value
    return [value] if value.__class__ is int else value


def _object(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return {} if value == [] else value


def _keyed_list(value: t.Any, names: tuple[str, ...]) -> t.Any:  # noqa: ANN401 (JSON)
    if value is False:  # PHP's value for an empty column that should hold a list
        return None
    if value.__class__ is not dict:
        return value
    key, *item_name = names
    found = []
    for id_, item in value.items():
        if isinstance(item, dict):
            found.append(item if key in item else {key: id_, **item})
        elif item_name:
            found.append({key: id_, item_name[0]: item})
        else:
            return value
    return found


_SCALARS: t.Final[Mapping[str, Normalize]] = {
    "boolean": _flag,
    "integer": integer,
    "number": number,
}
