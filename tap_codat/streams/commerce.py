"""Commerce data: what merchants sold and were paid, per commerce connection.

Codat's reference "Commerce API", one class a data type. Deleted rows leave no trace there.
"""

from __future__ import annotations

import typing as t

from tap_codat.client import ConnectionStream, ModifiedStream, PagedStream, SingleStream

_DATA = "companies/{companyId}/connections/{connectionId}/data/"


class CommerceStream(ModifiedStream):
    """A commerce data type."""

    source_type = "Commerce"


class Customers(CommerceStream):
    """Customers of the merchant."""

    name = "commerce_customers"
    path = _DATA + "commerce-customers"


class Disputes(CommerceStream):
    """Payments that the customer's bank disputes."""

    name = "commerce_disputes"
    path = _DATA + "commerce-disputes"


class Orders(CommerceStream):
    """Orders placed in the merchant's shop or till, with their lines."""

    name = "commerce_orders"
    path = _DATA + "commerce-orders"


class Payments(CommerceStream):
    """Payments and refunds of orders."""

    name = "commerce_payments"
    path = _DATA + "commerce-payments"


class PaymentMethods(CommerceStream):
    """Ways to pay that the merchant accepts."""

    name = "commerce_payment_methods"
    path = _DATA + "commerce-paymentMethods"


class Products(CommerceStream):
    """Products with their variants, prices and stock."""

    name = "commerce_products"
    path = _DATA + "commerce-products"


class ProductCategories(CommerceStream):
    """The tree the products are filed in."""

    name = "commerce_product_categories"
    path = _DATA + "commerce-productCategories"


class TaxComponents(CommerceStream):
    """Taxes that apply to orders and products."""

    name = "commerce_tax_components"
    path = _DATA + "commerce-taxComponents"


class Transactions(CommerceStream):
    """Movements on the merchant's balance with the platform: sales, fees, payouts."""

    name = "commerce_transactions"
    path = _DATA + "commerce-transactions"


class Locations(PagedStream, ConnectionStream):
    """Shops and warehouses. The endpoint documents no parameter, so it is read whole."""

    name = "commerce_locations"
    path = _DATA + "commerce-locations"
    source_type = "Commerce"
    first_page_bare = True


class CompanyInfo(SingleStream, ConnectionStream):
    """The merchant as the platform knows it: names, addresses, base currency."""

    name = "commerce_company_info"
    path = _DATA + "commerce-info"
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
