"""What is for sale: products, their prices, and how they are sorted."""

from __future__ import annotations

import typing as t

from tap_centra.integration.stream import IntegrationStream, UpdatedStream


class Products(UpdatedStream):
    """Products, with names, customs codes and pictures."""

    name = "products"
    root = "products"
    type_name = "Product"


class ProductVariants(UpdatedStream):
    """Variants of products, mostly colours."""

    name = "product_variants"
    root = "productVariants"
    type_name = "ProductVariant"


class ProductSizes(UpdatedStream):
    """Sizes of variants, which are the items that are stocked and sold."""

    name = "product_sizes"
    root = "productSizes"
    type_name = "ProductSize"


class Displays(UpdatedStream):
    """Presentation of products in a store: texts, categories, pictures."""

    name = "displays"
    root = "displays"
    type_name = "Display"


class Prices(IntegrationStream):
    """Prices of variants, by pricelist."""

    name = "prices"
    root = "productVariants"
    type_name = "ProductVariant"
    nested = "prices"
    parent_fields: t.ClassVar[dict[str, str]] = {"id": "productVariantId"}


class PriceAlterations(IntegrationStream):
    """Changes of prices from a certain day on."""

    name = "price_alterations"
    root = "priceAlterations"
    type_name = "PriceAlteration"


class Brands(IntegrationStream):
    """Brands."""

    name = "brands"
    root = "brands"
    type_name = "Brand"


class Categories(IntegrationStream):
    """Categories of displays in a store."""

    name = "categories"
    root = "categories"
    type_name = "Category"


class Collections(IntegrationStream):
    """Collections, which often are seasons."""

    name = "collections"
    root = "collections"
    type_name = "Collection"


class Folders(IntegrationStream):
    """Folders of products."""

    name = "folders"
    root = "folders"
    type_name = "Folder"


class SizeCharts(IntegrationStream):
    """Size charts with their sizes."""

    name = "size_charts"
    root = "sizeCharts"
    type_name = "SizeChart"


class MeasurementCharts(IntegrationStream):
    """Measurements of sizes."""

    name = "measurement_charts"
    root = "measurementCharts"
    type_name = "MeasurementChart"


class MappedAttributes(IntegrationStream):
    """Sets of fields that the client has defined for several objects."""

    name = "mapped_attributes"
    root = "mappedAttributes"
    type_name = "MappedAttribute"


STREAMS: t.Final = (
    Products,
    ProductVariants,
    ProductSizes,
    Displays,
    Prices,
    PriceAlterations,
    Brands,
    Categories,
    Collections,
    Folders,
    SizeCharts,
    MeasurementCharts,
    MappedAttributes,
)
