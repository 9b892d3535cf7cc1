"""The target's settings, by the names that other targets for DuckDB have for them."""

from __future__ import annotations

import re
import typing as t
from fnmatch import fnmatchcase

from singer_sdk import typing as th

from target_duckdb.columns import DECIMAL
from target_duckdb.errors import LoadError

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIGITS: t.Final = 38
"""Digits that a DECIMAL can have."""

SETTINGS: t.Final[tuple[th.Property[t.Any], ...]] = (
    th.Property(
        "filepath",
        th.StringType,
        title="File",
        description=(
            "DuckDB file to write, created if it does not exist; `md:` and a name for MotherDuck. "
            "Required."
        ),
    ),
    th.Property(
        "path",
        th.StringType,
        title="Path",
        description="Another name for `filepath`.",
    ),
    th.Property(
        "default_target_schema",
        th.StringType,
        title="Schema",
        description=(
            "Schema of the tables. Default: the part of the stream name before its dash, otherwise"
            " `main`."
        ),
    ),
    th.Property(
        "schema_mapping",
        th.ObjectType(additional_properties=True),
        title="Schemas by source",
        description=(
            "Schemas for streams called `schema-table`: the name of each schema, with an object "
            '`{"target_schema": …}`. Wins over `default_target_schema`.'
        ),
    ),
    th.Property(
        "add_metadata_columns",
        th.BooleanType,
        title="Metadata columns",
        default=True,
        description="Add the columns `_sdc_…`.",
    ),
    th.Property(
        "hard_delete",
        th.BooleanType,
        title="Hard delete",
        default=False,
        description=(
            "Delete rows of older versions, and rows whose `_sdc_deleted_at` the tap has set, "
            "instead of marking them as deleted. Adds the metadata columns."
        ),
    ),
    th.Property(
        "number_type",
        th.StringType,
        title="Type of numbers",
        default="DOUBLE",
        description=(
            "Type of number columns: `DOUBLE`, which keeps digits that it cannot hold in "
            "`<column>__digits`, or `DECIMAL(p,s)`, which rejects numbers with more digits."
        ),
    ),
    th.Property(
        "number_types",
        th.ObjectType(additional_properties=True),
        title="Types of numbers by column",
        description=(
            "Types for some columns: patterns of `stream.column`, each with its type, such as "
            '`{"orders.total*": "DECIMAL(38,9)"}`. The first match wins.'
        ),
    ),
    th.Property(
        "strict",
        th.BooleanType,
        title="Strict",
        default=True,
        description=(
            "Reject a record with a field that its SCHEMA lacks. Otherwise such fields are left "
            "out and counted, for taps that send deselected fields."
        ),
    ),
    th.Property(
        "batch_size_mb",
        th.NumberType(exclusive_minimum=0),
        title="Megabytes in a flush",
        default=64,
        description="Megabytes of input, over all streams, after which rows are committed.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        title="Rows in a flush",
        default=400000,
        description="Rows, over all streams, after which they are committed.",
    ),
    th.Property(
        "max_wait_seconds",
        th.NumberType(minimum=0),
        title="Longest wait of a state",
        default=30,
        description="Seconds that a STATE may wait before the rows before it are committed.",
    ),
    th.Property(
        "flush_all_streams",
        th.BooleanType,
        title="Flush all streams",
        default=True,
        description=(
            "Commit all streams together, because a STATE covers all of them. Cannot be false."
        ),
    ),
    th.Property(
        "data_flattening_max_level",
        th.IntegerType(minimum=0),
        title="Flattening",
        default=0,
        description="Must be 0: the tap flattens nested objects (`flattening_enabled`).",
    ),
    th.Property(
        "lock_wait_seconds",
        th.NumberType(minimum=0),
        title="Longest wait for the file",
        default=60,
        description="Seconds to wait for another process that has the file open.",
    ),
    th.Property(
        "memory_limit",
        th.StringType,
        title="Memory",
        description="Maximum memory of DuckDB, such as `1GB`. Default: the default of DuckDB.",
    ),
    th.Property(
        "temp_directory",
        th.StringType,
        title="Folder for large work",
        description="Folder for data that does not fit in memory. Default: beside the file.",
    ),
)

UNSUPPORTED: t.Final = {
    "data_flattening_max_level": "flattening is the tap's: set its `flattening_enabled`",
    "flattening_enabled": "flattening is the tap's: set its `flattening_enabled`",
    "stream_maps": "stream maps are the tap's: set its `stream_maps`",
}
"""Settings of other targets that would change what is loaded."""


def check(config: Mapping[str, t.Any]) -> None:
    """Check the settings beyond their JSON Schema.

    Raises:
        LoadError: A setting is missing or invalid.
    """
    path, other = config.get("filepath"), config.get("path")
    if not path and not other:
        raise LoadError("The setting `filepath` is missing: the DuckDB file to write.")
    if path and other and path != other:
        raise LoadError("The settings `filepath` and `path` name two files. Leave one out.")
    for name, why in UNSUPPORTED.items():
        if config.get(name):
            raise LoadError(f"The setting `{name}` does nothing here: {why}.")
    if not config["flush_all_streams"]:
        raise LoadError("The setting `flush_all_streams` cannot be false. Leave it out.")
    for name, kind in _number_types(config):
        found = DECIMAL.fullmatch(str(kind))
        precision, scale = map(int, found.groups()) if found else (0, 0)
        if kind != "DOUBLE" and not (1 <= precision <= DIGITS and scale <= precision):
            raise LoadError(f"The setting `{name}` must be DOUBLE or DECIMAL(p,s), p up to 38.")
    for schema, target in (config.get("schema_mapping") or {}).items():
        if not isinstance(target, dict) or not isinstance(target.get("target_schema"), str):
            raise LoadError(f"The setting `schema_mapping` has no `target_schema` for `{schema}`.")


def _number_types(config: Mapping[str, t.Any]) -> Iterator[tuple[str, object]]:
    yield "number_type", config["number_type"]
    for pattern, kind in (config.get("number_types") or {}).items():
        yield f"number_types.{pattern}", kind


def number_type(config: Mapping[str, t.Any], stream: str, column: str) -> str:
    """Choose the type of a column for numbers.

    Args:
        config: The settings.
        stream: The stream's name.
        column: The column's name.

    Returns:
        DOUBLE, or DECIMAL(p,s).
    """
    for pattern, kind in (config.get("number_types") or {}).items():
        if fnmatchcase(f"{stream}.{column}", pattern):
            return re.sub(", +", ",", kind)
    return re.sub(", +", ",", config["number_type"])


def table_name(config: Mapping[str, t.Any], stream: str) -> tuple[str, str]:
    """Name the table of a stream.

    As for other DuckDB targets, streams are called `table`, `schema-table` or
    `catalog-schema-table`. A dot or a further dash becomes `_`.

    Args:
        config: The settings.
        stream: The stream's name.

    Returns:
        The names of the schema and the table.
    """
    parts = stream.split("-")
    source = parts[0] if len(parts) == 2 else parts[1] if len(parts) > 2 else ""  # noqa: PLR2004
    table = "_".join(parts[-1:] if len(parts) < 3 else parts[2:]).replace(".", "_")  # noqa: PLR2004
    mapped = (config.get("schema_mapping") or {}).get(source) if source else None
    if mapped:
        return mapped["target_schema"], table
    return config.get("default_target_schema") or source or "main", table
