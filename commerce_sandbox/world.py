"""All doubles together: what the server serves and the control endpoints steer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.codat import CodatDouble
from commerce_sandbox.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox.double import Churned, Double, Options, Touched
    from commerce_sandbox.gate import LoggedRequest, Override


class World:
    """The doubles of one sandbox.

    Args:
        options: How they are to be filled and to behave.
    """

    def __init__(self, options: Options) -> None:
        self.doubles: tuple[Double, ...] = (CodatDouble(options),)
        self.gates = tuple(Gate(double, options) for double in self.doubles)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams of all doubles."""
        return tuple(stream for double in self.doubles for stream in double.streams)

    def truth(self, stream: str) -> Iterator[bytes]:
        """Give the rows of a stream, each encoded as JSON.

        Raises:
            KeyError: There is no such stream.
        """
        for double in self.doubles:
            if stream in double.streams:
                return double.truth(stream)
        raise KeyError(stream)

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None = None
    ) -> list[Touched]:
        """Change, add and delete rows, chosen by the seed.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete.
            stream: The stream to keep to; all that can change if none.

        Raises:
            ValueError: The stream's rows cannot be changed, or are too few.
        """
        for double in self.doubles:
            if stream is None or stream in double.streams:
                return double.mutate(
                    changes=changes, inserts=inserts, deletes=deletes, stream=stream
                )
        raise ValueError(f"no such stream: {stream!r}")

    @property
    def churned(self) -> list[Churned]:
        """What churn has done so far, in order."""
        return [one for gate in self.gates for one in gate.churn.log]

    def settle(self) -> None:
        """End the churn."""
        for gate in self.gates:
            gate.churn.settle()

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests that came in so far, in order."""
        return [request for gate in self.gates for request in gate.requests]

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        for gate in self.gates:
            gate.requests.clear()

    def override(self, override: Override) -> None:
        """Have requests answered otherwise."""
        for gate in self.gates:
            gate.overrides.append(override)

    def clear_overrides(self) -> None:
        """Have all requests answered by the APIs themselves again."""
        for gate in self.gates:
            gate.overrides.clear()

    def environment(self, url: str) -> dict[str, str]:
        """Give the environment variables that point every tap at this sandbox."""
        found = {"COMMERCE_SANDBOX_URL": url}
        for double in self.doubles:
            found.update(double.environment(url))
        return found
