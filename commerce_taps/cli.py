"""The command line: the SDK's, with the user's mistakes told in one sentence each."""

from __future__ import annotations

import json
import sys
import typing as t

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand
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
        except ConfigValidationError as error:
            for sentence in error.errors:
                self.logger.error("%s", sentence)  # noqa: TRY400
        sys.exit(1)

    @override
    def invoke(self, ctx: click.Context) -> t.Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            self.logger.error("The program that reads the output has ended.")  # noqa: TRY400
            raise


def load_object(option: str, file: t.IO[str] | None) -> dict[str, t.Any] | None:
    """Read a JSON object from a file given on the command line.

    Args:
        option: The option it was given with.
        file: The file, if one was given.

    Returns:
        The object, if a file was given.

    Raises:
        TapError: The file holds no JSON object.
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
    return value
