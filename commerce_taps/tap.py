"""The base of every tap: settings, discovery, command line."""

from __future__ import annotations

import abc
import sys
import typing as t
from functools import cached_property

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
from commerce_taps.input.catalog import check_catalog, fit_catalog
from commerce_taps.input.cli import CommandLine, load_object
from commerce_taps.input.environment import clean, from_environment
from commerce_taps.input.settings import (
    check_date,
    check_secrets,
    is_missing,
    unknown_settings,
    validation_errors,
    warnings,
)
from commerce_taps.input.state import check_state
from commerce_taps.output import PageStateWriter, PageWriter
from commerce_taps.prefetch import next_page
from commerce_taps.records.mapping import Mapper, check_maps
from commerce_taps.run import Run
from commerce_taps.shutdown import Interrupt

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from singer_sdk import Stream

    from commerce_taps.api import Api
    from commerce_taps.stream import HTTPStream

PROBED_PARTITIONS = 5
"""How many partitions `--test` tries to find one that has the stream's data."""


class HTTPTap(CommandLine, Tap, abc.ABC):
    """A tap over an HTTP API: it reads streams ahead and emits them in order."""

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

    def __init__(self, **kwargs: t.Any) -> None:  # noqa: ANN401
        """Validate the settings, the catalog and the state. Nothing is sent."""
        redact.install()
        self._interrupt = Interrupt()
        if type(kwargs.get("catalog")) is dict:
            kwargs["catalog"] = check_catalog(kwargs["catalog"])
        super().__init__(**kwargs)
        self.message_writer.replaces_nul = self.config["replace_nul"]
        self._state_writer = PageStateWriter(self.message_writer)

    @abc.abstractmethod
    def make_api(self) -> Api:
        """Make the API that the settings choose."""

    @cached_property
    def run(self) -> Run:
        """The run. Its first use, in the main thread, makes it: discovery needs none."""
        return Run(
            self.make_api(),
            lambda: t.cast("Iterable[HTTPStream]", self.streams.values()),
            user_agent=f"{self.name}/{self.plugin_version} (commerce-taps)",
            state=lambda: self.state,
            state_writer=self.state_writer,
            interrupt=self._interrupt,
            logger=self.logger,
        )

    def check_config(self, config: dict[str, t.Any]) -> Iterator[str]:
        """Check what a JSON Schema cannot. Taps extend it.

        Args:
            config: The settings, each of the right type.

        Yields:
            A message for each mistake.
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
        """Validate the settings. No message contains the value of a secret.

        Discovery requires none of them, but those that are set have to be valid.
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
        for message in unknown_settings(self._config, schema):
            self.logger.warning("%s", message)
        errors = validation_errors(self._config, schema) or list(self.check_config(self._config))
        if errors and raise_errors:
            summary = "Config validation failed"
            raise ConfigValidationError(summary, errors=errors, schema=schema)
        if wrong := [message for message in errors if not is_missing(message)]:
            raise TapError(" ".join(wrong))
        for message in () if errors else warnings(self._config):
            self.logger.warning("%s", message)
        return errors

    def _check_secrets(self, streams: Iterable[Stream]) -> None:
        """Reject an `include_secrets` that names anything but secrets."""
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
        """Complete the catalog, then map the streams by it."""
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
            A message for each mistake in `stream_maps`.
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
                # If it were read, bookmarks would pass rows that were not written.
                self.logger.info("%s: `stream_maps` leaves it out.", stream.name)
                stream.selected = False
        if selected and not any(stream.selected for stream in selected):
            yield "Setting `stream_maps` leaves out all that is selected: nothing would be read."

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal. Acting on it here could tear a line that is being written."""
        self._interrupt.note(signum)

    # --- command line ---------------------------------------------------------------------------

    @override
    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 (the SDK's decorator passes the class)
        """Set up logging as the environment says, and build the command line.

        Raises:
            SystemExit: The logging configuration is invalid.
        """
        try:
            return t.cast("plugin_cli", vars(PluginBase)["cli"]).method(cls)
        except Exception as error:  # noqa: BLE001 (the user's file can raise anything)
            raise SystemExit(
                f"{cls.name}: logging cannot be set up ({redact.plain(str(error))}): check the "
                "variables `LOGLEVEL` and `SINGER_SDK_LOG_CONFIG`."
            ) from None

    @override
    def load_state(self, state: dict[str, t.Any]) -> None:
        """Take over the state of an earlier run.

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
    def get_singer_command(cls) -> click.Command:
        """Build the command line; from then on, no log message contains a secret."""
        redact.install()
        return super().get_singer_command()

    @classmethod
    def _configured(cls, config: _ConfigInput, **kwargs: t.Any) -> Self:  # noqa: ANN401
        """Make the tap for the command line: a mistake in the settings is one message."""
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
        tap.run.log_report()
        if not tap.run.report.complete:
            raise SystemExit(1)

    @override
    @classmethod
    def cb_test(
        cls,
        ctx: click.Context,
        param: click.Option,
        value: str,
    ) -> None:
        """Check the credential and print which streams can be read, or print the schemas.

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
        click.echo(f"{tap.name}: {tap.run.api.base_url}")
        for line in tap.run.api.describe_access():
            click.echo(line)
        for stream in t.cast("dict[str, HTTPStream]", tap.streams).values():
            if stream.parent is not stream:
                outcome, ok = f"comes with {stream.parent.name}", True
            else:
                outcome, ok = tap.check_stream(stream)
            click.echo(f"{stream.name:<32}  {outcome}")
            reachable = reachable and ok
        raise SystemExit(0 if reachable else 1)

    def check_stream(self, stream: HTTPStream) -> tuple[str, bool]:
        """Read the first page of a stream, from the first partition that has any.

        Returns:
            The result for the user, and whether it is a good one.
        """
        partitions = stream.partitions
        contexts = [None] if partitions is None else partitions
        refused: list[str] = []
        outcome = "reachable, but no partition has it"
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
