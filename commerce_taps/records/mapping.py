"""Applies the user's stream maps and flattening to records before they are written.

The SDK evaluates the expressions. This module keeps the guarantees of the tap around it: a declared
column that a record lacks is null, an expression of a null is null, and the result is valid against
the SCHEMA that is written for it.
"""

from __future__ import annotations

import ast
import copy
import difflib
import typing as t
from fnmatch import fnmatch

from singer_sdk.helpers._flattening import get_flattening_options
from singer_sdk.mapper import (
    MAPPER_ELSE_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
    CustomStreamMap,
    PluginMapper,
    RemoveRecordTransform,
    SameRecordTransform,
)

from commerce_taps.errors import RecordFailed
from commerce_taps.records.flattening import Flattening
from commerce_taps.records.selection import fold
from commerce_taps.records.validate import Shape

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.exceptions import MappingError
    from singer_sdk.mapper import StreamMap

    from commerce_taps.records.columns import Kind, Schema
    from commerce_taps.records.conform import Record

_FAKE: t.Final = "fake"
"""The name of the package Faker in expressions."""

UNMAPPABLE: t.Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The errors that an expression raises for an unexpected record."""


def check_maps(maps: Mapping[str, t.Any], columns: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Check that stream maps name existing streams, and remove existing columns.

    With a typo in the name, the column that the user wants to remove would be emitted.

    Args:
        maps: The setting `stream_maps`.
        columns: The names of the columns of all streams, by stream.

    Yields:
        A message for each mistake.
    """
    for name, definition in maps.items():
        if name == MAPPER_ELSE_OPTION:
            continue
        parts = definition if isinstance(definition, dict) else {}
        source = str(parts.get(MAPPER_SOURCE_OPTION, name))
        streams = [stream for stream in columns if fnmatch(stream, source)]
        if not streams:
            near = difflib.get_close_matches(source, columns, n=1, cutoff=0)
            hint = f" The nearest is `{near[0]}`." if near else ""
            yield f"Setting `stream_maps`: there is no stream `{source}`.{hint}"
            continue
        known = {column for stream in streams for column in columns[stream]}
        folded = set(map(fold, known))
        for column, rule in parts.items():
            is_removed = rule in (None, NULL_STRING) and not column.startswith("__")
            near = difflib.get_close_matches(column, known, n=1, cutoff=0.8)
            if is_removed and near and fold(column) not in folded:
                yield (
                    f"Setting `stream_maps`: `{source}` has no column `{column}` to remove. "
                    f"The nearest is `{near[0]}`."
                )


def explain(error: MappingError) -> str:
    """Explain why an expression cannot be evaluated for any record.

    Args:
        error: The SDK's error, whose text quotes the expression.

    Returns:
        A message without a full stop, with advice if a name is unknown.
    """
    text = str(error).rstrip(".")
    # Of the errors of simpleeval, only the one about an unknown name has this attribute.
    name: str | None = getattr(error.__cause__, "name", None)
    if name is None:
        return text
    if name == _FAKE:
        return f"{text}: install the package `faker` beside the tap to use `{_FAKE}`"
    return (
        f"{text}: there is no column `{name}`, or it is not selected, or it holds a secret "
        "that `include_secrets` does not name"
    )


class Mapper(PluginMapper):
    """The SDK's mapper, except that `Flattening` flattens."""

    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        """Compile the stream maps of the tap's settings."""
        self.flattening = get_flattening_options(config)  # type: ignore[arg-type]
        kept = {name: copy.deepcopy(config[name]) for name in _MAPS if name in config}
        super().__init__(kept, logger)

    def register(self, stream: str, schema: Schema, keys: Sequence[str], *, selected: bool) -> None:
        """Register a stream, or register it again after its schema has grown.

        Args:
            stream: The stream's name.
            schema: The schema of its records.
            keys: Its key columns.
            selected: Whether it is written. Only then do the user's maps apply.
        """
        if not selected:
            self.stream_maps[stream] = [
                SameRecordTransform(stream, schema, keys, flattening_options=None)
            ]
            return
        maps = self.stream_maps_dict
        try:
            self.stream_maps_dict = {
                name: _with_keys(one, schema, keys) for name, one in maps.items()
            }
            self.register_raw_stream_schema(stream, schema, keys)
        finally:
            self.stream_maps_dict = maps
        for stream_map in self.stream_maps[stream]:
            if isinstance(stream_map, CustomStreamMap):
                evaluator = NullAware(stream_map.expr_evaluator)
                stream_map.expr_evaluator = t.cast("t.Any", evaluator)

    def removes(self, stream: str) -> bool:
        """Check whether the maps of a stream remove all of its records."""
        return all(isinstance(one, RemoveRecordTransform) for one in self.stream_maps[stream])

    def changes(self, stream: str) -> bool:
        """Check whether a map or flattening has to process each record of a stream."""
        return self.flattens or any(
            not isinstance(one, SameRecordTransform) for one in self.stream_maps[stream]
        )

    @property
    def flattens(self) -> bool:
        """Whether objects are flattened into columns."""
        return self.flattening.enabled and self.flattening.max_level > 0

    def outputs(
        self,
        stream: str,
        schema: Schema,
        columns: Mapping[str, Mapping[str, Kind]],
        **options: t.Any,  # noqa: ANN401
    ) -> list[Output]:
        """Compile the outputs of a stream.

        Args:
            stream: The stream's name.
            schema: The schema with which it is registered.
            columns: The columns added in this run or earlier ones, by the name of the output.
            options: Further arguments of `Shape`.

        Returns:
            One output for each map of the stream that writes records.
        """
        return [
            Output(one, schema, self, columns.get(one.stream_alias, {}), **options)
            for one in self.stream_maps[stream]
            if not isinstance(one, RemoveRecordTransform)
        ]


_MAPS: t.Final = ("stream_maps", "stream_map_config", "faker_config")
"""The settings of the SDK's mapper, except those of flattening."""


def _with_keys(definition: t.Any, schema: Schema, keys: Sequence[str]) -> t.Any:  # noqa: ANN401
    """Keep the keys in a map with `__else__: null`, as the documentation of the SDK promises."""
    if not isinstance(definition, dict) or MAPPER_ELSE_OPTION not in definition:
        return definition
    wanted = definition.get(MAPPER_KEY_PROPERTIES_OPTION, keys) or ()
    kept = {key: f"record[{key!r}]" for key in wanted if key in schema["properties"]}
    return {**kept, **definition}


class NullAware:
    """An evaluator in which an expression that fails because of a null is null."""

    def __init__(self, evaluator: t.Any) -> None:  # noqa: ANN401 (the SDK's own class)
        """Wrap the SDK's evaluator."""
        self._evaluator = evaluator
        self.names: dict[str, t.Any] = {}

    def eval(self, expr: str, previously_parsed: ast.AST) -> t.Any:  # noqa: ANN401 (JSON)
        """Evaluate an expression, which the SDK passes as text and parsed."""
        self._evaluator.names = self.names
        try:
            return self._evaluator.eval(expr, previously_parsed=previously_parsed)
        except Exception:
            if self._names_a_null(previously_parsed):
                return None
            raise

    def _names_a_null(self, parsed: ast.AST) -> bool:
        named = {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)}
        # As in `record["name"]`.
        quoted = {node.value for node in ast.walk(parsed) if isinstance(node, ast.Constant)}
        return any(self.names.get(name, "") is None for name in named) or any(
            value is None for name, value in self.names["record"].items() if name in quoted
        )


class Output:
    """The records of a stream as they are written under one name.

    Attributes:
        name: The name of the written stream.
        shape: Its schema, which may grow.
    """

    def __init__(
        self,
        stream_map: StreamMap,
        schema: Schema,
        mapper: Mapper,
        columns: Mapping[str, Kind],
        **options: t.Any,  # noqa: ANN401
    ) -> None:
        """Compile a map.

        Args:
            stream_map: The SDK's map.
            schema: The schema of the stream's records.
            mapper: The mapper, for its flattening options.
            columns: The columns added in this run or earlier ones, and their types.
            options: Further arguments of `Shape`.
        """
        self.name = stream_map.stream_alias
        self._map = stream_map
        self._columns: Record = dict.fromkeys(schema["properties"])
        mapped = stream_map.transformed_schema
        self._flattening = Flattening(mapped, mapper.flattening) if mapper.flattens else None
        self.shape = Shape(
            mapped if self._flattening is None else self._flattening.schema,
            keys=stream_map.transformed_key_properties or (),
            columns=columns,
            **options,
        )

    def publish(self) -> None:
        """Use the current schema, with all new columns, in the next SCHEMA."""
        self._map.transformed_schema = self.shape.schema

    def records(self, records: Iterable[Record]) -> list[Record | RecordFailed | None]:
        """Map the records of a page.

        Args:
            records: Records as the stream has them.

        Returns:
            The record to write for each; `None` if a filter removes it; the error if it cannot be
            written. `shape.schema` may have grown.

        Raises:
            MappingError: An expression cannot be evaluated for any record.
        """
        found = [self._mapped({**self._columns, **record}) for record in records]
        fitted = iter(self.shape.fit(one for one in found if one is not None))
        return [None if one is None else next(fitted) for one in found]

    def _mapped(self, record: Record) -> Record | RecordFailed | None:
        try:
            mapped: Record | None = self._map.transform(record)
        except UNMAPPABLE as error:  # whose text may quote the record
            return RecordFailed(f"`stream_maps` cannot be applied to it ({type(error).__name__})")
        if mapped is None or self._flattening is None:
            return mapped
        return self._flattening.flatten(mapped)
