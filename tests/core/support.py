"""Helpers for the tests of the core: taps whose rows are in memory, and what they write."""

from __future__ import annotations

import json
import logging
import signal
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest
from singer_sdk import typing as th
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import ErrorTable, Message
from commerce_taps.input.settings import COMMON
from commerce_taps.stream import HTTPStream
from commerce_taps.tap import HTTPTap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from requests.auth import AuthBase
    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from commerce_taps.records.validate import Shape

Source = dict[str, list[list[Any]]]
"""Pages of records by shop; a record is a JSON value, or its text in bytes."""


class NoApi(Api):
    """An API at an address where nothing listens."""

    errors = ErrorTable()

    @override
    @property
    def base_url(self) -> str:
        return "http://127.0.0.1:1"

    @override
    @property
    def auth(self) -> AuthBase:
        return HeaderAuth("")

    @override
    def message(self, body: bytes) -> Message:
        return Message("")


class NoApiTap(HTTPTap):
    """A tap that makes no requests."""

    name = "tap-memory"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, secret=True), *COMMON
    ).to_dict()
    stream_types: ClassVar[Iterable[type[HTTPStream]]] = ()

    @override
    def make_api(self) -> NoApi:
        return NoApi(self.config, self.logger)

    @override
    def discover_streams(self) -> list[HTTPStream]:
        return [stream_type(self) for stream_type in self.stream_types]


class Orders(HTTPStream):
    """Orders of some shops, in pages."""

    name = "orders"
    primary_keys = ("shop", "id")
    context_keys = ("shop",)
    replication_key = "changed"
    is_sorted = True
    schema = {  # noqa: RUF012
        "type": "object",
        "properties": {
            "shop": {"type": "string"},
            "id": {"type": "string"},
            "changed": {"type": ["string", "null"], "format": "date-time"},
            "total": {"type": ["number", "null"]},
            "note": {"type": ["string", "null"]},
        },
    }
    _tap: OrderTap

    @override
    @property
    def partitions(self) -> list[dict[str, Any]]:
        return [{"shop": shop} for shop in self._tap.sources.get(self.name, self._tap.source)]

    @override
    def change_token(self, context: Context | None) -> str | None:
        return self._tap.change_token

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        source = self._tap.sources.get(self.name, self._tap.source)
        for rows in source[(context or {})["shop"]]:
            page = self.shape.validate([raw(row) for row in rows])
            days = [row["changed"] for row in rows if isinstance(row, dict) and "changed" in row]
            if days:
                page.bookmark = datetime.fromisoformat(max(days).replace("Z", "+00:00"))
            yield page


class OrderTap(NoApiTap):
    """A tap with the orders of some shops."""

    stream_types = (Orders,)
    source: Source = {}  # noqa: RUF012
    sources: Mapping[str, Source] = {}
    """The sources of streams that do not use `source`."""
    change_token: str | None = None


def order(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"id": str(number), "changed": f"2024-03-{number:02}T00:00:00Z", **fields}


def raw(value: Any) -> msgspec.Raw:  # noqa: ANN401 (JSON)
    """Encode a record, unless it is bytes already."""
    return msgspec.Raw(value if isinstance(value, bytes) else json.dumps(value).encode())


def is_valid(shape: Shape, raw: msgspec.Raw) -> bool:
    """Check whether a record's bytes can be emitted unchanged."""
    page = shape.validate([raw])
    return page.valid[0] and page.records[0] is raw


def messages(lines: Iterable[str], kind: str) -> list[dict[str, Any]]:
    """Decode the messages of one type; numbers with a fraction are exact."""
    parsed = [json.loads(line, parse_float=Decimal) for line in lines]
    return [message for message in parsed if message["type"] == kind]


@pytest.fixture
def restore_process() -> Iterator[None]:
    """Restore what a tap changes in the process: the record factory of logging, and signals."""
    factory = logging.getLogRecordFactory()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    logging.setLogRecordFactory(factory)
    for number, handler in handlers.items():
        signal.signal(number, handler)
