"""What a stream of the Order API is: its envelope, its four ways of paging, its times.

Facts come from Centra's reference of the Order API. Ids are numbers in every stream, so that they
join: the API writes some as text.
"""

from __future__ import annotations

import abc
import typing as t
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec
from msgspec import Raw
from singer_sdk import StreamSchema
from typing_extensions import override

from commerce_taps import dates
from commerce_taps.conform import decode, encode
from commerce_taps.errors import MalformedAnswer, PartitionFailed, Refused
from commerce_taps.fetch import Request
from commerce_taps.lazy import cached_property
from commerce_taps.paging import READINGS, Loose, by_page, digest
from commerce_taps.records import Page, open_envelope
from commerce_taps.stream import CommerceStream
from tap_centra.bookmarks import LEEWAY, Latest, look_back
from tap_centra.order.quirks import compile_undo, on_the_wall
from tap_centra.schemas import Declarations, order

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_centra.tap import TapCentra

    Params = Mapping[str, str | int]

REPEATED_HOUR: t.Final = timedelta(hours=1)
"""In autumn an hour of the wall clock comes twice, and its times do not say which one they are of:
filters begin so much earlier."""


class Answer(t.NamedTuple):
    """An answer of the API.

    Attributes:
        records: The records, their quirks undone.
        next: The link to the next page, if there is one.
    """

    records: list[Raw]
    next: str | None


class OrderStream(CommerceStream, abc.ABC):
    """A list of the Order API."""

    schema = StreamSchema(Declarations(order))
    _tap: TapCentra

    path: str
    """Path below the API's address; `{id}` is filled in by those that have one."""

    selector: str
    """The name of the records in the envelope."""

    looks_back: t.ClassVar[bool] = False
    """Whether rows change after the moment they are filtered by."""

    filter_name: t.ClassVar[str | None] = None
    """The parameter that filters by time."""

    page_limit: t.ClassVar[int] = 200
    """The most rows of a page."""

    # --- one answer -----------------------------------------------------------------------------

    @cached_property
    def _undo(self) -> t.Any:  # noqa: ANN401 (a function on JSON)
        return compile_undo(self.schema, self._tap.zone)

    def answer(self, params: Params, one: str = "") -> Answer:
        """Ask once.

        Args:
            params: Query parameters.
            one: The id that is filled into the path.

        Returns:
            The answer.
        """
        path = tuple(part.format(id=one) for part in self.path.split("/"))
        context = {"id": one} if one else {}
        request = Request(path, params, stream=self.name, context=context)
        return self._tap.client.get(request, self._open)

    def doubted(self, params: Params, seems_right: Callable[[Answer], bool]) -> Answer:
        """Ask once, or once more: answers do not tell of which page they are.

        Args:
            params: Query parameters.
            seems_right: Tells whether an answer may be of the page that was asked for.

        Returns:
            The first answer if it seems right, else the second one.
        """
        answer = self.answer(params)
        return answer if seems_right(answer) else self.answer(params)

    def _open(self, body: bytes) -> Answer:
        """Open the envelope, which may hold a refusal."""
        envelope = open_envelope(body, dict[str, Raw])
        if decode(envelope.get("status", Raw(b"null"))) != "ok":
            if "status" in envelope:
                raise Refused
            msg = "the answer has no `status`: it is none of the Order API"
            raise MalformedAnswer(msg)
        if self.selector not in envelope:
            msg = f"the answer has no `{self.selector}`"
            raise MalformedAnswer(msg)
        found = decode(envelope[self.selector])
        if isinstance(found, dict) and not self.is_single:
            found = list(found.values())
        records = [found] if isinstance(found, dict) else found or []
        link = decode(envelope["next"]) if "next" in envelope else None
        return Answer([Raw(encode(self._undo(record))) for record in records], link or None)

    @property
    def is_single(self) -> bool:
        """Whether the envelope holds one record, and not a list."""
        return "{id}" in self.path

    # --- reading --------------------------------------------------------------------------------

    @property
    def _limit(self) -> int:
        return min(int(self.config["page_size"]), self.page_limit)

    def _since(self, start: datetime | None) -> dict[str, str | int]:
        """Write the filter by time."""
        begin = look_back(start, self.config) if self.looks_back else start
        if begin is None or self.filter_name is None:
            return {}
        return {self.filter_name: on_the_wall(dates.shift(begin, -REPEATED_HOUR), self._tap.zone)}

    def lists(self, start: datetime | None) -> Iterator[Sequence[Raw]]:
        """Read the records, page by page.

        Args:
            start: Where to begin, inclusive; `None` for everything.

        Returns:
            The pages.
        """
        return self.pages(self._since(start))

    @abc.abstractmethod
    def pages(self, params: Params) -> Iterator[Sequence[Raw]]:
        """Read all pages of a list.

        Args:
            params: Parameters besides those of paging.

        Yields:
            The records of each.
        """

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the list; a bookmark is safe at its end. See the base class."""
        latest: Latest | None = None
        for found in self.lists(start):
            latest = latest or Latest(self._tap.client.now)
            records, fits, stamps = self.shape.examine(found)
            latest.add(stamps)
            yield self.completed(Page(records, fits))
        if latest:
            yield Page((), (), latest.value)

    def completed(self, page: Page) -> Page:
        """Add to a page what comes inside of its records.

        Args:
            page: The page.

        Returns:
            The page.
        """
        return page

    def _key(self, raw: Raw) -> t.Any:  # noqa: ANN401 (hashable)
        return self.shape.key(raw)


class OffsetStream(OrderStream, abc.ABC):
    """A list whose pages begin at an offset.

    The order is not documented, and rows may come and go meanwhile. So each page begins with the
    row the last one ended with; if it does not, rows have moved, and the list is read again. How
    many rows a page has at most is not documented either: the list ends where nothing new comes.
    """

    @override
    def pages(self, params: Params) -> Iterator[Sequence[Raw]]:
        """Read all pages. See the base class."""
        seen: set[bytes] = set()
        for _ in range(READINGS):
            offset, last = 0, None
            while True:
                size = max(self._limit, 2)
                goes_on = partial(self._goes_on, last)
                answer = self.doubted({**params, "limit": size, "offset": offset}, goes_on)
                rows = answer.records
                if not goes_on(answer):
                    break
                yield _fresh(rows, seen)
                if len(rows) < (1 if last is None else 2):
                    return
                offset, last = offset + len(rows) - 1, self._key(rows[-1])
        msg = "the list kept changing while it was read"
        raise PartitionFailed(msg)

    def _goes_on(self, last: t.Any, answer: Answer) -> bool:  # noqa: ANN401 (hashable)
        """Tell whether a page begins with the row that ended the one before, if there was one."""
        return last is None or (bool(answer.records) and self._key(answer.records[0]) == last)


class NumberStream(OrderStream, abc.ABC):
    """A list whose pages have numbers."""

    takes_limit: t.ClassVar[bool] = True

    @override
    def pages(self, params: Params) -> Iterator[Sequence[Raw]]:
        """Read all pages. See the base class."""
        size = {"limit": self._limit} if self.takes_limit else {}
        seen: set[bytes] = set()

        def ask(number: int) -> Loose:
            rows = self.doubted({**params, **size, "page": number}, partial(_is_new, seen)).records
            seen.update(map(digest, rows))
            return Loose(rows, [True] * len(rows), [None] * len(rows), number=None, total=None)

        for rows in by_page(ask, self._key, 1):  # pages may be shorter than asked for
            yield rows.records


class LinkStream(OrderStream, abc.ABC):
    """A list whose pages name the next one, and whose rows do not tell when they were changed.

    So each row is given the moment the reading began, and the next run asks for what has changed
    since.
    """

    replication_key = "readAt"

    @override
    def pages(self, params: Params) -> Iterator[Sequence[Raw]]:
        """Follow the links. See the base class."""
        seen: set[bytes] = set()
        asked: dict[str, str | int] = {**params, "limit": self._limit}
        links: set[str] = set()
        while True:
            answer = self.doubted(asked, partial(_is_new, seen))
            yield _fresh(answer.records, seen)
            if answer.next is None:
                return
            if answer.next in links:
                msg = "a page of the list leads back to one before"
                raise PartitionFailed(msg)
            links.add(answer.next)
            # A link may be nothing but paging, without the filters.
            asked = {**asked, **self._follow(answer.next)}

    def _follow(self, link: str) -> dict[str, str]:
        """Read the parameters of a link, which must not lead elsewhere."""
        here = f"{self._tap.base_url}/{self.path}"
        there = urlsplit(urljoin(here, link))
        if (there.scheme, there.netloc) != urlsplit(here)[:2]:
            msg = f"a page of the list leads to another host, {there.netloc}, where no key is sent"
            raise PartitionFailed(msg)
        return dict(parse_qsl(there.query, keep_blank_values=True))

    @override
    def lists(self, start: datetime | None) -> Iterator[Sequence[Raw]]:
        """Read the records, and give each the moment of reading. See the base class."""
        opening = b""
        for rows in super().lists(start):
            if not opening:
                moment = dates.render(dates.floor(self._tap.client.now - LEEWAY))
                opening = b'{"readAt":%b,' % msgspec.json.encode(moment)
            yield [Raw(opening + bytes(raw)[1:]) for raw in rows]


class WholeStream(OrderStream, abc.ABC):
    """A list that comes in one answer."""

    @override
    def pages(self, params: Params) -> Iterator[Sequence[Raw]]:
        """Read the only page. See the base class."""
        yield self.answer(params).records


class DetailStream(OrderStream, abc.ABC):
    """Records asked for one by one, by the ids of another list."""

    parent: t.ClassVar[type[OrderStream]]
    """The stream whose list has the ids."""

    @override
    def lists(self, start: datetime | None) -> Iterator[Sequence[Raw]]:
        """Read a record for each id. See the base class."""
        listed = partial(self._ids, start)
        for one in listed():
            try:
                yield self.answer({}, one).records
            except PartitionFailed:
                if one in listed():  # or else it has gone meanwhile
                    raise

    @override
    def pages(self, params: Params) -> Iterator[Sequence[Raw]]:
        """Read nothing: there is no list. See the base class."""
        return iter(())

    def _ids(self, start: datetime | None) -> list[str]:
        """List the ids, once each."""
        parent = self.parent(self._tap)
        (key,) = parent.primary_keys
        rows = (raw for page in parent.lists(start) for raw in page)
        return list(dict.fromkeys(str(decode(raw)[key]) for raw in rows))


def _is_new(seen: set[bytes], answer: Answer) -> bool:
    """Tell whether a page is empty or has rows that have not come yet."""
    return not answer.records or not seen.issuperset(map(digest, answer.records))


def _fresh(rows: Sequence[Raw], seen: set[bytes]) -> list[Raw]:
    """Leave out rows that were handed on already, and remember the others."""
    found = []
    for raw in rows:
        mark = digest(raw)
        if mark not in seen:
            seen.add(mark)
            found.append(raw)
    return found
