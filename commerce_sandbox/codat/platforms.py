"""The platforms a company may connect, and the data types Codat reads from each.

Keys of commerce platforms are Codat's. A commerce platform supports the types for which the
official Commerce specification shows an example of it; Codat's own sandbox supports all, and Square
has its categories and payments besides, so that no type hangs on one platform.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from commerce_sandbox.codat import fields
from commerce_sandbox.seeded import chance, guid, rng

_TYPES: Final = {
    "info": fields.COMMERCE_INFO,
    **{name.removeprefix("commerce-"): name for name in fields.COMMERCE_LISTS},
}
ALL_COMMERCE: Final = tuple(_TYPES.values())


class Platform(msgspec.Struct, frozen=True):
    """A platform that can be connected.

    Attributes:
        key: The four letters Codat knows it by.
        source_type: What it is read for, as in a connection's `sourceType`.
        datasets: Path tails of the data types that can be read from it.
    """

    key: str
    name: str
    source_type: str
    datasets: tuple[str, ...] = ()

    @property
    def integration_id(self) -> str:
        """The GUID of the integration."""
        return guid("integration", self.key)

    @property
    def source_id(self) -> str:
        """The GUID of the source behind the integration."""
        return guid("source", self.key)

    def integration(self) -> dict[str, Any]:
        """Return the record `/integrations` has about it."""
        random = rng("integration", self.key)
        record: dict[str, Any] = {
            "key": self.key,
            "logoUrl": f"https://static.example.com/{self.key}/full.png",
            "name": self.name,
            "enabled": chance(random, 0.8),
            "sourceId": self.source_id,
            "sourceType": self.source_type,
            "integrationId": self.integration_id,
            "isOfflineConnector": False,
            "isBeta": chance(random, 0.2),
            "datatypeFeatures": [
                {
                    "dataType": fields.data_type(name),
                    "supportedFeatures": [
                        {
                            "featureType": "Get",
                            "featureState": "Release" if name in self.datasets else "NotSupported",
                        }
                    ],
                }
                for name in (ALL_COMMERCE if self.source_type == "Commerce" else self.datasets)
            ],
        }
        if self.source_type == "Banking":
            record["dataProvidedBy"] = self.name
        return record

    def branding(self) -> dict[str, Any]:
        """Return the record `/integrations/{platformKey}/branding` has about it."""

        def image(name: str) -> dict[str, Any]:
            source = f"https://static.example.com/{self.key}/{name}.png"
            return {"image": {"src": source, "alt": f"{self.name} {name}"}}

        return {
            "logo": {"full": image("full"), "square": image("square")},
            "button": {"default": image("default"), "hover": image("hover")},
            "sourceId": self.source_id,
        }


def _commerce(key: str, name: str, *types: str) -> Platform:
    return Platform(key, name, "Commerce", tuple(_TYPES[short] for short in types))


_ACCOUNTING_TYPES: Final = ("chartOfAccounts", "bills", "customers", "invoices", "suppliers")
_BANKING_TYPES: Final = ("banking-accountBalances", "banking-accounts", "banking-transactions")
_SALES: Final = ("info", "orders", "products")
_TILL: Final = (*_SALES, "customers", "payments")

COMMERCE: Final = (
    _commerce("fztf", "Shopify", *_TILL, "disputes", "locations", "taxComponents", "transactions"),
    _commerce("zsth", "Square", *_TILL, "locations", "paymentMethods", "productCategories"),
    _commerce("ltpp", "WooCommerce", *_TILL),
    _commerce("exgd", "Stripe", "info", "customers", "disputes", "products", "transactions"),
    _commerce("vqzp", "BigCommerce", *_TILL, "paymentMethods"),
    _commerce("ugxp", "Zettle", *_TILL, "transactions"),
    _commerce("qkdj", "Amazon Seller Central", *_SALES, "paymentMethods"),
    _commerce("fqly", "Clover", *_TILL, "locations", "paymentMethods", "taxComponents"),
    _commerce("aiwb", "Commerce Sandbox", *_TYPES),
)
OTHERS: Final = (
    Platform("gbol", "Xero", "Accounting", _ACCOUNTING_TYPES),
    Platform("qhyg", "QuickBooks Online", "Accounting", _ACCOUNTING_TYPES),
    Platform("bnkp", "Plaid", "Banking", _BANKING_TYPES),
    Platform("bkfd", "Bank feed", "BankFeed"),
    Platform("expn", "Expense file", "Expense"),
    Platform("othr", "Other source", "Other"),
    Platform("unkn", "Unlisted source", "Unknown"),
)
