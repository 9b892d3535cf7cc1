"""Reading ahead: pages keep their order, errors their partition, and no thread is left."""

from __future__ import annotations

import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from commerce_taps import prefetch, threads
from commerce_taps.errors import (
    PartitionFailed,
    TapStopped,
    UnexpectedError,
)
from commerce_taps.pagination.page import Page
from commerce_taps.prefetch import PartitionPages, Prefetch
from commerce_taps.threads import DaemonPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Reading:
    """Partitions that a `Prefetch` reads, with counts."""

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

    def plan(self) -> Iterator[PartitionPages]:
        for key, pages in self.partitions.items():
            self.planned += 1
            yield PartitionPages(key, self.read(key, pages))

    def count(self, change: int) -> None:
        with self.lock:
            self.waiting += change
            self.most_waiting = max(self.waiting, self.most_waiting)

    def read(self, key: int, pages: int | BaseException) -> Iterator[Page]:
        count = pages if isinstance(pages, int) else 1
        for number in range(count):
            self.count(1)
            time.sleep(self.latency())
            self.before(key, number)
            yield Page([msgspec.Raw(b"%d.%d" % (key, number))])
        if isinstance(pages, BaseException):
            raise pages

    def pages(self, key: int) -> Iterator[bytes]:
        for page in self.prefetch.pages(key):
            self.count(-1)
            yield bytes(page.records[0])

    def all(self, key: int) -> list[bytes]:
        return list(self.pages(key))


def numbered(key: int, count: int) -> list[bytes]:
    return [b"%d.%d" % (key, number) for number in range(count)]


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_pages_keep_their_order(concurrency: int) -> None:
    sizes: dict[int, int | BaseException] = {key: (key * 7) % 5 for key in range(40)}
    chance = random.Random(concurrency)  # noqa: S311
    reading = Reading(sizes, concurrency, latency=lambda: chance.random() / 500)
    read = [page for key in sizes for page in reading.pages(key)]
    assert read == [page for key in sizes for page in numbered(key, (key * 7) % 5)]
    # The next page may be requested before the test counts the one returned.
    assert 1 <= reading.most_waiting <= concurrency + 1


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_open_partitions_keep_the_limit(concurrency: int) -> None:
    reading = Reading(dict.fromkeys(range(50), 1), concurrency)
    for done, key in enumerate(range(50)):
        for _ in reading.pages(key):
            assert reading.planned <= done + concurrency
    assert reading.planned == 50


def test_partitions_are_read_concurrently() -> None:
    together = threading.Barrier(4)

    def meet(_: int, number: int) -> None:
        if number == 0:
            together.wait(10)

    reading = Reading(dict.fromkeys(range(8), 2), 4, before=meet)
    assert [reading.all(key) for key in range(8)] == [numbered(key, 2) for key in range(8)]


def test_next_page_is_read_while_one_is_written() -> None:
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
    ("error", "expected"),
    [
        (PartitionFailed("no"), PartitionFailed),
        (ValueError("no"), UnexpectedError),
        (SystemExit(3), SystemExit),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_error_concerns_its_partition_only(
    error: BaseException, expected: type[BaseException], concurrency: int
) -> None:
    reading = Reading({0: 2, 1: error, 2: 3}, concurrency)
    assert reading.all(0) == numbered(0, 2)
    pages = reading.pages(1)
    assert next(pages) == b"1.0"
    with pytest.raises(expected) as raised:
        next(pages)
    assert error in (raised.value, raised.value.__cause__)
    assert reading.all(2) == numbered(2, 3)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_abandoned_partition_leaves_the_others_complete(concurrency: int) -> None:
    reading = Reading({0: 5, 1: 3, 2: 3, 3: 3}, concurrency)
    pages = reading.prefetch.pages(0)
    next(pages)
    del pages
    assert reading.all(1) == numbered(1, 3)
    assert reading.all(3) == numbered(3, 3), "a skipped partition is passed over"


def test_unplanned_partition_is_an_error() -> None:
    with pytest.raises(KeyError):
        next(Reading({0: 1}, 2).pages(7))


def test_tick_is_called_while_waiting() -> None:
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


def test_threads_end_with_the_last_partition() -> None:
    before = set(threading.enumerate())
    together = threading.Barrier(3)
    reading = Reading(dict.fromkeys(range(3), 1), 3, before=lambda *_: together.wait(10))
    reading.all(0)
    started = set(threading.enumerate()) - before
    assert len(started) == 3
    assert all(thread.daemon for thread in started)
    reading.all(1)
    reading.all(2)
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


def test_idle_threads_end_and_new_ones_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "LINGER", 0.01)
    before = set(threading.enumerate())
    workers = DaemonPool(3)
    for _ in range(2):
        meeting = threading.Barrier(4)
        for _ in range(3):
            workers.submit(partial(meeting.wait, 10))
        started = set(threading.enumerate()) - before
        assert len(started) == 3
        meeting.wait(10)
        for thread in started:
            thread.join(10)
            assert not thread.is_alive()


def test_idle_thread_takes_the_next_work() -> None:
    workers = DaemonPool(4)
    idents = set()
    for _ in range(20):
        idents.add(workers.submit(threading.get_ident).result(10))
        while not workers._idle:
            time.sleep(0.001)
    workers.end()
    assert len(idents) == 1, "each has a connection of its own"


def test_hanging_partition_does_not_delay_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefetch, "PATIENCE", 0.0)
    released = threading.Event()

    def hang(key: int, number: int) -> None:
        if (key, number) == (0, 1):
            released.wait(20)

        if key == 1:
            raise TapStopped("the key is refused")

    reading = Reading({0: 2, 1: 1, 2: 1}, 3, before=hang)
    pages = reading.pages(0)
    try:
        assert next(pages) == b"0.0", "what came in time is handed on"
        with pytest.raises(TapStopped, match="refused"):
            next(pages)
    finally:
        released.set()
