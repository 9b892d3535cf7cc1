"""Run a command in the environment of the project, after creating or updating that environment.

    python3 scripts/bootstrap.py --group test --group e2e -- pytest

It needs only a Python with pip. It installs uv into `.tools/` and the exact packages of `uv.lock`
into `.venv/`, and changes nothing outside the project. If everything is installed already, it takes
about a second.

Every installed file has a known hash: those of uv are in `scripts/uv.txt`, all others in `uv.lock`,
including the packages that build the project itself.

The package index is the one that pip is configured for: `uv.lock` determines versions and hashes,
the settings of pip determine where the files come from.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
PROJECTS = (ROOT, ROOT / "commerce_sandbox")
UV = TOOLS / "bin" / "uv"
UV_LOCK = ROOT / "scripts" / "uv.txt"
OLDEST = (3, 10)

# pip's setting -> uv's variable.
INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}

# Disable telemetry, and let uv use the Python that it is started with.
QUIET = {
    "DO_NOT_TRACK": "1",
    "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
    "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "UV_NO_CONFIG": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}


def main() -> None:
    """Create the environment, then replace this process by the command.

    Raises:
        SystemExit: The environment cannot be created.
    """
    parser = argparse.ArgumentParser(description="Run a command in the project's environment.")
    parser.add_argument("--group", action="append", default=[], help="dependency group to install")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()

    if sys.version_info[:2] < OLDEST:
        message = (
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is required, but {sys.executable} is "
            f"{sys.version.split()[0]}. Use another one, for example: make test PYTHON=python3.12"
        )
        raise SystemExit(message)
    try:
        environment = os.environ | QUIET | index_settings()
        install_uv()
        install_project(arguments.group, environment)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        message = f"The environment could not be created: see the output of `{command}` above."
        raise SystemExit(message) from None

    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PATH"] = os.pathsep.join(
        [str(VENV / "bin"), str(UV.parent), environment.get("PATH", os.defpath)]
    )
    os.chdir(ROOT)
    os.execvpe(arguments.command[0], arguments.command, environment)  # noqa: S606 - a shell is not wanted


def index_settings() -> dict[str, str]:
    """Translate the index settings of pip for uv, except those that uv has already."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, str] = {}
    for line in listing.stdout.splitlines():
        name, _, value = line.partition("=")
        variable = INDEX_SETTINGS.get(name.rpartition(".")[2])
        if variable and variable not in os.environ:
            # pip separates values by blanks and line ends, which its listing shows as `\n`.
            words = value.strip("'\"").replace("\\n", " ").split()
            found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    if "UV_INDEX" in found:
        # Like pip, use the best version of all indexes, not that of the first index with the name.
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return found


def install_uv() -> None:
    """Install uv into the tool folder of the project, which needs neither venv nor ensurepip."""
    version = re.findall(r"^uv==(\S+)", UV_LOCK.read_text(encoding="utf-8"), re.MULTILINE)[0]
    if (TOOLS / f"uv-{version}.dist-info").is_dir():
        return
    shutil.rmtree(TOOLS, ignore_errors=True)
    say(f"Installing uv {version} into {TOOLS.name}/")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--quiet", "--target", TOOLS),
            *("--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
            *("--require-hashes", "--requirement", UV_LOCK),
        ],
        check=True,
        env=os.environ | {"PIP_ROOT_USER_ACTION": "ignore", "PIP_USER": "0"},
    )


def install_project(groups: list[str], environment: dict[str, str]) -> None:
    """Install the packages of the lock file for the given dependency groups.

    The lock file is exported and then installed, not synchronised: it contains the addresses of the
    files, and only an export can be installed from another index. Packages that other groups have
    installed before stay.
    """
    if not is_environment():
        say(f"Creating {VENV.name}/ with Python {sys.version.split()[0]}")
        uv(environment, "venv", "--quiet", "--clear", "--python", sys.executable, VENV)

    chosen = [word for group in groups for word in ("--group", group)]
    locked = TOOLS / "requirements.txt"
    uv(
        environment,
        *("export", "--quiet", "--frozen", "--all-extras", "--no-default-groups", *chosen),
        *("--group", "build", "--no-emit-workspace", "--no-header", "--output-file", locked),
    )
    install = ("pip", "install", "--quiet", "--no-deps", "--python", VENV)
    uv(environment, *install, "--require-hashes", "--no-build", "--requirements", locked)
    projects = [word for project in PROJECTS for word in ("--editable", project)]
    uv(environment, *install, "--no-build-isolation", *projects)


def is_environment() -> bool:
    """Return whether the environment exists and has the requested Python."""
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return (VENV / "bin" / wanted).exists()


def uv(environment: dict[str, str], *arguments: str | Path) -> None:
    """Run uv in the folder of the project."""
    subprocess.run([UV, *arguments], check=True, cwd=ROOT, env=environment)


def say(text: str) -> None:
    """Print a line on progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
