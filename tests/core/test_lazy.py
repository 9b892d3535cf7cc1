"""What several threads ask for at the same time is made once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from commerce_taps.lazy import cached_property

THREADS = 8


class Maker:
    """Makes something that takes a while."""

    def __init__(self) -> None:
        self.times = 0
        self.together = threading.Barrier(THREADS)

    @cached_property
    def made(self) -> object:
        self.times += 1
        time.sleep(0.05)  # long enough for the other threads to ask as well
        return object()

    def ask(self) -> object:
        self.together.wait()
        return self.made


def test_threads_share_what_is_made_once() -> None:
    maker = Maker()
    with ThreadPoolExecutor(THREADS) as pool:
        found = {id(one.result()) for one in [pool.submit(maker.ask) for _ in range(THREADS)]}
    assert len(found) == 1
    assert maker.times == 1


def test_it_is_still_a_property_of_its_class() -> None:
    assert isinstance(Maker.made, cached_property)
