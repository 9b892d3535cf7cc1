"""Wrong options, and files that a tap cannot read."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from commerce_taps.input import cli
from tests.bad_input.support import TAPS, on_one_tap, run_cli

if TYPE_CHECKING:
    from tests.bad_input.support import TapRunner

TAP = TAPS[0].tap

USAGE = {
    "an option that is none": ["--nothing"],
    "an argument": ["nothing"],
    "an option without its value": ["--config"],
    "a value for none": ["--discover=yes"],
    "a test that is none": ["--test=many"],
    "a form that is none": ["--about", "--format=yaml"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_command_line_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    end = run_cli(TAP, arguments)
    assert (end.code, end.stdout) == (2, b"")
    assert "Error: " in capsys.readouterr().err


@on_one_tap
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_too_large_file_is_rejected(
    run: TapRunner, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "MAX_FILE_BYTES", 10)
    path = run.folder / "large.json"
    path.write_text(json.dumps({"streams": [], "more": "than ten"}))
    assert f"--{option}: {path} is larger than" in run_cli(TAP, [f"--{option}={path}"]).error


@on_one_tap
def test_settings_are_read_from_pipe(run: TapRunner) -> None:
    """As `--config=<(…)` in a shell does."""
    path = run.folder / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(json.dumps(run.config),))
    writer.start()
    end = run_cli(TAP, [f"--config={path}", "--test=schema"])
    writer.join()
    assert end.code == 0
    assert end.stdout.startswith(b'{"type":"SCHEMA"')


@on_one_tap
def test_later_settings_file_wins(run: TapRunner) -> None:
    for name, size in {"a": "many", "b": 7}.items():
        (run.folder / name).write_text(json.dumps({**run.config, "page_size": size}))
    a, b = (f"--config={run.folder / name}" for name in ("a", "b"))
    assert run_cli(TAP, [a, b, "--test=schema"]).code == 0
    assert "Setting `page_size`: 'many'" in run_cli(TAP, [b, a, "--test=schema"]).error
