"""The whole output of a run: it keeps the contract, and it is what the API has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.centra.support import (
    EVERYTHING,
    INTEGRATION,
    KINDS,
    ORDER,
    Taps,
    differences,
    row_differences,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.centra.support import Catalogs
    from tests.runs import Run

OFF_BY_DEFAULT = {INTEGRATION: {"events"}, ORDER: {"customer_details"}}
NOT_IN_THE_OLDER_ONE = {
    *("admin_users", "buyers", "campaigns", "purchase_orders", "subscriptions"),
    *("subscription_contracts", "suppliers", "vouchers"),
}


@pytest.fixture(scope="module")
def everything(
    environments: Callable[[str], Sandbox],
    catalog: Catalogs,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Run]:
    """A run of each API with every stream selected."""
    runs = Taps(tmp_path_factory.mktemp("everything"))
    return {
        api: runs(environments("current"), api, catalog=catalog(api, **dict.fromkeys(kinds)))
        for api, kinds in KINDS.items()
    }


@pytest.fixture(scope="module")
def older(environments: Callable[[str], Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the Integration API of an older environment."""
    return Taps(tmp_path_factory.mktemp("older"))(environments("older"))


@pytest.mark.parametrize("api", KINDS)
def test_run_of_all_streams_succeeds(everything: dict[str, Run], api: str) -> None:
    assert everything[api].code == 0, everything[api].log[-3000:]
    assert everything[api].output.states


@pytest.mark.parametrize(("api", "stream"), EVERYTHING)
def test_every_row_arrives_once_and_whole(
    everything: dict[str, Run], sandbox: Sandbox, api: str, stream: str
) -> None:
    output = everything[api].output
    name = "customers" if stream == "customer_details" else stream
    wanted = truth(sandbox, api, output, name)
    assert wanted or stream == "events"
    assert differences(api, stream, output.rows(stream), wanted)[:9] == []
    assert len(output.rows(stream)) == len(output.records[stream])
    assert everything[api].summary(stream)["records"] == len(output.records[stream])


def test_plugin_fields_become_columns(everything: dict[str, Run]) -> None:
    columns = everything[ORDER].output.schemas["orders"][-1]["schema"]["properties"]
    assert [name for name in columns if name.startswith("shipwallet_")]


@pytest.mark.parametrize("api", KINDS)
def test_run_without_catalog_reads_default_streams(run: Taps, sandbox: Sandbox, api: str) -> None:
    assert set(run(sandbox, api).output.schemas) == set(KINDS[api]) - OFF_BY_DEFAULT[api]


@pytest.mark.parametrize("api", KINDS)
def test_every_sandbox_stream_has_a_stream(sandbox: Sandbox, api: str) -> None:
    theirs = {name for name in sandbox.streams if name.startswith(f"centra.{api}.")}
    assert theirs == {f"centra.{api}.{name}" for name in KINDS[api]} - {
        "centra.order.customer_details"
    }


def test_nested_lists_are_read_completely(everything: dict[str, Run]) -> None:
    output = everything[INTEGRATION].output
    places: dict[int, int] = {}
    for row in output.records["stock"]:
        places[row["productVariantId"]] = places.get(row["productVariantId"], 0) + 1
    lines: dict[str, int] = {}
    for row in output.records["order_lines"]:
        lines[row["orderId"]] = lines.get(row["orderId"], 0) + 1
    assert max(places.values()) > KINDS[INTEGRATION]["stock"].nested_limit
    assert max(lines.values()) > 200


# --- an environment of another version ----------------------------------------------------------


def test_older_environment_is_read(older: Run, environments: Callable[[str], Sandbox]) -> None:
    assert older.code == 0
    output = older.output
    for stream in KINDS[INTEGRATION].keys() - NOT_IN_THE_OLDER_ONE - {"events"}:
        assert row_differences(environments("older"), INTEGRATION, output, stream) == []


@pytest.mark.parametrize("stream", sorted(NOT_IN_THE_OLDER_ONE))
def test_absent_stream_is_skipped(older: Run, stream: str) -> None:
    assert older.summary(stream)["skipped"] == 1
    assert f"{stream}: 1 skipped: this environment has no `" in older.log


def test_absent_field_is_logged_once(older: Run) -> None:
    said = [line for line in older.log.splitlines() if "this environment has no `EAN`" in line]
    assert said == ["product_sizes: this environment has no `EAN`, `UPC`."]


def test_undeclared_scalar_becomes_a_column(older: Run) -> None:
    assert {row["seasonCode"] for row in older.output.records["products"]} != {None}
    columns = older.output.schemas["products"][-1]["schema"]["properties"]
    assert columns["seasonCode"]["type"] == ["string", "null"]


def test_undeclared_scalar_is_not_requested_with_drop(
    run: Taps, environments: Callable[[str], Sandbox], catalog: Catalogs
) -> None:
    environment = environments("older")
    environment.clear_requests()
    some = catalog(products=None)
    output = run(environment, catalog=some, new_fields="drop").output
    assert not any("seasonCode" in row for row in output.records["products"])

    known = json.loads(json.dumps(some))
    for entry in known["streams"]:
        if entry["tap_stream_id"] == "products":
            entry["schema"]["properties"]["seasonCode"] = {"type": ["string", "null"]}
    declared = run(environment, catalog=known, new_fields="drop").output
    assert all("seasonCode" in row for row in declared.records["products"])
