"""The content of the fake API: all rows, made when the first of them is requested."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from commerce_sandbox.centra.catalogue import Catalogue
from commerce_sandbox.centra.events import Events
from commerce_sandbox.centra.orders import Orders
from commerce_sandbox.centra.people import People
from commerce_sandbox.centra.setup import Setup
from commerce_sandbox.centra.stock import StockRoom
from commerce_sandbox.centra.values import NOW, Row
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_PRODUCTS = 2000
_CUSTOMERS = 3000
_ORDERS = 6000
_STOCK_CHANGES = 20_000


class Store:
    """The content of the fake API.

    Args:
        scale: Its size; at 1.0 there are 2,000 products and 6,000 orders.
    """

    def __init__(self, seed: int, scale: float) -> None:
        self.seed = seed
        self._scale = scale
        self.now = NOW
        self.events = Events(NOW)

    @cached_property
    def _parts(self) -> tuple[Setup, Catalogue, People, Orders, StockRoom]:
        """Everything, made at once: orders count for customers, and stock for sizes."""
        with _no_collection():
            setup = Setup(self._rng("setup"))
            goods = Catalogue(self._rng("catalogue"), setup, self._count(_PRODUCTS, 20))
            people = People(self._rng("people"), setup, self._count(_CUSTOMERS, 30))
            count = self._count(_ORDERS, 40)
            orders = Orders(self._rng("orders"), setup, goods, people, count)
            changes = self._count(_STOCK_CHANGES, 60)
            stock = StockRoom(self._rng("stock"), setup, goods, orders.shipments, changes)
        return setup, goods, people, orders, stock

    @property
    def setup(self) -> Setup:
        """The client's set-up."""
        return self._parts[0]

    @property
    def catalogue(self) -> Catalogue:
        """The goods."""
        return self._parts[1]

    @property
    def people(self) -> People:
        """Consumers, accounts and buyers."""
        return self._parts[2]

    @property
    def orders(self) -> Orders:
        """Orders and what follows from them."""
        return self._parts[3]

    @property
    def stock(self) -> StockRoom:
        """Stock and its movements."""
        return self._parts[4]

    @cached_property
    def tables(self) -> dict[str, list[Row]]:
        """All tables, by the names of the root fields."""
        events = {"events": self.events.queue, "eventListeners": self.events.listeners}
        tables = [part.tables() for part in self._parts]
        return {name: rows for one in (*tables, events) for name, rows in one.items()}

    def _count(self, at_scale_one: int, at_least: int) -> int:
        return max(at_least, round(at_scale_one * self._scale))

    def _rng(self, part: str) -> Random:
        return rng(self.seed, "centra", part)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the garbage collector while many rows are made, all of which stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
