"""Rows inside the rows of another stream are a stream of their own, read only once."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from commerce_taps.errors import PartitionFailed, TapError
from commerce_taps.stream import HTTPStream
from tests.core.support import NoApiTap, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page

ID = {"type": "string"}
TEXT = {"type": ["string", "null"]}
TIMESTAMP = {"type": ["string", "null"], "format": "date-time"}
pytestmark = pytest.mark.usefixtures("restore_process")

ORDERS = [
    {"id": "1", "note": "n", "secret": "s", "changed": "2024-03-01T00:00:00Z", "lines": ["a"]},
    {"id": "2", "note": "n", "secret": "s", "changed": "2024-03-02T00:00:00Z", "lines": ["b", "c"]},
]


class Orders(HTTPStream):
    """Orders that hold their lines."""

    name = "orders"
    primary_keys = ("id",)
    replication_key = "changed"
    is_sorted = True
    unselected_columns = ("secret",)
    schema = {  # noqa: RUF012
        "type": "object",
        "properties": {"id": ID, "note": TEXT, "secret": TEXT, "changed": TIMESTAMP},
    }
    _tap: OrderTap

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        self._tap.starts.append(start)
        for order in ORDERS:
            own = raw({k: v for k, v in order.items() if k != "lines"})
            lines = [raw({"order": order["id"], "line": line}) for line in order["lines"]]
            page = self.shape.validate([own])
            page.bookmark = datetime.fromisoformat(str(order["changed"]).replace("Z", "+00:00"))
            page.children = {child.name: child.shape.validate(lines) for child in self.children}
            yield page
            if self._tap.broken is not None:
                raise self._tap.broken


class Lines(HTTPStream):
    """Lines out of the orders."""

    name = "lines"
    primary_keys = ("order", "line")
    parent_stream_type = Orders
    schema = {"type": "object", "properties": {"order": ID, "line": ID}}  # noqa: RUF012

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        raise AssertionError


class OrderTap(NoApiTap):
    """A tap with both streams."""

    stream_types = (Lines, Orders)
    broken: TapError | None = None

    @override
    def __init__(self, **kwargs: Any) -> None:
        self.starts: list[datetime | None] = []
        super().__init__(**kwargs)


def catalog(*, orders: bool = True, lines: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = OrderTap().catalog_dict
    for stream in found["streams"]:
        root = next(entry for entry in stream["metadata"] if entry["breadcrumb"] == [])
        root["metadata"]["selected"] = {"orders": orders, "lines": lines}[stream["tap_stream_id"]]
    return found


def run(
    capfd: pytest.CaptureFixture[str],
    *,
    state: dict[str, Any] | None = None,
    broken: TapError | None = None,
    **selection: bool,
) -> tuple[OrderTap, list[dict[str, Any]]]:
    tap = OrderTap(config={}, catalog=catalog(**selection), state=state)
    tap.broken = broken
    tap.sync_all()
    return tap, [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def records(messages: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


LINES = [{"order": "1", "line": "a"}, {"order": "2", "line": "b"}, {"order": "2", "line": "c"}]
LAST = datetime(2024, 3, 2, tzinfo=timezone.utc)


def test_parent_and_child_share_one_read(capfd: pytest.CaptureFixture[str]) -> None:
    tap, messages = run(capfd)
    assert len(tap.starts) == 1
    assert [row["id"] for row in records(messages, "orders")] == ["1", "2"]
    assert records(messages, "lines") == LINES
    assert {name: report.records for name, report in tap.run.report.items()} == {
        "orders": 2,
        "lines": 3,
    }


def test_each_schema_precedes_its_records(capfd: pytest.CaptureFixture[str]) -> None:
    _, messages = run(capfd)
    kinds = [(message["type"], message.get("stream")) for message in messages]
    for stream in ("orders", "lines"):
        assert kinds.count(("SCHEMA", stream)) == 1
        assert kinds.index(("SCHEMA", stream)) < kinds.index(("RECORD", stream))


def test_child_alone_is_read_through_parent(capfd: pytest.CaptureFixture[str]) -> None:
    tap, messages = run(capfd, orders=False)
    assert records(messages, "lines") == LINES
    assert {message.get("stream") for message in messages} == {"lines", None}
    assert "orders" not in tap.run.report


def test_parent_alone_builds_no_children(capfd: pytest.CaptureFixture[str]) -> None:
    _, messages = run(capfd, lines=False)
    assert {message.get("stream") for message in messages} == {"orders", None}


def test_parent_and_child_resume_from_bookmark(capfd: pytest.CaptureFixture[str]) -> None:
    _, messages = run(capfd)
    tap, _ = run(capfd, state=messages[-1]["value"])
    assert tap.starts == [LAST]


def test_child_selected_later_is_read_from_start(
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, messages = run(capfd, lines=False)
    tap, messages = run(capfd, state=messages[-1]["value"])
    assert tap.starts == [None]
    assert records(messages, "lines") == LINES
    tap, _ = run(capfd, state=messages[-1]["value"])
    assert tap.starts == [LAST]


def test_failure_counts_for_parent_and_child(capfd: pytest.CaptureFixture[str]) -> None:
    tap, messages = run(capfd, broken=PartitionFailed("broken"))
    assert all(report.failed for report in tap.run.report.values())
    bookmarks = messages[-1]["value"]["bookmarks"]
    # The page before the failure was emitted whole: its bookmark is safe for both.
    assert {one["replication_key_value"] for one in bookmarks.values()} == {"2024-03-01T00:00:00Z"}


def test_failure_of_lone_child_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    tap, _ = run(capfd, orders=False, broken=PartitionFailed("broken"))
    assert not tap.run.report.complete


def test_unselected_column_needs_selection(
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, messages = run(capfd)
    assert all("secret" not in row for row in records(messages, "orders"))
    chosen = catalog()
    for stream in chosen["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == ["properties", "secret"]:
                assert entry["metadata"].pop("selected-by-default") is False
                entry["metadata"]["selected"] = True
    OrderTap(config={}, catalog=chosen).sync_all()
    messages = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {row["secret"] for row in records(messages, "orders")} == {"s"}
