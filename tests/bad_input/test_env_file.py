"""`.env`: where the tap finds it, how it parses it, and which settings win over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from commerce_sandbox import Sandbox
from tests.bad_input.support import TAPS, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Stream

    from tests.bad_input.support import Result, TapUnderTest
    from tests.contract import Record

CODAT = TAPS[0]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, two levels deep."""
    inner = tmp_path / "project" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    return inner


def settings(tested: TapUnderTest, *arguments: str, **variables: str) -> tuple[Result, Record]:
    """Run a tap that makes no requests. Returns the result and the accepted settings."""
    taken: Record = {}

    class Watched(tested.tap):  # type: ignore[name-defined,misc]
        def discover_streams(self) -> list[Stream]:
            taken.update(self.config)
            return [one for one in super().discover_streams() if one.name == tested.stream]

    return run_cli(Watched, [*arguments, "--test=schema"], variables=variables), taken


READ: dict[str, tuple[bytes, dict[str, Any]]] = {
    "plain": (b"TAP_CODAT_API_KEY=k\nTAP_CODAT_PAGE_SIZE=7\n", {"page_size": 7}),
    "byte order mark": (b"\xef\xbb\xbfTAP_CODAT_API_KEY=k", {"api_key": "k"}),
    "line ends of Windows": (b"TAP_CODAT_API_KEY=k\r\nTAP_CODAT_PAGE_SIZE=7\r\n", {"page_size": 7}),
    "quotes": (b"TAP_CODAT_API_KEY='k $x' # no\nTAP_CODAT_USER_AGENT=\"a b\"", {"api_key": "k $x"}),
    "exports": (b"export TAP_CODAT_API_KEY=k", {"api_key": "k"}),
    "comments": (b"# TAP_CODAT_PAGE_SIZE=7\nTAP_CODAT_API_KEY=k # the key", {"api_key": "k"}),
    "a key twice": (b"TAP_CODAT_API_KEY=a\nTAP_CODAT_API_KEY=b", {"api_key": "b"}),
    "an equals sign": (b"TAP_CODAT_API_KEY=a=b==", {"api_key": "a=b=="}),
    "a variable": (b"X=k\nTAP_CODAT_API_KEY=${X}-${Y:-y}", {"api_key": "k-y"}),
    "an exported variable": (b"KEY=no\nTAP_CODAT_API_KEY=${KEY}", {"api_key": "exported"}),
    "a name alone": (b"TAP_CODAT_PAGE_SIZE\nTAP_CODAT_API_KEY=k", {"page_size": 2000}),
    "an empty value": (b"TAP_CODAT_PAGE_SIZE=\nTAP_CODAT_API_KEY=k", {"page_size": 2000}),
    "a list": (b'TAP_CODAT_API_KEY=k\nTAP_CODAT_COMPANY_IDS=["a"]', {"company_ids": ["a"]}),
    "letters": ("TAP_CODAT_API_KEY=k\nTAP_CODAT_COMPANY_IDS=ü".encode(), {"company_ids": ["ü"]}),
    "lines that are none": (b"what is this\nTAP_CODAT_API_KEY=k\n'open", {"api_key": "k"}),
}  # fmt: skip


@pytest.mark.parametrize(("content", "taken"), READ.values(), ids=READ)
def test_env_file_follows_dotenv_rules(folder: Path, content: bytes, taken: Record) -> None:
    (folder / ".env").write_bytes(content)
    end, found = settings(CODAT, "--config=ENV", KEY="exported")
    assert end.code == 0, end.log
    assert found.items() >= taken.items()


@pytest.mark.parametrize("tested", TAPS, ids=str)
def test_exported_variable_wins_over_env_file(tested: TapUnderTest, folder: Path) -> None:
    example = Path(__file__).parents[2].joinpath(".env.example").read_text(encoding="utf-8")
    name = f"{tested.prefix}START_DATE"
    (folder / ".env").write_text(f"{example}\n{name}=2001-01-01\n{tested.prefix}MAX_RETRIES=3\n")
    _, found = settings(tested, "--config=ENV", **{name: "2002-02-02"}, **needed(tested))
    assert (found["start_date"], found["max_retries"]) == ("2002-02-02", 3)


def needed(tested: TapUnderTest) -> dict[str, str]:
    """Return the variables of required settings."""
    given = {
        "API": tested.api or None,
        "API_KEY": "k" if "api_key" in tested.schemas else None,
        "TOKEN": "k" if "token" in tested.schemas else None,
        "EMAIL": "e" if "email" in tested.schemas else None,
        "TIMEZONE": "UTC" if "timezone" in tested.schemas else None,
        "BASE_URL": "https://localhost" if "base_url" in tested.schemas else None,
        "STORE_URL": "https://localhost" if "store_url" in tested.schemas else None,
    }
    return {f"{tested.prefix}{name}": value for name, value in given.items() if value}


def test_env_file_of_another_folder_is_ignored(folder: Path) -> None:
    for other in (folder.parent, folder.parent.parent):
        (other / ".env").write_text("TAP_CODAT_API_KEY=another")
    end, _ = settings(CODAT, "--config=ENV")
    assert "`api_key` is missing" in end.error


def test_environment_is_read_without_config(folder: Path) -> None:
    (folder / ".env").write_text("TAP_CODAT_API_KEY=k\nTAP_CODAT_PAGE_SIZE=7")
    end, found = settings(CODAT, TAP_CODAT_PAGE_SIZE="8")
    assert (end.code, found["api_key"], found["page_size"]) == (0, "k", 8)


def test_environment_wins_over_settings_file(
    folder: Path,
) -> None:
    (folder / ".env").write_text("TAP_CODAT_PAGE_SIZE=7")
    (folder / "config.json").write_text(json.dumps({"api_key": "k", "page_size": 9}))
    _, found = settings(CODAT, "--config=config.json", TAP_CODAT_API_KEY="exported")
    assert (found["api_key"], found["page_size"]) == ("k", 9)
    _, found = settings(CODAT, "--config=ENV", "--config=config.json")
    assert (found["api_key"], found["page_size"]) == ("k", 7)


REJECTED = {
    "Latin-1": (".env is not UTF-8", "TAP_CODAT_API_KEY=Schlüssel".encode("latin-1")),
    "UTF-16": (".env is not UTF-8", "TAP_CODAT_API_KEY=k".encode("utf-16")),
    "NUL": (".env sets a value that no variable can hold", b"TAP_CODAT_API_KEY=a\0b"),
    "a name": (".env sets a value that no variable can hold", b"'a=b'=c\nTAP_CODAT_API_KEY=k"),
}


@pytest.mark.parametrize(("message", "content"), REJECTED.values(), ids=REJECTED)
def test_invalid_env_file_is_rejected(folder: Path, message: str, content: bytes) -> None:
    (folder / ".env").write_bytes(content)
    end, _ = settings(CODAT)
    assert message in end.error


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that cannot be read")
def test_unreadable_env_file_is_rejected(folder: Path) -> None:
    (folder / ".env").symlink_to("/proc/self/mem")
    end, _ = settings(CODAT)
    assert ".env cannot be read (Input/output error)" in end.error


def test_folder_named_env_is_ignored(folder: Path) -> None:
    """`.env` was once a common name for virtual environments."""
    (folder / ".env").mkdir()
    end, _ = settings(CODAT, TAP_CODAT_API_KEY="k")
    assert end.code == 0


# --- commerce-sandbox exec ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[Sandbox]:
    """A sandbox as the user's real API, whose key is in `.env`."""
    with Sandbox(scale=0.04, api_key="The/real+key=9") as running:
        yield running


STREAMS = {
    "tap-codat": "companies",
    "tap-centra": "vouchers",
    "tap-cscart": "taxes",
}


@pytest.mark.parametrize(
    ("tap", "way"), [*((tap, "file") for tap in STREAMS), ("tap-codat", "exported")]
)
def test_exec_never_reads_the_real_api(tap: str, way: str, folder: Path, real: Sandbox) -> None:
    (tested,) = (one for one in TAPS if one.tap.name == tap and one.api != "order")
    variables = {
        **real.environment,
        "TAP_CODAT_AUTH_HEADER": "Basic The/real+key=9",
        "TAP_CENTRA_API": "order",
        "TAP_CENTRA_API_KEY": "The/real+key=9",
        "TAP_CENTRA_TIMEZONE": "UTC",
    }
    catalog = {"streams": [one for one in tested.streams if one["tap_stream_id"] == STREAMS[tap]]}
    if way == "file":
        lines = [f"{name}='{value}'\n" for name, value in variables.items()]
        lines += [f"{tested.prefix}START_DATE=2999-01-01\n"]
        (folder / ".env").write_text("".join(lines))
        variables = {}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    real.clear_requests()
    others = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "commerce_sandbox", "exec", "--scale=0.04", "--"),
            *(sys.executable, "-m", tap.replace("-", "_"), "--catalog=catalog.json"),
        ],
        env={**others, **variables, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert '"type":"RECORD"' in ran.stdout
    assert not real.requests
    assert "The/real+key=9" not in ran.stderr
    assert "in the future" not in ran.stderr
