"""Reading ahead in threads: pages in order, errors where they belong, no thread left over."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from commerce_taps.errors import (
    PartitionFailed,
    TapStopped,
    Unforeseen,
)
from commerce_taps.prefetch import Chain, Prefetch
from commerce_taps.records import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Reading:
    """Partitions read through a `Prefetch`, and what went on meanwhile."""

    def __init__(
        self,
        partitions: dict[int, int | BaseException],
        concurrency: int,
        *,
        latency: Callable[[], float] = lambda: 0.0,
        tick: Callable[[], None] = lambda: None,
        before: Callable[[int, int], object] = lambda *_: None,
    ) -> None:
        """Plan partitions of so many pages; an error comes after the first page."""
        self.partitions = partitions
        self.lock = threading.Lock()
        self.planned = self.waiting = self.most_waiting = 0
        self.latency, self.before = latency, before
        self.prefetch = Prefetch(self.plan(), concurrency, tick)

    def plan(self) -> Iterator[Chain]:
        for key, pages in self.partitions.items():
            self.planned += 1
            yield Chain(key, self.read(key, pages))

    def asked(self, change: int) -> None:
        with self.lock:
            self.waiting += change
            self.most_waiting = max(self.waiting, self.most_waiting)

    def read(self, key: int, pages: int | BaseException) -> Iterator[Page]:
        count = pages if isinstance(pages, int) else 1
        for number in range(count):
            self.asked(1)
            time.sleep(self.latency())
            self.before(key, number)
            yield Page([msgspec.Raw(b"%d.%d" % (key, number))])
        if isinstance(pages, BaseException):
            raise pages

    def pages(self, key: int) -> Iterator[bytes]:
        for page in self.prefetch.pages(key):
            self.asked(-1)
            yield bytes(page.records[0])

    def all(self, key: int) -> list[bytes]:
        return list(self.pages(key))


def numbered(key: int, count: int) -> list[bytes]:
    return [b"%d.%d" % (key, number) for number in range(count)]


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_pages_come_in_the_same_order_however_long_each_takes(concurrency: int) -> None:
    sizes: dict[int, int | BaseException] = {key: (key * 7) % 5 for key in range(40)}
    chance = random.Random(concurrency)  # noqa: S311
    reading = Reading(sizes, concurrency, latency=lambda: chance.random() / 500)
    read = [page for key in sizes for page in reading.pages(key)]
    assert read == [page for key in sizes for page in numbered(key, (key * 7) % 5)]
    assert 1 <= reading.most_waiting <= concurrency


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_no_more_partitions_are_opened_than_may_be(concurrency: int) -> None:
    reading = Reading(dict.fromkeys(range(50), 1), concurrency)
    for done, key in enumerate(range(50)):
        for _ in reading.pages(key):
            assert reading.planned <= done + concurrency
    assert reading.planned == 50


def test_partitions_are_read_at_the_same_time() -> None:
    together = threading.Barrier(4)

    def meet(_: int, number: int) -> None:
        if number == 0:
            together.wait(10)

    reading = Reading(dict.fromkeys(range(8), 2), 4, before=meet)
    assert [reading.all(key) for key in range(8)] == [numbered(key, 2) for key in range(8)]


def test_the_next_page_is_asked_for_while_one_is_emitted() -> None:
    second = threading.Event()

    def note(_: int, number: int) -> None:
        if number == 1:
            second.set()

    reading = Reading({0: 2}, 1, before=note)
    pages = reading.pages(0)
    assert next(pages) == b"0.0"
    assert second.wait(10)
    assert next(pages) == b"0.1"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PartitionFailed("no"), PartitionFailed),
        (ValueError("no"), Unforeseen),
        (SystemExit(3), SystemExit),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_error_reaches_its_own_partition_only(
    error: BaseException, told: type[BaseException], concurrency: int
) -> None:
    reading = Reading({0: 2, 1: error, 2: 3}, concurrency)
    assert reading.all(0) == numbered(0, 2)
    pages = reading.pages(1)
    assert next(pages) == b"1.0"
    with pytest.raises(told) as raised:
        next(pages)
    assert error in (raised.value, raised.value.__cause__)
    assert reading.all(2) == numbered(2, 3)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_partition_given_up_early_leaves_the_others_whole(concurrency: int) -> None:
    reading = Reading({0: 5, 1: 3, 2: 3, 3: 3}, concurrency)
    pages = reading.prefetch.pages(0)
    next(pages)
    del pages
    assert reading.all(1) == numbered(1, 3)
    assert reading.all(3) == numbered(3, 3), "one that nobody asked for is passed over"


def test_a_partition_that_was_not_planned_is_an_error() -> None:
    with pytest.raises(KeyError):
        next(Reading({0: 1}, 2).pages(7))


def test_waiting_is_interrupted_by_what_is_due() -> None:
    ticked = threading.Event()
    reading = Reading({0: 1}, 1, tick=ticked.set, before=lambda *_: ticked.wait(10))
    assert reading.all(0) == numbered(0, 1)
    assert ticked.is_set()

    def interrupted() -> None:
        msg = "interrupted"
        raise TapStopped(msg)

    released = threading.Event()
    stopping = Reading({0: 1}, 1, tick=interrupted, before=lambda *_: released.wait(10))
    try:
        with pytest.raises(TapStopped, match="interrupted"):
            stopping.all(0)
    finally:
        released.set()


def test_no_thread_keeps_the_process_alive_or_outlives_the_last_partition() -> None:
    before = set(threading.enumerate())
    reading = Reading({0: 1, 1: 2}, 3)
    started = set(threading.enumerate()) - before
    assert len(started) == 3
    assert all(thread.daemon for thread in started)
    reading.all(0)
    reading.all(1)
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()
