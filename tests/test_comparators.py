"""The comparators themselves: they notice each row that a faulty tap would write."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests import contract
from tests.centra import support as centra
from tests.chaos.taps import TAPS
from tests.cscart import support as cscart
from tests.e2e import support as tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract import Record

# --- CS-Cart ------------------------------------------------------------------------------------

HELD: Record = {
    "order_id": 1009,
    "is_parent_order": False,
    "is_root": "",
    "total": "13.50",
    "shipping_cost": "12.50",
    "weight": "0.000",
    "company": "",
    "amount": 0,
    "tax_exempt": None,
    "product_code": "007",
    "birthday": "",
    "timestamp": "2024-01-31T00:00:00Z",
    "storefront_ids": "1,2",
    "promotion_ids": "",
    "promotions": False,
    "payment_method": {"payment_id": 3, "a_surcharge": "0.000", "image": []},
    "products": {"21": {"product_id": 409, "price": "33.35"}},
    "responsible": {"1": "Ada Admin"},
    "fields": {},
}
"""An order in neutral form."""
EMITTED: Record = HELD | {
    "is_root": None,
    "total": Decimal("13.5"),
    "shipping_cost": Decimal("12.50"),
    "weight": Decimal("0.000"),
    "birthday": None,
    "storefront_ids": [1, 2],
    "promotion_ids": [],
    "promotions": None,
    "payment_method": {"payment_id": 3, "a_surcharge": Decimal("0.000"), "image": {}},
    "products": [{"item_id": 21, "product_id": 409, "price": Decimal("33.35")}],
    "responsible": [{"user_id": 1, "name": "Ada Admin"}],
    "fields": [],
    "detailed_params": {"info_type": "D"},
}
"""The same as tap-cscart emits it."""
FAULTS: dict[str, Record] = {
    "every N becomes null": {"is_parent_order": None},
    "a zero becomes null": {"amount": None},
    "a zero becomes false": {"amount": False},
    "false becomes a zero": {"is_parent_order": 0},
    "an empty text becomes null": {"company": None},
    "a text becomes null": {"product_code": None},
    "an amount becomes a float": {"shipping_cost": Decimal("12.5")},
    "an amount of nothing becomes a float": {"weight": Decimal("0.0")},
    "an amount is rounded": {"total": Decimal("13.4")},
    "an amount inside of an object becomes a float": {
        "payment_method": EMITTED["payment_method"] | {"a_surcharge": Decimal("0.0")}
    },
    "an id with a zero in front becomes a number": {"product_code": 7},
    "an id is missing in a list": {"storefront_ids": [1]},
    "a timestamp differs": {"timestamp": "2024-01-31T00:00:01Z"},
    "a column is invented": {"colour": "red"},
    "a column of nulls is invented": {"colour": None},
    "a column is filled that only responses have": {"detailed_params": {"info_type": "X"}},
    "a field of an object is invented": {
        "payment_method": EMITTED["payment_method"] | {"colour": "red"}
    },
    "a field of an object is missing": {"payment_method": {"payment_id": 3, "image": {}}},
    "an entry is known by another id": {"products": [EMITTED["products"][0] | {"item_id": 22}]},
    "an entry is missing": {"products": []},
    "an entry has an invented field": {"products": [EMITTED["products"][0] | {"colour": "red"}]},
    "a name is another's": {"responsible": [{"user_id": 1, "name": "Bea"}]},
}
ABSENT = object()


def without(row: Record, **changed: Any) -> Record:  # noqa: ANN401 (JSON)
    return {name: value for name, value in (row | changed).items() if value is not ABSENT}


def of_cscart(came: Record, right: Record = HELD) -> list[str]:
    return cscart.differences({(): came}, {(): right})


def test_correct_cscart_row_is_accepted() -> None:
    assert of_cscart(EMITTED) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_cscart_row_is_rejected(fault: str) -> None:
    assert len(of_cscart(EMITTED | FAULTS[fault])) == 1
    assert of_cscart(without(EMITTED, **dict.fromkeys(FAULTS[fault], ABSENT))) or (
        FAULTS[fault].keys() <= {"colour", "detailed_params"}
    )


# --- Centra -------------------------------------------------------------------------------------

KEPT: Record = {
    "id": 7,
    "isShipped": False,
    "numberOfPackages": 0,
    "trackingNumber": "",
    "returnTrackingNumber": None,
    "currencyBaseRate": Decimal("1.50"),
    "grandTotal": {"value": Decimal("12.50"), "currency": {"code": "EUR"}, "conversionRate": 1},
    "discountsApplied": [{"date": "2024-01-31T01:00:00+01:00", "voucher": {"id": 2}}],
    "lines": [{"id": 1, "quantity": 2}],
    "store": {"id": 1, "name": "Retail"},
}
"""A shipment as tap-centra emits it."""
TRUTH_ROW: Record = KEPT | {
    "grandTotal": KEPT["grandTotal"] | {"valueInCents": 1250},
    "discountsApplied": [{"date": "2024-01-31T00:00:00Z", "voucher": {"id": 2}}],
}
"""The same as a perfect extraction has it, with what no stream declares."""
CENTRA_FAULTS: dict[str, Record] = {
    "false becomes null": {"isShipped": None},
    "false becomes a zero": {"isShipped": 0},
    "a zero becomes null": {"numberOfPackages": None},
    "an empty text becomes null": {"trackingNumber": None},
    "null becomes an empty text": {"returnTrackingNumber": ""},
    "a number loses a digit": {"currencyBaseRate": Decimal("1.5")},
    "an object is read with its first field only": {"grandTotal": {"value": Decimal("12.50")}},
    "an amount inside of an object becomes a float": {
        "grandTotal": KEPT["grandTotal"] | {"value": Decimal("12.5")}
    },
    "an object is null": {"store": None},
    "an entry is missing": {"lines": []},
    "a field of an entry is missing": {"lines": [{"id": 1}]},
    "a field of an entry is invented": {"lines": [{"id": 1, "quantity": 2, "colour": "red"}]},
    "a reference holds an undeclared field": {
        "discountsApplied": [KEPT["discountsApplied"][0] | {"voucher": {"id": 2, "colour": "red"}}]
    },
    "a timestamp in an object differs": {
        "discountsApplied": [KEPT["discountsApplied"][0] | {"date": "2024-01-31T00:00:00+01:00"}]
    },
    "a column is invented": {"colour": "red"},
}


def of_centra(came: Record) -> list[str]:
    return centra.differences(centra.INTEGRATION, "shipments", {(): came}, {(): TRUTH_ROW})


def test_correct_centra_row_is_accepted() -> None:
    assert of_centra(KEPT) == []
    named = [KEPT["discountsApplied"][0] | {"voucher": {"id": 2, "name": "Summer"}}]
    assert of_centra(KEPT | {"discountsApplied": named}) == []


@pytest.mark.parametrize("fault", CENTRA_FAULTS)
def test_wrong_centra_row_is_rejected(fault: str) -> None:
    assert of_centra(KEPT | CENTRA_FAULTS[fault])
    missing = without(KEPT, **dict.fromkeys(CENTRA_FAULTS[fault], ABSENT))
    assert of_centra(missing) or missing == KEPT


# --- what passes through as it came, and tables -------------------------------------------------

SENT: Record = {
    "id": "007",
    "flag": False,
    "count": 0,
    "text": "",
    "amount": Decimal("12.50"),
    "none": None,
    "lines": [{"price": Decimal("1.0"), "taxed": True}],
}
SENT_FAULTS: dict[str, Record] = {
    "false becomes a zero": {"flag": 0},
    "a zero becomes null": {"count": None},
    "an empty text becomes null": {"text": None},
    "null becomes an empty text": {"none": ""},
    "an amount becomes a float": {"amount": Decimal("12.5")},
    "an id with zeros in front becomes a number": {"id": 7},
    "a number inside of a list loses a digit": {"lines": [{"price": Decimal(1), "taxed": True}]},
    "a flag inside of a list becomes a number": {"lines": [{"price": Decimal("1.0"), "taxed": 1}]},
    "a column is invented": {"colour": "red"},
    "a column of nulls is invented": {"colour": None},
    "a column is missing": {"none": ABSENT},
}
IN_A_TABLE = (
    *("false becomes a zero", "a zero becomes null"),
    *("a column is invented", "a column is missing"),
)

CODAT_SAME = partial(TAPS[0].same, "commerce_orders")


@pytest.mark.parametrize("fault", SENT_FAULTS)
def test_raw_row_is_compared_to_the_digit(fault: str) -> None:
    wrong = without(SENT, **SENT_FAULTS[fault])
    assert len(contract.differences({(): wrong}, {(): SENT})) == 1
    assert not CODAT_SAME(wrong, SENT)
    again = dict(reversed(json.loads(json.dumps(SENT, default=str)).items())) | SENT
    assert contract.differences({(): again}, {(): SENT}) == []
    assert CODAT_SAME(again, SENT)


@pytest.mark.parametrize("fault", IN_A_TABLE)
def test_table_row_is_compared_on_both_sides(fault: str) -> None:
    wrong = without(SENT, **SENT_FAULTS[fault])
    assert len(tables.differences({(): wrong}, {(): SENT})) == 1
    assert tables.differences({(): SENT | {"text": None, "amount": 12.5}}, {(): SENT}) == []


@pytest.mark.parametrize(
    "compare",
    [
        of_cscart,
        of_centra,
        lambda came: contract.differences({(): came}, {(): SENT}),
        lambda came: tables.differences({(): came}, {(): SENT}),
    ],
    ids=["cscart", "centra", "exact", "tables"],
)
def test_missing_and_extra_rows_are_reported(
    compare: Callable[[Record], list[str]],
) -> None:
    assert compare({})
    assert cscart.differences({(1,): HELD}, {(2,): HELD}) == ["(2,) is missing", "(1,) is too much"]
