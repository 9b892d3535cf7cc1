"""What is Codat's own: its envelope, its query language, its errors, whom to ask.

Facts come from Codat's documentation (pages Authentication, Paging, Querying, Modified dates,
Errors, Rate limits) and its OpenAPI specs.
"""

from __future__ import annotations

import abc
import typing as t
from datetime import timedelta
from functools import partial

import msgspec
from msgspec import Raw
from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from commerce_taps.errors import (
    Action,
    ErrorTable,
    FilterNotSupported,
    InvalidResponse,
    Message,
    PartitionFailed,
    PartitionRefused,
    PartitionSkipped,
    Rule,
)
from commerce_taps.http import Request, where
from commerce_taps.pagination.counted import check_page, counted_pages
from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange, without_bookmarks
from commerce_taps.pagination.parts import Parts
from commerce_taps.records import dates
from commerce_taps.records.envelope import NULL, open_envelope, open_list, open_object, open_text
from commerce_taps.redact import first_words
from commerce_taps.stream import HTTPStream
from tap_codat import schemas

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_codat.tap import TapCodat

BARE_SIZE: t.Final = 100
"""Rows a page where no page size is asked for."""

SERVER_ERRORS: t.Final = (500, 501, 502, *range(504, 600))

UNSORTABLE: t.Final = "Codat cannot filter or sort the list so: {message}"

ERRORS: t.Final = ErrorTable(
    Rule(
        range(300, 400),
        Action.RETRY,
        "the address answers with a redirect, where the key is not sent; check `api_url`",
    ),
    Rule((400,), Action.DROP_FILTER, UNSORTABLE, body=b"Could not resolve property"),
    Rule((400,), Action.DROP_FILTER, UNSORTABLE, body=b"Error parsing query"),
    Rule((400,), Action.FAIL, "Codat does not take the request: {message}"),
    Rule(
        (401,),
        Action.STOP,
        "Codat does not accept the key; check `api_key` (the key as the portal shows it) or "
        "`auth_header` (`Basic` and the key in base64): {message}",
        recheck=3,
    ),
    Rule(
        (402,), Action.STOP, "the Codat account has reached a limit of its plan or ended: {message}"
    ),
    Rule((403,), Action.FAIL, "the key may not read this; ask Codat for access: {message}"),
    Rule((404,), Action.SKIP, "nothing there: {message}"),
    Rule((408, 413, 504), Action.RETRY, "Codat took too long", on_exhausted=Action.REDUCE),
    Rule((409,), Action.SKIP, "not synced by Codat yet: {message}"),
    Rule(
        (429,),
        Action.RETRY,
        "Codat's request quota or limit is reached: {message}",
        on_exhausted=Action.STOP,
    ),
    Rule((451,), Action.SKIP, "blocked for compliance reasons: {message}"),
    Rule(
        (503,), Action.RETRY, "Codat is down for maintenance: {message}", on_exhausted=Action.STOP
    ),
    Rule(
        SERVER_ERRORS,
        Action.RETRY,
        "Codat has a fault of its own: {message}",
        on_exhausted=Action.REDUCE,
    ),
    form=("statusCode", "error"),
)


def api_message(body: bytes) -> Message:
    """Find Codat's own words in the body of a failed answer.

    Args:
        body: An `ErrorMessage` object, or anything a proxy may have put in its place.

    Returns:
        Its `error` text, and the correlation id that Codat's support asks for.
    """
    message = open_object(body)
    reference = open_text(message.get("correlationId", NULL))
    words = open_text(message.get("error", NULL)).strip()
    return Message(words or first_words(body), f"correlation id {reference}" if reference else "")


# --- envelopes ----------------------------------------------------------------------------------


class _Envelope(msgspec.Struct, rename="camel"):
    results: list[Raw] | None
    total_results: int
    page_size: int | None = None
    page_number: int | None = None
    links: t.Any = msgspec.field(name="_links", default=None)


def _has_next(links: t.Any) -> bool | None:  # noqa: ANN401 (JSON)
    """Tell whether another page follows, by the links of a page; `None` without any links."""
    if not isinstance(links, dict):
        return None
    link = links.get("next")
    href = link.get("href") if isinstance(link, dict) else link
    return isinstance(href, str) and bool(href)


def _check_records(records: Sequence[Raw]) -> Sequence[Raw]:
    """Refuse records of which none is an object: that is a response in another form.

    Raises:
        InvalidResponse: It is.
    """
    if records and not any(bytes(raw)[:1] == b"{" for raw in records):
        msg = "no record of the page is an object"
        raise InvalidResponse(msg)
    return records


def query(field: str, requested: TimeRange) -> str:
    """Write a range in Codat's query language.

    Args:
        field: The field it is of.
        requested: The range.

    Returns:
        For example `modifiedDate>=2024-01-01T00:00:00Z`; "" for everything.
    """
    bounds = ((">=", requested.start), ("<", requested.end))
    return "&&".join(f"{field}{op}{dates.render(value)}" for op, value in bounds if value)


class CodatStream(HTTPStream, abc.ABC):
    """A list of Codat's."""

    schema = StreamSchema(SchemaDirectory(schemas))
    _tap: TapCodat

    path: str
    """Path below the API's address; `{companyId}` and `{connectionId}` come from the partition."""

    first_page_bare: t.ClassVar[bool] = False
    """Whether the endpoint documents no paging parameters: they are sent only if need be, with the
    page size the first page came in."""

    @override
    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition, unless Codat has given no id to ask for it by. See the base class."""
        for name, value in (context or {}).items():
            if not value:
                msg = f"the list of companies gives no usable `{name}` to ask for it by"
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
        """Open a page of the usual envelope. What it does not say of itself is taken as asked."""
        envelope = open_envelope(body, _Envelope)
        if envelope.page_number not in (number, None):
            msg = f"page {number} was asked for and page {envelope.page_number} came"
            raise InvalidResponse(msg)
        page = self.shape.validate(_check_records(envelope.results or ()))
        page.total = envelope.total_results
        page.size = size = envelope.page_size if envelope.page_size is not None else size
        has_next = _has_next(envelope.links)
        if has_next is None:
            has_next = (number - 1) * size + len(page.records) < page.total
        page.has_next = has_next
        return check_page(page, requested, number)

    def parts(self, context: Context | None, *, ordered: bool = False) -> Parts[Page]:
        """Open a list of this stream.

        Args:
            context: The partition.
            ordered: Whether to ask for ascending order of the replication key.

        Returns:
            Its pages, for the readers of `commerce_taps.pagination`.
        """
        key = self.replication_key
        page_size = BARE_SIZE if self.first_page_bare else int(self.config["page_size"])

        def fetch(requested: TimeRange, number: int, size: int, *, divisible: bool) -> Page:
            params: dict[str, str | int] = {"page": number, "pageSize": size}
            if self.first_page_bare and number == 1 and size == page_size:
                params = {}
            if key and ordered:
                params["orderBy"] = key
            if key and requested != UNBOUNDED:
                params["query"] = query(key, requested)
            parse = partial(self._parse_page, requested=requested, number=number, size=size)
            return self._tap.client.get(self._request(context, params, divisible=divisible), parse)

        return Parts(fetch, Page.join, page_size, where(self.name, context), self.logger)

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

    context_keys: t.ClassVar[tuple[str, ...]] = ("companyId",)

    @override
    @property
    def partitions(self) -> list[dict[str, t.Any]]:
        """One partition a company."""
        return [{"companyId": company.id} for company in self._tap.companies.values()]


class ConnectionStream(CodatStream, abc.ABC):
    """A list of each connection's that belongs to the right kind of source."""

    context_keys = ("companyId", "connectionId")
    primary_keys: t.ClassVar[tuple[str, ...]] = ("companyId", "connectionId", "id")
    source_type: str

    data_type: t.ClassVar[str]
    """Codat's key of the data type, which is the end of its path unless `endpoint` says other."""

    endpoint: t.ClassVar[str | None] = None

    @override
    @property
    def path(self) -> str:  # type: ignore[override]
        """Path below the API's address. See the base class."""
        end = self.endpoint or self.data_type
        return f"companies/{{companyId}}/connections/{{connectionId}}/data/{end}"

    @override
    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition, unless the platform never has the data. See the base class."""
        if self.config["skip_unchanged"]:
            self._check_support(context)
        try:
            yield from super().read_if_changed(context, start)
        except PartitionRefused:
            self._check_support(context)
            raise

    def _check_support(self, context: Context | None) -> None:
        """Skip a partition whose platform never has the data, as Codat's list of them says."""
        connection, _ = self._tap.connection(t.cast("Context", context))
        if not self._tap.freshness.supported(connection.integration_key, self.data_type):
            msg = "the platform does not have it"
            raise PartitionSkipped(msg, where(self.name, context))

    @override
    def change_token(self, context: Context | None) -> str | None:
        """Mark what Codat tells of this data type. See the base class."""
        if not self.config["skip_unchanged"]:
            return None
        return self._tap.freshness.mark(t.cast("Context", context), self.data_type)

    @override
    @property
    def partitions(self) -> list[dict[str, t.Any]]:
        """One partition a connection that may have the data."""
        return [
            {"companyId": company.id, "connectionId": connection.id}
            for company in self._tap.companies.values()
            for connection, _ in company.connections
            if connection.has_data_of(self.source_type)
        ]


class ModifiedStream(ConnectionStream, abc.ABC):
    """A connection's data type that Codat sorts and filters by `modifiedDate`."""

    replication_key = "modifiedDate"
    is_sorted = True

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition by key; whole where Codat does not sort it. See the base class."""
        parts = self.parts(context, ordered=True)
        try:
            yield from parts.finish(keyset(parts.page, self.shape.key, start, first=parts.first))
        except FilterNotSupported as error:
            self.logger.info("%s is read whole: %s", where(self.name, context), error.reason)
            keep = TimeRange(dates.floor(start)) if start else UNBOUNDED
            yield from without_bookmarks(self.counted(context, keep=keep))


class PagedStream(CodatStream, abc.ABC):
    """A list in pages that is read whole."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition by page numbers. See the base class."""
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
        """Open a page; one of more than was asked for is none of a filtered list."""
        page = super()._parse_page(body, UNBOUNDED, number, size)
        if not requested.includes_all(page.timestamps):
            msg = "Codat does not filter the list."
            raise FilterNotSupported(msg)
        return page

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the operations of late. See the base class."""
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
    """What comes whole in one answer."""

    envelope: t.ClassVar[t.Any] = Raw
    """The msgspec type of the answer."""

    def unwrap(self, answer: t.Any) -> Sequence[Raw]:  # noqa: ANN401
        """Take the records out of the answer.

        Args:
            answer: The decoded envelope; by default the record itself.

        Returns:
            The records.
        """
        return [answer]

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition with one request. See the base class."""

        def parse(body: bytes) -> Page:
            return self.page_of(_check_records(self.unwrap(open_envelope(body, self.envelope))))

        yield self._tap.client.get(self._request(context), parse)


# --- whom to ask --------------------------------------------------------------------------------


class Connection(msgspec.Struct):
    """What the tap has to know of a connection. Whatever may be null, or something else.

    Attributes:
        id: Its id; `None` where Codat gives none that is a text.
        status: Its status; "" where that is no text. So with all others.
        source_type: The kind of its source.
        integration_key: The key of its platform.
        last_sync: When it was synced last.
    """

    id: str | None
    status: str
    source_type: str
    integration_key: str
    last_sync: str

    def has_data_of(self, source_type: str) -> bool:
        """Tell whether data of a kind of source may be here.

        What a connection has synced stays readable after it is unlinked; one that was never
        authorised has synced nothing. One whose kind is not told may be of any.

        Args:
            source_type: The kind of source; "" for any.

        Returns:
            Whether it may.
        """
        alike = self.source_type == source_type or not (self.source_type and source_type)
        return alike and self.status != "PendingAuth"


class Company(msgspec.Struct):
    """A company with its connections, decoded and as they came.

    Attributes:
        id: The company's id; `None` where Codat gives none that is a text.
        raw: The company's record.
        connections: Its connections, decoded and as they came.
    """

    id: str | None
    raw: Raw
    connections: list[tuple[Connection, Raw]]


def company(raw: Raw) -> Company:
    """Decode a company's record as far as it is needed.

    Args:
        raw: The record, or whatever Codat has sent in its place.

    Returns:
        The company.
    """
    record = open_object(raw)
    sent = record.get("dataConnections", NULL)
    connections = open_list(sent)
    # What cannot be read, and may have held connections, stands for one that cannot be read.
    if not record or not (connections or bytes(sent) in {b"null", b"[]", b"{}"}):
        connections = [sent]
    id_ = open_text(record.get("id", NULL)) or None
    return Company(id_, raw, [(connection(one), one) for one in connections])


def connection(raw: Raw) -> Connection:
    """Decode a connection's record as far as it is needed.

    Args:
        raw: The record, or whatever Codat has sent in its place.

    Returns:
        The connection.
    """
    record = open_object(raw)
    id_, *others = (
        open_text(record.get(name, NULL))
        for name in ("id", "status", "sourceType", "integrationKey", "lastSync")
    )
    return Connection(id_ or None, *others)
