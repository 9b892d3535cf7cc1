"""Commerce data: what merchants sold and were paid, per commerce connection.

Codat's reference "Commerce API", one class a data type. Deleted rows leave no trace there. Data
that every shop has is not `optional`; a platform may still lack it, by Codat's list of
integrations.
"""

from __future__ import annotations

import typing as t

from tap_codat.stream import ConnectionStream, ModifiedStream, PagedStream, SingleStream


class CommerceStream(ModifiedStream):
    """A commerce data type."""

    source_type = "Commerce"


class Customers(CommerceStream):
    """Customers of the merchant."""

    name = "commerce_customers"
    data_type = "commerce-customers"


class Disputes(CommerceStream):
    """Payments that the customer's bank disputes."""

    name = "commerce_disputes"
    data_type = "commerce-disputes"
    optional = True


class Orders(CommerceStream):
    """Orders placed in the merchant's shop or till, with their lines."""

    name = "commerce_orders"
    data_type = "commerce-orders"


class Payments(CommerceStream):
    """Payments and refunds of orders."""

    name = "commerce_payments"
    data_type = "commerce-payments"


class PaymentMethods(CommerceStream):
    """Payment methods that the merchant accepts."""

    name = "commerce_payment_methods"
    data_type = "commerce-paymentMethods"
    optional = True


class Products(CommerceStream):
    """Products with their variants, prices and stock."""

    name = "commerce_products"
    data_type = "commerce-products"


class ProductCategories(CommerceStream):
    """Product categories, which form a tree."""

    name = "commerce_product_categories"
    data_type = "commerce-productCategories"
    optional = True


class TaxComponents(CommerceStream):
    """Taxes that apply to orders and products."""

    name = "commerce_tax_components"
    data_type = "commerce-taxComponents"
    optional = True


class Transactions(CommerceStream):
    """Movements on the merchant's balance with the platform: sales, fees, payouts."""

    name = "commerce_transactions"
    data_type = "commerce-transactions"
    optional = True


class Locations(PagedStream, ConnectionStream):
    """Shops and warehouses. The endpoint documents no parameters, so all rows are read."""

    name = "commerce_locations"
    data_type = "commerce-locations"
    source_type = "Commerce"
    omit_first_page_params = True
    optional = True


class CompanyInfo(SingleStream, ConnectionStream):
    """The merchant's data at the platform: names, addresses, base currency."""

    name = "commerce_company_info"
    data_type = "commerce-companyInfo"
    endpoint = "commerce-info"
    source_type = "Commerce"
    primary_keys = ("companyId", "connectionId")


STREAMS: t.Final = (
    Customers,
    Disputes,
    Orders,
    Payments,
    PaymentMethods,
    Products,
    ProductCategories,
    TaxComponents,
    Transactions,
    Locations,
    CompanyInfo,
)
