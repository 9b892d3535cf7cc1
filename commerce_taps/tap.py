"""The base of every tap: settings, one client for all streams, the run's report and its end."""

from __future__ import annotations

import abc
import signal
import sys
import time
import typing as t

import click
from singer_sdk import Tap
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import Self, override

from commerce_taps import redact
from commerce_taps.errors import (
    PartitionRefused,
    PartitionSkipped,
    TapError,
    TapStopped,
)
from commerce_taps.http import Client
from commerce_taps.input.catalog import check_catalog, fit_catalog
from commerce_taps.input.cli import Command, load_config, load_object
from commerce_taps.input.settings import (
    check_date,
    check_secrets,
    clean,
    from_environment,
    is_missing,
    unknown,
    validation_errors,
    warnings,
)
from commerce_taps.input.state import check_state
from commerce_taps.lazy import cached_property
from commerce_taps.output import PageStateWriter, PageWriter
from commerce_taps.prefetch import PartitionPages, Prefetch, next_page
from commerce_taps.rate_limit import RateLimiter
from commerce_taps.records.mapping import Mapper, check_maps
from commerce_taps.report import Report, StreamReport
from commerce_taps.shutdown import DEADLINE
from commerce_taps.threads import DaemonPool

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from requests.auth import AuthBase
    from singer_sdk import Stream
    from singer_sdk.helpers.types import Context

    from commerce_taps.errors import ErrorTable, Message
    from commerce_taps.pagination.page import Page
    from commerce_taps.stream import HTTPStream

STATE_INTERVAL = 10.0
"""Seconds between two STATE messages while a stream is read. With thousands of partitions a
state is megabytes, so it is written by time and at the end of a stream, not per partition."""

PROGRESS_INTERVAL = 10.0
"""Seconds between two lines on the progress of the stream that is being read."""

PROBED_PARTITIONS = 5
"""How many partitions `--test` tries to find one that has the stream's data."""


class HTTPTap(Tap, abc.ABC):
    """A tap over one HTTP API whose streams are read ahead of need and emitted in order."""

    package_name = "commerce-taps"
    message_writer_class = PageWriter
    message_writer: PageWriter
    capabilities: t.ClassVar = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    errors: t.ClassVar[ErrorTable]
    """What to do about which failed answer."""

    quota_header: t.ClassVar[str] = ""
    """Where the API tells how many requests are left of its quota."""

    requests_per_key: t.ClassVar[int] = 10
    """Requests the vendor allows under way at once in one lane."""

    def __init__(self, **kwargs: t.Any) -> None:  # noqa: ANN401
        """Validate the settings; nothing is sent yet.

        Args:
            **kwargs: As for the SDK's tap.
        """
        redact.install()
        self.report = Report()
        self._signal: int | None = None
        self._running = ""
        self._state_written = self._progress_logged = time.monotonic()
        if type(kwargs.get("catalog")) is dict:
            kwargs["catalog"] = check_catalog(kwargs["catalog"])
        super().__init__(**kwargs)
        self.message_writer.replaces_nul = self.config["replace_nul"]
        self._state_writer = PageStateWriter(self.message_writer)

    # --- what a tap says of its API -------------------------------------------------------------

    @property
    @abc.abstractmethod
    def base_url(self) -> str:
        """Address of the API, without a slash at its end."""

    @property
    @abc.abstractmethod
    def auth(self) -> AuthBase:
        """Adds the credential to a request."""

    @abc.abstractmethod
    def api_message(self, body: bytes) -> Message:
        """Find the API's own words in the body of a failed answer.

        Args:
            body: The body, of any kind.

        Returns:
            The API's own words, if there are any.
        """

    def check_config(self, config: dict[str, t.Any]) -> Iterator[str]:
        """Check what a JSON Schema cannot. Taps add to it.

        Args:
            config: The settings, each of the right type.

        Yields:
            A sentence for each mistake.
        """
        if "start_date" in config:
            yield from check_date("start_date", config["start_date"])

    # --- settings -------------------------------------------------------------------------------

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, t.Any]:  # noqa: N805
        """Read the settings from the environment and from `.env`."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return from_environment(cls._env_var_prefix, schema)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Validate the settings and say what is wrong in sentences, without any secret's value.

        Discovery, which raises no errors, needs none of them; one that is given has to be right.
        """
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        properties: dict[str, dict[str, t.Any]] = schema["properties"]
        redact.redact.add(
            self._config[name]
            for name, prop in properties.items()
            if prop.get("secret") and name in self._config
        )
        self._config = clean(self._config, schema)
        for sentence in unknown(self._config, schema):
            self.logger.warning("%s", sentence)
        errors = validation_errors(self._config, schema) or list(self.check_config(self._config))
        if errors and raise_errors:
            summary = "Config validation failed"
            raise ConfigValidationError(summary, errors=errors, schema=schema)
        if wrong := [sentence for sentence in errors if not is_missing(sentence)]:
            raise TapError(" ".join(wrong))
        for sentence in () if errors else warnings(self._config):
            self.logger.warning("%s", sentence)
        return errors

    def _check_secrets(self, streams: Iterable[Stream]) -> None:
        """Refuse an `include_secrets` that names something else."""
        secrets = [
            f"{stream.name}.{column}"
            for stream in t.cast("Iterable[HTTPStream]", streams)
            for column in stream.secret_columns
        ]
        if errors := list(check_secrets(self.config["include_secrets"], secrets)):
            summary = "Config validation failed"
            raise ConfigValidationError(summary, errors=errors)

    @override
    def setup_mapper(self) -> None:
        """Complete the catalog, by which streams are then mapped."""
        streams = t.cast("list[HTTPStream]", self.load_streams())
        self._check_secrets(streams)
        if self._input_catalog is not None:
            own = {stream.name: stream for stream in streams}
            self._input_catalog = fit_catalog(self._input_catalog, self.name, own)
        try:
            errors = list(self._map_streams())
        except (MappingError, NotImplementedError, TypeError, ValueError) as error:
            errors = [f"Setting `stream_maps`: {error}"]
        if errors:
            raise ConfigValidationError(errors[0], errors=errors)

    def _map_streams(self) -> Iterator[str]:
        """Register all streams with the mapper.

        Yields:
            A sentence for each mistake in `stream_maps`.
        """
        streams = t.cast("list[HTTPStream]", [*self.streams.values()])
        columns = {stream.name: stream.known_columns for stream in streams}
        if mistakes := [*check_maps(self.config.get("stream_maps", {}), columns)]:
            yield from mistakes
            return
        mapper = self._mapper = Mapper(self.config, self.logger)
        selected = [stream for stream in streams if stream.selected]
        for stream in streams:
            mapper.register(
                stream.name,
                stream.selection.schema(stream.effective_schema),
                stream.primary_keys,
                selected=stream.selected,
            )
            if mapper.removes(stream.name):
                # Were it read all the same, bookmarks would pass rows that nobody got.
                self.logger.info("%s: `stream_maps` leaves it out.", stream.name)
                stream.selected = False
        if selected and not any(stream.selected for stream in selected):
            yield "Setting `stream_maps` leaves out all that is selected: nothing would be read."

    @override
    def _set_compatible_replication_methods(self) -> None:
        """Tell at the start of a run what costs more than a user may know."""
        super()._set_compatible_replication_methods()
        for stream in t.cast("dict[str, HTTPStream]", self.streams).values():
            for sentence in stream.costs():
                self.logger.warning("%s: %s.", stream.name, sentence)

    # --- requests -------------------------------------------------------------------------------

    @cached_property
    def limiter(self) -> RateLimiter:
        """Paces every request of this tap."""
        return RateLimiter(
            per_minute=self.config["requests_per_minute"],
            at_once=self.config["concurrency"],
            per_key=self.requests_per_key,
            check=self.check_signal,
        )

    @cached_property
    def client(self) -> Client:
        """Makes every request of this tap."""
        agent = f"{self.name}/{self.plugin_version} (commerce-taps)"
        return Client(
            self.base_url,
            auth=self.auth,
            errors=self.errors,
            headers={
                "Accept": "application/json",
                "User-Agent": self.config.get("user_agent", agent),
            },
            message=self.api_message,
            limiter=self.limiter,
            workers=DaemonPool(self.config["concurrency"]),
            logger=self.logger,
            timeout=float(self.config["request_timeout"]),
            total_timeout=float(self.config["response_timeout"]),
            max_retries=self.config["max_retries"],
            max_wait=float(self.config["max_wait"]),
            max_bytes=self.config["max_response_mb"] << 20,
            quota_header=self.quota_header,
        )

    @cached_property
    def _prefetch(self) -> Prefetch:
        return Prefetch(self._plan(), self.config["concurrency"], self.tick)

    def _plan(self) -> Iterator[PartitionPages]:
        """List the partitions of all selected streams, in the order the SDK syncs them."""
        streams = t.cast("dict[str, HTTPStream]", self.streams)
        for stream in streams.values():
            if stream.parent is stream and (stream.selected or stream.children):
                partitions = stream.partitions
                for context in [None] if partitions is None else partitions:
                    pages = stream.read_if_changed(context, stream.starting_value(context))
                    yield PartitionPages(_key(stream, context), pages)

    def pages(self, stream: HTTPStream, context: Context | None) -> Iterator[Page]:
        """Hand on a partition's pages, which may have been read ahead.

        Args:
            stream: The stream.
            context: The partition.

        Returns:
            The pages in order.
        """
        return self._prefetch.pages(_key(stream, context))

    # --- the run --------------------------------------------------------------------------------

    def begin(self, stream: HTTPStream, partitions: int) -> StreamReport:
        """Open a stream's figures.

        Args:
            stream: The stream about to be synced.
            partitions: How many partitions it has.

        Returns:
            The figures, to be counted up.
        """
        self._running = stream.name
        report = self.report[stream.name] = StreamReport(partitions)
        return report

    def end(self, stream: HTTPStream) -> int:
        """Close a stream's figures.

        Args:
            stream: The stream.

        Returns:
            How many records were emitted.
        """
        report = self.report.get(stream.name)
        if report is None:  # it ended before it had begun
            return 0
        report.seconds = time.monotonic() - report.started
        return report.records

    def tick(self) -> None:
        """Do what is due by time. Called after every page and while one is waited for.

        Raises:
            TapStopped: A signal asked the run to end.
        """
        self.check_signal()
        now = time.monotonic()
        if now - self._state_written > STATE_INTERVAL:
            self.write_state()
        if self._running and now - self._progress_logged > PROGRESS_INTERVAL:
            self._progress_logged = now
            requests = self.client.requests[self._running]
            waiting = self.limiter.waiting
            self.logger.info("%s", self.report.progress(self._running, requests, waiting))

    def check_signal(self) -> None:
        """End the run if a signal asked for it.

        Raises:
            TapStopped: One did.
        """
        if self._signal is not None:
            msg = f"the run was interrupted by {signal.Signals(self._signal).name}"
            raise TapStopped(msg)

    def write_state(self) -> None:
        """Write a STATE message, unless nothing has changed since the last one."""
        if self.state:
            self.state_writer.write_state(self.state)
        self._state_written = time.monotonic()

    def stop(self, error: TapStopped) -> t.NoReturn:
        """End the run early: what was read is in the state.

        Args:
            error: Why.

        Raises:
            SystemExit: With 1, or with 128 + the number of the signal that ended the run.
        """
        self.logger.error("Stopped: %s", error)
        self.write_state()
        self.log_report()
        raise SystemExit(1 if self._signal is None else 128 + self._signal) from None

    def log_report(self) -> None:
        """Log the summary of the run."""
        for line in self.report.lines(self.client.requests):
            self.logger.info("%s", line)
        if self.client.quota_left is not None:
            self.logger.info("Requests left of the API's quota: %s", self.client.quota_left)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal. Acting on it here could tear a line that is being written."""
        self._signal = signum
        DEADLINE.note(signum)

    # --- command line ---------------------------------------------------------------------------

    @override
    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 (the SDK's decorator hands on the class)
        """Set up logging as the environment says, and build the command line.

        Returns:
            The command.

        Raises:
            SystemExit: Logging cannot be set up so.
        """
        try:
            return t.cast("plugin_cli", vars(PluginBase)["cli"]).method(cls)
        except Exception as error:  # noqa: BLE001 (whatever the user's file makes of logging)
            raise SystemExit(
                f"{cls.name}: logging cannot be set up ({redact.plain(str(error))}): check the "
                "variables `LOGLEVEL` and `SINGER_SDK_LOG_CONFIG`."
            ) from None

    @override
    def load_state(self, state: dict[str, t.Any]) -> None:
        """Take over the state of an earlier run.

        Args:
            state: What the run is given.

        Raises:
            TapError: It is not a state of this tap.
        """
        check_state(state, self.name, self.streams)
        super().load_state(state)

    @override
    def run_discovery(self) -> str:
        """Print the catalog.

        Returns:
            The catalog as JSON.
        """
        self._check_secrets(self.streams.values())
        return super().run_discovery()

    @override
    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the settings given on the command line.

        Args:
            ctx: Click context.
            param: Click option.
            value: What was given.

        Returns:
            The settings.
        """
        return load_config(value)

    @classmethod
    def _configured(cls, config: _ConfigInput, **kwargs: t.Any) -> Self:  # noqa: ANN401
        """Make the tap for the command line, where a mistake in the settings is a sentence."""
        try:
            return cls(config=config.config, parse_env_config=config.parse_env, **kwargs)
        except ConfigValidationError as error:
            raise TapError(" ".join(error.errors)) from error

    @override
    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: t.IO[str] | None = None,
        catalog: t.IO[str] | None = None,
    ) -> None:
        """Run the tap from the command line.

        Args:
            about: Print the tap's metadata and settings, and do nothing else.
            about_format: How to print them.
            config: Settings from files or the environment.
            state: State of an earlier run.
            catalog: What to read.

        Raises:
            SystemExit: With 1 if anything that should have been read was not.
        """
        if about:
            cls.print_about(about_format)
            return
        tap = cls._configured(
            config or _ConfigInput(),
            state=load_object("--state", state),
            catalog=load_object("--catalog", catalog, listing="streams"),
        )
        tap.sync_all()
        sys.stdout.flush()
        tap.log_report()
        if not tap.report.complete:
            raise SystemExit(1)

    @override
    @classmethod
    def cb_test(
        cls,
        ctx: click.Context,
        param: click.Option,
        value: str,
    ) -> None:
        """Prove the credential and print what is reachable, or print the schemas.

        Args:
            ctx: Click context.
            param: Click option.
            value: `all`, `schema` or `disabled`.

        Raises:
            SystemExit: With 0 if every stream is reachable, else with 1.
        """
        choices = [choice.value for choice in CliTestOptionValue]
        if value not in choices:
            msg = f"{value!r} is not one of {', '.join(choices)}."
            raise click.BadParameter(msg, ctx, param)
        if value == CliTestOptionValue.Disabled.value:
            return
        tap = cls._configured(ctx.params.get("config", _ConfigInput()))
        if value == CliTestOptionValue.Schema.value:
            for stream in t.cast("dict[str, HTTPStream]", tap.streams).values():
                stream.write_schema()
            ctx.exit()
        reachable = True
        for line in tap.check_access():
            click.echo(line)
        for stream in t.cast("dict[str, HTTPStream]", tap.streams).values():
            if stream.parent is not stream:
                outcome, ok = f"comes with {stream.parent.name}", True
            else:
                outcome, ok = tap.check_stream(stream)
            click.echo(f"{stream.name:<32}  {outcome}")
            reachable = reachable and ok
        raise SystemExit(0 if reachable else 1)

    def check_access(self) -> Iterator[str]:
        """Make the first request. Taps tell here what the credential opens.

        Yields:
            Lines for the user.
        """
        yield f"{self.name}: {self.base_url}"

    def check_stream(self, stream: HTTPStream) -> tuple[str, bool]:
        """Try a stream on the first partition that has its data.

        Args:
            stream: The stream.

        Returns:
            What came of it, and whether that is as it should be.
        """
        partitions = stream.partitions
        contexts = [None] if partitions is None else partitions
        refused: list[str] = []
        outcome = "reachable, but nobody has it"
        for context in contexts[:PROBED_PARTITIONS]:
            try:
                page = next_page(stream.read_if_changed(context, stream.starting_value(context)))
            except TapStopped:
                raise
            except PartitionSkipped as error:
                outcome = f"reachable; {error.reason}"
                if isinstance(error, PartitionRefused):
                    refused.append(error.reason)
            except TapError as error:
                return f"NOT reachable: {error.reason}", False
            else:
                records = len(page.records) if page else 0
                return f"reachable, {records} records on a first page", True
        if refused and len(contexts) <= PROBED_PARTITIONS and not stream.optional:
            return f"NOT reachable: {refused[-1]}", False
        return outcome, True

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Build the command line.

        Returns:
            The SDK's command, which tells the user's mistakes in a sentence.
        """
        redact.install()
        command = super().get_singer_command()
        return Command(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=cls.logger,
        )


def _key(stream: HTTPStream, context: Context | None) -> tuple[t.Any, ...]:
    return (stream.name, *sorted((context or {}).items()))
