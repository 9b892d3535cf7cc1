"""The interface of a fake API, and the options of the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from random import Random

    from starlette.types import ASGIApp

Record = dict[str, Any]


class FaultOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The faults between a client and the sandbox.

    Attributes:
        profile: The set of faults, a name of `faults.PROFILES`.
        seed: Chooses the requests that meet a fault.
        share: The share of requests that meet a fault, if not the profile's.
        wait: Seconds of a sensible `Retry-After`, and of refusing connections.
        stall: Seconds without a byte.
        size: Bytes that make a response huge.
    """

    profile: str = "none"
    seed: int = 0
    share: float | None = None
    wait: float = 1.0
    stall: float = 30.0
    size: int = 40_000_000


class ChurnOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the data changes while it is read.

    Attributes:
        rate: Rows changed in a second of the sandbox's own time; 0 for none.
        per_request: Rows changed before each response, whatever the clock says; none to change
            `rate` rows a second.
        stream: The stream to keep to; all that can change if none.
        seed: Chooses which rows change, and how.
    """

    rate: float = 0.0
    per_request: int | None = None
    stream: str | None = None
    seed: int = 0


class Envelope(msgspec.Struct, frozen=True):
    """The properties of a page that faults change.

    Attributes:
        records: The property with the records.
        total: The property with the number of all records.
        links: The property with the links, of which `next` leads to the next page.
    """

    records: str
    total: str
    links: str


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of one fake API. On the command line, `cscart_x` is `--cscart-x`.

    Attributes:
        name: Its name, which begins with that of the fake API.
        choices: The values it can have.
        default: Its value if none is given.
        help: What it is for, in a few words.
    """

    name: str
    choices: tuple[str, ...]
    default: str
    help: str


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Data and behaviour of the sandbox.

    Attributes:
        seed: Chooses the data. Same seed and scale, same data.
        scale: Size of the data; 1.0 is the size of the demonstration.
        latency_ms: Milliseconds each response of an API is held back.
        faults: What goes wrong.
        churn: How the data changes while it is read.
        codat_spec: An official OpenAPI file of Codat whose example pages are served instead of
            generated data.
        api_key: The key the fake APIs take; their own if none.
        hostile_ids: Whether ids of companies and connections hold what tears a path apart.
        settings: Settings of single fake APIs, by the names of their `Setting`s.
    """

    seed: int = 7
    scale: float = 1.0
    latency_ms: float = 0.0
    faults: FaultOptions = FaultOptions()
    churn: ChurnOptions = ChurnOptions()
    codat_spec: Path | None = None
    api_key: str | None = None
    hostile_ids: bool = False
    settings: Mapping[str, str] = {}

    def setting(self, setting: Setting) -> str:
        """Return the value of a setting of a fake API, or its default."""
        return self.settings.get(setting.name, setting.default)


class ChangedRow(msgspec.Struct, frozen=True):
    """A row that was added, changed or deleted.

    Attributes:
        stream: The stream that carries the row.
        key: The row's key columns.
        change: `changed`, `inserted` or `deleted`; `unmarked` if it changed without a newer
            timestamp.
    """

    stream: str
    key: dict[str, Any]
    change: str


class Churned(msgspec.Struct, frozen=True):
    """A row that churn changed.

    Attributes:
        changed: Which row, and how it changed.
        row: The row as it is since then, as `truth` has it; empty if it was deleted.
        requests: How many requests had come in before.
    """

    changed: ChangedRow
    row: bytes
    requests: int


class FakeApi(Protocol):
    """A fake of one vendor's API with its own store.

    Its name is its root without the slash. Its stream `orders` is known as `name.orders`.
    """

    @property
    def settings(self) -> Sequence[Setting]:
        """Its own settings, known before it is made."""

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
        """The properties of a page with its records, total and links."""

    def truth(self, stream: str) -> Iterator[bytes]:
        """Return the rows of a stream, from the store, each encoded as JSON."""

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None
    ) -> list[ChangedRow]:
        """Change, add and delete rows, chosen by the seed."""

    def churn(self, seconds: float, random: Random, stream: str | None) -> tuple[ChangedRow, bytes]:
        """Change, add or delete one row.

        Args:
            seconds: How long the churn has been going on, in the sandbox's time.
            random: Chooses the row, and what becomes of it.
            stream: The stream to keep to; all that can change if none.

        Returns:
            What was done, and the row as `truth` has it; empty if it was deleted.
        """

    def settle(self) -> None:
        """End the churn, and complete its effects, such as a running sync."""

    def error_body(self, status: int) -> bytes:
        """Return the body this API sends with an error status."""

    @property
    def withheld(self) -> Sequence[str]:
        """Variables that a tap must not have besides, such as another credential."""

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the environment variables that point a tap at this fake API.

        Args:
            url: Address of the sandbox, without a path.
        """
