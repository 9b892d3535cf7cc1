"""What a user may get wrong, tried on every tap: its command line, in this process.

A tap is one line of `SUBJECTS`. Its settings come from its own schema and from the sandbox, so a
setting that is added is tried without anybody saying so.
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

from commerce_sandbox import Sandbox
from commerce_taps import http
from commerce_taps.redact import redact
from tap_centra.tap import OWN, TapCentra
from tap_codat.tap import TapCodat
from tap_cscart.tap import TapCSCart
from tests.contract import Output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from commerce_taps.tap import HTTPTap
    from tests.contract import Record, State


@dataclass(frozen=True, eq=False)
class Subject:
    """A tap to try.

    Attributes:
        tap: The tap.
        stream: A small stream of it that is read by its changes.
        api: The API it reads, where its vendor has several.
        instead: Settings that stand for another one, which then must not be given.
        others: Settings that its other API alone has.
        examples: Values of settings that take none of those that others of their kind do.
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
        end = end_of(self.tap, ["--config=ENV", "--discover"], variables=variables)
        found: list[Record] = json.loads(end.stdout)["streams"]
        return found

    @property
    def prefix(self) -> str:
        """What the names of the tap's variables begin with."""
        return f"{self.tap.name.upper().replace('-', '_')}_"

    def settings(self, sandbox: Sandbox) -> Record:
        """Give the settings with which it reads a sandbox."""
        prefix = f"{self.prefix}ORDER_" if self.api == "order" else self.prefix
        found: Record = {}
        for variable, text in sandbox.environment.items():
            schema = self.schemas.get(name := variable.removeprefix(prefix).lower())
            if schema is not None and variable.startswith(prefix):
                found[name] = text if "string" in schema["type"] else json.loads(text)
        return found


SUBJECTS = (
    Subject(TapCodat, "commerce_tax_components", instead={"auth_header": "api_key"}),
    Subject(TapCSCart, "subscribers"),
    Subject(TapCentra, "vouchers", api="integration", others=OWN["order"]),
    Subject(
        *(TapCentra, "customers"),
        api="order",
        others=OWN["integration"],
        examples={"timezone": "Europe/Stockholm"},
    ),
)


@dataclass(frozen=True)
class End:
    """How a run ended.

    Attributes:
        code: Its exit code.
        stdout: What it wrote.
        records: What it logged.
        before: The state it was given.
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
        """Give what was logged at a level."""
        return [one.getMessage() for one in self.records if one.levelno == level]

    @cached_property
    def output(self) -> Output:
        """The output, which keeps the contract."""
        return Output(self.stdout, self.before)

    @property
    def sentence(self) -> str:
        """What the user is told of a run that was refused: one sentence, and nothing else."""
        (told,) = self.at(logging.ERROR)
        assert (self.code, self.stdout) == (1, b""), told
        assert "Traceback" not in self.log
        assert "\n" not in told
        return told


class Keeping(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def undone() -> Iterator[None]:
    """Undo what a tap does to its process: it expects to have one of its own."""
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


def end_of(
    tap: type[HTTPTap],
    arguments: list[str],
    *,
    before: State | None = None,
    log_level: int = logging.INFO,
    variables: Mapping[str, str] | None = None,
) -> End:
    """Run a tap's command line in this process, leaving no trace in it.

    Anything it raises but `SystemExit` is a traceback to its user, and fails the test.

    Args:
        tap: The tap.
        arguments: The command line.
        before: The state it is given.
        log_level: The level from which it logs.
        variables: The environment, besides what does not set the tap.
    """
    handler = Keeping()
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="utf-8")
    others = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    with undone(), patch.dict(os.environ, {**others, **(variables or {})}, clear=True):
        logging.getLogger().setLevel(log_level)
        logging.getLogger().addHandler(handler)
        with redirect_stdout(stdout), pytest.raises(SystemExit) as end:
            tap.get_singer_command().main(arguments, tap.name)
    stdout.flush()
    return End(int(end.value.code or 0), written.getvalue(), handler.records, before or {})


PLAIN: dict[Subject, Output] = {}


@dataclass(frozen=True)
class Trial:
    """Runs one tap against the sandbox with what a user may have got wrong.

    Attributes:
        subject: The tap.
        config: The settings that work.
        folder: Where files are put.
    """

    subject: Subject
    config: Record
    folder: Path

    def __call__(
        self,
        config: Record | None = None,
        *extra: str,
        state: Any = None,  # noqa: ANN401 (JSON)
        catalog: Any = None,  # noqa: ANN401 (JSON)
    ) -> End:
        """Run the tap.

        Args:
            config: The settings; those that work if none.
            extra: More of the command line.
            state: What the state file holds, as text, as bytes, or as what becomes its JSON.
            catalog: What the catalog file holds, likewise; only the subject's stream if none.
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
        return end_of(self.subject.tap, arguments, before=before)

    @property
    def plain(self) -> Output:
        """What a run brings that got nothing wrong: every time the same."""
        if self.subject not in PLAIN:
            PLAIN[self.subject] = self().output
        return PLAIN[self.subject]

    def catalog(self) -> Record:
        """Make a catalog that selects the subject's stream, and not another one."""
        streams = {entry["tap_stream_id"]: entry for entry in self.subject.streams}
        own = copy.deepcopy(streams.pop(self.subject.stream))
        other = copy.deepcopy(next(iter(streams.values())))
        root(own)["selected"], root(other)["selected"] = True, False
        return {"streams": [own, other]}


def root(entry: Record) -> Record:
    """Give what a catalog's entry says of its stream."""
    found: Record
    (found,) = [place["metadata"] for place in entry["metadata"] if not place["breadcrumb"]]
    return found


of_one_tap = pytest.mark.parametrize("trial", SUBJECTS[:1], indirect=True, ids=str)
"""Tries on one tap only what no tap has a part in."""


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A small sandbox whose data no test changes."""
    with Sandbox(scale=0.01) as running:
        yield running


@pytest.fixture(params=SUBJECTS, ids=str)
def trial(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Trial:
    """Runs each of the taps, which repeats a request at once."""
    monkeypatch.setattr(http, "FIRST_BACKOFF", 0.001)
    return Trial(request.param, request.param.settings(sandbox), tmp_path)
