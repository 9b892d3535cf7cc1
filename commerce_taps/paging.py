"""Reads all pages of a partition so that nothing slips between two of them.

Page numbers over a set that changes while it is read lose rows: a row that is updated moves to the
end of the order, and the row behind it slides over the page boundary unseen. So:

- `by_key`, where the API sorts and filters by the replication key: each request asks from the last
  value seen on, inclusive, and leaves out what it has handed on already. A page number is used only
  among rows of one and the same second, from the last page to the first: once the second is over,
  rows can only leave such a set, which moves the others towards the pages still to come.
- `by_number` elsewhere: the pages are counted against the announced total, and read again until
  one reading is whole. Only if a row is deleted and another one added between the same two
  requests, the count is right though a row may have slipped.
- `by_page` where the list does not tell how many pages it has, or cannot be believed: see there.

Each reader is a generator that asks through a function, so it runs in any thread and in tests
without a server. It sets `Page.bookmark` where a bookmark is safe.
"""

from __future__ import annotations

import hashlib
import typing as t
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import compress

from typing_extensions import override

from commerce_taps import dates
from commerce_taps.errors import MalformedAnswer, PartitionFailed, TooMuchAsked
from commerce_taps.records import Page

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    import msgspec

READINGS = 5
"""How often a list that changes while it is read by page number is read before giving up."""

GROWTH = 1_000
"""How many pages more than were announced, `READINGS` times over, are read by key before giving up:
a list that grows as fast as it is read has no end."""

KEPT_CHANGING = "the list kept changing while it was read"


def short(found: int, total: int) -> str:
    """Say that a list ends before the number of records it announces.

    Args:
        found: How many records came.
        total: How many the API says there are.

    Returns:
        The sentence without its full stop.
    """
    return f"the list ends at {found:,} of the {total:,} records it announces, each time"


class Range(t.NamedTuple):
    """The instants asked for, both to the second.

    Attributes:
        start: First instant; `None` for no bound, which includes rows without a value.
        end: The first instant beyond; `None` for no bound.
    """

    start: datetime | None = None
    end: datetime | None = None

    @override
    def __str__(self) -> str:
        """Name the rows that are asked for."""
        start, end = (None if bound is None else dates.render(bound) for bound in self)
        named = [f"from {start} on"] if start else []
        named += [f"before {end}"] if end else []
        return " ".join(["those", *named]) if named else "the list"

    @override
    def __contains__(self, stamp: object) -> bool:
        """Tell whether a replication value belongs to the range."""
        if stamp is None:
            return self.start is None
        return (self.start is None or stamp >= self.start) and (  # type: ignore[operator]
            self.end is None or stamp < self.end  # type: ignore[operator]
        )

    def holds(self, stamps: Sequence[datetime | None]) -> bool:
        """Tell whether all replication values belong to the range, as far as there are any."""
        known = [stamp for stamp in stamps if stamp is not None]
        return not known or (min(known) in self and max(known) in self)


ALL: t.Final = Range()
NO_INSTANT: t.Final = Range(dates.FIRST, dates.FIRST)


@dataclass(slots=True)
class Rows:
    """Records of one page.

    Attributes:
        records: The records as raw bytes.
        fits: Whether each can be emitted as it is.
        stamps: The replication value of each; `None` where a record has none.
        total: How many records the whole list has, as the API says; `None` if it does not say.
        size: How many records a page has, as the API says; `None` if it does not say.
        missing: How many records of the page cannot be read; they are left out.
    """

    records: Sequence[msgspec.Raw]
    fits: Sequence[bool]
    stamps: Sequence[datetime | None]
    total: int | None = field(default=None, kw_only=True)
    size: int | None = field(default=None, kw_only=True)
    missing: int = field(default=0, kw_only=True)

    def only(self, wanted: Sequence[bool]) -> Rows:
        """Leave records out.

        Args:
            wanted: For each record, whether it stays.

        Returns:
            The others.
        """
        return Rows(
            list(compress(self.records, wanted)),
            list(compress(self.fits, wanted)),
            list(compress(self.stamps, wanted)),
        )

    def page(
        self,
        seen: AbstractSet[bytes] = frozenset(),
        *,
        new_from: datetime | None = None,
        wanted: Range = ALL,
        bookmark: datetime | None = None,
    ) -> Page:
        """Make the page to hand on.

        Args:
            seen: Digests of records handed on already, left out of the page.
            new_from: Records of this replication value or a later one are known to be new.
            wanted: Records of other replication values are left out, too; those without one are
                not.
            bookmark: The page's bookmark.

        Returns:
            The page.
        """
        if not seen and wanted is ALL:
            return Page(self.records, self.fits, bookmark)
        fresh = [
            (new_from and stamp and stamp >= new_from) or digest(raw) not in seen
            for raw, stamp in zip(self.records, self.stamps, strict=True)
        ]
        if wanted is not ALL:
            inside = [stamp is None or stamp in wanted for stamp in self.stamps]
            fresh = list(map(all, zip(fresh, inside, strict=True)))
        return Page(list(compress(self.records, fresh)), list(compress(self.fits, fresh)), bookmark)


@dataclass(slots=True)
class Reply(Rows):
    """One page as the API gave it.

    Attributes:
        total: How many records the whole list has, as the API says.
        size: How many records a page has, as the API says.
        has_next: Whether the API says that another page follows.
    """

    total: int = field(kw_only=True)
    size: int = field(kw_only=True)
    has_next: bool

    @classmethod
    def join(cls, pages: Sequence[Reply], number: int, size: int) -> Reply:
        """Put a page together from its parts.

        Args:
            pages: The parts in order; none for a record that cannot be read.
            number: The page's number.
            size: How many records it has.

        Returns:
            The page.
        """
        total = max((page.total for page in pages), default=0)
        return cls(
            *_concat(pages),
            has_next=not total or number * size < total,
            total=total,
            size=size,
            missing=sum(page.missing for page in pages) if pages else 1,
        )

    @property
    def pages(self) -> int:
        """How many pages the whole list has."""
        return max(-(-self.total // self.size), 1)


@dataclass(slots=True)
class Loose(Rows):
    """One page of a list that says little of itself, or what is not so.

    Attributes:
        number: Which page it is, as the API says, which may be another one than was asked for.
    """

    number: int | None

    @classmethod
    def join(cls, pages: Sequence[Loose], number: int, size: int) -> Loose:
        """Put a page together from its parts.

        Args:
            pages: The parts in order; none for a record that cannot be read.
            number: The page's number.
            size: How many records it has.

        Returns:
            The page. A part whose number is 0 is the list's last page come again, and left out.
        """
        own = [page for page in pages if page.number != 0]
        return cls(
            *_concat(own),
            number=number if own or not pages else 0,
            total=next((page.total for page in reversed(pages) if page.total is not None), None),
            size=size,
            missing=sum(page.missing for page in pages) if pages else 1,
        )


def _concat(
    pages: Sequence[Rows],
) -> tuple[list[msgspec.Raw], list[bool], list[datetime | None]]:
    """Put the records of pages one after the other."""
    return (
        [raw for page in pages for raw in page.records],
        [fits for page in pages for fits in page.fits],
        [stamp for page in pages for stamp in page.stamps],
    )


class IncompletePage(MalformedAnswer):
    """A page has fewer rows than its list announces.

    Attributes:
        page: The rows it has, which are good all the same.
    """

    def __init__(self, reason: str, page: Page) -> None:
        """Keep the rows.

        Args:
            reason: What is missing.
            page: The rows.
        """
        super().__init__(reason)
        self.page = page


Ask = t.Callable[[Range, int], Reply]
"""Asks for a range and a page number, counted from 1."""

Identify = t.Callable[["msgspec.Raw"], "Hashable"]
"""Gives the identity of a record, as `shape.Shape.key` does."""


def digest(raw: msgspec.Raw) -> bytes:
    """Tell a record from every other without keeping it.

    Args:
        raw: The record.

    Returns:
        Sixteen bytes.
    """
    return hashlib.blake2b(raw, digest_size=16).digest()


def check(reply: Reply, asked: Range, number: int) -> Reply:
    """Refuse an answer that contradicts the question or itself.

    Args:
        reply: The answer.
        asked: The range asked for.
        number: The page asked for.

    Returns:
        The same answer.

    Raises:
        MalformedAnswer: It is not the answer to this question.
        IncompletePage: Rows are missing from it.
    """
    if not asked.holds(reply.stamps):
        msg = f"the answer contradicts itself: page {number} has records that were not asked for"
        raise MalformedAnswer(msg)
    end = (number - 1) * reply.size + len(reply.records)
    if reply.total < 0:
        msg = f"page {number} announces {reply.total} records"
    elif reply.size < 1 or len(reply.records) > reply.size:
        msg = f"page {number} has {len(reply.records)} records at a page size of {reply.size}"
    elif reply.has_next and len(reply.records) < reply.size:
        msg = f"page {number} has only {len(reply.records)} of {reply.size} records"
    elif reply.has_next and end >= reply.total:
        msg = f"page {number} is followed by another although {reply.total} records are announced"
    elif not reply.has_next and reply.records and end != reply.total:
        msg = f"page {number} ends the list at {end} of {reply.total} records"
    elif not reply.has_next and not reply.records and end < reply.total:
        msg = f"page {number} is empty although {reply.total} records are announced"
    else:
        return reply
    msg = f"the answer contradicts itself: {msg}"
    raise IncompletePage(msg, reply.page())


def by_key(
    ask: Ask,
    identify: Identify,
    start: datetime | None,
    *,
    first: Callable[[Range], Reply] | None = None,
) -> Iterator[Page]:
    """Read a list that the API filters and sorts by the replication key.

    Args:
        ask: Asks for a range in ascending order of the replication key.
        identify: Gives a record's identity within the list.
        start: The bookmark, inclusive; `None` for everything.
        first: Asks for the first page of a range, which may be smaller than those `ask` counts.

    Yields:
        The pages, ascending, each with a bookmark.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    fetch = first or (lambda asked: ask(asked, 1))
    asked = whole = Range(dates.floor(start) if start else None)
    announced = count = spent = limit = 0
    seen: set[bytes] = set()
    new_from: datetime | None = None
    while True:
        try:
            reply = fetch(asked)
        except TooMuchAsked:
            whole = asked  # its first row cannot be read, and only a number leads past it
            break
        if asked == ALL and _has_unstamped(ask, reply):
            yield from unmarked(by_number(ask, identify, wanted=NO_INSTANT))
            asked = whole = Range(dates.FIRST)
            continue
        announced = announced or reply.total
        limit = limit or (READINGS * reply.pages + GROWTH) * reply.size
        spent += reply.size
        if spent > limit:
            msg = "the list grew as fast as it was read: run again, it goes on from there"
            raise PartitionFailed(msg)
        if not _ascending(reply.stamps):
            break
        edge = reply.stamps[-1] if reply.stamps else None
        yield reply.page(seen, new_from=new_from, bookmark=edge)
        if not reply.has_next or edge is None:
            count += len(reply.records)
            if count >= announced or count >= fetch(whole).total:  # or else rows were deleted
                return
            break  # the pages were in order by chance
        begin = dates.floor(edge)
        second = Range(begin, dates.shift(begin, dates.ONE_SECOND))
        if reply.stamps[0] in second:
            # The whole page is of one second, and there may be more of it.
            seen.update(map(digest, reply.records))
            count += yield from _within_one_second(ask, fetch, identify, second, seen)
            asked, seen, new_from = Range(second.end), set(), None
        else:
            asked, new_from = Range(begin), second.end
            edges = bisect_left(t.cast("Sequence[datetime]", reply.stamps), begin)
            seen = set(map(digest, reply.records[edges:]))
            count += edges
    # Without an order there is no last value to go on from, nor one to keep as a bookmark.
    yield from unmarked(by_number(ask, identify, asked=whole))


def _ascending(stamps: Sequence[datetime | None]) -> bool:
    """Tell whether every record has a replication value and none is less than the one before."""
    known = [stamp for stamp in stamps if stamp is not None]
    return len(known) == len(stamps) and known == sorted(known)


def unmarked(pages: Iterable[Page]) -> Iterator[Page]:
    """Take the bookmarks off.

    Args:
        pages: Pages of a list in no order, where no bookmark is safe.

    Yields:
        The same pages without.
    """
    for page in pages:
        yield Page(page.records, page.fits)


def _has_unstamped(ask: Ask, reply: Reply) -> bool:
    """Tell whether a list has rows without a replication value, which no range finds.

    They are on its first page, which is given, or on its last.
    """
    number = 1
    for _ in range(READINGS):
        if None in reply.stamps:
            return True
        if number == reply.pages:
            return False
        number = reply.pages
        reply = ask(ALL, number)
    return True  # nobody can tell, while the last page is another one each time


def _has_rows(first: Callable[[Range], Reply], asked: Range) -> bool:
    """Tell whether there are rows in a range."""
    try:
        return bool(first(asked).records)
    except TooMuchAsked:
        return True  # one that cannot be read


def _within_one_second(
    ask: Ask, first: Callable[[Range], Reply], identify: Identify, second: Range, seen: set[bytes]
) -> Generator[Page, None, int]:
    """Read the rows of one second, from the last page to the first. Returns their number."""
    later = Range(second.end)
    for _ in range(READINGS):
        over = _has_rows(first, later)
        reply = ask(second, 1)
        found: set[Hashable] = set()
        missing = 0
        for number in range(reply.pages, 0, -1):
            reply = ask(second, number)
            found.update(map(identify, reply.records))
            missing += reply.missing
            yield reply.page(seen, bookmark=second.start)
            seen.update(map(digest, reply.records))
        # As long as nothing is later, rows may still arrive; then no bookmark passes them either.
        if len(found) + missing >= reply.total and (over or not _has_rows(first, later)):
            return len(found) + missing
    msg = "rows kept arriving in the same second while it was read"
    raise PartitionFailed(msg)


def by_number(
    ask: Ask, identify: Identify, *, asked: Range = ALL, wanted: Range = ALL
) -> Iterator[Page]:
    """Read a list by page numbers, and again until one reading is whole.

    Args:
        ask: Asks for a page in the API's own order.
        identify: Gives a record's identity within the list.
        asked: The range to ask for, where the API can filter.
        wanted: The range to hand on, where the API cannot filter.

    Yields:
        The pages; a record that comes again unchanged is left out. The last page has a bookmark:
        the largest replication value of those handed on.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    seen: set[bytes] = set()
    latest: datetime | None = None
    reason = KEPT_CHANGING
    for _ in range(READINGS):
        found: set[Hashable] = set()
        totals: set[int] = set()
        number, more, missing, size = 1, True, 0, None
        while more:
            reply = ask(asked, number)
            if size not in (None, reply.size):
                break  # the same numbers mean other rows now
            size = reply.size
            if reply.total or not reply.missing:
                totals.add(reply.total)
            before = len(found) + missing
            found.update(map(identify, reply.records))
            missing += reply.missing
            stamps = (s for s in (latest, *reply.stamps) if s is not None and s in wanted)
            latest = max(stamps, default=None)
            yield reply.page(seen, wanted=wanted)
            seen.update(map(digest, reply.records))
            # A page without anything new may be the same one for ever.
            number, more = number + 1, reply.has_next and len(found) + missing > before
        count = len(found) + missing
        if totals == {count} and not more:
            yield Page((), (), latest)
            return
        is_short = len(totals) == 1 and count < min(totals)
        reason = short(count, min(totals)) if is_short else KEPT_CHANGING
    raise PartitionFailed(reason)


def by_page(
    ask: Callable[[int], Loose],
    identify: Identify,
    size: int,
    *,
    ascending: bool = False,
    stays: bool = False,
) -> Iterator[Rows]:
    """Read a list whose page numbers and totals cannot be relied on.

    There may be no total, or one that is too low or that of the page; the last page may come again
    for every number beyond it. So a page without anything new ends the list, one that is not full
    does unless the total says otherwise, and a total that has not been reached has the list read
    once more; if that brings nothing new, records are missing.

    A list in ascending order of something that rows only get more of, such as an id or the time of
    the last change, is read from the last page to the first. Rows that go, or move to the end, let
    the others slide towards the pages still to come, so none is missed.

    Args:
        ask: Asks for a page.
        identify: Gives a record's identity within the list.
        size: How many records a page is asked to have.
        ascending: Whether the list is in such an order.
        stays: Whether a row keeps its place in it when it changes, as in the order of ids.

    Yields:
        The pages that have something new, and of them what is new. That it ends well tells that the
        list was read whole.

    Raises:
        PartitionFailed: The list kept changing while it was read, or ends before the total.
    """
    walk = _Walk(ask, identify, size, stays=stays)
    for reading in range(READINGS):
        known = len(walk.keys)
        walk.begin()
        pages = walk.backward() if ascending and not reading else walk.forward(1)
        yield from (rows for rows in pages if rows.records)
        stood_still = len(walk.totals) <= 1
        if walk.count >= walk.total and (stood_still or walk.slides_back):
            return
        if reading and stood_still and len(walk.keys) == known:
            raise PartitionFailed(short(walk.count, walk.total))
    raise PartitionFailed(KEPT_CHANGING)


class _Walk:
    """Readings of one list, page by page.

    Attributes:
        keys: The records seen in all readings, by their identity.
        found: Those of this reading.
        missing: How many of this reading could not be read, by page.
        total: How many records there are, as far as that can be believed; else 0.
        totals: What was said of it in this reading.
        slides_back: Whether the reading went from the last page to the first.
    """

    def __init__(
        self, ask: Callable[[int], Loose], identify: Identify, size: int, *, stays: bool
    ) -> None:
        self._ask = ask
        self._identify = identify
        self._size = size
        self._stays = stays
        self._seen: set[bytes] = set()
        self.keys: set[Hashable] = set()
        self.begin()

    def begin(self) -> None:
        """Begin another reading."""
        self.found: set[Hashable] = set()
        self.missing: dict[int, int] = {}
        self.total = 0
        self.totals: set[int] = set()
        self.slides_back = False

    def _take(self, number: int) -> tuple[Loose, Rows]:
        """Ask for a page. Returns it, and of it what is new."""
        reply = self._ask(number)
        if reply.total is not None and reply.total > len(reply.records):
            self.total = reply.total  # any other may be the number of rows of this page
            self.totals.add(reply.total)
        keys = list(map(self._identify, reply.records))
        self.missing[number] = reply.missing
        self.found.update(keys)
        self.keys.update(keys)
        marks = list(map(digest, reply.records))
        fresh = reply.only([mark not in self._seen for mark in marks])
        self._seen.update(marks)
        return reply, fresh

    def forward(self, number: int) -> Iterator[Rows]:
        """Read from a page to the end."""
        announced = self.total
        while not announced or number <= READINGS * -(-announced // self._size) + GROWTH:
            before = len(self.found)
            reply, fresh = self._take(number)
            announced = announced or self.total
            yield fresh
            if (
                not self._is(reply, number)
                or (len(self.found) == before and not reply.missing)
                or (len(reply.records) < self._size and self.count >= self.total)
            ):
                return
            number += 1
        raise PartitionFailed(KEPT_CHANGING)

    def backward(self) -> Iterator[Rows]:
        """Read from the last page to the first, then what has come to the end meanwhile."""
        reply, fresh = self._take(1)
        yield fresh
        last = self._pages
        if last <= 1 or len(reply.records) != self._size:
            if reply.records and (len(reply.records) >= self._size or last):
                yield from self.forward(2)
            return
        number, same, is_full = last, 0, False
        previous: list[bytes] = []
        while number:
            reply, fresh = self._take(number)
            yield fresh
            is_there = self._is(reply, number)
            is_full = is_full or (number == last and len(reply.records) >= self._size)
            marks = list(map(digest, reply.records))
            same, previous = same + 1 if marks and marks == previous else 0, marks
            if same > 1 or (not is_there and self._pages >= number):
                yield from self.forward(1)  # there are not as many as the total says
                return
            number = number - 1 if is_there else self._pages
        readings = 0
        while not (yield from self._tail()):
            readings += 1
            if readings == READINGS:
                raise PartitionFailed(KEPT_CHANGING)
        total = self.total
        if is_full:  # there may be more than the total says
            yield from self.forward(self._pages + 1)
        self.total = total  # what has come to the end since is for the next run
        self.slides_back = True

    def _tail(self) -> Generator[Rows, None, bool]:
        """Read from the last page back to one that is known, so as to find what came behind it.

        Returns:
            Whether a known row was on the last page, so that all that is new was read at one
            moment. Else a row may have moved on to the end once more, ahead of the reading.
        """
        # One that has changed is known if it is where it was, and new if it may have moved.
        known: frozenset[Hashable] = frozenset(self.keys if self._stays else self._seen)
        mark = self._identify if self._stays else digest
        last = number = self._pages
        total, at_once = self.total, False
        for _ in range(READINGS * last):
            reply, fresh = self._take(number)
            yield fresh
            if number == last and self._pages > last:
                last = number = self._pages
                continue
            if number == last:
                total = self.total
            marks = set(map(mark, reply.records))
            at_once = at_once or (number == last and not known.isdisjoint(marks)) or last == 1
            if number == 1 or (marks <= known and self._is(reply, number)):
                self.total = total  # what has come to the end since is for the next run
                return at_once
            number = min(self._pages, number - 1)
        raise PartitionFailed(KEPT_CHANGING)

    @property
    def count(self) -> int:
        """How many records this reading has met."""
        return len(self.found) + sum(self.missing.values())

    @property
    def _pages(self) -> int:
        """How many pages there are, as far as that can be believed."""
        return -(-self.total // self._size)

    def _is(self, reply: Loose, number: int) -> bool:
        """Tell whether a page is one of the list, and not the last one once more."""
        return bool(reply.records) and reply.number in (None, number)
