"""Columns that a run adds are known to the next; a record that cannot be written fails alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from commerce_taps.errors import TapError
from commerce_taps.records.columns import EXTRA, MAX_NAME_BYTES, SCHEMAS, column_name, infer
from tests.core.support import Orders, OrderTap, Source, order

if TYPE_CHECKING:
    from collections.abc import Sequence


DAY = "2024-03-{:02}T00:00:00Z"
pytestmark = pytest.mark.usefixtures("restore_process")


class Ran:
    """The output and log of a run."""

    def __init__(self, tap: OrderTap, out: str, log: str) -> None:
        self.tap = tap
        self.log = log
        self.messages = [json.loads(line) for line in out.splitlines()]
        self.schemas = [m["schema"]["properties"] for m in self.of("SCHEMA")]
        self.records = [m["record"] for m in self.of("RECORD")]
        self.state: dict[str, Any] = self.of("STATE")[-1]["value"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def bookmark(self) -> Any:  # noqa: ANN401 (JSON)
        """The bookmark of the only shop."""
        (found,) = self.state["bookmarks"]["orders"]["partitions"]
        return found


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Any:  # noqa: ANN401
    def run(
        source: Source | Sequence[Any],
        state: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        **config: Any,  # noqa: ANN401
    ) -> Ran:
        """Run the tap; a bare list of records is one page of one shop."""
        caplog.clear()
        tap = OrderTap(config=config, state=json.loads(json.dumps(state)) if state else None)
        tap.source = source if isinstance(source, dict) else {"s": [list(source)]}
        tap.change_token = token
        tap.sync_all()
        ran = Ran(tap, capfd.readouterr().out, caplog.text)
        assert_valid(ran)
        return ran

    return run


def assert_valid(ran: Ran) -> None:
    """Check that each record fits the SCHEMA before it, and has all new columns of it."""
    schema: dict[str, Any] = {}
    for message in ran.messages:
        if message["type"] == "SCHEMA":
            schema = message["schema"]
            assert_typed(schema)
        elif message["type"] == "RECORD":
            record = message["record"]
            Draft7Validator(schema).validate(record)
            assert record.keys() <= schema["properties"].keys()
            new = schema["properties"].keys() - Orders.schema["properties"].keys()
            assert new <= record.keys()


def assert_typed(schema: dict[str, Any]) -> None:
    """Check that no column and no item is without a type."""
    for column in schema["properties"].values():
        assert set(column["type"]) - {"null"}
        if "array" in column["type"]:
            assert set(column["items"]["type"]) - {"null"}


# --- the type of a new column -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ([0, 4.95], {"x": "number"}),
        ([4.95, 0], {"x": "number"}),
        ([None, None, 0, None, 4.95], {"x": "number"}),
        ([1, 2], {"x": "integer"}),
        ([1, 2**64], {"x": "number"}),
        ([None], {}),
        ([0, "n/a", 4.95], {"x": "number", "x__v_string": "string"}),
        (["n/a", 0, 4.95], {"x": "string", "x__v_number": "number"}),
        (["n/a", 0], {"x": "string", "x__v_integer": "integer"}),
        ([True, 1, "1"], {"x": "boolean", "x__v_integer": "integer", "x__v_string": "string"}),
        ([{}, {"a": 1}], {"x": "object"}),
        ([[], None], {"x": "string[]"}),
        ([[], ["a"], [None]], {"x": "string[]"}),
        ([[], [{"a": []}]], {"x": "object[]"}),
        ([[1], [2]], {"x": "integer[]"}),
        ([[1], [2.5]], {"x": "any[]"}),
        ([["a", 1]], {"x": "any[]"}),
        ([["a"], [1]], {"x": "any[]"}),
        ([[[1]], [[]]], {"x": "any[]"}),
        ([{}, []], {"x": "object", "x__v_array": "string[]"}),
    ],
)
def test_new_column_has_type_of_whole_page(
    run: Any,  # noqa: ANN401
    values: list[object],
    types: dict[str, str],
) -> None:
    ran = run([order(n, x=value) for n, value in enumerate(values, 1)])
    assert len(ran.schemas) == 1
    new = {k: v for k, v in ran.schemas[0].items() if k not in Orders.schema["properties"]}
    assert new == {name: SCHEMAS[kind] for name, kind in types.items()}
    assert ran.state["bookmarks"]["orders"].get("columns", {}) == types
    sent = [value for value in values if value is not None]
    emitted = [row[name] for row in ran.records for name in types if row[name] is not None]
    assert json.dumps(sorted(map(str, emitted))) == json.dumps(sorted(map(str, sent)))


def test_schema_follows_first_page_once(run: Any) -> None:  # noqa: ANN401
    ran = run({"s": [[], [order(1), order(2, x=1), order(3, y="a")]]})
    assert [m["type"] for m in ran.messages][:2] == ["SCHEMA", "RECORD"]
    assert len(ran.schemas) == 1


def test_stream_without_rows_writes_schema(run: Any) -> None:  # noqa: ANN401
    assert len(run({"s": [[]], "t": []}).schemas) == 1
    assert len(run({}).schemas) == 1


# --- the next run --------------------------------------------------------------------


@pytest.mark.parametrize("later", [[order(1)], [order(1, x="text")], [order(1, x=4.5)], []])
def test_later_run_knows_column_and_type(
    run: Any,  # noqa: ANN401
    later: list[Any],
) -> None:
    first = run([order(1, x=0)])
    second = run(later, first.state)
    assert second.schemas[0]["x"] == SCHEMAS["integer"]
    assert all(row["x"] is None for row in second.records)
    third = run([order(1, x=7)], second.state)
    assert third.schemas[0] == second.schemas[-1]
    assert third.records[0]["x"] == 7


def test_variant_column_is_cleared_by_next_value(run: Any) -> None:  # noqa: ANN401
    first = run([order(1, total="n/a")])
    assert first.records[0]["total__v_string"] == "n/a"
    # One that is written as it came, and one that is not.
    second = run([order(1, total=4.5), order(2, total=1, y=True)], first.state)
    assert [row["total__v_string"] for row in second.records] == [None, None]


@pytest.mark.parametrize("first", [0, 4.95, "n/a", [], {}])
@pytest.mark.parametrize("second", [0, 4.95, "n/a", [1], {"a": 1}])
def test_changing_value_types_change_no_column(run: Any, first: object, second: object) -> None:  # noqa: ANN401
    types: dict[str, Any] = {}
    state = None
    for value in (first, second, first):
        ran = run([order(1, x=value)], state)
        state = ran.state
        for schema in ran.schemas:
            assert {name: schema[name] for name in types} == types
            types = schema
        assert len(ran.schemas) == 1


def test_drop_hides_column_and_evolve_restores_it(run: Any) -> None:  # noqa: ANN401
    first = run([order(1, x=0)])
    second = run([order(1, x=0)], first.state, new_fields="drop")
    assert "x" not in second.schemas[0]
    third = run([order(1, x=4.5)], second.state)
    assert third.records[0]["x__v_number"] == 4.5


def test_remembered_type_wins_over_catalog(run: Any) -> None:  # noqa: ANN401
    state = {"bookmarks": {"orders": {"columns": {"total": "integer", "id": "integer"}}}}
    ran = run([order(1, total=4.5)], state)
    assert ran.schemas[0]["total"] == SCHEMAS["integer"]
    assert ran.records[0]["total__v_number"] == 4.5


@pytest.mark.parametrize("columns", [[], "x", {"x": "text"}, {"x": None}, {"x": ["string"]}])
def test_state_with_unreadable_columns_is_rejected(run: Any, columns: object) -> None:  # noqa: ANN401
    with pytest.raises(TapError, match="columns"):
        run([], {"bookmarks": {"orders": {"columns": columns}}})


# --- a SCHEMA in the middle of a partition ------------------------------------------------------

LATE = [[order(1)], [order(2)], [order(3, x=1)], [order(4, y=1)]]


def test_column_in_mid_partition_holds_bookmark_back(run: Any) -> None:  # noqa: ANN401
    first = run({"s": LATE}, token="m")
    assert len(first.records) == 4
    assert first.tap.run.report.complete
    assert first.bookmark["replication_key_value"] == DAY.format(2)
    assert "synced" not in first.bookmark
    # It is read although the change token is the same.
    second = run({"s": LATE[1:]}, first.state, token="m")
    assert len(second.records) == 3
    assert len(second.schemas) == 1
    assert second.bookmark["replication_key_value"] == DAY.format(4)
    assert second.bookmark["synced"] == "m"
    assert run({"s": LATE}, second.state, token="m").records == []


def test_column_at_partition_start_moves_bookmark(run: Any) -> None:  # noqa: ANN401
    ran = run({"s": [[order(1)]], "t": [[order(2, x=1)]], "u": [[order(3)], [order(4, y=1)]]})
    bookmarks = {
        place["context"]["shop"]: place["replication_key_value"]
        for place in ran.state["bookmarks"]["orders"]["partitions"]
    }
    assert bookmarks == {"s": DAY.format(1), "t": DAY.format(2), "u": DAY.format(3)}


# --- records that cannot be written -------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"id": None}, "record 3: its key `id` is null"),
        ({"id": 3, "x": 1}, "record 3: its key `id` is integer"),
        ({"total": 3}, "record 3: its key `id` is missing"),
        (None, "record 3: it is null and not an object"),
        ([], "record 3: it is array and not an object"),
        ("text", "record 3: it is string and not an object"),
        (b'{"id":"3","x":' + b"1" * 5000 + b"}", "record 3: it cannot be decoded"),
    ],
)
def test_unwritable_record_is_named_and_skipped(
    run: Any,  # noqa: ANN401
    bad: object,
    message: str,
) -> None:
    ran = run(
        {"s": [[order(1)], [order(2), bad, order(4)], [order(5)]], "t": [[order(6)]]}, token="m"
    )
    assert [row["id"] for row in ran.records] == ["1", "2", "4", "5", "6"]
    assert message in ran.log
    assert "orders (shop=s)" in ran.log
    report = ran.tap.run.report["orders"]
    assert (report.failed.total(), report.read, report.records) == (1, 1, 5)
    failed, whole = ran.state["bookmarks"]["orders"]["partitions"]
    assert failed["replication_key_value"] == DAY.format(1)
    assert "synced" not in failed
    assert whole["synced"] == "m"
    assert "x" not in ran.schemas[-1]


def test_many_bad_records_are_named_briefly(run: Any) -> None:  # noqa: ANN401
    ran = run([{"id": None}] * 1000)
    assert "record 20: " in ran.log
    assert "record 21: " not in ran.log
    assert "and 980 more" in ran.log


# --- names and numbers of columns ---------------------------------------------------------------


def test_fields_beyond_limit_share_one_column(run: Any) -> None:  # noqa: ANN401
    rows = [order(1, **{f"f{number}_{n}": n for n in range(3)}) for number in range(100)]
    rows.append(order(2, total="n/a", f0_0=None, **{EXTRA: "own"}))
    ran = run({"s": [rows[:60], rows[60:]]}, max_new_columns=200)
    last = ran.schemas[-1]
    assert len(last) == len(Orders.schema["properties"]) + 200 + 1
    assert last[EXTRA] == SCHEMAS["object"]
    assert ran.log.count("more unknown fields than `max_new_columns`") == 1
    for row, sent in zip(ran.records, rows, strict=True):
        extra = row.get(EXTRA) or {}
        found = {name: value for name, value in (row | extra).items() if value is not None}
        if EXTRA not in sent:
            found.pop(EXTRA, None)
        assert {k: v for k, v in sent.items() if v is not None}.items() <= found.items()
    again = run([rows[-1]], ran.state, max_new_columns=200)
    assert again.schemas == [last]
    assert again.records[0][EXTRA] == {"total": "n/a", EXTRA: "own"}
    assert "max_new_columns" not in again.log


def test_limit_of_zero_keeps_fields_in_extra(run: Any) -> None:  # noqa: ANN401
    ran = run([order(1, x=1, total="n/a")], max_new_columns=0)
    assert ran.records[0][EXTRA] == {"x": 1, "total": "n/a"}


ODD = [
    "",
    " ",
    'quo"te',
    "it's",
    "line\nbreak",
    "nul\0",
    "x" * 300,
    "y" * 299,
    "日本",
    "a.b",
    "a-b",
]
ODD += [
    "1st",
    "_sdc_batched_at",
    "_SDC_x",
    "ctid",
    "XMIN",
    EXTRA,
    "x" * 301,
    "per%cent",
    "a b",
    "select",
]
ODD += ["shop_name", "Shop_Name", "SHOP_NAME", "x" * 60, "\u202eabc"]


def test_odd_names_become_valid_column_names(run: Any) -> None:  # noqa: ANN401
    for value in (1, "text"):
        ran = run([order(1, **dict.fromkeys(ODD, value)), order(2, **dict.fromkeys(ODD, (1,)))])
        new = ran.schemas[0].keys() - Orders.schema["properties"].keys()
        assert len(new) == 2 * len(ODD)
        assert len({name.lower() for name in ran.schemas[0]}) == len(ran.schemas[0])
        for name in new:
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
            assert len(name) <= MAX_NAME_BYTES
            assert not re.match("_sdc|ctid$|xmin$", name, re.IGNORECASE)
        assert sum(value == row.get(name) for row in ran.records for name in new) == len(ODD)


def test_column_names_are_stable_across_runs() -> None:
    assert column_name("shippingFee") == "shippingFee"
    assert column_name("shippingFee", "__v_string") == "shippingFee__v_string"
    assert column_name("shipping fee") == column_name("shipping fee") != column_name("shipping-fee")
    assert column_name("shipping fee").startswith("shipping_fee_")
    assert column_name("x" * 60, "__v_integer").endswith("__v_integer")


def test_integers_beyond_64_bits_infer_number() -> None:
    assert infer([2**63 - 1, -(2**63)]) == "integer"
    assert infer([2**63]) == "number"


@pytest.mark.parametrize("maps", [{}, {"orders": {}}])
def test_nul_is_replaced_at_any_depth(run: Any, maps: dict[str, Any]) -> None:  # noqa: ANN401
    sent = {"x": "a\0b", "y": [{"z": "\\u0000\0"}]}
    (kept,) = run([order(1, **sent)], stream_maps=maps).records
    assert (kept["x"], kept["y"]) == (sent["x"], sent["y"])
    (replaced,) = run([order(1, **sent)], stream_maps=maps, replace_nul=True).records
    assert (replaced["x"], replaced["y"]) == ("a\ufffdb", [{"z": "\\u0000\ufffd"}])
