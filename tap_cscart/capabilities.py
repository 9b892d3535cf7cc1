"""Probes what a store can do, once a run, instead of deriving it from a release number."""

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
from tap_cscart.requests import build_request
from tap_cscart.responses import ListResponse, decode_body, parse_collection, parse_list

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk.helpers.types import Record

    from commerce_taps.http import Client
    from tap_cscart.requests import Params

T = t.TypeVar("T")

CSCART: t.Final = "CS-Cart"
MULTIVENDOR: t.Final = "Multi-Vendor"
NAME: t.Final = "probe"
"""The name that stands for a stream in the log and the report."""
FUTURE: t.Final = 2_147_000_000
"""A time in 2038, later than that of any order, that still fits into 32 bits."""

PRODUCT_EXTENSIONS: t.Final = (
    "description",
    "full_description",
    "meta_data",
    "search_words",
    "page_title",
    "promo_text",
    "popularity",
    "companies",
)
"""What `extend[]` can add to a list of products."""

LIST_SIZE: t.Final = 1000
"""Rows to request per page."""


def edition_of(sellers: Sequence[Mapping[str, t.Any]]) -> str:
    """Derive the edition from the sellers: only storefronts have an address of their own.

    Args:
        sellers: Rows of the list of stores or vendors, which both editions return.

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
        version: The version of the API that the tap requests.
        edition: `CS-Cart` or `Multi-Vendor`; "" where the account may not see it.
        storefronts: Ids of the storefronts of a CS-Cart.
        languages: Codes of the languages; none where the account may not see them.
        shows_orders: Whether there are orders and the account may see them. If not, nothing is
            known about how they are listed.
        filters_orders: Whether `updated_at_from` narrows a list of orders (from 4.12 on).
        embeds_orders: Whether a list of orders with `get_orders_data=1` has them complete.
        extends_products: Whether a list of products with `extend[]` has their texts.
        faults: Why a look-up failed, by its path. A failure does not prove that the store cannot do
            something: what depends on the look-up cannot be read.
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
    def company_path(self) -> str:
        """The path of the sellers; the lists of one of them are below it."""
        return "vendors" if self.edition == MULTIVENDOR else "stores"

    @override
    def __str__(self) -> str:
        """Describe the store in one line."""
        unseen = {
            name: "unknown (the look-up failed)" if name in self.faults else "not visible"
            for name in ("stores", "languages")
        }
        edition = self.edition or f"edition {unseen['stores']}"
        if len(self.storefronts) > 1:
            edition += f" with {len(self.storefronts)} storefronts"
        languages = ", ".join(self.languages) or unseen["languages"]
        filters = "filters" if self.filters_orders else "does not filter"
        details = "with" if self.embeds_orders else "without"
        orders = f"{filters} orders by `updated_at`, lists them {details} their details"
        texts = "with" if self.extends_products else "without"
        return (
            f"API {self.version}, {edition}, languages {languages}; "
            f"it {orders if self.shows_orders else 'shows no orders'}, "
            f"and lists products {texts} their texts"
        )


class Probe:
    """Finds out what a store can do."""

    def __init__(self, client: Client, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        self._logger = logger
        self._client = client
        self._config = config

    def store(self, companies: Sequence[int]) -> Store:
        """Probe the store with a few requests, most of them for a single row.

        Args:
            companies: The stores or vendors of the settings.

        Returns:
            What the store can do.

        Raises:
            TapStopped: The store cannot be probed, or a setting names what it does not have.
        """
        version = self._fetch_version()
        faults: dict[str, str] = {}
        sellers = self._look_up(faults, "stores", partial(self._fetch_list, "stores", "company_id"))
        edition = edition_of(sellers)
        ids = [integer(row.get("company_id")) for row in sellers]
        storefronts = [id_ for id_ in ids if isinstance(id_, int) and id_ > 0]
        if len(storefronts) < len(ids):
            faults.setdefault("stores", "a row has no usable `company_id`")
        rows = self._look_up(
            faults, "languages", partial(self._fetch_list, "languages", "lang_code")
        )
        codes = [row.get("lang_code") for row in rows]
        languages = [code for code in codes if isinstance(code, str) and code]
        if len(languages) < len(codes):
            faults.setdefault("languages", "a row has no usable `lang_code`")
        complete = self._look_up(
            faults, "orders", partial(self._fetch_row, "orders", {"get_orders_data": 1})
        )
        future = complete and self._look_up(
            faults, "orders", partial(self._fetch_row, "orders", {"updated_at_from": FUTURE})
        )
        products = self._look_up(
            faults,
            "products",
            partial(self._fetch_row, "products", {"extend[]": PRODUCT_EXTENSIONS}),
        )
        knows_orders = bool(complete) and "orders" not in faults
        store = Store(
            version,
            edition,
            storefronts if edition == CSCART else [],
            languages,
            shows_orders=knows_orders,
            filters_orders=knows_orders and not future,
            embeds_orders=knows_orders and "products" in complete[0],
            extends_products=bool(products) and "full_description" in products[0],
        )
        self._check_settings(store, faults, companies)
        return replace(store, faults=faults)

    def _get(self, path: Sequence[str], params: Params, parse: Callable[[bytes], T]) -> T:
        return self._client.get(build_request(self._config, path, params, stream=NAME), parse)

    def _fetch_version(self) -> str:
        """Fetch the version, which every account may read: the first request of a run."""
        try:
            response = self._get(["version"], {}, lambda body: decode_body(body, dict[str, Raw]))
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
        version = decode_object(encode(response)).get("Version")
        return version if isinstance(version, str) and version else str(self._config["api_version"])

    def _look_up(
        self, faults: dict[str, str], path: str, fetch: Callable[[], list[Record]]
    ) -> list[Record]:
        """Fetch rows, and note why if that fails.

        Returns:
            The rows; none where the store reports that this account sees none.
        """
        try:
            return fetch()
        except PartitionSkipped:
            return []
        except TapStopped:
            raise
        except TapError as error:
            self._logger.warning("%s: %s: %s", NAME, path, error.reason)
            faults[path] = error.reason.rstrip(".")
            return []

    def _fetch_list(self, path: str, key: str) -> list[Record]:
        def fetch(number: int) -> Page:
            response = self._fetch_page(path, {"items_per_page": LIST_SIZE, "page": number})
            return Page(response.records, number=response.number, total=response.total)

        pages = reverse_pages(fetch, lambda raw: encode(decode_object(raw).get(key)), LIST_SIZE)
        return [decode_object(raw) for rows in pages for raw in rows.records]

    def _fetch_row(self, path: str, params: Params) -> list[Record]:
        response = self._fetch_page(path, {"items_per_page": 1, "page": 1, **params})
        return [decode_object(raw) for raw in response.records]

    def _fetch_page(self, path: str, requested: Params) -> ListResponse:
        def parse(body: bytes) -> ListResponse:
            response = parse_list(body, path, bare=self._config["api_version"] == "1.0")
            response.check(requested)
            if requested["page"] == 1 and not response.records and response.total:
                msg = f"the response contradicts itself: it has none of {response.total} rows"
                raise InvalidResponse(msg)
            if response.records and not any(map(decode_object, response.records)):
                msg = "no row of the response is an object"
                raise InvalidResponse(msg)
            return response

        return self._get([path], requested, parse)

    def _check_settings(
        self, store: Store, faults: dict[str, str], companies: Sequence[int]
    ) -> None:
        """Reject settings for which the store would return other rows without an error."""
        language = self._config.get("lang_code")
        knows_languages = store.languages and "languages" not in faults
        if language and knows_languages and language not in store.languages:
            known = ", ".join(store.languages)
            msg = f"Setting `lang_code`: the store has no language {language}, only {known}."
            raise TapStopped(msg)
        for id_ in companies:
            path = f"{store.company_path}/{id_}"
            if "stores" in faults and not store.edition:
                faults[path] = faults["stores"]
                continue
            try:
                self._get([store.company_path, str(id_)], {}, parse_collection)
            except PartitionForbidden as error:
                msg = f"Setting `company_ids`: the account may not read {path}."
                raise TapStopped(msg) from error
            except PartitionSkipped as error:
                msg = f"Setting `company_ids`: the store has none with the id {id_}."
                raise TapStopped(msg) from error
            except TapStopped:
                raise
            except TapError as error:
                faults[path] = error.reason.rstrip(".")
