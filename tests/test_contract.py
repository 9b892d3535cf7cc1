"""The contract itself: each rule rejects an output that breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract import Output

SCHEMA = {
    "type": "SCHEMA",
    "stream": "rows",
    "schema": {
        "type": "object",
        "properties": {
            "shop": {"type": ["string"]},
            "id": {"type": ["string"]},
            "at": {"type": ["string", "null"], "format": "date-time"},
        },
    },
    "key_properties": ["shop", "id"],
    "bookmark_properties": ["at"],
}
NULLABLE_KEY = {**SCHEMA, "key_properties": ["at"]}


def record(**values: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    whole = {"shop": "a", "id": "1", "at": "2024-01-31T00:00:00Z", **values}
    return {
        "type": "RECORD",
        "stream": "rows",
        "record": {name: value for name, value in whole.items() if value != "absent"},
        "time_extracted": "2024-02-01T00:00:00Z",
    }


def state(at: str, *shops: str) -> dict[str, Any]:
    partitions = [{"context": {"shop": shop}, "replication_key_value": at} for shop in shops]
    return {"type": "STATE", "value": {"bookmarks": {"rows": {"partitions": partitions}}}}


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


KEPT = lines(
    SCHEMA,
    record(),
    record(id="2", at=None),
    state("2024-01-31T00:00:00Z", "a"),
    record(shop="b", at="2024-01-31T00:00:00.5Z"),
    state("2024-01-31T00:00:00Z", "a", "b"),
)

BROKEN = {
    "half a line": (KEPT + b'{"type":"REC', "half a line"),
    "no JSON": (KEPT + b"hello\n", "JSONDecodeError"),
    "a record before its schema": (lines(record()), "before its schema"),
    "a key that may be null": (lines(NULLABLE_KEY), "may be null"),
    "a key that is no column": (lines({**SCHEMA, "key_properties": ["x"]}), "KeyError"),
    "a schema that is none": (lines({**SCHEMA, "schema": {"type": "row"}}), "not valid"),
    "a null key": (lines(SCHEMA, record(id=None)), 'null is not of type "string"'),
    "no key": (lines(SCHEMA, record(id="absent")), "KeyError"),
    "another type": (lines(SCHEMA, record(at=7)), "7 is not of type"),
    "no zone": (lines(SCHEMA, record(at="2024-01-31T00:00:00")), 'is not a "date-time"'),
    "another zone": (lines(SCHEMA, record(at="2024-01-31T00:00:00+01:00")), 'is not a "date-time"'),
    "a bookmark out of nothing": (lines(SCHEMA, state("2024-01-31T00:00:00Z", "a")), "nothing was"),
    "a bookmark of another's": (
        lines(SCHEMA, record(), state("2024-01-31T00:00:00Z", "b")),
        "noth",
    ),
    "a bookmark ahead": (lines(SCHEMA, record(), state("2024-01-31T00:00:01Z", "a")), "is beyond"),
    "a bookmark lost": (lines(SCHEMA, record()) + KEPT + lines(state("", "b")), "are lost"),
    "a bookmark back": (KEPT + lines(state("2024-01-30T00:00:00Z", "a", "b")), "goes back"),
    "a partition twice": (lines(state("2024-01-30T00:00:00Z", "a", "a")), "comes twice"),
}


def test_output_within_contract_is_accepted() -> None:
    output = Output(KEPT)
    assert output.counts == {"rows": 3}
    assert output.keys("rows") == [("a", "1"), ("a", "2"), ("b", "1")]
    assert output.state == output.states[-1]


@pytest.mark.parametrize(("raw", "message"), BROKEN.values(), ids=BROKEN)
def test_output_outside_contract_is_rejected(raw: bytes, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        Output(raw)


def test_bookmarks_of_previous_state_count() -> None:
    before = state("2024-01-31T00:00:00Z", "a")["value"]
    assert Output(lines(SCHEMA, state("2024-01-31T00:00:00Z", "a")), before).records == {}
    with pytest.raises(AssertionError, match="goes back"):
        Output(lines(SCHEMA, record(), state("2024-01-30T00:00:00Z", "a")), before)
