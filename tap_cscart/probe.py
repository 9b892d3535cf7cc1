"""Finds out what a store can do, once a run, rather than to assume it from a number of release."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial

from typing_extensions import override

from commerce_taps.conform import decode
from commerce_taps.errors import PartitionDenied, PartitionSkipped, TapError, TapStopped
from tap_cscart.client import Answer, api_request, collection, listing, opened, patiently

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk.helpers.types import Record

    from commerce_taps.fetch import Client
    from tap_cscart.client import Params

T = t.TypeVar("T")

CSCART: t.Final = "CS-Cart"
MULTIVENDOR: t.Final = "Multi-Vendor"
NAME: t.Final = "probe"
"""What the requests are counted under."""
FAR: t.Final = 2_147_000_000
"""An instant in 2038 that no order is stamped with, and that fits into 32 bits."""


@dataclass(frozen=True, slots=True)
class Store:
    """What a store can do.

    Attributes:
        version: The version of the API that is called.
        edition: `CS-Cart` or `Multi-Vendor`; "" where the account may not see which.
        storefronts: Ids of the storefronts of a CS-Cart.
        languages: Codes of the languages; none where the account may not see them.
        shows_orders: Whether there are orders and the account may see them: else nothing is known
            of how they are listed.
        orders_fault: Why no order could be listed, though it should have been possible.
        filters_orders: Whether `updated_at_from` narrows a list of orders (from 4.12 on).
        embeds_orders: Whether `get_orders_data=1` has a list of orders give them whole.
        extends_products: Whether `extend[]` has a list of products give their texts.
    """

    version: str
    edition: str = ""
    storefronts: Sequence[int] = ()
    languages: Sequence[str] = ()
    shows_orders: bool = False
    orders_fault: str = ""
    filters_orders: bool = False
    embeds_orders: bool = False
    extends_products: bool = False

    @property
    def companies(self) -> str:
        """Where those who sell are: what is read for one of them lies below."""
        return "vendors" if self.edition == MULTIVENDOR else "stores"

    @override
    def __str__(self) -> str:
        """Tell it in one line."""
        edition = self.edition or "edition not to be seen by this account"
        if len(self.storefronts) > 1:
            edition += f" with {len(self.storefronts)} storefronts"
        languages = ", ".join(self.languages) or "not to be seen"
        filters = "filters" if self.filters_orders else "does not filter"
        whole = "whole" if self.embeds_orders else "without their details"
        orders = f"{filters} orders by `updated_at`, lists them {whole}"
        texts = "with" if self.extends_products else "without"
        return (
            f"API {self.version}, {edition}, languages {languages}; "
            f"it {orders if self.shows_orders else 'shows no orders'}, "
            f"and lists products {texts} their texts"
        )


class Probe:
    """Asks a store what it can do."""

    def __init__(self, client: Client, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        """Ask nothing yet.

        Args:
            client: Makes the requests.
            config: The settings.
            logger: Where it is told that the store does not manage.
        """
        self._logger = logger
        self._client = client
        self._config = config

    def store(self, extensions: Sequence[str], companies: Sequence[int]) -> Store:
        """Find it out: a handful of requests for one row each.

        Args:
            extensions: What lists of products are to be extended by.
            companies: The stores or vendors to be read.

        Returns:
            What the store can do.

        Raises:
            TapStopped: The store cannot be asked, or a setting names what it does not have.
        """
        version = self._version()
        sellers = self._rows_if_any("stores", {"items_per_page": 1000})
        edition = ""
        if sellers:
            edition = CSCART if "storefront" in sellers[0] else MULTIVENDOR
        spoken = self._rows_if_any("languages", {"items_per_page": 1000})
        languages = [str(row.get("lang_code")) for row in spoken]
        whole, later, fault = self._orders()
        products = self._rows_if_any("products", {"extend[]": extensions})
        found = Store(
            version,
            edition,
            [int(row["company_id"]) for row in sellers] if edition == CSCART else [],
            languages,
            shows_orders=bool(whole),
            orders_fault=fault,
            filters_orders=bool(whole) and not later,
            embeds_orders=bool(whole) and "products" in whole[0],
            extends_products=bool(products) and "full_description" in products[0],
        )
        self._check(found, companies)
        return found

    def _get(self, path: Sequence[str], params: Params, parse: Callable[[bytes], T]) -> T:
        request = api_request(self._config, path, params, stream=NAME)
        get = partial(self._client.get, request, parse)
        return patiently(get, self._config["max_retries"], NAME, self._logger)

    def _version(self) -> str:
        """Ask for the version, which every account may: the first request there is."""
        try:
            answer = self._get(["version"], {}, lambda body: opened(body, dict[str, t.Any]))
        except PartitionSkipped as error:
            msg = (
                f"the store has no API of version {self._config['api_version']} at this address; "
                "check `store_url`, and leave `api_version` at 2.0"
            )
            raise TapStopped(msg) from error
        except TapStopped:
            raise
        except TapError as error:
            raise TapStopped(error.reason) from error
        return str(answer.get("Version", self._config["api_version"]))

    def _orders(self) -> tuple[list[Record], list[Record], str]:
        """Ask for an order, for one from the future, and tell what went wrong.

        A fault proves nothing. To take it for an old release's answer would have all orders read
        anew, one by one.
        """
        try:
            whole = self._rows("orders", {"get_orders_data": 1})
            return whole, self._rows("orders", {"updated_at_from": FAR}) if whole else [], ""
        except TapStopped:
            raise
        except TapError as error:
            return [], [], error.reason

    def _rows_if_any(self, path: str, params: Params) -> list[Record]:
        """Ask for a row, which is not needed; none where the store has a fault."""
        try:
            return self._rows(path, params)
        except TapStopped:
            raise
        except TapError as error:
            self._logger.warning("%s: %s: %s", NAME, path, error.reason)
            return []

    def _rows(self, path: str, params: Params) -> list[Record]:
        """Ask for a row; none where the store does not tell this account."""
        asked: Params = {"items_per_page": 1, "page": 1, **params}

        def parse(body: bytes) -> Answer:
            answer = listing(body, path, bare=self._config["api_version"] == "1.0")
            answer.check(asked)
            return answer

        try:
            answer = self._get([path], asked, parse)
        except PartitionSkipped:
            return []
        return [row for row in map(decode, answer.records) if isinstance(row, dict)]

    def _check(self, store: Store, companies: Sequence[int]) -> None:
        """Refuse settings that would have the store answer something else without a word."""
        language = self._config.get("lang_code")
        if language and store.languages and language not in store.languages:
            known = ", ".join(store.languages)
            msg = f"Setting `lang_code`: the store has no language {language}, only {known}."
            raise TapStopped(msg)
        for id_ in companies:
            try:
                self._get([store.companies, str(id_)], {}, collection)
            except PartitionDenied as error:
                msg = f"Setting `company_ids`: the account may not read {store.companies}/{id_}."
                raise TapStopped(msg) from error
            except PartitionSkipped as error:
                msg = f"Setting `company_ids`: the store has none with the id {id_}."
                raise TapStopped(msg) from error
