"""The entities: their requirements, and who may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from commerce_sandbox.cscart import catalog_lists, option_lists, other_lists, sales_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from commerce_sandbox.cscart.call import Call, Json
    from commerce_sandbox.cscart.setup import Setup

_CATALOG: Final = "view_catalog"


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """An entity of the API.

    Attributes:
        privilege: What an account needs to see it.
        every: Returns the list, if there is one.
        one: Returns a row, if the entity has single rows.
        children: The lists below a row, each with the entity of its rows.
        exists: Whether a store has it.
        before_2: Whether the API 1.0 has it.
        vendors: Whether a vendor's account may see it in 4.20.
        version: The version of the API that has it; all if none.
    """

    privilege: str
    every: Callable[[Call], Json] | None = None
    one: Callable[[Call, str], Json] | None = None
    children: Mapping[str, tuple[str, Callable[[Call, str], Json]]] = {}
    exists: Callable[[Setup], bool] = lambda _: True
    before_2: bool = True
    vendors: bool = False
    version: str | None = None


def _addon(since: str = "4.9", *, multivendor: bool = False) -> Callable[[Setup], bool]:
    return lambda setup: (
        setup.addons and setup.since(since) and (setup.multivendor or not multivendor)
    )


def _from_table(entity: str) -> Callable[[Call, str], Json]:
    return other_lists.one_of_table(entity)


ENTITIES: Final[Mapping[str, Entity]] = {
    "products": Entity(
        privilege=_CATALOG,
        every=catalog_lists.products,
        one=catalog_lists.product,
        children={
            "features": ("features", catalog_lists.features_of),
            "discussions": ("discussions", other_lists.discussions_of),
        },
        vendors=True,
    ),
    "categories": Entity(
        privilege=_CATALOG,
        every=catalog_lists.categories,
        one=catalog_lists.category,
        children={"products": ("products", catalog_lists.category_products)},
        vendors=True,
    ),
    "features": Entity(privilege=_CATALOG, every=catalog_lists.features, one=catalog_lists.feature),
    "options": Entity(
        privilege=_CATALOG,
        every=option_lists.product_options,
        one=option_lists.product_option,
        before_2=False,
        vendors=True,
    ),
    "exceptions": Entity(privilege=_CATALOG, every=option_lists.exceptions, vendors=True),
    "combinations": Entity(
        privilege=_CATALOG,
        every=option_lists.combinations,
        exists=lambda setup: not setup.since("4.12"),
    ),
    "product_variations": Entity(
        privilege=_CATALOG,
        every=option_lists.variations,
        one=catalog_lists.product,
        exists=_addon("4.12"),
        before_2=False,
        vendors=True,
    ),
    "product_variations_groups": Entity(
        privilege=_CATALOG,
        every=option_lists.variation_groups,
        one=option_lists.variation_group,
        children={"product_variations": ("product_variations", option_lists.variations_of_group)},
        exists=_addon("4.12"),
        before_2=False,
    ),
    "master_products": Entity(
        privilege=_CATALOG,
        every=option_lists.master_products,
        one=option_lists.master_product,
        children={"master_product_offers": ("master_products", option_lists.offers)},
        exists=_addon("4.20", multivendor=True),
        before_2=False,
    ),
    "orders": Entity(privilege="view_orders", every=sales_lists.orders, one=sales_lists.order),
    "shipments": Entity(
        privilege="view_orders", every=sales_lists.shipments, one=sales_lists.shipment
    ),
    "users": Entity(
        privilege="view_users",
        every=sales_lists.users,
        one=sales_lists.user,
        children={"usergroups": ("usergroups", sales_lists.user_usergroups)},
    ),
    "usergroups": Entity(
        privilege="view_usergroups",
        every=sales_lists.usergroups,
        one=sales_lists.usergroup,
        before_2=False,
    ),
    "carts": Entity(
        privilege="view_users", every=sales_lists.carts, one=sales_lists.cart, before_2=False
    ),
    "stores": Entity(
        privilege="view_stores", every=sales_lists.companies("stores"), one=sales_lists.company
    ),
    "vendors": Entity(
        privilege="view_vendors", every=sales_lists.companies("vendors"), one=sales_lists.company
    ),
    "payments": Entity(
        privilege="view_payments", every=other_lists.payments, one=other_lists.payment
    ),
    "shippings": Entity(
        privilege="view_shipping", every=other_lists.shippings, one=other_lists.shipping
    ),
    "taxes": Entity(privilege="view_taxes", every=other_lists.taxes, one=other_lists.tax),
    "statuses": Entity(
        privilege="manage_order_statuses", every=other_lists.statuses, one=other_lists.status
    ),
    "languages": Entity(
        privilege="view_languages",
        every=other_lists.languages,
        one=other_lists.language,
        children={"langvars": ("langvars", other_lists.langvars_of)},
    ),
    "langvars": Entity(privilege="view_languages", every=other_lists.langvars),
    "settings": Entity(
        privilege="view_settings", every=other_lists.settings, one=other_lists.setting
    ),
    "pages": Entity(
        privilege="view_pages", every=other_lists.pages, one=other_lists.page, before_2=False
    ),
    "blocks": Entity(
        privilege="edit_blocks", every=other_lists.blocks, one=other_lists.block, before_2=False
    ),
    "discussions": Entity(
        privilege="view_discussions",
        every=other_lists.discussions,
        one=_from_table("discussions"),
        exists=_addon(),
        before_2=False,
    ),
    "product_reviews": Entity(
        privilege="view_product_reviews",
        every=other_lists.product_reviews,
        one=_from_table("product_reviews"),
        exists=_addon("4.20"),
        before_2=False,
        vendors=True,
    ),
    "call_requests": Entity(
        privilege="view_call_requests",
        every=other_lists.call_requests,
        one=_from_table("call_requests"),
        exists=_addon(),
        before_2=False,
    ),
    "subscribers": Entity(
        privilege="view_email_marketing",
        every=other_lists.subscribers,
        one=_from_table("subscribers"),
        exists=_addon(),
        before_2=False,
    ),
    "sra_currencies": Entity(
        privilege=_CATALOG,
        every=other_lists.currencies,
        exists=_addon("4.20"),
        before_2=False,
        version="4",
    ),
}
"""The entities by their name in the path."""
