"""Refusals: permissions, credentials, settings and invalid responses, and the messages for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from commerce_sandbox.centra import NARROW_API_KEY, graphql_api
from tap_centra.tap import TapCentra
from tests.centra.support import (
    INTEGRATION,
    KINDS,
    ORDER,
    differences,
    settings_for,
    truth,
)
from tests.runs import in_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.centra.support import Catalogs, Taps
    from tests.contract import Record
    from tests.runs import Run

PLAIN = "centra-token-plain"
"""A token with the permissions of types, and none of single fields."""
FEW = "centra-token-few"
OUTLET = "centra-token-outlet"
EXPIRED = "centra-token-expired"


def ended(run: Run) -> list[str]:
    """The lines of the log that tell of an error."""
    return [
        line
        for line in run.log.splitlines()
        if line.startswith(("Stopped: ", "Failed ", "Setting"))
    ]


# --- permissions --------------------------------------------------------------------------------


def without(rows: dict[Any, Record], *columns: str) -> dict[Any, Record]:
    return {key: {k: v for k, v in row.items() if k not in columns} for key, row in rows.items()}


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives refused queries another status, for Centra documents none."""

    def begin(status: int) -> None:
        plain = graphql_api.GraphQLApi._respond

        def response(*request: Any) -> Record:  # noqa: ANN401
            try:
                return plain(*request)
            except graphql_api.Refused as refused:
                raise graphql_api.Refused(status, *refused.errors) from refused

        monkeypatch.setattr(graphql_api.GraphQLApi, "_respond", response)

    return begin


@pytest.mark.parametrize("status", [200, 400, 403])
def test_fields_without_permission_are_left_out(
    run: Taps,
    sandbox: Sandbox,
    catalog: Catalogs,
    refusals: Callable[[int], None],
    status: int,
) -> None:
    refusals(status)
    refused = ("attributes", "billingAddress", "internalComment", "shippingAddress", "userIP")
    found = run(sandbox, token=PLAIN, catalog=catalog(orders=None))
    assert found.code == 0
    said = next(line for line in found.log.splitlines() if "orders: left out" in line)
    assert said.startswith(f"orders: left out {', '.join(f'`{one}`' for one in refused)}: ")
    assert "the token lacks the permission `Order.attributes:read`, " in said
    output = found.output
    wanted = without(truth(sandbox, INTEGRATION, output, "orders"), *refused)
    assert differences(INTEGRATION, "orders", output.rows("orders"), wanted)[:5] == []


def test_nested_field_is_left_out_alone(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    output = run(sandbox, token=FEW, catalog=catalog(orders=None)).output
    discounts = [one for row in output.records["orders"] for one in row["discountsApplied"]]
    assert discounts
    assert all({"__typename", "value"} <= one.keys() for one in discounts)
    assert not any("voucher" in one for one in discounts)


def test_stream_without_permission_is_skipped(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    found = run(sandbox, token=PLAIN, catalog=catalog(brands=None, payment_history=None))
    assert found.code == 0
    assert (
        "payment_history: 1 skipped: the token lacks the permission `PaymentHistory:read`: tick it "
        "in the admin, System > API Tokens" in found.log
    )
    assert set(found.output.counts) == {"brands"}


def test_stream_with_forbidden_key_is_skipped(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    found = run(sandbox, token=FEW, catalog=catalog(stock=None))
    assert found.code == 0
    assert "`Warehouse:read`" in found.log
    assert found.summary("stock")["skipped"] == 1


@pytest.mark.parametrize("stream", ["orders", "payment_history"])
def test_missing_permission_fails_with_setting(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, stream: str
) -> None:
    some = catalog(**{stream: None, "brands": None})
    found = run(sandbox, token=PLAIN, catalog=some, on_missing_permission="fail")
    assert found.code == 1
    (said,) = ended(found)
    assert said.startswith(f"Failed {stream}: the token lacks the permission `")
    assert set(found.output.counts) == {"brands"}


def test_deselected_column_needs_no_permission(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    some = catalog(orders={"number", "status", "customer"})
    found = run(sandbox, token=PLAIN, catalog=some, on_missing_permission="fail")
    assert found.code == 0
    assert len(found.output.records["orders"]) == len(sandbox.truth("centra.integration.orders"))


def test_token_of_one_store_reads_its_rows(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    output = run(sandbox, token=OUTLET, catalog=catalog(orders=None)).output
    rows = truth(sandbox, INTEGRATION, output, "orders").items()
    wanted = {key: row for key, row in rows if row["store"]["id"] == 3}
    assert differences(INTEGRATION, "orders", output.rows("orders"), wanted)[:5] == []


def test_forbidden_endpoints_are_skipped(run: Taps, sandbox: Sandbox) -> None:
    found = run(sandbox, ORDER, api_key=NARROW_API_KEY, voucher_ids=["1"])
    assert found.code == 0
    for stream in ("returns", "supplier_orders", "supplier_order_details", "vouchers"):
        assert f"{stream}: 1 skipped: the plugin does not allow this endpoint" in found.log
    assert "under `Allow access to the following endpoints`" in found.log
    assert set(found.output.counts) == {
        *("customers", "orders", "order_lines", "shipments", "products", "stock"),
    }
    shown = {row["marketId"] for row in found.output.records["orders"]}
    assert shown == {1}


# --- credentials --------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [EXPIRED, "made-up"])
def test_rejected_token_stops_the_run(run: Taps, sandbox: Sandbox, token: str) -> None:
    found = run(sandbox, token=token)
    assert found.code == 1
    (said,) = ended(found)
    assert said.startswith("Stopped: Centra does not accept the token: it has expired or was")
    assert token not in found.log
    assert sum(request.status == 401 for request in sandbox.requests) == 1


def test_token_of_other_api_is_rejected(run: Taps, sandbox: Sandbox) -> None:
    order, integration = settings_for(sandbox, ORDER), settings_for(sandbox, INTEGRATION)
    found = run(sandbox, token=order["api_key"])
    assert "the secret of the Order API needs `api: order`" in ended(found)[0]
    found = run(sandbox, ORDER, api_key=integration["token"])
    (said,) = ended(found)
    assert "a token of the Integration API needs `api: integration`" in said
    assert found.code == 1


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "settings", "message"),
    [
        (INTEGRATION, {"token": None}, "Setting `token` is missing"),
        (ORDER, {"api_key": None}, "Setting `api_key` is missing"),
        (ORDER, {"timezone": None}, "Setting `timezone` is missing"),
        (INTEGRATION, {"base_url": None}, "Setting `base_url` is missing"),
        (INTEGRATION, {"api_key": "x"}, "Setting `api_key` belongs to the Order API"),
        (INTEGRATION, {"timezone": "UTC"}, "Setting `timezone` belongs to the Order API"),
        (INTEGRATION, {"voucher_ids": ["1"]}, "Setting `voucher_ids` belongs to the Order API"),
        (ORDER, {"token": "x"}, "Setting `token` belongs to the Integration API"),
        (ORDER, {"on_missing_permission": "fail"}, "belongs to the Integration API"),
        (ORDER, {"base_url": "https://shop.example/graphql/"}, "address of the Integration API"),
        (ORDER, {"timezone": "Mars/Olympus"}, "Setting `timezone` is not a time zone"),
        (ORDER, {"timezone": "../etc/passwd"}, "Setting `timezone` is not a time zone"),
        (INTEGRATION, {"base_url": "http://shop.example"}, "must begin with https://"),
        (INTEGRATION, {"base_url": "shop.example"}, "is not an address"),
        (INTEGRATION, {"token": "two\nlines"}, "contains characters that no credential has"),
        (INTEGRATION, {"page_size": 500}, "Setting `page_size`"),
        (INTEGRATION, {"lookback_days": -1}, "Setting `lookback_days`"),
    ],
)
def test_invalid_setting_is_reported(
    run: Taps, sandbox: Sandbox, api: str, settings: Record, message: str
) -> None:
    found = run(sandbox, api, **settings)
    assert found.code == 1
    assert message in found.log
    assert "Traceback" not in found.log


def test_unknown_api_is_rejected(run: Taps) -> None:
    arguments = run.arguments(config={"api": "checkout", "base_url": "https://shop.example"})
    found = in_process(TapCentra, *arguments)
    assert found.code == 1
    assert "Setting `api`: 'checkout' is not one of" in found.log


@pytest.mark.parametrize("ending", ["", "/", "/graphql", "/graphql/"])
def test_address_of_any_form_is_accepted(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, ending: str
) -> None:
    address = settings_for(sandbox, INTEGRATION)["base_url"]
    found = run(sandbox, base_url=f"{address}{ending}", catalog=catalog(brands=None))
    assert found.output.counts == {"brands": 6}


# --- responses -----------------------------------------------------------------------------------

RESPONSES: list[tuple[str, Record, str]] = [
    (
        INTEGRATION,
        {"status": 404, "body": "<h1>Nothing here</h1>"},
        "there is no Integration API at this",
    ),
    (INTEGRATION, {"status": 405, "body": "no"}, "there is no Integration API at this address"),
    (INTEGRATION, {"status": 200, "body": "<html>Welcome</html>"}, "begins with '<html>Welcome"),
    (INTEGRATION, {"status": 200, "body": "{}"}, "neither data nor errors"),
    (INTEGRATION, {"status": 200, "body": {"data": {"x": 1}}}, "belongs to another query"),
    (INTEGRATION, {"status": 301, "headers": {"Location": "/x"}}, "redirects to another address"),
    (
        ORDER,
        {"status": 404, "body": "<h1>Nothing here</h1>"},
        "there is no Order API at this address",
    ),
    (ORDER, {"status": 200, "body": "<html>Welcome</html>"}, "begins with '<html>Welcome"),
    (ORDER, {"status": 200, "body": {"orders": []}}, "no `status`: it is not the Order API's"),
    (ORDER, {"status": 200, "body": {"status": "ok"}}, "the response has no `orders`"),
    (
        ORDER,
        {"status": 200, "body": {"status": "no", "errorMessages": {"limit": "Too high."}}},
        "Centra rejects the request (limit: Too high): even for a single row, row 1",
    ),
    (ORDER, {"status": 200, "body": {"status": "no", "msg": "Closed"}}, "the request (Closed)"),
    (ORDER, {"status": 422, "body": {"errors": [{"message": "Closed."}]}}, "message: Closed)"),
    (ORDER, {"status": 500, "body": "oops"}, "the API has an internal error"),
]


def test_response_to_another_query_is_retried(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    sandbox.override("graphql", status=200, body={"data": {"rows": []}}, times=3)
    found = run(sandbox, catalog=catalog(brands=None))
    assert found.code == 0
    assert found.log.count("the response belongs to another query") == 3
    assert found.output.counts == {"brands": 6}


@pytest.mark.parametrize("case", RESPONSES)
def test_invalid_response_is_reported(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, case: tuple[str, Record, str]
) -> None:
    api, response, message = case
    sandbox.override("/centra/", **response)
    some = catalog(api, orders=None)
    found = run(sandbox, api, catalog=some, max_retries=1)
    assert found.code == 1
    (said,) = ended(found)
    assert message in said
    assert "Traceback" not in found.log


def test_errors_with_status_200_are_errors(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    body = {"data": {"rows": []}, "errors": [{"message": "The moon is full."}]}
    some = catalog(brands=None, stores=None)
    run(sandbox, catalog=some)  # the first query is not struck
    sandbox.clear_requests()
    sandbox.override("/centra/graphql", status=200, body=body)
    found = run(sandbox, catalog=some)
    assert found.code == 1
    assert "The moon is full" in ended(found)[0]


def test_unknown_voucher_is_reported(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    some = catalog(ORDER, vouchers=None)
    found = run(sandbox, ORDER, catalog=some, voucher_ids=["2", "999999", 3])
    assert found.code == 1
    (said,) = ended(found)
    assert said.startswith("Failed vouchers (id=999999): Centra rejects the request (Nothing of")
    assert found.output.keys("vouchers") == [(2,), (3,)]


def test_vouchers_without_ids_are_empty(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    found = run(sandbox, ORDER, catalog=catalog(ORDER, vouchers=None), voucher_ids=None)
    assert found.code == 0
    assert not [one.path for one in sandbox.requests if "vouchers" in one.path]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("https://elsewhere.example/api?page=2", "leads to another host, elsewhere.example"),
        ("//elsewhere.example/api?page=2", "leads to another host, elsewhere.example"),
        ("?limit=10&page=1", "kept changing while it was read"),
    ],
)
def test_link_to_other_host_fails(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, link: str, message: str
) -> None:
    body = {"status": "ok", "products": [{"stockItemId": 1}], "next": link}
    sandbox.override("/products", status=200, body=body)
    found = run(sandbox, ORDER, catalog=catalog(ORDER, products=None))
    assert found.code == 1
    assert message in ended(found)[0]
    assert sandbox.strayed == []


@pytest.mark.parametrize("api", KINDS)
def test_test_option_checks_credential_and_streams(sandbox: Sandbox, run: Taps, api: str) -> None:
    arguments = run.arguments(config=settings_for(sandbox, api))
    found = in_process(TapCentra, *arguments, "--test")
    assert found.code == 0
    lines = found.stdout.decode().splitlines()
    assert len(lines) == len(KINDS[api]) + 1
    assert all("reachable" in line or "comes with" in line for line in lines[1:])
