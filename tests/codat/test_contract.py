"""The whole output of a run: it keeps the contract, and it is what the API has, to the digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.codat.support import KINDS, Taps, catalog, truth
from tests.contract import differences

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.runs import Run

OFF_BY_DEFAULT = {
    "commerce_sync_configurations",
    "commerce_syncs",
    "company_sync_settings",
    "integrations",
    "push_operations",
    "webhook_consumers",
}


@pytest.fixture(scope="module")
def everything(_shared: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with every stream selected."""
    runs = Taps(tmp_path_factory.mktemp("everything"))
    return runs(_shared, catalog=catalog(**dict.fromkeys(KINDS)))


def test_run_over_all_streams_succeeds(everything: Run) -> None:
    assert everything.code == 0
    assert everything.output.states


@pytest.mark.parametrize("stream", KINDS)
def test_each_row_arrives_once_and_complete(everything: Run, sandbox: Sandbox, stream: str) -> None:
    output = everything.output
    assert differences(output.rows(stream), truth(sandbox, output, stream))[:5] == []
    assert len(output.rows(stream)) == len(output.records[stream])
    assert everything.summary(stream)["records"] == len(output.records[stream])


def test_schema_without_new_columns_is_sent_once(everything: Run) -> None:
    sent = {stream: len(schemas) for stream, schemas in everything.output.schemas.items()}
    assert sent == dict.fromkeys(KINDS, 1)


def test_run_without_catalog_reads_default_streams(run: Taps, sandbox: Sandbox) -> None:
    output = run(sandbox).output
    assert set(output.schemas) == set(KINDS) - OFF_BY_DEFAULT


def test_each_endpoint_has_its_stream(sandbox: Sandbox) -> None:
    streams = {name for name in sandbox.streams if name.startswith("codat.")}
    assert streams == {f"codat.{name}" for name in KINDS}
