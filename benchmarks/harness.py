"""The base of all parts: a server, programs run one after another, and ratios of their times."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

BIN = Path(sys.executable).parent
PEERS = Path(__file__).parent / "peers"
COMMERCE = (
    "customers",
    "disputes",
    "orders",
    "payments",
    "payment_methods",
    "products",
    "product_categories",
    "tax_components",
    "transactions",
    "locations",
    "company_info",
)
"""The eleven commerce streams, without their common prefix."""

# These variables slow programs to different degrees.
_UNFAIR = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


@dataclass(frozen=True)
class Sizes:
    """The sizes of all measurements.

    Attributes:
        pairs: How often each pair of programs is run.
        orders: Orders in the parts that read many.
        plain: Orders in the part with a plain SDK stream, which is slow.
        million: Orders in the part that reads the most.
        loaded: Orders in the part that fills a database.
        rewritten: Rows of each list in the parts whose records are all rewritten.
        latency_connections: Connections in the part with a slow API.
        scale: Numbers of connections, each twice the previous one.
    """

    pairs: int = 5
    orders: int = 100_000
    plain: int = 30_000
    million: int = 1_000_000
    loaded: int = 10_000
    rewritten: int = 20_000
    latency_connections: int = 40
    scale: tuple[int, ...] = (250, 500, 1000, 2000)


TINY = Sizes(
    pairs=1,
    orders=50,
    plain=50,
    million=100,
    loaded=50,
    rewritten=120,
    latency_connections=2,
    scale=(2, 4),
)
"""Large enough to run every part; the figures mean nothing."""


@dataclass(frozen=True)
class Usage:
    """The time and memory that a program used.

    Attributes:
        seconds: Seconds from start to end.
        megabytes: Peak memory; of a pipeline, that of its largest program.
        cpu: Seconds of processor time, which other programs on the machine hardly affect.
    """

    seconds: float
    megabytes: float
    cpu: float = 0.0


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: The dividend and the divisor.
        ratios: One ratio per pair of runs.
        target: The highest median that meets the target, or the lowest if `at_least` is set.
        at_least: Whether higher ratios are better.
        note: An explanation for the reader.
        figures: The measured values behind the ratios, by name.
    """

    name: str
    ratios: Sequence[float]
    target: float | None = None
    at_least: bool = False
    note: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; `None` without a target."""
        if self.target is None:
            return None
        return self.median >= self.target if self.at_least else self.median <= self.target


def run(
    command: Sequence[str | Path],
    *,
    output: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Usage:
    """Run a program to its end and measure it as a whole, its start included.

    Args:
        command: The program and its arguments.
        output: The file for its output, which is discarded if None. The log goes to `<output>.log`.
        environment: Variables to set besides those of this process.

    Returns:
        Its time and memory.

    Raises:
        RuntimeError: The program ended with an exit code other than 0.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _UNFAIR}
    variables |= environment or {}
    output = output or Path(os.devnull)
    log = output.with_name(output.name + ".log") if output.parent != Path("/dev") else output
    with output.open("wb") as out, log.open("wb") as err:
        started = time.perf_counter()
        # `Popen.wait` reaps the program but does not return its memory.
        program = subprocess.Popen(command, env=variables, stdout=out, stderr=err)
        _, status, usage = os.wait4(program.pid, 0)
        seconds = time.perf_counter() - started
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        words = log.read_text(errors="replace")[-2000:] if log is not output else ""
        raise RuntimeError(f"{command} ended with {program.returncode}: {words}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Usage(seconds, usage.ru_maxrss / unit, usage.ru_utime + usage.ru_stime)


def alternate(ways: Mapping[str, Callable[[], Usage]], pairs: int) -> dict[str, list[Usage]]:
    """Run programs in turns, A B C A B C …, so that other load on the machine affects all alike.

    Args:
        ways: The functions that run the programs, by name.
        pairs: The number of turns.

    Returns:
        The time and memory of each program, turn by turn.
    """
    taken: dict[str, list[Usage]] = {name: [] for name in ways}
    for number in range(pairs):
        for name, way in ways.items():
            usage = way()
            taken[name].append(usage)
            report(f"  {number + 1}/{pairs} {name}: {usage.seconds:.2f} s, CPU {usage.cpu:.2f} s")
    return taken


def seconds(usages: Sequence[Usage]) -> list[float]:
    """Return the times for the figures of a row."""
    return [round(usage.seconds, 3) for usage in usages]


def divide(
    name: str,
    taken: Mapping[str, list[Usage]],
    above: str,
    below: str,
    *,
    target: float | None = None,
    at_least: bool = False,
    note: str = "",
) -> Row:
    """Make the row of one program's times divided by another's, turn by turn.

    Args:
        name: The row's name.
        taken: The result of `alternate`.
        above: The program whose time is divided.
        below: The program by whose time it is divided.
        target: As in `Row`.
        at_least: As in `Row`.
        note: As in `Row`.

    Returns:
        The row.
    """
    pairs = zip(taken[above], taken[below], strict=True)
    figures = {f"{way} seconds": seconds(taken[way]) for way in (above, below)}
    figures |= {f"{way} CPU": [round(one.cpu, 3) for one in taken[way]] for way in (above, below)}
    ratios = [a.seconds / b.seconds for a, b in pairs]
    return Row(name, ratios, target, at_least, note, figures)


class Server:
    """A server of many rows, in a process of its own.

    Attributes:
        url: Its address.
        vendor: The name of the tap after `tap-`.
        environment: The settings that point the tap at it.
    """

    def __init__(self, api: str, environment: Mapping[str, str]) -> None:
        self.url = environment["URL"]
        self.vendor = api.partition("-")[0]
        unlimited = {f"TAP_{self.vendor.upper()}_REQUESTS_PER_MINUTE": "0"}
        self.environment = {**environment, **unlimited}

    def requests(self) -> int:
        """Count the requests so far."""
        return int(requests.get(f"{self.url}/requests", timeout=60).json())

    def orders_path(self) -> str:
        """Find Codat's list of orders of the first connection; its first request prepares it."""
        company = requests.get(f"{self.url}/companies", timeout=60).json()["results"][0]
        connection = company["dataConnections"][0]["id"]
        path = f"companies/{company['id']}/connections/{connection}/data/commerce-orders"
        requests.get(f"{self.url}/{path}", timeout=600).raise_for_status()
        return path


@contextlib.contextmanager
def serve(api: str, *options: str, rows: int) -> Iterator[Server]:
    """Serve prepared rows while the context lasts.

    Args:
        api: The API.
        *options: Further options of `python -m benchmarks.server`.
        rows: The number of rows of each list.

    Yields:
        The server.
    """
    command = [sys.executable, "-m", "benchmarks.server", api, f"--rows={rows}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            yield Server(api, msgspec.json.decode(server.stdout.readline()))
        finally:
            if server.poll() is not None:
                report(f"The server has ended unexpectedly with exit code {server.returncode}.")
            server.terminate()


def bulk(
    connections: int, rows: int, *, latency_ms: int = 0, mixed_dates: bool = False
) -> contextlib.AbstractContextManager[Server]:
    """Serve Codat's lists while the context lasts.

    Args:
        connections: The number of connections.
        rows: The number of rows of each list.
        latency_ms: Milliseconds by which each response is delayed.
        mixed_dates: Whether dates come in all forms platforms write.

    Returns:
        The context, which yields the server.
    """
    options = [f"--connections={connections}", f"--latency-ms={latency_ms}"]
    return serve("codat", *options, *(["--mixed-dates"] if mixed_dates else []), rows=rows)


def catalog(folder: Path, *streams: str, server: Server | None = None) -> Path:
    """Write a catalog with some of a tap's streams.

    Args:
        folder: The folder of the catalog.
        *streams: The streams; those of Codat without the prefix `commerce_`.
        server: The server of the tap; None for tap-codat, which discovers without requests.

    Returns:
        The catalog.
    """
    server = server or Server("codat", _CODAT)
    found = subprocess.run(
        [BIN / f"tap-{server.vendor}", "--config=ENV", "--discover"],
        check=True,
        capture_output=True,
        env={**os.environ, **server.environment},
    ).stdout
    entries = msgspec.json.decode(found)["streams"]
    prefix = "commerce_" if server.vendor == "codat" else ""
    wanted = {f"{prefix}{name}" for name in streams}
    path = folder / "catalog.json"
    path.write_bytes(
        msgspec.json.encode({"streams": [one for one in entries if one["stream"] in wanted]})
    )
    return path


_CODAT = {"URL": "", "TAP_CODAT_API_KEY": "benchmark", "TAP_CODAT_API_URL": "http://127.0.0.1"}


def tap(
    server: Server, chosen: Path, *, output: Path | None = None, **settings: str
) -> Callable[[], Usage]:
    """Prepare a run of a tap, as it is installed.

    Args:
        server: The server that the tap reads.
        chosen: Its catalog.
        output: The file for its messages.
        **settings: Further settings, as environment variables have them.

    Returns:
        Runs it.
    """
    command = [str(BIN / f"tap-{server.vendor}"), "--config=ENV", f"--catalog={chosen}"]
    prefix = f"TAP_{server.vendor.upper()}_"
    variables = {f"{prefix}{name.upper()}": value for name, value in settings.items()}
    return lambda: run(command, output=output, environment=server.environment | variables)


def peer(
    name: str, *arguments: str, output: Path | None = None, **environment: str
) -> Callable[[], Usage]:
    """Prepare a run of one of the programs compared with.

    Args:
        name: Its module in `benchmarks/peers`.
        *arguments: Its arguments.
        output: The file for its output.
        **environment: Variables to set besides those of this process.

    Returns:
        Runs it.
    """
    command = [sys.executable, str(PEERS / f"{name}.py"), *arguments]
    return lambda: run(command, output=output, environment=environment)


def records(output: Path, prefix: str = "commerce_") -> int:
    """Count RECORD messages in an output.

    Args:
        output: Singer messages, one a line.
        prefix: The prefix of the streams' names.

    Returns:
        Their number.
    """
    start = f'"{prefix}'.encode()
    with output.open("rb") as lines:
        return sum(b'"RECORD"' in line[:20] and start in line[20:60] for line in lines)


def same(**counts: int) -> None:
    """Refuse to compare programs that have not done the same.

    Args:
        **counts: The number of rows that each has read.

    Raises:
        RuntimeError: They differ.
    """
    if len(set(counts.values())) > 1:
        raise RuntimeError(f"not the same rows: {counts}")


def report(text: str) -> None:
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)
