"""The command line, as processes of their own: the user's mistakes, and no secret in any of them.

Every process logs at the level DEBUG and has a key that would be recognised anywhere. Each is run
once, and looked at by two tests. `tests/bad_input` tries every setting and every file of each tap
in one process; here are a few of each, for what a process of its own makes of them.
"""

from __future__ import annotations

import base64
import json
import re
import socket
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from tests.codat.support import KINDS, catalog, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from tests.codat.support import Processes, Taps
    from tests.contract import Record
    from tests.runs import Run

KEY = "Canary/key+9? & more=%"
HEADER = f"Basic {base64.b64encode(b'Other~canary').decode()}"


def forms(secret: str) -> set[str]:
    """Give the forms in which a secret could be printed."""
    encoded = base64.b64encode(secret.encode()).decode()
    return {
        *(secret, quote(secret), quote(secret, safe=""), quote_plus(secret)),
        *(encoded, encoded.rstrip("="), quote(encoded, safe="")),
        *(json.dumps(secret)[1:-1], repr(secret)[1:-1]),
    }


CANARIES = forms(KEY) | forms(HEADER) | forms("Other~canary")


@dataclass(frozen=True)
class Mistake:
    """Something a user gets wrong.

    Attributes:
        message: What the one message contains.
        settings: Settings besides the address and the key; `None` takes one away.
        files: Options of the command line and what is in their file; `None` for no such file.
        variables: Settings given in the environment.
    """

    message: str
    settings: Record = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


FOREIGN_STATE = '{"bookmarks": {"issues": {"replication_key_value": "2024-01-01T00:00:00Z"}}}'

SETTINGS = {
    "no key": Mistake("Setting `api_key` is missing: give the key", {"api_key": None}),
    "both keys": Mistake("`api_key` and `auth_header` are two forms", {"auth_header": HEADER}),
    "a key with a line end inside": Mistake(
        "Setting `api_key` holds characters that no key has", {"api_key": f"{KEY}\n{KEY}"}
    ),
    "a date as a number": Mistake(
        "Setting `start_date` is not a date: '20240131'. Write it as 2024-01-31",
        {"start_date": 20240131},
    ),
    "a number in the environment": Mistake(
        "`page_size`", variables={"TAP_CODAT_PAGE_SIZE": "many"}
    ),
    "no ids": Mistake("Setting `company_ids` is empty", {"company_ids": []}),
}
FILES = {
    "no config": Mistake("--config: .*no-such-file.json", files={"config": None}),
    "config cut short": Mistake(
        "--config: .* is not JSON", files={"config": f'{{"api_key": "{KEY}'}
    ),
    "state of another tap": Mistake("belongs to another tap", files={"state": FOREIGN_STATE}),
    "state cut short": Mistake(
        "--state: .* is not JSON .*truncated", files={"state": FOREIGN_STATE[:40]}
    ),
    "empty state": Mistake("--state: .* is not JSON .*empty", files={"state": ""}),
}
RESPONSES = {
    "another key": Mistake("Stopped: companies: Codat does not accept the key"),
    "another header": Mistake(
        "copy the key again: `api_key` .* `auth_header`", {"api_key": None, "auth_header": HEADER}
    ),
    "another path": Mistake("Stopped: .*`api_url`", {"api_url": "{sandbox}/elsewhere"}),
    "another program": Mistake("Stopped: .*", {"api_url": "{sandbox}"}),
    "unknown company": Mistake(
        r"Stopped: companies: no response .127\.0\.0\.1: .*ConnectionError.: check the network",
        {"api_url": "{closed}", "max_retries": 1},
    ),
    "no such company": Mistake(
        "Stopped: .*Setting `company_ids`: the key sees none with the id unknown",
        {"api_key": "{key}", "company_ids": ["unknown"]},
    ),
    "no such connection": Mistake(
        "Stopped: .*Setting `connection_ids`: the key sees none with the id nothing",
        {"api_key": "{key}", "connection_ids": ["nothing"]},
    ),
}
MISTAKES = {**SETTINGS, **FILES, **RESPONSES}


@pytest.fixture(scope="module")
def ends(
    _shared: Sandbox, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Run]:
    """Gives how the process with a mistake ended, by the mistake's name."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed_port = taken.getsockname()[1]
    places = {
        "{sandbox}": _shared.url,
        "{closed}": f"http://127.0.0.1:{closed_port}",
        "{key}": _shared.api_key,
    }

    @cache
    def end(name: str) -> Run:
        mistake, folder = MISTAKES[name], tmp_path_factory.mktemp("mistake")
        settings = settings_for(_shared) | {"api_key": KEY} | mistake.settings
        config = json.dumps({k: v for k, v in settings.items() if v is not None})
        for place, value in places.items():
            config = config.replace(place, value)
        arguments = ["--config=ENV"] if mistake.variables else []
        for option, content in {"config": config, **mistake.files}.items():
            path = folder / ("no-such-file.json" if content is None else f"{option}.json")
            if content is not None:
                path.write_text(content, encoding="utf-8")
            arguments.append(f"--{option}={path}")
        return processes(*arguments, LOGLEVEL="DEBUG", **mistake.variables)

    return end


each_mistake = pytest.mark.parametrize("name", MISTAKES)


@each_mistake
def test_user_mistake_ends_in_one_message(ends: Callable[[str], Run], name: str) -> None:
    ended = ends(name)
    messages = [line for line in ended.log.splitlines() if "| ERROR " in line]
    assert len(messages) == 1, ended.log
    assert re.search(MISTAKES[name].message, messages[0])
    assert "Traceback" not in ended.log
    assert ended.code == 1
    assert b'"RECORD"' not in ended.stdout


@each_mistake
def test_about_prints_no_secret(ends: Callable[[str], Run], name: str, sandbox: Sandbox) -> None:
    ended = ends(name)
    for secret in CANARIES | forms(sandbox.api_key):
        assert secret not in ended.log
        assert secret.encode() not in ended.stdout


# --- logs of another form -----------------------------------------------------------------------

STRUCTURED = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"structured": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {"default": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"level": "DEBUG", "handlers": ["default"]},
}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": KEY}, "Codat does not accept the key"),
        ({"api_key": [KEY]}, "Setting `api_key` must be a string"),
        # It does not parse, and the SDK quotes it.
        ({"api_key": KEY, "stream_maps": {"companies": {"name": f"{KEY} +"}}}, "`stream_maps`"),
    ],
    ids=["another key", "a key in a list", "a key in a map"],
)
def test_structured_logs_are_json_without_secrets(
    processes: Processes, sandbox: Sandbox, tmp_path: Path, settings: Record, message: str
) -> None:
    logging = tmp_path / "logging.json"
    logging.write_text(json.dumps(STRUCTURED))
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings_for(sandbox) | settings))
    ended = processes(f"--config={config}", SINGER_SDK_LOG_CONFIG=str(logging))
    assert ended.code == 1
    messages = [json.loads(line)["message"] for line in ended.log.splitlines() if line[:1] == "{"]
    assert any(message in line for line in messages)
    assert not [secret for secret in CANARIES if secret in ended.log]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOGLEVEL", "verbose"),
        ("TAP_CODAT_LOGLEVEL", "7"),
        ("SINGER_SDK_LOG_CONFIG", ""),
        ("SINGER_SDK_LOG_CONFIG", "text"),
        ("SINGER_SDK_LOG_CONFIG", "broken"),
        ("SINGER_SDK_LOG_CONFIG", "unknown"),
    ],
)
def test_invalid_logging_config_ends_in_one_message(
    processes: Processes, tmp_path: Path, variable: str, value: str
) -> None:
    files = {"text": "no configuration", "broken": "{[", "unknown": '{"version": 2}'}
    if value in files:
        path = tmp_path / value
        path.write_text(files[value])
        value = str(path)
    ended = processes("--discover", **{variable: value})
    (messages,) = ended.log.splitlines()
    assert messages.startswith("tap-codat: logging cannot be set up (")
    assert messages.endswith("check the variables `LOGLEVEL` and `SINGER_SDK_LOG_CONFIG`.")
    assert (ended.code, ended.stdout) == (1, b"")


# --- settings -----------------------------------------------------------------------------------


def test_unknown_setting_is_reported_and_ignored(run: Taps, sandbox: Sandbox) -> None:
    ended = run(sandbox, catalog=catalog(companies=None), page_sise=7)
    assert ended.code == 0
    assert (
        "Setting `page_sise` is not known and has no effect. Did you mean `page_size`?" in ended.log
    )


def test_settings_of_every_type_come_from_environment(
    processes: Processes, sandbox: Sandbox, tmp_path: Path
) -> None:
    company = sandbox.truth("connections")[0]["companyId"]
    (tmp_path / "catalog.json").write_text(json.dumps(catalog(connections=None)))
    ended = processes(
        "--config=ENV",
        f"--catalog={tmp_path / 'catalog.json'}",
        TAP_CODAT_API_URL=sandbox.codat_url,
        TAP_CODAT_API_KEY=f" {sandbox.api_key} ",
        TAP_CODAT_AUTH_HEADER="",
        TAP_CODAT_COMPANY_IDS=json.dumps([company]),
        TAP_CODAT_PAGE_SIZE="7",
        TAP_CODAT_REQUEST_TIMEOUT="9.5",
        TAP_CODAT_MAX_RETRIES="",
        TAP_CODAT_SKIP_UNCHANGED="no",
        TAP_CODAT_USER_AGENT="test/1.0",
    )
    assert ended.code == 0
    assert {key[0] for key in ended.output.keys("connections")} == {company}
    requests = sandbox.requests[-1]
    assert (requests.query["pageSize"], requests.headers["user-agent"]) == ("7", "test/1.0")


def test_auth_header_is_sent_unchanged(run: Taps, sandbox: Sandbox) -> None:
    header = f"Basic {base64.b64encode(sandbox.api_key.encode()).decode()}"
    assert run(sandbox, catalog=catalog(companies=None), api_key=None, auth_header=header).code == 0


# --- what needs neither settings nor network ----------------------------------------------------

# Every request fails.
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--discover"], '"tap_stream_id":"commerce_orders"'),
        (["--about"], "tap-codat"),
        (["--about", "--format=markdown"], "| api_key"),
        (["--about", "--format=json"], '"name": "tap-codat"'),
        (["--version"], "tap-codat v"),
        (["--help"], "--discover"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_about_needs_no_settings(processes: Processes, arguments: list[str], message: str) -> None:
    ended = processes(*arguments, **NO_NETWORK)
    assert ended.code == 0
    assert message in ended.stdout.decode()
    assert not re.search("ERROR|Traceback", ended.log)


def test_about_in_json_is_valid(processes: Processes) -> None:
    about = json.loads(processes("--about", "--format=json").stdout)
    properties = about["settings"]["properties"]
    assert {name for name, one in properties.items() if one.get("secret")} == {
        "api_key",
        "auth_header",
    }
    assert not [name for name, one in properties.items() if not one.get("description")]
    streams = json.loads(processes("--discover").stdout)["streams"]
    assert [one["tap_stream_id"] for one in streams] == sorted(KINDS)


def test_test_option_reports_reachable_streams(
    processes: Processes, run: Taps, sandbox: Sandbox
) -> None:
    ended = processes(*run.arguments(config=settings_for(sandbox)), "--test")
    messages = ended.stdout.decode()
    assert ended.code == 0
    assert f"The key is accepted. Companies: {len(sandbox.truth('companies'))}" in messages
    for stream in KINDS:
        assert re.search(rf"^{stream} +reachable", messages, re.MULTILINE)


def test_test_option_reports_unreachable_streams(
    processes: Processes, run: Taps, sandbox: Sandbox
) -> None:
    sandbox.override("/data/commerce-orders", status=403)
    ended = processes(*run.arguments(config=settings_for(sandbox)), "--test")
    assert ended.code == 1
    assert re.search(
        r"^commerce_orders +NOT reachable: the key may not read this",
        ended.stdout.decode(),
        re.MULTILINE,
    )


def test_test_option_with_wrong_key_ends_in_one_message(
    processes: Processes, run: Taps, sandbox: Sandbox
) -> None:
    ended = processes(*run.arguments(config=settings_for(sandbox) | {"api_key": KEY}), "--test")
    assert ended.code == 1
    assert ended.log.count("Codat does not accept the key (") == 1
    assert "Traceback" not in ended.log
    assert KEY not in ended.log
