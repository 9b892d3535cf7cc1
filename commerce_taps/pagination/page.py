"""One page of a list, the range it is of, and what all readers of pages share."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field
from itertools import compress

import msgspec
from typing_extensions import override

from commerce_taps.errors import InvalidResponse
from commerce_taps.records import dates

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

MAX_PASSES = 5
"""How often a list that changes while it is read by page number is read before giving up."""

MAX_EXTRA_PAGES = 1_000
"""How many pages more than were announced, `READINGS` times over, are read by key before giving up:
a list that grows as fast as it is read has no end."""

KEPT_CHANGING = "the list kept changing while it was read"


class Page(msgspec.Struct):
    """Records of one answer, on their way from the reader to the writer.

    Attributes:
        records: The records, each the bytes of one JSON object.
        valid: For each record, whether its bytes can be emitted as they are.
        bookmark: The replication value that is safe to keep once this page is written, if any:
            the reader of the pages knows what else may still come.
        change_token: What the state keeps once the partition is over, so that the next run can
            tell whether anything has changed since.
        children: Records that came inside of these, by the name of the stream they are of.
    """

    records: Sequence[msgspec.Raw]
    valid: Sequence[bool] = ()
    bookmark: datetime | None = None
    change_token: str | None = None
    children: Mapping[str, Page] = {}


class TimeRange(t.NamedTuple):
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


UNBOUNDED: t.Final = TimeRange()

EMPTY_RANGE: t.Final = TimeRange(dates.FIRST, dates.FIRST)


@dataclass(slots=True)
class Rows:
    """Records of one page.

    Attributes:
        records: The records as raw bytes.
        valid: Whether each can be emitted as it is.
        timestamps: The replication value of each; `None` where a record has none.
        total: How many records the whole list has, as the API says; `None` if it does not say.
        size: How many records a page has, as the API says; `None` if it does not say.
        missing: How many records of the page cannot be read; they are left out.
    """

    records: Sequence[msgspec.Raw]
    valid: Sequence[bool]
    timestamps: Sequence[datetime | None]
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
            list(compress(self.valid, wanted)),
            list(compress(self.timestamps, wanted)),
        )

    def page(
        self,
        seen: AbstractSet[bytes] = frozenset(),
        *,
        new_from: datetime | None = None,
        wanted: TimeRange = UNBOUNDED,
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
        if not seen and wanted is UNBOUNDED:
            return Page(self.records, self.valid, bookmark)
        fresh = [
            (new_from and stamp and stamp >= new_from) or digest(raw) not in seen
            for raw, stamp in zip(self.records, self.timestamps, strict=True)
        ]
        if wanted is not UNBOUNDED:
            inside = [stamp is None or stamp in wanted for stamp in self.timestamps]
            fresh = list(map(all, zip(fresh, inside, strict=True)))
        return Page(
            list(compress(self.records, fresh)), list(compress(self.valid, fresh)), bookmark
        )


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
        [fits for page in pages for fits in page.valid],
        [stamp for page in pages for stamp in page.timestamps],
    )


class IncompletePage(InvalidResponse):
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


FetchPage = t.Callable[[TimeRange, int], Reply]
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


def end_before_total(found: int, total: int) -> str:
    """Say that a list ends before the number of records it announces.

    Args:
        found: How many records came.
        total: How many the API says there are.

    Returns:
        The sentence without its full stop.
    """
    return f"the list ends at {found:,} of the {total:,} records it announces, each time"


def unmarked(pages: Iterable[Page]) -> Iterator[Page]:
    """Take the bookmarks off.

    Args:
        pages: Pages of a list in no order, where no bookmark is safe.

    Yields:
        The same pages without.
    """
    for page in pages:
        yield Page(page.records, page.valid)
