"""Refusals that are ordinary: what is remembered of them, and what they mean if all are refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from commerce_taps.bookmarks import CHANGE_TOKEN
from tests.codat.support import catalog, settings_for, truth
from tests.codat.test_errors import SKIPPED, Fault, an_error, of_others, table

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.codat.support import Processes, Taps
    from tests.contract import State

PRODUCTS = "commerce_products"
JUST_PRODUCTS = catalog(commerce_products=None)
UNCHANGED = "nothing has changed since the last run"
REFUSED = re.compile(
    r"^Failed (\w+): every partition was refused, although every account has this stream",
    re.MULTILINE,
)
NOT_FOUND = an_error("Not found")


@pytest.fixture(scope="module")
def shop(_shared: Sandbox) -> str:
    """The connection whose products are refused. Others come before and after it."""
    connections = dict.fromkeys(str(row["connectionId"]) for row in _shared.truth(PRODUCTS))
    return list(connections)[1]


def marked(state: State, stream: str) -> set[str]:
    """Give the connections whose partition has a mark."""
    partitions = state["bookmarks"].get(stream, {}).get("partitions", [])
    return {one["context"]["connectionId"] for one in partitions if CHANGE_TOKEN in one}


@table(SKIPPED)
def test_refused_partition_is_not_remembered_as_read(
    run: Taps, sandbox: Sandbox, shop: str, fault: Fault
) -> None:
    sandbox.override(f"{shop}/data/commerce-products", status=fault.status, body=fault.body)
    first = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True)
    assert first.code == 0
    assert shop not in marked(first.output.state, PRODUCTS)

    again = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, state=first.output.state)
    assert again.code == 0
    assert f"{PRODUCTS}: 1 skipped: {fault.message}" in again.log
    others = len({key[1] for key in of_others(shop, first.output.rows(PRODUCTS))})
    assert f"{PRODUCTS}: {others} skipped: {UNCHANGED}" in again.log

    sandbox.clear_overrides()
    healthy = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, state=again.output.state)
    together = first.output.rows(PRODUCTS) | healthy.output.rows(PRODUCTS)
    assert together == truth(sandbox, first.output, PRODUCTS)
    assert shop in marked(healthy.output.state, PRODUCTS)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (404, "<h1>Not Found</h1>"), (404, ""), (409, "[]"), (451, {"message": "no"})],
)
def test_failed_partition_is_not_remembered_as_read(
    run: Taps, sandbox: Sandbox, shop: str, status: int, body: object
) -> None:
    sandbox.override(f"{shop}/data/commerce-products", status=status, body=body)
    first = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, max_retries=0)
    assert first.code == 1
    assert first.summary(PRODUCTS)["failed"] == 1
    assert shop not in marked(first.output.state, PRODUCTS)
    sandbox.clear_overrides()
    second = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, state=first.output.state)
    together = first.output.rows(PRODUCTS) | second.output.rows(PRODUCTS)
    assert together == truth(sandbox, first.output, PRODUCTS)


@pytest.mark.parametrize("statuses", [{}, None])
def test_unreported_data_type_is_read_each_run(
    run: Taps, sandbox: Sandbox, statuses: dict[str, None] | None
) -> None:
    messages = dict.fromkeys(["commerce-products"]) if statuses is None else statuses
    sandbox.override("/dataStatus", status=200, body=messages)
    first = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True)
    second = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, state=first.output.state)
    assert second.output.records[PRODUCTS]
    assert UNCHANGED not in second.log


def test_earlier_start_date_reads_unchanged_data(run: Taps, sandbox: Sandbox) -> None:
    late = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, start_date="2030-01-01")
    assert not late.output.records
    whole = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, state=late.output.state)
    assert whole.output.rows(PRODUCTS) == truth(sandbox, whole.output, PRODUCTS)


@table(SKIPPED)
def test_list_ending_in_refusal_fails(run: Taps, sandbox: Sandbox, shop: str, fault: Fault) -> None:
    later = f"{shop}/data/commerce-products.*modifiedDate>"
    sandbox.override(later, status=fault.status, body=fault.body)
    first = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, page_size=2)
    assert first.code == 1
    assert "although the list could be read up to this point" in first.log
    assert shop not in marked(first.output.state, PRODUCTS)
    sandbox.clear_overrides()
    second = run(sandbox, catalog=JUST_PRODUCTS, skip_unchanged=True, state=first.output.state)
    together = first.output.rows(PRODUCTS) | second.output.rows(PRODUCTS)
    assert together == truth(sandbox, first.output, PRODUCTS)


# --- refused everywhere -------------------------------------------------------------------------


@pytest.mark.parametrize("skip_unchanged", [True, False])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, NOT_FOUND),
        (404, an_error("Datatype commerce-x not supported by platform(s) Y")),
        (409, an_error("The data set has not been requested.")),
    ],
)
def test_required_stream_refused_everywhere_fails(
    run: Taps, sandbox: Sandbox, status: int, body: object, *, skip_unchanged: bool
) -> None:
    sandbox.override("/data/commerce-", status=status, body=body)
    ended = run(sandbox, skip_unchanged=skip_unchanged)
    assert ended.code == 1
    failed = set(REFUSED.findall(ended.log))
    assert failed == {
        "commerce_company_info",
        "commerce_customers",
        "commerce_orders",
        "commerce_payments",
        "commerce_products",
    }
    summary = ended.summary("commerce_orders")
    assert summary["failed"] == summary["partitions"] - 1  # one platform has none, by Codat's list
    assert "commerce_orders: 1 skipped: the platform does not have it" in ended.log
    assert ended.summary("commerce_disputes")["failed"] == 0
    for stream in ("companies", "data_statuses", "pull_operations"):
        assert ended.output.rows(stream) == truth(sandbox, ended.output, stream)

    sandbox.clear_overrides()
    second = run(sandbox, skip_unchanged=skip_unchanged, state=ended.output.state)
    assert second.code == 0
    for stream in ("commerce_orders", "commerce_disputes"):
        assert second.output.rows(stream) == truth(sandbox, second.output, stream)


def test_optional_stream_refused_everywhere_is_skipped(run: Taps, sandbox: Sandbox) -> None:
    sandbox.override("/data/commerce-disputes", status=404, body=NOT_FOUND)
    assert run(sandbox, catalog=catalog(commerce_disputes=None)).code == 0


def test_data_type_missing_on_platform_is_skipped(run: Taps, sandbox: Sandbox) -> None:
    stripe = [row["id"] for row in sandbox.truth("connections") if row["integrationKey"] == "exgd"]
    ended = run(sandbox, catalog=catalog(commerce_orders=None), connection_ids=stripe[:1])
    assert ended.code == 0
    assert "commerce_orders: 1 skipped: the platform does not have it" in ended.log


def test_refusal_after_successful_run_is_skipped(run: Taps, own_sandbox: Sandbox) -> None:
    some = catalog(commerce_products=None)
    first = run(own_sandbox, catalog=some, skip_unchanged=True)
    (touched,) = own_sandbox.mutate(changes=1, stream=PRODUCTS)
    own_sandbox.override("/data/commerce-products", status=404, body=NOT_FOUND)
    second = run(own_sandbox, catalog=some, skip_unchanged=True, state=first.output.state)
    assert second.code == 0
    own_sandbox.clear_overrides()
    third = run(own_sandbox, catalog=some, skip_unchanged=True, state=second.output.state)
    assert touched.key["id"] in {key[-1] for key in third.output.keys(PRODUCTS)}


def test_strict_run_stops_at_stream_refused_everywhere(run: Taps, sandbox: Sandbox) -> None:
    sandbox.override("/data/commerce-orders", status=404, body=NOT_FOUND)
    ended = run(sandbox, strict=True)
    assert ended.code == 1
    assert "Stopped: commerce_orders: every partition was refused" in ended.log
    assert not ended.output.records["commerce_products"]


def test_test_option_reports_stream_refused_everywhere(
    processes: Processes, run: Taps, sandbox: Sandbox
) -> None:
    sandbox.override("/data/commerce-(orders|disputes)", status=404, body=NOT_FOUND)
    ended = processes(*run.arguments(config=settings_for(sandbox)), "--test")
    messages = ended.stdout.decode()
    assert ended.code == 1
    outcomes = dict(line.split(maxsplit=1) for line in messages.splitlines()[2:])
    assert outcomes["commerce_orders"] == "NOT reachable: there is nothing to read (Not found)."
    assert outcomes["commerce_disputes"] == "reachable; there is nothing to read (Not found)."
