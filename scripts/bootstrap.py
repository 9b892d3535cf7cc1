"""Run a command in the project's own environment, making or updating that environment first.

    python3 scripts/bootstrap.py --group test --group e2e -- pytest

A Python with pip is all it needs. uv goes into `.tools/`, the exact packages of `uv.lock` go into
`.venv/`, and nothing outside the project is touched. Where everything is in place already this
takes about a second.

Nothing is installed whose hash is not written down: uv's are in `scripts/uv.txt`, all others in
`uv.lock`, with what builds the project itself among them.

The package index is the one pip is configured for: `uv.lock` decides versions and hashes, pip's
settings decide where the files come from.
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

# pip's setting -> what uv calls it.
INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}

# Nothing here reports home, and uv uses the Python it is started with or none.
QUIET = {
    "DO_NOT_TRACK": "1",
    "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
    "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "UV_NO_CONFIG": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}


def main() -> None:
    """Make the environment, then become the command.

    Raises:
        SystemExit: With a sentence, where the environment cannot be made.
    """
    parser = argparse.ArgumentParser(description="Run a command in the project's environment.")
    parser.add_argument("--group", action="append", default=[], help="dependency group to install")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()

    if sys.version_info[:2] < OLDEST:
        sentence = (
            f"Python {OLDEST[0]}.{OLDEST[1]} or a newer one is needed, but {sys.executable} is "
            f"{sys.version.split()[0]}. Name another one, for instance: make test PYTHON=python3.12"
        )
        raise SystemExit(sentence)
    try:
        environment = os.environ | QUIET | index_settings()
        install_uv()
        install_project(arguments.group, environment)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        sentence = f"The environment could not be made: see above what was said to `{command}`."
        raise SystemExit(sentence) from None

    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PATH"] = os.pathsep.join(
        [str(VENV / "bin"), str(UV.parent), environment.get("PATH", os.defpath)]
    )
    os.chdir(ROOT)
    os.execvpe(arguments.command[0], arguments.command, environment)  # noqa: S606 (no shell meant)


def index_settings() -> dict[str, str]:
    """Translate pip's index settings for uv, leaving alone what uv has been told already."""
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
            # pip separates by blanks and line ends, which its listing shows as `\n`.
            words = value.strip("'\"").replace("\\n", " ").split()
            found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    if "UV_INDEX" in found:
        # As pip does: the best version of all indexes, not the first index that has the name.
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return found


def install_uv() -> None:
    """Put uv into the project's tool folder, which needs neither venv nor ensurepip."""
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
    """Bring the project's environment up to the lock file, for the given dependency groups.

    The lock file is exported and then installed, rather than synchronised, because it names the
    files' addresses and only an export can be installed from another index. What other groups
    have installed before stays.
    """
    if not is_environment():
        say(f"Making {VENV.name}/ with Python {sys.version.split()[0]}")
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
    """Say whether the environment exists and has the Python that is asked for."""
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return (VENV / "bin" / wanted).exists()


def uv(environment: dict[str, str], *arguments: str | Path) -> None:
    """Run uv, in the project."""
    subprocess.run([UV, *arguments], check=True, cwd=ROOT, env=environment)


def say(text: str) -> None:
    """Tell the person who waits what they wait for."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
