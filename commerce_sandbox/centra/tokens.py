"""The tokens of the GraphQL API, with different rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commerce_sandbox.centra.values import Row

TOKEN: Final = "centra-token-full"  # noqa: S105 (pretended)
"""The token that may do all."""

_PLAIN_TYPES: Final = (
    *("Account", "AllocationRule", "Allocation", "Attribute", "Brand", "BrickAndMortar", "Bundle"),
    *("Buyer", "Campaign", "Category", "Collection", "Customer", "DeliveryWindow", "Display"),
    *("DisplayItem", "Folder", "Invoice", "Market", "MeasurementChart", "Order", "PaymentTerms"),
    *("Price", "PriceAlteration", "Pricelist", "Product", "ProductSize", "ProductVariant"),
    *("PurchaseOrder", "PurchaseOrderDelivery", "Return", "Shipment", "ShippingTerms", "SizeChart"),
    *("StockChange", "Store", "Supplier", "Voucher", "Warehouse"),
)
"""Types that are read without the fields that are guarded themselves."""
_FEW_TYPES: Final = (
    *("Brand", "Market", "Order", "Pricelist", "Product", "ProductSize", "ProductVariant", "Store"),
)


class Token(msgspec.Struct, frozen=True):
    """The permissions of a token.

    Attributes:
        granted: Its permissions; all if none.
        stores: The stores it is restricted to, by id; all if none. What belongs to another store is
            left out, without a trace.
        expired: Whether its time is over.
    """

    granted: frozenset[str] | None = None
    stores: frozenset[int] | None = None
    expired: bool = False

    def visible(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return those of a table's rows that the token may see."""
        if self.stores is None:
            return rows
        return [row for row in rows if "store" not in row or row["store"]["id"] in self.stores]


def tokens(full: str = TOKEN) -> dict[str, Token]:
    """Return all tokens there are, by their text.

    Args:
        full: The text of the one that may do all.
    """
    return {
        full: Token(),
        "centra-token-plain": Token(granted=_read(_PLAIN_TYPES)),
        "centra-token-few": Token(granted=_read(_FEW_TYPES)),
        "centra-token-outlet": Token(stores=frozenset({3})),
        "centra-token-expired": Token(expired=True),
    }


def _read(types: Sequence[str]) -> frozenset[str]:
    return frozenset(f"{kind}:read" for kind in types)
