"""Refuses a catalog that is not this tap's, and completes one that leaves things out."""

from __future__ import annotations

import logging
import sys
import typing as t

import msgspec
from singer_sdk.singerlib import Catalog, CatalogEntry, Metadata, Schema, StreamMetadata
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from commerce_taps.errors import TapError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_taps.stream import HTTPStream


Kind = t.Literal["string", "boolean", "integer", "number", "array", "object", "null"]

_LARGEST: t.Final = sys.float_info.max
_Bound = t.Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
"""A number, whole or not; not what only Python takes for one in JSON, such as NaN."""


class _Schema(msgspec.Struct):
    """What has to hold of a schema, so that records can be shaped by it."""

    type: Kind | t.Annotated[list[Kind], msgspec.Meta(min_length=1)] = "null"
    properties: dict[str, _Schema] = {}
    items: _Schema | None = None
    format: str = ""
    minimum: _Bound | None = None
    maximum: _Bound | None = None


class _Facts(msgspec.Struct, rename="kebab"):
    """What may be said of a stream or a column."""

    selected: bool | None = None
    selected_by_default: bool | None = None
    inclusion: t.Literal["available", "automatic", "unsupported"] | None = None
    table_key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None
    forced_replication_method: str | None = None


class _Place(msgspec.Struct):
    """What is said of a stream, where the breadcrumb is empty, or of a column."""

    breadcrumb: list[str]
    metadata: _Facts


class _Entry(msgspec.Struct):
    """A stream of the catalog."""

    tap_stream_id: str
    schema: _Schema = msgspec.field(default_factory=_Schema)
    metadata: list[_Place] = []
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None


class _Catalog(msgspec.Struct):
    streams: list[_Entry]


def check_catalog(catalog: dict[str, t.Any]) -> Catalog:
    """Check the form of a catalog.

    Args:
        catalog: What the run is given.

    Returns:
        The catalog as the SDK takes it. A replication method in a stream's metadata, where Singer
        has it, goes before the one that discovery wrote beside it.

    Raises:
        TapError: It is no catalog.
    """
    try:
        entries = msgspec.convert(catalog, _Catalog).streams
    except (msgspec.ValidationError, RecursionError) as error:
        msg = f"The catalog cannot be read ({error}). Discover it anew."
        raise TapError(msg) from error
    found = Catalog.from_dict(catalog)
    if len(found) < len(entries):
        msg = "The catalog has a stream twice. Discover it anew."
        raise TapError(msg)
    for entry in entries:
        for place in entry.metadata:
            method = place.metadata.replication_method or place.metadata.forced_replication_method
            if method and not place.breadcrumb:
                found[entry.tap_stream_id].replication_method = method
    return found


def fit_catalog(catalog: Catalog, tap: str, streams: Mapping[str, HTTPStream]) -> Catalog:
    """Check a catalog against what the tap has, and complete it.

    Args:
        catalog: What the run is given.
        tap: The tap's name.
        streams: The tap's streams by name, as they are without a catalog.

    Returns:
        The tap's streams of the catalog, each with its keys.

    Raises:
        TapError: It is not a catalog of this tap, asks for what the tap cannot do, or for nothing.
    """
    selected = {name for name, entry in catalog.items() if _is_selected(entry)}
    if catalog and not catalog.keys() & streams.keys():
        msg = f"The catalog belongs to another tap: {tap} has no stream {', '.join(catalog)}."
        raise TapError(msg)
    if strange := selected - streams.keys():
        msg = (
            f"The catalog selects what {tap} does not have: {', '.join(sorted(strange))}. "
            "Discover it anew."
        )
        raise TapError(msg)
    if not selected:
        msg = "The catalog selects no stream, so nothing would be read: select some."
        raise TapError(msg)
    fitted = Catalog((name, entry) for name, entry in catalog.items() if name in streams)
    for name, entry in fitted.items():
        _fit(entry, streams[name], logging.getLogger(tap), required=name in selected)
    return fitted


def _is_selected(entry: CatalogEntry) -> bool:
    """Tell whether a stream is selected; one of which nothing is said is."""
    if entry.metadata:
        entry.metadata.setdefault((), StreamMetadata())
    return entry.metadata.resolve_selection()[()]


def _fit(
    entry: CatalogEntry, stream: HTTPStream, logger: logging.Logger, *, required: bool
) -> None:
    """Complete a stream's entry: its columns are the user's to choose, not what it is known by."""
    if required:
        _check_replication(entry, stream)
    if not entry.metadata:
        entry.metadata = stream.metadata
        entry.metadata.root.selected = True
    entry.stream = stream.name
    entry.key_properties = stream.primary_keys
    entry.replication_key = stream.replication_key
    own = stream.schema["properties"]
    schema = entry.schema.to_dict()
    if not schema.get("properties"):
        schema = {**stream.schema, "properties": dict(own)}
    given = schema["properties"]
    fixed = {*stream.primary_keys, *stream.context_keys, stream.replication_key}
    restored = []
    for name in fixed & own.keys():
        if any(given.get(name, {}).get(fact) != own[name].get(fact) for fact in ("type", "format")):
            given[name] = own[name]
            restored.append(name)
        entry.metadata["properties", name] = Metadata(inclusion=Metadata.InclusionType.AUTOMATIC)
    if restored and required:
        logger.warning(
            "%s: what the catalog makes of %s is not followed: rows are known by it.",
            stream.name,
            ", ".join(f"`{name}`" for name in sorted(restored)),
        )
    entry.schema = Schema.from_dict(schema)


def _check_replication(entry: CatalogEntry, stream: HTTPStream) -> None:
    """Refuse another key or another way of reading than the stream has.

    Discovery writes each fact twice, beside the metadata and in it: whichever was changed counts.
    """
    root = t.cast("StreamMetadata", entry.metadata.get((), StreamMetadata()))
    for keys in filter(None, (entry.key_properties, root.table_key_properties)):
        if set(keys) != set(stream.primary_keys):
            msg = (
                f"The catalog gives `{stream.name}` the key {', '.join(keys)}; its rows are known "
                f"by {', '.join(stream.primary_keys)}. `__key_properties__` in `stream_maps` "
                "changes what they are loaded by."
            )
            raise TapError(msg)
    for key in filter(None, (entry.replication_key, root.replication_key)):
        if key != stream.replication_key:
            msg = (
                f"The catalog has `{stream.name}` read by `{key}`, which the API cannot: "
                f"it goes by `{stream.replication_key}`."
                if stream.replication_key
                else f"The catalog has `{stream.name}` read by `{key}`, but it is always read "
                "whole."
            )
            raise TapError(msg)
    method = entry.replication_method or root.forced_replication_method
    possible = [REPLICATION_FULL_TABLE]
    if stream.replication_key:
        possible.append(REPLICATION_INCREMENTAL)
    if method and method not in possible:
        msg = (
            f"The catalog has `{stream.name}` read as {method}; it can be {' or '.join(possible)}."
        )
        raise TapError(msg)
