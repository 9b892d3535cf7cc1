"""The data of the fake Codat keeps the specification's rules on signs, sums and dates.

The sentences in quotation marks are those of the OpenAPI specification of the Commerce API; where
it says nothing, the relation is the one that all orders of its examples have.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from commerce_sandbox import Sandbox
from commerce_sandbox.codat import dates
from commerce_sandbox.codat.fields import COMMERCE_LISTS
from commerce_sandbox.codat.truth import stream_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Record = dict[str, Any]
    Rows = Callable[[str], list[Record]]

INCOMING = {"Payment", "PaymentFeeRefund", "FailedPayout"}
OUTGOING = {"Refund", "PaymentFee", "Payout", "Transfer"}


@pytest.fixture(scope="module")
def changed() -> Iterator[Sandbox]:
    """A sandbox after a few rounds of changes, which keeps the same rules."""
    with Sandbox(scale=0.2) as running:
        for _ in range(3):
            running.mutate(changes=600, inserts=60)
        yield running


@pytest.fixture(params=["as made", "changed"])
def rows_of(request: pytest.FixtureRequest, sandbox: Sandbox, changed: Sandbox) -> Rows:
    truths = sandbox if request.param == "as made" else changed
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    return lambda stream: [decoder.decode(line) for line in truths.truth_lines(stream)]


def total(rows: list[Record], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def test_order_refunds_are_never_positive(rows_of: Rows) -> None:
    """totalRefund: "This is always negative"."""
    refunds = [Decimal(order["totalRefund"]) for order in rows_of("commerce_orders")]
    assert max(refunds) == 0
    assert 0 < sum(refund < 0 for refund in refunds) < len(refunds) / 4


def test_order_total_equals_lines_and_charges(rows_of: Rows) -> None:
    """totalAmount: "including discounts, refunds, and tax, but excluding gratuities"."""
    for order in rows_of("commerce_orders"):
        lines, charges = order["orderLineItems"], order["serviceCharges"]
        assert order["totalAmount"] == total(lines, "totalAmount") + total(charges, "totalAmount")
        taxes = total(lines, "totalTaxAmount") + total(charges, "taxAmount")
        assert order["totalTaxAmount"] == taxes
        returned = [line for line in lines if line["quantity"] < 0]
        assert order["totalRefund"] == total(returned, "totalAmount")
        discounts = [one for line in lines for one in line["discountAllocations"]]
        assert order["totalDiscount"] == total(discounts, "totalAmount")
        paid = [one for one in order["payments"] if one["amount"] is not None]
        if len(paid) == len(order["payments"]):
            assert total(paid, "amount") == order["totalAmount"]


def test_line_total_includes_discounts_and_tax(rows_of: Rows) -> None:
    """quantity: "For refunds, quantity is negative"; totalAmount: "including discounts and tax"."""
    for order in rows_of("commerce_orders"):
        for line in order["orderLineItems"]:
            gross = line["unitPrice"] * line["quantity"]
            discount = total(line["discountAllocations"], "totalAmount")
            assert line["totalAmount"] == gross - discount + line["totalTaxAmount"]
            signs = {amount >= 0 for amount in (gross, discount, line["totalTaxAmount"]) if amount}
            assert signs == {line["quantity"] > 0}


def test_refund_is_negative_payment(rows_of: Rows) -> None:
    """Payment: "Refunds are recorded as separate, negative payments"."""
    payments = rows_of("commerce_payments")
    inside = [one for order in rows_of("commerce_orders") for one in order["payments"]]
    for payment in payments + inside:
        if payment["amount"] is not None and payment["amount"] < 0:
            assert payment["status"] == "Paid"
    assert 0 < sum(payment["amount"] < 0 for payment in payments) < len(payments) / 4


def test_transaction_sign_follows_type(rows_of: Rows) -> None:
    transactions = rows_of("commerce_transactions")
    for transaction in transactions:
        kind = transaction["type"]
        assert kind in INCOMING | OUTGOING
        assert (transaction["totalAmount"] > 0) == (kind in INCOMING), kind
    assert {transaction["type"] for transaction in transactions} >= {"Payment", "Refund", "Payout"}


@pytest.mark.parametrize("stream", [*map(stream_name, COMMERCE_LISTS)])
def test_modified_date_follows_created_date(rows_of: Rows, stream: str) -> None:
    names = ("createdDate", "sourceModifiedDate", "modifiedDate")
    found = 0
    for row in rows_of(stream):
        known = [dates.parse(row[name]) for name in names if row.get(name) is not None]
        assert known == sorted(known), row["id"]
        found += len(known)
        if row.get("closedDate") is not None:
            closed = dates.parse(row["closedDate"])
            assert closed <= dates.parse(row["modifiedDate"])
            assert "createdDate" not in row or closed >= dates.parse(row["createdDate"])
        for payment in row.get("payments", ()):
            assert dates.parse(payment["createdDate"]) <= dates.parse(payment["modifiedDate"])
    assert found


def test_platform_timestamps_go_forward(rows_of: Rows) -> None:
    pairs = [
        ("companies", "created", "lastSync"),
        ("connections", "created", "lastSync"),
        ("pull_operations", "requested", "completed"),
        ("push_operations", "requestedOnUtc", "completedOnUtc"),
    ]
    for stream, earlier, later in pairs:
        for row in rows_of(stream):
            if row.get(earlier) and row.get(later):
                assert dates.parse(row[earlier]) <= dates.parse(row[later]), (stream, row)
