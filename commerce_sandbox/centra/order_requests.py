"""The parameters of a request to the Order API, and the responses to bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commerce_sandbox.centra.order_format import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class NotOk(Exception):
    """The response has a status other than `ok`."""

    def __init__(self, http: int, **body: Any) -> None:  # noqa: ANN401 (JSON)
        super().__init__()
        self.http = http
        self.body = body


class Parameters:
    """The parameters of a request, read one by one.

    Args:
        given: The parameters as they came.

    Raises:
        NotOk: One of them is not known.
    """

    def __init__(self, given: Mapping[str, str], known: Iterable[str]) -> None:
        self._given = given
        unknown = {name: "Unknown parameter." for name in given if name not in set(known)}
        if unknown:
            raise NotOk(200, status="no", errorMessages=unknown)

    def text(self, name: str) -> str | None:
        """Return a parameter as it came."""
        return self._given.get(name)

    def texts(self, name: str) -> set[str] | None:
        """Return the parts of a list with commas."""
        given = self._given.get(name)
        return None if given is None else set(given.split(","))

    def number(self, name: str, usual: int | None, largest: int, least: int = 1) -> int | None:
        """Return a whole number.

        Raises:
            NotOk: It is none, or outside of its range.
        """
        given = self._given.get(name)
        if given is None:
            return usual
        if not given.isdecimal() or not least <= int(given) <= largest:
            raise bad(name, f"Must be a number from {least} to {largest}.")
        return int(given)

    def timestamp(self, name: str) -> int | None:
        """Return a timestamp.

        Raises:
            NotOk: It is not written as one.
        """
        given = self._given.get(name)
        try:
            return None if given is None else parse_timestamp(given)
        except ValueError as error:
            raise bad(name, "Must be a date, or a date and a time.") from error

    def choice(self, name: str, choices: Sequence[str], usual: str) -> str:
        """Return one of several words.

        Raises:
            NotOk: It is another one.
        """
        given = self._given.get(name, usual)
        if given not in choices:
            raise bad(name, f"Must be one of {', '.join(choices)}.")
        return given


def bad(name: str, reason: str) -> NotOk:
    """Return the error for a bad parameter."""
    return NotOk(200, status="no", errorMessages={name: reason})
