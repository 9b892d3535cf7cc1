"""Catalogs that differ from the discovered one: rejected with a message, or applied correctly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.bad_input.support import on_one_tap, root

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bad_input.support import TapRunner
    from tests.contract import Record


def of_entry(**changes: Any) -> Callable[[Record], Any]:  # noqa: ANN401 (JSON)
    """Change the entry of the selected stream; `...` removes a member."""

    def change(entry: Record) -> None:
        entry.update(changes)
        for name in [name for name, value in changes.items() if value is ...]:
            del entry[name]

    return change


def of_root(**changes: Any) -> Callable[[Record], Any]:  # noqa: ANN401 (JSON)
    """Change the metadata of the selected stream; names as in Python."""
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    return lambda entry: root(entry).update(named)


def of_columns(schema: Any) -> Callable[[Record], Any]:  # noqa: ANN401 (JSON)
    """Change the schema of the last column."""

    def change(entry: Record) -> None:
        properties = entry["schema"]["properties"]
        properties[list(properties)[-1]] = schema

    return change


def of_metadata(place: Any) -> Callable[[Record], Any]:  # noqa: ANN401 (JSON)
    return lambda entry: entry["metadata"].append(place)


REJECTED: dict[str, tuple[str, Callable[[Record], Any]]] = {
    "deselected": ("selects no stream", of_root(selected=False)),
    "no name": ("missing required field `tap_stream_id`", of_entry(tap_stream_id=...)),
    "name null": ("`$.streams[", of_entry(tap_stream_id=None)),
    "metadata null": ("`$.streams[", of_entry(metadata=None)),
    "metadata by name": ("`$.streams[", of_entry(metadata={"selected": True})),
    "a place null": ("`$.streams[", of_metadata(None)),
    "no breadcrumb": ("`$.streams[", of_metadata({"metadata": {}})),
    "breadcrumb as text": ("`$.streams[", of_metadata({"breadcrumb": "id", "metadata": {}})),
    "facts null": ("`$.streams[", of_metadata({"breadcrumb": ["x"], "metadata": None})),
    "selected as text": ("Expected `bool | null`, got `str`", of_root(selected="false")),
    "selected as number": ("Expected `bool | null`, got `int`", of_root(selected=1)),
    "inclusion": ("Invalid enum value", of_root(inclusion="sometimes")),
    "schema null": ("`$.streams[", of_entry(schema=None)),
    "schema as text": ("`$.streams[", of_entry(schema="{}")),
    "columns null": ("`$.streams[", of_entry(schema={"properties": None})),
    "columns listed": ("`$.streams[", of_entry(schema={"properties": ["id"]})),
    "a column null": ("`$.streams[", of_columns(None)),
    "a column of anything": ("`$.streams[", of_columns(schema=True)),
    "a type that is none": ("Invalid enum value", of_columns({"type": "money"})),
    "types that are none": ("Invalid enum value", of_columns({"type": ["money", "null"]})),
    "no types": ("length >= 1", of_columns({"type": []})),
    "type null": ("`$.streams[", of_columns({"type": None})),
    "items listed": ("`$.streams[", of_columns({"type": "array", "items": [{}]})),
    "a bound as text": ("`$.streams[", of_columns({"type": "integer", "minimum": "0"})),
    "a bound that is none": (
        "`$.streams[",
        of_columns({"type": "integer", "minimum": float("nan")}),
    ),
    "a bound without end": ("`$.streams[", of_columns({"type": "number", "maximum": -1e400})),
    "a bound beyond measure": ("`$.streams[", of_columns({"type": "number", "maximum": 10**400})),
    "keys as text": ("`$.streams[", of_entry(key_properties="id")),
    "another key": ("the key label; its key is", of_entry(key_properties=["label"])),
    "another key by metadata": (
        "the key label; its key is",
        lambda entry: (
            of_entry(key_properties=...)(entry),
            of_root(table_key_properties=["label"])(entry),
        ),
    ),
    "another key in metadata alone": (
        "the key label; its key is",
        of_root(table_key_properties=["label"]),
    ),
    "another replication key in metadata alone": (
        "the replication key `label`",
        of_root(replication_key="label"),
    ),
    "another replication key": ("the replication key `label`", of_entry(replication_key="label")),
    "log based": ("method LOG_BASED", of_root(replication_method="LOG_BASED")),
    "log based beside": (
        "the replication method LOG_BASED",
        of_entry(replication_method="LOG_BASED"),
    ),
    "a method that is none": (
        "the replication method full_table",
        of_entry(replication_method="full_table"),
    ),
    "a method as number": ("`$.streams[", of_entry(replication_method=5)),
}


def selected(catalog: Record, run: TapRunner) -> Record:
    """Return the entry of the selected stream."""
    found: Record
    (found,) = [one for one in catalog["streams"] if one["tap_stream_id"] == run.tested.stream]
    return found


@on_one_tap
@pytest.mark.parametrize(("message", "change"), REJECTED.values(), ids=REJECTED)
def test_invalid_catalog_entry_is_rejected(
    run: TapRunner, message: str, change: Callable[[Record], Any]
) -> None:
    catalog = run.catalog()
    change(selected(catalog, run))
    error = run(catalog=catalog).error
    assert message in error
    assert "catalog" in error
    assert len(error) < 400


WHOLE: dict[str, tuple[str, Callable[[Record], Any]]] = {
    "no list": ("has no list `streams`", lambda _: {}),
    "streams null": ("has no list `streams`", lambda _: {"streams": None}),
    "streams by name": ("has no list `streams`", lambda _: {"streams": {}}),
    "empty": ("selects no stream", lambda _: {"streams": []}),
    "a stream null": ("`$.streams[0]`", lambda _: {"streams": [None]}),
    "a stream as text": ("`$.streams[0]`", lambda _: {"streams": ["orders"]}),
    "of another tap": (
        "belongs to another tap",
        lambda _: {"streams": [{"tap_stream_id": "issues", "schema": {}, "metadata": []}]},
    ),
    "with another stream": (
        "selects streams that",
        lambda catalog: {"streams": [*catalog["streams"], {"tap_stream_id": "issues"}]},
    ),
    "a stream twice": (
        "a stream twice",
        lambda catalog: {"streams": [*catalog["streams"], catalog["streams"][0]]},
    ),
}


@on_one_tap
@pytest.mark.parametrize(("message", "change"), WHOLE.values(), ids=WHOLE)
def test_catalog_of_another_tap_is_rejected(
    run: TapRunner, message: str, change: Callable[[Record], Any]
) -> None:
    assert message in run(catalog=change(run.catalog())).error


@on_one_tap
def test_truncated_catalog_is_rejected(run: TapRunner) -> None:
    text = json.dumps(run.catalog())
    for length in range(0, len(text), len(text) // 20):
        assert "--catalog: " in run(catalog=text[:length].encode()).error


def test_unsupported_replication_is_rejected(run: TapRunner) -> None:
    for entry in run.tested.streams:
        name = entry["tap_stream_id"]
        changed = json.loads(json.dumps(entry))
        root(changed)["selected"] = True
        if entry.get("replication_key") is None:
            changed["replication_method"] = "INCREMENTAL"
        else:
            changed["replication_key"] = "label"
        assert (
            f"The catalog gives `{name}` the replication "
            in run(catalog={"streams": [changed]}).error
        )


# --- what is followed ---------------------------------------------------------------------------


def drop_columns(entry: Record) -> None:
    del entry["schema"]["properties"]


def deselect_keys(entry: Record) -> None:
    for place in entry["metadata"]:
        if place["metadata"].get("inclusion") == "automatic":
            place["metadata"] = {"inclusion": "available", "selected": False}


def forget_keys(entry: Record) -> None:
    """Remove the key columns from the schema and the metadata."""
    for name in (*entry.pop("key_properties"), entry.pop("replication_key")):
        del entry["schema"]["properties"][name]
        entry["metadata"] = [
            one for one in entry["metadata"] if one["breadcrumb"] != ["properties", name]
        ]
    root(entry).pop("table-key-properties")
    root(entry).pop("replication-key", None)


def retype_keys(entry: Record) -> None:
    for name in (*entry["key_properties"], entry["replication_key"]):
        entry["schema"]["properties"][name] = {"type": ["boolean", "null"]}


@on_one_tap
@pytest.mark.parametrize("bound", [0.5, 10**40, -(10**40), 1e300, None], ids=repr)
@pytest.mark.parametrize("rule", ["minimum", "maximum"])
def test_catalog_bound_may_be_any_number(run: TapRunner, rule: str, bound: float | None) -> None:
    catalog = run.catalog()
    of_columns({"type": ["integer", "null"], rule: bound})(selected(catalog, run))
    output = run(catalog=catalog).output
    assert output.counts == run.plain.counts


SAME: dict[str, Callable[[Record], Any]] = {
    "as discovered": lambda _: None,
    "no schema": of_entry(schema=...),
    "an empty schema": of_entry(schema={}),
    "no columns": drop_columns,
    "no metadata": of_entry(metadata=...),
    "empty metadata": of_entry(metadata=[]),
    "no keys": of_entry(key_properties=...),
    "keys null": of_entry(key_properties=None),
    "keys empty": of_entry(key_properties=[]),
    "no replication key": of_entry(replication_key=...),
    "keys forgotten": forget_keys,
    "keys deselected": deselect_keys,
    "keys of another type": retype_keys,
    "another name beside": of_entry(stream="Orders"),
    "names of a database": of_entry(table_name="t", database_name="d", is_view=None),
    "no method": of_entry(replication_method=...),
    "a fact of nothing": of_metadata(
        {"breadcrumb": ["properties", "nothing"], "metadata": {"selected": True}}
    ),
    "a fact of no place": of_metadata({"breadcrumb": ["x"], "metadata": {"selected": False}}),
    "facts unknown": of_root(row_count=3, view_key_properties=None, x={"y": []}),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_catalog_gaps_are_filled_from_discovery(
    run: TapRunner, change: Callable[[Record], Any]
) -> None:
    catalog = run.catalog()
    change(selected(catalog, run))
    end, plain = run(catalog=catalog), run.plain
    assert end.code == 0
    stream = run.tested.stream
    assert end.output.rows(stream) == plain.rows(stream)
    assert end.output.state == plain.state
    schema, discovered = end.output.schemas[stream][0], plain.schemas[stream][0]
    assert {**schema, "text": ""} == {**discovered, "text": ""}


def test_catalog_may_hold_one_stream(run: TapRunner) -> None:
    catalog = run.catalog()
    alone = {"streams": [selected(catalog, run)]}
    assert run(catalog=alone).output.timeless() == run.plain.timeless()


def test_unknown_deselected_stream_is_ignored(run: TapRunner) -> None:
    catalog = run.catalog()
    plain = run.plain
    other = {"tap_stream_id": "issues", "metadata": [{"breadcrumb": [], "metadata": {}}]}
    catalog["streams"].append(other)
    assert run(catalog=catalog).output.timeless() == plain.timeless()


def test_stream_without_selection_is_deselected(run: TapRunner) -> None:
    catalog = run.catalog()
    entry = selected(catalog, run)
    entry["metadata"] = [one for one in entry["metadata"] if one["breadcrumb"]]
    assert "selects no stream" in run(catalog=catalog).error


def column(entry: Record) -> str:
    """Name a column that is not a key."""
    keys = {*entry["key_properties"], entry["replication_key"]}
    return next(str(name) for name in entry["schema"]["properties"] if name not in keys)


def test_column_removed_from_schema_returns_as_new(run: TapRunner) -> None:
    catalog = run.catalog()
    plain, entry = run.plain, selected(catalog, run)
    name, stream = column(entry), run.tested.stream
    del entry["schema"]["properties"][name]
    output = run(catalog=catalog).output
    given = {key: row for key, row in plain.rows(stream).items() if row.get(name) is not None}
    assert given
    assert {key: output.rows(stream)[key][name] for key in given} == {
        key: row[name] for key, row in given.items()
    }


def test_column_of_another_type_uses_variant(run: TapRunner) -> None:
    catalog = run.catalog()
    plain, entry = run.plain, selected(catalog, run)
    name, stream = column(entry), run.tested.stream
    entry["schema"]["properties"][name] = {
        "type": ["array", "null"],
        "items": {"type": ["string", "null"]},
    }
    rows = run(catalog=catalog).output.rows(stream)
    for key, row in plain.rows(stream).items():
        beside = [rows[key][other] for other in rows[key] if other.startswith(f"{name}__v_")]
        assert beside == [row[name]] * (row.get(name) is not None)


def test_column_added_to_schema_is_null(run: TapRunner) -> None:
    catalog = run.catalog()
    plain = run.plain
    stream = run.tested.stream
    selected(catalog, run)["schema"]["properties"]["added"] = {"type": ["string", "null"]}
    end = run(catalog=catalog)
    assert end.output.rows(stream) == plain.rows(stream)
    assert "added" in end.output.schemas[stream][0]["schema"]["properties"]


# --- a full table -------------------------------------------------------------------------------

FULL: dict[str, Callable[[Record], Any]] = {
    "beside": of_entry(replication_method="FULL_TABLE"),
    "metadata": of_root(replication_method="FULL_TABLE"),
    "forced": of_root(forced_replication_method="FULL_TABLE"),
    "forced alone": lambda entry: (
        of_entry(replication_method=...)(entry),
        of_root(forced_replication_method="FULL_TABLE")(entry),
    ),
}


@pytest.mark.parametrize("change", FULL.values(), ids=FULL)
def test_requested_full_table_is_read_in_full(
    run: TapRunner, change: Callable[[Record], Any]
) -> None:
    catalog, stream = run.catalog(), run.tested.stream
    plain = run.plain
    change(selected(catalog, run))
    end = run(catalog=catalog, state=plain.state)
    assert end.output.rows(stream) == plain.rows(stream)
    assert end.output.state == plain.state
    late = run(run.config | {"start_date": "2999-01-01"}, catalog=catalog).output
    assert late.rows(stream) == plain.rows(stream)
