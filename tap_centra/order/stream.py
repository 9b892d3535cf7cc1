"""The base classes of the Order API's streams: the envelope, four ways of paging, the times.

Sources are the pages of Centra's reference of the Order API. Ids are numbers in every stream, so
that streams can be joined: the API writes some as text.
"""

from __future__ import annotations

import abc
import re
import typing as t
from datetime import datetime, timedelta
from functools import cached_property, partial
from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

from msgspec import Raw
from singer_sdk import StreamSchema
from typing_extensions import override

from commerce_taps.bookmarks import LEEWAY, SafeBookmark, look_back
from commerce_taps.errors import ErrorResponse, InvalidResponse, PartitionFailed, RequestTooLarge
from commerce_taps.http import Request
from commerce_taps.pagination.overlapping import overlapping_pages
from commerce_taps.pagination.page import PLACEHOLDER, Page, Params, digest
from commerce_taps.pagination.parts import Parts
from commerce_taps.records import dates
from commerce_taps.records.envelope import open_envelope
from commerce_taps.records.normalize import AnyRecord, NormalizedRecord, values_of
from commerce_taps.stream import HTTPStream
from tap_centra.failures import Failures
from tap_centra.order import schemas
from tap_centra.order.api import OrderApi
from tap_centra.order.normalize import normalizer, to_wall_time
from tap_centra.php_json import NOTHING, entries_of, is_object, value_of
from tap_centra.schema_files import SchemaFiles

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context

    from commerce_taps.records.conform import Record

    Records = Iterator[Sequence[AnyRecord]]
    """The records of a list, page by page."""

REPEATED_HOUR: t.Final = timedelta(hours=1)
"""When clocks go back, an hour of wall times repeats, and a time does not show which one it is of.
Filters begin so much earlier."""


class OrderStream(HTTPStream[OrderApi], abc.ABC):
    """A stream of the Order API."""

    schema = StreamSchema(SchemaFiles(schemas))


class EndpointStream(OrderStream, abc.ABC):
    """A stream with an endpoint of its own."""

    path: str
    """The path below the API's address, with `{id}` where a record's id goes."""

    selector: str
    """The name of the records in the envelope."""

    @cached_property
    def _normalize(self) -> Callable[[bytes], Record | None]:
        return normalizer(self.schema, self.api.zone)

    @property
    def is_single(self) -> bool:
        """Whether the envelope holds one record, and not a list."""
        return "{id}" in self.path

    def fetch(self, params: Params, record_id: str = "", *, divisible: bool = False) -> Page:
        """Fetch one page, or one record.

        Args:
            params: The query parameters.
            record_id: The id for the path.
            divisible: As in `Request`.

        Raises:
            InvalidResponse: The response is not the one requested.
            TapError: As the error table decides.
        """
        path = tuple(part.format(id=record_id) for part in self.path.split("/"))
        context = {"id": record_id} if record_id else {}
        request = Request(path, params, stream=self.name, context=context, divisible=divisible)
        return self.run.client.get(request, partial(self._parse, record_id=record_id))

    def _parse(self, body: bytes, record_id: str = "") -> Page:
        envelope = open_envelope(body, dict[str, Raw])
        if value_of(envelope, "status") != "ok":
            if "status" in envelope:
                raise ErrorResponse
            msg = "the response has no `status`: it is not the Order API's"
            raise InvalidResponse(msg)
        rows = self._rows(envelope)
        link = value_of(envelope, "next") or None
        if not isinstance(link, str | None):
            msg = "the response has a `next` that is no link"
            raise InvalidResponse(msg)
        records = list(map(self._normalized, rows))
        if record_id and any(self._is_other(record, record_id) for record in records):
            msg = "the response has another id than the requested one"
            raise InvalidResponse(msg)
        return Page(records, has_next=link is not None, cursor=link)

    def _rows(self, envelope: Mapping[str, Raw]) -> list[Raw]:
        """Find the records in the envelope, whatever they are."""
        raw = envelope.get(self.selector, Raw(b"null"))
        found = entries_of(envelope, self.selector)
        if self.is_single and is_object(raw):
            found = [raw] if found else None
        if found is None or bytes(raw) in NOTHING or (self.is_single and not found):
            msg = f"the response has no `{self.selector}`"
            raise InvalidResponse(msg)
        return found

    def _normalized(self, raw: Raw) -> AnyRecord:
        """Decode and normalize a record; what is no object is left to the writer to report."""
        record = self._normalize(raw)
        return raw if record is None else NormalizedRecord(record, digest(raw))

    def _is_other(self, record: AnyRecord, record_id: str) -> bool:
        """Return whether a record has an id, and not this one."""
        value = values_of(record).get(self.primary_keys[0])
        return isinstance(value, int | str) and str(value).lstrip("0") != record_id.lstrip("0")


class ListStream(EndpointStream, abc.ABC):
    """A stream that reads a list. Its bookmark moves at the end of the list."""

    looks_back: t.ClassVar[bool] = False
    """Whether rows may change after the time they are filtered by."""

    filter_names: t.ClassVar[tuple[str, ...]] = ()
    """The parameters that filter by time. A row is new if any of them includes it."""

    page_limit: int = 200
    """The most rows of a page."""

    @abc.abstractmethod
    def read_list(self, start: datetime | None, failures: Failures) -> Records:
        """Read the records, page by page.

        Args:
            start: Where to begin, inclusive; `None` for everything.
            failures: Gets the rows that cannot be read.
        """

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        failures, bookmark = Failures(), None
        for records in self.read_list(start, failures):
            bookmark = bookmark or SafeBookmark(self.run.client.now)
            page = self.shape.page_of(records)
            bookmark.add(page.timestamps)
            self.add_children(page, failures)
            yield page
        failures.raise_if_any()
        if bookmark:
            yield Page((), bookmark=bookmark.value)

    def add_children(self, page: Page, failures: Failures) -> None:
        """Add the records inside of a page's records to `page.children`.

        Args:
            page: The page.
            failures: Gets the rows that cannot be read.
        """

    @property
    def _limit(self) -> int:
        return min(int(self.config["page_size"]), self.page_limit)

    def _filter_start(self, start: datetime | None) -> datetime | None:
        """Return the time at which the filter begins."""
        begin = start
        if self.looks_back:
            overlap = timedelta(days=self.config["lookback_days"])
            begin = look_back(start, overlap, self.config.get("start_date"))
        return None if begin is None else dates.shift(begin, -REPEATED_HOUR)


class DetailStream(ListStream, abc.ABC):
    """Records fetched one by one, by the ids of another list."""

    ids_from: t.ClassVar[type[ListStream]]
    """The stream whose list has the ids."""

    @override
    def read_list(self, start: datetime | None, failures: Failures) -> Records:
        """Read the record of each id, as many at once as a page has."""
        ids = self._ids(start, failures)
        for first in range(0, len(ids), self._limit):
            some = ids[first : first + self._limit]
            fetches = (partial(self._fetch_one, one, start, failures) for one in some)
            found = self.run.client.workers.run_all(fetches)
            yield [record for records in found for record in records]

    def _fetch_one(
        self, record_id: str, start: datetime | None, failures: Failures
    ) -> Sequence[AnyRecord]:
        """Fetch a record; none if it was removed after the list was read."""
        try:
            return self.fetch({}, record_id).records
        except PartitionFailed as error:
            if record_id in self._ids(start, Failures()):
                failures.add(error.reason, f"id {record_id}")
            return []

    def _ids(self, start: datetime | None, failures: Failures) -> list[str]:
        """List the ids, each once."""
        parent = self.ids_from(self._tap)
        (key,) = parent.primary_keys
        found: list[str] = []
        for number, records in enumerate(parent.read_list(start, failures), 1):
            place = f"page {number} of `{parent.name}`"
            for row, record in enumerate(records, 1):
                value = values_of(record).get(key)
                if isinstance(value, int | str) and value != "":
                    found.append(str(value))
                else:
                    failures.add(f"a row has no `{key}` to fetch it by", f"row {row} of {place}")
        return list(dict.fromkeys(found))


class PagedStream(ListStream, abc.ABC):
    """A list that comes in pages."""

    @override
    def read_list(self, start: datetime | None, failures: Failures) -> Records:
        """Read what is new by any of the filters."""
        begin = self._filter_start(start)
        if begin is None or not self.filter_names:
            yield from self.pages({}, failures)
            return
        since, seen = to_wall_time(begin, self.api.zone), set[bytes]()
        for name in self.filter_names:
            for records in self.pages({name: since}, failures):
                yield Page(records).unseen(seen).records

    @abc.abstractmethod
    def pages(self, params: Params, failures: Failures) -> Records:
        """Read all pages of a list.

        Args:
            params: The parameters besides those of paging.
            failures: Gets the rows that cannot be read.
        """

    def parts(self, params: Params, failures: Failures) -> Parts[int]:
        """Return the pages of a list, whole or in parts.

        Args:
            params: The parameters besides those of paging.
            failures: Gets each row that fails even alone. `PLACEHOLDER` stands for it.
        """

        def fetch(requested: int, number: int, size: int, *, divisible: bool) -> Page:
            paging = {"limit": size, **self.position(requested, number, size)}
            try:
                return self.fetch({**params, **paging}, divisible=divisible)
            except RequestTooLarge as error:
                if size > 1:
                    raise
                reason = f"{error.reason.rstrip('.')}: even for a single row"
                place = f"row {paging.get('offset', number - 1) + 1}"
                failures.add(reason, place)
                raise RequestTooLarge(f"{reason}, {place}") from error

        return Parts(fetch, self._limit, self.name, self.logger, _unreadable_page)

    @staticmethod
    def position(requested: int, number: int, size: int) -> dict[str, int]:
        """Return the parameters of a page.

        Args:
            requested: What `Parts` was called with: here, whether to number the first page, too.
            number: The number of the page.
            size: The number of its rows, which another parameter sets.
        """
        del size
        return {"page": number} if requested or number > 1 else {}

    def _key(self, record: AnyRecord) -> Hashable:
        return self.shape.key(record)


class OffsetStream(PagedStream, abc.ABC):
    """A list whose pages begin at an offset.

    Neither its order nor its greatest page size is documented. So each page begins with the last
    row of the one before, and the list ends where nothing follows that row.
    """

    @override
    @property
    def _limit(self) -> int:
        return max(super()._limit, 2)  # a row of its own besides the one that overlaps

    @override
    @staticmethod
    def position(requested: int, number: int, size: int) -> dict[str, int]:
        """Return the offset, counted from the requested one."""
        return {"offset": requested + (number - 1) * size}

    @override
    def pages(self, params: Params, failures: Failures) -> Records:
        parts = self.parts(params, failures)

        def fetch(position: Params) -> Page:
            offset = int(position.get("offset", 0))
            page = parts.page(offset, 1)
            if len(page.records) > (1 if position else 0):
                page.next_params = {"offset": offset + len(page.records) - 1}
            return page

        return _records(overlapping_pages(fetch, self._key, overlap=True))


class NumberStream(PagedStream, abc.ABC):
    """A list whose pages have numbers.

    The number of the first page is not documented for every list: the tap requests it without one,
    and it must end as page 1 does.
    """

    takes_limit: t.ClassVar[bool] = True
    """Whether a request can set the number of rows."""

    @override
    def pages(self, params: Params, failures: Failures) -> Records:
        parts = self.parts(params, failures)

        def fetch(position: Params) -> Page:
            number = int(position.get("page", 1))  # pages may be shorter than requested
            if self.takes_limit:
                page = parts.page(len(position), number)
            else:
                page = self.fetch({**params, **position})
            page.params = {"page": number}
            page.next_params = {"page": number + 1} if page.records else None
            return page

        return _records(overlapping_pages(fetch, self._key, repeats=True))


class LinkStream(PagedStream, abc.ABC):
    """A list whose pages link to the next one, and whose rows do not show when they changed.

    So each row gets the time the run began to read, and the next run requests the changes since.
    """

    replication_key = "readAt"

    @override
    def pages(self, params: Params, failures: Failures) -> Records:
        parts = self.parts(params, failures)

        def fetch(position: Params) -> Page:
            paging = {"page": 1, "limit": self._limit, **position}
            known = paging.keys() <= {"page", "limit", *params}
            if known and str(paging["limit"]) == str(self._limit) and _is_number(paging["page"]):
                number = int(paging["page"])
                page = parts.page(len(position), number)
                if page.has_next:  # a page that was fetched in parts has no link
                    page.next_params = {"page": number + 1, "limit": self._limit}
            else:  # only the link itself knows what it requests
                page = self.fetch({**params, "limit": self._limit, **position})
            if page.cursor:
                page.next_params = self._follow(page.cursor)
            return page

        return _records(overlapping_pages(fetch, self._key))

    def _follow(self, link: str) -> dict[str, str]:
        """Parse the parameters of a link.

        Raises:
            PartitionFailed: It leads to another host, which must not get the key.
        """
        own = f"{self.api.base_url}/{self.path}"
        try:
            other = urlsplit(urljoin(own, link))
        except ValueError:  # such as a bracket that is not closed
            other = SplitResult("", "", "", "", "")
        # Only its parameters are used: behind a proxy it may have another scheme or port.
        if other.hostname != urlsplit(own).hostname:
            msg = f"a page of the list leads to another host, {other.netloc}, where no key is sent"
            raise PartitionFailed(msg)
        return dict(parse_qsl(other.query, keep_blank_values=True))

    @override
    def read_list(self, start: datetime | None, failures: Failures) -> Records:
        read_at = ""
        for records in super().read_list(start, failures):
            if not read_at:
                read_at = dates.render(dates.floor(dates.shift(self.run.client.now, -LEEWAY)))
            for record in records:
                values_of(record)["readAt"] = read_at
            yield records


class WholeStream(PagedStream, abc.ABC):
    """A list that comes in one response."""

    @override
    def pages(self, params: Params, failures: Failures) -> Records:
        yield self.fetch(params).records


def _is_number(value: str | int) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,8}", str(value)))


def _unreadable_page() -> Page:
    """Build the page that stands for a row that the API does not return."""
    return Page([PLACEHOLDER], size=1, has_next=True, missing=1)


def _records(pages: Iterator[Page]) -> Records:
    for page in pages:
        yield page.records
