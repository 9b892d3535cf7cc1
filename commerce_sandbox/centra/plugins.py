"""The plugins of the Order API, and the rows each shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from commerce_sandbox.centra.values import Row

API_KEY: Final = "centra-order-key"
"""The secret of the plugin that shows all."""
NARROW_API_KEY: Final = "centra-order-key-narrow"
"""The secret of the plugin that shows some orders of one market, and few endpoints."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a plugin.

    Attributes:
        endpoints: The endpoints it allows; all if none.
        statuses: The statuses of the orders it shows; all if none.
        markets: The markets whose orders it shows, by id; all if none.
        on_hold: Whether it shows orders on hold, and those that wait for their payment.
        warehouses: The warehouses whose stock it counts, by id; all if none.
    """

    name: str
    endpoints: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    markets: frozenset[int] | None = None
    on_hold: bool = True
    warehouses: frozenset[int] | None = None

    def allows(self, endpoint: str) -> bool:
        """Return whether an endpoint is switched on."""
        return self.endpoints is None or endpoint in self.endpoints

    def shows(self, order: Row) -> bool:
        """Return whether an order and its parts are shown."""
        return (
            (self.statuses is None or order["status"] in self.statuses)
            and (self.markets is None or order["market"]["id"] in self.markets)
            and (self.on_hold or not (order["isOnHold"] or order["isWaitingForPayment"]))
        )


def plugins(key: str = API_KEY) -> dict[str, Plugin]:
    """Return all plugins there are, by their secret.

    Args:
        key: The secret of the one that shows all.
    """
    return {
        key: Plugin(name="Warehouse"),
        NARROW_API_KEY: Plugin(
            name="Shop till",
            endpoints=frozenset({"orders", "customers", "products", "stock", "shipments"}),
            statuses=frozenset({"CONFIRMED", "PROCESSING", "SHIPPED"}),
            markets=frozenset({1}),
            on_hold=False,
            warehouses=frozenset({1, 2}),
        ),
    }
