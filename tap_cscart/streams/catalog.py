"""The catalog: products, their options and features, and the categories."""

from __future__ import annotations

import abc
import math
import typing as t
from functools import partial
from itertools import compress

from typing_extensions import override

from commerce_taps.errors import InvalidResponse, PartitionSkipped
from commerce_taps.http import where
from commerce_taps.pagination.page import Page
from commerce_taps.records import dates
from commerce_taps.records.children import flatten_rows
from commerce_taps.records.normalize import values_of
from tap_cscart.capabilities import PRODUCT_EXTENSIONS
from tap_cscart.responses import parse_collection
from tap_cscart.stream import CSCartStream, id_from

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_cscart.requests import Params
    from tap_cscart.stream import Id

EXTENDED_COLUMNS: t.Final = (
    "short_description",
    "full_description",
    "meta_keywords",
    "meta_description",
    "search_words",
    "page_title",
    "promo_text",
    "popularity",
    "company_name",
)
"""The columns that `PRODUCT_EXTENSIONS` add."""
GROUP: t.Final = "G"
"""The type of features that are groups of others."""
CLOCK_MARGIN: t.Final = 86_400
"""Seconds to request in addition: the store counts back from the time of each request, so the
oldest rows leave a list while it is read, and the clocks of store and tap differ."""


def count_units_since(start: datetime, now: datetime, seconds: int) -> int:
    """Count the hours or days since a time, for filters that use the store's clock.

    Args:
        now: The current time, by the clock that is ahead.
        seconds: Length of the unit.

    Returns:
        Their number, with a margin of one day.
    """
    passed = (now - start).total_seconds()
    return math.ceil((max(passed, 0) + CLOCK_MARGIN) / seconds)


class Products(CSCartStream):
    """Products with prices, stock, texts and pictures, including variations."""

    name = "products"
    path = "products"
    primary_keys = ("product_id",)
    replication_key = "updated_timestamp"
    privilege = "view_catalog"
    default_page_size = 100
    sort_by = "updated_timestamp"
    required_lookups = ("products",)
    detail_columns = (
        "shortname",
        "lang_code",
        "age_warning_message",
        "min_items_in_box",
        "max_items_in_box",
        "box_length",
        "box_width",
        "box_height",
        "shared_product",
        "detailed_params",
    )
    unselected_columns = detail_columns
    cost_of_columns = "one request per product"

    @override
    def prepare(self) -> None:
        if not self.api.store.extends_products:
            self.logger.info("products: the texts are requested product by product.")
        super().prepare()

    @override
    def filters(self, start: datetime | None) -> Params:
        """Filter by the last edit, and request texts if the store can list them."""
        found: dict[str, t.Any] = {}
        if start is not None and start > dates.FIRST:
            found["updated_in_hours"] = count_units_since(start, self.client.latest, 3600)
        if self.api.store.extends_products:
            found["extend[]"] = PRODUCT_EXTENSIONS
        if not self.children and not self._emits("product_features"):
            found["get_features"] = 0  # they cost the store a query a product
        return found

    @override
    def enrich(self, context: Context | None, rows: Page) -> Page:
        """Fetch each product by itself where the list has no texts."""
        if not self.api.store.extends_products and any(map(self._emits, EXTENDED_COLUMNS)):
            return self.fetch_details(context, rows)
        return super().enrich(context, rows)

    @override
    def merge_detail(self, row: Record, detail: Record) -> Record:
        """Let the list win: its price includes promotions."""
        return {**detail, **row}


class MasterProducts(Products):
    """Products that several vendors can offer (add-on of Multi-Vendor)."""

    name = "master_products"
    path = "master_products"
    selector = "products"
    add_on = "master_products"
    selected_by_default = False


class ProductFeatureValues(CSCartStream):
    """Feature values of products, one row per product, feature and variant."""

    name = "product_feature_values"
    path = Products.path
    primary_keys = ("product_id", "feature_id", "variant_id")
    privilege = Products.privilege
    parent_stream_type = Products

    @override
    def child_rows(self, parent: Record) -> Iterable[t.Any]:
        """Extract one row a chosen variant, or one a value."""
        owner = {"product_id": parent.get("product_id")}
        for feature in flatten_rows(owner, parent.get("product_features"), "feature_id"):
            if not isinstance(feature, dict):
                yield feature
                continue
            variants = feature.pop("variants", None)
            for row in list(flatten_rows(feature, variants, "variant_id")) or [feature]:
                if isinstance(row, dict) and row.get("variant_id") is None:
                    row["variant_id"] = 0
                yield row


class PerProductStream(CSCartStream, abc.ABC):
    """A list that is requested for each product with options; other products have no rows in it."""

    selector = ""
    privilege = Products.privilege
    default_page_size = Products.default_page_size
    selected_by_default = False
    cost = "one request per product"
    adds_product: t.ClassVar[str] = ""
    """The column to which the product's id is added."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        products = t.cast("Products", self.siblings[Products.name])
        pages = products.iter_list(context, {"get_features": 0})
        return self.fetch_per_row(
            context,
            (
                [
                    id_from(product, "product_id")
                    for product in map(values_of, page.records)
                    if product.get("has_options") is not False
                ]
                for page in pages
            ),
            lambda id_: (
                self.request(context, self.path, params={"product_id": id_}),
                partial(self._parse_rows, id_),
            ),
        )

    def _parse_rows(self, id_: Id, body: bytes) -> Page:
        added = {self.adds_product: id_} if self.adds_product else None
        rows = self.parse_rows(parse_collection(body), added)
        if not rows.records:
            msg = "the response is empty, where the store would return HTTP 404 for no rows"
            raise InvalidResponse(msg)
        for row in map(values_of, rows.records):
            # An option that several products share names the requested one in `cur_product_id`.
            owner = row.get("cur_product_id") or row.get("product_id")
            if owner != id_ and id_from({"id": owner}, "id"):
                msg = "the response belongs to another request: its rows are of another product"
                raise InvalidResponse(msg)
        return rows


class ProductOptions(PerProductStream):
    """Options of products, including global options; one request per product."""

    name = "product_options"
    path = "options"
    primary_keys = ("parent_product_id", "option_id")
    adds_product = "parent_product_id"


class ProductOptionExceptions(PerProductStream):
    """Option combinations that are forbidden or allowed; one request per product."""

    name = "product_option_exceptions"
    path = "exceptions"
    primary_keys = ("exception_id",)


class ProductOptionCombinations(PerProductStream):
    """Option combinations with their own stock, before 4.12; one request per product."""

    name = "product_option_combinations"
    path = "combinations"
    primary_keys = ("product_id", "combination_hash")

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read them, unless the release has none."""
        if self.api.store.filters_orders:
            msg = "releases from 4.12 on have none: there, a variation is a product"
            raise PartitionSkipped(msg, where(self.name, context))
        yield from super().read(context, start)


class ProductVariationGroups(CSCartStream):
    """Groups of products that are variations of each other (add-on)."""

    name = "product_variation_groups"
    path = "product_variations_groups"
    selector = "groups"
    primary_keys = ("id",)
    replication_key = "updated_at"
    privilege = "view_catalog"
    add_on = "product_variations"


class Categories(CSCartStream):
    """Product categories, which form a tree."""

    name = "categories"
    path = "categories"
    primary_keys = ("category_id",)
    privilege = "view_catalog"
    single_page = True
    detail_columns = (
        "level",
        "usergroup_ids",
        "timestamp",
        "is_op",
        "localization",
        "age_verification",
        "age_limit",
        "parent_age_verification",
        "parent_age_limit",
        "selected_views",
        "default_view",
        "product_details_view",
        "product_columns",
        "is_trash",
        "is_default",
        "lang_code",
        "description",
        "meta_keywords",
        "meta_description",
        "page_title",
        "age_warning_message",
        "main_pair",
    )
    unselected_columns = detail_columns
    cost_of_columns = "one request per category"

    @property
    @override
    def page_size(self) -> int:
        """All at once: in 4.9 a list that is requested with a page size has no second page."""
        return super().page_size if self.api.sampling else 100_000


class Features(CSCartStream):
    """Features of products with their variants."""

    name = "features"
    path = "features"
    primary_keys = ("feature_id",)
    replication_key = "updated_timestamp"
    privilege = "view_catalog"
    params: t.ClassVar[Params] = {"exclude_group": 1, "variants": 1, "skip_variants_threshould": 1}

    @override
    def filters(self, start: datetime | None) -> Params:
        """Filter by the last edit."""
        if start is None or start <= dates.FIRST:
            return {}
        return {"updated_in_days": count_units_since(start, self.client.latest, 86_400)}

    @override
    def enrich(self, context: Context | None, rows: Page) -> Page:
        """Leave out groups, and fetch the variants that were too many for the list."""
        features = [values_of(record) for record in rows.records]
        # Groups have their own stream, even where the store ignores `exclude_group`.
        own = [one.get("feature_type") != GROUP for one in features]
        rows = rows.only(own)
        short = [bool(one.get("use_variant_picker")) for one in compress(features, own)]
        if not any(short):
            return rows
        detailed = self.fetch_details(context, rows.only(short))
        complete = rows.only([not one for one in short])
        return Page(
            [*complete.records, *detailed.records],
            [*complete.valid, *detailed.valid],
            [*complete.timestamps, *detailed.timestamps],
        )


class FeatureGroups(CSCartStream):
    """Groups of features."""

    name = "feature_groups"
    path = "features"
    primary_keys = ("feature_id",)
    privilege = "view_catalog"
    params: t.ClassVar[Params] = {"feature_types": GROUP, "exclude_group": 1}


class FeatureVariants(CSCartStream):
    """Variants of features, one row each."""

    name = "feature_variants"
    path = Features.path
    primary_keys = ("variant_id",)
    privilege = Features.privilege
    parent_stream_type = Features

    @override
    def child_rows(self, parent: Record) -> Iterable[t.Any]:
        owner = {"feature_id": parent.get("feature_id")}
        return flatten_rows(owner, parent.get("variants"), "variant_id")


STREAMS: t.Final = (
    Products,
    ProductFeatureValues,
    ProductOptions,
    ProductOptionExceptions,
    ProductOptionCombinations,
    ProductVariationGroups,
    Categories,
    Features,
    FeatureGroups,
    FeatureVariants,
    MasterProducts,
)
