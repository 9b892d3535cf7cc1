"""The taps under test."""

from __future__ import annotations

import base64
import re
import signal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import requests

from commerce_sandbox.codat.truth import stream_name
from tests.centra import support as centra
from tests.chaos.tap_under_test import PermanentFailure, TapUnderTest, decode
from tests.codat import support as codat
from tests.cscart import support as cscart
from tests.runs import secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commerce_sandbox import LoggedRequest, Sandbox
    from tests.contract import Key, Record


def _until_empty(page: Callable[[int], list[Record]]) -> Iterator[Record]:
    """Read pages by number until one is empty, as a client does that expects no changes."""
    for number in count(1):
        rows = page(number)
        if not rows:
            return
        yield from rows


# --- Codat --------------------------------------------------------------------------------------

_CODAT_LIST: Final = re.compile(r"/companies/([^/]+)/connections/([^/]+)/data/([^/]+)$")


def _partition_of_codat_request(request: LoggedRequest) -> tuple[str, Key] | None:
    """Find the stream of a request, and the connection."""
    found = _CODAT_LIST.search(request.path)
    return found and (stream_name(found[3]), (found[1], found[2]))


def _codat_by_page_number(sandbox: Sandbox, page_size: int) -> Iterator[Key]:
    """Read all lists of orders by page number, sorted by date of change."""
    authorization = f"Basic {base64.b64encode(sandbox.api_key.encode()).decode()}"
    shops = sorted(
        {(r["companyId"], r["connectionId"]) for r in sandbox.truth("codat.commerce_orders")}
    )
    for company, connection in shops:
        number, more = 1, True
        while more:
            response = requests.get(
                f"{sandbox.codat_url}/companies/{company}/connections/{connection}"
                "/data/commerce-orders",
                params={"page": str(number), "pageSize": str(page_size), "orderBy": "modifiedDate"},
                headers={"Authorization": authorization},
                timeout=60,
            )
            page = decode(response.content)
            for row in page["results"]:
                yield company, connection, row["id"]
            number, more = number + 1, "next" in page["_links"]


CODAT: Final = TapUnderTest(
    name="tap-codat",
    main="commerce_orders",
    main_path="data/commerce-orders",
    sample_streams=(
        *("companies", "pull_operations", "commerce_orders", "commerce_locations"),
        *("integrations", "commerce_company_info", "commerce_syncs"),
    ),
    settings={"page_size": 60, "include_secrets": codat.SECRETS},
    requests=120,
    permanent_failures={
        "a connection": PermanentFailure("{connectionId}/data", 500),
        "a stream": PermanentFailure("data/commerce-orders", 403),
        "lookups": PermanentFailure("/dataStatus", 500),
    },
    partition=("companyId", "connectionId"),
    changing=tuple(
        f"commerce_{name}"
        for name in (
            *("orders", "payments", "locations", "customers", "disputes", "payment_methods"),
            *("product_categories", "products", "tax_components", "transactions"),
        )
    ),
    mutates_in_turn=False,
    partition_of=_partition_of_codat_request,
    by_page_number=_codat_by_page_number,
    seeds=(1, 2, 3),
    victims=(("tap",), ("target",), ("tap", "target")),
    signals=(signal.SIGTERM, signal.SIGINT),
    hostile_ids=True,
    job="codat-to-duckdb",
)

# --- CS-Cart ------------------------------------------------------------------------------------

_CSCART_LIST: Final = re.compile(r"/(orders|products|carts|users)$")


def _partition_of_cscart_request(request: LoggedRequest) -> tuple[str, Key] | None:
    """Find the stream of a request, which may also read the rows of a child stream."""
    found = _CSCART_LIST.search(request.path)
    return found and (found[1], ())


def _cscart_by_page_number(sandbox: Sandbox, page_size: int) -> Iterator[Key]:
    """Read all orders by page number, sorted by id."""
    settings = sandbox.environment

    def page(number: int) -> list[Record]:
        response = requests.get(
            f"{settings['TAP_CSCART_STORE_URL']}/api/2.0/orders",
            params={
                "page": str(number),
                "items_per_page": str(page_size),
                "sort_by": "order_id",
                "sort_order": "asc",
            },
            auth=(settings["TAP_CSCART_EMAIL"], settings["TAP_CSCART_API_KEY"]),
            timeout=60,
        )
        rows: list[Record] = decode(response.content)["orders"]
        return rows

    return ((int(row["order_id"]),) for row in _until_empty(page))


def _same_in_cscart(stream: str, came: Record, right: Record) -> bool:
    """Compare a row with that of the store, in any form in which the store may send it."""
    return not cscart.differences({(): came}, {(): right}, ignored=cscart.off(stream))


CSCART: Final = TapUnderTest(
    name="tap-cscart",
    main="orders",
    main_path="/orders",
    sample_streams=(
        *("orders", "order_items", "products", "product_options", "categories", "features"),
        *("carts", "cart_items", "users", "usergroups", "shippings", "product_reviews"),
    ),
    settings={"page_size": 20, "requests_per_minute": 0},
    scale=0.01,
    requests=100,
    permanent_failures={
        "a stream": PermanentFailure("/carts", 500, ("carts", "cart_items")),
        "the groups of an account": PermanentFailure(
            "/users/{user_id}/", 500, ("user_usergroups",)
        ),
        "lookups": PermanentFailure("/version", 500, cscart.KINDS),
    },
    changing=("orders", "products", "carts", "users"),
    unreported=("orders", "products"),
    same=_same_in_cscart,
    partition_of=_partition_of_cscart_request,
    by_page_number=_cscart_by_page_number,
    faults=("empty", "wrong-shape", "repeated-page", "stall"),
)

# --- Centra -------------------------------------------------------------------------------------


def _same_in_centra(api: str, stream: str, came: Record, right: Record) -> bool:
    """Compare a row with that of the environment, without objects that only one of them has."""
    return not centra.differences(api, stream, {(): came}, {(): right})


def _products_by_page_number(sandbox: Sandbox, page_size: int) -> Iterator[Key]:
    """Read all products by page number, sorted by date of change."""
    settings = sandbox.environment

    def page(number: int) -> list[Record]:
        response = requests.post(
            f"{settings['TAP_CENTRA_BASE_URL']}/graphql",
            json={
                "query": "query ($limit: Int, $page: Int) "
                "{ products(sort: [updatedAt_ASC], limit: $limit, page: $page) { id } }",
                "variables": {"limit": page_size, "page": number},
            },
            headers={"Authorization": f"Bearer {settings['TAP_CENTRA_TOKEN']}"},
            timeout=60,
        )
        rows: list[Record] = decode(response.content)["data"]["products"]
        return rows

    return ((row["id"],) for row in _until_empty(page))


CENTRA: Final = TapUnderTest(
    name="tap-centra",
    api=centra.INTEGRATION,
    main="orders",
    main_path="/graphql",
    sample_streams=(
        *("orders", "order_lines", "returns", "products", "prices", "stock_changes", "brands"),
        *("customers", "subscriptions"),
    ),
    settings={
        "page_size": 20,
        "requests_per_minute": 0,
        "include_secrets": secrets_of(centra.KINDS[centra.INTEGRATION].values()),
    },
    scale=0.01,
    requests=100,
    permanent_failures={
        "everything": PermanentFailure("/graphql", 500, centra.KINDS[centra.INTEGRATION])
    },
    changing=("products", "orders", "customers", "product_sizes", "displays", "returns"),
    reports_all_changes=False,
    unreported=("returns",),
    same=partial(_same_in_centra, centra.INTEGRATION),
    churn_scale=0.03,
    by_page_number=_products_by_page_number,
    faults=("expired-token", "too-many-requests", "repeated-page", "wrong-shape"),
)

CENTRA_ORDER: Final = TapUnderTest(
    name="tap-centra",
    api=centra.ORDER,
    main="orders",
    main_path="/orders",
    aliases={"customer_details": "customers"},
    sample_streams=(
        *("customers", "customer_details", "orders", "order_lines", "returns", "products"),
        *("supplier_orders", "supplier_order_details", "vouchers", "allocation_requests"),
    ),
    settings={"page_size": 20, "requests_per_minute": 0},
    scale=0.01,
    requests=60,
    permanent_failures={
        "a stream": PermanentFailure("/returns", 500, ("returns",)),
        "a voucher": PermanentFailure("/vouchers/3", 404, ("vouchers",)),
        "a list of ids": PermanentFailure(
            r"/supplier-orders\?", 500, ("supplier_orders", "supplier_order_details")
        ),
    },
    changing=("orders", "returns", "customers"),
    reports_all_changes=False,
    unreported=("orders", "shipments", "returns", "stock"),
    churn_scale=0.03,
    same=partial(_same_in_centra, centra.ORDER),
    faults=("empty", "null-results", "repeated-page", "redirect"),
)

TAPS: Final = (CODAT, CSCART, CENTRA, CENTRA_ORDER)
"""Every tap there is."""
