"""The setup of the store: sellers, payments, shippings, languages, pages, settings."""

from __future__ import annotations

import abc
import typing as t

from typing_extensions import override

from commerce_taps.errors import PartitionFailed, PartitionRefused, PartitionSkipped
from commerce_taps.http import where
from commerce_taps.records.normalize import values_of
from tap_cscart.api import company_ids
from tap_cscart.capabilities import CSCART, MULTIVENDOR, edition_of
from tap_cscart.stream import CSCartStream, id_from

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page


class CompanyStream(CSCartStream, abc.ABC):
    """The sellers: storefronts of a CS-Cart, vendors of a Multi-Vendor."""

    primary_keys = ("company_id",)
    sort_by = "id"
    per_company = False
    detail_columns = (
        *("address", "city", "state", "country", "zipcode", "phone", "url"),
        *("tax_number", "categories", "request_user_id"),
    )
    secret_columns = ("request_account_data",)

    edition: t.ClassVar[str]
    """The edition that has this kind of sellers."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read them, unless the edition has none: it would return its own kind instead."""
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
    def enrich(self, context: Context | None, rows: Page) -> Page:
        """Leave out sellers of the other edition, and those not in `company_ids`."""
        ids, is_known = company_ids(self.config), bool(self.api.store.edition)
        keep = []
        for row in map(values_of, rows.records):
            is_own = is_known or edition_of([row]) in {self.edition, ""}
            id_ = id_from(row, "company_id")
            keep.append(is_own and (not ids or id_ is None or id_ in ids))
        return super().enrich(context, rows.only(keep))


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
    per_company = False

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read those of orders, then those of shipments."""
        return self.read_all(self.read_list(context, start, {"type": kind}) for kind in ("O", "S"))


class Languages(CSCartStream):
    """Languages of the store."""

    name = "languages"
    path = "languages"
    primary_keys = ("lang_id",)
    privilege = "view_languages"
    per_company = False
    localized = False  # with `lang_code`, the store lists that language only


class Settings(CSCartStream):
    """Settings of the store and its add-ons."""

    name = "settings"
    path = "settings"
    primary_keys = ("object_id",)
    privilege = "view_settings"
    selected_by_default = False
    # Any setting may hold a password, token or key of an add-on.
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
    selector = ""
    primary_keys = ("block_id",)
    privilege = "edit_blocks"
    selected_by_default = False


class Langvars(CSCartStream):
    """Texts of the storefront and the admin panel, thousands in each language."""

    name = "langvars"
    path = "langvars"
    primary_keys = ("lang_code", "name")
    privilege = "view_languages"
    per_company = False
    selected_by_default = False
    cost = "pages of thousands of texts in each language"

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one language after the other, or that of `lang_code`."""
        language = self.config.get("lang_code")
        codes = [language] if language else self.api.store.languages
        lists = [
            self.read_list(context, start, {"lang_code": code, "sl": code}, {"lang_code": code})
            for code in codes
        ]
        return self.read_all(lists if language else [self._require_languages(context), *lists])

    def _require_languages(self, context: Context | None) -> Iterator[Page]:
        """Fail if the languages are unknown: the language is part of the key of a text."""
        self.require("languages", context)
        if not self.api.store.languages:
            next(
                self.iter_list(context, {}, {"lang_code": ""}), None
            )  # unless this account may not see these either
            msg = (
                "the languages of the store cannot be seen: give the account the privilege "
                f"`{self.privilege}`, or set `lang_code`"
            )
            raise PartitionFailed(msg, where(self.name, context))
        yield from ()


class Currencies(CSCartStream):
    """Currencies with their rates (add-on)."""

    name = "currencies"
    path = "sra_currencies"
    selector = "currencies"
    version = "4.0"
    primary_keys = ("currency_code",)
    privilege = "view_catalog"
    add_on = "storefront_rest_api"
    per_company = False
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
