"""The queue of events: changes that a listener watches, until confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from commerce_sandbox.centra.values import Row

_INTEGRATION: Final = "commerce-sandbox"
_WATCHED: Final = (
    "Order",
    "Shipment",
    "Return",
    "Customer",
    "Product",
    "ProductVariant",
    "StockChange",
)


class Events:
    """The queue of one integration.

    Attributes:
        queue: The events, oldest first; the rows of the root field `events`.
        listeners: What is listened to; the rows of the root field `eventListeners`.

    Args:
        now: When somebody began to listen.
    """

    def __init__(self, now: int) -> None:
        self._now = now
        self._count = 0
        self.queue: list[Row] = []
        self.listeners: list[Row] = [self._listener(kind, now) for kind in _WATCHED]

    def note(self, kind: str, change: str, row: Row, now: int) -> None:
        """Add an event for an object, if a listener watches it.

        Args:
            kind: The type of the object.
            change: `CREATED`, `UPDATED` or `DELETED`.
            row: The object; of a deleted one, only its id is given.
        """
        self._now = now
        heard = {one["objectType"] for one in self.listeners if change in one["changeTypes"]}
        if kind not in heard:
            return
        self._count += 1
        event: Row = {
            "id": self._count,
            "objectType": kind,
            "changeType": change,
            "objectReference": row["number"] if kind == "Order" else row["id"],
            "createdAt": now,
            "store": row.get("store"),
            "market": row.get("market"),
            "object": None
            if change == "DELETED"
            else row | {"__typename": row.get("__typename", kind)},
        }
        self.queue.append(event)

    def listen(self, wanted: Sequence[Mapping[str, Any]]) -> Row:
        """Listen to certain objects and changes; without changes, no more to that object."""
        for one in wanted:
            kind, changes = one["objectType"], one.get("changeTypes") or []
            self.listeners[:] = [old for old in self.listeners if old["objectType"] != kind]
            if changes:
                self.listeners.append(self._listener(kind, self._now) | {"changeTypes": changes})
        return {"eventListeners": self.listeners, "userErrors": [], "userWarnings": []}

    def confirm(self, ids: Sequence[int]) -> Row:
        """Take events out of the queue."""
        known = {event["id"]: event for event in self.queue}
        errors = [
            {"message": f"There is no event {one}.", "path": ["eventsIds"]}
            for one in ids
            if one not in known
        ]
        confirmed = [known[one] for one in ids if one in known]
        self.queue[:] = [event for event in self.queue if event not in confirmed]
        return {"events": confirmed, "userErrors": errors, "userWarnings": []}

    def _listener(self, kind: str, now: int) -> Row:
        return {
            "integrationName": _INTEGRATION,
            "objectType": kind,
            "changeTypes": ["CREATED", "UPDATED", "DELETED"],
            "createdAt": now,
            "updatedAt": now,
        }
