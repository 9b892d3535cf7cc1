"""The steps of docs/add-a-stream.md add a stream that is generated, documented and read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from typing_extensions import override

from tests.docs.support import JsonHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY: Final = "an-api-key-of-codat"
ACCOUNTS: Final = [
    {
        "id": f"account-{number}",
        "name": f"Account {number}",
        "type": "Debit",
        "currency": "GBP",
        "balance": {"available": 12.5, "current": 13},
        "modifiedDate": f"2026-01-01T00:00:{number:02}Z",
    }
    for number in range(5)
]
TEXT: Final = {"type": "string"}
OBJECT: Final = {"type": "object", "properties": {"id": TEXT}}
DATE: Final = {"title": "Date time", "type": "string"}
ACCOUNT: Final = {
    **dict.fromkeys(["id", "name", "informalName", "holder", "type", "currency"], TEXT),
    **dict.fromkeys(["balance", "identifiers", "institution"], OBJECT),
    **dict.fromkeys(["modifiedDate", "sourceModifiedDate"], DATE),
}
"""The columns of the component `Account` of Codat's Banking specification."""


class FakeCodat(JsonHandler):
    """One company with one banking connection."""

    @override
    def get(self, path: str, query: dict[str, str]) -> None:
        if path == "/companies":
            connection = {"id": "bank", "sourceType": "Banking", "status": "Linked"}
            self.send_page([{"id": "shop", "name": "Shop", "dataConnections": [connection]}])
        elif path == "/companies/shop/connections/bank/data/banking-accounts":
            start = query.get("query", "").removeprefix("modifiedDate>=")
            self.send_page([one for one in ACCOUNTS if str(one["modifiedDate"]) >= start])
        else:
            self.send_error(404)

    def send_page(self, rows: list[dict[str, Any]]) -> None:
        """Send a page that holds the whole list."""
        links = {"self": {"href": self.path}, "current": {"href": self.path}}
        page = {"results": rows, "totalResults": len(rows), "pageNumber": 1, "_links": links}
        self.respond(200, page)


@pytest.fixture(scope="module")
def codat_url() -> Iterator[str]:
    with serving(FakeCodat) as url:
        yield url


def apply(diff: str, file: Path) -> None:
    """Replace what a diff removes or keeps by what it keeps or adds; it fits in one place."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file.name} has not once:\n{old}"
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the changes of the page."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("docs", "scripts", "tap_codat"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "meltano.yml", "tests/codat/test_schemas.py"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, copy / name)

    page = (root / "docs" / "add-a-stream.md").read_text(encoding="utf-8")
    changed = []
    block = r"(?ms)^(?:`([\w/.]+)`:\n\n)?^```(diff|python)\n(.*?)^```$"
    for name, kind, code in re.findall(block, page):
        changed += [name] if name else []
        file = copy / changed[-1]
        if kind == "diff":
            apply(code, file)
        else:
            assert not file.exists()
            file.write_text(code, encoding="utf-8")
    assert changed == [
        "scripts/generate_codat_schemas.py",
        "scripts/codat_descriptions.json",
        "tap_codat/streams/banking.py",
        "tap_codat/streams/__init__.py",
        "tests/codat/test_schemas.py",
    ]
    return copy


def run(root: Path, project: Path, *command: str) -> tuple[int, str, str]:
    """Run Python in the copy. Returns exit code, output and log."""
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(project), str(root)]),
            "PYTHON_DOTENV_DISABLED": "1",
        },
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def generated(root: Path, project: Path) -> Path:
    """The copy after the generator has run."""
    specs = project / "specs"
    shutil.copytree(root / "tests" / "fixtures" / "codat", specs)
    spec = {
        "info": {"title": "Banking API", "version": "3.0.0"},
        "components": {"schemas": {"Account": {"type": "object", "properties": ACCOUNT}}},
    }
    (specs / "Codat-Banking.json").write_text(json.dumps(spec))
    code, output, log = run(root, project, "scripts/generate_codat_schemas.py", "--specs", "specs")
    assert (code, output) == (0, "banking_accounts: changed\n"), log
    return project


def test_added_stream_has_a_schema_with_every_described_column(generated: Path) -> None:
    file = generated / "tap_codat" / "schemas" / "banking_accounts.json"
    properties = json.loads(file.read_text(encoding="utf-8"))["properties"]
    assert properties.keys() == {"companyId", "connectionId", *ACCOUNT}
    assert all(column["description"] for column in properties.values())


def test_added_stream_is_in_the_generated_tables(root: Path, generated: Path) -> None:
    code, output, log = run(root, generated, "scripts/generate_docs.py", "--root", str(generated))
    assert code == 0, log
    assert "docs/tap-codat.md: streams of tap-codat written" in output
    text = (generated / "docs" / "tap-codat.md").read_text(encoding="utf-8")
    assert "| `banking_accounts` | Bank accounts of a company. |" in text


def test_added_stream_is_read_and_continues_from_its_bookmark(
    root: Path, generated: Path, codat_url: str
) -> None:
    tap = ["-c", "from tap_codat.tap import TapCodat; TapCodat.cli()"]
    config = {"api_url": codat_url, "api_key": KEY, "skip_unchanged": False}
    (generated / "config.json").write_text(json.dumps(config))
    code, output, log = run(root, generated, *tap, "--config=config.json", "--discover")
    assert code == 0, log
    catalog = json.loads(output)
    catalog["streams"] = [
        one for one in catalog["streams"] if one["tap_stream_id"] == "banking_accounts"
    ]
    (generated / "catalog.json").write_text(json.dumps(catalog))

    options = ["--config=config.json", "--catalog=catalog.json"]
    code, output, log = run(root, generated, *tap, *options)
    assert code == 0, log
    messages = [json.loads(line) for line in output.splitlines()]
    ids = {"companyId": "shop", "connectionId": "bank"}
    records = [one["record"] for one in messages if one["type"] == "RECORD"]
    assert records == [ids | one for one in ACCOUNTS]

    state = [one["value"] for one in messages if one["type"] == "STATE"][-1]
    (generated / "state.json").write_text(json.dumps(state))
    code, output, log = run(root, generated, *tap, *options, "--state=state.json")
    assert code == 0, log
    messages = [json.loads(line) for line in output.splitlines()]
    records = [one["record"] for one in messages if one["type"] == "RECORD"]
    assert records == [ids | ACCOUNTS[-1]]
