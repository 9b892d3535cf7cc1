"""The sandbox as a context manager, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from commerce_sandbox.codat import API_KEY, ROOT
from commerce_sandbox.double import ChurnOptions, FaultOptions, Options
from commerce_sandbox.gate import Override
from commerce_sandbox.server import Server

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from commerce_sandbox.double import Churned, Touched
    from commerce_sandbox.gate import LoggedRequest


class Sandbox:
    """Local doubles of the vendor APIs, at a free port, while the context lasts.

    ```python
    with Sandbox(scale=0.1) as sandbox:
        run_a_tap(api_url=sandbox.codat_url, api_key=sandbox.api_key)
        assert rows_of("commerce_orders") == sandbox.truth("commerce_orders")
    ```

    Args:
        seed: Names the data. Same seed and scale, same data.
        scale: Size of the data; 1.0 is the size of the demonstration.
        latency_ms: Milliseconds each answer of an API is held back.
        codat_spec: An official OpenAPI file of Codat whose examples are served instead.
        faults: What goes wrong; a name stands for the profile of that name.
        churn: How the data changes while it is read; a number stands for rows a second.
        api_key: The key the doubles take; their own if none.
        hostile_ids: Whether ids of companies and connections hold what tears a path apart: dots,
            slashes, question marks. Codat's are GUIDs.
        **settings: What single doubles are told, such as `cscart_release="4.9"`; see
            `commerce-sandbox serve --help`.

    Raises:
        ValueError: A double is told what it does not know; said on entering.
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
        """Start the server; returns when it answers."""
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

    def url_of(self, double: str) -> str:
        """Give the root of a double, by its name."""
        return f"{self.url}/{double}"

    @property
    def codat_url(self) -> str:
        """The root of Codat's double."""
        return f"{self.url}{ROOT}"

    @property
    def api_key(self) -> str:
        """The key Codat's double takes."""
        return self._options.api_key or API_KEY

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point every tap at this sandbox."""
        return self._server.world.environment(self.url)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams."""
        return self._server.world.streams

    def truth_lines(self, stream: str) -> list[bytes]:
        """Give the rows of a stream as JSON, with all digits of their numbers.

        Raises:
            KeyError: There is no such stream.
        """
        return self._server.call(lambda: list(self._server.world.truth(stream)))

    def truth(self, stream: str) -> list[dict[str, Any]]:
        """Give the rows a perfect extraction of a stream holds, from the store, not over HTTP.

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
    ) -> list[Touched]:
        """Change, add and delete rows, chosen by the seed; gives the rows touched.

        What follows from it moves as well: the history of reads, the data status, and the stamps of
        the last sync.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete.
            stream: The stream to keep to, or the name of a double for all of its streams that can
                change; Codat's if none.

        Raises:
            ValueError: The stream's rows cannot be changed, or are too few.
        """
        return self._server.call(
            self._server.world.mutate,
            changes=changes,
            inserts=inserts,
            deletes=deletes,
            stream=stream,
        )

    @property
    def churned(self) -> list[Churned]:
        """What churn has done so far, in order. It begins with the first request."""
        return self._server.call(lambda: self._server.world.churned)

    def settle(self) -> None:
        """End the churn, and with it what it implies, such as a sync under way."""
        self._server.call(self._server.world.settle)

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests that came in so far, in order."""
        return self._server.call(lambda: self._server.world.requests)

    @property
    def strayed(self) -> list[str]:
        """The heads of requests that a redirect has led to another host."""
        return self._server.call(lambda: list(self._server.strayed))

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._server.call(self._server.world.clear_requests)

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
        """Have matching requests answered otherwise; the first override that matches counts.

        Args:
            path: A regular expression to be found in `path?query`, both decoded, or in the body
                that was sent.
            status: The status of the answer. None lets the API answer, after the delay.
            body: The body: text as it is, anything else as JSON. None gives the body the API
                documents for the status.
            headers: Headers of the answer.
            times: How many requests it holds for; all if none.
            delay: Seconds to wait before the answer.
            holding: It takes only the place of answers of the API that hold this text.
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
        self._server.call(self._server.world.override, override)

    def clear_overrides(self) -> None:
        """Have all requests answered by the APIs themselves again."""
        self._server.call(self._server.world.clear_overrides)
