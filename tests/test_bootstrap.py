"""What sets the project up installs nothing but what is written down by hash."""

from __future__ import annotations

import re
import subprocess
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
HASH = r"sha256:[0-9a-f]{64}"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which puts its tools into a folder of the test's."""
    spec = spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TOOLS", tmp_path / "tools")
    return module


def wheel(folder: Path, name: str, version: str) -> None:
    """Make a wheel that installs, as another one of the same name and version."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)


def test_the_hashes_of_uv_are_those_of_the_lock_file() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    package = re.search(r'^name = "uv"\nversion = "(.+)"\n([\s\S]+?)^\[\[', lock, re.MULTILINE)
    assert package is not None
    pinned = (ROOT / "scripts" / "uv.txt").read_text(encoding="utf-8")
    assert re.findall(r"uv==(\S+)", pinned) == [package[1]]
    wheels = re.findall(rf'\.whl", hash = "({HASH})"', package[2])
    assert sorted(re.findall(HASH, pinned)) == sorted(wheels)


def test_another_uv_than_the_one_written_down_is_not_installed(
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


def test_packages_are_installed_by_hash_and_the_project_by_what_is_installed(
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
