"""The sandbox as a context manager, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from commerce_sandbox.codat import API_KEY, ROOT
from commerce_sandbox.fake_api import ChurnOptions, FaultOptions, Options
from commerce_sandbox.middleware import Override
from commerce_sandbox.server import Server

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from commerce_sandbox.fake_api import ChangedRow, Churned
    from commerce_sandbox.middleware import LoggedRequest


class Sandbox:
    """Local fakes of the vendor APIs, at a free port, while the context lasts.

    ```python
    with Sandbox(scale=0.1) as sandbox:
        run_a_tap(api_url=sandbox.codat_url, api_key=sandbox.api_key)
        assert rows_of("commerce_orders") == sandbox.truth("commerce_orders")
    ```

    Args:
        seed: Chooses the data. Same seed and scale, same data.
        scale: Size of the data; 1.0 is the size of the demonstration.
        latency_ms: Milliseconds each response of an API is held back.
        codat_spec: An official OpenAPI file of Codat whose examples are served instead.
        faults: What goes wrong; a name stands for the profile of that name.
        churn: How the data changes while it is read; a number stands for rows a second.
        api_key: The key the fake APIs take; their own if none.
        hostile_ids: Whether ids of companies and connections hold what tears a path apart: dots,
            slashes, question marks. Codat's are GUIDs.
        **settings: Settings of single fake APIs, such as `cscart_release="4.9"`; see
            `commerce-sandbox serve --help`.

    Raises:
        ValueError: A setting or its value is unknown; raised on entering.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        scale: float = 1.0,
        latency_ms: float = 0.0,
        codat_spec: Path | str | None = None,
        faults: FaultOptions | str = "none",
        churn: ChurnOptions | float = 0.0,
        api_key: str | None = None,
        hostile_ids: bool = False,
        **settings: str,
    ) -> None:
        self._options = Options(
            seed=seed,
            scale=scale,
            latency_ms=latency_ms,
            codat_spec=None if codat_spec is None else Path(codat_spec),
            faults=FaultOptions(profile=faults) if isinstance(faults, str) else faults,
            churn=churn if isinstance(churn, ChurnOptions) else ChurnOptions(rate=churn),
            api_key=api_key,
            hostile_ids=hostile_ids,
            settings=settings,
        )

    def __enter__(self) -> Self:
        """Start the server; returns when it is ready."""
        self._server = Server(self._options)
        self._server.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self._server.stop()

    @property
    def url(self) -> str:
        """The address of the sandbox, without a path."""
        return self._server.url

    def url_of(self, api: str) -> str:
        """Return the root of a fake API, by its name."""
        return f"{self.url}/{api}"

    @property
    def codat_url(self) -> str:
        """The root of the fake Codat."""
        return f"{self.url}{ROOT}"

    @property
    def api_key(self) -> str:
        """The key the fake Codat takes."""
        return self._options.api_key or API_KEY

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point every tap at this sandbox."""
        return self._server.fakes.environment(self.url)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams."""
        return self._server.fakes.streams

    def truth_lines(self, stream: str) -> list[bytes]:
        """Return the rows of a stream as JSON, with all digits of their numbers.

        Raises:
            KeyError: There is no such stream.
        """
        return self._server.call(lambda: list(self._server.fakes.truth(stream)))

    def truth(self, stream: str) -> list[dict[str, Any]]:
        """Return the rows a perfect extraction of a stream holds, from the store, not over HTTP.

        Raises:
            KeyError: There is no such stream.
        """
        return [msgspec.json.decode(line) for line in self.truth_lines(stream)]

    def mutate(
        self,
        *,
        changes: int = 0,
        inserts: int = 0,
        deletes: int = 0,
        stream: str | None = None,
    ) -> list[ChangedRow]:
        """Change, add and delete rows, chosen by the seed; gives the rows touched.

        What follows from it moves as well: the history of reads, the data status, and the
        timestamps of the last sync.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete.
            stream: The stream to keep to, or the name of a fake API for all of its streams that can
                change; Codat's if none.

        Raises:
            ValueError: The stream's rows cannot be changed, or are too few.
        """
        return self._server.call(
            self._server.fakes.mutate,
            changes=changes,
            inserts=inserts,
            deletes=deletes,
            stream=stream,
        )

    @property
    def churned(self) -> list[Churned]:
        """The changes of churn so far, in order. It begins with the first request."""
        return self._server.call(lambda: self._server.fakes.churned)

    def settle(self) -> None:
        """End the churn, and complete its effects, such as a running sync."""
        self._server.call(self._server.fakes.settle)

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests that came in so far, in order."""
        return self._server.call(lambda: self._server.fakes.requests)

    @property
    def strayed(self) -> list[str]:
        """The heads of requests that a redirect has led to another host."""
        return self._server.call(lambda: list(self._server.strayed))

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._server.call(self._server.fakes.clear_requests)

    def override(
        self,
        path: str,
        *,
        status: int | None = None,
        body: Any = None,  # noqa: ANN401 (JSON)
        headers: dict[str, str] | None = None,
        times: int | None = None,
        delay: float = 0.0,
        holding: str = "",
    ) -> None:
        """Replace the responses to matching requests; the first override that matches counts.

        Args:
            path: A regular expression to be found in `path?query`, both decoded, or in the body
                that was sent.
            status: The status of the response. None for the API's own response, after the delay.
            body: The body: text as it is, anything else as JSON. None gives the body the API
                documents for the status.
            times: How many requests it applies to; all if none.
            delay: Seconds to wait before the response.
            holding: Replace only responses of the API that hold this text.
        """
        override = Override(
            path=path,
            status=status,
            body=body,
            headers=headers or {},
            times=times,
            delay=delay,
            holding=holding,
        )
        self._server.call(self._server.fakes.override, override)

    def clear_overrides(self) -> None:
        """Drop all overrides."""
        self._server.call(self._server.fakes.clear_overrides)
