"""The streams of the Order API fetch the pages that `overlapping_pages` requests."""

from __future__ import annotations

from logging import getLogger
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from typing_extensions import override

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import Page
from tap_centra.failures import Failures
from tap_centra.order.stream import LinkStream, NumberStream, OffsetStream, PagedStream
from tests.core.pagination.support import sparse_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_taps.records.normalize import AnyRecord

    Change = Callable[[list[int]], Any]

SIZE = 3


def number_of(record: AnyRecord) -> int:
    assert isinstance(record, Raw)
    return int(bytes(record))


class Listed(PagedStream):
    """A list of numbers without an API.

    Attributes:
        listed: The numbers, in order.
        changes: What happens to them before which request, counted from 0.
        mistakes: Which requests, counted from 1, get the response to the one before.
        largest: The most rows of a page.
        base: The number of the first page.
        asked: How many requests there were.
    """

    name = "listed"
    path = "listed"
    selector = "listed"
    primary_keys = ("id",)

    def __init__(
        self,
        listed: list[int],
        changes: dict[int, Change] | None = None,
        mistakes: frozenset[int] = frozenset(),
        largest: int = 1000,
    ) -> None:
        self._logger = getLogger()
        self.listed = listed
        self.changes = changes or {}
        self.mistakes = mistakes
        self.largest = largest
        self.base = 1
        self.requested = 0
        self._previous: dict[str, Any] | None = None

    @override
    @property
    def _limit(self) -> int:
        return SIZE

    @override
    def fetch(self, params: Any, record_id: str = "", *, divisible: bool = False) -> Page:
        del record_id, divisible
        self.changes.get(self.requested, list)(self.listed)
        self.requested += 1
        assert self.requested < 400, "it never ends"
        is_mistaken = self.requested in self.mistakes and self._previous is not None
        shown: dict[str, Any] = self._previous if is_mistaken else params  # type: ignore[assignment]
        self._previous = params
        limit = min(int(shown["limit"]), self.largest)
        number = int(shown.get("page", self.base)) - self.base
        first = shown.get("offset", number * limit)
        more = first + limit < len(self.listed)
        link = f"?limit={limit}&page={number + self.base + 1}"
        rows = [Raw(b"%d" % n) for n in self.listed[first : first + limit]]
        return Page(rows, has_next=more, cursor=link if more else None)

    @override
    def _key(self, record: AnyRecord) -> int:
        return number_of(record)

    def numbers(self) -> list[int]:
        return [number_of(record) for page in self.pages({}, Failures()) for record in page]


class Offsets(Listed, OffsetStream):
    """Pages that begin at an offset."""


class Numbers(Listed, NumberStream):
    """Pages with numbers."""


class Links(Listed, LinkStream):
    """Pages that name the next one."""

    @override
    def _follow(self, link: str) -> dict[str, str]:
        return dict(parse_qsl(link.removeprefix("?")))


KINDS: list[type[Listed]] = [Offsets, Numbers, Links]
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@pytest.mark.parametrize("count", range(12))
@pytest.mark.parametrize("largest", [1000, 2])
def test_pages_shorter_than_requested_yield_rows_once(
    kind: type[Listed], count: int, largest: int
) -> None:
    assert kind(list(range(count)), largest=largest).numbers() == list(range(count))


@given(st.sampled_from(KINDS), st.integers(0, 14), sparse_changes())
def test_list_under_churn_yields_untouched_rows(
    kind: type[Listed], count: int, changes: dict[int, Change]
) -> None:
    """Rows are added and go anywhere, one before a request, and not before two in a row."""
    stream = kind(list(range(count)), changes)
    try:
        found = stream.numbers()
    except PartitionFailed:
        return  # it says so
    assert set(found) >= set(stream.listed) & set(range(count))


@kinds
def test_repeated_first_page_fails(kind: type[Listed]) -> None:
    stream = kind(list(range(10)))
    fetch = stream.fetch
    stream.fetch = lambda params, record_id="", **_: fetch(  # type: ignore[method-assign]
        {"limit": params["limit"]}, record_id
    )
    if kind is Numbers:
        assert stream.numbers() == [0, 1, 2]  # as a list of one page, whose last page comes again
        return
    with pytest.raises(PartitionFailed, match="kept changing"):
        stream.numbers()


def test_pages_counted_from_zero_fail() -> None:
    """The first page would be missing; better say so."""
    stream = Numbers(list(range(10)))
    stream.base = 0
    with pytest.raises(PartitionFailed):
        stream.numbers()


def test_repeated_last_page_ends_list() -> None:
    stream = Numbers(list(range(10)))
    fetch = stream.fetch
    stream.fetch = lambda params, record_id="", **_: fetch(  # type: ignore[method-assign]
        {**params, "page": min(params.get("page", 1), 4)}, record_id
    )
    assert stream.numbers() == list(range(10))
