"""Options that do not exist, or not so; files that are no files of a tap."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from commerce_taps.input import cli
from tests.bad_input.conftest import SUBJECTS, end_of, of_one_tap

if TYPE_CHECKING:
    from tests.bad_input.conftest import Trial

TAP = SUBJECTS[0].tap

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
    end = end_of(TAP, arguments)
    assert (end.code, end.stdout) == (2, b"")
    assert "Error: " in capsys.readouterr().err


@of_one_tap
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_too_large_file_is_rejected(
    trial: Trial, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "MAX_FILE_BYTES", 10)
    path = trial.folder / "large.json"
    path.write_text(json.dumps({"streams": [], "more": "than ten"}))
    assert f"--{option}: {path} is larger than" in end_of(TAP, [f"--{option}={path}"]).sentence


@of_one_tap
def test_settings_are_read_from_pipe(trial: Trial) -> None:
    """As with `--config=<(…)` of a shell."""
    path = trial.folder / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(json.dumps(trial.config),))
    writer.start()
    end = end_of(TAP, [f"--config={path}", "--test=schema"])
    writer.join()
    assert end.code == 0
    assert end.stdout.startswith(b'{"type":"SCHEMA"')


@of_one_tap
def test_later_settings_file_wins(trial: Trial) -> None:
    for name, size in {"a": "many", "b": 7}.items():
        (trial.folder / name).write_text(json.dumps({**trial.config, "page_size": size}))
    a, b = (f"--config={trial.folder / name}" for name in ("a", "b"))
    assert end_of(TAP, [a, b, "--test=schema"]).code == 0
    assert "Setting `page_size`: 'many'" in end_of(TAP, [b, a, "--test=schema"]).sentence
