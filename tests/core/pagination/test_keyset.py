"""The readers, on lists that change under their hands and on servers that lie."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from commerce_taps.errors import InvalidResponse, PartitionFailed
from commerce_taps.pagination.counted import check_page, counted_pages
from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.page import UNBOUNDED, Reply, TimeRange
from commerce_taps.records import dates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypothesis.strategies import DrawFn

    from commerce_taps.pagination.page import FetchPage, Page

    Change = tuple[str, int, timedelta]
    """What happens to which row, and how much later than what happened before."""
    Version = tuple[int, int]
    """A row's id and how often it was changed."""

START = datetime(2024, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
NOW, LATER = timedelta(0), timedelta(seconds=1)
MOST_ASKS = 2000


def identify(raw: msgspec.Raw) -> int:
    return int(json.loads(bytes(raw))["id"])


@dataclass
class Server:
    """An API's list: sorted, filtered and paged, and changed a little before each answer."""

    stamps: Sequence[datetime | None]
    size: int
    script: list[list[Change]] = field(default_factory=list)
    unstamped_first: bool = True
    order: str = "stamp"
    lie: Callable[[Reply, int], Reply] = lambda reply, _: reply
    filters: bool = True

    def __post_init__(self) -> None:
        self.rows = {number: (stamp, 0) for number, stamp in enumerate(self.stamps)}
        self.clock = max((stamp for stamp in self.stamps if stamp), default=START)
        self.asks = 0

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

    def selected(self, asked: TimeRange) -> list[int]:
        def place(row: int) -> tuple[object, ...]:
            stamp = self.rows[row][0]
            if self.order == "id":
                return (row,)
            at = stamp.timestamp() if stamp else 0
            return ((stamp is None) != self.unstamped_first, at * self.direction, row)

        every = self.rows if asked == UNBOUNDED or not self.filters else [
            row for row, (stamp, _) in self.rows.items() if stamp is not None and stamp in asked
        ]  # fmt: skip
        return sorted(every, key=place)

    @property
    def direction(self) -> int:
        return -1 if self.order == "descending" else 1

    def ask(self, asked: TimeRange, number: int) -> Reply:
        assert self.asks < MOST_ASKS, "asks without end"
        for change in self.script[self.asks] if self.asks < len(self.script) else ():
            self.change(*change)
        self.asks += 1
        rows = self.selected(asked)
        page = rows[(number - 1) * self.size : number * self.size]
        reply = Reply(
            records=[self.raw(row) for row in page],
            valid=[False] * len(page),
            timestamps=[self.rows[row][0] for row in page],
            total=len(rows),
            size=self.size,
            has_next=number * self.size < len(rows),
        )
        return check_page(self.lie(reply, number), asked, number)

    def raw(self, row: int) -> msgspec.Raw:
        stamp, version = self.rows[row]
        text = stamp.isoformat() if stamp else None
        return msgspec.Raw(json.dumps({"id": row, "version": version, "stamp": text}).encode())

    @property
    def versions(self) -> dict[Version, datetime | None]:
        return {(row, version): stamp for row, (stamp, version) in self.rows.items()}


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
stamps = st.sampled_from(OFFSETS).map(lambda ms: START + timedelta(milliseconds=ms))
waits = st.sampled_from([0, 0, 250, 1000, 1000, 5000]).map(lambda ms: timedelta(milliseconds=ms))


@st.composite
def servers(
    draw: DrawFn, *, kinds: tuple[str, ...] = ("update", "insert", "delete"), nulls: bool = True
) -> Server:
    values = stamps | st.none() if nulls else stamps
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
        for row, stamp in server.versions.items()
        if row not in handed and bookmark is not None and (stamp is None or stamp < bookmark)
    ]


# --- by_key -------------------------------------------------------------------------------------


CHURNING = (
    servers(nulls=False) | servers(kinds=("update", "insert")) | servers(kinds=("update", "delete"))
)
"""Rows without a value are found by number only, where a delete and an insert together may hide."""


@given(CHURNING)
def test_keyset_is_never_ahead_of_what_it_handed_on(server: Server) -> None:
    reading = Reading.of(keyset(server.ask, identify, None))
    for handed, bookmark in reading.prefixes:
        assert not forgotten(server, handed, bookmark)


@given(CHURNING)
def test_two_runs_by_key_bring_everything(server: Server) -> None:
    first = Reading.of(keyset(server.ask, identify, None))
    server.script = []
    second = Reading.of(keyset(server.ask, identify, first.bookmark))
    assert second.error is None
    assert not server.versions.keys() - set(first.rows) - set(second.rows)


@given(servers(kinds=("update", "insert")))
def test_keyset_loses_no_row_that_was_there(server: Server) -> None:
    before = server.versions
    reading = Reading.of(keyset(server.ask, identify, None))
    assume(reading.error is None)
    untouched = before.keys() & server.versions.keys()
    assert not untouched - set(reading.rows)


@given(servers(kinds=("update", "insert"), nulls=False), st.data())
def test_keyset_from_a_bookmark_brings_all_from_its_second_on(
    server: Server, data: st.DataObject
) -> None:
    start = data.draw(stamps)
    before = {row for row, stamp in server.versions.items() if stamp and stamp >= start}
    reading = Reading.of(keyset(server.ask, identify, start))
    assume(reading.error is None)
    assert not before & server.versions.keys() - set(reading.rows)
    known = server.versions
    second = start.replace(microsecond=0)
    assert all(known[row] >= second for row in reading.rows if row in known)  # type: ignore[operator]


@given(servers(kinds=()))
def test_keyset_reads_a_quiet_list_whole_and_in_order(server: Server) -> None:
    reading = Reading.of(keyset(server.ask, identify, None))
    assert reading.error is None
    assert set(reading.rows) == server.versions.keys()
    latest = max((s for s in server.stamps if s), default=None)
    # Where a second fills whole pages, its beginning is kept.
    if latest is None:
        assert reading.bookmark is None
    else:
        assert reading.bookmark is not None
        assert latest.replace(microsecond=0) <= reading.bookmark <= latest


@given(servers(kinds=(), nulls=False))
def test_keyset_hands_each_row_of_a_quiet_list_on_once(server: Server) -> None:
    reading = Reading.of(keyset(server.ask, identify, None))
    assert sorted(reading.rows) == sorted(server.versions)
    assert server.asks <= 8 + 4 * len(server.stamps)


def test_a_row_that_is_deleted_meanwhile_makes_nothing_be_read_again() -> None:
    apart = [START + timedelta(minutes=number) for number in range(6)]
    server = Server(apart, 2, [[], [], [], [("delete", 4, NOW)]])
    reading = Reading.of(keyset(server.ask, identify, None))
    assert reading.error is None
    assert reading.rows == [(number, 0) for number in (0, 1, 2, 3, 5)]
    assert reading.bookmark == apart[-1]


@pytest.mark.parametrize("rows", [6, 7, 60])
@pytest.mark.parametrize("apart", [timedelta(0), timedelta(milliseconds=1)], ids=["tied", "close"])
def test_more_rows_of_one_second_than_a_page_or_many_hold(rows: int, apart: timedelta) -> None:
    edge = [START - timedelta(seconds=5), START + timedelta(seconds=5)]
    server = Server([edge[0], *(START + apart * n for n in range(rows)), edge[1]], 3)
    reading = Reading.of(keyset(server.ask, identify, None))
    assert reading.error is None
    assert set(reading.rows) == server.versions.keys()
    assert reading.bookmark == edge[1]


@pytest.mark.parametrize(
    ("server", "slipped"),
    [
        (
            # A new row sorts before those of its second that are still to be read.
            Server([START] * 4, 2, [[], [], [], [], [], [("insert", 1, NOW)]]),
            (1, 0),
        ),
        (
            # A row arrives in a second that was read, and then one of a later second.
            Server([START] * 2, 1, [[]] * 6 + [[("insert", 1, NOW), ("insert", 2, LATER)]]),
            (-1, 0),
        ),
        (
            # Where there is no order, a row changes after its page and another one before its own.
            Server(
                [START + LATER * 9, START, START + LATER], 2,
                [[]] * 3 + [[("update", 0, LATER), ("update", 2, LATER)]], order="id",
            ),
            (0, 1),
        ),
        (
            # The same while the rows without a value are looked for.
            Server(
                [None, START, START + LATER], 2,
                [[]] * 2 + [[("update", 1, LATER), ("update", 2, LATER)]],
            ),
            (1, 1),
        ),
    ],
    ids=["before", "behind", "unsorted", "unstamped"],
)  # fmt: skip
def test_a_row_that_would_slip_is_handed_on_or_left_before_the_bookmark(
    server: Server, slipped: Version
) -> None:
    reading = Reading.of(keyset(server.ask, identify, None))
    assert slipped in server.versions
    for handed, bookmark in reading.prefixes:
        assert slipped not in forgotten(server, handed, bookmark)
    if server.order == "stamp":
        assert slipped in reading.rows


# --- by_number ----------------------------------------------------------------------------------


@given(servers(kinds=()), st.sampled_from(["stamp", "id", "descending"]))
def test_counted_hands_each_row_of_a_quiet_list_on_once(server: Server, order: str) -> None:
    server.order = order
    reading = Reading.of(counted_pages(server.ask, identify))
    assert reading.error is None
    assert sorted(reading.rows) == sorted(server.versions)
    assert reading.bookmark == max((s for s in server.stamps if s), default=None)


@given(
    servers(kinds=("update", "insert")) | servers(kinds=("update", "delete")),
    st.sampled_from(["stamp", "id", "descending"]),
)
def test_counted_is_whole_or_fails(server: Server, order: str) -> None:
    server.order = order
    before = server.versions
    reading = Reading.of(counted_pages(server.ask, identify))
    untouched = before.keys() & server.versions.keys()
    if reading.error is None:
        assert not untouched - set(reading.rows)
    else:
        assert isinstance(reading.error, PartitionFailed)
        assert reading.bookmark is None


@given(servers(), stamps)
def test_counted_hands_on_what_is_wanted_and_what_has_no_value(
    server: Server, start: datetime
) -> None:
    server.filters = False
    reading = Reading.of(counted_pages(server.ask, identify, wanted=TimeRange(start)))
    known = server.versions
    for row in reading.rows:
        stamp = known.get(row)
        assert stamp is None or stamp >= start


def naive(ask: FetchPage) -> Iterator[Page]:
    """Read page after page, as one does."""
    number, more = 1, True
    while more:
        reply = ask(UNBOUNDED, number)
        yield reply.page()
        number, more = number + 1, reply.has_next


def test_naive_paging_loses_a_row_where_the_readers_do_not() -> None:
    def changing() -> Server:
        apart = [START + timedelta(minutes=n) for n in range(6)]
        return Server(apart, 2, [[], [("update", 0, timedelta(minutes=1))]])

    slipped = (2, 0)
    assert slipped not in Reading.of(naive(changing().ask)).rows
    assert slipped in Reading.of(keyset(changing().ask, identify, None)).rows
    assert slipped in Reading.of(counted_pages(changing().ask, identify)).rows


# --- servers that lie ---------------------------------------------------------------------------

LIES: dict[str, Callable[[Reply, int], Reply]] = {
    "one too many announced": lambda r, _: replace(r, total=r.total + 1),
    "one too few announced": lambda r, _: replace(r, total=max(r.total - 1, 0)),
    "nothing announced": lambda r, _: replace(r, total=0),
    "a million announced": lambda r, _: replace(r, total=10**6),
    "total of the page": lambda r, _: replace(r, total=len(r.records)),
    "always another page": lambda r, _: replace(r, has_next=True),
    "always another page, and a total that allows it": lambda r, n: replace(
        r, has_next=True, total=max(r.total, n * r.size + 1)
    ),
    "never another page": lambda r, _: replace(r, has_next=False),
    "empty page with a next": lambda r, n: replace(
        r, records=[], valid=[], timestamps=[], has_next=True
    ) if n > 1 else r,
    "last record missing": lambda r, _: replace(
        r, records=r.records[:-1], valid=r.valid[:-1], timestamps=r.timestamps[:-1]
    ),
    "page size overstated": lambda r, _: replace(r, size=r.size + 1),
    "page size understated": lambda r, _: replace(r, size=max(r.size - 1, 0)),
}  # fmt: skip


@dataclass
class FirstPageForEver(Server):
    """Gives page 1 whichever is asked for, and may announce more and more."""

    endless: bool = False

    @override
    def ask(self, asked: TimeRange, number: int) -> Reply:
        honest = super().ask(asked, number)
        first = super().ask(asked, 1)
        if len(first.records) < first.size:
            return honest
        if self.endless:
            return replace(first, has_next=True, total=number * first.size + 1)
        return replace(first, has_next=honest.has_next)


READERS: dict[str, Callable[[FetchPage], Iterator[Page]]] = {
    "by_key": lambda ask: keyset(ask, identify, None),
    "by_key, later": lambda ask: keyset(ask, identify, START + timedelta(milliseconds=700)),
    "by_number": lambda ask: counted_pages(ask, identify),
}

FEWER = settings(max_examples=settings().max_examples // 4)  # there are many of these
each_reader = pytest.mark.parametrize("reader", READERS)


def assert_whole_or_failed(server: Server, reader: str) -> None:
    reading = Reading.of(READERS[reader](server.ask))
    if reading.error is None:
        start = START if reader == "by_key, later" else None
        due = {
            row for row, stamp in server.versions.items()
            if start is None or (stamp is not None and stamp >= start)
        }  # fmt: skip
        assert not due - set(reading.rows)


@each_reader
@FEWER
@pytest.mark.parametrize("lie", LIES)
@given(servers(kinds=()))
def test_a_lie_is_never_a_silent_loss(reader: str, lie: str, server: Server) -> None:
    server.lie = LIES[lie]
    assert_whole_or_failed(server, reader)


@each_reader
@FEWER
@pytest.mark.parametrize("order", ["id", "descending"])
@given(servers(kinds=(), nulls=False))
def test_a_server_that_does_not_sort_costs_time_and_no_rows(
    reader: str, order: str, server: Server
) -> None:
    server.order = order
    assert_whole_or_failed(server, reader)


@each_reader
@FEWER
@given(servers(kinds=()))
def test_a_server_that_does_not_filter_costs_no_rows(reader: str, server: Server) -> None:
    server.filters = False
    assert_whole_or_failed(server, reader)


@each_reader
@FEWER
@given(servers(kinds=()))
def test_the_first_page_for_ever_ends(reader: str, server: Server) -> None:
    for endless in (False, True):
        liar = FirstPageForEver(server.stamps, server.size, endless=endless)
        liar.unstamped_first = server.unstamped_first
        assert_whole_or_failed(liar, reader)


@pytest.mark.parametrize(
    ("count", "total", "size", "has_next", "words"),
    [
        (3, 3, 2, False, "page 2 has 3 records at a page size of 2"),
        (1, 9, 0, True, "at a page size of 0"),
        (1, 9, 2, True, "page 2 has only 1 of 2 records"),
        (0, 9, 2, True, "page 2 has only 0 of 2 records"),
        (2, 4, 2, True, "followed by another although 4 records"),
        (2, 9, 2, False, "page 2 ends the list at 4 of 9 records"),
        (1, 2, 2, False, "page 2 ends the list at 3 of 2 records"),
        (0, 3, 2, False, "page 2 is empty although 3 records are announced"),
        (0, -1, 2, False, "page 2 announces -1 records"),
    ],
)  # fmt: skip
def test_an_answer_that_contradicts_itself_is_refused(
    count: int, total: int, size: int, has_next: bool, words: str  # noqa: FBT001
) -> None:  # fmt: skip
    reply = Reply(
        [msgspec.Raw(b"{}")] * count,
        [True] * count,
        [None] * count,
        total=total,
        size=size,
        has_next=has_next,
    )
    with pytest.raises(InvalidResponse, match=words):
        check_page(reply, UNBOUNDED, 2)


@pytest.mark.parametrize("beside", [-1, 1])
def test_a_row_outside_of_the_range_asked_for_is_refused(beside: int) -> None:
    asked = TimeRange(START, START + dates.ONE_SECOND)
    stamps = [START, START + beside * dates.ONE_SECOND]
    raws = [msgspec.Raw(b"{}")] * 2
    reply = Reply(raws, [True] * 2, stamps, total=2, size=5, has_next=False)
    with pytest.raises(InvalidResponse, match="records that were not asked for"):
        check_page(reply, asked, 1)


def test_an_honest_answer_is_never_refused() -> None:
    """Also not the page behind the last, which a list that shrinks makes out of one."""
    server = Server([START] * 4, 2)
    assert not server.ask(UNBOUNDED, 3).records
    assert not Server([], 2).ask(UNBOUNDED, 1).records
    server.ask(TimeRange(START, START + timedelta(seconds=1)), 2)


@pytest.mark.parametrize(
    ("asked", "stamp", "inside"),
    [
        (TimeRange(), None, True),
        (TimeRange(), START, True),
        (TimeRange(START), None, False),
        (TimeRange(START), START, True),
        (TimeRange(START), START - timedelta(microseconds=1), False),
        (TimeRange(START, START + timedelta(1)), START + timedelta(1), False),
        (TimeRange(START, START), START, False),
    ],
)
def test_range(asked: TimeRange, stamp: datetime | None, inside: bool) -> None:  # noqa: FBT001
    assert (stamp in asked) is inside
