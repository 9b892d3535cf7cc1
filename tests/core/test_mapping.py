"""Stream maps and flattening lose nothing, and their records fit the SCHEMA before them."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._flattening import FlatteningOptions
from singer_sdk.mapper import CustomStreamMap
from typing_extensions import override

from commerce_taps.records.flattening import Flattening
from commerce_taps.records.validate import Shape
from tests.core.support import messages
from tests.core.test_sdk_seams import MemoryTap, Orders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ORDER = {"id": "1", "total": 1, "modifiedDate": "2024-03-01T09:30:00Z"}


def run(
    capfd: pytest.CaptureFixture[str],
    *sent: Mapping[str, Any],
    state: dict[str, Any] | None = None,
    complete: bool = True,
    **config: Any,  # noqa: ANN401 (JSON)
) -> list[str]:
    """Run a tap over orders, and check that each record fits the SCHEMA before it."""
    tap = MemoryTap(config=config, state=state)
    tap.sent = [json.dumps({**ORDER, **record}).encode() for record in sent]
    tap.sync_all()
    assert tap.run.report.complete == complete
    lines = capfd.readouterr().out.splitlines()
    schemas: dict[str, dict[str, Any]] = {}
    for line in lines:
        message = json.loads(line, parse_float=Decimal)
        if message["type"] == "SCHEMA":
            schemas[message["stream"]] = message["schema"]
        elif message["type"] == "RECORD":
            schema = schemas[message["stream"]]
            assert message["record"].keys() <= schema["properties"].keys()
            Draft7Validator(schema).validate(message["record"])
    return lines


def records(lines: list[str]) -> list[dict[str, Any]]:
    return [message["record"] for message in messages(lines, "RECORD")]


# --- flattening ---------------------------------------------------------------------------------


def test_unknown_inner_values_become_columns(
    capfd: pytest.CaptureFixture[str],
) -> None:
    flat: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 2}
    lines = run(
        capfd,
        {"lines": {"a": "x", "new": 1, "deep": {"er": [1.10]}}},
        {"id": "2", "lines": None},
        {"id": "3", "lines": {"a": 5, "new": 1.5}},
        {"id": "4", "lines": "a text"},
        {"id": "5", "lines__a": "y", "lines": {"a": "z"}},
        **flat,
    )
    assert len(messages(lines, "SCHEMA")) == 1
    kept = [
        {name: value for name, value in record.items() if "lines" in name and value is not None}
        for record in records(lines)
    ]
    assert kept == [
        {"lines__a": "x", "lines__new": 1, "lines__deep__er": "[1.1]"},
        {},
        {"lines__a__v_integer": 5, "lines__new": Decimal("1.5")},
        {"lines__v_string": "a text"},
        {"lines__a": "z", "lines__a__2": "y"},
    ]
    assert all(record["lines__a"] is None for record in records(lines)[1:4])
    state = messages(lines, "STATE")[-1]["value"]
    again = run(capfd, {"lines": {"new": 2}}, state=state, **flat)
    (schema,) = messages(again, "SCHEMA")
    assert schema["schema"]["properties"]["lines__new"]["type"] == ["number", "null"]
    assert "lines__a__v_integer" in schema["schema"]["properties"]


@pytest.mark.parametrize("depth", range(5))
def test_mapped_column_precedes_its_record_in_schema(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    read = Orders.read

    def by_one(self: Orders, *args: Any) -> Iterator[Any]:  # noqa: ANN401
        sent = self._tap.sent
        for one in sent:
            self._tap.sent = [one]
            yield from read(self, *args)

    monkeypatch.setattr(Orders, "read", by_one)
    inner: Any = {"a": {"b": {"c": {"d": 1}}}}
    lines = run(
        capfd,
        {"lines": {"a": "x"}},
        {"lines": inner, "new": inner},
        flattening_enabled=True,
        flattening_max_depth=depth,
    )
    assert '"d' in lines[-2] or "__d" in lines[-2] or '\\"d\\"' in lines[-2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "[1]"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b", "a__b", "A", "c d", ""]), inner, max_size=3),
    ),
    max_leaves=6,
)
NULLABLE_TEXT = {"type": ["string", "null"]}
OBJECT: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {"a": NULLABLE_TEXT, "b": {"type": ["object", "null"], "properties": {
        "a": {"type": "integer"}}}, "c": {"type": ["array", "null"]}},
}  # fmt: skip


def leaves(value: object) -> Iterator[str]:
    """List what a value holds, objects apart: nulls and empty objects do not count."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif value is not None:
        yield json.dumps(value)


def unpacked(value: object) -> object:
    """Undo the JSON of a column, so that leaves can be compared."""
    if isinstance(value, str) and value[:1] in "[{" and value not in ("", "[1]"):
        return json.loads(value)
    return value


@given(
    st.dictionaries(st.sampled_from(["o", "o__a", "o__b", "p", "P"]), json_values, max_size=4),
    st.integers(0, 4),
    st.sampled_from(["__", "_", "."]),
)
@example({"o": {"a": "x"}, "o__a": "y"}, 1, "__")
def test_flattening_keeps_every_value_and_fits(
    record: dict[str, Any], depth: int, separator: str
) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "o": OBJECT}}
    (shaped,) = Shape(schema, keys=["id"]).fit([{"id": "1", **record}])
    assert isinstance(shaped, dict)
    options = FlatteningOptions(enabled=True, max_level=depth, separator=separator)
    flattening = Flattening(schema, options)
    shape = Shape(flattening.schema, keys=["id"])
    (flat,) = shape.fit([flattening.flatten(shaped)])
    assert isinstance(flat, dict)
    assert flat.keys() <= shape.schema["properties"].keys()
    Draft7Validator(shape.schema).validate(flat)
    wanted = sorted(leaves({"id": "1", **record}))
    assert sorted(leaf for value in flat.values() for leaf in leaves(unpacked(value))) == wanted


# --- stream maps --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "columns"),
    [
        ({"total": "total", "__else__": None}, {"companyId", "id", "total"}),
        ({"hash": "md5(note)", "__else__": None}, {"companyId", "id", "hash"}),
        ({"hash": "sha256(record['note'])", "__else__": None}, {"companyId", "id", "hash"}),
        ({"x": "lines['a']", "y": "note.split('@')[1]"}, None),
        ({"x": "float(total) * 2", "y": "lines['a'] + '-' + note"}, None),
        ({"note": "self.upper()"}, None),
    ],
)
def test_expression_of_null_is_null(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    maps: dict[str, Any],
    columns: set[str] | None,
) -> None:
    properties = {**Orders.schema["properties"], "note": NULLABLE_TEXT}
    monkeypatch.setattr(Orders, "schema", {"type": "object", "properties": properties})
    whole = {"total": 2, "note": "a@b", "lines": {"a": "1"}}
    for name in ("*", "orders"):
        lines = run(capfd, whole, {"total": None}, stream_maps={name: maps})
        first, second = records(lines)
        made = columns or maps.keys()
        assert columns is None or first.keys() == second.keys() == columns
        assert all(first[name] is not None for name in made)
        assert all(second[name] is None for name in made - {"companyId", "id"})


def test_filter_on_null_removes_record(capfd: pytest.CaptureFixture[str]) -> None:
    maps = {"orders": {"__filter__": "total > 1"}}
    lines = run(capfd, {"total": 2}, {"total": None}, {"total": 1}, stream_maps=maps)
    assert [record["total"] for record in records(lines)] == [2]


def test_expression_result_fits_its_schema(capfd: pytest.CaptureFixture[str]) -> None:
    maps = {"orders": {"total": "md5(str(total))", "twice": "total * 2"}}
    (record,) = records(run(capfd, {"total": 2}, stream_maps=maps))
    assert (record["total"], record["twice"], record["twice__v_integer"]) == (None, None, 4)
    assert len(record["total__v_string"]) == 32


def test_failing_expression_fails_only_its_row(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    maps = {"orders": {"x": "float(record['open'])"}}
    sent: list[dict[str, Any]] = [
        {"open": True},
        {"id": "2", "open": "n"},
        {"id": "3"},
    ]
    lines = run(capfd, *sent, stream_maps=maps)
    assert [record["x"] for record in records(lines)] == [1.0, None, None]
    maps = {"orders": {"x": "int(id)"}}
    lines = run(capfd, {}, {"id": "two"}, {"id": "3"}, stream_maps=maps, complete=False)
    assert [record["x"] for record in records(lines)] == [1, 3]
    assert "record 2: `stream_maps` cannot be applied to it (ValueError)" in caplog.text


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("md5(totl)", "there is no column `totl`, or it is not selected, or it holds a secret"),
        ("fake.email()", "install the package `faker`"),
        ("total.nowhere", "Failed to evaluate simpleeval expressions total.nowhere."),
    ],
)
def test_impossible_expression_stops_run_with_message(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    expression: str,
    message: str,
) -> None:
    monkeypatch.setattr(CustomStreamMap, "_init_faker_instance", lambda _: None)
    with pytest.raises(SystemExit):
        run(capfd, {}, stream_maps={"orders": {"x": expression}})
    assert not messages(capfd.readouterr().out.splitlines(), "RECORD")
    assert message in caplog.text


def test_row_goes_to_each_map(capfd: pytest.CaptureFixture[str]) -> None:
    maps = {
        "orders": {"__alias__": "sales"},
        "ids": {"__source__": "orders", "__else__": None, "new": "lines['a']"},
    }
    flat: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 1}
    lines = run(capfd, {"lines": {"a": "x", "z": 1}}, stream_maps=maps, **flat)
    found = {message["stream"]: message["record"] for message in messages(lines, "RECORD")}
    assert found["sales"]["lines__z"] == 1
    assert found["ids"] == {"companyId": "c1", "id": "1", "new": "x"}


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"order": {}}, "there is no stream `order`. The nearest is `orders`."),
        ({"order*s": {}, "x*": None}, "there is no stream `x*`."),
        ({"new": {"__source__": "oders"}}, "there is no stream `oders`."),
        ({"orders": {"totl": None}}, "no column `totl` to remove. The nearest is `total`."),
        ({"*": {"opened": "__NULL__"}}, "no column `opened` to remove."),
        ({"__else__": None}, "leaves out all that is selected"),
        ({"orders": None}, "leaves out all that is selected"),
        ({"orders": {"__else__": "x"}}, "Setting `stream_maps.orders`: "),
        ({"orders": {"x": ["y"]}}, "Setting `stream_maps.orders`: "),
        ({"orders": {"x": "1 +"}}, "Setting `stream_maps`: "),
        ({"orders": {"id": None}}, "Setting `stream_maps`: Removing key property 'id'"),
    ],
)
def test_map_with_typo_is_rejected(maps: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigValidationError) as error:
        MemoryTap(config={"stream_maps": maps})
    assert message in " ".join(error.value.errors)


@pytest.mark.parametrize("name", ["note", "Total", "total__v_string"])
def test_map_removes_column_met_at_runtime(capfd: pytest.CaptureFixture[str], name: str) -> None:
    (record,) = records(run(capfd, {name: "x"}, stream_maps={"orders": {name: None}}))
    assert name not in record


def test_map_of_deselected_stream_is_ignored(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Others(Orders):
        name = "others"

    class Both(MemoryTap):
        @override
        def discover_streams(self) -> list[Any]:
            return [Orders(self), Others(self)]

    catalog = Both().catalog_dict
    for entry in catalog["streams"]:
        place = next(one for one in entry["metadata"] if not one["breadcrumb"])
        place["metadata"]["selected"] = entry["tap_stream_id"] == "orders"
    maps: list[dict[str, Any]] = [
        {"*": {"x": "id"}},
        {"orders": {"x": "id"}, "others": {"x": "id"}},
        {"orders": {"x": "id"}, "__else__": None},
    ]
    for one in maps:
        tap = Both(config={"stream_maps": one}, catalog=json.loads(json.dumps(catalog)))
        tap.sync_all()
        lines = capfd.readouterr().out.splitlines()
        assert {message["stream"] for message in messages(lines, "SCHEMA")} == {"orders"}
        assert [record["x"] for record in records(lines)] == ["1"]
    with caplog.at_level(logging.INFO):
        tap = Both(config={"stream_maps": {"orders": {"x": "id"}, "__else__": None}})
    tap.sync_all()
    lines = capfd.readouterr().out.splitlines()
    assert {json.loads(line).get("stream", "orders") for line in lines} == {"orders"}
    assert "others" not in messages(lines, "STATE")[-1]["value"]["bookmarks"]
    assert "others: `stream_maps` leaves it out." in caplog.text
