"""Helpers: run the command line of every tap, in this process, with mistakes of a user.

A tap is one entry of `TAPS`. Its settings come from its own schema and from the sandbox, so the
tests cover a new setting without a change.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import signal
import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from typing_extensions import override

from commerce_taps.redact import redact
from tap_centra.tap import OWN, TapCentra
from tap_codat.tap import TapCodat
from tap_cscart.tap import TapCSCart
from tests.contract import Output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from commerce_taps.tap import HTTPTap
    from tests.contract import Record, State


@dataclass(frozen=True, eq=False)
class TapUnderTest:
    """A tap, with what the tests have to know of it.

    Attributes:
        tap: The tap.
        stream: A small incremental stream of the tap.
        api: Which API it reads, if its vendor has several.
        instead: Settings that replace another one, which then must be missing.
        others: Settings that only its other API has.
        examples: Values of settings that do not accept the usual example of their type.
    """

    tap: type[HTTPTap]
    stream: str
    api: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)
    others: Collection[str] = ()
    examples: Mapping[str, str] = field(default_factory=dict)

    @override
    def __str__(self) -> str:
        return f"{self.tap.name} ({self.api})" if self.api else self.tap.name

    @cached_property
    def schemas(self) -> dict[str, Record]:
        """The JSON Schema of each setting, those of the SDK among them."""
        schema: Record = self.tap.config_jsonschema
        self.tap.append_builtin_config(schema)
        return {name: one for name, one in schema["properties"].items() if name not in self.others}

    @cached_property
    def streams(self) -> list[Record]:
        """The streams of its catalog."""
        variables = {f"{self.prefix}API": self.api} if self.api else {}
        end = run_cli(self.tap, ["--config=ENV", "--discover"], variables=variables)
        found: list[Record] = json.loads(end.stdout)["streams"]
        return found

    @property
    def prefix(self) -> str:
        """The prefix of the tap's environment variables."""
        return f"{self.tap.name.upper().replace('-', '_')}_"

    def settings(self, sandbox: Sandbox) -> Record:
        """Return the settings for a sandbox."""
        prefix = f"{self.prefix}ORDER_" if self.api == "order" else self.prefix
        found: Record = {}
        for variable, text in sandbox.environment.items():
            schema = self.schemas.get(name := variable.removeprefix(prefix).lower())
            if schema is not None and variable.startswith(prefix):
                found[name] = text if "string" in schema["type"] else json.loads(text)
        return found


TAPS = (
    TapUnderTest(TapCodat, "commerce_tax_components", instead={"auth_header": "api_key"}),
    TapUnderTest(TapCSCart, "subscribers"),
    TapUnderTest(TapCentra, "vouchers", api="integration", others=OWN["order"]),
    TapUnderTest(
        *(TapCentra, "customers"),
        api="order",
        others=OWN["integration"],
        examples={"timezone": "Europe/Stockholm"},
    ),
)


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        code: The exit code.
        stdout: The output.
        records: The log records.
        before: The state that was passed to it.
    """

    code: int
    stdout: bytes
    records: list[logging.LogRecord]
    before: State

    @property
    def log(self) -> str:
        """The log as a text."""
        return "\n".join(record.getMessage() for record in self.records)

    def at(self, level: int) -> list[str]:
        """Return the messages logged at a level."""
        return [one.getMessage() for one in self.records if one.levelno == level]

    @cached_property
    def output(self) -> Output:
        """The output, checked against the contract of all taps."""
        return Output(self.stdout, self.before)

    @property
    def error(self) -> str:
        """The only message of a run that ended because of a mistake."""
        (error,) = self.at(logging.ERROR)
        assert (self.code, self.stdout) == (1, b""), error
        assert "Traceback" not in self.log
        assert "\n" not in error
        return error


class LogKeeper(logging.Handler):
    """Keeps all log records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def restored_process() -> Iterator[None]:
    """Restore what a tap changes in its process: logging, redaction and signals."""
    root = logging.getLogger()
    level, handlers, factory = root.level, root.handlers[:], logging.getLogRecordFactory()
    hook, forms = sys.excepthook, redact._forms
    signals = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.captureWarnings(capture=False)
        logging.setLogRecordFactory(factory)
        sys.excepthook, redact._forms = hook, forms
        for number, action in signals.items():
            signal.signal(number, action)


def run_cli(
    tap: type[HTTPTap],
    arguments: list[str],
    *,
    before: State | None = None,
    log_level: int = logging.INFO,
    variables: Mapping[str, str] | None = None,
) -> Result:
    """Run a tap's command line in this process, and restore the process.

    Any exception except `SystemExit` would be a traceback for the user, and fails the test.

    Args:
        tap: The tap.
        arguments: The arguments.
        before: The state that is passed to it.
        log_level: The lowest level that is logged.
        variables: The tap's environment variables.
    """
    handler = LogKeeper()
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="utf-8")
    others = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    with restored_process(), patch.dict(os.environ, {**others, **(variables or {})}, clear=True):
        logging.getLogger().setLevel(log_level)
        logging.getLogger().addHandler(handler)
        with redirect_stdout(stdout), pytest.raises(SystemExit) as end:
            tap.get_singer_command().main(arguments, tap.name)
    stdout.flush()
    return Result(int(end.value.code or 0), written.getvalue(), handler.records, before or {})


PLAIN: dict[TapUnderTest, Output] = {}


@dataclass(frozen=True)
class TapRunner:
    """Runs one tap against the sandbox, with mistakes of a user.

    Attributes:
        tested: The tap.
        config: Valid settings.
        folder: The folder for files.
    """

    tested: TapUnderTest
    config: Record
    folder: Path

    def __call__(
        self,
        config: Record | None = None,
        *extra: str,
        state: Any = None,  # noqa: ANN401 (JSON)
        catalog: Any = None,  # noqa: ANN401 (JSON)
    ) -> Result:
        """Run the tap.

        Args:
            config: The settings; valid ones by default.
            extra: Further arguments.
            state: The content of the state file: text, bytes, or a value to encode.
            catalog: The content of the catalog file, likewise; by default it selects one stream.
        """
        files = {
            "config": self.config if config is None else config,
            "state": state,
            "catalog": self.catalog() if catalog is None else catalog,
        }
        arguments = [*extra]
        for option, content in files.items():
            if content is None:
                continue
            path = self.folder / f"{option}.json"
            text = content if isinstance(content, (str, bytes)) else json.dumps(content)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            arguments.append(f"--{option}={path}")
        before = copy.deepcopy(state) if isinstance(state, dict) else {}
        return run_cli(self.tested.tap, arguments, before=before)

    @property
    def plain(self) -> Output:
        """The output of a run without mistakes, which is always the same."""
        if self.tested not in PLAIN:
            PLAIN[self.tested] = self().output
        return PLAIN[self.tested]

    def catalog(self) -> Record:
        """Make a catalog of two streams, of which the first is selected."""
        streams = {entry["tap_stream_id"]: entry for entry in self.tested.streams}
        own = copy.deepcopy(streams.pop(self.tested.stream))
        other = copy.deepcopy(next(iter(streams.values())))
        root(own)["selected"], root(other)["selected"] = True, False
        return {"streams": [own, other]}


def root(entry: Record) -> Record:
    """Return the metadata of a catalog's entry about its stream."""
    found: Record
    (found,) = [place["metadata"] for place in entry["metadata"] if not place["breadcrumb"]]
    return found


on_one_tap = pytest.mark.parametrize("run", TAPS[:1], indirect=True, ids=str)
"""Runs a test on one tap only, because all taps share the code."""
