"""What a tap knows of its vendor's API: where it is, how it is opened, how it reports an error."""

from __future__ import annotations

import abc
import typing as t

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

    from requests.auth import AuthBase

    from commerce_taps.errors import ErrorTable, Message
    from commerce_taps.http import Client


class Api(abc.ABC):
    """One API of a vendor, with what a run fetches of it once.

    A subclass adds what all of its streams share and the API returns once a run: the companies of
    an account, the version of a store, the live schema.
    """

    errors: t.ClassVar[ErrorTable]
    """What to do about which failed response."""

    quota_header: t.ClassVar[str] = ""
    """The response header that holds the number of requests left of the API's quota."""

    requests_per_key: t.ClassVar[int] = 10
    """How many requests of one `Request.concurrency_key` the vendor allows at the same time."""

    client: Client
    """Makes the requests; there from `connect` on."""

    tick: Callable[[], None]
    """Called again and again while the main thread waits; may raise `TapStopped`."""

    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        """Send nothing: discovery needs neither an address nor a credential.

        Args:
            config: The settings, validated.
            logger: The tap's logger.
        """
        self.config = config
        self.logger = logger

    @property
    @abc.abstractmethod
    def base_url(self) -> str:
        """Address of the API, without a slash at its end."""

    @property
    @abc.abstractmethod
    def auth(self) -> AuthBase:
        """Adds the credential to a request."""

    @abc.abstractmethod
    def message(self, body: bytes) -> Message:
        """Find the API's own message in the body of a failed response.

        Args:
            body: The body, of any kind: a proxy may have sent it.
        """

    def connect(self, client: Client, tick: Callable[[], None]) -> None:
        """Take over the run's client, before any stream is read."""
        self.client = client
        self.tick = tick

    def start(self) -> None:  # noqa: B027 - most APIs have nothing to fetch
        """Fetch what must be known before the first SCHEMA, at the start of a run.

        Raises:
            TapStopped: Without it nothing can be read.
        """

    def describe_access(self) -> Iterator[str]:
        """Make the first request of `--test`.

        Yields:
            Lines on what the credential opens.
        """
        yield from ()

    def summarize(self) -> Iterator[str]:
        """Add to the summary at the end of a run.

        Yields:
            Lines for the log.
        """
        if self.client.quota_left is not None:
            yield f"Requests left of the API's quota: {self.client.quota_left}"
