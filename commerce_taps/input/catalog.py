"""Validates the catalog of a run, and completes it with what the tap knows of its streams."""

from __future__ import annotations

import logging
import sys
import typing as t

import msgspec
from singer_sdk.singerlib import Catalog, CatalogEntry, Metadata, Schema, StreamMetadata
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from commerce_taps.errors import TapError
from commerce_taps.report import list_names

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.singerlib import MetadataMapping


Kind = t.Literal["string", "boolean", "integer", "number", "array", "object", "null"]

_MAX_FLOAT: t.Final = sys.float_info.max
_Bound = t.Annotated[float, msgspec.Meta(ge=-_MAX_FLOAT, le=_MAX_FLOAT)]
"""A number, but not NaN or infinity, which only Python accepts in JSON."""


class KnownStream(t.Protocol):
    """A stream as the tap discovers it."""

    name: str

    @property
    def schema(self) -> dict[str, t.Any]:
        """JSON Schema of its records."""

    @property
    def primary_keys(self) -> Sequence[str]:
        """The columns that identify a record."""

    @property
    def context_keys(self) -> Sequence[str]:
        """The columns that identify a partition."""

    @property
    def replication_key(self) -> str | None:
        """The column of its bookmark, if it is incremental."""

    @property
    def metadata(self) -> MetadataMapping:
        """Its metadata in a catalog."""


class _Schema(msgspec.Struct):
    """The parts of a schema that the tap uses."""

    type: Kind | t.Annotated[list[Kind], msgspec.Meta(min_length=1)] = "null"
    properties: dict[str, _Schema] = {}
    items: _Schema | None = None
    format: str = ""
    minimum: _Bound | None = None
    maximum: _Bound | None = None


class _Values(msgspec.Struct, rename="kebab"):
    """The metadata of a stream or a column."""

    selected: bool | None = None
    selected_by_default: bool | None = None
    inclusion: t.Literal["available", "automatic", "unsupported"] | None = None
    table_key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None
    forced_replication_method: str | None = None


class _Metadata(msgspec.Struct):
    """An entry of `metadata`: about the stream if the breadcrumb is empty, otherwise a column."""

    breadcrumb: list[str]
    metadata: _Values


class _Entry(msgspec.Struct):
    """A stream of the catalog."""

    tap_stream_id: str
    schema: _Schema = msgspec.field(default_factory=_Schema)
    metadata: list[_Metadata] = []
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None


class _Catalog(msgspec.Struct):
    streams: list[_Entry]


def check_catalog(catalog: dict[str, t.Any]) -> Catalog:
    """Check the form of a catalog.

    Args:
        catalog: The content of `--catalog`.

    Returns:
        The catalog of the SDK. A replication method in a stream's metadata, where Singer defines
        it, wins over the one beside it that discovery writes.

    Raises:
        TapError: It is not a valid catalog.
    """
    try:
        entries = msgspec.convert(catalog, _Catalog).streams
    except (msgspec.ValidationError, RecursionError) as error:
        msg = f"The catalog cannot be read ({error}). Run `--discover` again."
        raise TapError(msg) from error
    found = Catalog.from_dict(catalog)
    if len(found) < len(entries):
        msg = "The catalog contains a stream twice. Run `--discover` again."
        raise TapError(msg)
    for entry in entries:
        for one in entry.metadata:
            method = one.metadata.replication_method or one.metadata.forced_replication_method
            if method and not one.breadcrumb:
                found[entry.tap_stream_id].replication_method = method
    return found


def fit_catalog(catalog: Catalog, tap: str, streams: Mapping[str, KnownStream]) -> Catalog:
    """Check a catalog against the tap's streams, and complete it.

    Args:
        catalog: The catalog of the run.
        tap: The tap's name.
        streams: The tap's streams by name, as discovered.

    Returns:
        The catalog's streams that the tap has, each with its keys.

    Raises:
        TapError: It is a catalog of another tap, selects nothing, or selects what the tap cannot
            read.
    """
    selected = {name for name, entry in catalog.items() if _is_selected(entry)}
    if catalog and not catalog.keys() & streams.keys():
        msg = f"The catalog belongs to another tap: {tap} has no stream {', '.join(catalog)}."
        raise TapError(msg)
    if unknown := selected - streams.keys():
        msg = (
            f"The catalog selects streams that {tap} does not have: {list_names(unknown)}. "
            "Run `--discover` again."
        )
        raise TapError(msg)
    if not selected:
        msg = "The catalog selects no stream. Select at least one."
        raise TapError(msg)
    fitted = Catalog((name, entry) for name, entry in catalog.items() if name in streams)
    for name, entry in fitted.items():
        _fit(entry, streams[name], logging.getLogger(tap), required=name in selected)
    return fitted


def _is_selected(entry: CatalogEntry) -> bool:
    """Check whether a stream is selected. A stream without metadata is."""
    if entry.metadata:
        entry.metadata.setdefault((), StreamMetadata())
    return entry.metadata.resolve_selection()[()]


def _fit(
    entry: CatalogEntry, stream: KnownStream, logger: logging.Logger, *, required: bool
) -> None:
    """Complete a stream's entry. The catalog decides about all columns except keys."""
    if required:
        _check_keys(entry, stream)
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
        if any(given.get(name, {}).get(part) != own[name].get(part) for part in ("type", "format")):
            given[name] = own[name]
            restored.append(name)
        entry.metadata["properties", name] = Metadata(inclusion=Metadata.InclusionType.AUTOMATIC)
    if restored and required:
        logger.warning(
            "%s: the catalog cannot change or remove %s: it identifies rows. The tap's own schema "
            "is used.",
            stream.name,
            list_names(restored),
        )
    entry.schema = Schema.from_dict(schema)


# Discovery writes each of these values twice, in the metadata and beside it. A change counts in
# either place.


def _check_keys(entry: CatalogEntry, stream: KnownStream) -> None:
    """Check that the catalog does not change the key of a stream."""
    root = _root(entry)
    for keys in filter(None, (entry.key_properties, root.table_key_properties)):
        if set(keys) != set(stream.primary_keys):
            msg = (
                f"The catalog gives `{stream.name}` the key {', '.join(keys)}; its key is "
                f"{', '.join(stream.primary_keys)}. To load it by another key, set "
                "`__key_properties__` in `stream_maps`."
            )
            raise TapError(msg)


def _check_replication(entry: CatalogEntry, stream: KnownStream) -> None:
    """Check that the API can replicate a stream as the catalog wants it."""
    root = _root(entry)
    for key in filter(None, (entry.replication_key, root.replication_key)):
        if key != stream.replication_key:
            own = stream.replication_key
            reason = f"the API supports only `{own}`" if own else "the tap always reads it in full"
            msg = f"The catalog gives `{stream.name}` the replication key `{key}`; {reason}."
            raise TapError(msg)
    method = entry.replication_method or root.forced_replication_method
    possible = [REPLICATION_FULL_TABLE]
    if stream.replication_key:
        possible.append(REPLICATION_INCREMENTAL)
    if method and method not in possible:
        msg = (
            f"The catalog gives `{stream.name}` the replication method {method}; "
            f"possible: {', '.join(possible)}."
        )
        raise TapError(msg)


def _root(entry: CatalogEntry) -> StreamMetadata:
    return t.cast("StreamMetadata", entry.metadata.get((), StreamMetadata()))
