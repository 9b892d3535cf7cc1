"""What each of the two distributions installs, in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
PROJECTS = {"commerce-taps": ROOT, "commerce-sandbox": ROOT / "commerce_sandbox"}
COMMANDS = {
    "commerce-taps": ["tap-centra", "tap-codat", "tap-cscart", "target-duckdb-lines"],
    "commerce-sandbox": ["commerce-sandbox"],
}


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    unset = ("PYTHONPATH", "VIRTUAL_ENV")
    return subprocess.run(
        command,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in unset},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def uv(*arguments: str | Path) -> None:
    """Run uv with the index of pip, and first of all with what the set-up has left in its cache."""
    with pytest.MonkeyPatch.context() as patch:
        # The one that the set-up was run with: that of the environment may have no pip.
        patch.setattr(sys, "executable", str(Path(sys.base_prefix) / "bin" / "python3"))
        for name, value in (bootstrap.QUIET | bootstrap.index_settings()).items():
            patch.setenv(name, value)
        ran = run(bootstrap.UV, *arguments, "--offline")
        if ran.returncode != 0:
            ran = run(bootstrap.UV, *arguments)
    assert ran.returncode == 0, ran.stderr


def build(target: str, project: Path, folder: Path) -> None:
    ran = run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder, cwd=project)
    assert ran.returncode == 0, ran.stderr


def test_lock_file_matches_both_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    ran = run(bootstrap.UV, "lock", "--check", "--offline")
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module", params=PROJECTS)
def distribution(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def wheel(distribution: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a distribution, built from its sdist as a package index would have it."""
    folder = tmp_path_factory.mktemp(distribution)
    build("sdist", PROJECTS[distribution], folder)
    (sdist,) = folder.glob("*.tar.gz")
    assert run("tar", "-xzf", sdist, cwd=folder).returncode == 0
    build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(distribution: str, wheel: Path) -> Path:
    """The programs of an environment with the wheel and the packages it depends on."""
    folder = wheel.parent / "environment"
    locked = wheel.parent / "requirements.txt"
    uv("venv", "--python", sys.executable, folder)
    uv(
        *("export", "--frozen", "--no-default-groups", "--no-emit-workspace"),
        *("--package", distribution, "--output-file", locked),
    )
    uv("pip", "install", "--python", folder, "--no-deps", "--requirements", locked)
    uv("pip", "install", "--python", folder, "--no-deps", wheel)
    return folder / "bin"


def imports(environment: Path, module: str) -> bool:
    return run(environment / "python", "-c", f"import {module}", cwd=environment).returncode == 0


def test_wheel_holds_only_its_packages(distribution: str, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.partition("/")[0] for name in archive.namelist()}
    packages = {folder for folder in folders if not folder.endswith(".dist-info")}
    if distribution == "commerce-sandbox":
        assert packages == {"commerce_sandbox"}
    else:
        assert packages == {
            *("commerce_taps", "tap_centra", "tap_codat", "tap_cscart", "target_duckdb")
        }


def test_commands_of_the_clone_are_those_of_both_wheels(
    distribution: str, environment: Path
) -> None:
    scripts = {point.name for point in entry_points(group="console_scripts")}
    assert scripts >= {*COMMANDS[distribution]}
    for other, commands in COMMANDS.items():
        assert [(environment / name).exists() for name in commands] == [
            other == distribution
        ] * len(commands)


def test_installed_commands_run(distribution: str, environment: Path) -> None:
    words: Sequence[str] = ("--version", "--about")
    if distribution == "commerce-sandbox":
        words = ("streams", "faults")
    for command in COMMANDS[distribution]:
        if command == "target-duckdb-lines":
            continue  # needs the extra
        for word in words:
            ran = run(environment / command, word, cwd=environment)
            assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
            assert ran.stdout


def test_installed_taps_have_no_sandbox(distribution: str, environment: Path) -> None:
    assert imports(environment, "commerce_sandbox") == (distribution == "commerce-sandbox")
    assert imports(environment, "commerce_taps") == (distribution == "commerce-taps")


def test_sandbox_of_a_clone_without_its_packages_names_what_is_missing(
    distribution: str, environment: Path
) -> None:
    ran = run(environment / "python", "-m", "commerce_sandbox", "streams")
    if distribution == "commerce-sandbox":
        assert ran.returncode == 0
        return
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert "is not installed" in ran.stderr
    assert "pip install ./commerce_sandbox" in ran.stderr
