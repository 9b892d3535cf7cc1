"""When a run writes its state, and that no bookmark moves back."""

from __future__ import annotations

import io
import json
import sys

import pytest

import commerce_taps.run
from commerce_taps.errors import TapStopped
from commerce_taps.http import Request
from commerce_taps.output import PageStateWriter, PageWriter
from tests.core.test_derived import LAST, run

pytestmark = pytest.mark.usefixtures("restore_process")

AHEAD = "2024-03-09T00:00:00Z"


def test_state_is_written_during_stream(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commerce_taps.run, "STATE_INTERVAL", -1.0)
    _, messages = run(capfd)
    kinds = [message["type"] for message in messages]
    last_record = max(number for number, kind in enumerate(kinds) if kind == "RECORD")
    assert "STATE" in kinds[:last_record]


def test_written_state_is_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
        PageStateWriter(PageWriter()).write_state({"bookmarks": {}})
        assert json.loads(raw.getvalue()) == {"type": "STATE", "value": {"bookmarks": {}}}


def test_bookmark_never_moves_back(capfd: pytest.CaptureFixture[str]) -> None:
    kept = {"replication_key": "changed", "replication_key_value": AHEAD}
    state = {"bookmarks": {"orders": dict(kept), "lines": dict(kept)}}
    tap, _ = run(capfd, state=state)
    assert tap.starts == [LAST.replace(day=9)]
    assert {one["replication_key_value"] for one in tap.state["bookmarks"].values()} == {AHEAD}


def test_stopped_run_sends_no_request(capfd: pytest.CaptureFixture[str]) -> None:
    tap, _ = run(capfd)
    with pytest.raises(SystemExit):
        tap.run.stop(TapStopped("nothing can be read"))
    with pytest.raises(TapStopped, match="the run has stopped"):
        tap.run.client.get(Request(("orders",), stream="orders"), bytes)
    assert not tap.run.client.requests
