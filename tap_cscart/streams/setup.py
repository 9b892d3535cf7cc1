"""How the store is set up: who sells, how one pays and ships, languages, pages, settings."""

from __future__ import annotations

import abc
import typing as t

from typing_extensions import override

from commerce_taps.errors import PartitionFailed, PartitionRefused, PartitionSkipped
from commerce_taps.http import where
from commerce_taps.records.normalize import values_of
from tap_cscart.api import company_ids
from tap_cscart.capabilities import CSCART, MULTIVENDOR, edition_of
from tap_cscart.stream import CSCartStream, id_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page


class CompanyStream(CSCartStream, abc.ABC):
    """Those who sell: storefronts of a CS-Cart, vendors of a Multi-Vendor."""

    primary_keys = ("company_id",)
    sort_by = "id"
    of_company = False
    detail_columns = (
        *("address", "city", "state", "country", "zipcode", "phone", "url"),
        *("tax_number", "categories", "request_user_id"),
    )
    secret_columns = ("request_account_data",)

    edition: t.ClassVar[str]
    """The edition that has them."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read them, unless the edition has none: it answers with its own. See the base class."""
        if not self.api.store.edition:
            self.require("stores", context)
        elif self.api.store.edition != self.edition:
            msg = f"the store is a {self.api.store.edition} and has none"
            raise PartitionSkipped(msg, where(self.name, context))
        try:
            yield from super().read(context, start)
        except PartitionRefused as error:
            if self.api.store.edition:
                raise
            msg = "the store, whose edition cannot be seen, has none"
            raise PartitionSkipped(msg, where(self.name, context)) from error

    @override
    def completed(self, context: Context | None, rows: Page) -> Page:
        """Leave out what is of the other edition or not in `company_ids`. See the base class."""
        ids, is_known = company_ids(self.config), bool(self.api.store.edition)
        wanted = []
        for row in map(values_of, rows.records):
            is_own = is_known or edition_of([row]) in {self.edition, ""}
            id_ = id_of(row, "company_id")
            wanted.append(is_own and (not ids or id_ is None or id_ in ids))
        return super().completed(context, rows.only(wanted))


class Stores(CompanyStream):
    """Storefronts of a CS-Cart."""

    name = "stores"
    path = "stores"
    privilege = "view_stores"
    edition = CSCART


class Vendors(CompanyStream):
    """Vendors of a Multi-Vendor."""

    name = "vendors"
    path = "vendors"
    privilege = "view_vendors"
    edition = MULTIVENDOR


class Payments(CSCartStream):
    """Payment methods."""

    name = "payments"
    path = "payments"
    primary_keys = ("payment_id",)
    privilege = "view_payments"
    secret_columns = ("processor_params",)


class Shippings(CSCartStream):
    """Shipping methods with their rates."""

    name = "shippings"
    path = "shippings"
    primary_keys = ("shipping_id",)
    privilege = "view_shipping"
    secret_columns = ("service_params",)
    detail_columns = ("rates",)


class Taxes(CSCartStream):
    """Taxes."""

    name = "taxes"
    path = "taxes"
    primary_keys = ("tax_id",)
    privilege = "view_taxes"


class Statuses(CSCartStream):
    """Statuses of orders and shipments."""

    name = "statuses"
    path = "statuses"
    primary_keys = ("status_id",)
    privilege = "manage_order_statuses"
    of_company = False

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read those of orders, then those of shipments. See the base class."""
        return self.several(self.pages(context, start, {"type": kind}) for kind in ("O", "S"))


class Languages(CSCartStream):
    """Languages of the store."""

    name = "languages"
    path = "languages"
    primary_keys = ("lang_id",)
    privilege = "view_languages"
    of_company = False
    speaks = False  # told a language, the store answers with that one alone


class Settings(CSCartStream):
    """Settings of the store and its add-ons."""

    name = "settings"
    path = "settings"
    primary_keys = ("object_id",)
    privilege = "view_settings"
    selected_by_default = False
    # Which of the settings are passwords, tokens and keys of add-ons no one can know.
    secret_columns = ("value",)


class Pages(CSCartStream):
    """Pages, forms, links and blog posts."""

    name = "pages"
    path = "pages"
    primary_keys = ("page_id",)
    privilege = "view_pages"
    sort_by = "timestamp"
    selected_by_default = False


class Blocks(CSCartStream):
    """Layout blocks of the storefront."""

    name = "blocks"
    path = "blocks"
    key = ""
    primary_keys = ("block_id",)
    privilege = "edit_blocks"
    selected_by_default = False


class Langvars(CSCartStream):
    """Texts of the storefront and the admin panel, thousands in each language."""

    name = "langvars"
    path = "langvars"
    primary_keys = ("lang_code", "name")
    privilege = "view_languages"
    of_company = False
    selected_by_default = False
    cost = "pages of thousands of texts in each language"

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one language after the other, or that of `lang_code`. See the base class."""
        wanted = self.config.get("lang_code")
        codes = [wanted] if wanted else self.api.store.languages
        lists = [
            self.pages(context, start, {"lang_code": code, "sl": code}, {"lang_code": code})
            for code in codes
        ]
        return self.several(lists if wanted else [self._all(context), *lists])

    def _all(self, context: Context | None) -> Iterator[Page]:
        """Make sure that all languages are known: a text without one could not be told apart."""
        self.require("languages", context)
        if not self.api.store.languages:
            next(
                self.listed(context, {}, {"lang_code": ""}), None
            )  # unless this account may not see these either
            msg = (
                "the languages of the store cannot be seen: give the account the privilege "
                f"`{self.privilege}`, or say in `lang_code` which one to read"
            )
            raise PartitionFailed(msg, where(self.name, context))
        yield from ()


class Currencies(CSCartStream):
    """Currencies with their rates (add-on)."""

    name = "currencies"
    path = "sra_currencies"
    key = "currencies"
    version = "4.0"
    primary_keys = ("currency_code",)
    privilege = "view_catalog"
    add_on = "storefront_rest_api"
    of_company = False
    selected_by_default = False


STREAMS: t.Final = (
    Stores,
    Vendors,
    Payments,
    Shippings,
    Taxes,
    Statuses,
    Languages,
    Settings,
    Pages,
    Blocks,
    Langvars,
    Currencies,
)
