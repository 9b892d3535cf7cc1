"""RECORD lines equal those of the SDK's writers."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage, StateMessage
from singer_sdk.singerlib.encoding import SimpleSingerWriter

from commerce_taps.output import PageWriter, RecordLines
from commerce_taps.records.conform import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

names = st.text(max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
)  # fmt: skip
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
records = st.dictionaries(names, values, max_size=5)
timestamps = st.datetimes(timezones=st.just(timezone.utc))


def parsed(line: bytes | bytearray | str) -> Any:  # noqa: ANN401
    message = json.loads(line, parse_float=Decimal)
    message["time_extracted"] = datetime.fromisoformat(
        message["time_extracted"].replace("Z", "+00:00")
    )
    return message


@given(st.text(), records, timestamps)
def test_line_equals_that_of_sdk_msgspec_writer(
    stream: str, record: dict[str, Any], extracted: datetime
) -> None:
    line = RecordLines(stream, {}, extracted).encoded(record)
    message = RecordMessage(stream, record, time_extracted=extracted)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parsed(line) == parsed(MsgSpecWriter().format_message(message))


@given(st.text(), records, timestamps)
def test_line_equals_that_of_sdk_simple_writer(
    stream: str, record: dict[str, Any], extracted: datetime
) -> None:
    record = json.loads(json.dumps(record, default=float))  # it writes no Decimal to the digit
    line = RecordLines(stream, {}, extracted).encoded(record)
    message = RecordMessage(stream, record, time_extracted=extracted)
    assert parsed(line) == parsed(SimpleSingerWriter().format_message(message))


@given(
    st.text(),
    st.dictionaries(names, scalars, min_size=0, max_size=3),
    st.lists(records.filter(bool), min_size=1, max_size=4),
    timestamps,
)
def test_spliced_lines_equal_encoded_ones(
    stream: str, context: dict[str, Any], page: list[dict[str, Any]], extracted: datetime
) -> None:
    lines = RecordLines(stream, context, extracted)
    page = [{k: v for k, v in record.items() if k not in context} or {"~": 1} for record in page]
    spliced = lines.spliced([memoryview(encode(record))[1:] for record in page])
    assert spliced == b"".join(lines.encoded({**context, **record}) for record in page)


@given(records)
def test_digits_survive_decoding_and_encoding(record: dict[str, Any]) -> None:
    text = encode(record)
    assert encode(decode(text)) == text


def printed(monkeypatch: pytest.MonkeyPatch, write: Callable[[PageWriter], None]) -> bytes:
    """Return what was written, without the content of buffers."""
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
        write(PageWriter())
        return raw.getvalue()


def test_pages_and_messages_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(writer: PageWriter) -> None:
        def lines() -> Iterator[bytes]:
            yield b"page 1\n"
            # As a SCHEMA does, in the middle of a page.
            writer.write_message(StateMessage({"bookmarks": {}}))
            yield b"page 2\n"

        writer.write_records(lines())
        writer.write_message(StateMessage({"bookmarks": {}}))

    first, state, second, last = printed(monkeypatch, write).splitlines()
    assert (first, second) == (b"page 1", b"page 2")
    assert json.loads(state) == json.loads(last) == {"type": "STATE", "value": {"bookmarks": {}}}
