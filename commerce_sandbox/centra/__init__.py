"""A fake of Centra's two APIs, made from the vendor's public documentation.

Both stand on one store. The Integration API (GraphQL) is at `/centra/graphql`, the Order API
(REST) at `/centra/api/order-api`. Their streams are named `integration.orders` and `order.orders`;
`integration_truth` and `order_truth` describe the rows of `truth`.

Choices of its own, where the documentation is silent, are explained where they are made: `lists`
(ranges, cursors, sizes of pages), `query_cost` (complexity), `limits` (buckets), `graphql_api`
(statuses of errors), `order_api`. Two more:

* `lines` of an order leave out what is cancelled as a whole, unless `includeFullyCancelled`
  requests them; `truth` has all lines.
* A customer who is deleted is gone from the lists and from `customers`; orders go on naming them.

Rights depend on the credentials, see `tokens` and `plugins`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox.centra import integration_truth, limits, mutation, order_truth
from commerce_sandbox.centra.catalogue import VOUCHERS
from commerce_sandbox.centra.graphql_api import GraphQLApi
from commerce_sandbox.centra.order_api import FIRST, NEXT_FORMS, SHIPMENTS_BY, OrderApi
from commerce_sandbox.centra.plugins import API_KEY, NARROW_API_KEY, plugins
from commerce_sandbox.centra.schema import VARIANTS
from commerce_sandbox.centra.store import Store
from commerce_sandbox.centra.tokens import TOKEN, tokens
from commerce_sandbox.centra.values import DAY, ZONE
from commerce_sandbox.fake_api import Envelope, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.fake_api import ChangedRow, Options

__all__ = ["API_KEY", "NARROW_API_KEY", "ORDER_ROOT", "ROOT", "TOKEN", "FakeCentra"]

ROOT: Final = "/centra"
ORDER_ROOT: Final = f"{ROOT}/api/order-api"

_SCHEMA: Final = Setting(
    name="centra_schema",
    choices=VARIANTS,
    default="current",
    help="Centra's GraphQL schema: `older` lacks some of it and has one scalar more",
)
_PLAN: Final = Setting(
    name="centra_plan",
    choices=tuple(limits.PLANS),
    default="enterprise",
    help="Centra's plan, whose quotas of requests and complexity hold",
)
_SPEED: Final = Setting(
    name="centra_speed",
    choices=("1", "10", "100"),
    default="1",
    help="how many times faster than Centra's the quotas come back",
)
_RETRY_AFTER: Final = Setting(
    name="centra_retry_after",
    choices=limits.FORMS,
    default="unix",
    help="how Centra writes Retry-After",
)
_NEXT: Final = Setting(
    name="centra_next",
    choices=NEXT_FORMS,
    default="query",
    help="how Centra's Order API writes the link to a next page",
)
_FIRST: Final = Setting(
    name="centra_first",
    choices=FIRST,
    default="oldest",
    help="which orders and customers Centra's Order API lists first",
)
_SHIPMENTS_BY: Final = Setting(
    name="centra_shipments_by",
    choices=SHIPMENTS_BY,
    default="sent",
    help="which date Centra's Order API compares a range of shipments with",
)


class FakeCentra:
    """The fake of Centra: its store, its two APIs, its truth.

    Args:
        options: How it is to be filled.
    """

    root = ROOT
    settings = (_SCHEMA, _PLAN, _SPEED, _RETRY_AFTER, _NEXT, _FIRST, _SHIPMENTS_BY)
    withheld = ("TAP_CENTRA_API_KEY", "TAP_CENTRA_TIMEZONE", "TAP_CENTRA_ORDER_TOKEN")
    streams = (
        *(f"integration.{name}" for name in integration_truth.STREAMS),
        *(f"order.{name}" for name in order_truth.STREAMS),
    )
    # Neither API has the properties that these faults change: GraphQL has no total and no links.
    envelope = Envelope(records="data", total="totalCount", links="links")

    def __init__(self, options: Options) -> None:
        self._store = Store(options.seed, options.scale)
        self._mutations = self._churned = self._churn_began = 0
        self._token = options.api_key or TOKEN
        self._order_key = options.api_key or API_KEY
        self._graphql = GraphQLApi(
            self._store,
            options.setting(_SCHEMA),
            tokens(self._token),
            limits.Limits(
                options.setting(_PLAN),
                float(options.setting(_SPEED)),
                options.setting(_RETRY_AFTER),
            ),
        )
        self._order = OrderApi(
            self._store,
            plugins(self._order_key),
            ORDER_ROOT,
            next_form=options.setting(_NEXT),
            first=options.setting(_FIRST),
            shipments_by=options.setting(_SHIPMENTS_BY),
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request to either API."""
        api = self._order if scope["path"].startswith(f"{ORDER_ROOT}/") else self._graphql
        await api(scope, receive, send)

    def truth(self, stream: str) -> Iterator[bytes]:
        """Return the rows of a stream, each encoded as JSON.

        Raises:
            KeyError: There is no such stream.
        """
        return map(msgspec.json.encode, self._rows(stream))

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None
    ) -> list[ChangedRow]:
        """Change, add and delete rows, chosen by the seed.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add: orders, customers, movements of stock.
            deletes: How many customers to delete.
            stream: The stream to keep to, of either API; all that can change if none.

        Returns:
            The rows that were touched, with those of other streams that move along.

        Raises:
            ValueError: The rows of the stream cannot be changed, or are too few.
        """
        changed = mutation.mutate(
            self._store,
            self._mutations,
            changes=changes,
            inserts=inserts,
            deletes=deletes,
            stream=stream,
        )
        self._mutations += 1
        return _once(changed)

    def churn(self, seconds: float, random: Random, stream: str | None) -> tuple[ChangedRow, bytes]:
        """Change, add or delete one row."""
        if not self._churned:
            self._churn_began = self._store.now + DAY
        self._churned += 1
        timestamp = self._churn_began + int(seconds)
        wanted = mutation.churn(self._store, self._churned, timestamp, random, stream)
        changed = next((one for one in wanted if stream in {None, one.stream}), wanted[0])
        found = (
            row
            for row in self._rows(changed.stream)
            if changed.key.items() <= row.items() and changed.change != "deleted"
        )
        row = next(found, None)
        return changed, b"" if row is None else msgspec.json.encode(row)

    def settle(self) -> None:
        """End the churn; nothing follows from it."""

    def error_body(self, status: int) -> bytes:
        """Return a body with an error status that suits both APIs, which document none."""
        message = f"HTTP status {status}"
        return msgspec.json.encode(
            {"status": "no", "msg": message, "errors": [{"message": message}]}
        )

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-centra as environment variables.

        A tap reads one of the APIs: `TAP_CENTRA_…` leads to the Integration API, and
        `TAP_CENTRA_ORDER_…`, for a second plugin called tap-centra-order, to the Order API.
        """
        vouchers = list(range(1, VOUCHERS + 1))
        return {
            "TAP_CENTRA_API": "integration",
            "TAP_CENTRA_BASE_URL": f"{url}{ROOT}",
            "TAP_CENTRA_TOKEN": self._token,
            "TAP_CENTRA_ORDER_API": "order",
            "TAP_CENTRA_ORDER_BASE_URL": f"{url}{ORDER_ROOT}",
            "TAP_CENTRA_ORDER_API_KEY": self._order_key,
            "TAP_CENTRA_ORDER_TIMEZONE": ZONE.key,
            "TAP_CENTRA_ORDER_VOUCHER_IDS": json.dumps(vouchers),
        }

    def _rows(self, stream: str) -> Iterator[dict[str, Any]]:
        flavour, _, name = stream.partition(".")
        if flavour == "integration":
            truth = integration_truth.IntegrationTruth(self._store, self._graphql.schema)
            return iter(truth.rows(name))
        return iter(order_truth.rows(self._store, name))


def _once(changed: Iterator[ChangedRow]) -> list[ChangedRow]:
    """Report each row once, as added rather than changed, else by its first change."""
    found: dict[tuple[str, str], ChangedRow] = {}
    for one in changed:
        key = (one.stream, json.dumps(one.key, sort_keys=True))
        known = found.get(key)
        if known is None or (known.change, one.change) in _STRONGER:
            found[key] = one
    return list(found.values())


_STRONGER: Final = {
    ("changed", "inserted"),
    ("unmarked", "inserted"),
    ("unmarked", "changed"),
    ("changed", "deleted"),
}
