"""What the Order API leaves undocumented, either way round, and what it may return besides rows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_sandbox import ChurnOptions, Sandbox
from commerce_taps.records import dates
from tap_centra.order.normalize import to_wall_time
from tap_centra.order.stream import REPEATED_HOUR
from tests.centra.support import ORDER, SCALE, differences, row_differences, truth
from tests.contract import bookmarks

if TYPE_CHECKING:
    from tests.centra.support import Catalogs, Taps
    from tests.contract import State
    from tests.runs import Run

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def failure(run: Run) -> str:
    """The one line of the log that tells of an error."""
    (said,) = [one for one in run.log.splitlines() if one.startswith(("Stopped: ", "Failed "))]
    assert "Traceback" not in run.log
    return said


def at(stream: str, key: str, value: str) -> State:
    """A state with one bookmark."""
    return {"bookmarks": {stream: {"replication_key": key, "replication_key_value": value}}}


# --- lists that change while they are read ------------------------------------------------------


@pytest.mark.parametrize("first", ["oldest", "newest"])
@pytest.mark.parametrize(("stream", "key"), [("orders", "orderId"), ("customers", "customerId")])
def test_list_under_churn_is_read_whole(
    run: Taps, catalog: Catalogs, first: str, stream: str, key: str
) -> None:
    churn = ChurnOptions(rate=20, per_request=1, stream=f"order.{stream}", seed=3)
    with Sandbox(scale=0.03, centra_first=first, churn=churn) as sandbox:
        before = {row[key] for row in sandbox.truth(f"centra.order.{stream}")}
        found = run(sandbox, ORDER, catalog=catalog(ORDER, **{stream: None}), page_size=10)
        sandbox.settle()
        touched = sandbox.churned
        gone = {one.changed.key.get(key) for one in touched if one.changed.change == "deleted"}
        assert {one.changed.change for one in touched} >= {"inserted"}
        assert found.code == 0, found.log[-2000:]
        assert before - gone <= {row[key] for row in found.output.records[stream]}
        assert len(sandbox.requests) < len(before) / 2


# --- which date a filter compares with ----------------------------------------------------------


@pytest.mark.parametrize("by", ["sent", "ordered"])
def test_shipment_of_old_order_is_read(run: Taps, catalog: Catalogs, by: str) -> None:
    some = catalog(ORDER, shipments=None)
    with Sandbox(scale=SCALE, centra_shipments_by=by) as sandbox:
        first = run(sandbox, ORDER, catalog=some)
        waiting = {
            key
            for key, row in truth(sandbox, ORDER, first.output, "shipments").items()
            if row["shipmentDate"] is None
        }
        sandbox.mutate(changes=100, inserts=0, stream="centra.order.shipments")
        second = run(sandbox, ORDER, catalog=some, state=first.output.state)
        right = truth(sandbox, ORDER, first.output, "shipments")
        sent = {key for key in waiting if right[key]["shipmentDate"] is not None}
        old = dates.render(sandbox_now(sandbox) - timedelta(days=60))
        assert [key for key in sent if right[key]["orderDate"] < old]
        table = first.output.rows("shipments") | second.output.rows("shipments")
        wrong = differences(
            ORDER, "shipments", {key: table[key] for key in sent}, {key: right[key] for key in sent}
        )
        assert wrong[:5] == []
        assert len(second.output.records["shipments"]) < len(right) / 2


def sandbox_now(sandbox: Sandbox) -> datetime:
    """The time at which the store is read."""
    stamps = [row["modified"] for row in sandbox.truth("centra.order.customers")]
    return dates.parse(max(stamps))


def test_changes_are_requested_by_every_date(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    """A thing may be new and not modified, or have new texts while its stock lies still."""
    keys = {"customers": "modified", "products": "readAt", "stock": "readAt"}
    state: State = {"bookmarks": {}}
    for stream, key in keys.items():
        state["bookmarks"] |= at(stream, key, "2024-05-25T12:00:00Z")["bookmarks"]
    found = run(sandbox, ORDER, catalog=catalog(ORDER, **dict.fromkeys(keys)), state=state)
    requested = {
        (one.path.rpartition("/")[2], name, value)
        for one in sandbox.requests
        for name, value in one.query.items()
        if name not in {"limit", "offset", "page"}
    }
    since = "2024-05-25 13:00:00"  # an hour earlier, on the clocks of Stockholm
    assert requested == {
        *(("customers", name, since) for name in ("modified", "created")),
        *(("products", name, since) for name in ("modified", "created")),
        *(("stock", name, since) for name in ("stock_modified", "modified", "created")),
    }
    for stream in keys:
        assert 0 < len(found.output.records[stream]) == len(found.output.rows(stream))


# --- the clocks go back -------------------------------------------------------------------------

MINUTES = st.integers(-300, 300).map(lambda n: timedelta(minutes=n))


@given(MINUTES, MINUTES.filter(lambda later: later >= timedelta()))
def test_clock_change_loses_no_row(offset: timedelta, later: timedelta) -> None:
    """Whatever of two moments a wall time means to the server, what came later is requested."""
    for change in (datetime(2024, 10, 27, 1), datetime(2024, 3, 31, 1)):  # noqa: DTZ001 (below)
        bookmark = change.replace(tzinfo=timezone.utc) + offset
        since = to_wall_time(bookmark - REPEATED_HOUR, STOCKHOLM)
        row = f"{(bookmark + later).astimezone(STOCKHOLM):%Y-%m-%d %H:%M:%S}"
        assert row >= since
        read = datetime.strptime(since, "%Y-%m-%d %H:%M:%S").replace(tzinfo=STOCKHOLM, fold=1)
        assert read <= bookmark


def test_rows_of_repeated_hour_are_read_again(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    row = {"customerId": "1", "modified": "2023-10-29 02:30:00"}
    body = {"status": "ok", "customers": [row]}
    some = catalog(ORDER, customers=None)
    sandbox.override("/customers", status=200, body=body)
    first = run(sandbox, ORDER, catalog=some)
    assert dict(bookmarks(first.output.state)) == {("customers", ()): "2023-10-29T00:30:00Z"}
    sandbox.clear_requests()
    second = run(sandbox, ORDER, catalog=some, state=first.output.state)
    requested = {one.query.get("modified", one.query.get("created")) for one in sandbox.requests}
    assert requested == {"2023-10-29 01:30:00"}
    assert second.output.rows("customers") == first.output.rows("customers")


# --- bookmarks ----------------------------------------------------------------------------------


def test_fresh_row_does_not_move_bookmark(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    """More of it may show a little later, with an earlier time."""
    times = {"1": "01:54:00", "2": "01:55:00", "3": "01:55:01", "4": "02:00:00"}
    rows = [{"customerId": n, "modified": f"2024-06-01 {time}"} for n, time in times.items()]
    for offset in (0, len(rows) - 1):
        sandbox.override(
            f"/customers.*offset={offset}$",
            status=200,
            body={"status": "ok", "customers": rows[offset:]},
            headers={"Date": "Sat, 01 Jun 2024 00:00:00 GMT"},
        )
    output = run(sandbox, ORDER, catalog=catalog(ORDER, customers=None)).output
    assert dict(bookmarks(output.state)) == {("customers", ()): "2024-05-31T23:55:00Z"}
    assert len(output.rows("customers")) == len(times)


def test_read_at_begins_before_the_run(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    output = run(sandbox, ORDER, catalog=catalog(ORDER, stock=None)).output
    since = "2024-05-31T23:55:00Z"  # five minutes before the time the store is read
    assert {row["readAt"] for row in output.records["stock"]} == {since}
    assert dict(bookmarks(output.state)) == {("stock", ()): since}


# --- responses -----------------------------------------------------------------------------------


def test_amounts_keep_every_digit(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    body = """{"status": "ok", "products": [{
        "stockItemId": 1, "weight": 0.1000000000000000055511,
        "prices": [{"id": "1", "price": "12345678901234567.89"}, {"price": 9007199254740993.01}]
    }]}"""
    sandbox.override("/products", status=200, body=body)
    (row,) = run(sandbox, ORDER, catalog=catalog(ORDER, products=None)).output.records["products"]
    assert row["weight"] == Decimal("0.1000000000000000055511")
    prices = [price["price"] for price in row["prices"]]
    assert prices == [Decimal("12345678901234567.89"), Decimal("9007199254740993.01")]


def test_lines_keyed_by_id_are_read(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    lines = {"7": {"lineId": "7", "qty": "2"}, "8": {"lineId": 8, "qty": 1}}
    row = {"orderId": "5", "orderDate": "2024-01-31 14:00:00", "products": lines}
    body = {"status": "ok", "orders": {"5": row, "6": row | {"orderId": 6, "products": []}}}
    sandbox.override("/orders", status=200, body=body)
    output = run(sandbox, ORDER, catalog=catalog(ORDER, orders=None, order_lines=None)).output
    assert output.keys("orders") == [(5,), (6,)]
    assert output.records["order_lines"] == [
        {"orderId": 5, "orderDate": "2024-01-31T13:00:00Z", "lineId": n, "qty": qty}
        for n, qty in ((7, 2), (8, 1))
    ]


def test_rejected_limit_makes_pages_smaller(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    refused = {"status": "no", "errorMessages": {"limit": "Must be a number from 1 to 60."}}
    for limit in (100, 200):
        sandbox.override(rf"limit={limit}\b", status=200, body=refused)
    names = ("orders", "returns", "products")
    found = run(sandbox, ORDER, catalog=catalog(ORDER, **dict.fromkeys(names)))
    assert found.code == 0
    for stream in names:
        assert row_differences(sandbox, ORDER, found.output, stream) == []
    assert {one.query["limit"] for one in sandbox.requests} == {"100", "50"}


@pytest.mark.parametrize("none", [[], {}])
def test_empty_list_of_either_form_succeeds(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, none: object
) -> None:
    names = {"supplier_orders": "orders", "orders": "orders", "returns": "returns"}
    for path, selector in names.items():
        body = {"status": "ok", selector: none}
        sandbox.override(f"/{path.replace('_', '-')}", status=200, body=body)
    found = run(sandbox, ORDER, catalog=catalog(ORDER, **dict.fromkeys(names)))
    assert (found.code, sum(found.output.counts.values())) == (0, 0)


@pytest.mark.parametrize(
    ("stream", "body", "message"),
    [
        ("orders", {"orders": None}, "the response has no `orders`"),
        ("orders", {"orders": 5}, "the response has no `orders`"),
        ("orders", {"orders": False}, "the response has no `orders`"),
        ("orders", {"orders": ["1"]}, "record 1: it is string and not an object"),
        ("orders", '{"status": "ok", "orders": [1e99999999999999999999]}', "and not an object"),
        ("supplier_orders", {"orders": [None]}, "record 1: it is null and not an object"),
        ("vouchers", {"voucher": []}, "the response has no `voucher`"),
        ("vouchers", {"voucher": {}}, "the response has no `voucher`"),
        ("vouchers", {"voucher": None}, "the response has no `voucher`"),
        ("products", {"products": [], "next": 2}, "a `next` that is no link"),
        ("products", {"products": [], "next": "http://[?page=2"}, "leads to another host"),
    ],
)
def test_response_without_records_fails(  # noqa: PLR0917 (a row of the table)
    run: Taps, sandbox: Sandbox, catalog: Catalogs, stream: str, body: object, message: str
) -> None:
    response = {"status": "ok", **body} if isinstance(body, dict) else body
    sandbox.override(f"/{stream.replace('_', '-')}", status=200, body=response)
    some = catalog(ORDER, **{stream: None})
    found = run(sandbox, ORDER, catalog=some, voucher_ids=["1"], max_retries=1)
    assert found.code == 1
    assert message in failure(found)


def test_damaged_lines_cost_only_themselves(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    line = {"lineId": 1, "quantity": 10**30, "deep": "DEEP"}
    values: list[Any] = [
        *(None, False, "", [], {}),  # there are none
        *([line], {"7": line}),
        *(True, 5, "text"),  # there is no list
        *([None], [False], ["text"], [[line]], {"7": None}),  # a line is none
    ]
    orders = [
        {"orderId": str(n), "orderDate": "2024-05-01 10:00:00", "products": value}
        for n, value in enumerate(values)
    ]
    deep = "[" * 3_000 + "1e99999999999999999999" + "]" * 3_000
    for place, rows in (("0$", orders), ("[1-9].*", orders[-1:])):
        body = json.dumps({"status": "ok", "orders": rows}).replace('"DEEP"', deep)
        sandbox.override(f"/orders.*offset={place}", status=200, body=body)
    found = run(sandbox, ORDER, catalog=catalog(ORDER, orders=None, order_lines=None))
    assert found.code == 1
    assert failure(found) == (
        "Failed orders: some rows could not be read, and all others were: `products` is no list "
        "(the order 7, the order 8, the order 9); a line is no object (line 1 of "
        "the order 10, line 1 of the order 11, line 1 of the order 12, "
        "line 1 of the order 13, line 1 of the order 14)."
    )
    assert found.output.keys("orders") == [(n,) for n in range(len(values))]
    assert found.output.keys("order_lines") == [(5, 1), (6, 1)]
    assert not list(bookmarks(found.output.state))


NO_ROWS = [None, False, 5, "text", [1]]


@pytest.mark.parametrize(
    ("stream", "key", "selector"),
    [
        ("customers", "customerId", "customers"),
        ("supplier_orders", "orderId", "orders"),
        ("products", "stockItemId", "products"),
        ("allocation_requests", "id", "allocation_requests"),
    ],
)
def test_value_in_place_of_row_costs_no_other(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, *, stream: str, key: str, selector: str
) -> None:
    body = {"status": "ok", selector: [{key: 1}, *NO_ROWS, {key: 2}]}
    sandbox.override("/customers.*offset=[1-9]", status=200, body=body | {selector: [{key: 2}]})
    sandbox.override(f"/{stream.replace('_', '-')}", status=200, body=body)
    found = run(sandbox, ORDER, catalog=catalog(ORDER, **{stream: None}))
    assert found.code == 1
    assert "all others were (record 2: it is null and not an object; record 3: it" in failure(found)
    assert found.output.keys(stream) == [(1,), (2,)]
    assert not list(bookmarks(found.output.state))


def test_row_without_id_costs_no_other(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    ids = [row["orderId"] for row in sandbox.truth("centra.order.supplier_orders")]
    rows = [{"orderId": ids[0]}, *NO_ROWS, {}, {"orderId": "9999"}, {"orderId": ids[1]}]
    sandbox.override(r"/supplier-orders\?$", status=200, body={"status": "ok", "orders": rows})
    found = run(sandbox, ORDER, catalog=catalog(ORDER, supplier_order_details=None))
    assert found.code == 1
    said = failure(found)
    assert "a row has no `orderId` to fetch it by (row 2 of page 1 of `supplier_orders`" in said
    assert "(id 9999)" in said
    assert found.output.keys("supplier_order_details") == [(ids[0],), (ids[1],)]


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"status": 403, "body": {"status": "Not Allowed"}}, 0),
        ({"status": 403, "body": '{"status": "Not Allowed"}'}, 0),
        ({"status": 403, "body": "<h1>Not Allowed</h1>"}, 1),
        ({"status": 200, "body": {"status": "no", "msg": "Dates like that are Not Allowed"}}, 1),
    ],
)
def test_forbidden_endpoint_alone_is_skipped(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, response: dict[str, Any], code: int
) -> None:
    sandbox.override("/orders", **response)
    assert run(sandbox, ORDER, catalog=catalog(ORDER, orders=None)).code == code


@pytest.mark.parametrize("form", ["query", "relative", "absolute"])
def test_links_of_any_form_keep_filters(run: Taps, catalog: Catalogs, form: str) -> None:
    with Sandbox(scale=0.01, centra_next=form) as sandbox:
        some = catalog(ORDER, products=None)
        state = at("products", "readAt", "2024-01-01T00:00:00Z")
        found = run(sandbox, ORDER, catalog=some, state=state, page_size=7)
        modified = [one for one in sandbox.requests if "modified" in one.query]
        assert max(int(one.query.get("page", 1)) for one in modified) > 1
        assert not [one for one in sandbox.requests if not {"modified", "created"} & {*one.query}]
        wanted = truth(sandbox, ORDER, found.output, "products")
        assert 0 < len(found.output.rows("products")) < len(wanted)


def test_link_of_proxy_is_followed_at_base_url(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    some = catalog(ORDER, products=None)
    whole = run(sandbox, ORDER, catalog=some, page_size=50)
    body = {
        "status": "ok",
        "products": [{"stockItemId": 10**6}],
        "next": "https://127.0.0.1/centra/api/order-api/products?limit=50&page=2",
    }
    sandbox.override(r"/products\?limit=50$", status=200, body=body)
    found = run(sandbox, ORDER, catalog=some, page_size=50)
    assert found.code == 0, failure(found)
    assert len(found.output.rows("products")) == len(whole.output.rows("products")) - 49


def test_repeated_voucher_is_read_once(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    found = run(sandbox, ORDER, catalog=catalog(ORDER, vouchers=None), voucher_ids=["2", 2])
    assert [row["id"] for row in found.output.records["vouchers"]] == [2]


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_address_may_end_in_slashes(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, ending: str
) -> None:
    address = sandbox.environment["TAP_CENTRA_ORDER_BASE_URL"]
    some = catalog(ORDER, supplier_orders=None)
    found = run(sandbox, ORDER, base_url=f"{address}{ending}", catalog=some)
    assert found.output.counts["supplier_orders"] > 0


@pytest.mark.parametrize("stream", ["supplier_delivery_items", "supplier_delivery_details"])
def test_delivery_removed_after_listing_is_ignored(
    run: Taps, own_sandbox: Sandbox, catalog: Catalogs, stream: str
) -> None:
    rows = own_sandbox.truth("centra.order.supplier_deliveries")
    body = {"status": "ok", "deliveries": [*rows, rows[0] | {"id": 10**6}]}
    own_sandbox.override(r"/supplier-deliveries\??$", status=200, body=body, times=1)
    found = run(own_sandbox, ORDER, catalog=catalog(ORDER, **{stream: None}))
    assert found.code == 0, failure(found)
    assert len(found.output.rows(stream)) == len(rows)

    own_sandbox.clear_overrides()
    own_sandbox.override(r"/supplier-deliveries\??$", status=200, body=body)
    found = run(own_sandbox, ORDER, catalog=catalog(ORDER, **{stream: None}))
    assert failure(found).startswith(f"Failed {stream}: ")
    assert "Centra rejects the request" in failure(found)
    assert failure(found).endswith("(id 1000000).")


def test_detail_of_another_id_is_rejected(run: Taps, sandbox: Sandbox, catalog: Catalogs) -> None:
    some = catalog(ORDER, supplier_order_details=None)
    good = set(run(sandbox, ORDER, catalog=some).output.rows("supplier_order_details"))
    one = min(good)[0]
    body = {"status": "ok", "order": {"orderId": 10**6}}
    sandbox.override(rf"/supplier-orders/{one}\b", status=200, body=body)
    found = run(sandbox, ORDER, catalog=some, max_retries=1)
    assert found.code == 1
    assert "the response has another id than the requested one" in failure(found)
    assert set(found.output.rows("supplier_order_details")) == good - {(one,)}
