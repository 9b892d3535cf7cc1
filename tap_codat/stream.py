"""The base classes of the streams: lists of the account, of each company, of each connection."""

from __future__ import annotations

import abc
import typing as t
from datetime import timedelta
from functools import partial

from msgspec import Raw
from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from commerce_taps.errors import (
    FilterNotSupported,
    PartitionFailed,
    PartitionRefused,
    PartitionSkipped,
)
from commerce_taps.http import Request, where
from commerce_taps.pagination.counted import counted_pages
from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange, without_bookmarks
from commerce_taps.pagination.parts import Parts
from commerce_taps.records import dates
from commerce_taps.records.envelope import open_envelope
from commerce_taps.stream import HTTPStream
from tap_codat import schemas
from tap_codat.api import CodatApi, check_records, parse_page, query

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context


BARE_SIZE: t.Final = 100
"""Rows of a page if no page size is requested."""


class CodatStream(HTTPStream[CodatApi], abc.ABC):
    """A list of Codat's."""

    schema = StreamSchema(SchemaDirectory(schemas))

    path: str
    """Path below the API's address; `{companyId}` and `{connectionId}` come from the partition."""

    omit_first_page_params: t.ClassVar[bool] = False
    """Whether the endpoint documents no paging parameters: they are sent only if need be, with the
    page size the first page came in."""

    needs_companies: t.ClassVar[bool] = False
    """Whether the list of companies must be fetched before the stream can be read."""

    @override
    def prepare(self) -> None:
        if self.needs_companies:
            self.api.fetch_companies()
        super().prepare()

    @override
    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition, unless Codat gave no id for it."""
        for name, value in (context or {}).items():
            if not value:
                msg = f"the list of companies has no usable `{name}` for its address"
                raise PartitionFailed(msg, where(self.name, context))
        yield from super().read_if_changed(context, start)

    def _segments(self, context: Context | None) -> tuple[str, ...]:
        """Fill in the path, segment by segment: an id may hold a slash."""
        return tuple(part.format(**(context or {})) for part in self.path.split("/"))

    def _request(
        self,
        context: Context | None,
        params: Mapping[str, str | int] | None = None,
        *,
        divisible: bool = False,
    ) -> Request:
        context = context or {}
        return Request(
            self._segments(context),
            params or (),
            stream=self.name,
            context=context,
            concurrency_key=str(context.get("companyId", "")),
            divisible=divisible,
        )

    def _parse_page(self, body: bytes, requested: TimeRange, number: int, size: int) -> Page:
        """Parse a page of the list."""
        return parse_page(
            body, validate=self.shape.validate, requested=requested, number=number, size=size
        )

    def parts(self, context: Context | None, *, ordered: bool = False) -> Parts[TimeRange]:
        """Open a list of this stream.

        Args:
            context: The partition.
            ordered: Whether to request ascending order of the replication key.

        Returns:
            Its pages, for the readers of `commerce_taps.pagination`.
        """
        key = self.replication_key
        page_size = BARE_SIZE if self.omit_first_page_params else int(self.config["page_size"])

        def fetch(requested: TimeRange, number: int, size: int, *, divisible: bool) -> Page:
            params: dict[str, str | int] = {"page": number, "pageSize": size}
            if self.omit_first_page_params and number == 1 and size == page_size:
                params = {}
            if key and ordered:
                params["orderBy"] = key
            if key and requested != UNBOUNDED:
                params["query"] = query(key, requested)
            parse = partial(self._parse_page, requested=requested, number=number, size=size)
            return self.run.client.get(self._request(context, params, divisible=divisible), parse)

        return Parts(fetch, page_size, where(self.name, context), self.logger)

    def counted(
        self,
        context: Context | None,
        *,
        requested: TimeRange = UNBOUNDED,
        keep: TimeRange = UNBOUNDED,
    ) -> Iterator[Page]:
        """Read a list by page numbers.

        Args:
            context: The partition.
            requested: As for `counted_pages`.
            keep: As for `counted_pages`.

        Returns:
            The pages.
        """
        parts = self.parts(context)
        return parts.finish(
            counted_pages(parts.page, self.shape.key, requested=requested, keep=keep)
        )


class CompanyStream(CodatStream, abc.ABC):
    """A list of each company's."""

    context_keys: tuple[str, ...] = ("companyId",)
    needs_companies = True

    @override
    @property
    def partitions(self) -> list[dict[str, t.Any]]:
        """One partition a company."""
        return [{"companyId": company.id} for company in self.api.companies.values()]


class ConnectionStream(CodatStream, abc.ABC):
    """A list of each connection's that belongs to the right kind of source."""

    context_keys = ("companyId", "connectionId")
    needs_companies = True
    primary_keys: t.ClassVar[tuple[str, ...]] = ("companyId", "connectionId", "id")
    source_type: str

    data_type: t.ClassVar[str]
    """Codat's key of the data type, which is the end of its path unless `endpoint` replaces it."""

    endpoint: t.ClassVar[str | None] = None

    @override
    @property
    def path(self) -> str:  # type: ignore[override]
        end = self.endpoint or self.data_type
        return f"companies/{{companyId}}/connections/{{connectionId}}/data/{end}"

    @override
    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition, unless the platform never has its data type."""
        if self.config["skip_unchanged"]:
            self._check_support(context)
        try:
            yield from super().read_if_changed(context, start)
        except PartitionRefused:
            self._check_support(context)
            raise

    def _check_support(self, context: Context | None) -> None:
        """Skip a partition whose platform never has the data type, by Codat's list of platforms."""
        if not self.api.supports(t.cast("Context", context), self.data_type):
            msg = "the platform does not have it"
            raise PartitionSkipped(msg, where(self.name, context))

    @override
    def change_token(self, context: Context | None) -> str | None:
        """Digest the sync status of the data type."""
        if not self.config["skip_unchanged"]:
            return None
        return self.api.change_token(t.cast("Context", context), self.data_type)

    @override
    @property
    def partitions(self) -> list[dict[str, t.Any]]:
        """One partition a connection that may have the data."""
        return [
            {"companyId": company.id, "connectionId": connection.id}
            for company in self.api.companies.values()
            for connection, _ in company.connections
            if connection.has_data_of(self.source_type)
        ]


class ModifiedStream(ConnectionStream, abc.ABC):
    """A connection's data type that Codat sorts and filters by `modifiedDate`."""

    replication_key = "modifiedDate"
    is_sorted = True

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition by its replication key; all of it if Codat does not sort it."""
        parts = self.parts(context, ordered=True)
        try:
            yield from parts.finish(keyset(parts.page, self.shape.key, start, first=parts.first))
        except FilterNotSupported as error:
            self.logger.info("%s: all of it is read: %s", where(self.name, context), error.reason)
            keep = TimeRange(dates.floor(start)) if start else UNBOUNDED
            yield from without_bookmarks(self.counted(context, keep=keep))


class PagedStream(CodatStream, abc.ABC):
    """A list in pages that is read whole."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        return self.counted(context)


class OperationStream(CompanyStream, abc.ABC):
    """A company's log of operations, each of which changes for a while after it was requested.

    Whether Codat can filter it by the time of request is not documented, so it is tried.
    """

    context_keys = ()  # the rows carry the company's id themselves
    lookback: t.ClassVar[timedelta] = timedelta(days=7)
    """How long before the bookmark an operation may have been requested and still change."""

    _filters = True
    """Whether Codat filters, as far as is known."""

    @override
    def _parse_page(self, body: bytes, requested: TimeRange, number: int, size: int) -> Page:
        """Parse a page; if it has rows outside the requested range, the list is not filtered."""
        page = super()._parse_page(body, UNBOUNDED, number, size)
        if not requested.includes_all(page.timestamps):
            msg = "Codat does not filter the list."
            raise FilterNotSupported(msg)
        return page

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the operations since the bookmark and those that may still change."""
        recent = TimeRange(dates.floor(dates.shift(start, -self.lookback))) if start else UNBOUNDED
        if self._filters:
            try:
                yield from self.counted(context, requested=recent)
            except FilterNotSupported:
                if recent is UNBOUNDED:  # no filter was requested
                    raise
                self._filters = False
            else:
                return
        yield from self.counted(context, keep=recent)


class SingleStream(CodatStream, abc.ABC):
    """Records that one response holds completely."""

    envelope: t.ClassVar[t.Any] = Raw
    """The msgspec type of the response."""

    def unwrap(self, response: t.Any) -> Sequence[Raw]:  # noqa: ANN401
        """Take the records out of a response.

        Args:
            response: The decoded envelope; by default it is the record itself.
        """
        return [response]

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:

        def parse(body: bytes) -> Page:
            return self.shape.validate(
                check_records(self.unwrap(open_envelope(body, self.envelope)))
            )

        yield self.run.client.get(self._request(context), parse)
