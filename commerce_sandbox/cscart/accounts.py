"""The accounts that may use the API, and what each may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

EMAIL: Final = "admin@shop.example"
"""The account with every privilege."""
API_KEY: Final = "sandbox0cscart0key0of0the0admin0"
"""Its key: 32 letters and digits, as all are."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account of the admin panel.

    Attributes:
        key: Its API key.
        privileges: What it may see; everything if none, as an account that is in no user group.
        company_id: The company it is tied to; 0 for none.
        active: Whether it is not disabled.
        vendor: Whether it is a vendor's.
    """

    key: str
    privileges: frozenset[str] | None = None
    company_id: int = 0
    active: bool = True
    vendor: bool = False


def accounts(key: str) -> Mapping[str, Account]:
    """Return all accounts by their e-mail.

    Args:
        key: The key of the account with every privilege.
    """
    return {
        EMAIL: Account(key=key),
        "catalog@shop.example": Account(
            key="sandbox0cscart0key0of0catalog000", privileges=frozenset({"view_catalog"})
        ),
        "sales@shop.example": Account(
            key="sandbox0cscart0key0of0sales00000",
            privileges=frozenset({"view_orders", "view_users"}),
        ),
        "vendor@shop.example": Account(
            key="sandbox0cscart0key0of0vendor0000", company_id=2, vendor=True
        ),
        "disabled@shop.example": Account(key="sandbox0cscart0key0of0disabled00", active=False),
    }
