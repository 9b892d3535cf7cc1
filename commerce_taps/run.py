"""One run of a tap: its client, its limits, what it reads ahead, its report, its state, its end."""

from __future__ import annotations

import time
import typing as t

from commerce_taps.errors import TapStopped
from commerce_taps.http import Client
from commerce_taps.prefetch import PartitionPages, Prefetch
from commerce_taps.rate_limit import RateLimiter
from commerce_taps.report import Report, StreamReport
from commerce_taps.threads import DaemonPool, run_interruptibly

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from datetime import datetime

    from singer_sdk.helpers._state import StateWriter
    from singer_sdk.helpers.types import Context, TapState

    from commerce_taps.api import Api
    from commerce_taps.pagination.page import Page
    from commerce_taps.shutdown import Interrupt

STATE_INTERVAL = 10.0
"""Seconds between two STATE messages while a stream is read. With thousands of partitions a
state is megabytes, so it is written by time and at the end of a stream, not per partition."""

PROGRESS_INTERVAL = 10.0
"""Seconds between two lines on the progress of the stream that is being read."""


class Readable(t.Protocol):
    """What a run needs of a stream."""

    name: str

    def costs(self) -> Iterable[str]:
        """List what is selected although it is off by default for its cost."""

    @property
    def is_read(self) -> bool:
        """Whether the run requests it: for its own rows, or for those of its children."""

    @property
    def partitions(self) -> list[dict[str, t.Any]] | None:
        """The partitions, `None` for a stream that has none."""

    def prepare(self) -> None:
        """Make what all threads share, before any is started."""

    def starting_value(self, context: Context | None) -> datetime | None:
        """Find where a partition begins."""

    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition."""


class Run:
    """What all streams of one run share. The main thread makes it before any other is started.

    Attributes:
        api: The API that is read.
        client: Makes every request.
        limiter: Paces them.
        report: The figures of each stream.
    """

    def __init__(
        self,
        api: Api,
        streams: Callable[[], Iterable[Readable]],
        *,
        user_agent: str,
        state: Callable[[], TapState],
        state_writer: StateWriter,
        interrupt: Interrupt,
        logger: logging.Logger,
    ) -> None:
        """Connect the API; nothing is sent.

        Args:
            api: The API.
            streams: Lists the streams in the order in which they are synced.
            user_agent: Sent with every request, unless the setting of that name replaces it.
            state: Gives the state as it is now.
            state_writer: Writes it.
            interrupt: The signal that ends the run.
            logger: The tap's logger.
        """
        config = api.config
        self.api = api
        self.report = Report()
        self._streams = streams
        self._state = state
        self._state_writer = state_writer
        self._interrupt = interrupt
        self._logger = logger
        self._running = ""
        self._has_started = self._has_stopped = False
        self._state_written = self._progress_logged = time.monotonic()
        self.limiter = RateLimiter(
            per_minute=config["requests_per_minute"],
            at_once=config["concurrency"],
            per_key=api.requests_per_key,
            check=self._check,
        )
        self.client = Client(
            api.base_url,
            auth=api.auth,
            errors=api.errors,
            headers={
                "Accept": "application/json",
                "User-Agent": config.get("user_agent", user_agent),
            },
            message=api.message,
            limiter=self.limiter,
            workers=DaemonPool(config["concurrency"]),
            logger=logger,
            timeout=float(config["request_timeout"]),
            total_timeout=float(config["response_timeout"]),
            max_retries=config["max_retries"],
            max_wait=float(config["max_wait"]),
            max_bytes=config["max_response_mb"] << 20,
            quota_header=api.quota_header,
        )
        self._prefetch = Prefetch(self._plan(), config["concurrency"], self.tick)
        api.connect(self.client, self.tick)

    def start(self) -> None:
        """Begin the run, once: whichever stream is synced first does so, in the main thread.

        Raises:
            TapStopped: Nothing can be read.
        """
        if self._has_started:
            return
        self._has_started = True
        for stream in self._streams():
            for message in stream.costs():
                self._logger.warning("%s: %s.", stream.name, message)
        run_interruptibly(self.api.start, self.tick)
        for stream in self._streams():
            if stream.is_read:
                stream.prepare()

    def _plan(self) -> Iterator[PartitionPages]:
        """List the partitions of all streams that are read, in the order the SDK syncs them."""
        for stream in (stream for stream in self._streams() if stream.is_read):
            partitions = stream.partitions
            for context in [None] if partitions is None else partitions:
                pages = stream.read_if_changed(context, stream.starting_value(context))
                yield PartitionPages(_key(stream, context), pages)

    def pages(self, stream: Readable, context: Context | None) -> Iterator[Page]:
        """Return a partition's pages in order; they may have been read ahead.

        Args:
            stream: The stream.
            context: The partition.

        Raises:
            TapError: As for `Prefetch.pages`.
        """
        return self._prefetch.pages(_key(stream, context))

    # --- report ---------------------------------------------------------------------------------

    def start_stream(self, name: str, partitions: int) -> None:
        """Open a stream's figures.

        Args:
            name: The stream about to be synced.
            partitions: How many partitions it has.
        """
        self._running = name
        self.report[name] = StreamReport(partitions)

    def finish_stream(self, name: str) -> int:
        """Close a stream's figures.

        Args:
            name: The stream.

        Returns:
            How many records were emitted; 0 if it ended before its first partition.
        """
        report = self.report.get(name)
        if report is None:
            return 0
        report.seconds = time.monotonic() - report.started
        return report.records

    def log_report(self) -> None:
        """Log the summary of the run."""
        for line in (*self.report.lines(self.client.requests), *self.api.summarize()):
            self._logger.info("%s", line)

    # --- clock, state and end -------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due by time. Called after every page and while one is waited for.

        Raises:
            TapStopped: A signal ended the run.
        """
        self._interrupt.check()
        now = time.monotonic()
        if now - self._state_written > STATE_INTERVAL:
            self.write_state()
        if self._running and now - self._progress_logged > PROGRESS_INTERVAL:
            self._progress_logged = now
            requests = self.client.requests[self._running]
            waiting = self.limiter.waiting
            self._logger.info("%s", self.report.progress(self._running, requests, waiting))

    def _check(self) -> None:
        """Keep the threads of a run that has stopped from sending more requests.

        Raises:
            TapStopped: The run has stopped, or a signal ended it.
        """
        if self._has_stopped:
            raise TapStopped("the run has stopped")
        self._interrupt.check()

    def write_state(self) -> None:
        """Write a STATE message, unless nothing has changed since the last one."""
        if state := self._state():
            self._state_writer.write_state(state)
        self._state_written = time.monotonic()

    def stop(self, error: TapStopped) -> t.NoReturn:
        """End the run early: what was read is in the state.

        Args:
            error: Why.

        Raises:
            SystemExit: With 1, or with 128 plus the number of the signal that ended the run.
        """
        self._has_stopped = True
        self._logger.error("Stopped: %s", error)
        self.write_state()
        self.log_report()
        raise SystemExit(self._interrupt.exit_code or 1) from None


def _key(stream: Readable, context: Context | None) -> Hashable:
    return (stream.name, *sorted((context or {}).items()))
