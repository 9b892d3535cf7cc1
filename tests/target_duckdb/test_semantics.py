"""Keys, changed SCHEMAs, versions, states, names and unusual input."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import gzip
import json
import os
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from target_duckdb.errors import LoadError, MissingKey, RecordBeforeSchema
from target_duckdb.target import TargetDuckDB
from tests.target_duckdb.support import Database, encoded, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

ID = {"type": "string"}
NUMBER = {"type": ["number", "null"]}
INTEGER = {"type": ["integer", "null"]}
TEXT = {"type": ["string", "null"]}
TIMESTAMP = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "null"]}
ORDERS = schema({"id": ID, "n": INTEGER}, "id")


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("flush", [1, 1000], ids=["many flushes", "one flush"])
@pytest.mark.parametrize("memory", ["", "256MB"], ids=["merge", "little memory"])
def test_last_row_of_key_wins(database: Database, flush: int, memory: str) -> None:
    database.settings |= {"batch_size_rows": flush, "memory_limit": memory}
    for _ in range(2):
        for data in (encoded([ORDERS, *(record(id=str(n % 7), n=n) for n in range(50))]),):
            database.load(data=data)
    database.load(ORDERS, record(id="3", n=1), record(id="new", n=1), record(id="3"))

    assert {row["id"]: row["n"] for row in database.rows()} == {
        **{str(n % 7): n for n in range(43, 50)},
        "3": None,
        "new": 1,
    }


def test_keys_of_equal_timestamps_are_one(database: Database) -> None:
    keyed = schema({"at": TIMESTAMP, "n": INTEGER}, "at")
    times = ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00.000+02:00", "2024-01-01 00:00:00"]

    database.load(keyed, *(record(at=each, n=n) for n, each in enumerate(times)))

    assert database.rows() == [{"at": datetime(2024, 1, 1), "n": 2}]  # noqa: DTZ001


def test_table_of_only_keys_loads(database: Database) -> None:
    for _ in range(2):
        database.load(schema({"id": ID}, "id"), record(id="a"), record(id="a"))

    assert database.rows() == [{"id": "a"}]


def test_rows_without_key_are_appended(database: Database) -> None:
    for _ in range(2):
        database.load(schema({"id": ID}), record(id="a"), record(id="a"))

    assert len(database.rows()) == 4


@pytest.mark.parametrize("bad", [record(n=1), record(id=None, n=1)])
def test_record_without_key_is_rejected(database: Database, bad: dict[str, Any]) -> None:
    with pytest.raises(MissingKey, match="`id`"):
        database.load(ORDERS, bad)


def test_overflow_is_cleared_with_its_value(database: Database) -> None:
    priced = schema({"id": ID, "price": NUMBER}, "id")
    long = '{"type":"RECORD","stream":"orders","record":{"id":"a","price":0.12345678901234567890}}'
    database.load(priced, long)
    assert database.rows()[0]["price__digits"] == "0.12345678901234567890"

    database.load(priced, record(id="a", price=1.5))

    assert database.rows() == [{"id": "a", "price": 1.5, "price__digits": None}]


# --- SCHEMAs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "value", "then", "other", "expected", "kind"),
    [
        (INTEGER, 1, NUMBER, 1.5, [1.0, 1.5], "DOUBLE"),
        (INTEGER, 1, TEXT, "x", ["1", "x"], "VARCHAR"),
        (NUMBER, 1.5, TEXT, "x", ["1.5", "x"], "VARCHAR"),
        (NUMBER, 1.5, INTEGER, 2, [1.5, 2.0], "DOUBLE"),
        (INTEGER, 1 << 65, INTEGER, 2, [2, 1 << 65], "HUGEINT"),
        (TEXT, "a", NUMBER, 1.5, ["1.5", "a"], "VARCHAR"),
        (TEXT, "a", TIMESTAMP, "2024-01-01", ["2024-01-01", "a"], "VARCHAR"),
        (TEXT, "a", OBJECT, {"a": 1}, ['"a"', '{"a": 1}'], "JSON"),
        (OBJECT, {"a": 1}, TEXT, "x", ['"x"', '{"a": 1}'], "JSON"),
        ({"type": "string", "format": "date"}, "2024-01-01", TIMESTAMP, "2024-01-02T00:00:00Z",
         [datetime(2024, 1, 1), datetime(2024, 1, 2)], "TIMESTAMP"),  # noqa: DTZ001
    ],
)  # fmt: skip
@pytest.mark.parametrize("apart", [True, False], ids=["two runs", "one run"])
def test_type_widens_if_nothing_is_lost(  # noqa: PLR0917
    database: Database,
    first: object,
    value: object,
    then: object,
    other: object,
    expected: list[Any],
    kind: str,
    *,
    apart: bool,
) -> None:
    old = [schema({"v": first}), record(v=value)]
    new = [schema({"v": then}), record(v=other)]
    for run in [old, new] if apart else [old + new]:
        database.load(*run)

    assert [row["v"] for row in database.rows()] == expected
    assert database.types() == {"v": kind}


@pytest.mark.parametrize(
    ("first", "value", "then"),
    [
        (INTEGER, 9007199254740993, NUMBER),
        (TIMESTAMP, "2024-01-01", INTEGER),
        ({"type": "boolean"}, True, INTEGER),
        (INTEGER, 1, TIMESTAMP),
    ],
)
def test_type_change_with_loss_is_rejected(
    database: Database, first: object, value: object, then: object
) -> None:
    database.load(schema({"v": first}), record(v=value), state(1))
    before = database.rows()

    with pytest.raises(LoadError, match="column `v` of the stream `orders`"):
        database.load(schema({"v": then}))

    assert database.rows() == before


def test_new_and_missing_columns_load(database: Database) -> None:
    database.load(ORDERS, record(id="a", n=1), schema({"id": ID, "more": TEXT}, "id"),
                  record(id="b", more="x"), record(id="a"))  # fmt: skip

    assert database.rows() == [
        {"id": "a", "n": 1, "more": None},
        {"id": "b", "n": None, "more": "x"},
    ]


def test_number_type_may_change_later(database: Database) -> None:
    database.load(schema({"v": NUMBER}), record(v=1.25))
    database.settings["number_type"] = "DECIMAL(38, 9)"
    database.load(schema({"v": NUMBER}), record(v=2.5))

    assert [row["v"] for row in database.rows()] == [Decimal("1.25"), Decimal("2.5")]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([schema({"id": ID, "ID": TEXT})], "only in case"),
        ([schema({"": TEXT})], "without a usable name"),
        ([schema({"a\0": TEXT})], "without a usable name"),
        ([schema({"id": ID}, "other")], "key `other`"),
        ([schema({"a": TEXT}, stream="x"), schema({"a": TEXT}, stream="X")], "`x` and `X`"),
        ([schema({"a": TEXT}, stream="a.b"), schema({"a": TEXT}, stream="a_b")], "share the table"),
        ([schema({})], "no columns"),
        ([schema({"v": NUMBER, "v__digits": TEXT}),
          '{"type":"RECORD","stream":"orders","record":{"v":0.12345678901234567890}}'], "v__digits"),
    ],
)  # fmt: skip
def test_invalid_table_is_rejected(database: Database, messages: list[Any], words: str) -> None:
    with pytest.raises(LoadError, match=words):
        database.load(*messages)


@pytest.mark.parametrize(
    "name", ["camelCase", "select", "a.b", 'a"b', "a\\b", "a'b", "a\nb", "ö", "a b", "_sdc_x", "row", "0"]
)  # fmt: skip
def test_table_names_follow_the_tap(database: Database, name: str) -> None:
    for _ in range(2):
        database.load(schema({name: ID, "other": TEXT}, name), record(**{name: "a"}))

    assert database.rows() == [{name: "a", "other": None}]


@pytest.mark.parametrize(
    ("stream", "chosen", "expected"),
    [
        ("orders", {}, ("main", "orders")),
        ("shop-orders", {}, ("shop", "orders")),
        ("db-shop-orders-x.y", {}, ("shop", "orders_x_y")),
        ("shop-orders", {"default_target_schema": "Raw"}, ("Raw", "orders")),
        ("shop-orders", {"schema_mapping": {"shop": {"target_schema": "s"}}}, ("s", "orders")),
    ],
)
def test_table_location_follows_stream_name(
    database: Database, stream: str, chosen: dict[str, Any], expected: tuple[str, str]
) -> None:
    database.settings |= chosen
    database.load(schema({"id": ID}, stream=stream))  # an empty table

    found = database.query("SELECT schema_name, table_name FROM duckdb_tables()")
    assert found == [expected]


# --- versions and metadata ----------------------------------------------------------------------


@pytest.mark.parametrize("hard", [True, False])
def test_activate_version_keeps_one_version(database: Database, *, hard: bool) -> None:
    database.settings |= {"add_metadata_columns": True, "hard_delete": hard}
    database.load(ORDERS, *(record(id=each, n=1) | {"version": 1} for each in "ab"))

    active = {"type": "ACTIVATE_VERSION", "stream": "orders", "version": 2}
    database.load(ORDERS, record(id="b", n=2) | {"version": 2}, active, state(1))

    rows = [(row["id"], row["_sdc_deleted_at"] is None) for row in database.rows()]
    assert rows == ([("b", True)] if hard else [("a", False), ("b", True)])


def test_metadata_columns_follow_the_specification(database: Database) -> None:
    database.settings["add_metadata_columns"] = True
    extracted = {"time_extracted": "2024-01-01T01:00:00+01:00"}
    database.load(ORDERS, record(id="a", n=1) | extracted, record(id="b"))

    first, second = database.rows()
    assert first["_sdc_extracted_at"] == datetime(2024, 1, 1)  # noqa: DTZ001
    assert first["_sdc_received_at"] <= first["_sdc_batched_at"]
    assert first["_sdc_deleted_at"] is first["_sdc_table_version"] is None
    assert first["_sdc_sequence"] < second["_sdc_sequence"]
    assert {name for name in first if name.startswith("_sdc_")} == {
        *("_sdc_extracted_at", "_sdc_received_at", "_sdc_batched_at"),
        *("_sdc_deleted_at", "_sdc_sequence", "_sdc_table_version"),
    }


def test_file_of_older_loader_is_continued(database: Database) -> None:
    """It was made by target-duckdb 0.8.0 with DuckDB 1.2.2."""
    old = Path(__file__).with_name("files") / "target-duckdb-0.8.0.duckdb.gz"
    database.path.write_bytes(gzip.decompress(old.read_bytes()))
    database.settings |= {"add_metadata_columns": True, "default_target_schema": "tap_codat"}
    columns = {"companyId": ID, "id": ID, "total": NUMBER, "modifiedDate": TIMESTAMP}
    columns |= {"lines": {"type": ["array", "null"]}, "count": INTEGER, "new": TEXT}
    database.load(
        schema(columns, "companyId", "id"),
        record(companyId="c", id="2", total=9.5, modifiedDate="2024-04-01T00:00:00Z", new="x"),
        record(companyId="c", id="3", lines=[1], count=5),
        {"type": "ACTIVATE_VERSION", "stream": "orders", "version": 1},
        state(1),
    )

    rows = {row["id"]: row for row in database.rows("tap_codat.orders")}
    assert [rows["1"]["total"], rows["2"]["total"], rows["3"]["total"]] == [1.5, 9.5, None]
    assert rows["2"]["modifieddate"] == datetime(2024, 4, 1)  # noqa: DTZ001
    assert (rows["2"]["lines"], rows["2"]["new"], rows["3"]["lines"]) == (None, "x", "[1]")
    assert rows["1"]["_sdc_deleted_at"].startswith("20")
    assert database.types()["_sdc_deleted_at"] == "VARCHAR"


# --- states and input ---------------------------------------------------------------------------


def test_state_is_printed_unchanged(database: Database) -> None:
    printed = database.load(
        ORDERS, '{"type": "STATE", "value": {"b": 1.00,  "a":"\\u00f6ö"}}', record(id="a")
    )

    assert printed == '{"b": 1.00,  "a":"\\u00f6ö"}\n'


def test_state_is_printed_only_after_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise LoadError("No.")

    monkeypatch.setattr("target_duckdb.store.Store.commit", fail)
    printed = []
    with pytest.raises(LoadError):
        printed.append(database.load(ORDERS, record(id="a"), state(1)))

    assert printed == []
    assert database.query("FROM duckdb_tables()") == []


@pytest.mark.parametrize(
    "broken",
    [
        '{"type":"RECORD","stream":"orders","rec',
        '{"type":"RECORD","stream":"orders","record":{"id":"b","n":1}}}',
        "secret",
        '{"type":"RECORD","stream":"other","record":{"secret":1}}',
        '{"type":"BATCH","stream":"orders","manifest":["secret"]}',
        '{"type":"secret"}',
        '{"stream":"secret"}',
        '["secret"]',
        '{"type":"STATE"}',
    ],
)
@pytest.mark.parametrize("ending", ["", "\n"])
def test_broken_line_raises_readable_error(database: Database, broken: str, ending: str) -> None:
    data = encoded([ORDERS, record(id="a"), state(1), record(id="b")]) + (broken + ending).encode()
    with pytest.raises(LoadError) as error:
        database.load(data=data)

    assert "secret" not in str(error.value)
    is_record = broken.startswith('{"type":"RECORD","stream":"orders"')
    if not (is_record and ending):  # that one is read with its batch, of which nothing is kept
        assert [row["id"] for row in database.rows()] == ["a", "b"]


def test_last_line_without_end_is_loaded(database: Database) -> None:
    printed = database.load(data=encoded([ORDERS, record(id="a"), state(1)]).rstrip())

    assert (printed, len(database.rows())) == ("1\n", 1)


def test_record_before_schema_is_rejected(database: Database) -> None:
    with pytest.raises(RecordBeforeSchema, match="`orders`"):
        database.load(record(id="a"))


def test_unknown_fields_are_rejected_or_counted(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [ORDERS, record(id="a", n=1, extra="secret"), record(id="b", extra=1)]
    with pytest.raises(LoadError, match="`extra`") as error:
        database.load(*lines)
    assert "secret" not in str(error.value)

    database.settings["strict"] = False
    database.load(*lines)

    assert database.rows() == [{"id": "a", "n": 1}, {"id": "b", "n": None}]
    assert "`extra` of 2 records of `orders`" in caplog.text


@st.composite
def formatted(draw: st.DrawFn, value: object) -> str:
    """Write a JSON value in any formatting."""
    blank = st.sampled_from(["", " ", "\t", "  "])
    if isinstance(value, dict):
        members = draw(st.permutations(list(value.items())))
        inner = ",".join(
            f"{draw(blank)}{draw(formatted(key))}{draw(blank)}:{draw(formatted(each))}"
            for key, each in members
        )
        text = f"{{{inner}{draw(blank)}}}"
    elif isinstance(value, list):
        text = f"[{','.join(draw(formatted(each)) for each in value)}{draw(blank)}]"
    else:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return f"{draw(blank)}{text}{draw(blank)}"


MESSAGES = [
    schema({"id": ID, "n": INTEGER, "at": TIMESTAMP, "ü": NUMBER}, "id"),
    record(id="ä", n=1, at="2024-01-01T00:00:00Z", ü=1.5),
    schema({"id": ID}, stream="ö-other"),
    record("ö-other", id="a"),
    record(id="b", n=None, ü=2),
    record("ö-other", id="b") | {"time_extracted": "2024-01-01T00:00:00Z", "version": 1},
    record(id="ä", n=3),
    state({"a": 1}),
]


@settings(max_examples=20)
@given(st.tuples(*map(formatted, MESSAGES)))
def test_formatting_of_messages_changes_nothing(lines: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "rows.duckdb")
        printed = database.load(*lines)
        found = [
            sorted(database.rows(name), key=lambda row: str(row["id"]))
            for name in ("orders", '"ö".other')
        ]

    assert json.loads(printed) == {"a": 1}
    assert found == [
        [
            {"id": "b", "n": None, "at": None, "ü": 2.0},
            {"id": "ä", "n": 3, "at": None, "ü": None},
        ],
        [{"id": "a"}, {"id": "b"}],
    ]


def test_interleaved_streams_load_all_rows(database: Database) -> None:
    """More than one batch, and flushes in the middle of one."""
    database.settings |= {"batch_size_mb": 0.1}
    data = encoded(
        [
            schema({"id": INTEGER, "n": NUMBER}, "id", stream=name) for name in ("a", "b")
        ]
        + [
            record(name, id=n, n=n / 4 if n % 1000 else 1e20)
            for n in range(5000)
            for name in ("a", "b")
        ]
        + [record("a", id=1 << 70, n=0.5)]
    )  # fmt: skip
    database.load(data=data)

    assert database.query("SELECT count(*), count(DISTINCT id), max(id) FROM a") == [
        (5001, 5001, 1 << 70)
    ]
    assert database.query("SELECT count(*), sum(n) FROM b WHERE id % 1000 > 0") == [
        (4995, sum(n / 4 for n in range(5000) if n % 1000))
    ]


# --- the command line ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "`filepath` is missing"),
        ({"filepath": "a", "path": "b"}, "two files"),
        ({"filepath": "a", "data_flattening_max_level": 2}, "flattening_enabled"),
        ({"filepath": "a", "flush_all_streams": False}, "flush_all_streams"),
        ({"filepath": "a", "number_type": "MONEY"}, "number_type"),
        ({"filepath": "a", "number_types": {"*": "DECIMAL(39,1)"}}, "DECIMAL"),
        ({"filepath": "a", "schema_mapping": {"a": "b"}}, "schema_mapping"),
        ({"filepath": "a", "batch_size_rows": 0}, "batch_size_rows|less than"),
        ({"filepath": "/nowhere/at/all.duckdb"}, "cannot be opened"),
        ({"filepath": os.devnull + "/a"}, "cannot be opened"),
    ],
)
def test_settings_mistake_ends_with_message(
    tmp_path: Path, config: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    found = CliRunner().invoke(
        TargetDuckDB.get_singer_command(), ["--config", str(file)], input=encoded([ORDERS])
    )

    assert found.exit_code == 1
    (log,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert any(word in log.message for word in words.split("|"))
    assert log.exc_info is None


@pytest.mark.parametrize("content", [b"no database", b"x" * 20000])
def test_invalid_database_file_is_rejected(database: Database, content: bytes) -> None:
    database.path.write_bytes(content)

    with pytest.raises(LoadError, match="cannot be opened"):
        database.load(ORDERS)

    assert database.path.read_bytes() == content


def test_about_lists_every_setting(invoked: Callable[..., str]) -> None:
    about = json.loads(invoked("--about", "--format=json"))

    assert about["name"] == "target-duckdb-lines"
    assert {"filepath", "number_type", "strict"} <= about["settings"]["properties"].keys()
    assert "stream_maps" not in about["settings"]["properties"]


@pytest.fixture
def invoked() -> Callable[..., str]:
    def invoke(*arguments: str) -> str:
        return CliRunner().invoke(TargetDuckDB.get_singer_command(), arguments).stdout

    return invoke
