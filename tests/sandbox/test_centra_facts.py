"""Centra's schema and store against the documented facts."""

from __future__ import annotations

from typing import Any, Final

from graphql import GraphQLInterfaceType, GraphQLObjectType, build_schema

from commerce_sandbox.centra.schema import schema
from commerce_sandbox.centra.store import Store
from tests.fixtures import FIXTURES

# Documented by name alone, or with a type that is only described.
VAGUE: Final = {("Affiliate", "id"), ("Counters", "graphQLAccess"), ("Weight", "unit")}


def test_schema_has_every_documented_field() -> None:
    facts = FIXTURES / "centra" / "integration_api.graphql"
    known = build_schema(facts.read_text(encoding="utf-8"))
    ours = schema()
    compared = 0
    for name, kind in known.type_map.items():
        if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) or name[:2] == "__":
            continue
        for field_name, field in kind.fields.items():
            if (name, field_name) in VAGUE:
                continue
            own: Any = ours.type_map[name]
            assert str(own.fields[field_name].type) == str(field.type), (name, field_name)
            arguments = {key: str(one.type) for key, one in field.args.items()}
            found = {key: str(one.type) for key, one in own.fields[field_name].args.items()}
            assert arguments.items() <= found.items(), (name, field_name)
            compared += 1
    assert compared > 700


def test_default_scale_has_demonstration_size() -> None:
    store = Store(7, 1.0)
    counts = {name: len(rows) for name, rows in store.tables.items()}
    assert counts["products"] == 2000
    assert counts["orders"] == 6000
    assert counts["customers"] == 3000
    assert counts["stockChanges"] == 20_000
    assert 11_500 <= counts["productSizes"] <= 12_500
    kinds = [row["__typename"] for row in store.tables["orders"]]
    assert kinds.count("WholesaleOrder") == 1000
    assert {row["status"] for row in store.tables["orders"]} == {
        *("PENDING", "CONFIRMED", "PROCESSING", "SHIPPED", "ARCHIVED", "CANCELLED"),
    }


def test_stock_equals_sum_of_movements() -> None:
    store = Store(7, 0.01)
    sums: dict[tuple[int, int], int] = {}
    for line in store.tables["stockChangeLines"]:
        key = line["warehouse"]["id"], line["productSize"]["id"]
        sums[key] = sums.get(key, 0) + line["deliveredQuantity"]
    assert sums == {key: row["physicalQuantity"] for key, row in store.stock.rows.items()}
    for size in store.catalogue.sizes:
        free = sum(row["freeToAllocateQuantity"] for row in size["stock"])
        assert size["quantity"] == free


def test_shipped_pieces_leave_their_warehouse() -> None:
    store = Store(7, 0.1)
    left: dict[int, int] = {}
    level: dict[tuple[int, int], int] = {}
    for line in store.stock.lines:
        place = line["warehouse"]["id"], line["productSize"]["id"]
        level[place] = level.get(place, 0) + line["deliveredQuantity"]
        assert level[place] >= 0
        assert (line["deliveredQuantity"] < 0) == (line["stockChange"]["type"] == "SHIPMENT")
        if line["deliveredQuantity"] < 0:
            left[line["createdFromShipmentLine"]["id"]] = -line["deliveredQuantity"]
    assert left == {
        line["id"]: line["quantity"]
        for shipment in store.orders.shipments
        if shipment["isShipped"]
        for line in shipment["lines"]
    }
    for row in store.stock.rows.values():
        assert row["physicalQuantity"] == row["freeToAllocateQuantity"] + row["allocatedQuantity"]
        assert min(row["freeToAllocateQuantity"], row["allocatedQuantity"]) >= 0


def test_tax_is_included_for_consumers_only() -> None:
    for order in Store(7, 0.1).orders.orders:
        totals = {
            name: one["valueInCents"] for name, one in order["totals"].items() if name != "quantity"
        }
        net = order["_grandTotalExcludingTax"]["valueInCents"]
        priced = totals["lineValues"] + totals["shipping"] + totals["discounts"]
        added = order["__typename"] == "WholesaleOrder"
        assert bool(totals["taxAdded"]) == added
        assert bool(totals["taxIncluded"]) != added
        assert order["grandTotal"]["valueInCents"] == priced + totals["taxAdded"]
        assert net == priced - totals["taxIncluded"]


def test_order_totals_agree_with_parts() -> None:
    store = Store(7, 0.05)
    for order in store.orders.orders:
        lines = sum(line["lineValue"]["valueInCents"] for line in order["lines"])
        totals = order["totals"]
        assert totals["lineValues"]["valueInCents"] == lines
        rest = totals["shipping"]["valueInCents"] + totals["discounts"]["valueInCents"]
        rest += totals["taxAdded"]["valueInCents"]
        assert order["grandTotal"]["valueInCents"] == lines + rest
        assert order["createdAt"] <= order["updatedAt"]
        sent: dict[int, int] = {}
        for shipment in order["shipments"]:
            for line in shipment["lines"]:
                number = line["orderLine"]["id"]
                sent[number] = sent.get(number, 0) + line["quantity"]
        assert sent == {
            line["id"]: line["shippedQuantity"]
            for line in order["lines"]
            if line["shippedQuantity"]
        }
    for customer in store.people.customers:
        placed = [row for row in store.orders.orders if row.get("customer") is customer]
        assert customer["totalOrders"] == len(placed)
        assert customer["lastOrder"] is (placed[-1] if placed else None)
