"""All fake APIs together: the server serves them, the control endpoints control them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.centra import FakeCentra
from commerce_sandbox.codat import FakeCodat
from commerce_sandbox.cscart import FakeCSCart
from commerce_sandbox.middleware import Middleware

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commerce_sandbox.fake_api import ChangedRow, Churned, FakeApi, Options
    from commerce_sandbox.middleware import LoggedRequest, Override


APIS: Final = (FakeCodat, FakeCentra, FakeCSCart)
"""All fake APIs."""


class FakeApis:
    """The fake APIs of one sandbox.

    A stream is named `api.stream`, or by its bare name where only one fake API has such a stream.

    Raises:
        ValueError: A setting or its value is unknown.
    """

    def __init__(self, options: Options) -> None:
        _check(options.settings)
        self.apis: tuple[FakeApi, ...] = tuple(api(options) for api in APIS)
        self.middlewares = tuple(Middleware(api, options) for api in self.apis)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams of all fake APIs."""
        return tuple(f"{api.root[1:]}.{stream}" for api in self.apis for stream in api.streams)

    def truth(self, stream: str) -> Iterator[bytes]:
        """Return the rows of a stream, each encoded as JSON.

        Raises:
            KeyError: There is no such stream.
        """
        api, name = self._find(stream)
        return api.truth(name)

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None = None
    ) -> list[ChangedRow]:
        """Change, add and delete rows, chosen by the seed.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete.
            stream: The stream to keep to, or the name of a fake API for all of its streams that can
                change; those of the first fake API if none.

        Raises:
            ValueError: The stream's rows cannot be changed, or are too few.
        """
        wanted = self.apis[0].root[1:] if stream is None else stream
        api = next((one for one in self.apis if one.root[1:] == wanted), None)
        name = None
        if api is None:
            try:
                api, name = self._find(wanted)
            except KeyError as error:
                raise ValueError(f"no such stream: {wanted!r}") from error
        return api.mutate(changes=changes, inserts=inserts, deletes=deletes, stream=name)

    @property
    def churned(self) -> list[Churned]:
        """The changes of churn so far, in order."""
        return [one for middleware in self.middlewares for one in middleware.churn.log]

    def settle(self) -> None:
        """End the churn."""
        for middleware in self.middlewares:
            middleware.churn.settle()

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests that came in so far, in order."""
        return [request for middleware in self.middlewares for request in middleware.requests]

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        for middleware in self.middlewares:
            middleware.requests.clear()

    def override(self, override: Override) -> None:
        """Replace responses."""
        for middleware in self.middlewares:
            middleware.overrides.append(override)

    def clear_overrides(self) -> None:
        """Drop all overrides."""
        for middleware in self.middlewares:
            middleware.overrides.clear()

    @property
    def withheld(self) -> tuple[str, ...]:
        """Variables that no tap that reads this sandbox must have."""
        return tuple(name for api in self.apis for name in api.withheld)

    def environment(self, url: str) -> dict[str, str]:
        """Return the environment variables that point every tap at this sandbox."""
        found = {"COMMERCE_SANDBOX_URL": url}
        for api in self.apis:
            found.update(api.environment(url))
        return found

    def _find(self, stream: str) -> tuple[FakeApi, str]:
        """Find the fake API that has a stream, and the stream's bare name."""
        found = [
            (api, name)
            for api in self.apis
            for name in api.streams
            if stream in {name, f"{api.root[1:]}.{name}"}
        ]
        if len(found) != 1:
            raise KeyError(stream)
        return found[0]


def _check(settings: Mapping[str, str]) -> None:
    known = {setting.name: setting for api in APIS for setting in api.settings}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"no fake API has a setting {name!r}; there are: {', '.join(known)}")
        if value not in known[name].choices:
            choices = ", ".join(known[name].choices)
            raise ValueError(f"{name} cannot be {value!r}, only one of: {choices}")
