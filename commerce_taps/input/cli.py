"""The SDK's command line, which reports each mistake of the user in one message."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, SingerCommand, _ConfigInput
from typing_extensions import override

from commerce_taps.errors import TapError
from commerce_taps.output import OutputLost, drop_output, open_output
from commerce_taps.shutdown import DEADLINE


class Command(SingerCommand):
    """A command that ends expected errors with one message and exit code 1."""

    @override
    def main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        with DEADLINE:
            try:
                open_output()
                try:
                    return self._main(*args, **kwargs)
                finally:
                    sys.stdout.flush()
            except OutputLost as error:
                self.logger.error("%s", error)  # noqa: TRY400
                drop_output()
        # A signal may have ended the program that reads the output as well.
        sys.exit(DEADLINE.code or 1)

    def _main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:  # noqa: ANN401
        try:
            return super().main(*args, **kwargs)
        except ConfigValidationError as error:
            self.logger.error("%s", " ".join(error.errors))  # noqa: TRY400
        except TapError as error:
            self.logger.error("%s", error)  # noqa: TRY400
        sys.exit(1)

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            if error.param is not None and isinstance(error.param.type, click.File):
                raise TapError(error.format_message()) from error
            raise


class CommandLine(PluginBase):
    """Mix-in for a tap or a target: its command line is a `Command`, and uses `load_config`."""

    @override
    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        return load_config(value)

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        return Command(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=cls.logger,
        )


MAX_FILE_BYTES: t.Final = 256 << 20
"""No file that a tap reads is larger."""


def load_config(paths: t.Iterable[str]) -> _ConfigInput:
    """Read the settings of the command line.

    Args:
        paths: Files; later ones win. `ENV` is the environment, which wins over all files. Without
            any path, the environment is read.

    Returns:
        The settings of all files.

    Raises:
        TapError: A file cannot be read, or holds no JSON object.
    """
    paths = list(paths)
    found = _ConfigInput(parse_env=not paths)
    for path in paths:
        if path == "ENV":
            found.parse_env = True
            continue
        try:
            with Path(path).open(encoding="utf-8") as file:
                found.config |= load_object("--config", file) or {}
        except OSError as error:
            msg = f"--config: {path} cannot be read ({error.strerror})."
            raise TapError(msg) from error
    return found


def load_object(
    option: str, file: t.IO[str] | None, *, listing: str | None = None
) -> dict[str, t.Any] | None:
    """Read a JSON object from a file of the command line.

    Args:
        option: The option that has the file.
        file: The file, if the option is used.
        listing: The name of a list that the object must have.

    Returns:
        The object; `None` without a file.

    Raises:
        TapError: The file holds no such object.
    """
    if file is None:
        return None
    try:
        # As bytes: some shells write UTF-16, and json.loads detects the encoding.
        content = getattr(file, "buffer", file).read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise TapError(f"{option}: {file.name} is larger than {MAX_FILE_BYTES >> 20} MB.")
        value = json.loads(content, object_pairs_hook=_object)
        json.dumps(value, ensure_ascii=False).encode()  # rejects lone surrogates
    except _DuplicateName as error:
        raise TapError(f"{option}: {file.name} has `{error}` twice in one object.") from error
    except (ValueError, RecursionError) as error:
        msg = f"{option}: {file.name} is not JSON ({error}). It may be empty or truncated."
        raise TapError(msg) from error
    if not isinstance(value, dict):
        msg = f"{option}: {file.name} is not a JSON object."
        raise TapError(msg)
    if listing is not None and not isinstance(value.get(listing), list):
        msg = f"{option}: {file.name} has no list `{listing}`: is it another kind of file?"
        raise TapError(msg)
    return value


class _DuplicateName(ValueError):
    """An object has two members of this name."""


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """Make an object of its members, whose names must differ."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateName(next(name for name in members if names.count(name) > 1))
    return members
