"""The tap on docs/add-a-tap.md is complete: written to files, it runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from tests.docs.support import JsonHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "the-token-of-the-shop"
ORDERS = [
    {
        "id": number,
        "updated": f"2026-01-{1 + number // 25:02}T00:00:{number % 25:02}Z",
        "total": 9.5,
    }
    for number in range(250)
]


class Shop(JsonHandler):
    """The API that the tap on the page reads."""

    @override
    def get(self, path: str, query: dict[str, str]) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.respond(401, {"error": "who are you?"})
            return
        found = [
            order
            for order in ORDERS
            if query.get("from", "") <= str(order["updated"]) < query.get("before", "9")
        ]
        size = int(query["per_page"])
        start = (int(query["page"]) - 1) * size
        self.respond(200, {"rows": found[start : start + size], "total": len(found)})


@pytest.fixture(scope="module")
def shop_url() -> Iterator[str]:
    with serving(Shop) as url:
        yield url


@pytest.fixture(scope="module")
def package(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page, from which they can be imported."""
    text = (root / "docs" / "add-a-tap.md").read_text(encoding="utf-8")
    files = re.findall(r"(?ms)^`(tap_shop/\w+\.py)`: .*?^```python\n(.*?)^```$", text)
    names = ["tap_shop/streams.py", "tap_shop/api.py", "tap_shop/tap.py"]
    assert [name for name, _ in files] == names
    folder = tmp_path_factory.mktemp("shop")
    (folder / "tap_shop").mkdir()
    for name, code in files:
        (folder / name).write_text(code, encoding="utf-8")
    return folder


def run(root: Path, package: Path, *args: str, **settings: str) -> tuple[int, list[Any], str]:
    """Run the tap. Returns its exit code, its messages and its log."""
    done = subprocess.run(
        [sys.executable, "-c", "from tap_shop.tap import TapShop; TapShop.cli()", *args],
        check=False,
        capture_output=True,
        text=True,
        cwd=package,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(root)]), **settings},
        timeout=60,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_documented_tap_reads_all_orders_and_continues(
    root: Path, package: Path, shop_url: str, tmp_path: Path
) -> None:
    settings = {
        "TAP_SHOP_SHOP_URL": shop_url,
        "TAP_SHOP_TOKEN": TOKEN,
        "TAP_SHOP_PAGE_SIZE": "60",
    }

    code, messages, log = run(root, package, "--config=ENV", **settings)
    assert code == 0, log
    assert [m["record"] for m in messages if m["type"] == "RECORD"] == ORDERS
    state = [m["value"] for m in messages if m["type"] == "STATE"][-1]
    assert state["bookmarks"]["orders"]["replication_key_value"] == ORDERS[-1]["updated"]

    (tmp_path / "state.json").write_text(json.dumps(state))
    code, messages, log = run(
        root, package, "--config=ENV", f"--state={tmp_path / 'state.json'}", **settings
    )
    assert code == 0, log
    assert [m["record"] for m in messages if m["type"] == "RECORD"] == ORDERS[-1:]


def test_documented_tap_reports_wrong_token_without_printing_it(
    root: Path, package: Path, shop_url: str
) -> None:
    code, messages, log = run(
        root, package, "--config=ENV", TAP_SHOP_SHOP_URL=shop_url, TAP_SHOP_TOKEN="not-the-token"
    )
    assert code == 1
    assert [m for m in messages if m["type"] == "RECORD"] == []
    assert "the shop does not accept the token: check `token`" in log
    assert "Traceback" not in log
    assert "not-the-token" not in log
