"""Servers whose lists change while they are read, and what a reader made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st

from commerce_taps.errors import InvalidResponse, PartitionFailed
from commerce_taps.pagination.counted import check_page
from commerce_taps.pagination.keyset import uncounted_keyset
from commerce_taps.pagination.overlapping import anchored_pages, overlapping_pages
from commerce_taps.pagination.page import MARGIN, UNBOUNDED, Page, Params, TimeRange
from commerce_taps.records import dates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypothesis.strategies import DrawFn

Change = tuple[str, int, timedelta]
"""What happens to which row, and how much later than what happened before."""

Version = tuple[int, int]
"""A row's id and how often it was changed."""

START = datetime(2024, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
NOW, LATER = timedelta(0), timedelta(seconds=1)
MAX_REQUESTS = 2000


def identify(raw: msgspec.Raw) -> int:
    return int(json.loads(bytes(raw))["id"])


@dataclass
class Server:
    """An API's list: sorted, filtered and paged, and changed a little before each answer."""

    timestamps: Sequence[datetime | None]
    size: int
    script: list[list[Change]] = field(default_factory=list)
    undated_first: bool = True
    order: str = "timestamp"
    lie: Callable[[Page, int], Page] = lambda page, _: page
    filters: bool = True

    def __post_init__(self) -> None:
        self.rows = {number: (timestamp, 0) for number, timestamp in enumerate(self.timestamps)}
        self.clock = max((timestamp for timestamp in self.timestamps if timestamp), default=START)
        self.requests = 0

    def change(self, kind: str, which: int, later: timedelta) -> None:
        self.clock += later
        ids = sorted(self.rows)
        if kind == "insert":
            # Ids come in any order: a new row may sort before all others of its instant.
            self.rows[-which if -which not in self.rows else 1000 + len(self.rows) * 7 + which] = (
                self.clock,
                0,
            )
        elif ids and kind == "delete":
            del self.rows[ids[which % len(ids)]]
        elif ids:
            row = ids[which % len(ids)]
            self.rows[row] = (self.clock, self.rows[row][1] + 1)

    def selected(self, requested: TimeRange) -> list[int]:
        def place(row: int) -> tuple[object, ...]:
            timestamp = self.rows[row][0]
            if self.order == "id":
                return (row,)
            at = timestamp.timestamp() if timestamp else 0
            return ((timestamp is None) != self.undated_first, at * self.direction, row)

        if requested == UNBOUNDED or not self.filters:
            return sorted(self.rows, key=place)
        dated = [(row, at) for row, (at, _) in self.rows.items() if at is not None]
        return sorted((row for row, at in dated if at in requested), key=place)

    @property
    def direction(self) -> int:
        return -1 if self.order == "descending" else 1

    def fetch(self, requested: TimeRange, number: int) -> Page:
        assert self.requests < MAX_REQUESTS, "it never ends"
        for change in self.script[self.requests] if self.requests < len(self.script) else ():
            self.change(*change)
        self.requests += 1
        rows = self.selected(requested)
        shown = rows[(number - 1) * self.size : number * self.size]
        page = Page(
            records=[self.raw(row) for row in shown],
            valid=[False] * len(shown),
            timestamps=[self.rows[row][0] for row in shown],
            total=len(rows),
            size=self.size,
            has_next=number * self.size < len(rows),
        )
        return check_page(self.lie(page, number), requested, number)

    def raw(self, row: int) -> msgspec.Raw:
        timestamp, version = self.rows[row]
        text = timestamp.isoformat() if timestamp else None
        return msgspec.Raw(json.dumps({"id": row, "version": version, "timestamp": text}).encode())

    @property
    def versions(self) -> dict[Version, datetime | None]:
        return {(row, version): timestamp for row, (timestamp, version) in self.rows.items()}


@dataclass
class Reading:
    """What a reader handed on, page by page, and how it ended."""

    pages: list[tuple[list[Version], datetime | None]] = field(default_factory=list)
    error: Exception | None = None

    @classmethod
    def of(cls, pages: Iterator[Page]) -> Reading:
        reading = cls()
        try:
            for page in pages:
                assert len(page.records) == len(page.valid)
                rows = [json.loads(bytes(raw)) for raw in page.records]
                reading.pages.append(([(r["id"], r["version"]) for r in rows], page.bookmark))
        except (PartitionFailed, InvalidResponse) as error:
            reading.error = error
        return reading

    @property
    def rows(self) -> list[Version]:
        return [row for rows, _ in self.pages for row in rows]

    @property
    def prefixes(self) -> Iterator[tuple[set[Version], datetime | None]]:
        """What was handed on, and the bookmark, had the run been killed after each page."""
        handed: set[Version] = set()
        kept: datetime | None = None
        yield handed, kept
        for rows, bookmark in self.pages:
            handed = handed | set(rows)
            kept = max((b for b in (kept, bookmark) if b is not None), default=None)
            yield handed, kept

    @property
    def bookmark(self) -> datetime | None:
        return list(self.prefixes)[-1][1]


OFFSETS = [0, 0, 0, 250, 500, 999, 1000, 1000, 1500, 2000, 60_000]
timestamps = st.sampled_from(OFFSETS).map(lambda ms: START + timedelta(milliseconds=ms))
waits = st.sampled_from([0, 0, 250, 1000, 1000, 5000]).map(lambda ms: timedelta(milliseconds=ms))


@st.composite
def servers(
    draw: DrawFn, *, kinds: tuple[str, ...] = ("update", "insert", "delete"), nulls: bool = True
) -> Server:
    values = timestamps | st.none() if nulls else timestamps
    change = st.tuples(st.sampled_from(kinds), st.integers(0, 20), waits)
    return Server(
        draw(st.lists(values, max_size=14)),
        draw(st.sampled_from([1, 2, 3, 4, 20])),
        draw(st.lists(st.lists(change, max_size=4), max_size=25)) if kinds else [],
        draw(st.booleans()),
    )


def forgotten(server: Server, handed: set[Version], bookmark: datetime | None) -> list[Version]:
    """List the rows that a run from this bookmark would not bring, and no run has brought."""
    return [
        row
        for row, timestamp in server.versions.items()
        if row not in handed
        and bookmark is not None
        and (timestamp is None or timestamp < bookmark)
    ]


# --- lists without totals -----------------------------------------------------------------------


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@dataclass
class UncountedServer:
    """A list that announces no total, behind an API whose lower bounds are exclusive.

    Attributes:
        rows: The second of each row's last change, by its id.
        size: Rows of a page.
        by_id: Whether it can be sorted by id.
        acts: What happens before the request of a number, counted from 0.
        requests: How many requests there were.
    """

    rows: dict[int, int]
    size: int = 3
    by_id: bool = True
    acts: dict[int, Callable[[dict[int, int]], Any]] = field(default_factory=dict)
    requests: int = 0

    @classmethod
    def of(cls, *seconds: int, size: int = 3) -> UncountedServer:
        """Serve rows with the ids 1, 2, 3 …"""
        return cls(dict(enumerate(seconds, 1)), size)

    def fetch(self, requested: TimeRange, number: int) -> Page:
        """Fetch a page by its number."""
        found = self._selected(requested)
        if self.by_id:
            found.sort()
        return self._page(found, (number - 1) * self.size)

    def fetch_sorted(self, requested: TimeRange) -> Page:
        """Fetch the first page in the order of changes."""
        return self._page(sorted(self._selected(requested), key=lambda one: (self.rows[one], one)))

    def fetch_after(self, requested: TimeRange, cursor: str | None) -> Page:
        """Fetch the page after a cursor."""
        found = sorted(self._selected(requested))
        after = int(cursor) if cursor is not None else -1
        return self._page(found, next((n for n, one in enumerate(found) if one > after), 10**6))

    def _selected(self, requested: TimeRange) -> list[int]:
        self.acts.get(self.requests, dict)(self.rows)
        self.requests += 1
        assert self.requests < MAX_REQUESTS, "it never ends"
        low = requested.start - MARGIN if requested.start else None
        return [
            one
            for one, second in self.rows.items()
            if (low is None or at(second) > low)
            and (requested.end is None or at(second) < requested.end)
        ]

    def _page(self, found: Sequence[int], first: int = 0) -> Page:
        page = found[first : first + self.size]
        return Page(
            [msgspec.Raw(json.dumps([one, self.rows[one]]).encode()) for one in page],
            timestamps=[at(self.rows[one]) for one in page],
            size=self.size,
            has_next=len(page) == self.size,
            cursor=str(page[-1]) if page else None,
            anchor=found[first - 1] if 0 < first <= len(found) else None,
        )

    def anchored(self, requested: TimeRange = UNBOUNDED) -> Iterator[Page]:
        """Read it by page number."""
        return anchored_pages(self.fetch, first_of, requested, ascending=self.by_id)

    def keyset(self, start: datetime | None, end: datetime = dates.LAST) -> Iterator[Page]:
        """Read it by the last change."""
        return uncounted_keyset(self.fetch_sorted, self.read_range, start, end)

    def read_range(self, requested: TimeRange, seen: set[bytes]) -> Iterator[Page]:
        """Read a range by page number."""
        return anchored_pages(self.fetch, first_of, requested, seen, ascending=self.by_id)


def first_of(raw: msgspec.Raw) -> int:
    return int(json.loads(bytes(raw))[0])


def rows_of(pages: Iterator[Page]) -> list[tuple[int, int]]:
    """Read pages whose records are pairs."""
    found = [json.loads(bytes(raw)) for page in pages for raw in page.records]
    return [(one, two) for one, two in found]


# --- lists without totals or order --------------------------------------------------------------


@dataclass
class UnorderedServer:
    """A list of numbers without total or order.

    Attributes:
        rows: The numbers.
        style: How its pages are fetched: by "offset", "number" or "link".
        acts: What happens before the request of a number, counted from 0.
        mistakes: Which requests, counted from 1, get the response to the one before.
        size: Rows of a page.
        requests: How many requests there were.
    """

    rows: list[int]
    style: str
    acts: dict[int, Callable[[list[int]], Any]] = field(default_factory=dict)
    mistakes: frozenset[int] = frozenset()
    size: int = 3
    requests: int = 0
    previous: Params | None = None

    def fetch(self, place: Params) -> Page:
        """Fetch a page by the parameters that only this page has."""
        self.acts.get(self.requests, list)(self.rows)
        self.requests += 1
        assert self.requests < MAX_REQUESTS, "it never ends"
        is_mistaken = self.requests in self.mistakes and self.previous is not None
        shown = self.previous if is_mistaken and self.previous is not None else place
        self.previous = place
        first = int(shown.get("offset", (int(shown.get("page", 1)) - 1) * self.size))
        found = self.rows[first : first + self.size]
        page = Page([msgspec.Raw(b"%d" % row) for row in found])
        number = int(place.get("page", 1))
        if self.style == "offset" and len(found) > (1 if place else 0):
            page.next_params = {"offset": int(place.get("offset", 0)) + len(found) - 1}
        elif self.style == "number":
            page.params = {"page": number}
            page.next_params = {"page": number + 1} if found else None
        elif self.style == "link" and first + self.size < len(self.rows):
            page.next_params = {"page": int(shown.get("page", 1)) + 1}
        return page

    def read(self) -> list[int]:
        """Read it to its end."""
        pages = overlapping_pages(
            self.fetch,
            bytes,
            overlap=self.style == "offset",
            repeats=self.style == "number",
        )
        return [int(bytes(raw)) for page in pages for raw in page.records]


def act(kind: str, where: int) -> Callable[[dict[int, int]], None]:
    """Add a row with an odd id to an `UncountedServer`, or delete one."""

    def change(rows: dict[int, int]) -> None:
        if kind == "insert":
            rows[next(one for one in range(2 * where + 1, 4000, 2) if one not in rows)] = where
        elif rows:
            del rows[sorted(rows)[where % len(rows)]]

    return change


churn = st.dictionaries(
    st.integers(0, 30), st.builds(act, st.sampled_from(["insert", "delete"]), st.integers(0, 40))
)
"""What happens to an `UncountedServer` before which request."""


def untouched(server: UncountedServer, pages: Iterator[Page]) -> tuple[set[int], set[int]]:
    """Read pages. Returns the rows that were there all the time, and those that came."""
    before = set(server.rows)
    found = {one for one, _ in rows_of(pages)}
    return before & server.rows.keys(), found


def add_or_remove(what: str, where: float) -> Callable[[list[int]], None]:
    """Add a row to a list, or remove one, at a place between 0 and 1."""

    def change(rows: list[int]) -> None:
        place = int(where * len(rows))
        if what == "add":
            rows.insert(place, 1000 + len(rows) + place)
        elif rows:
            rows.pop(min(place, len(rows) - 1))

    return change


@st.composite
def sparse_changes(draw: DrawFn) -> dict[int, Callable[[list[int]], None]]:
    """Plan what happens before which request: one change at a time, not before two in a row."""
    planned = draw(
        st.dictionaries(
            st.integers(1, 25),
            st.tuples(st.sampled_from(["add", "go"]), st.floats(0, 1)),
            max_size=5,
        )
    )
    return {
        when: add_or_remove(*one)
        for when, one in planned.items()
        if when % 2 and (when - 2) not in planned
    }
