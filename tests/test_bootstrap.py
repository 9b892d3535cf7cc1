"""The set-up installs no package without a hash."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import bootstrap as script

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
HASH = r"sha256:[0-9a-f]{64}"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a tool folder of the test."""
    monkeypatch.setattr(script, "TOOLS", tmp_path / "tools")
    return script


def wheel(folder: Path, name: str, version: str) -> None:
    """Make another wheel of a name and version."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)


def test_uv_hashes_equal_lock_file() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    package = re.search(r'^name = "uv"\nversion = "(.+)"\n([\s\S]+?)^\[\[', lock, re.MULTILINE)
    assert package is not None
    pinned = (ROOT / "scripts" / "uv.txt").read_text(encoding="utf-8")
    assert re.findall(r"uv==(\S+)", pinned) == [package[1]]
    wheels = re.findall(rf'\.whl", hash = "({HASH})"', package[2])
    assert sorted(re.findall(HASH, pinned)) == sorted(wheels)


def test_uv_with_other_hash_is_refused(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = re.findall(r"uv==(\S+)", bootstrap.UV_LOCK.read_text(encoding="utf-8"))[0]
    wheel(tmp_path, "uv", version)
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": str(tmp_path),
        "CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(subprocess.CalledProcessError):
        bootstrap.install_uv()
    assert not (tmp_path / "tools" / f"uv-{version}.dist-info").exists()


def test_install_checks_hashes_and_isolates_nothing(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "is_environment", lambda: False)
    monkeypatch.setattr(
        bootstrap, "uv", lambda _environment, *words: commands.append(tuple(map(str, words)))
    )
    bootstrap.install_project(["test"], {})
    installs = [command for command in commands if command[:2] == ("pip", "install")]
    packages, project = installs
    assert {"--require-hashes", "--no-build", "--no-deps"} <= {*packages}
    assert {"--no-build-isolation", "--no-deps"} <= {*project}
    assert {str(ROOT), str(ROOT / "commerce_sandbox")} <= {*project}
