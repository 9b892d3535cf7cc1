"""The private parts of the Singer SDK that the core uses, each with a test.

A tap with rows in memory runs through the SDK's own `sync_all` and command line. If a release of
the SDK changes such a part, its test fails.
"""

from __future__ import annotations

import inspect
import io
import json
import logging
import signal
import threading
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from click.testing import CliRunner
from singer_sdk import Stream, Tap, Target
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, SingerCommand, _ConfigInput
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from commerce_taps.input.cli import Command, CommandLine
from commerce_taps.output import PageStateWriter, PageWriter
from commerce_taps.stream import HTTPStream
from commerce_taps.tap import HTTPTap
from tap_cscart.tap import TapCSCart
from target_duckdb.target import TargetDuckDB, _Reader
from tests.core.support import NoApiTap, messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page

pytestmark = pytest.mark.usefixtures("restore_process")

BOOKMARK = datetime(2024, 3, 1, 9, 30, tzinfo=timezone.utc)
SENT = b'{"id": "1", "total": 1.10, "open": true, "modifiedDate": "2024-03-01T09:30:00Z"}'
NULLABLE: dict[str, dict[str, Any]] = {
    "total": {"type": ["number", "null"]},
    "open": {"type": ["boolean", "null"]},
    "modifiedDate": {"type": ["string", "null"], "format": "date-time"},
    "lines": {"type": ["object", "null"], "properties": {"a": {"type": ["string", "null"]},
                                                         "b": {"type": ["string", "null"]}}},
}  # fmt: skip


class Orders(HTTPStream):
    """Orders out of a list."""

    name = "orders"
    primary_keys = ("companyId", "id")
    context_keys = ("companyId",)
    replication_key = "modifiedDate"
    is_sorted = True
    schema = {  # noqa: RUF012
        "type": "object",
        "properties": {"companyId": {"type": "string"}, "id": {"type": "string"}, **NULLABLE},
    }
    _tap: MemoryTap

    @override
    @property
    def partitions(self) -> list[dict[str, Any]]:
        return [{"companyId": "c1"}]

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        page = self.shape.validate([msgspec.Raw(record) for record in self._tap.sent])
        page.bookmark = BOOKMARK
        yield page


class MemoryTap(NoApiTap):
    """A tap with orders out of a list."""

    stream_types = (Orders,)
    sent: Sequence[bytes] = (SENT,)


def synced(
    capfd: pytest.CaptureFixture[str], *sent: bytes, config: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None, state: dict[str, Any] | None = None,
) -> list[str]:  # fmt: skip
    """Run a tap, and return the lines of its output."""
    tap = MemoryTap(config=dict(config or {}), catalog=catalog, state=state)
    tap.sent = sent or (SENT,)
    tap.sync_all()
    assert tap.run.report.complete
    return capfd.readouterr().out.splitlines()


def selected(*breadcrumbs: tuple[str, ...], **selection: bool) -> dict[str, Any]:
    """Write a catalog in which these nodes are not selected."""
    catalog: dict[str, Any] = MemoryTap().catalog_dict
    for entry in catalog["streams"][0]["metadata"]:
        if not entry["breadcrumb"]:
            entry["metadata"]["selected"] = True
        elif tuple(entry["breadcrumb"]) in breadcrumbs:
            entry["metadata"]["selected"] = selection.get("to", False)
    return catalog


# --- what a run does ----------------------------------------------------------------------------


def test_sync_calls_sync_records(capfd: pytest.CaptureFixture[str]) -> None:
    """The SDK calls our `_sync_records`: only it hands a record on as the bytes that came."""
    lines = synced(capfd)
    record = '"record":{"companyId":"c1",' + SENT.decode()[1:]
    assert sum(record in line for line in lines) == 1
    assert len(messages(lines, "RECORD")) == 1


def test_sync_writes_schema_before_records(capfd: pytest.CaptureFixture[str]) -> None:
    kinds = [json.loads(line)["type"] for line in synced(capfd)]
    assert kinds == ["SCHEMA", "RECORD", "STATE"]


def test_state_has_the_form_of_the_sdk(
    capfd: pytest.CaptureFixture[str],
) -> None:
    (state,) = messages(synced(capfd), "STATE")
    bookmark = {"replication_key": "modifiedDate", "replication_key_value": "2024-03-01T09:30:00Z"}
    partition = {"context": {"companyId": "c1"}, **bookmark}
    assert state["value"] == {"bookmarks": {"orders": {"partitions": [partition]}}}


def test_earlier_state_is_found_and_kept(capfd: pytest.CaptureFixture[str]) -> None:
    state = messages(synced(capfd), "STATE")[-1]["value"]
    other = {"context": {"companyId": "gone"}, "replication_key": "modifiedDate",
             "replication_key_value": "2020-01-01T00:00:00Z"}  # fmt: skip
    state["bookmarks"]["orders"]["partitions"].append(other)
    tap = MemoryTap(state=state)
    stream = tap.streams["orders"]
    assert isinstance(stream, Orders)
    assert stream.starting_value({"companyId": "c1"}) == BOOKMARK
    assert stream.starting_value({"companyId": "new"}) is None
    again = messages(synced(capfd, state=state), "STATE")[-1]["value"]
    assert other in again["bookmarks"]["orders"]["partitions"]


def test_state_writer_writes_state_once(capfd: pytest.CaptureFixture[str]) -> None:
    tap = MemoryTap()
    tap.run.write_state()
    tap.run.write_state()
    assert len(messages(capfd.readouterr().out.splitlines(), "STATE")) <= 1
    tap.state["bookmarks"] = {"orders": {"x": 1}}
    tap.run.write_state()
    tap.run.write_state()
    assert len(messages(capfd.readouterr().out.splitlines(), "STATE")) == 1


def test_record_counter_accepts_many_records(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    many = [SENT.replace(b'"1"', b'"%d"' % number) for number in range(7)]
    with caplog.at_level(logging.INFO):
        synced(capfd, *many)
    counted = [r.getMessage() for r in caplog.records if "record_count" in r.getMessage()]
    assert any('"value":7' in text for text in counted)


def test_tap_uses_page_writers() -> None:
    assert isinstance(MemoryTap().message_writer, PageWriter)
    assert isinstance(MemoryTap().state_writer, PageStateWriter)


def test_written_records_mark_state_unflushed() -> None:
    stream = Orders(MemoryTap())
    assert "is_flushed" in vars(stream.state_manager) or hasattr(stream.state_manager, "is_flushed")
    stream._write_state_message()
    assert stream.state_manager.is_flushed is True


# --- columns ------------------------------------------------------------------------------------


def test_new_column_precedes_its_record_in_schema(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`register_raw_stream_schema`, `_stream_maps` and `_write_schema_message` send it at once."""
    lines = synced(capfd, SENT, b'{"id":"2","new":7}', b'{"id":"3","new":8}')
    (schema,) = messages(lines, "SCHEMA")
    assert schema["schema"]["properties"].keys() - Orders.schema["properties"] == {"new"}
    assert schema["key_properties"] == ["companyId", "id"]
    assert schema["bookmark_properties"] == ["modifiedDate"]
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds == ["SCHEMA", "RECORD", "RECORD", "RECORD", "STATE"]


def test_new_column_passes_stream_map(capfd: pytest.CaptureFixture[str]) -> None:
    config = {"stream_maps": {"orders": {"__alias__": "mapped", "double": "total * 2"}}}
    lines = synced(capfd, SENT, b'{"id":"2","total":2,"new":7}', config=config)
    assert {message["stream"] for message in messages(lines, "RECORD")} == {"mapped"}
    last = messages(lines, "SCHEMA")[-1]
    assert last["stream"] == "mapped"
    assert {"new", "double"} <= last["schema"]["properties"].keys()
    assert messages(lines, "RECORD")[-1]["record"]["new"] == 7


def test_sdk_does_not_conform_mapped_record(capfd: pytest.CaptureFixture[str]) -> None:
    """At level NONE the SDK makes no `true` of "N" and drops no key of an object."""
    config: dict[str, Any] = {"stream_maps": {"orders": {}}}
    (message,) = messages(
        synced(capfd, b'{"id":"2","open":"N","lines":{"z":1}}', config=config), "RECORD"
    )
    assert message["record"]["open"] is None
    assert message["record"]["open__v_string"] == "N"
    assert message["record"]["lines"] == {"z": 1}


def test_mapped_record_equals_spliced_record(
    capfd: pytest.CaptureFixture[str],
) -> None:
    plain = messages(synced(capfd), "RECORD")[0]["record"]
    mapped = messages(synced(capfd, config={"stream_maps": {"orders": {}}}), "RECORD")[0]["record"]
    assert {"lines": None, **plain} == mapped  # a declared column that is absent is null there
    assert plain["total"].as_tuple().digits == mapped["total"].as_tuple().digits == (1, 1, 0)


def test_deselected_column_is_emitted_nowhere(
    capfd: pytest.CaptureFixture[str],
) -> None:
    catalog = selected(("properties", "total"))
    lines = synced(capfd, SENT, b'{"id":"2","total":"x","new":7}', catalog=catalog)
    for message in messages(lines, "SCHEMA"):
        assert "total" not in message["schema"]["properties"]
    for message in messages(lines, "RECORD"):
        assert not [name for name in message["record"] if name.startswith("total")]
    assert messages(lines, "RECORD")[1]["record"]["new"] == 7


def test_deselected_inner_field_is_removed(capfd: pytest.CaptureFixture[str]) -> None:
    catalog = selected(("properties", "lines", "properties", "a"))
    (message,) = messages(
        synced(capfd, b'{"id":"2","lines":{"a":"x","b":"y"}}', catalog=catalog), "RECORD"
    )
    assert message["record"]["lines"] == {"b": "y"}


def test_activated_version_matches_records(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A target would delete every row of another version: all that it was just sent."""
    catalog = selected()
    catalog["streams"][0]["replication_method"] = "FULL_TABLE"
    lines = synced(capfd, config={"emit_activate_version_messages": True}, catalog=catalog)
    activated = {message["version"] for message in messages(lines, "ACTIVATE_VERSION")}
    assert activated <= {message.get("version") for message in messages(lines, "RECORD")}


def test_mask_selects_unknown_columns() -> None:
    stream = Orders(MemoryTap(catalog=selected()))
    assert stream.mask["properties", "unknown"] is True


def test_deselected_keys_are_still_emitted(capfd: pytest.CaptureFixture[str]) -> None:
    catalog = selected(("properties", "id"), ("properties", "companyId"))
    (message,) = messages(synced(capfd, catalog=catalog), "RECORD")
    assert (message["record"]["companyId"], message["record"]["id"]) == ("c1", "1")


def test_flattening_processes_each_record(capfd: pytest.CaptureFixture[str]) -> None:
    config = {"flattening_enabled": True, "flattening_max_depth": 1}
    (message,) = messages(synced(capfd, b'{"id":"2","lines":{"a":"x"}}', config=config), "RECORD")
    assert message["record"]["lines__a"] == "x"


def test_dry_run_stops_after_its_limit(capfd: pytest.CaptureFixture[str]) -> None:
    """`ABORT_AT_RECORD_COUNT` and `_check_max_record_limit`."""
    tap = MemoryTap()
    tap.sent = [SENT.replace(b'"1"', b'"%d"' % number) for number in range(5)]
    assert tap.run_sync_dry_run(2)
    assert len(messages(capfd.readouterr().out.splitlines(), "RECORD")) == 2


# --- settings, signals, command line ------------------------------------------------------------


def test_constructor_reports_mistakes_as_messages() -> None:
    with pytest.raises(ConfigValidationError) as raised:
        MemoryTap(config={"page_size": "many", "api_key": ["QZJX-secret"]})
    assert raised.value.errors == [
        "Setting `api_key` must be a string.",
        "Setting `page_size`: 'many' is not an integer.",
    ]


def test_validation_fills_in_defaults() -> None:
    """`_config` is the tap's own dict, and the SDK's validator writes defaults into it."""
    config = MemoryTap(config={"page_size": 7, "user_agent": " x ", "start_date": ""}).config
    assert (config["page_size"], config["new_fields"], config["user_agent"]) == (7, "evolve", "x")
    assert "start_date" not in config
    filled: dict[str, Any] = {}
    schema = {"properties": {"a": {"type": "integer", "default": 3}}}
    assert not list(JSONSchemaValidator(schema).iter_errors(filled))
    assert filled == {"a": 3}


def test_builtin_settings_give_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = {"stream_maps": {}, "stream_map_config": {}, "flattening_enabled": False}
    with caplog.at_level(logging.WARNING):
        MemoryTap(config=config)
        assert not [r for r in caplog.records if "is not known" in r.getMessage()]
        MemoryTap(config={"page_siez": 1})
    assert "Did you mean `page_size`?" in caplog.text


def test_sdk_passes_signals_to_our_handler() -> None:
    assert threading.current_thread() is threading.main_thread()
    tap = MemoryTap()
    for number in (signal.SIGINT, signal.SIGTERM):
        assert signal.getsignal(number) == tap._handle_termination


def test_overridden_signatures_match_the_sdk() -> None:
    for cls, base, name in (
        (HTTPStream, Stream, "_sync_records"),
        (HTTPStream, Stream, "get_context_state"),
        (HTTPStream, Stream, "finalize_state_progress_markers"),
        (HTTPStream, Stream, "get_replication_key_signpost"),
        (HTTPTap, Tap, "_validate_config"),
        (HTTPTap, Tap, "_handle_termination"),
        (HTTPTap, Tap, "load_state"),
        (HTTPTap, Tap, "cb_test"),
        (TapCSCart, Tap, "cb_discover"),
        (CommandLine, PluginBase, "cb_config"),
        (Command, SingerCommand, "parse_args"),
        (TargetDuckDB, Target, "_handle_termination"),
        (TargetDuckDB, Target, "process_endofpipe"),
        (_Reader, GenericSingerReader, "process_lines"),
    ):
        ours, theirs = (inspect.signature(getattr(owner, name)) for owner in (cls, base))
        assert name in vars(cls), name
        assert list(ours.parameters) == list(theirs.parameters), name


def test_command_options_match_invoke_parameters() -> None:
    command = MemoryTap.get_singer_command()
    given = {param.name for param in command.params if getattr(param, "expose_value", False)}
    taken = inspect.signature(MemoryTap.invoke).parameters.keys()
    assert given == taken
    assert isinstance(command, Command)


def test_config_merges_files_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"page_size": 7}')
    assert _ConfigInput.from_cli_args(str(file), "ENV") == _ConfigInput({"page_size": 7}, True)  # noqa: FBT003
    monkeypatch.setenv("TAP_MEMORY_PAGE_SIZE", "9")
    tap = MemoryTap(config={"user_agent": "x"}, parse_env_config=True)
    assert (tap.config["page_size"], tap.config["user_agent"]) == (9, "x")


def test_environment_prefix_follows_tap_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`_env_var_prefix` and `_env_var_config`, which the constructor and `--discover` use."""
    monkeypatch.setenv("TAP_MEMORY_PAGE_SIZE", "9")
    assert MemoryTap._env_var_prefix == "TAP_MEMORY_"
    assert MemoryTap._env_var_config == {"page_size": "9"}
    assert "_env_var_config" in vars(PluginBase)


def test_target_reads_input_with_its_own_reader() -> None:
    """`message_reader` replaces the SDK's, and `listen` calls its `process_lines`."""
    target = TargetDuckDB(config={"filepath": ":memory:"})
    assert isinstance(target.message_reader, _Reader)
    reader = _Reader(lambda file: Counter(file.read().decode()))
    other = TargetDuckDB(config={"filepath": ":memory:"}, message_reader=reader)
    assert other.process_lines(cast("Any", io.BytesIO(b"ab"))) == Counter("ab")


def test_target_has_no_settings_of_the_sdk() -> None:
    """`append_builtin_config` is called by the constructor and `--about`, and adds nothing."""
    schema: dict[str, Any] = {"properties": {}}
    TargetDuckDB.append_builtin_config(schema)
    assert schema == {"properties": {}}
    assert "stream_maps" not in TargetDuckDB(config={"filepath": ":memory:"}).config


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    (tmp_path / "bad.json").write_text('{"page_size": "many"}')
    (tmp_path / "cut.json").write_text('{"bookmarks": {')
    return CliRunner()


def test_schema_test_prints_schemas(runner: CliRunner) -> None:
    command = MemoryTap.get_singer_command()
    ended = runner.invoke(command, ["--test=schema"])
    (line,) = [line for line in ended.output.splitlines() if line.startswith('{"type":"SCHEMA"')]
    assert json.loads(line)["schema"]["properties"].keys() == Orders.schema["properties"].keys()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--version"], 0),
        (["--about"], 0),
        (["--about", "--format=json"], 0),
        (["--discover"], 0),
        (["--test=schema"], 0),
        (["--config=bad.json"], 1),
        (["--state=cut.json"], 1),
        (["--catalog=cut.json"], 1),
    ],
    ids=lambda value: " ".join(value) or "sync" if isinstance(value, list) else "",
)
def test_command_line_ends_without_traceback(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    result = runner.invoke(MemoryTap.get_singer_command(), arguments)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
