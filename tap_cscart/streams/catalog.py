"""The catalog: products, what belongs to them, and how they are filed."""

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
from tap_cscart.capabilities import EXTENSIONS
from tap_cscart.responses import collection
from tap_cscart.stream import CSCartStream, id_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_cscart.responses import Params
    from tap_cscart.stream import Id

EXTENDED: t.Final = (
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
"""The columns these bring."""
GROUP: t.Final = "G"
"""The type of features that are groups of others."""
EXCESS: t.Final = 86_400
"""Seconds asked for in excess of what is wanted: the store counts from the moment of each request,
so that the oldest rows drop out of a list while it is read, and its clock is not ours."""


def since(start: datetime, now: datetime, seconds: int) -> int:
    """Count the hours or days since an instant, for filters that go by the store's clock.

    Args:
        start: The instant.
        now: The moment, by the clock that is ahead.
        seconds: How long one of them is.

    Returns:
        Too many by a day.
    """
    passed = (now - start).total_seconds()
    return math.ceil((max(passed, 0) + EXCESS) / seconds)


class Products(CSCartStream):
    """Products with prices, stock, texts and pictures, including variations."""

    name = "products"
    path = "products"
    primary_keys = ("product_id",)
    replication_key = "updated_timestamp"
    privilege = "view_catalog"
    size = 100
    sort_by = "updated_timestamp"
    looks_up = ("products",)
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
            self.logger.info("products: the texts are asked for product by product.")
        super().prepare()

    @override
    def filters(self, start: datetime | None) -> Params:
        """Ask for what was edited of late, and for texts, if the store can. See the base class."""
        found: dict[str, t.Any] = {}
        if start is not None and start > dates.FIRST:
            found["updated_in_hours"] = since(start, self.client.latest, 3600)
        if self.api.store.extends_products:
            found["extend[]"] = EXTENSIONS
        if not self.children and not self._emits("product_features"):
            found["get_features"] = 0  # they cost the store a query for each product
        return found

    @override
    def completed(self, context: Context | None, rows: Page) -> Page:
        """Ask for each product alone where the list has no texts. See the base class."""
        if not self.api.store.extends_products and any(map(self._emits, EXTENDED)):
            return self.detailed(context, rows)
        return super().completed(context, rows)

    @override
    def merged(self, row: Record, detail: Record) -> Record:
        """Keep what the list tells: its price is the one with promotions. See the base class."""
        return {**detail, **row}


class MasterProducts(Products):
    """Products that several vendors can offer (add-on of Multi-Vendor)."""

    name = "master_products"
    path = "master_products"
    key = "products"
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
    def inner(self, parent: Record) -> Iterable[t.Any]:
        """Take one row a chosen variant, or one a value. See the base class."""
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


class OfProductStream(CSCartStream, abc.ABC):
    """What is asked for product by product: of those with options, for others have none of it."""

    key = ""
    privilege = Products.privilege
    size = Products.size
    selected_by_default = False
    cost = "one request per product"
    adds_product: t.ClassVar[str] = ""
    """The column that gets the product's id."""

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the rows of one page of products after the other. See the base class."""
        products = t.cast("Products", self.siblings[Products.name])
        listed = products.listed(context, {"get_features": 0})
        return self.read_each(
            context,
            (
                [
                    id_of(product, "product_id")
                    for product in map(values_of, rows.records)
                    if product.get("has_options") is not False
                ]
                for rows in listed
            ),
            lambda id_: (
                self.request(context, self.path, params={"product_id": id_}),
                partial(self._of_product, id_),
            ),
        )

    def _of_product(self, id_: Id, body: bytes) -> Page:
        """Open what belongs to a product."""
        rows = self.rows(collection(body), {self.adds_product: id_} if self.adds_product else None)
        if not rows.records:
            msg = "the answer is empty, where the store would say that there is nothing (HTTP 404)"
            raise InvalidResponse(msg)
        for row in map(values_of, rows.records):
            # An option that several products share tells apart for which of them it came.
            told = row.get("cur_product_id") or row.get("product_id")
            if told != id_ and id_of({"id": told}, "id"):
                msg = "the answer is to another question: it is about another product"
                raise InvalidResponse(msg)
        return rows


class ProductOptions(OfProductStream):
    """Options of products, including global options; one request per product."""

    name = "product_options"
    path = "options"
    primary_keys = ("parent_product_id", "option_id")
    adds_product = "parent_product_id"


class ProductOptionExceptions(OfProductStream):
    """Option combinations that are forbidden or allowed; one request per product."""

    name = "product_option_exceptions"
    path = "exceptions"
    primary_keys = ("exception_id",)


class ProductOptionCombinations(OfProductStream):
    """Option combinations with their own stock, before 4.12; one request per product."""

    name = "product_option_combinations"
    path = "combinations"
    primary_keys = ("product_id", "combination_hash")

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read them, unless the release is known to have none. See the base class."""
        if self.api.store.filters_orders:
            msg = "releases from 4.12 on have none: a variation is a product there"
            raise PartitionSkipped(msg, where(self.name, context))
        yield from super().read(context, start)


class ProductVariationGroups(CSCartStream):
    """Groups of products that are variations of each other (add-on)."""

    name = "product_variation_groups"
    path = "product_variations_groups"
    key = "groups"
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
    one_page = True
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
        """All at once: 4.9 has no second page where a size is given. See the base class."""
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
        """Ask for what was edited of late. See the base class."""
        if start is None or start <= dates.FIRST:
            return {}
        return {"updated_in_days": since(start, self.client.latest, 86_400)}

    @override
    def completed(self, context: Context | None, rows: Page) -> Page:
        """Ask for the variants that were too many for the list. See the base class."""
        features = [values_of(record) for record in rows.records]
        # Groups have a stream of their own, also where the store does not know `exclude_group`.
        wanted = [one.get("feature_type") != GROUP for one in features]
        rows = rows.only(wanted)
        short = [bool(one.get("use_variant_picker")) for one in compress(features, wanted)]
        if not any(short):
            return rows
        whole = self.detailed(context, rows.only(short))
        kept = rows.only([not one for one in short])
        return Page(
            [*kept.records, *whole.records],
            [*kept.valid, *whole.valid],
            [*kept.timestamps, *whole.timestamps],
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
    def inner(self, parent: Record) -> Iterable[t.Any]:
        """Take the variants out of a feature. See the base class."""
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
