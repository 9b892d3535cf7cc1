"""Break the product on purpose, one fault at a time, and check that the test for it fails.

    make mutants                        runs every mutant in `tests/mutants/mutants.py`
    make mutants ARGS="bookmark STATE"  mutants with one of these words in their names

Each worker has a copy of the work tree. It applies one mutant at a time, runs its test, and
restores the file. All the tests must pass first, or their failure would prove nothing. The
exit code is 0 if every mutant was killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.mutants.mutants import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.mutants.mutants import Mutant

ROOT: Final = Path(__file__).resolve().parents[1]
WORKERS: Final = min(os.cpu_count() or 1, 4)
PATIENCE: Final = 300.0
"""Seconds for a test. A timeout does not count as killed, because the machine may be slow."""
PASSED, FAILED, HUNG = 0, 1, -1
"""Exit codes: those of pytest for passed and failed tests, and our own for a timeout."""


class Verdict(NamedTuple):
    """The result of a mutant.

    Attributes:
        mutant: The mutant.
        code: The exit code of its test.
        seconds: Duration of the test.
        log: The end of the output of pytest.
    """

    mutant: Mutant
    code: int
    seconds: float
    log: str

    @property
    def killed(self) -> bool:
        """Whether the test failed, as it should."""
        return self.code == FAILED


def copy_tree(folder: Path) -> Path:
    """Copy the work tree as it is now, without files that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a copy. Returns the exit code of pytest and the end of its output."""
    # Python matches bytecode to its source by size and second, which a mutant may share with it.
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-qx",
        "-p",
        "no:cacheprovider",
        "--no-header",
        *tests,
    ]
    try:
        ran = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE * len(tests),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return HUNG, "The test did not end."
    return ran.returncode, ran.stdout[-1500:]


def play(copy: Path, mutant: Mutant) -> Verdict:
    """Apply a mutant in a copy, run its test, and restore the file."""
    path = copy / mutant.file
    whole = path.read_text(encoding="utf-8")
    began = time.monotonic()
    path.write_text(whole.replace(mutant.old, mutant.new, 1), encoding="utf-8")
    try:
        code, log = run(copy, [mutant.test])
    finally:
        path.write_text(whole, encoding="utf-8")
    return Verdict(mutant, code, time.monotonic() - began, log)


def main(words: Sequence[str]) -> int:
    """Run the mutants, and print a line for each.

    Args:
        words: Run only mutants with one of these words in their names; all by default.

    Returns:
        The exit code.
    """
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as threads:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            copies.put(copy_tree(Path(folder) / str(number)))

        def sound(tests: Sequence[str]) -> tuple[int, str]:
            copy = copies.get()
            try:
                return run(copy, tests)
            finally:
                copies.put(copy)

        def verdict(mutant: Mutant) -> Verdict:
            copy = copies.get()
            try:
                return play(copy, mutant)
            finally:
                copies.put(copy)

        tests = sorted({mutant.test for mutant in chosen})
        shares = [share for n in range(WORKERS) if (share := tests[n::WORKERS])]
        for code, log in threads.map(sound, shares):
            if code != PASSED:
                print(f"The tests fail without a mutant.\n{log}", file=sys.stderr)
                return 1
        verdicts = []
        for one in threads.map(verdict, chosen):
            verdicts.append(one)
            outcome = "killed" if one.killed else "ALIVE"
            print(f"{outcome:<6} {one.seconds:6.1f} s  {one.mutant.name}", flush=True)
    alive = [one for one in verdicts if not one.killed]
    for one in alive:
        print(f"\n{one.mutant.name}: {one.mutant.test}\n{one.log}", file=sys.stderr)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants were killed.")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
