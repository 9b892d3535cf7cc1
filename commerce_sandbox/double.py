"""What the server, the command line and the control endpoints know about a double of one API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

Record = dict[str, Any]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the sandbox is to be filled and how it behaves.

    Attributes:
        seed: Names the world. Same seed and scale, same data.
        scale: Size of the world; 1.0 is the size of the demonstration.
        latency_ms: Milliseconds each answer of an API is held back.
        faults: The set of faults to inject. Only `none` exists so far.
        codat_spec: An official OpenAPI file of Codat whose example pages are served instead of
            generated data.
    """

    seed: int = 7
    scale: float = 1.0
    latency_ms: float = 0.0
    faults: str = "none"
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
