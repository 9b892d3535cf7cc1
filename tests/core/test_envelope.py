"""Decoding a response: the records inside stay unchanged bytes, or the response is invalid."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_taps.errors import InvalidResponse
from commerce_taps.records.conform import decode, encode
from commerce_taps.records.envelope import CHUNK, MAX_DEPTH, extract_document, open_envelope
from commerce_taps.redact import redact


class Envelope(msgspec.Struct):
    results: list[msgspec.Raw]
    total: int = 0


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, width=32)
    .filter(lambda number: abs(number) != float("inf")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(
    st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=4),
    st.sampled_from([None, 0, 2, "\t", "\r\n "]),
    st.booleans(),
)
def test_record_of_any_layout_is_one_line(
    records: list[dict[str, Any]],
    indent: int | str | None,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    body = json.dumps(
        {"links": {}, "results": records}, indent=indent, ensure_ascii=ascii_only
    ).encode()
    opened = open_envelope(body, Envelope).results
    for raw, record in zip(opened, records, strict=True):
        assert not {b"\n", b"\r"} & {bytes([byte]) for byte in bytes(raw)}
        assert bytes(raw)[:1] == b"{"
        assert json.loads(bytes(raw)) == record


@pytest.mark.parametrize("layout", ["%s", "\n%s\n", " \r\n\t%s "], ids=["tight", "lines", "blanks"])
def test_envelope_keeps_digits_and_escapes(layout: str) -> None:
    record = '{"a":1.10,"b":1e400,"c":123456789012345678901234567890,"d":"\\u00e9\\/\\n","e":-0.0}'
    body = layout % f'{{"results":[{record}]}}'
    (raw,) = open_envelope(body.encode(), Envelope).results
    assert bytes(raw).decode() == record
    assert json.loads(bytes(raw), parse_float=Decimal)["a"].as_tuple().digits == (1, 1, 0)


@pytest.mark.parametrize("layout", ["%s", "\n%s\n"], ids=["tight", "lines"])
@pytest.mark.parametrize("opening", ['{"a":', "[", '[{"]}":'], ids=["objects", "lists", "both"])
@pytest.mark.parametrize("times", [1_100, 20_000])
def test_deeply_nested_value_becomes_text(layout: str, opening: str, times: int) -> None:
    closing = "".join({"{": "}", "[": "]"}[one] for one in opening if one in "{[")[::-1]
    value = opening * times + '"é\\"]"' + closing * times
    body = layout % f'{{"results":[{{"id":1}},{{"id":2,"deep":{value},"b":[1]}},{{"id":3}}]}}'
    first, deep, last = open_envelope(body.encode(), Envelope).results
    assert (bytes(first), bytes(last)) == (b'{"id":1}', b'{"id":3}')
    record = decode(deep)
    assert (record["id"], record["b"]) == (2, [1])
    inner, above = record["deep"], ""
    while not isinstance(inner, str):
        above += encode(inner)[:1].decode()
        (inner,) = inner.values() if isinstance(inner, dict) else inner
    assert MAX_DEPTH - 5 < len(above) < MAX_DEPTH
    assert inner in value
    assert len(inner) > times


def test_bare_record_loses_outer_blanks() -> None:
    assert bytes(open_envelope(b'  {"a": 1} ', msgspec.Raw)) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "truncated"),
        (b"<html>\n Sign in</html>", "it begins with '<html> Sign in</html>'"),
        (b'{"results":[{"id":1},', "truncated"),
        (b'{"results":[]} and more', "trailing"),
        (b'{"results":{}}', "Expected `array`"),
        (b'{"items":[]}', "results"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'{"results":[{"a":"\xff"}]}', "not UTF-8"),
        (b'{"results":[{"a":"\xed\xa0\x80"}]}', "not UTF-8"),
        (b'\n{"results":[{"a":"\xff"}]}', "not UTF-8"),
        (b'{"results":[{"a":"\n"}]}', "invalid character"),
        (b'{"results":[{"a":01}]}', "malformed"),
        (b'{"results":[{"a":NaN}]}', "malformed"),
        (b'{"results":' + b"[" * 100_000 + b"}", "recursion"),
        (b'\xef\xbb\xbf{"results":[]}', "malformed"),
    ],
    ids=lambda value: value[:24].decode(errors="replace") if isinstance(value, bytes) else "",
)  # fmt: skip
def test_invalid_body_raises_readable_error(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidResponse, match="the response cannot be read") as raised:
        open_envelope(body, Envelope)
    assert reason in raised.value.reason
    assert len(raised.value.reason) < 250
    assert "\n" not in raised.value.reason


def test_error_quotes_no_half_secret() -> None:
    redact.add(["QZJX-secret-QZJX"])
    for before in range(60, 90):
        body = b"x" * before + b"QZJX-secret-QZJX"
        with pytest.raises(InvalidResponse) as raised:
            open_envelope(body, Envelope)
        assert "QZJX" not in raised.value.reason


@pytest.mark.parametrize("before", [*range(CHUNK - 20, CHUNK + 5), 2 * CHUNK - 15])
def test_utf8_check_works_across_chunks(before: int) -> None:
    body = b'{"results":[{"a":"%b\xe2\x82\xac"}]}' % (b"x" * before)
    (raw,) = open_envelope(body, Envelope).results
    assert json.loads(bytes(raw)) == {"a": "x" * before + "€"}
    for broken in (b"\xe2\x82", b"\xff", b"\xed\xa0\x80"):
        with pytest.raises(InvalidResponse, match="not UTF-8"):
            open_envelope(body.replace(b"\xe2\x82\xac", broken), Envelope)


# --- documents with other text around them ---

DOCUMENT = r'{"results":[{"text":"<!-- Notice: } ] on line 5\n{"}],"total":1}'
FOREIGN = {
    "mark": "\ufeff",
    "marks": " \ufeff\ufeff\r\n",
    "comment": '<!-- {"results":[]} -->',
    "notice": "<br />\n<b>Notice</b>:  Undefined index: a[1] {b} in <b>/www/a.php</b> on line "
    "<b>12</b><br />\n",
    "warning": '\nWarning: [1,2] {"results":[]} on line 3 [1] in /www/a.php on line 12\n',
    "to its end": "PHP Deprecated: {of old} [1]\n",
    "trace": "Fatal error: Uncaught {x} in /www/a.php:12\nStack trace:\n#0 {main}\n  thrown in "
    "/www/a.php on line 12\n",
}


@pytest.mark.parametrize("after", ["", *FOREIGN.values()], ids=["nothing", *FOREIGN])
@pytest.mark.parametrize("before", ["", *FOREIGN.values()], ids=["nothing", *FOREIGN])
def test_document_between_foreign_text_is_extracted(before: str, after: str) -> None:
    found = extract_document(f"{before}{DOCUMENT}{after}".encode())
    assert found == (DOCUMENT.encode() if before + after else None)


@given(st.sampled_from([*FOREIGN.values()]), st.sampled_from(["", *FOREIGN.values()]), st.data())
def test_truncated_document_is_not_extracted(before: str, after: str, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(DOCUMENT) - 1))
    assert extract_document(f"{before}{DOCUMENT[:end]}{after}".encode()) is None


@pytest.mark.parametrize("between", ["", "\n", *FOREIGN.values()])
def test_two_documents_are_not_extracted(between: str) -> None:
    for body in (f"{DOCUMENT}{between}{DOCUMENT}", f"\ufeff{DOCUMENT}{between}[]"):
        assert extract_document(body.encode()) is None


@pytest.mark.parametrize("around", ["hello", "<html>", "0", '"', "<!--", "{", "\0", "for(;;);"])
def test_document_in_other_text_is_not_extracted(around: str) -> None:
    for body in (f"{around}{DOCUMENT}", f"{DOCUMENT}{around}", f"\ufeff{DOCUMENT}{around}"):
        assert extract_document(body.encode()) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r"\ud83d", "\ufffd"),
        (r"a\uDE00b", "a\ufffdb"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud83d\uD83D", "\\ud83d\ufffd"),
        (r"\"\uD83Dx\n", '"\ufffdx\n'),
    ],
)
def test_lone_surrogate_keeps_other_records(text: str, kept: str) -> None:
    body = f'{{"results":[{{"id":1}},{{"a":"{text}","b":"\\ud83d\\ude00"}}]}}'.encode()
    first, second = open_envelope(body, Envelope).results
    assert bytes(first) == b'{"id":1}'
    assert decode(second) == {"a": kept, "b": "\U0001f600"}
