"""The target: handles messages, and decides when to flush."""

from __future__ import annotations

import os
import sys
import time
import typing as t
from collections import Counter
from datetime import datetime, timezone

import msgspec
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from commerce_taps.input.cli import CommandLine
from target_duckdb import lines
from target_duckdb.columns import choose_column, fold
from target_duckdb.errors import BadLine, LoadError, RecordBeforeSchema
from target_duckdb.settings import SETTINGS, check, number_type, table_name

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from target_duckdb.batch import Batches
    from target_duckdb.columns import Column
    from target_duckdb.store import Store, Table


class _Reader(GenericSingerReader[bytes]):
    """Passes the whole input to the target: the SDK's readers decode each line to a dict."""

    default_input = None  # type: ignore[assignment] # standard input, once it is read

    def __init__(self, read: Callable[[t.IO[t.Any]], Counter[str]]) -> None:
        super().__init__()
        self._read_all = read

    @override
    def process_lines(self, file_input: t.IO[bytes] | None, callbacks: object) -> Counter[str]:
        return self._read_all(file_input or sys.stdin.buffer)

    @override
    def deserialize_json(self, line: bytes) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", msgspec.json.decode(line))


class _Stream(t.NamedTuple):
    """A stream with a SCHEMA."""

    schema: tuple[bytes, tuple[str, ...]]
    table: Table
    batches: Batches


class TargetDuckDB(CommandLine, Target):
    """Singer target for DuckDB."""

    name = "target-duckdb-lines"
    package_name = "commerce-taps"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(*SETTINGS).to_dict()
    capabilities: t.ClassVar[list[t.Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.ACTIVATE_VERSION,
        TargetCapabilities.HARD_DELETE,
        TargetCapabilities.TARGET_SCHEMA,
    ]

    def __init__(self, **kwargs: t.Any) -> None:  # noqa: ANN401
        """Validate the settings. The database is opened with the first SCHEMA."""
        self._signal: int | None = None
        try:
            reader = _Reader(self._load)
            super().__init__(**{"message_reader": reader, "setup_mapper": False, **kwargs})
        except ConfigValidationError as error:
            raise LoadError(" ".join(error.errors)) from None
        if kwargs.get("validate_config", True):
            check(self.config)
        self._store: Store | None = None
        self._streams: dict[str, _Stream] = {}
        self._places: dict[tuple[bytes, bytes], str] = {}
        self._state: str | None = None
        self._state_since = 0.0
        self._received: datetime | None = None
        self._bytes = 0
        self._counts: Counter[str] = Counter()
        self._ignored: set[str] = set()

    # --- messages -------------------------------------------------------------------------------

    def _load(self, file: t.IO[t.Any]) -> Counter[str]:
        """Load the input, to its end or until a signal.

        Returns:
            The number of messages of each type.

        Raises:
            LoadError: The load cannot continue.
        """
        try:
            self._read(lines.Input(file))
        except BadLine:
            self._flush()  # the messages before it are complete
            raise
        return self._counts

    def _read(self, source: lines.Input) -> None:
        limit_bytes = int(self.config["batch_size_mb"] * 1_000_000)
        limit_rows = int(self.config["batch_size_rows"])
        prefix, batches = b"\n", None  # no line begins with this
        for block in source.blocks(self._seconds_left, lambda: self._signal is not None):
            self._received = self._received or datetime.now(timezone.utc)
            rows = 0
            for line in block.lines:
                if batches is not None and line.startswith(prefix) and block.is_whole:
                    batches.add(line)
                    rows += 1
                    continue
                head = lines.RECORD.match(line) if block.is_whole else None
                stream = head and self._streams.get(head[1].decode(errors="replace"))
                if head and stream:
                    prefix, batches = head[0], stream.batches
                    batches.add(line)
                    rows += 1
                elif line.strip():
                    self._handle_message(line)
                    prefix, batches = b"\n", None  # a SCHEMA may have replaced them
            self._counts["RECORD"] += rows
            self._bytes += block.size
            waiting = sum(one.batches.count for one in self._streams.values())
            if self._bytes >= limit_bytes or waiting >= limit_rows or self._seconds_left() == 0.0:
                self._flush()

    def _seconds_left(self) -> float | None:
        """Return the seconds that the last STATE may still wait; `None` without one."""
        if self._state is None:
            return None
        waits = float(self.config["max_wait_seconds"])
        return max(0.0, self._state_since + waits - time.monotonic())

    def _handle_message(self, line: bytes) -> None:
        """Handle a message in any formatting.

        Raises:
            BadLine: The line is not a valid message.
        """
        number = sum(self._counts.values()) + 1
        try:
            line.decode()
            message = lines.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BadLine(
                f"Message {number:,} of the input is not a Singer message in JSON. It may be "
                "truncated: check whether the tap was stopped."
            ) from None
        kind, name = message.type, message.stream
        if kind == "STATE" and message.value is not lines.ABSENT:
            if self._state is None:
                self._state_since = time.monotonic()
            self._state = str(message.value, "utf-8")
        elif kind == "RECORD" and name is not None:
            if name not in self._streams:
                raise RecordBeforeSchema(
                    f"A record of the stream `{name}` arrived before its SCHEMA."
                )
            self._streams[name].batches.add(line)
        elif kind == "SCHEMA" and name is not None and message.schema is not lines.ABSENT:
            self._handle_schema(name, bytes(message.schema), tuple(message.key_properties or ()))
        elif kind == "ACTIVATE_VERSION" and name is not None and message.version is not None:
            self._handle_activate_version(name, message.version)
        else:
            raise BadLine(
                f"Message {number:,} of the input has a type that this target does not support, "
                "or lacks a required member."
            )
        self._counts[kind] += 1

    def _handle_schema(self, name: str, schema: bytes, keys: tuple[str, ...]) -> None:
        """Handle a SCHEMA: create or change the table."""
        known = self._streams.get(name)
        if known is not None:
            if known.schema == (schema, keys):
                return
            if known.batches.count:
                self._flush()  # these belong to the previous SCHEMA
            self._log_left_out(known)
        from target_duckdb.batch import Batches  # noqa: PLC0415 (importing arro3 takes a while)

        columns = self._choose_columns(name, schema, keys)
        where = table_name(self.config, name)
        other = self._places.setdefault((fold(where[0]), fold(where[1])), name)
        if other != name:
            raise LoadError(
                f"The streams `{other}` and `{name}` would share the table `{where[1]}` of the "
                f"schema `{where[0]}`. Give them different schemas with `schema_mapping`."
            )
        metadata = self.config["add_metadata_columns"] or self.config["hard_delete"]
        table = self._open_store().table(name, where, columns, metadata=metadata)
        batches = Batches(name, table.columns, strict=self.config["strict"])
        self._streams[name] = _Stream((schema, keys), table, batches)

    def _choose_columns(self, name: str, schema: bytes, keys: tuple[str, ...]) -> list[Column]:
        """Choose the columns of a stream.

        Raises:
            LoadError: The SCHEMA is invalid.
        """
        try:
            described = msgspec.json.decode(schema)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BadLine(f"The SCHEMA of the stream `{name}` is not JSON.") from None
        properties = described.get("properties") if isinstance(described, dict) else None
        if not isinstance(properties, dict):
            raise LoadError(f"The SCHEMA of the stream `{name}` has no properties.")
        if missing := [key for key in keys if key not in properties]:
            raise LoadError(
                f"The SCHEMA of the stream `{name}` lacks the property of its key `{missing[0]}`."
            )
        folded = Counter(map(fold, properties))
        for column in properties:
            if not column or "\0" in column:
                raise LoadError(f"The stream `{name}` has a column without a usable name.")
            if folded[fold(column)] > 1:
                raise LoadError(
                    f"The column `{column}` of the stream `{name}` and another differ only in "
                    "case; to DuckDB they are the same. Deselect one, or rename it in the tap."
                )
        return [
            choose_column(
                column,
                each,
                is_key=column in keys,
                number_type=number_type(self.config, name, column),
            )
            for column, each in properties.items()
        ]

    def _handle_activate_version(self, name: str, version: int) -> None:
        """Handle an ACTIVATE_VERSION: rows of other versions are outdated."""
        if name not in self._streams:
            raise RecordBeforeSchema(f"A version of the stream `{name}` arrived before its SCHEMA.")
        self._write()
        table = self._streams[name].table
        hard = self.config["hard_delete"]
        if not self._open_store().activate(table, version, hard=hard) and name not in self._ignored:
            self._ignored.add(name)
            self.logger.warning(
                "Rows of older versions of the stream `%s` stay: without metadata columns, the "
                "target cannot identify them.",
                name,
            )

    # --- flushes --------------------------------------------------------------------------------

    def _open_store(self) -> Store:
        """Return the database, opened when first needed."""
        if self._store is None:
            from target_duckdb.store import Store  # noqa: PLC0415 (a run without SCHEMA needs none)

            settings = {
                name: str(self.config[name])
                for name in ("memory_limit", "temp_directory")
                if self.config.get(name)
            }
            path = os.fspath(self.config.get("filepath") or self.config["path"])
            wait = float(self.config["lock_wait_seconds"])
            self._store = Store(path, self.logger, settings=settings, wait=wait)
        return self._store

    def _write(self) -> None:
        """Write the collected rows of all streams in the open transaction."""
        received = self._received or datetime.now(timezone.utc)
        for stream in self._streams.values():
            rows = stream.batches.take()
            if rows is not None:
                self._open_store().write(stream.table, rows, received)
                if self.config["hard_delete"]:
                    self._open_store().purge(stream.table)

    def _flush(self) -> None:
        """Commit the rows of all streams in one transaction, then write the last STATE."""
        self._write()
        if self._store is not None:
            self._store.commit()
        if self._state is not None:
            sys.stdout.write(f"{self._state}\n")
            sys.stdout.flush()
        self._state = self._received = None
        self._bytes = 0

    @override
    def process_endofpipe(self) -> None:
        """Flush the remaining rows, and close the database.

        Raises:
            SystemExit: With 128 + the number of the signal that ended the run.
        """
        self._flush()
        if self._store is not None:
            self._store.close()
            self._store = None
        for stream in self._streams.values():
            self._log_left_out(stream)
        if self._signal is not None:
            self.logger.error(
                "Stopped by signal %d. All messages before it are loaded.", self._signal
            )
            raise SystemExit(128 + self._signal)

    def _log_left_out(self, stream: _Stream) -> None:
        for field, count in stream.batches.left_out.items():
            self.logger.warning(
                "Left out because the SCHEMA lacks it: the field `%s` of %d records of `%s`.",
                field,
                count,
                stream.batches.stream,
            )
        stream.batches.left_out.clear()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal. The target stops between two blocks, never inside a transaction."""
        self._signal = signum

    # --- command line ---------------------------------------------------------------------------

    @override
    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, t.Any]) -> None:
        """Add no settings of the SDK: they would have no effect here."""
