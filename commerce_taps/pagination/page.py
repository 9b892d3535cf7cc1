"""One page of a list, the range of timestamps it covers, and what all readers of pages share."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass
from itertools import compress

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from commerce_taps.errors import InvalidResponse
from commerce_taps.records import dates
from commerce_taps.records.normalize import AnyRecord, NormalizedRecord

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

MAX_PASSES = 5
"""How often a list that changes while it is read by page number is read before giving up."""

MAX_EXTRA_PAGES = 1_000
"""How many pages beyond `MAX_PASSES` times the announced number are read before giving up: a list
that grows as fast as it is read has no end."""

KEPT_CHANGING = "the list kept changing while it was read"

MARGIN: t.Final = dates.ONE_SECOND
"""How much wider than a range its request is, where the API does not say whether its bounds are
inclusive."""

PLACEHOLDER: t.Final = msgspec.Raw(b"null")
"""Stands for a record that cannot be read, where a reader compares the ends of pages. It is
recognized by identity, and readers do not yield it."""


OpaqueRecord: t.TypeAlias = t.Any
"""A record in either form of `AnyRecord`: readers hand it on and look only at its identity and its
digest."""


class Page(msgspec.Struct):
    """The records of one response, on their way from the server to the writer.

    Only `records` is always there. `Shape.validate` adds what the schema says about them, a stream
    adds what the response says about the list, and a reader adds the bookmark.

    Attributes:
        records: The records, each the bytes of one JSON object or, where every record is rewritten,
            its normalized values.
        valid: For each record, whether it is bytes that can be emitted as they are.
        timestamps: The replication value of each record; `None` where a record has none.
        total: How many records the whole list has, according to the API.
        size: How many records a page has, according to the API.
        number: Which page this is, according to the API. It may differ from the requested one.
        has_next: Whether the API says that another page follows.
        cursor: Where the next page begins, according to the API: a cursor or a link.
        params: The parameters that fetch this page again, if others than it was fetched with.
        next_params: The parameters that fetch the next page; `None` if there is none.
        anchor: The identity of the record before this page, fetched in the same request.
        missing: How many records of the page cannot be read. They are left out, or `PLACEHOLDER`
            stands in their place.
        is_safe: Whether no record can follow that lies before those yielded so far, so that the
            stream may set a bookmark.
        bookmark: The replication value that is safe to keep once this page is written. Only the
            reader can set it, because only the reader knows what may still come.
        change_token: What the state keeps once the partition is complete, so that the next run can
            see whether anything has changed since.
        children: Records found inside these, by the name of their stream.
    """

    records: Sequence[OpaqueRecord]
    valid: Sequence[bool] = ()
    timestamps: Sequence[datetime | None] = ()
    total: int | None = None
    size: int | None = None
    number: int | None = None
    has_next: bool = False
    cursor: str | None = None
    params: Params | None = None
    next_params: Params | None = None
    anchor: Hashable = None
    missing: int = 0
    is_safe: bool = False
    bookmark: datetime | None = None
    change_token: str | None = None
    children: Mapping[str, Page] = {}

    @classmethod
    def join(cls, parts: Sequence[Page], number: int, size: int) -> Page:
        """Build a page from smaller ones.

        Args:
            parts: The smaller pages in order, at least one. A part whose number is 0 is the last
                page of the list once more, and is left out.
            number: The number of the page.
            size: How many records it was requested to have.
        """
        own = [part for part in parts if part.number != 0]
        total = max((part.total for part in parts if part.total is not None), default=None)
        return cls(
            [raw for part in own for raw in part.records],
            [valid for part in own for valid in part.valid],
            [timestamp for part in own for timestamp in part.timestamps],
            total=total,
            size=size,
            number=number if own else 0,
            has_next=number * size < total if total else parts[-1].has_next,
            anchor=parts[0].anchor,
            missing=sum(part.missing for part in parts),
        )

    @property
    def page_count(self) -> int:
        """How many pages the whole list has, by its total; at least 1."""
        return max(-(-(self.total or 0) // (self.size or 1)), 1)

    def only(self, keep: Sequence[bool]) -> Page:
        """Leave out records.

        Args:
            keep: For each record, whether it stays.
        """
        if all(keep):
            return self
        return replace(
            self,
            records=list(compress(self.records, keep)),
            valid=list(compress(self.valid, keep)),
            timestamps=list(compress(self.timestamps, keep)),
        )

    def within(self, keep: TimeRange) -> Page:
        """Leave out records whose timestamp is outside a range. Those without one stay."""
        if keep == UNBOUNDED:
            return self
        return self.only([value is None or value in keep for value in self.timestamps])

    def trim(self, requested: TimeRange) -> Page:
        """Leave out placeholders, and records that came only because of the `MARGIN`.

        A record whose timestamp lies further outside the range stays: the API contradicts itself
        about it, which is no reason to lose it.

        Args:
            requested: The range, without the margin.
        """
        return self.only(
            [
                raw is not PLACEHOLDER and not requested.is_beside(timestamp)
                for raw, timestamp in zip(self.records, self.timestamps, strict=True)
            ]
        )

    def unseen(self, seen: set[bytes]) -> Page:
        """Leave out records that an earlier page had as they are, and remember the others.

        Args:
            seen: Digests of the records of earlier pages; those of this page are added.
        """
        digests = list(map(digest, self.records))
        page = self.only([one not in seen for one in digests])
        seen.update(digests)
        return page


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range of timestamps, both bounds to the second.

    Attributes:
        start: The first timestamp; `None` for no bound, which includes rows without a timestamp.
        end: The first timestamp after the range; `None` for no bound.
    """

    start: datetime | None = None
    end: datetime | None = None

    @override
    def __str__(self) -> str:
        """Describe the rows of the range, for messages."""
        named = [f"from {dates.render(self.start)} on"] if self.start else []
        named += [f"before {dates.render(self.end)}"] if self.end else []
        return " ".join(["those", *named]) if named else "the list"

    def __contains__(self, timestamp: datetime | None) -> bool:
        """Whether the range includes a timestamp."""
        if timestamp is None:
            return self.start is None
        return (self.start is None or timestamp >= self.start) and (
            self.end is None or timestamp < self.end
        )

    def is_beside(self, timestamp: datetime | None) -> bool:
        """Whether a timestamp is outside the range, but not more than `MARGIN`."""
        if timestamp is None or timestamp in self:
            return False
        return bool(
            (self.start and dates.shift(self.start, -MARGIN) <= timestamp < self.start)
            or (self.end and self.end <= timestamp <= dates.shift(self.end, MARGIN))
        )

    def includes_all(self, timestamps: Sequence[datetime | None]) -> bool:
        """Whether the range includes every timestamp there is."""
        known = [timestamp for timestamp in timestamps if timestamp is not None]
        return not known or (min(known) in self and max(known) in self)


UNBOUNDED: t.Final = TimeRange()

EMPTY_RANGE: t.Final = TimeRange(dates.FIRST, dates.FIRST)


class IncompletePage(InvalidResponse):
    """A page has fewer rows than its list announces.

    Attributes:
        page: The page. Its rows are valid all the same.
    """

    def __init__(self, reason: str, page: Page) -> None:
        """Keep the page for the caller, who still writes its rows."""
        super().__init__(reason)
        self.page = page


FetchPage = t.Callable[[TimeRange, int], Page]
"""Fetches the page of a range by its number, counted from 1."""

Params = t.Mapping[str, str | int]
"""Query parameters that say which page of a list to return."""

Identify = t.Callable[[OpaqueRecord], "Hashable"]
"""Returns the identity of a record within its list, as `Shape.key` does."""


def digest(record: AnyRecord) -> bytes:
    """Return sixteen bytes that tell a record from every other, without keeping the record."""
    if isinstance(record, NormalizedRecord):
        return record.digest
    return hashlib.blake2b(record, digest_size=16).digest()


def ends_before_total(found: int, total: int) -> str:
    """Describe a list that ends before the number of records it announces.

    Args:
        found: How many records came.
        total: How many the API announces.

    Returns:
        The message, without a full stop.
    """
    return f"the list ends at {found:,} of the {total:,} records it announces, each time"


def without_bookmarks(pages: Iterable[Page]) -> Iterator[Page]:
    """Remove the bookmarks from the pages of a list in no order, where none is safe."""
    for page in pages:
        yield replace(page, bookmark=None)
