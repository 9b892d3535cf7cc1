"""What a stream of the Order API is: its envelope, its four ways of paging, its times.

Facts come from Centra's reference of the Order API. Ids are numbers in every stream, so that they
join: the API writes some as text.
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
from tap_centra.order.normalize import normalizer, on_the_wall
from tap_centra.php_json import NOTHING, entries_of, is_object, value_of
from tap_centra.schema_files import SchemaFiles

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context

    from commerce_taps.records.conform import Record


REPEATED_HOUR: t.Final = timedelta(hours=1)
"""In autumn an hour of the wall clock comes twice, and its times do not say which one they are of:
filters begin so much earlier."""


class OrderStream(HTTPStream[OrderApi], abc.ABC):
    """A list of the Order API."""

    schema = StreamSchema(SchemaFiles(schemas))

    path: str
    """Path below the API's address; `{id}` is filled in by those that have one."""

    selector: str
    """The name of the records in the envelope."""

    looks_back: t.ClassVar[bool] = False
    """Whether rows change after the moment they are filtered by."""

    filter_names: t.ClassVar[tuple[str, ...]] = ()
    """The parameters that filter by time: a row is new by any of them."""

    page_limit: int = 200
    """The most rows of a page."""

    # --- one answer -----------------------------------------------------------------------------

    @cached_property
    def _normalize(self) -> Callable[[bytes], Record | None]:
        return normalizer(self.schema, self.api.zone)

    def answer(self, params: Params, one: str = "", *, divisible: bool = False) -> Page:
        """Ask once.

        Args:
            params: Query parameters.
            one: The id that is filled into the path.
            divisible: As `Request` has it.

        Returns:
            The answer.
        """
        path = tuple(part.format(id=one) for part in self.path.split("/"))
        context = {"id": one} if one else {}
        request = Request(path, params, stream=self.name, context=context, divisible=divisible)
        return self.run.client.get(request, partial(self._open, one=one))

    def parts(self, params: Params, failures: Failures) -> Parts:
        """Open a list whose rows can be asked for by their place, in any number at once.

        Args:
            params: Parameters besides those of paging.
            failures: Gets rows that fail even alone; `PLACEHOLDER` stands for each.

        Returns:
            Its pages.
        """

        def fetch(asked: int, number: int, size: int, *, divisible: bool) -> Page:
            paging = {"limit": size, **self.place(asked, number, size)}
            try:
                return self.answer({**params, **paging}, divisible=divisible)
            except RequestTooLarge as refusal:
                if size > 1:
                    raise
                why = f"{refusal.reason.rstrip('.')}: even for a single row"
                place = f"row {paging.get('offset', number - 1) + 1}"
                failures.add(why, place)
                raise RequestTooLarge(f"{why}, {place}") from refusal

        return Parts(fetch, self._limit, self.name, self.logger, _unreadable)

    @staticmethod
    def place(asked: int, number: int, size: int) -> dict[str, int]:
        """Tell which page is meant, as the API wants it.

        Args:
            asked: What `Parts` was asked for: whether to name the first page, too.
            number: The number of the page.
            size: How many rows it is to have.

        Returns:
            The parameters.
        """
        del size  # is told beside it
        return {"page": number} if asked or number > 1 else {}

    def _open(self, body: bytes, one: str = "") -> Page:
        """Open the envelope, which may hold a refusal."""
        envelope = open_envelope(body, dict[str, Raw])
        if value_of(envelope, "status") != "ok":
            if "status" in envelope:
                raise ErrorResponse
            msg = "the answer has no `status`: it is none of the Order API"
            raise InvalidResponse(msg)
        rows = self._rows(envelope)
        link = value_of(envelope, "next") or None
        if not isinstance(link, str | None):
            msg = "the answer has a `next` that is no link"
            raise InvalidResponse(msg)
        found = list(map(self._normalized, rows))
        if one and any(self._is_other(raw, one) for raw in found):
            msg = "the answer is to another question: it has another id than was asked for"
            raise InvalidResponse(msg)
        return Page(found, has_next=link is not None, cursor=link)

    def _is_other(self, record: AnyRecord, one: str) -> bool:
        """Tell whether a record has an id, and not the one that was asked for."""
        value = values_of(record).get(self.primary_keys[0])
        return isinstance(value, int | str) and str(value).lstrip("0") != one.lstrip("0")

    def _rows(self, envelope: Mapping[str, Raw]) -> list[Raw]:
        """Find the records in the envelope, of any kind."""
        raw = envelope.get(self.selector, Raw(b"null"))
        found = entries_of(envelope, self.selector)
        if self.is_single and is_object(raw):
            found = [raw] if found else None
        if found is None or bytes(raw) in NOTHING or (self.is_single and not found):
            msg = f"the answer has no `{self.selector}`"
            raise InvalidResponse(msg)
        return found

    def _normalized(self, raw: Raw) -> AnyRecord:
        """Decode and normalize a record; what is no object is left to the writer to report."""
        record = self._normalize(raw)
        return raw if record is None else NormalizedRecord(record, digest(raw))

    @property
    def is_single(self) -> bool:
        """Whether the envelope holds one record, and not a list."""
        return "{id}" in self.path

    # --- reading --------------------------------------------------------------------------------

    @property
    def _limit(self) -> int:
        return min(int(self.config["page_size"]), self.page_limit)

    def _begin(self, start: datetime | None) -> datetime | None:
        """Tell where the filter by time begins."""
        begin = start
        if self.looks_back:
            overlap = timedelta(days=self.config["lookback_days"])
            begin = look_back(start, overlap, self.config.get("start_date"))
        return None if begin is None else dates.shift(begin, -REPEATED_HOUR)

    def lists(self, start: datetime | None, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read the records, page by page.

        Args:
            start: Where to begin, inclusive; `None` for everything.
            failures: Where to note what could not be read.

        Yields:
            The pages.
        """
        begin = self._begin(start)
        if begin is None or not self.filter_names:
            yield from self.pages({}, failures)
            return
        since, seen = on_the_wall(begin, self.api.zone), set[bytes]()
        for name in self.filter_names:
            for rows in self.pages({name: since}, failures):
                yield Page(rows).unseen(seen).records

    @abc.abstractmethod
    def pages(self, params: Params, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read all pages of a list.

        Args:
            params: Parameters besides those of paging.
            failures: Where to note what could not be read.

        Yields:
            The records of each.
        """

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the list; a bookmark is safe at its end. See the base class."""
        failures, latest = Failures(), None
        for rows in self.lists(start, failures):
            latest = latest or SafeBookmark(self.run.client.now)
            page = self.shape.page_of(rows)
            latest.add(page.timestamps)
            yield self.completed(page, failures)
        failures.raise_if_any()
        if latest:
            yield Page((), bookmark=latest.value)

    def completed(self, page: Page, failures: Failures) -> Page:  # noqa: ARG002
        """Add to a page what comes inside of its records.

        Args:
            page: The page.
            failures: Where to note what could not be read.

        Returns:
            The page.
        """
        return page

    def _key(self, record: AnyRecord) -> Hashable:
        return self.shape.key(record)


class OffsetStream(OrderStream, abc.ABC):
    """A list whose pages begin at an offset.

    Neither its order nor how many rows a page has at most is documented. So each page begins with
    the row the last one ended with, and the list ends where nothing follows that row.
    """

    @override
    @property
    def _limit(self) -> int:
        return max(super()._limit, 2)  # a row of its own besides the one that overlaps

    @override
    @staticmethod
    def place(asked: int, number: int, size: int) -> dict[str, int]:
        """Tell the offset, counted from the one that was asked for. See the base class."""
        return {"offset": asked + (number - 1) * size}

    @override
    def pages(self, params: Params, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read all pages. See the base class."""
        parts = self.parts(params, failures)

        def fetch(place: Params) -> Page:
            offset = int(place.get("offset", 0))
            page = parts.page(offset, 1)
            if len(page.records) > (1 if place else 0):
                page.next_params = {"offset": offset + len(page.records) - 1}
            return page

        return _records(overlapping_pages(fetch, self._key, overlap=True))


class NumberStream(OrderStream, abc.ABC):
    """A list whose pages have numbers.

    Which number the first page has is not documented of every list: it is asked for without one,
    and must end as page 1 does.
    """

    takes_limit: t.ClassVar[bool] = True

    @override
    def pages(self, params: Params, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read all pages. See the base class."""
        parts = self.parts(params, failures)

        def fetch(place: Params) -> Page:
            number = int(place.get("page", 1))  # pages may be shorter than requested
            if self.takes_limit:
                page = parts.page(len(place), number)
            else:
                page = self.answer({**params, **place})
            page.params = {"page": number}
            page.next_params = {"page": number + 1} if page.records else None
            return page

        return _records(overlapping_pages(fetch, self._key, repeats=True))


class LinkStream(OrderStream, abc.ABC):
    """A list whose pages name the next one, and whose rows do not tell when they were changed.

    So each row is given the moment the reading began, and the next run asks for what has changed
    since.
    """

    replication_key = "readAt"

    @override
    def pages(self, params: Params, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Follow the links. See the base class."""
        parts = self.parts(params, failures)

        def fetch(place: Params) -> Page:
            paging = {"page": 1, "limit": self._limit, **place}
            known = paging.keys() <= {"page", "limit", *params}
            if known and str(paging["limit"]) == str(self._limit) and _is_number(paging["page"]):
                number = int(paging["page"])
                page = parts.page(len(place), number)
                if page.has_next:  # a page that was fetched in parts has no link
                    page.next_params = {"page": number + 1, "limit": self._limit}
            else:  # only the link itself knows what it requests
                page = self.answer({**params, "limit": self._limit, **place})
            if page.cursor:
                page.next_params = self._follow(page.cursor)
            return page

        return _records(overlapping_pages(fetch, self._key))

    def _follow(self, link: str) -> dict[str, str]:
        """Read the parameters of a link, which must not lead elsewhere."""
        here = f"{self.api.base_url}/{self.path}"
        try:
            there = urlsplit(urljoin(here, link))
        except ValueError:  # such as a bracket that is not closed
            there = SplitResult("", "", "", "", "")
        # Nothing but its parameters is used: behind a proxy it may have another scheme or port.
        if there.hostname != urlsplit(here).hostname:
            msg = f"a page of the list leads to another host, {there.netloc}, where no key is sent"
            raise PartitionFailed(msg)
        return dict(parse_qsl(there.query, keep_blank_values=True))

    @override
    def lists(self, start: datetime | None, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read the records, and give each the moment of reading. See the base class."""
        read_at = ""
        for rows in super().lists(start, failures):
            if not read_at:
                read_at = dates.render(dates.floor(dates.shift(self.run.client.now, -LEEWAY)))
            for row in rows:
                values_of(row)["readAt"] = read_at
            yield rows


class WholeStream(OrderStream, abc.ABC):
    """A list that comes in one answer."""

    @override
    def pages(self, params: Params, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read the only page. See the base class."""
        del failures  # what comes at once comes whole
        yield self.answer(params).records


class DetailStream(OrderStream, abc.ABC):
    """Records asked for one by one, by the ids of another list."""

    ids_from: t.ClassVar[type[OrderStream]]
    """The stream whose list has the ids."""

    @override
    def lists(self, start: datetime | None, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read a record for each id, a page of them at once. See the base class."""
        ids = self._ids(start, failures)
        for first in range(0, len(ids), self._limit):
            asked = (
                partial(self._find, one, start, failures)
                for one in ids[first : first + self._limit]
            )
            yield [raw for found in self.run.client.workers.run_all(asked) for raw in found]

    def _find(self, one: str, start: datetime | None, failures: Failures) -> Sequence[AnyRecord]:
        """Read the record of an id, unless it has gone meanwhile."""
        try:
            return self.answer({}, one).records
        except PartitionFailed as failure:
            if one in self._ids(start, Failures()):
                failures.add(failure.reason, f"id {one}")
            return []

    @override
    def pages(self, params: Params, failures: Failures) -> Iterator[Sequence[AnyRecord]]:
        """Read nothing: there is no list. See the base class."""
        del params, failures
        return iter(())

    def _ids(self, start: datetime | None, failures: Failures) -> list[str]:
        """List the ids, once each."""
        parent = self.ids_from(self._tap)
        (key,) = parent.primary_keys
        found: list[str] = []
        for number, rows in enumerate(parent.lists(start, failures), 1):
            place = f"page {number} of `{parent.name}`"
            for row, raw in enumerate(rows, 1):
                one = values_of(raw).get(key)
                if isinstance(one, int | str) and one != "":
                    found.append(str(one))
                else:
                    failures.add(f"a row has no `{key}` to ask for", f"row {row} of {place}")
        return list(dict.fromkeys(found))


def _is_number(value: str | int) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,8}", str(value)))


def _unreadable() -> Page:
    """Stand in for a row that the API does not return."""
    return Page([PLACEHOLDER], size=1, has_next=True, missing=1)


def _records(pages: Iterator[Page]) -> Iterator[Sequence[AnyRecord]]:
    """Take the records out of pages."""
    for page in pages:
        yield page.records
