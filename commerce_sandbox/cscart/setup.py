"""The store's release, edition and add-ons, and what depends on them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from commerce_sandbox.fake_api import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_sandbox.cscart.values import Row
    from commerce_sandbox.fake_api import Options

RELEASES: Final = ("4.9", "4.12", "4.20")
CSCART: Final = "cscart"
MULTIVENDOR: Final = "multivendor"
_OFF: Final = "off"
_ON: Final = "on"

_RELEASE: Final = Setting(
    name="cscart_release", choices=RELEASES, default="4.20", help="release of CS-Cart"
)
_EDITION: Final = Setting(
    name="cscart_edition", choices=(CSCART, MULTIVENDOR), default=CSCART, help="edition of CS-Cart"
)
_ADDONS: Final = Setting(
    name="cscart_addons",
    choices=(_ON, _OFF),
    default=_ON,
    help="whether the add-ons of CS-Cart are installed",
)
_REWRITE: Final = Setting(
    name="cscart_rewrite",
    choices=(_ON, _OFF),
    default=_ON,
    help="whether CS-Cart's server rewrites addresses; off leaves api.php",
)
SETTINGS: Final = (_RELEASE, _EDITION, _ADDONS, _REWRITE)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Which store it is.

    Attributes:
        release: Its release, one of `RELEASES`.
        multivendor: Whether it is a Multi-Vendor, not a CS-Cart.
        addons: Whether the add-ons are installed.
        rewrite: Whether the server rewrites addresses.
    """

    release: str = "4.20"
    multivendor: bool = False
    addons: bool = True
    rewrite: bool = True

    @classmethod
    def of(cls, options: Options) -> Setup:
        """Read the settings of the fake API."""
        return cls(
            release=options.setting(_RELEASE),
            multivendor=options.setting(_EDITION) == MULTIVENDOR,
            addons=options.setting(_ADDONS) == _ON,
            rewrite=options.setting(_REWRITE) == _ON,
        )

    def since(self, release: str) -> bool:
        """Return whether the store is of a release or a later one."""
        return RELEASES.index(self.release) >= RELEASES.index(release)

    def held(self, entity: str, row: Row) -> Row:
        """Return the columns of a row that this store has."""
        missing = self.missing(entity)
        return {name: value for name, value in row.items() if name not in missing}

    @cache  # noqa: B019 (there are few stores, and they do not change)
    def missing(self, entity: str) -> frozenset[str]:
        """Name the columns of an entity that this store does not have."""
        later = {name for name, since in _SINCE.get(entity, {}).items() if not self.since(since)}
        added = _nothing if self.addons else _OF_ADDONS.get(entity, _nothing)
        other = (_CSCART_ONLY if self.multivendor else _MULTIVENDOR_ONLY).get(entity, _nothing)
        return frozenset(later | added | other)


_nothing: Final = frozenset[str]()

# The release that brought a column.
_SINCE: Final[Mapping[str, Mapping[str, str]]] = {
    "categories": {"company_id": "4.20", "storefront_id": "4.20"},
    "orders": {"updated_at": "4.12", "storefront_id": "4.12"},
    "users": {"last_login": "4.20"},
    "features": {"updated_timestamp": "4.12"},
    "carts": {"storefront_id": "4.12"},
    "languages": {"storefront_ids": "4.20", "storefront_ids_raw": "4.20"},
}
# Columns of add-ons; `erp_code` is one of this store's own.
_OF_ADDONS: Final[Mapping[str, frozenset[str]]] = {
    "products": frozenset({"seo_name", "seo_path", "variation_features", "erp_code"}),
    "categories": frozenset({"seo_name", "seo_path"}),
    "pages": frozenset({"seo_name", "seo_path"}),
    "companies": frozenset({"seo_name", "seo_path", "average_rating", "company_thread_ids"}),
    "orders": frozenset({"points", "erp_code"}),
    "users": frozenset({"points", "anonymized", "erp_code"}),
}
_CSCART_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "carts": frozenset({"company_id"}),
    "companies": frozenset({"storefront", "secure_storefront"}),
}
_MULTIVENDOR_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "companies": frozenset({"seo_name", "seo_path"}),
}
