"""The content of the store: tables, each made when it is first needed."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from commerce_sandbox.cscart import administration, catalog, community, options, people, variations
from commerce_sandbox.cscart.carts import Carts
from commerce_sandbox.cscart.sales import Sales
from commerce_sandbox.cscart.shop import NOW, Shop

if TYPE_CHECKING:
    from random import Random

    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.setup import Setup
    from commerce_sandbox.cscart.values import Row


_MASTER = 4


class Store:
    """The tables of a store, rows by their key.

    Attributes:
        now: The time of the last change, in unix seconds.
    """

    def __init__(self, setup: Setup, seed: int, scale: float) -> None:
        self.setup = setup
        self.now = NOW
        self.seed = seed
        self._shop = Shop(setup, seed, scale)

    def table(self, entity: str) -> Table:
        """Return a table by its name."""
        table: Table = getattr(self, entity)
        return table

    @cached_property
    def companies(self) -> Table:
        """Stores or vendors."""
        return people.companies(self._shop)

    @cached_property
    def users(self) -> Table:
        """Accounts."""
        return people.users(self._shop)

    @cached_property
    def usergroups(self) -> Table:
        """Groups of accounts."""
        return people.usergroups()

    @cached_property
    def _categories(self) -> Table:
        return catalog.categories(self._shop)

    @property
    def categories(self) -> Table:
        """Categories, with the number of products in each as it is now."""
        within = Counter(
            category.value for row in self.products.values() for category in row["category_ids"]
        )
        for key, row in self._categories.items():
            row["product_count"] = within[key]
        return self._categories

    @cached_property
    def features(self) -> Table:
        """Features and their groups."""
        return catalog.features(self._shop, self._categories)

    @cached_property
    def products(self) -> Table:
        """Products."""
        companies = [key for key, row in self.companies.items() if row["status"] == "A"]
        if not self.setup.multivendor:
            companies = [1, 1, 1, *companies]
        return catalog.products(self._shop, self._categories, self.features, companies)

    def new_product(self, random: Random, key: int, timestamp: int) -> Row:
        """Make a product that is not in the catalogue yet.

        Args:
            random: What its values are drawn from.
            key: Its id.
            timestamp: When it is made, in unix seconds.
        """
        return catalog.product(
            random,
            key,
            company=1,
            of=random.sample(list(self._categories), 1),
            features=self.features,
            born=timestamp,
            updated=timestamp,
        )

    @cached_property
    def variation_groups(self) -> Table:
        """Groups of products that are variations of one another."""
        return variations.variation_groups(self.products)

    @property
    def group_members(self) -> dict[int, int]:
        """The variation group of each product that is in one."""
        return {
            one["product_id"].value: key
            for key, row in self.variation_groups.items()
            for one in row["products"]
        }

    @property
    def master_products(self) -> Table:
        """Products that vendors share."""
        return {key: row for key, row in self.products.items() if key % 9 == _MASTER}

    def category_path(self, key: int) -> list[str]:
        """Return the ids from the root to a category."""
        path: list[str] = self._categories[key]["id_path"].split("/")
        return path

    @cached_property
    def global_options(self) -> Table:
        """Options that any product can be linked to."""
        return options.global_options()

    @cached_property
    def sales(self) -> Sales:
        """Makes orders."""
        return Sales(self._shop, self.products, self.users)

    @cached_property
    def cart_maker(self) -> Carts:
        """Makes carts."""
        return Carts(self._shop, self.products, self.users, self.orders)

    @cached_property
    def _sold(self) -> tuple[Table, Table]:
        orders = self.sales.orders()
        return orders, self.sales.shipments(orders)

    @property
    def orders(self) -> Table:
        """Orders."""
        return self._sold[0]

    @property
    def shipments(self) -> Table:
        """Shipments."""
        return self._sold[1]

    @cached_property
    def carts(self) -> Table:
        """Carts, by account and company."""
        return self.cart_maker.all()

    @cached_property
    def payments(self) -> Table:
        """Ways to pay."""
        return administration.payments()

    @cached_property
    def shippings(self) -> Table:
        """Ways to ship."""
        return administration.shippings()

    @cached_property
    def taxes(self) -> Table:
        """Taxes."""
        return administration.taxes()

    @cached_property
    def statuses(self) -> Table:
        """Statuses of orders and shipments."""
        return administration.statuses()

    @cached_property
    def languages(self) -> Table:
        """Languages by code."""
        return administration.languages()

    @cached_property
    def langvars(self) -> Table:
        """Texts of the interface by name."""
        return administration.langvars(self._shop)

    @cached_property
    def settings(self) -> Table:
        """Settings."""
        return administration.settings()

    @cached_property
    def pages(self) -> Table:
        """Pages."""
        return administration.pages(self._shop)

    @cached_property
    def blocks(self) -> Table:
        """Blocks of the layout."""
        return administration.blocks()

    @cached_property
    def currencies(self) -> Table:
        """Currencies by code."""
        return administration.currencies()

    @cached_property
    def discussions(self) -> Table:
        """Posts."""
        return community.discussions(self._shop, self.products)

    @cached_property
    def product_reviews(self) -> Table:
        """Reviews."""
        return community.product_reviews(self._shop, self.products)

    @cached_property
    def call_requests(self) -> Table:
        """Wishes to be called."""
        return community.call_requests(self._shop, self.products)

    @cached_property
    def subscribers(self) -> Table:
        """Subscribers of the newsletter."""
        return community.subscribers(self._shop)
