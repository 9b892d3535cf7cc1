"""The loader as a program: killed, stopped, on a full disk, and with a locked file."""

from __future__ import annotations

import array
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.target_duckdb.support import Database, encoded, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits of Linux")

INTEGER = {"type": "integer"}
SCHEMAS = [schema({"id": INTEGER, "text": {"type": "string"}}, "id", stream=name) for name in "ab"]


def messages(count: int) -> Iterator[bytes]:
    yield encoded(SCHEMAS)
    for n in range(count):
        lines: list[Any] = [record(name, id=n, text="x" * 50) for name in "ab"]
        yield encoded([*lines, state({"n": n})] if n % 20 == 19 else lines)


def feed(pipe: IO[bytes] | None, count: int) -> None:
    assert pipe is not None
    try:
        for chunk in messages(count):
            pipe.write(chunk)
        pipe.close()
    except OSError:  # it was killed
        with contextlib.suppress(OSError):
            pipe.close()


@pytest.mark.parametrize("seed", range(5))
def test_killed_load_holds_rows_of_its_state(database: Database, seed: int) -> None:
    database.settings |= {"max_wait_seconds": 0}
    with database.start() as loader:
        feeder = threading.Thread(target=feed, args=(loader.stdin, 40000))
        feeder.start()
        assert loader.stdout is not None
        states = [loader.stdout.readline()]
        time.sleep(seed / 10)
        loader.kill()
        states += loader.stdout.readlines()
        feeder.join()
    printed = [json.loads(each)["n"] for each in states if each.endswith(b"\n")]

    for name in "ab":
        sql = f"SELECT count(*), count(DISTINCT id), max(id) FROM {name}"  # noqa: S608
        ((rows, keys, last),) = database.query(sql)
        assert rows == keys == last + 1 >= printed[-1] + 1
    assert database.load(data=b"".join(messages(100))) != ""


def test_sigterm_commits_received_rows(database: Database) -> None:
    fcntl = pytest.importorskip("fcntl")
    termios = pytest.importorskip("termios")
    database.settings["max_wait_seconds"] = 3600
    with database.start() as loader:
        assert loader.stdin is not None
        assert loader.stdout is not None
        rest = '{"type":"REC'
        loader.stdin.write(encoded([*SCHEMAS, record("a", id=1), state({"n": 1}), rest])[:-1])
        loader.stdin.flush()
        left = array.array("i", [1])
        while left[0]:
            fcntl.ioctl(loader.stdin.fileno(), termios.FIONREAD, left)
            time.sleep(0.01)
        loader.send_signal(signal.SIGTERM)
        printed = loader.stdout.read()

    assert (loader.returncode, printed) == (143, b'{"n": 1}\n')
    assert database.query("SELECT id FROM a") == [(1,)]


def test_full_disk_keeps_committed_rows(database: Database) -> None:
    resource = pytest.importorskip("resource")
    database.load(*SCHEMAS, record("a", id=1), state({"n": 1}))
    noise = random.Random(1)  # noqa: S311
    rows = [record("a", id=n, text=noise.randbytes(500).hex()) for n in range(20000)]
    data = encoded([*SCHEMAS, *rows, state({"n": 2})])

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

    with database.start(limit) as loader:
        printed, log = loader.communicate(data)

    assert (loader.returncode, printed) == (1, b"")
    assert b"Traceback" not in log
    assert b"ERROR" in log
    assert database.query("SELECT id FROM a") == [(1,)]
    assert database.load(data=data) == '{"n": 2}\n'


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("wait", [0.2, 60])
def test_locked_file_is_waited_for(database: Database, wait: float) -> None:
    database.load(SCHEMAS[0])
    database.settings["lock_wait_seconds"] = wait
    hold = [sys.executable, "-c", HOLD, os.fspath(database.path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(hold, stdin=pipe, stdout=pipe) as holder, database.start() as loader:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert loader.stderr is not None
        assert loader.stdin is not None
        holder.stdout.readline()
        loader.stdin.write(encoded([SCHEMAS[0], record("a", id=1), state({"n": 1})]))
        loader.stdin.close()
        log = b""
        while b"waiting for it" not in log:
            log += loader.stderr.readline()
        if wait == 60:
            holder.stdin.close()
        log += loader.stderr.read()
        code = loader.wait()

    assert code == (0 if wait == 60 else 1)
    assert f"the process {holder.pid}".encode() in log
    assert b"Traceback" not in log


def test_concurrent_loaders_both_load(database: Database) -> None:
    with database.start() as one, database.start() as other:
        for name, loader in (("a", one), ("b", other)):
            assert loader.stdin is not None
            loader.stdin.write(encoded([*SCHEMAS, record(name, id=1), state(name)]))
        one.communicate()
        other.communicate()

    assert [one.returncode, other.returncode] == [0, 0]
    assert [database.query(f"SELECT id FROM {name}") for name in "ab"] == [[(1,)]] * 2  # noqa: S608
