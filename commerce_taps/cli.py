"""The command line: the SDK's, with the user's mistakes told in one sentence each."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from typing_extensions import override

from commerce_taps.errors import TapError

if t.TYPE_CHECKING:
    import click


class Command(SingerCommand):
    """A command whose foreseen errors end in one sentence and exit code 1."""

    @override
    def main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return super().main(*args, **kwargs)
        except TapError as error:
            self.logger.error("%s", error)  # noqa: TRY400
        sys.exit(1)

    @override
    def invoke(self, ctx: click.Context) -> t.Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            self.logger.error("The program that reads the output has ended.")  # noqa: TRY400
            raise


def load_config(paths: t.Iterable[str]) -> _ConfigInput:
    """Read the settings given on the command line.

    Args:
        paths: Files, of which the later win; `ENV` stands for the environment.

    Returns:
        The settings of all files.

    Raises:
        TapError: A file cannot be read, or holds no JSON object.
    """
    found = _ConfigInput()
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
    """Read a JSON object from a file given on the command line.

    Args:
        option: The option it was given with.
        file: The file, if one was given.
        listing: A list the object must have.

    Returns:
        The object, if a file was given.

    Raises:
        TapError: The file holds no such object.
    """
    if file is None:
        return None
    try:
        value = json.loads(file.read())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"{option}: {file.name} is not JSON ({error}). It may be empty or cut short."
        raise TapError(msg) from error
    if not isinstance(value, dict):
        msg = f"{option}: {file.name} holds no JSON object."
        raise TapError(msg)
    if listing is not None and not isinstance(value.get(listing), list):
        msg = f"{option}: {file.name} has no list `{listing}`: is it another kind of file?"
        raise TapError(msg)
    return value
