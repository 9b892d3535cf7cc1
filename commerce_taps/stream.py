"""The base of every stream: a partition's pages in, Singer messages out."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property

from singer_sdk import Stream
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import Metadata, MetadataMapping, StreamMetadata
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import TypeVar, override

from commerce_taps.bookmarks import Bookmarks
from commerce_taps.errors import (
    PartitionFailed,
    PartitionRefused,
    PartitionSkipped,
    RecordFailed,
    TapError,
    TapStopped,
    UnexpectedError,
)
from commerce_taps.http import where
from commerce_taps.input.state import can_resume
from commerce_taps.output import RECORDS_PER_WRITE, RecordLines
from commerce_taps.pagination.page import IncompletePage, Page
from commerce_taps.records import dates
from commerce_taps.records.columns import EXTRA
from commerce_taps.records.mapping import explain
from commerce_taps.records.selection import Selection, breadcrumb_of, fold, path_of
from commerce_taps.records.validate import Shape
from commerce_taps.report import UNCHANGED, list_names

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    import msgspec
    from singer_sdk.helpers.types import Context, Record

    from commerce_taps.api import Api
    from commerce_taps.output import PageWriter
    from commerce_taps.records.columns import Kind
    from commerce_taps.records.mapping import Mapper, Output
    from commerce_taps.records.selection import Path
    from commerce_taps.run import Run

ApiT_co = TypeVar("ApiT_co", bound="Api", default="Api", covariant=True)

COLUMNS = "columns"
"""Key of the columns that were met at run time, in the state of their stream."""

MAPPED = "mapped_columns"
"""Key of the columns that only maps and flattening make, by the name they are written under."""

SHOWN = 20
"""Positions of failed records that one message lists."""


@dataclass(slots=True)
class _Emitted:
    """What has been emitted of the current partition.

    Attributes:
        records: How many records were read.
        faults: Those that cannot be written: position and reason.
        keeps_bookmark: Whether the bookmark stays where it is until the next run.
    """

    records: int = 0
    faults: list[tuple[int, RecordFailed]] = field(default_factory=list)
    keeps_bookmark: bool = False

    def add_fault(self, place: int, fault: RecordFailed) -> None:
        """Note a record of the current page that cannot be written: no bookmark may pass it."""
        self.faults.append((self.records + place + 1, fault))
        self.keeps_bookmark = True


class _Host(t.Protocol):
    """The tap a stream belongs to."""

    @property
    def run(self) -> Run:
        """Its run."""


class HTTPStream(Stream, abc.ABC, t.Generic[ApiT_co]):
    """A stream that is read page by page and partition by partition.

    A stream is a declaration: `name`, `primary_keys`, `replication_key`, and what the tap's base
    class needs to find it. That base class, one for each family of endpoints, implements `read`,
    which fetches the pages of a partition, and `partitions`, which lists them.

    Rows nested in the rows of another stream are a stream of their own, whose `parent_stream_type`
    is the other one. They arrive with it, in `Page.children`, and cost no request.
    """

    # `shape` checks types, compiled once from the schema.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    optional: t.ClassVar[bool] = False
    """Whether an account may lack the stream, so that it is no failure if the server refuses every
    partition."""

    context_keys: tuple[str, ...] = ()
    """Names of the columns that come from the partition."""

    secret_columns: t.ClassVar[tuple[str, ...]] = ()
    """Columns with secrets, emitted only if `include_secrets` names them. A dot leads into an
    object or a list of objects: `user_data.password`. They need not be in the schema."""

    unselected_columns: t.ClassVar[tuple[str, ...]] = ()
    """Columns that are emitted only if the user selects them: they cost requests or mean little."""

    cost: t.ClassVar[str] = ""
    """Cost of the stream, if that is why it is off by default: `one request per cart`."""

    cost_of_columns: t.ClassVar[str] = ""
    """What one of `unselected_columns` costs in each run, if that is why they are off."""

    _schema_written = False
    _compiled_outputs: list[Output] | None = None

    @property
    def run(self) -> Run:
        """The run: client, limits, report, state."""
        return t.cast("_Host", self._tap).run

    @property
    def api(self) -> ApiT_co:
        """The API the stream is of."""
        return t.cast("ApiT_co", self.run.api)

    @property
    def siblings(self) -> Mapping[str, HTTPStream[ApiT_co]]:
        """All streams of the tap, by name."""
        return t.cast("Mapping[str, HTTPStream[ApiT_co]]", self._tap.streams)

    @property
    def is_read(self) -> bool:
        """Whether a run requests it: for its own rows, or for those of its children."""
        return self.parent is self and bool(self.outputs)

    def prepare(self) -> None:
        """Make what all threads share. The main thread calls it before any other is started."""
        for stream in self.outputs:
            _ = stream.shape

    @property
    @override
    def partitions(self) -> list[dict[str, t.Any]] | None:
        """The partitions; `None` for a stream that has none.

        The SDK would take them from the state, and request those that no longer exist.
        """
        return None

    @abc.abstractmethod
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one partition. Runs in a worker thread.

        Args:
            context: The partition.
            start: The first replication value to read, inclusive; `None` for everything.
        """

    def change_token(self, context: Context | None) -> str | None:  # noqa: ARG002
        """Digest what the source reports of a partition now. Runs in a worker thread.

        Returns:
            A text that differs after every change; `None` where the source reports nothing.
        """
        return None

    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one partition, unless it has not changed since. Runs in a worker thread.

        Args:
            context: The partition.
            start: As for `read`.

        Yields:
            The pages, then an empty one with the change token.

        Raises:
            PartitionSkipped: There is nothing to read.
            PartitionFailed: The partition could not be read to its end.
        """
        # Taken first: a change during the reading shows in the next run.
        token = self.change_token(context)
        # A full refresh of an incremental stream reads everything, whatever the token.
        forced = self.replication_key and self.replication_method != REPLICATION_INCREMENTAL
        if (
            token is not None
            and not forced
            and all(token == stream.bookmarks.change_token(context) for stream in self.outputs)
        ):
            raise PartitionSkipped(UNCHANGED, where(self.name, context))
        has_begun = False
        try:
            for page in self.read(context, start):
                yield page
                has_begun = True
        except PartitionSkipped as error:
            if not has_begun:
                raise
            msg = f"{error.reason.rstrip('.')}, although the list could be read up to this point"
            raise PartitionFailed(msg, error.where) from error
        except PartitionFailed as error:
            if isinstance(error.__cause__, IncompletePage):
                yield error.__cause__.page
            raise
        yield Page((), change_token=token)

    # --- selection ------------------------------------------------------------------------------

    @property
    def fixed_columns(self) -> set[str | None]:
        """Columns that are always emitted: keys, and what bookmarks are made of."""
        return {*self.primary_keys, *self.context_keys, self.replication_key}

    @property
    @override
    def metadata(self) -> MetadataMapping:
        """The catalog's metadata, with `unselected_columns` off and secrets not selectable.

        `include_secrets` makes a secret selectable; a catalog alone cannot.
        """
        metadata = super().metadata
        for path in self._secrets:
            if path[0] in self.schema["properties"]:
                _ = metadata[breadcrumb_of(path)]  # the SDK makes none for fields in lists
        for breadcrumb, entry in metadata.items():
            path = path_of(breadcrumb)
            if path in self._named_secrets:
                if entry.inclusion == Metadata.InclusionType.UNSUPPORTED:
                    # The catalog was discovered before the secret was named: it made no choice.
                    entry.inclusion, entry.selected = Metadata.InclusionType.AVAILABLE, None
            elif path and fold(path[-1]) in self._secret_names:
                entry.inclusion = Metadata.InclusionType.UNSUPPORTED
        for name in self.unselected_columns:
            entry = metadata["properties", name]
            if entry.selected is None and entry.selected_by_default is None:
                entry.selected_by_default = False
        return metadata

    def costs(self) -> Iterator[str]:
        """List what is selected although it is off by default for its cost.

        Yields:
            A message for each cost.
        """
        if not self.selected:
            return
        if self.cost:
            yield f"it is selected, and off by default because it costs {self.cost}"
        columns = [f"`{name}`" for name in self.unselected_columns if self._emits(name)]
        if columns and self.cost_of_columns:
            yield (
                f"{', '.join(columns)} are selected, and off by default because they cost "
                f"{self.cost_of_columns}"
            )

    @cached_property
    def _secrets(self) -> list[Path]:
        return [tuple(name.split(".")) for name in self.secret_columns]

    @cached_property
    def _named_secrets(self) -> set[Path]:
        """The secrets that `include_secrets` names."""
        named = self.config["include_secrets"]
        return {path for path in self._secrets if ".".join((self.name, *path)) in named}

    @cached_property
    def _secret_names(self) -> set[str]:
        return {fold(path[-1]) for path in self._secrets if path not in self._named_secrets}

    @cached_property
    def selection(self) -> Selection:
        """The fields of a record that are emitted."""
        metadata = MetadataMapping({**self.metadata, (): StreamMetadata(selected=True)})
        mask = {path_of(place): on for place, on in metadata.resolve_selection().items()}
        return Selection(
            self.effective_schema,
            deselected=[
                path
                for path, on in mask.items()
                if path and not on and path[0] not in self.fixed_columns
            ],
            secrets=self._secrets,
            named=self._named_secrets,
        )

    @property
    def emitted_schema(self) -> dict[str, t.Any]:
        """JSON Schema of the emitted records, with the columns found so far."""
        return self.selection.schema(self.shape.schema)

    @cached_property
    def children(self) -> list[HTTPStream[ApiT_co]]:
        """The selected streams whose rows are nested in the rows of this one."""
        children = t.cast("list[HTTPStream[ApiT_co]]", self.child_streams)
        return [stream for stream in children if stream.selected]

    @cached_property
    def outputs(self) -> list[HTTPStream[ApiT_co]]:
        """This stream and its children, as far as they are selected."""
        return [self, *self.children] if self.selected else self.children

    @cached_property
    def parent(self) -> HTTPStream[ApiT_co]:
        """The stream that is requested: this one, or the one whose rows contain its rows."""
        parent = self.parent_stream_type
        if parent is None:
            return self
        return next(one for one in self.siblings.values() if type(one) is parent)

    # --- shape ----------------------------------------------------------------------------------

    @cached_property
    def shape(self) -> Shape:
        """Validates records against the schema, and conforms those that do not fit."""
        columns = self._remembered if self.config["new_fields"] == "evolve" else {}
        return Shape(
            self.effective_schema,
            keys=self.primary_keys,
            context_keys=self.context_keys,
            replication_key=self.replication_key,
            selection=self.selection,
            evolve=self.config["new_fields"] == "evolve",
            columns=columns,
            max_new_columns=self.config["max_new_columns"],
        )

    @property
    def _remembered(self) -> dict[str, Kind]:
        """The columns that earlier runs found, without the fixed ones.

        They win over columns of the same name in the catalog: loaders cannot alter a column.
        """
        known: dict[str, Kind] = self.stream_state.get(COLUMNS, {})
        return {name: kind for name, kind in known.items() if name not in self.fixed_columns}

    def _emits(self, name: str) -> bool:
        """Whether a top-level column is selected."""
        return name in self.fixed_columns or self.mask["properties", name]

    @property
    def known_columns(self) -> set[str]:
        """Names of all columns, whether the catalog has them or not."""
        return {*self.schema["properties"], *self.effective_schema["properties"]}

    @property
    def _mapper(self) -> Mapper:
        return t.cast("Mapper", self._tap.mapper)

    @cached_property
    def _mapped(self) -> bool:
        """Whether stream maps or flattening change each record."""
        return self._mapper.changes(self.name)

    def _register(self) -> None:
        """Register all columns found so far with the mapper."""
        self._mapper.register(self.name, self.emitted_schema, self.primary_keys, selected=True)
        self._stream_maps = None

    def _compile_mapped_outputs(self, columns: Mapping[str, Mapping[str, Kind]]) -> list[Output]:
        self._register()
        return self._mapper.outputs(
            self.name,
            self.emitted_schema,
            columns,
            evolve=self.config["new_fields"] == "evolve",
            max_new_columns=self.config["max_new_columns"],
        )

    @property
    def _mapped_outputs(self) -> list[Output]:
        """The streams that maps and flattening make of this one."""
        if self._compiled_outputs is None:
            known = self.stream_state.get(MAPPED, {})
            self._compiled_outputs = self._compile_mapped_outputs(known)
        return self._compiled_outputs

    @override
    def _write_schema_message(self) -> None:
        """Write nothing yet: SCHEMA waits for the first page, which may have new columns."""

    def write_schema(self) -> None:
        """Write SCHEMA with all columns found so far, unless the last one had them."""
        new = self._new_columns
        if self._schema_written and not new:
            return
        if new:
            self.logger.info("%s: new columns %s.", self.name, list_names(new))
            if EXTRA in new:
                self.logger.warning(
                    "%s: more unknown fields than `max_new_columns`: the rest is kept in `_extra`.",
                    self.name,
                )
            for shape in self._shapes:
                shape.new_columns.clear()
            if self.shape.columns:
                self.stream_state[COLUMNS] = self.shape.columns
        if self._mapped:
            columns = {
                one.name: one.shape.columns for one in self._mapped_outputs if one.shape.columns
            }
            if columns:
                self.stream_state[MAPPED] = columns
            for output in self._mapped_outputs:
                output.publish()
        elif self.shape.columns:
            self._register()
        super()._write_schema_message()
        self._schema_written = True

    @property
    def _shapes(self) -> list[Shape]:
        return [self.shape, *(one.shape for one in (self._mapped_outputs if self._mapped else ()))]

    @property
    def _new_columns(self) -> list[str]:
        """The columns found since the last SCHEMA, each once."""
        return list(dict.fromkeys(name for shape in self._shapes for name in shape.new_columns))

    # --- state ----------------------------------------------------------------------------------

    @cached_property
    def bookmarks(self) -> Bookmarks:
        """The stream's bookmarks."""
        return Bookmarks(self.stream_state)

    @override
    def get_context_state(self, context: Context | None) -> dict[str, t.Any]:
        """Find the writable bookmark of a partition, made if there is none yet."""
        return self.bookmarks.open(context)

    def starting_value(self, context: Context | None) -> datetime | None:
        """Find the first replication value to read of a partition.

        Returns:
            The later of bookmark and `start_date`; `None` without either, and for a full table.
            With children, the earliest of all that are selected: a newly selected stream is read
            from its beginning.
        """
        starts = [stream.own_start(context) for stream in self.outputs]
        known = [start for start in starts if start is not None]
        return min(known, default=None) if len(known) == len(starts) else None

    def own_start(self, context: Context | None) -> datetime | None:
        """Find the first replication value that this stream alone needs of a partition.

        Returns:
            The later of bookmark and `start_date`, if there is any.
        """
        if self.parent.replication_method != REPLICATION_INCREMENTAL:
            return None
        start_date = self.config.get("start_date")
        starts = (
            self.bookmarks.value(context, self.parent.replication_key),
            dates.parse(start_date) if start_date else None,
        )
        return max((start for start in starts if start is not None), default=None)

    def _move_bookmark(self, context: Context | None, value: datetime | None) -> None:
        """Keep the value up to which a partition is emitted."""
        parent = self.parent
        if value is None or parent.replication_method != REPLICATION_INCREMENTAL:
            return
        client = self.run.client
        if value > client.now:
            # A row with a timestamp in the future must not hide those that follow: all rows with
            # one before the run began have been read.
            value = min(value, client.began or client.now)
        self.bookmarks.move(context, t.cast("str", parent.replication_key), value)

    @override
    def finalize_state_progress_markers(self, state: dict[str, t.Any] | None = None) -> None:
        """Promote nothing: there are no progress markers."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Set no signpost: the reader of the pages sets the bookmark that is safe."""

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """Never: after a run that failed in part, the target would delete rows that exist."""
        return False

    # --- sync -----------------------------------------------------------------------------------

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Read one partition, for use as a library.

        Yields:
            The records as emitted.

        Raises:
            PartitionFailed: Records could not be conformed; all others were yielded.
        """
        count, faults = 0, []
        for page in self.read(context, self.starting_value(context)):
            for record in self.shape.conform(page.records, context or {}):
                count += 1
                if isinstance(record, RecordFailed):
                    faults.append((count, record))
                else:
                    yield record
        if faults:
            raise self._record_failures(faults, context)

    @override
    def _sync_records(
        self,
        context: Context | None = None,
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, t.Any], t.Any, t.Any]:
        """Emit every partition. The SDK iterates over the result, which is empty.

        Raises:
            SystemExit: Nothing more can be read in this run; the state is written.
        """
        try:
            with self.get_sync_timer():
                partitions = self._partitions(context)
                for stream in self.outputs:
                    stream.begin(1 if partitions is None else len(partitions))
                for partition in [None] if partitions is None else partitions:
                    self._sync_partition(partition)
                for stream in self.outputs:
                    stream.write_schema()
                for stream in self.outputs:
                    stream.fail_if_refused()
            self.run.write_state()
        except TapStopped as error:
            self.run.stop(error)
        finally:
            for stream in self.outputs:
                stream.end()
        yield from ()

    def _partitions(self, context: Context | None) -> Sequence[Context] | None:
        """Start the run, and list the partitions to read: the given one, or all.

        Raises:
            TapStopped: They could not be listed.
        """
        try:
            self.run.start()
            partitions = self.partitions if context is None else [context]
        except TapError:
            raise
        except Exception as error:
            self.logger.debug("The error in the tap:", exc_info=error)
            bug = UnexpectedError(error)
            raise TapStopped(bug.reason, self.name, remedy=bug.remedy) from error
        return partitions

    def begin(self, partitions: int) -> None:
        """Open the figures of the stream, before the first record.

        Args:
            partitions: How many partitions will be read.
        """
        self.run.start_stream(self.name, partitions)
        key = self.parent.replication_key
        if not can_resume(key, self.stream_state):
            self.logger.warning(
                "The state's bookmark of `%s` is not of `%s`: the stream is read from the start.",
                self.name,
                key,
            )

    def end(self) -> None:
        """Close the figures of the stream, and log which fields were left out."""
        with self.get_record_counter() as counter:
            counter.increment(self.run.finish_stream(self.name))
        if self.shape.dropped:
            self.logger.warning(
                "%s: fields %s were left out, because `new_fields` is `drop`.",
                self.name,
                list_names(self.shape.dropped),
            )
        for place in sorted(self.selection.withheld):
            self.logger.warning(
                "%s: values of `%s` that are not objects were withheld, because they may hold "
                "secrets. To load them, name what `%s` hides in `include_secrets`.",
                self.name, place, place,
            )  # fmt: skip

    def _sync_partition(self, context: Context | None) -> None:
        """Emit one partition."""
        token, error = None, None
        for stream in self.outputs:
            stream.start_partition()
        try:
            for page in self.run.pages(self, context):
                for stream in self.outputs:
                    stream.write_page(page, context)
                token = page.change_token or token
                self.run.tick()
        except TapStopped:
            raise
        except TapError as caught:
            error = caught
        failures = [
            failure
            for stream in self.outputs
            for failure in stream.finish_partition(context, token, error)
        ]
        if isinstance(error, PartitionSkipped):
            self.logger.debug("Skipped %s", error)
        for failure in dict.fromkeys(failures):
            if isinstance(failure, UnexpectedError):
                self.logger.debug("The error in the tap:", exc_info=failure.__cause__)
            place = failure.where or where(self.name, context)
            if self.config["strict"]:
                raise TapStopped(failure.reason, place) from failure
            self.logger.error(
                "Failed %s", failure if failure.where else TapError(failure.reason, place)
            )

    def start_partition(self) -> None:
        """Reset what is counted per partition."""
        self._emitted = _Emitted()

    def write_page(self, page: Page, context: Context | None) -> None:
        """Emit the stream's records of a page, and move its bookmark.

        Args:
            page: A page of the stream or of its parent.
            context: The partition.
        """
        share = page if self.parent is self else page.children.get(self.name)
        if share is not None and share.records:
            self._write_records(share, context or {})
        if not self._emitted.keeps_bookmark:
            self._move_bookmark(context, page.bookmark)

    def finish_partition(
        self, context: Context | None, token: str | None, error: TapError | None
    ) -> list[TapError]:
        """Count how a partition ended.

        Args:
            context: The partition.
            token: Its change token, kept only if the partition was read to its end.
            error: The error that ended its reading.

        Returns:
            What failed. If anything did, the next run reads the partition whatever the token.
        """
        report = self.run.report[self.name]
        skipped = isinstance(error, PartitionSkipped)
        failures = [] if error is None or skipped else [error]
        if self._emitted.faults:
            failures.append(self._record_failures(self._emitted.faults, context))
        if failures:
            report.failed[without_ids(failures[0].reason, context)] += 1
        elif error is not None:
            report.skipped[without_ids(error.reason, context)] += 1
        else:
            report.read += 1
        if isinstance(error, PartitionRefused):
            report.refused[without_ids(error.reason, context)] += 1
        if failures or self._emitted.keeps_bookmark:
            self.bookmarks.set_change_token(context, None)
        elif error is None and token is not None:
            self.bookmarks.set_change_token(context, token)
        return failures

    def _record_failures(
        self, faults: Sequence[tuple[int, RecordFailed]], context: Context | None
    ) -> PartitionFailed:
        """Make one error of all records of a partition that could not be written."""
        shown = [f"record {position}: {fault.reason}" for position, fault in faults[:SHOWN]]
        if len(faults) > SHOWN:
            shown.append(f"and {len(faults) - SHOWN} more")
        msg = "some records could not be written, and all others were"
        return PartitionFailed(msg, where(self.name, context), "; ".join(shown))

    def fail_if_refused(self) -> None:
        """Fail the stream if the server refused every partition although every account has it.

        Raises:
            TapStopped: It failed, and the setting `strict` is on.
        """
        report = self.run.report[self.name]
        if self.optional or not report.is_refused:
            return
        (reason, _), *_ = report.refused.most_common(1)
        report.fail_refused()
        msg = (
            f"every partition was refused, although every account has this stream "
            f"({reason.rstrip('.')}): find the cause, or deselect the stream"
        )
        if self.config["strict"]:
            raise TapStopped(msg, self.name)
        self.logger.error("Failed %s.", TapError(msg, self.name))

    def _write_records(self, page: Page, context: Mapping[str, t.Any]) -> None:
        """Emit this stream's own records of a page."""
        report, records = self.run.report[self.name], page.records
        limit = self.ABORT_AT_RECORD_COUNT
        if limit is not None:
            records = records[: max(limit - report.records, 0)]
        faults = len(self._emitted.faults)
        shaped = self._shaped(records, page.valid, context)
        written = len(records) - (len(self._emitted.faults) - faults)
        lines = (
            self._mapped_lines(shaped) if self._mapped else self._lines(records, shaped, context)
        )
        self._count_records(len(records), context)
        self.write_schema()
        t.cast("PageWriter", self._tap.message_writer).write_records(lines)
        report.records += written
        self.state_manager.is_flushed = False
        if len(records) < len(page.records):
            self._check_max_record_limit(len(page.records) + (limit or 0))

    def _shaped(
        self,
        records: Sequence[msgspec.Raw],
        fits: Sequence[bool],
        context: Mapping[str, t.Any],
    ) -> list[Record | RecordFailed | None]:
        """Shape the records of a page that cannot be emitted as they are.

        Returns:
            For each record what it became, or why it cannot be emitted; `None` where its own bytes
            can be.
        """
        found: list[Record | RecordFailed | None] = [None] * len(records)
        places: Sequence[int] = range(len(records))
        if not self._mapped:
            places = [place for place, fit in zip(places, fits, strict=False) if not fit]
        shaped = self.shape.conform([records[place] for place in places], context)
        for place, record in zip(places, shaped, strict=True):
            found[place] = record
            if isinstance(record, RecordFailed):
                self._emitted.add_fault(place, record)
        return found

    def _count_records(self, records: int, context: Mapping[str, t.Any]) -> None:
        """Count the records of a page, and keep the bookmark if they bring columns too late."""
        emitted = self._emitted
        if emitted.records and self._schema_written and self._new_columns:
            # Loaders built on the Singer SDK may write what came before a new SCHEMA after what
            # comes behind it, so an old version of a row over a new one.
            self.logger.info(
                "%s: a new column appeared in the middle; the next run reads it again from here.",
                where(self.name, context),
            )
            emitted.keeps_bookmark = True
        emitted.records += records

    def _mapped_lines(self, shaped: Sequence[Record | RecordFailed | None]) -> list[bytes]:
        """Build the RECORD lines of what maps and flattening make of a page.

        Raises:
            TapStopped: The user's expressions cannot be followed.
        """
        if self.shape.new_columns:
            known = {one.name: one.shape.columns for one in self._mapped_outputs}
            self._compiled_outputs = self._compile_mapped_outputs(known)
        lines = []
        places = [place for place, record in enumerate(shaped) if isinstance(record, dict)]
        records = t.cast("list[Record]", [shaped[place] for place in places])
        for output in self._mapped_outputs:
            try:
                mapped = output.records(records)
            except MappingError as error:
                msg = f"setting `stream_maps` cannot be followed: {explain(error)}."
                raise TapStopped(msg, self.name) from error
            writer = RecordLines(output.name, {}, datetime.now(timezone.utc))
            for place, record in zip(places, mapped, strict=True):
                if isinstance(record, RecordFailed):
                    self._emitted.add_fault(place, record)
                elif record is not None:
                    lines.append(writer.encoded(record))
        return lines

    def _lines(
        self,
        records: Iterable[msgspec.Raw],
        shaped: Iterable[Record | RecordFailed | None],
        context: Mapping[str, t.Any],
    ) -> Iterator[bytes]:
        """Build a page's RECORD lines."""
        columns = {name: context[name] for name in self.context_keys}
        lines = RecordLines(self.name, columns, datetime.now(timezone.utc))
        splice = self.shape.splice
        spliced: list[bytes | memoryview] = []
        encoded: list[bytes] = []
        for raw, record in zip(records, shaped, strict=True):
            if encoded and (record is None or len(encoded) == RECORDS_PER_WRITE):
                yield b"".join(encoded)
                encoded = []
            if record is None:
                spliced.append(splice(raw))
                if len(spliced) < RECORDS_PER_WRITE:
                    continue
            if spliced:
                yield lines.spliced(spliced)
                spliced = []
            if isinstance(record, dict):
                encoded.append(lines.encoded(record))
        if spliced:
            yield lines.spliced(spliced)
        if encoded:
            yield b"".join(encoded)


def without_ids(reason: str, context: Context | None) -> str:
    """Take a partition's ids out of a reason, so that equal reasons are counted together."""
    for value in filter(None, map(str, (context or {}).values())):
        reason = reason.replace(value, "…")
    return reason
