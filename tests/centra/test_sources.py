"""Rows that are not where they mostly are, and rows that do not say when they changed."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

import commerce_taps.bookmarks
from commerce_sandbox import Sandbox
from commerce_sandbox.centra import lists
from tests.centra.support import INTEGRATION, SCALE, differences, row_differences, truth
from tests.contract import bookmarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commerce_sandbox.centra.values import Row
    from tests.centra.support import Catalogs, Taps


def test_shipments_are_read_from_fallback(run: Taps, catalog: Catalogs) -> None:
    some = catalog(shipments=None)
    with Sandbox(scale=SCALE, centra_schema="older") as sandbox:
        before = run(sandbox, catalog=some).output
        touched = sandbox.mutate(changes=6, stream="centra.integration.shipments")
        after = run(sandbox, catalog=some, state=before.state).output
        wanted = truth(sandbox, INTEGRATION, after, "shipments")
    together = before.rows("shipments") | after.rows("shipments")
    assert differences(INTEGRATION, "shipments", together, wanted)[:5] == []
    changed = {(one.key["id"],) for one in touched if one.stream.endswith("n.shipments")}
    assert len(changed) >= 6
    assert changed <= after.rows("shipments").keys()
    (since,) = (value for name, value in bookmarks(before.state) if name == ("shipments", ()))
    assert {row["updatedAt"] >= since for row in after.records["shipments"]} == {True}
    assert len(after.records["shipments"]) < len(wanted) / 2


def test_rows_without_timestamps_are_read_each_time(
    run: Taps, sandbox: Sandbox, catalog: Catalogs
) -> None:
    """A range holds none of them, so the list is read without."""
    some = catalog(campaigns=None)
    first = run(sandbox, catalog=some).output
    rows = truth(sandbox, INTEGRATION, first, "campaigns")
    assert first.rows("campaigns") == rows
    unknown = {key for key, row in rows.items() if row["updatedAt"] is None}
    assert unknown
    second = run(sandbox, catalog=some, state=first.state).output
    assert unknown < second.rows("campaigns").keys() < rows.keys()


def test_bookmark_does_not_pass_run_start(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, as new as the run is whatever changed in the last months."""
    streams = {"orders": "updatedAt", "stock_changes": "createdAt", "order_lines": "orderUpdatedAt"}
    edge = datetime(2024, 1, 1, tzinfo=timezone.utc)
    monkeypatch.setattr(commerce_taps.bookmarks, "LEEWAY", datetime.now(timezone.utc) - edge)
    output = run(sandbox, catalog=catalog(**dict.fromkeys(streams))).output
    for stream, key in streams.items():
        values = sorted(row[key] for row in output.records[stream])
        assert len(output.rows(stream)) == len(truth(sandbox, INTEGRATION, output, stream))
        safe = [value for value in values if value <= "2024-01-01T00:10"]
        assert dict(bookmarks(output.state))[stream, ()] == safe[-1] < values[-1]


@pytest.mark.parametrize("most", [20, 50])
def test_silently_cut_page_does_not_end_list(
    run: Taps, sandbox: Sandbox, catalog: Catalogs, monkeypatch: pytest.MonkeyPatch, *, most: int
) -> None:
    """Nothing says how many rows a list gives at most, nor that it refuses to give more."""
    plain = lists.page_of

    def page_of(rows: Sequence[Row], limit: int | None, page: int | None) -> Sequence[Row]:
        return plain(rows, limit and min(limit, most), page)

    monkeypatch.setattr(lists, "page_of", page_of)
    streams = ("orders", "prices", "warehouses", "product_sizes")
    found = run(sandbox, catalog=catalog(**dict.fromkeys(streams)))
    assert found.code == 0
    assert f"orders: no more than {most} rows come at once; requesting 50 rows at once" in found.log
    for stream in streams:
        assert row_differences(sandbox, INTEGRATION, found.output, stream) == []
