"""The user's stream maps and flattening: what becomes of records before they are written.

The expressions are the SDK's. What they are fed and what they give is made to keep the promises of
the tap: a declared column that a record lacks is null, null in an expression gives null, and what
comes out fits the SCHEMA that is written for it.
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
"""The name by which expressions reach the package Faker."""

UNMAPPABLE: t.Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What an expression raises for a record it was not made for."""


def check_maps(maps: Mapping[str, t.Any], columns: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Check that stream maps are of streams there are, and remove columns there are.

    A name with a slip would let through what was to be removed.

    Args:
        maps: The setting `stream_maps`.
        columns: The names of the columns of all streams, by stream.

    Yields:
        A sentence for each mistake.
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
                    f"Setting `stream_maps`: `{source}` has no column `{column}` to be removed. "
                    f"The nearest is `{near[0]}`."
                )


def explain(error: MappingError) -> str:
    """Tell why an expression can be followed for no record.

    Args:
        error: The SDK's error, which has the expression.

    Returns:
        A sentence without its full stop, with what to do where a name is unknown.
    """
    text = str(error).rstrip(".")
    # Of the errors of simpleeval only that of an unknown name has one.
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
    """The SDK's mapper, which leaves flattening to `Flattening`."""

    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        """Read the settings.

        Args:
            config: The tap's settings.
            logger: Where to log.
        """
        self.flattening = get_flattening_options(config)  # type: ignore[arg-type]
        kept = {name: copy.deepcopy(config[name]) for name in _MAPS if name in config}
        super().__init__(kept, logger)

    def register(self, stream: str, schema: Schema, keys: Sequence[str], *, selected: bool) -> None:
        """Register a stream, again where its schema has grown.

        Args:
            stream: The stream's name.
            schema: The schema of its records.
            keys: Its keys.
            selected: Whether it is written; then the user's maps apply.
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
        """Tell whether none of a stream's records is written.

        Args:
            stream: The stream's name.

        Returns:
            Whether all of its maps remove them.
        """
        return all(isinstance(one, RemoveRecordTransform) for one in self.stream_maps[stream])

    def changes(self, stream: str) -> bool:
        """Tell whether a stream's records are written otherwise than they are.

        Args:
            stream: The stream's name.

        Returns:
            Whether a map or flattening has to see each of them.
        """
        return self.flattens or any(
            not isinstance(one, SameRecordTransform) for one in self.stream_maps[stream]
        )

    @property
    def flattens(self) -> bool:
        """Whether objects are taken apart into columns."""
        return self.flattening.enabled and self.flattening.max_level > 0

    def outputs(
        self,
        stream: str,
        schema: Schema,
        columns: Mapping[str, Mapping[str, Kind]],
        **options: t.Any,  # noqa: ANN401
    ) -> list[Output]:
        """Compile what becomes of a stream's records.

        Args:
            stream: The stream's name.
            schema: The schema it is registered with.
            columns: The columns met at run time, by the name they are written under.
            options: Further arguments of `Shape`.

        Returns:
            One object for each name its records are written under.
        """
        return [
            Output(one, schema, self, columns.get(one.stream_alias, {}), **options)
            for one in self.stream_maps[stream]
            if not isinstance(one, RemoveRecordTransform)
        ]


_MAPS: t.Final = ("stream_maps", "stream_map_config", "faker_config")
"""The settings of the SDK's mapper, but for those of flattening."""


def _with_keys(definition: t.Any, schema: Schema, keys: Sequence[str]) -> t.Any:  # noqa: ANN401
    """Have a map that leaves out all it does not name keep the keys, as the SDK says it does."""
    if not isinstance(definition, dict) or MAPPER_ELSE_OPTION not in definition:
        return definition
    wanted = definition.get(MAPPER_KEY_PROPERTIES_OPTION, keys) or ()
    kept = {key: f"record[{key!r}]" for key in wanted if key in schema["properties"]}
    return {**kept, **definition}


class NullAware:
    """An evaluator in which an expression that cannot be followed for a null gives null."""

    def __init__(self, evaluator: t.Any) -> None:  # noqa: ANN401 (the SDK's own class)
        """Wrap an evaluator.

        Args:
            evaluator: The SDK's.
        """
        self._evaluator = evaluator
        self.names: dict[str, t.Any] = {}

    def eval(self, expr: str, previously_parsed: ast.AST) -> t.Any:  # noqa: ANN401 (JSON)
        """Evaluate an expression.

        Args:
            expr: Its text.
            previously_parsed: The same, parsed.

        Returns:
            Its value.
        """
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
    """What becomes of a stream's records under one name.

    Attributes:
        name: The name they are written under.
        shape: What fits them to their schema, which grows.
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
            stream_map: The SDK's.
            schema: The schema of the records it is given.
            mapper: Whose it is.
            columns: The columns met at run time, and their types.
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
        """Have the next SCHEMA tell the columns that are known by now."""
        self._map.transformed_schema = self.shape.schema

    def records(self, records: Iterable[Record]) -> list[Record | RecordFailed | None]:
        """Map the records of a page.

        Args:
            records: Records as the stream has them.

        Returns:
            What is written of each; `None` of one that a filter leaves out. `shape.schema` may have
            grown.

        Raises:
            MappingError: An expression can be followed for no record.
        """
        found = [self._mapped({**self._columns, **record}) for record in records]
        fitted = iter(self.shape.fit(one for one in found if one is not None))
        return [None if one is None else next(fitted) for one in found]

    def _mapped(self, record: Record) -> Record | RecordFailed | None:
        try:
            mapped: Record | None = self._map.transform(record)
        except UNMAPPABLE as error:  # whose text may quote the record
            return RecordFailed(f"`stream_maps` cannot be followed for it ({type(error).__name__})")
        if mapped is None or self._flattening is None:
            return mapped
        return self._flattening.flatten(mapped)
