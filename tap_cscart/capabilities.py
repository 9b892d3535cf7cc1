"""Finds out what a store can do, once a run, rather than to assume it from a number of release."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

from msgspec import Raw
from typing_extensions import override

from commerce_taps.errors import (
    InvalidResponse,
    PartitionForbidden,
    PartitionSkipped,
    TapError,
    TapStopped,
)
from commerce_taps.pagination.page import Page
from commerce_taps.pagination.reverse import reverse_pages
from commerce_taps.records.conform import decode_object, encode
from commerce_taps.records.normalize import integer
from tap_cscart.responses import Answer, api_request, collection, listing, opened

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk.helpers.types import Record

    from commerce_taps.http import Client
    from tap_cscart.responses import Params

T = t.TypeVar("T")

CSCART: t.Final = "CS-Cart"
MULTIVENDOR: t.Final = "Multi-Vendor"
NAME: t.Final = "probe"
"""What the requests are counted under."""
FAR: t.Final = 2_147_000_000
"""An instant in 2038 that no order is stamped with, and that fits into 32 bits."""


EXTENSIONS: t.Final = (
    "description",
    "full_description",
    "meta_data",
    "search_words",
    "page_title",
    "promo_text",
    "popularity",
    "companies",
)
"""What a list of products can be told to bring along."""

SIZE: t.Final = 1000
"""Rows of a list asked for at once."""


def edition_of(sellers: Sequence[Mapping[str, t.Any]]) -> str:
    """Tell an edition by those who sell: only storefronts have an address of their own.

    Args:
        sellers: Rows of the list of stores or vendors, which both editions answer.

    Returns:
        `CS-Cart` or `Multi-Vendor`; "" without a row.
    """
    if not any(sellers):
        return ""
    return CSCART if any("storefront" in row for row in sellers) else MULTIVENDOR


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
        filters_orders: Whether `updated_at_from` narrows a list of orders (from 4.12 on).
        embeds_orders: Whether `get_orders_data=1` has a list of orders give them whole.
        extends_products: Whether `extend[]` has a list of products give their texts.
        faults: Why a look-up was not answered, by its path. That is no word of the store's that it
            cannot do something: what depends on it cannot be read.
    """

    version: str
    edition: str = ""
    storefronts: Sequence[int] = ()
    languages: Sequence[str] = ()
    shows_orders: bool = False
    filters_orders: bool = False
    embeds_orders: bool = False
    extends_products: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def companies(self) -> str:
        """Where those who sell are: what is read for one of them lies below."""
        return "vendors" if self.edition == MULTIVENDOR else "stores"

    @override
    def __str__(self) -> str:
        """Tell it in one line."""
        unseen = {
            name: "could not be found out" if name in self.faults else "not to be seen"
            for name in ("stores", "languages")
        }
        edition = self.edition or f"edition {unseen['stores']}"
        if len(self.storefronts) > 1:
            edition += f" with {len(self.storefronts)} storefronts"
        languages = ", ".join(self.languages) or unseen["languages"]
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

    def store(self, companies: Sequence[int]) -> Store:
        """Find it out: a handful of requests for one row each.

        Args:
            companies: The stores or vendors to be read.

        Returns:
            What the store can do.

        Raises:
            TapStopped: The store cannot be asked, or a setting names what it does not have.
        """
        version = self._version()
        faults: dict[str, str] = {}
        sellers = self._look_up(faults, "stores", partial(self._all, "stores", "company_id"))
        edition = edition_of(sellers)
        ids = [integer(row.get("company_id")) for row in sellers]
        storefronts = [id_ for id_ in ids if isinstance(id_, int) and id_ > 0]
        if len(storefronts) < len(ids):
            faults.setdefault("stores", "a row has no usable `company_id`")
        spoken = self._look_up(faults, "languages", partial(self._all, "languages", "lang_code"))
        codes = [row.get("lang_code") for row in spoken]
        languages = [code for code in codes if isinstance(code, str) and code]
        if len(languages) < len(codes):
            faults.setdefault("languages", "a row has no usable `lang_code`")
        whole = self._look_up(
            faults, "orders", partial(self._one, "orders", {"get_orders_data": 1})
        )
        later = whole and self._look_up(
            faults, "orders", partial(self._one, "orders", {"updated_at_from": FAR})
        )
        products = self._look_up(
            faults, "products", partial(self._one, "products", {"extend[]": EXTENSIONS})
        )
        knows_orders = bool(whole) and "orders" not in faults
        found = Store(
            version,
            edition,
            storefronts if edition == CSCART else [],
            languages,
            shows_orders=knows_orders,
            filters_orders=knows_orders and not later,
            embeds_orders=knows_orders and "products" in whole[0],
            extends_products=bool(products) and "full_description" in products[0],
        )
        self._check(found, faults, companies)
        return replace(found, faults=faults)

    def _get(self, path: Sequence[str], params: Params, parse: Callable[[bytes], T]) -> T:
        return self._client.get(api_request(self._config, path, params, stream=NAME), parse)

    def _version(self) -> str:
        """Ask for the version, which every account may: the first request there is."""
        try:
            answer = self._get(["version"], {}, lambda body: opened(body, dict[str, Raw]))
        except PartitionSkipped as error:
            msg = (
                f"the store has no API of version {self._config['api_version']} at this address; "
                "check `store_url`, and leave `api_version` at 2.0"
            )
            raise TapStopped(msg) from error
        except TapStopped:
            raise
        except TapError as error:
            raise TapStopped(error.reason, remedy=error.remedy) from error
        told = decode_object(encode(answer)).get("Version")
        return told if isinstance(told, str) and told else str(self._config["api_version"])

    def _look_up(
        self, faults: dict[str, str], path: str, read: Callable[[], list[Record]]
    ) -> list[Record]:
        """Look something up, and note why if it is not answered.

        Returns:
            The rows; none where the store says that this account sees none.
        """
        try:
            return read()
        except PartitionSkipped:
            return []
        except TapStopped:
            raise
        except TapError as error:
            self._logger.warning("%s: %s: %s", NAME, path, error.reason)
            faults[path] = error.reason.rstrip(".")
            return []

    def _all(self, path: str, key: str) -> list[Record]:
        """Read a list to its end."""

        def fetch(number: int) -> Page:
            answer = self._answer(path, {"items_per_page": SIZE, "page": number})
            return Page(answer.records, number=answer.number, total=answer.total)

        pages = reverse_pages(fetch, lambda raw: encode(decode_object(raw).get(key)), SIZE)
        return [decode_object(raw) for rows in pages for raw in rows.records]

    def _one(self, path: str, params: Params) -> list[Record]:
        """Ask for a row of a list."""
        answer = self._answer(path, {"items_per_page": 1, "page": 1, **params})
        return [decode_object(raw) for raw in answer.records]

    def _answer(self, path: str, asked: Params) -> Answer:
        def parse(body: bytes) -> Answer:
            answer = listing(body, path, bare=self._config["api_version"] == "1.0")
            answer.check(asked)
            if asked["page"] == 1 and not answer.records and answer.total:
                msg = f"the response contradicts itself: it has none of {answer.total} rows"
                raise InvalidResponse(msg)
            if answer.records and not any(map(decode_object, answer.records)):
                msg = "the answer has no row that is an object"
                raise InvalidResponse(msg)
            return answer

        return self._get([path], asked, parse)

    def _check(self, store: Store, faults: dict[str, str], companies: Sequence[int]) -> None:
        """Refuse settings that would have the store answer something else without a word."""
        language = self._config.get("lang_code")
        is_whole = store.languages and "languages" not in faults
        if language and is_whole and language not in store.languages:
            known = ", ".join(store.languages)
            msg = f"Setting `lang_code`: the store has no language {language}, only {known}."
            raise TapStopped(msg)
        for id_ in companies:
            path = f"{store.companies}/{id_}"
            if "stores" in faults and not store.edition:
                faults[path] = faults["stores"]
                continue
            try:
                self._get([store.companies, str(id_)], {}, collection)
            except PartitionForbidden as error:
                msg = f"Setting `company_ids`: the account may not read {store.companies}/{id_}."
                raise TapStopped(msg) from error
            except PartitionSkipped as error:
                msg = f"Setting `company_ids`: the store has none with the id {id_}."
                raise TapStopped(msg) from error
            except TapStopped:
                raise
            except TapError as error:
                faults[path] = error.reason.rstrip(".")
