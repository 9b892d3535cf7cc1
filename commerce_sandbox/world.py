"""All doubles together: what the server serves and the control endpoints steer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra import CentraDouble
from commerce_sandbox.codat import CodatDouble
from commerce_sandbox.cscart import CscartDouble
from commerce_sandbox.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commerce_sandbox.double import Churned, Double, Options, Touched
    from commerce_sandbox.gate import LoggedRequest, Override


DOUBLES: Final = (CodatDouble, CentraDouble, CscartDouble)
"""All doubles there are."""


class World:
    """The doubles of one sandbox.

    A stream is named `double.stream`, or by its bare name where only one double has such a stream.

    Args:
        options: How they are to be filled and to behave.

    Raises:
        ValueError: A double is told what it does not know.
    """

    def __init__(self, options: Options) -> None:
        _check(options.settings)
        self.doubles: tuple[Double, ...] = tuple(double(options) for double in DOUBLES)
        self.gates = tuple(Gate(double, options) for double in self.doubles)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams of all doubles."""
        return tuple(
            f"{double.root[1:]}.{stream}" for double in self.doubles for stream in double.streams
        )

    def truth(self, stream: str) -> Iterator[bytes]:
        """Give the rows of a stream, each encoded as JSON.

        Raises:
            KeyError: There is no such stream.
        """
        double, name = self._find(stream)
        return double.truth(name)

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None = None
    ) -> list[Touched]:
        """Change, add and delete rows, chosen by the seed.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete.
            stream: The stream to keep to, or the name of a double for all of its streams that can
                change; those of the first double if none.

        Raises:
            ValueError: The stream's rows cannot be changed, or are too few.
        """
        wanted = self.doubles[0].root[1:] if stream is None else stream
        double = next((one for one in self.doubles if one.root[1:] == wanted), None)
        name = None
        if double is None:
            try:
                double, name = self._find(wanted)
            except KeyError as error:
                raise ValueError(f"no such stream: {wanted!r}") from error
        return double.mutate(changes=changes, inserts=inserts, deletes=deletes, stream=name)

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

    @property
    def withheld(self) -> tuple[str, ...]:
        """Variables that no tap that reads this sandbox must have."""
        return tuple(name for double in self.doubles for name in double.withheld)

    def environment(self, url: str) -> dict[str, str]:
        """Give the environment variables that point every tap at this sandbox."""
        found = {"COMMERCE_SANDBOX_URL": url}
        for double in self.doubles:
            found.update(double.environment(url))
        return found

    def _find(self, stream: str) -> tuple[Double, str]:
        """Find the double that has a stream, and the stream's bare name."""
        found = [
            (double, name)
            for double in self.doubles
            for name in double.streams
            if stream in {name, f"{double.root[1:]}.{name}"}
        ]
        if len(found) != 1:
            raise KeyError(stream)
        return found[0]


def _check(told: Mapping[str, str]) -> None:
    known = {setting.name: setting for double in DOUBLES for setting in double.settings}
    for name, value in told.items():
        if name not in known:
            raise ValueError(f"no double knows a setting {name!r}; there are: {', '.join(known)}")
        if value not in known[name].choices:
            choices = ", ".join(known[name].choices)
            raise ValueError(f"{name} cannot be {value!r}, only one of: {choices}")
