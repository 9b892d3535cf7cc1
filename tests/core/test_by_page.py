"""`by_page`, on lists in ascending order that change under its hands."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_taps.errors import PartitionFailed
from commerce_taps.paging import Loose, by_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    Change = tuple[str, int]
    """What happens, and to which row by its place in the list."""

MOST_ASKS = 6000


@dataclass
class Store:
    """A list to whose end rows come and move, changed a little before each answer.

    Attributes:
        count: How many rows it has at first.
        size: How many make a page.
        script: The changes before each answer; there are none once it is used up.
        again: The last page comes again in place of those beyond it.
    """

    count: int
    size: int
    script: list[list[Change]] = field(default_factory=list)
    again: bool = False

    def __post_init__(self) -> None:
        self.rows = [(number, 0) for number in range(self.count)]
        self.deleted: set[int] = set()
        self.new = self.count
        self.asks = 0

    def change(self, kind: str, place: int) -> None:
        if kind == "insert" or not self.rows:
            self.rows.append((self.new, 0))
            self.new += 1
            return
        number, version = self.rows.pop(place % len(self.rows))
        if kind == "delete":
            self.deleted.add(number)
        else:
            self.rows.append((number, version + 1))

    def ask(self, number: int) -> Loose:
        assert self.asks < MOST_ASKS
        for change in self.script[self.asks] if self.asks < len(self.script) else ():
            self.change(*change)
        self.asks += 1
        pages = max(-(-len(self.rows) // self.size), 1)
        told = min(number, pages) if self.again else number
        found = self.rows[(told - 1) * self.size : told * self.size]
        records = [msgspec.Raw(json.dumps(row).encode()) for row in found]
        flags, stamps = [True] * len(found), [None] * len(found)
        return Loose(records, flags, stamps, number=told, total=len(self.rows))


def read(store: Store) -> Iterator[tuple[int, int]]:
    for rows in by_page(
        store.ask, lambda raw: json.loads(bytes(raw))[0], store.size, ascending=True
    ):
        for raw in rows.records:
            number, version = json.loads(bytes(raw))
            yield number, version


CHANGES = st.tuples(st.sampled_from(("insert", "move", "delete")), st.integers(0, 40))
STORES = st.builds(
    Store,
    count=st.integers(0, 24),
    size=st.integers(2, 5),
    script=st.lists(st.lists(CHANGES, max_size=4), max_size=40),
    again=st.booleans(),
)


@settings(max_examples=500, derandomize=True, database=None, deadline=None)
@given(STORES)
def test_every_row_that_was_there_comes_unless_it_goes(store: Store) -> None:
    try:
        found = {number for number, _ in read(store)}
    except PartitionFailed:
        return
    assert set(range(store.count)) - store.deleted <= found


def test_a_lively_list_is_read_to_its_end() -> None:
    """Rows that come to the end all the time are no reason to give up."""
    script: list[list[Change]] = [[("insert", 0), ("move", 5)] for _ in range(60)]
    assert {number for number, _ in read(Store(100, 10, script))} >= set(range(100))


def test_a_list_that_grows_as_fast_as_it_is_read_is_given_up() -> None:
    script: list[list[Change]] = [[("insert", 0)] * 3 for _ in range(MOST_ASKS)]
    with pytest.raises(PartitionFailed, match="kept changing"):
        list(read(Store(12, 2, script)))


def test_a_quiet_list_comes_once() -> None:
    store = Store(25, 4)
    found = list(read(store))
    assert sorted(found) == [(number, 0) for number in range(25)]
    assert store.asks == 7 + 2
