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
        filters_orders: Whether `updated_at_from` narrows a list of orders (from 4.12 on).
        embeds_orders: Whether `get_orders_data=1` has a list of orders give them whole.
        extends_products: Whether `extend[]` has a list of products give their texts.
    """

    version: str
    edition: str = ""
    storefronts: Sequence[int] = ()
    languages: Sequence[str] = ()
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
        orders = "filters" if self.filters_orders else "does not filter"
        whole = "whole" if self.embeds_orders else "without their details"
        texts = "with" if self.extends_products else "without"
        return (
            f"API {self.version}, {edition}, languages {languages}; it {orders} orders by "
            f"`updated_at`, lists them {whole}, and lists products {texts} their texts"
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
        sellers = self._rows("stores", {"items_per_page": 1000})
        edition = ""
        if sellers:
            edition = CSCART if "storefront" in sellers[0] else MULTIVENDOR
        spoken = self._rows("languages", {"items_per_page": 1000})
        languages = [str(row.get("lang_code")) for row in spoken]
        whole = self._rows("orders", {"get_orders_data": 1})
        later = self._rows("orders", {"updated_at_from": FAR}) if whole else whole
        products = self._rows("products", {"extend[]": extensions})
        found = Store(
            version,
            edition,
            [int(row["company_id"]) for row in sellers] if edition == CSCART else [],
            languages,
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
                f"the store has no API of version {self._config['api_version']}; "
                "set `api_version` to 2.0"
            )
            raise TapStopped(msg) from error
        except TapStopped:
            raise
        except TapError as error:
            raise TapStopped(error.reason) from error
        return str(answer.get("Version", self._config["api_version"]))

    def _rows(self, path: str, params: Params) -> list[Record]:
        """Ask for a row; none where the store does not tell this account, or has a fault."""
        asked: Params = {"items_per_page": 1, "page": 1, **params}

        def parse(body: bytes) -> Answer:
            answer = listing(body, path, bare=self._config["api_version"] == "1.0")
            answer.check(asked)
            return answer

        try:
            answer = self._get([path], asked, parse)
        except TapStopped:
            raise
        except TapError:
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
