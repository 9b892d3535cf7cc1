"""What a user can leave out, add or reshape: catalog, new fields, maps, flattening."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.codat.support import catalog, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps
    from tests.contract import Output, Record

KEY = {"companyId", "connectionId", "id"}
TAXES = catalog(commerce_tax_components=None)


def columns(output: Output, stream: str) -> set[str]:
    return set(output.schemas[stream][-1]["schema"]["properties"])


# --- catalog ------------------------------------------------------------------------------------


def test_deselected_stream_is_neither_requested_nor_emitted(run: Taps, sandbox: Sandbox) -> None:
    output = run(sandbox, catalog=catalog(commerce_orders=None, companies=None)).output
    assert set(output.schemas) == {"commerce_orders", "companies"}
    kinds = {one.path.partition("/data/")[2] or "companies" for one in sandbox.requests}
    assert kinds == {"commerce-orders", "companies"}


def test_deselected_column_is_left_out(run: Taps, sandbox: Sandbox) -> None:
    wanted = {"orderNumber", "totalAmount", "modifiedDate"}
    output = run(sandbox, catalog=catalog(commerce_orders=wanted)).output
    assert columns(output, "commerce_orders") == wanted | KEY
    assert output.rows("commerce_orders") == {
        key: {name: value for name, value in row.items() if name in wanted | KEY}
        for key, row in truth(sandbox, output, "commerce_orders").items()
    }


@pytest.mark.parametrize("column", ["name", "id", "modifiedDate"])
def test_keys_stay_whatever_is_selected(run: Taps, sandbox: Sandbox, column: str) -> None:
    output = run(sandbox, catalog=catalog(commerce_tax_components={column})).output
    assert columns(output, "commerce_tax_components") == KEY | {"modifiedDate", column}
    rows = output.rows("commerce_tax_components")
    assert rows.keys() == truth(sandbox, output, "commerce_tax_components").keys()
    assert output.state["bookmarks"]["commerce_tax_components"]["partitions"]


def test_part_of_column_can_be_deselected(run: Taps, sandbox: Sandbox) -> None:
    made = catalog(commerce_locations=None)
    city = ["properties", "address", "properties", "city"]
    for place in (place for entry in made["streams"] for place in entry["metadata"]):
        if place["breadcrumb"] == city:
            place["metadata"]["selected"] = False
    output = run(sandbox, catalog=made).output
    expected = truth(sandbox, output, "commerce_locations")
    cities = [row["address"].pop("city", None) for row in expected.values() if row.get("address")]
    assert any(cities)
    assert output.rows("commerce_locations") == expected


def test_catalog_can_request_full_table(run: Taps, sandbox: Sandbox) -> None:
    first = run(sandbox, catalog=TAXES).output
    whole = deepcopy(TAXES)
    for entry in whole["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    second = run(sandbox, catalog=whole, state=first.state).output
    assert second.rows("commerce_tax_components") == first.rows("commerce_tax_components")
    assert second.state == first.state


# --- new fields ---------------------------------------------------------------------------------

NEW = {
    "loyalty": {"tier": "gold", "since": "2024-01-31", "deeper": [{"x": 1}, {"x": None}]},
    "score": 3,
    "vip": True,
}


@pytest.fixture
def with_new_fields(sandbox: Sandbox) -> Callable[..., list[Record]]:
    """Adds unspecified fields to each page of tax components."""

    def add(**fields: Any) -> list[Record]:  # noqa: ANN401 (JSON)
        rows = [
            {"id": "before", "name": "A", "modifiedDate": "2024-05-01T00:00:00Z"},
            {"id": "after", "name": "B", "modifiedDate": "2024-05-02T00:00:00Z", **fields},
        ]
        page = {
            "results": rows,
            "pageNumber": 1,
            "pageSize": 100,
            "totalResults": len(rows),
            "_links": {"current": {"href": "/"}, "self": {"href": "/"}},
        }
        sandbox.override("/data/commerce-taxComponents", status=200, body=page)
        return rows

    return add


def test_new_field_becomes_column_before_its_record(
    run: Taps, sandbox: Sandbox, with_new_fields: Callable[..., list[Record]]
) -> None:
    _, second = with_new_fields(**NEW)
    output = run(sandbox, catalog=TAXES).output
    kinds = [
        (message["type"], message.get("record", {}).get("id"))
        for message in map(json.loads, output.raw.splitlines())
    ]
    assert kinds[:3] == [("SCHEMA", None), ("RECORD", "before"), ("RECORD", "after")]
    (schema,) = output.schemas["commerce_tax_components"]
    grown = schema["schema"]["properties"]
    assert set(grown) >= set(NEW)
    assert {name: grown[name]["type"] for name in NEW} == {
        "loyalty": ["object", "null"],
        "score": ["integer", "null"],
        "vip": ["boolean", "null"],
    }
    record = output.records["commerce_tax_components"][1]
    assert {name: record[name] for name in second} == second
    assert columns(output, "commerce_tax_components") >= set(NEW)


def test_new_field_with_drop_is_left_out_and_logged(
    run: Taps, sandbox: Sandbox, with_new_fields: Callable[..., list[Record]]
) -> None:
    with_new_fields(**NEW)
    ended = run(sandbox, catalog=TAXES, new_fields="drop")
    assert len(ended.output.schemas["commerce_tax_components"]) == 1
    assert not [row for row in ended.output.records["commerce_tax_components"] if row.keys() & NEW]
    assert (
        "commerce_tax_components: fields `loyalty`, `score`, `vip` were left out, because "
        "`new_fields` is `drop`." in ended.log
    )
    assert ended.code == 0


@pytest.mark.parametrize("new_fields", ["evolve", "drop"])
def test_new_field_inside_column_is_kept(run: Taps, sandbox: Sandbox, new_fields: str) -> None:
    row = dict(sandbox.truth("commerce_locations")[0])
    row["address"] = {**(row.get("address") or {}), "planet": "Earth", "geo": {"lat": [1.5]}}
    page = {
        "results": [{k: v for k, v in row.items() if k not in ("companyId", "connectionId")}],
        "pageNumber": 1,
        "pageSize": 100,
        "totalResults": 1,
        "_links": {},
    }
    sandbox.override("/data/commerce-locations", status=200, body=page)
    output = run(sandbox, catalog=catalog(commerce_locations=None), new_fields=new_fields).output
    addresses = [record["address"] for record in output.records["commerce_locations"]]
    assert [(one["planet"], one["geo"]) for one in addresses] == [("Earth", {"lat": [1.5]})] * len(
        addresses
    )
    assert addresses


@pytest.mark.parametrize(("new_fields", "kept"), [("evolve", {"rate__v_string"}), ("drop", set())])
def test_value_of_other_type_gets_own_column(
    run: Taps,
    sandbox: Sandbox,
    with_new_fields: Callable[..., list[Record]],
    new_fields: str,
    kept: set[str],
) -> None:
    with_new_fields(rate="a fifth")
    output = run(sandbox, catalog=TAXES, new_fields=new_fields).output
    record = output.records["commerce_tax_components"][1]
    assert record["rate"] is None
    assert {name for name in record if "__v_" in name} == kept
    assert [record[name] for name in kept] == ["a fifth"] * len(kept)


def test_new_field_keeps_deselected_columns_out(
    run: Taps, sandbox: Sandbox, with_new_fields: Callable[..., list[Record]]
) -> None:
    with_new_fields(**NEW)
    output = run(sandbox, catalog=catalog(commerce_tax_components={"modifiedDate"})).output
    assert columns(output, "commerce_tax_components") == KEY | {"modifiedDate"} | set(NEW)


# --- the SDK's own reshaping --------------------------------------------------------------------


def test_stream_map_adds_and_removes_columns(run: Taps, sandbox: Sandbox) -> None:
    maps = {"commerce_tax_components": {"label": "name + '!'", "name": None}}
    output = run(sandbox, catalog=TAXES, stream_maps=maps).output
    assert {"label"} <= columns(output, "commerce_tax_components") - {"name"}
    absent = dict.fromkeys(columns(output, "commerce_tax_components"))  # null on this path
    assert output.rows("commerce_tax_components") == {
        key: absent | {"label": f"{row.pop('name')}!"} | row
        for key, row in truth(sandbox, output, "commerce_tax_components").items()
    }


def test_stream_map_filters_and_renames_stream(run: Taps, sandbox: Sandbox) -> None:
    # The state stays by the stream's own name and passes what is filtered: not our contract.
    maps = {"commerce_tax_components": {"__filter__": "id == 'TAX?1'", "__alias__": "taxes"}}
    ended = run(sandbox, catalog=TAXES, stream_maps=maps)
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    records = [one for one in messages if one["type"] == "RECORD"]
    assert {(one["stream"], one["record"]["id"]) for one in records} == {("taxes", "TAX?1")}


def test_flattening_makes_columns_of_nested_objects(run: Taps, sandbox: Sandbox) -> None:
    output = run(
        sandbox,
        catalog=catalog(commerce_locations=None),
        flattening_enabled=True,
        flattening_max_depth=1,
    ).output
    rows = truth(sandbox, output, "commerce_locations")
    assert "address__city" in columns(output, "commerce_locations")
    found = {
        key: row.get("address__city") for key, row in output.rows("commerce_locations").items()
    }
    assert found == {key: (row.get("address") or {}).get("city") for key, row in rows.items()}
    assert any(found.values())


def test_new_field_passes_stream_map(
    run: Taps, sandbox: Sandbox, with_new_fields: Callable[..., list[Record]]
) -> None:
    with_new_fields(**NEW)
    maps = {"commerce_tax_components": {"label": "name + '!'"}}
    output = run(sandbox, catalog=TAXES, stream_maps=maps).output
    record = output.records["commerce_tax_components"][1]
    assert (record["label"], record["loyalty"], record["score"]) == ("B!", NEW["loyalty"], 3)
