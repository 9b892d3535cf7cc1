"""Reads all pages of a list that announces no total, so that nothing slips between two of them.

Three readers, each a generator over a function that asks:

- `keyset`, where the list can be filtered and sorted by the replication key: each page begins at
  the last value seen, so rows that move to the end meanwhile do not matter. The rows come in
  order, so a bookmark is safe after each page.
- `by_cursor`, where there is a connection with a unique sort: the cursor holds on to a row.
- `counted_pages` elsewhere. With each page the row before it is asked for once more, in the same
  request; if it is not the one that ended the page before, rows have moved, and the list is read
  again from its beginning.

Whether the bounds of a filter are inclusive is not documented: windows are asked for a second
wider than they are, and the rows of that second are left out here. A row whose value lies further
beyond is no reason to leave it out, but one not to rely on the order.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import (
    KEPT_CHANGING,
    MAX_PASSES,
    UNBOUNDED,
    TimeRange,
    digest,
    ends_before_total,
)
from commerce_taps.records import dates

WIDER: t.Final = dates.ONE_SECOND
"""How much wider a window is asked for than it is."""

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from msgspec import Raw

Id = int | str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of a list.

    Attributes:
        window: The replication values asked for.
        in_time: Whether to sort by the replication key; else by what tells the rows apart.
        number: The page's number, counted from 1.
        cursor: Where the page begins, in place of a number.
    """

    window: TimeRange = UNBOUNDED
    in_time: bool = False
    number: int = 1
    cursor: str | None = None

    @property
    def place(self) -> str:
        """Where in the list the page is, for messages."""
        start = self.window.start
        since = f" of those from {dates.render(start)} on" if start else ""
        after = f" behind the cursor {self.cursor}" if self.cursor else ""
        return f"page {self.number}{since}{after}"


@dataclass(slots=True)
class Rows:
    """One page as it came.

    Attributes:
        records: The rows; `None` in place of one that could not be read.
        ids: Their ids; `None` for one that has none.
        stamps: Their replication values; `None` for one that has none.
        size: How many rows were asked for.
        more: Whether another page may follow.
        before: The id of the row before the page, asked for beyond the first page.
        cursor: Where the next page begins.
        ascending: Whether the rows come in the order of their ids.
        total: How many rows the whole list has, where the API says so.
        missing: How many rows are left out: none, for there is `None` in place of each.
    """

    records: Sequence[Raw | None]
    ids: Sequence[Id | None]
    timestamps: Sequence[datetime | None]
    size: int
    more: bool
    before: Id | None = None
    cursor: str | None = None
    ascending: bool = False
    total: int | None = None
    missing: int = 0

    @classmethod
    def join(cls, parts: Sequence[Rows], number: int, size: int) -> Rows:
        """Put a page together from its parts, as `commerce_taps.pagination.parts` wants it.

        Args:
            parts: The parts in their order; none for a row that cannot be read.
            number: The number of the page.
            size: How many rows it was to have.

        Returns:
            The page.
        """
        del number  # rows do not tell it
        if not parts:
            return cls([None], [None], [None], size, more=True)
        return cls(
            [raw for part in parts for raw in part.records],
            [one for part in parts for one in part.ids],
            [stamp for part in parts for stamp in part.timestamps],
            size,
            parts[-1].more,
            parts[0].before,
            ascending=parts[0].ascending,
        )

    def fresh(self, seen: set[bytes], window: TimeRange) -> list[Raw]:
        """Pick the rows to hand on, and remember them.

        Args:
            seen: Digests of rows that were handed on; those of this page are added.
            window: Rows of the second before or after it are left out.

        Returns:
            The rows.
        """
        found = []
        for raw, stamp in zip(self.records, self.timestamps, strict=True):
            if raw is None or _is_beside(stamp, window):
                continue
            if (mark := digest(raw)) not in seen:
                seen.add(mark)
                found.append(raw)
        return found


def _is_beside(stamp: datetime | None, window: TimeRange) -> bool:
    """Tell whether a row came only because more was asked for than is wanted."""
    if stamp is None or stamp in window:
        return False
    start, end = window.start, window.end
    return bool(
        (start and dates.shift(start, -WIDER) <= stamp < start)
        or (end and end <= stamp <= dates.shift(end, WIDER))
    )


Ask = t.Callable[[PageRequest], Rows]

Pages = t.Iterator[tuple[t.Sequence["Raw"], bool]]
"""Rows to hand on, and whether all rows up to the latest of them have been handed on."""


def keyset(ask: Ask, start: datetime | None, end: datetime = dates.LAST) -> Pages:
    """Read a list in the order of its replication key.

    Args:
        ask: Asks for a page.
        start: The first replication value, inclusive; `None` for everything.
        end: The latest replication value there can be.

    Yields:
        The rows; a bookmark is safe after each page.
    """
    begin = dates.floor(start) if start else None
    seen: set[bytes] = set()
    while True:
        window = TimeRange(begin)
        rows = ask(PageRequest(window, in_time=True))
        known = [stamp for stamp in rows.timestamps if stamp is not None]
        asked = TimeRange(begin and dates.shift(begin, -WIDER), dates.shift(end, WIDER))
        is_sorted = known == sorted(known) and (not known or asked.includes_all(known))
        unread = rows.more and rows.records[-1] is None  # it lies behind the last one known
        unordered = not known or (rows.timestamps[-1] is None and not unread)
        if not is_sorted or (rows.more and unordered):
            yield from overlapping_rows(ask, window, seen)  # there is no order to rely on
            return
        if not rows.more:
            yield rows.fresh(seen, window), True
            return
        edge = dates.floor(known[-1])
        if begin is None or edge > begin:
            yield rows.fresh(seen, window), True
            seen = {
                digest(raw)
                for raw, stamp in zip(rows.records, rows.timestamps, strict=True)
                if raw is not None and stamp is not None and stamp >= edge
            }
            begin = edge
        else:  # one page does not hold what changed within one second
            second = TimeRange(begin, dates.shift(begin, dates.ONE_SECOND))
            for records, _ in overlapping_rows(ask, second, seen):
                yield records, True
            begin, seen = second.end, set()


def overlapping_rows(
    ask: Ask, window: TimeRange = UNBOUNDED, seen: set[bytes] | None = None
) -> Pages:
    """Read a list by page numbers, and again from its beginning when rows have moved.

    Args:
        ask: Asks for a page.
        window: The replication values wanted.
        seen: Digests of rows that were handed on already.

    Yields:
        The rows; a bookmark is safe at the end only.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    seen = set() if seen is None else seen
    for _ in range(MAX_PASSES):
        number, last, known = 1, None, set[Id | None]()
        while True:
            rows = ask(PageRequest(window, number=number))
            came_before = rows.more and known.issuperset(rows.ids)
            known.update(rows.ids)
            if number > 1 and (came_before or _moved(rows, last)):
                break
            yield rows.fresh(seen, window), not rows.more
            if not rows.more:
                return
            number, last = number + 1, rows.ids[-1]
    raise PartitionFailed(KEPT_CHANGING)


def _moved(rows: Rows, last: Id | None) -> bool:
    """Tell whether rows may have slipped past: the one before the page is not the last one seen.

    Where the ids are numbers in ascending order, a lesser one tells of rows that were added: they
    move the others back, which only brings some of them twice.
    """
    if last is None:  # it could not be read, so it cannot be known again
        return False
    if rows.ascending and isinstance(rows.before, int) and isinstance(last, int):
        return rows.before > last
    return rows.before != last


def cursor_pages(ask: Ask, window: TimeRange = UNBOUNDED) -> Pages:
    """Read a connection from cursor to cursor.

    Args:
        ask: Asks for a page.
        window: The replication values wanted.

    Yields:
        The rows; a bookmark is safe at the end only.

    Raises:
        PartitionFailed: A page leads back to where the reading was before, or the list ends before
            the number of rows it announces.
    """
    seen: set[bytes] = set()
    for reading in range(MAX_PASSES):
        known, count = len(seen), 0
        cursors: set[str | None] = {None}
        cursor: str | None = None
        while True:
            rows = ask(PageRequest(window, cursor=cursor))
            count += len(rows.records)
            is_whole = not rows.more and count >= (rows.total or 0)
            yield rows.fresh(seen, window), is_whole
            if is_whole:
                return
            if not rows.more:
                break
            cursor = rows.cursor
            if cursor in cursors:
                msg = (
                    "a page of the list leads nowhere: it says that another one follows, and not "
                    "where"
                )
                raise PartitionFailed(msg)
            cursors.add(cursor)
        if reading and len(seen) == known:
            raise PartitionFailed(ends_before_total(count, rows.total or 0))
    raise PartitionFailed(KEPT_CHANGING)
