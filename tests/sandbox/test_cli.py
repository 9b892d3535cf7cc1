"""The command line, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from commerce_sandbox import Sandbox
from tests.sandbox.support import run_command_line

if TYPE_CHECKING:
    from pathlib import Path

SANDBOX = (sys.executable, "-m", "commerce_sandbox")
SMALL = ("--scale", "0.1")
# Prints that it is ready, then waits for a signal.
CHILD = """
import signal, sys
def end(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(40 + number)
for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(one, end)
print("ready", flush=True)
signal.pause()
"""


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*SANDBOX, *arguments),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def test_exec_environment_points_every_tap_at_sandbox() -> None:
    program = """
import base64, json, os, urllib.request
url, key = os.environ["TAP_CODAT_API_URL"], os.environ["TAP_CODAT_API_KEY"]
header = {"Authorization": "Basic " + base64.b64encode(key.encode()).decode()}
request = urllib.request.Request(url + "/companies", headers=header)
print(json.load(urllib.request.urlopen(request))["totalResults"])
assert url == os.environ["COMMERCE_SANDBOX_URL"] + "/codat"
control = os.environ["COMMERCE_SANDBOX_URL"] + "/_control/truth/companies"
print(len(urllib.request.urlopen(control).read().splitlines()))
"""
    ran = _run("exec", *SMALL, "--", sys.executable, "-c", program)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["12", "12"]


@pytest.mark.parametrize("code", [0, 7])
def test_exec_returns_exit_code_of_command(code: int) -> None:
    assert _run("exec", *SMALL, "--", "sh", "-c", f"exit {code}").returncode == code


def test_exec_command_killed_by_signal_returns_shell_code() -> None:
    assert _run("exec", *SMALL, "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_exec_passes_own_option_names_to_command() -> None:
    ran = _run("exec", *SMALL, "--", "printf", "%s ", "--seed", "--", "-h")
    assert ran.stdout == "--seed -- -h "


def test_exec_command_that_cannot_run_is_named(tmp_path: Path) -> None:
    ran = _run("exec", *SMALL, "--", "no-such-command")
    assert ran.returncode == 127
    assert "no-such-command" in ran.stderr
    plain = tmp_path / "plain"
    plain.write_text("")
    ran = _run("exec", *SMALL, "--", str(plain))
    assert ran.returncode == 126
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_exec_signal_reaches_command(name: str) -> None:
    number = signal.Signals[name]
    with subprocess.Popen(
        (*SANDBOX, "exec", *SMALL, "--", sys.executable, "-c", CHILD),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == f"got {name}\n"
        assert process.wait(60) == 40 + number


def test_serve_prints_settings_of_every_tap_until_interrupted() -> None:
    with subprocess.Popen(
        (*SANDBOX, "serve", *SMALL, "--port", "0"), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[-1]
        assert line == f"commerce-sandbox is ready at {url}\n"
        assert requests.get(f"{url}/codat/companies", timeout=30).status_code == 401
        assert requests.get(f"{url}/_control/truth/companies", timeout=30).status_code == 200
        process.send_signal(signal.SIGINT)
        block = process.stdout.read()
        assert process.wait(60) == 0
    printed = subprocess.run(
        ("/bin/sh", "-c", f"{block}\nexec env -0"), env={}, capture_output=True, check=True
    ).stdout.decode()
    variables = dict(one.split("=", 1) for one in printed.split("\0") if one.startswith("TAP_"))
    with Sandbox(scale=0.1) as sandbox:
        expected = {
            name: value.replace(sandbox.url, url)
            for name, value in sandbox.environment.items()
            if name.startswith("TAP_")
        }
    assert variables == expected
    for api in ("codat", "centra", "cscart"):
        assert f"# {url}/{api}\n" in block
        assert any(name.startswith(f"TAP_{api.upper()}_") for name in variables)


def test_serve_interrupted_while_client_waits_prints_nothing() -> None:
    with subprocess.Popen(
        (*SANDBOX, "serve", *SMALL, "--port", "0", "--latency-ms", "3600000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[-1]
        port = int(url.rpartition(":")[2])
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            client.sendall(b"GET /codat/companies HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not requests.get(f"{url}/_control/requests", timeout=30).json():
                pass
            process.send_signal(signal.SIGINT)
            assert (process.stderr.read(), process.wait(60)) == ("", 0)
            assert client.recv(1) == b""


def test_serve_port_in_use_is_reported(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    ran = _run("serve", *SMALL, "--port", port)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "in use" in ran.stderr


def test_truth_is_same_in_every_process() -> None:
    """Neither the hash seed nor earlier reads change it."""
    one = _run("truth", "commerce_orders", *SMALL, PYTHONHASHSEED="1")
    other = _run("truth", "commerce_orders", *SMALL, PYTHONHASHSEED="2")
    assert one.stdout == other.stdout
    with Sandbox(scale=0.1) as sandbox:
        sandbox.truth("commerce_products")
        here = sandbox.truth_lines("commerce_orders")
    assert one.stdout.encode().splitlines() == here


def test_seed_and_scale_change_data(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    outputs = []
    for arguments in (SMALL, (*SMALL, "--seed", "8"), ("--scale", "0.2")):
        assert run_command_line("truth", "companies", *arguments) == 0
        outputs.append(capfdbinary.readouterr().out.splitlines())
    assert [len(truths) for truths in outputs] == [12, 12, 24]
    assert not set(outputs[0]) & set(outputs[1])


def test_streams_prints_every_name(capsys: pytest.CaptureFixture[str], sandbox: Sandbox) -> None:
    assert run_command_line("streams") == 0
    assert tuple(capsys.readouterr().out.split()) == sandbox.streams
    assert sum(name.startswith("codat.") for name in sandbox.streams) == 21


def test_truth_unknown_stream_lists_streams(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line("truth", "nothing") == 2
    assert "commerce_orders" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["exec"],
        ["serve", "--port", "65536"],
        ["serve", "--faults", "many"],
        ["serve", "--scale", "0"],
        ["serve", "--scale", "nan"],
        ["serve", "--codat-spec", "no-such-file"],
        ["truth"],
        ["truth", "companies", "--codat-spec", __file__],
    ],
)
def test_wrong_usage_exits_2_with_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(*arguments) == 2
    assert "Usage: " in capsys.readouterr().err


def test_truth_codat_spec_prints_its_examples(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    content = {"application/json": {"examples": {"Till": {"value": {"results": [{"id": "ü"}]}}}}}
    path = "/companies/{companyId}/connections/{connectionId}/data/commerce-orders"
    spec = tmp_path / "spec.json"
    responses = {"200": {"content": content}}
    spec.write_text(json.dumps({"paths": {path: {"get": {"responses": responses}}}}))
    assert run_command_line("truth", "commerce_orders", "--codat-spec", str(spec)) == 0
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert json.loads(line)["id"] == "ü"


def test_truth_closed_pipe_exits_quietly() -> None:
    with subprocess.Popen(
        (*SANDBOX, "truth", "commerce_orders", *SMALL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == ("", 1)
