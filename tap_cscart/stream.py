"""The base class of the streams: what a stream declares, how its list is read, and with what."""

from __future__ import annotations

import abc
import re
import typing as t
from collections import defaultdict
from datetime import datetime, timedelta
from functools import cached_property, partial

from msgspec import Raw
from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from commerce_taps.bookmarks import look_back
from commerce_taps.errors import (
    InvalidResponse,
    PartitionFailed,
    PartitionForbidden,
    PartitionSkipped,
)
from commerce_taps.http import where
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange, digest
from commerce_taps.pagination.parts import MAX_UNREADABLE_ROWS
from commerce_taps.records import dates
from commerce_taps.records.children import child_page
from commerce_taps.records.normalize import AnyRecord, NormalizedRecord, values_of
from commerce_taps.records.validate import Shape
from commerce_taps.stream import HTTPStream
from tap_cscart import schemas
from tap_cscart.api import CSCartApi, company_ids
from tap_cscart.normalize import normalizer
from tap_cscart.pagination import ListReader
from tap_cscart.requests import build_request
from tap_cscart.responses import KIND_PARAMS, ListResponse, decode_body, parse_list

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_sdk import Stream
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.tap_base import Tap

    from commerce_taps.http import Client, Request
    from tap_cscart.requests import Params

T = t.TypeVar("T")
Id = int | str

COMPANY: t.Final = "read_company_id"
"""The column with the store or vendor through which a row was read."""

_COMPANY_SCHEMA: t.Final = {
    "type": "integer",
    "description": "Id of the store or vendor of `company_ids` the row was read through.",
}
SAMPLE_SIZE: t.Final = 10
"""Rows of a list that discovery reads, to find columns that only this store has."""

KIND_FORM: t.Final = re.compile("[A-Z0-9]", re.ASCII)
"""The form of a kind: a type of accounts, of statuses, of features."""


class StoreSchema(StreamSchema[str]):
    """The schema of a stream: its file, the columns of the store, and the company's column."""

    @override
    def get_stream_schema(self, stream: Stream, stream_class: type[Stream]) -> dict[str, t.Any]:
        schema: dict[str, t.Any] = super().get_stream_schema(stream, stream_class)
        if isinstance(stream, CSCartStream):
            schema = stream.sampled_schema or schema
            if stream.context_keys:
                schema = {
                    **schema,
                    "properties": {COMPANY: _COMPANY_SCHEMA, **schema["properties"]},
                }
        return schema


class CSCartStream(HTTPStream[CSCartApi], abc.ABC):
    """A list of a store, declared by class attributes."""

    schema = StoreSchema(SchemaDirectory(schemas))
    primary_keys: tuple[str, ...]

    path: str
    """Path below the API's address."""

    selector: t.ClassVar[str | None] = None
    """Where in the envelope the rows are, if not under the path; "" where there is no envelope."""

    privilege: t.ClassVar[str]
    """The privilege that an account needs to read it."""

    add_on: t.ClassVar[str] = ""
    """The add-on it belongs to. Without the add-on the store responds with 404."""

    version: t.ClassVar[str] = ""
    """The version of the API it belongs to, if not the one of the settings."""

    default_page_size: t.ClassVar[int] = 250
    """Rows to request per page, unless `page_size` is set."""

    single_page: t.ClassVar[bool] = False
    """Whether some release has no second page of it, so that an empty one is not the end."""

    sort_by: t.ClassVar[str] = ""
    """A sort order in which rows only move to the end while they are read."""

    params: t.ClassVar[Params] = {}
    """Parameters of every request."""

    localized: t.ClassVar[bool] = True
    """Whether requests have `lang_code`."""

    per_company: t.ClassVar[bool] = True
    """Whether it is read for each of `company_ids`."""

    required_lookups: t.ClassVar[tuple[str, ...]] = ()
    """Look-ups of the probe without which it fails."""

    detail_columns: t.ClassVar[tuple[str, ...]] = ()
    """Columns that only the response for a single row has. Selecting one costs a request a row."""

    @override
    def __init__(self, tap: Tap, sampled: Mapping[str, dict[str, t.Any]] = {}) -> None:
        """Apply `company_ids` to the keys.

        Args:
            sampled: Schemas with the columns that discovery found in the store, by stream.
        """
        self.sampled_schema = sampled.get(self.name)
        self._faults: dict[str, list[PartitionFailed]] = defaultdict(list)
        if self.per_company and company_ids(tap.config):
            self.context_keys = (COMPANY,)
            self.primary_keys = (COMPANY, *self.primary_keys)
        super().__init__(tap)

    # --- hooks ----------------------------------------------------------------------------------

    def filters(self, start: datetime | None) -> Params:  # noqa: ARG002
        """Return the parameters by which the store itself filters the list.

        The tap filters each row as well.

        Args:
            start: As for `read`.
        """
        return {}

    def adjust(self, record: Record) -> None:
        """Change a normalized record in place."""

    def parse_list(self, body: bytes) -> ListResponse:
        """Parse the body of a page; its rows stay as they were sent."""
        selector = self.path if self.selector is None else self.selector
        return parse_list(body, selector, bare=self.is_bare)

    def enrich(self, context: Context | None, rows: Page) -> Page:
        """Add to new rows what the list does not contain."""
        selected = any(self._emits(name) for name in self.detail_columns)
        return self.fetch_details(context, rows) if selected else rows

    def child_rows(self, parent: Record) -> Iterable[t.Any]:
        """Extract the rows of this stream from a record of the parent stream.

        Returns:
            The rows. Those that are not objects fail where records are validated.
        """
        raise NotImplementedError

    def merge_detail(self, row: Record, detail: Record) -> Record:
        """Merge a row of the list with its own response, which wins."""
        return {**row, **detail}

    # --- partitions and requests ----------------------------------------------------------------

    @property
    @override
    def partitions(self) -> list[dict[str, t.Any]] | None:
        """One partition, or one for each of `company_ids`."""
        ids = company_ids(self.config) if self.per_company else []
        return [{COMPANY: id_} for id_ in ids] or None

    @override
    def own_start(self, context: Context | None) -> datetime | None:
        """Start `lookback` before the bookmark, but not before `start_date`."""
        start = super().own_start(context)
        if self.bookmarks.find(context).get("replication_key_value") is None:
            return start
        overlap = timedelta(seconds=self.config["lookback"])
        return look_back(start, overlap, self.config.get("start_date"))

    @property
    def client(self) -> Client:
        """Makes the requests."""
        return self.run.client

    @property
    def is_bare(self) -> bool:
        """Whether lists have no envelope."""
        return (self.version or self.config["api_version"]) == "1.0"

    @property
    def page_size(self) -> int:
        """Rows to request per page."""
        if self.api.sampling:
            return SAMPLE_SIZE
        return int(self.config.get("page_size", self.default_page_size))

    def request(
        self,
        context: Context | None,
        *path: str,
        params: Params | None = None,
        divisible: bool = False,
    ) -> Request:
        """Build a request for the partition's company, in the language of the settings.

        Args:
            path: Segments of the path below the API's address.
            params: As for `build_request`.
            divisible: As for `Request`.

        Raises:
            PartitionFailed: The company could not be looked up at the start.
        """
        company = (context or {}).get(COMPANY)
        if company:
            self.require(f"{self.api.store.company_path}/{company}", context)
        segments = (self.api.store.company_path, str(company), *path) if company else path
        language = self.config.get("lang_code") if self.localized else None
        # Some texts depend on the one parameter, some on the other.
        languages = {"lang_code": language, "sl": language} if language else {}
        return build_request(
            self.config,
            segments,
            {**languages, **(params or {})},
            version=self.version,
            stream=self.name,
            context=context,
            divisible=divisible,
        )

    def require(self, name: str, context: Context | None) -> None:
        """Check that a look-up of the probe succeeded.

        Raises:
            PartitionFailed: It failed, so this stream cannot be read either.
        """
        if fault := self.api.store.faults.get(name):
            msg = f"{fault}, when `{name}` was looked up at the start"
            raise PartitionFailed(msg, where(self.name, context))

    # --- reading a list -------------------------------------------------------------------------

    @override
    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition, and name the privilege or add-on that it lacks."""
        at = where(self.name, context)
        try:
            yield from super().read_if_changed(context, start)
        except PartitionForbidden as error:
            msg = f"the account may not read this: give it the privilege `{self.privilege}`"
            if context:
                msg += ", and one that is not tied to another company"
            self.logger.warning("%s: %s.", at, msg)
            raise PartitionForbidden(msg, at) from error
        except PartitionSkipped as error:
            if self.add_on:
                msg = f"the store has no such thing: the add-on {self.add_on} is off"
                self.logger.warning("%s: %s.", at, msg)
                raise PartitionSkipped(msg, at) from error
            raise

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        return self.read_list(context, start, self.filters(start))

    def read_list(
        self,
        context: Context | None,
        start: datetime | None,
        params: Params,
        added: Mapping[str, t.Any] | None = None,
    ) -> Iterator[Page]:
        """Read one list to its end, with details and child rows.

        Args:
            start: Rows with an earlier timestamp are left out; `None` for none.
            params: As for `iter_list`.
            added: As for `iter_list`.

        Yields:
            The pages; the last one has the bookmark.
        """
        for name in self.required_lookups:
            self.require(name, context)
        began, latest = self.client.now, None
        keep = TimeRange(dates.floor(start)) if start else UNBOUNDED
        for page in self.iter_list(context, params, added):
            requested = _keep_requested_kinds(page, {**self.params, **params})
            rows = self.enrich(context, requested.within(keep)).within(keep)
            timestamps = [one for one in (latest, *rows.timestamps) if one is not None]
            latest = max(timestamps, default=None)
            if rows.records:
                yield self.add_children(context, rows)
        self.raise_faults(context)
        if latest is not None:
            # A row that changes after it was read gets a timestamp after the start of the reading,
            # by the store's clock.
            yield Page((), bookmark=min(latest, began))

    def iter_list(
        self,
        context: Context | None,
        params: Params,
        added: Mapping[str, t.Any] | None = None,
    ) -> Iterator[Page]:
        """Read one list to its end, without details and child rows.

        Args:
            params: Parameters that select the list, in addition to those of the stream.
            added: Columns to add to each row.

        Yields:
            The pages; each row is in one of them.

        Raises:
            PartitionFailed: The list kept changing, or a row cannot be read.
        """
        reader = ListReader(
            self.client,
            where(self.name, context),
            self.logger,
            partial(self.request, context, *self.path.split("/")),
            self.parse_list,
            partial(self.parse_rows, added=added),
            self.shape.key,
            self.page_size,
            self.sort_by,
            self.single_page,
        )
        return reader.pages({**self.params, **params})

    def read_all(self, lists: Iterable[Iterator[Page]]) -> Iterator[Page]:
        """Read one list after the other, even if some fail.

        Args:
            lists: The pages of the lists.

        Yields:
            The pages of all.

        Raises:
            PartitionFailed: The first failure, once all lists are read.
        """
        failed: PartitionFailed | None = None
        for pages in lists:
            try:
                yield from pages
            except PartitionFailed as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def normalize(
        self, raw: Raw | bytes, added: Mapping[str, t.Any] | None = None
    ) -> NormalizedRecord | None:
        """Decode and normalize a row.

        Args:
            raw: The row as it was sent.

        Returns:
            The record; `None` for what is no object.
        """
        record = normalizer(self.name)(raw)
        if not record:
            return None
        if added:
            record = {**added, **record}
        self.adjust(record)
        return NormalizedRecord(record, digest(Raw(raw)))

    def parse_rows(self, raws: Iterable[Raw], added: Mapping[str, t.Any] | None = None) -> Page:
        """Decode and normalize the rows of a page.

        Args:
            raws: The rows as they were sent.
            added: Columns to add to each.

        Returns:
            The records. Rows that are not objects fail where records are validated.

        Raises:
            InvalidResponse: No row has a key: they belong to another list.
        """
        rows = self.shape.page_of([self.normalize(raw, added) or raw for raw in raws])
        keys = map(self.shape.key, rows.records)
        if rows.records and not any(isinstance(key, tuple) for key in keys):
            msg = f"every row lacks its key ({', '.join(type(self).primary_keys)})"
            raise InvalidResponse(msg)
        return rows

    def add_children(self, context: Context | None, rows: Page) -> Page:  # noqa: ARG002
        """Make a page of rows and of the rows nested in them."""
        return Page(
            rows.records,
            rows.valid,
            children={
                child.name: child_page(
                    row for record in rows.records for row in child.child_rows(values_of(record))
                )
                for child in t.cast("list[CSCartStream]", self.children)
            },
        )

    # --- a request for each row -----------------------------------------------------------------

    def fetch_details(self, context: Context | None, rows: Page) -> Page:
        """Fetch each row of a page by itself, several at the same time.

        Args:
            rows: Page of the list.

        Returns:
            The rows, merged with their own responses. A row that has just been deleted, and one
            without an id, stay as the list has them. A row that cannot be read is left out, and
            fails the partition at the end of the list.
        """
        name, found = type(self).primary_keys[0], list[AnyRecord]()
        details = self.fetch_by_id(context, [id_from(values_of(row), name) for row in rows.records])
        for row, detail in zip(rows.records, details, strict=True):
            if isinstance(detail, PartitionFailed):
                self.add_fault(context, detail)
            elif detail:
                merged = self.merge_detail(values_of(row), detail)
                found.append(NormalizedRecord(merged, digest(row)))
            else:
                found.append(row)
        return self.shape.page_of(found)

    def fetch_by_id(
        self, context: Context | None, ids: Sequence[Id | None]
    ) -> list[Record | PartitionFailed | None]:
        """Fetch rows one by one, several at the same time.

        Args:
            ids: Their ids; `None` for a row that has none.

        Returns:
            The rows in order; `None` for one that no longer exists, and the failure for one that
            cannot be read.
        """
        return self.fetch_each(
            None
            if id_ is None
            else (self.request(context, self.path, str(id_)), partial(self._parse_detail, id_))
            for id_ in ids
        )

    def _parse_detail(self, id_: Id, body: bytes) -> Record:
        row = self.normalize(decode_body(body, Raw))
        name = type(self).primary_keys[0]
        if row is None or row.values.get(name) != id_:
            msg = f"the response is not the row whose `{name}` is {id_}"
            raise InvalidResponse(msg)
        return row.values

    def fetch_per_row(
        self,
        context: Context | None,
        pages: Iterable[Sequence[Id | None]],
        build: Callable[[Id], tuple[Request, Callable[[bytes], Page]]],
    ) -> Iterator[Page]:
        """Read the rows that belong to the rows of another list, with a request for each of those.

        Args:
            pages: The ids of the other list, page by page; `None` for a row without one.
            build: Returns the request for an id, and the function that parses its response.

        Yields:
            The rows.

        Raises:
            PartitionFailed: A request failed; all others were made.
        """
        for ids in pages:
            results = self.fetch_each(None if id_ is None else build(id_) for id_ in ids)
            for id_, result in zip(ids, results, strict=True):
                if id_ is None:
                    msg = "a row of the parent list has no id to request its rows by"
                    self.add_fault(context, PartitionFailed(msg, where(self.name, context)))
                elif isinstance(result, PartitionFailed):
                    self.add_fault(context, result)
                elif result is not None:
                    yield Page(result.records, result.valid)
        self.raise_faults(context)

    def fetch_each(
        self, requests: Iterable[tuple[Request, Callable[[bytes], T]] | None]
    ) -> list[T | PartitionFailed | None]:
        """Make several requests at the same time; one that fails does not stop the others.

        Args:
            requests: Each request with the function that parses its response; `None` for no
                request.

        Returns:
            The parsed responses in order; `None` for what does not exist, and the failure for what
            cannot be read.
        """
        return list(self.client.workers.run_all(partial(self._fetch, one) for one in requests))

    def _fetch(
        self, request: tuple[Request, Callable[[bytes], T]] | None
    ) -> T | PartitionFailed | None:
        if request is None:
            return None
        try:
            return self.client.find(*request)
        except PartitionFailed as error:
            return error

    def add_fault(self, context: Context | None, error: PartitionFailed) -> None:
        """Note that a row, or a part of one, cannot be read; the partition fails at its end.

        Raises:
            PartitionFailed: There are too many failures to go on.
        """
        faults = self._faults[where(self.name, context)]
        faults.append(error)
        if len(faults) > MAX_UNREADABLE_ROWS:
            raise error

    def raise_faults(self, context: Context | None) -> None:
        """Fail at the end of a list if a part of it could not be read.

        Raises:
            PartitionFailed: A part could not be read.
        """
        if faults := self._faults.pop(where(self.name, context), None):
            more = f"; {len(faults) - 1} more like this" if len(faults) > 1 else ""
            first = faults[0]
            reason = f"{first.reason.rstrip('.')}{more}"
            raise PartitionFailed(reason, first.where, remedy=first.remedy)

    # --- discovery ------------------------------------------------------------------------------

    @cached_property
    @override
    def children(self) -> list[HTTPStream[CSCartApi]]:
        """The selected child streams; while discovery samples the store, all of them."""
        if self.api.sampling:
            return t.cast("list[HTTPStream[CSCartApi]]", list(self.child_streams))
        return super().children

    def sample(self) -> Iterator[tuple[str, dict[str, t.Any]]]:
        """Read a few rows to find columns that the schema lacks.

        Yields:
            Name and schema of this stream and of its children, for those that have new columns.
        """
        context = next(iter(self.partitions or ()), None)
        page = next((page for page in self.read(context, None) if page.records), Page(()))
        for stream in (self, *self.children):
            own = page if stream is self else page.children.get(stream.name, Page(()))
            shape = Shape(stream.schema, keys=stream.primary_keys, context_keys=stream.context_keys)
            misfits = [raw for raw, fit in zip(own.records, own.valid, strict=True) if not fit]
            shape.conform(misfits, context or {})
            if shape.new_columns:
                yield stream.name, shape.schema


def id_from(record: Record, name: str) -> Id | None:
    """Return the id by which a row can be requested; `None` if it has no usable one.

    Args:
        name: The column of the id.
    """
    value = record.get(name)
    is_id = isinstance(value, (int, str)) and not isinstance(value, bool) and value != ""
    return value if is_id else None


def _keep_requested_kinds(rows: Page, params: Params) -> Page:
    """Leave out rows of a kind that was not requested: a store ignores unknown parameters."""
    kinds = {KIND_PARAMS[name]: params[name] for name in KIND_PARAMS.keys() & params.keys()}
    if not kinds:
        return rows
    records = map(values_of, rows.records)
    return rows.only(
        [not any(_is_other(one.get(k), kind) for k, kind in kinds.items()) for one in records]
    )


def _is_other(value: object, kind: object) -> bool:
    """Whether a value is another kind; a value that has not the form of a kind is not."""
    return isinstance(value, str) and value != kind and bool(KIND_FORM.fullmatch(value))
