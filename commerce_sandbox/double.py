"""What the server, the command line and the control endpoints know about a double of one API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

Record = dict[str, Any]


class FaultOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong between a client and the sandbox.

    Attributes:
        profile: The set of faults, a name of `faults.PROFILES`.
        seed: Names which requests are struck.
        wait: Seconds that a sensible `Retry-After` asks for, and that nobody listens.
        stall: Seconds without a byte.
        size: Bytes that make an answer huge.
    """

    profile: str = "none"
    seed: int = 0
    wait: float = 1.0
    stall: float = 30.0
    size: int = 40_000_000


class Envelope(msgspec.Struct, frozen=True):
    """Where a page of a list keeps what a fault tampers with.

    Attributes:
        records: The property with the records.
        total: The property with the number of all records.
        links: The property with the links, of which `next` leads to the next page.
    """

    records: str
    total: str
    links: str


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the sandbox is to be filled and how it behaves.

    Attributes:
        seed: Names the world. Same seed and scale, same data.
        scale: Size of the world; 1.0 is the size of the demonstration.
        latency_ms: Milliseconds each answer of an API is held back.
        faults: What goes wrong.
        codat_spec: An official OpenAPI file of Codat whose example pages are served instead of
            generated data.
    """

    seed: int = 7
    scale: float = 1.0
    latency_ms: float = 0.0
    faults: FaultOptions = FaultOptions()
    codat_spec: Path | None = None


class Touched(msgspec.Struct, frozen=True):
    """A row that a mutation added or changed.

    Attributes:
        stream: The stream that carries the row.
        key: The row's key columns.
        change: `changed` or `inserted`.
    """

    stream: str
    key: dict[str, str]
    change: str


class Double(Protocol):
    """A double of one vendor's API with its own store."""

    @property
    def root(self) -> str:
        """The path the API is served under, such as `/codat`."""

    @property
    def app(self) -> ASGIApp:
        """The API itself."""

    @property
    def streams(self) -> Sequence[str]:
        """Names of the streams a perfect extraction of this API consists of."""

    @property
    def envelope(self) -> Envelope:
        """Where a page keeps its records, total and links."""

    def truth(self, stream: str) -> Iterator[bytes]:
        """Give the rows of a stream, from the store, each encoded as JSON."""

    def mutate(self, *, changes: int, inserts: int, stream: str | None) -> list[Touched]:
        """Change and add rows, chosen by the seed."""

    def error_body(self, status: int) -> bytes:
        """Give the body this API sends with an error status."""

    def environment(self, url: str) -> Mapping[str, str]:
        """Give the environment variables that point a tap at this double.

        Args:
            url: Address of the sandbox, without a path.
        """
