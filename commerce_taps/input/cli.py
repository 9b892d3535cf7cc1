"""The command line: the SDK's, with the user's mistakes told in one sentence each."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from typing_extensions import override

from commerce_taps.errors import TapError
from commerce_taps.output import OutputLost, drop_output, open_output
from commerce_taps.shutdown import DEADLINE


class Command(SingerCommand):
    """A command whose foreseen errors end in one sentence and exit code 1."""

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
        # Whoever sent a signal may have ended the program that reads, too.
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


LARGEST: t.Final = 256 << 20
"""Bytes of a file beyond which it is none that a tap reads."""


def load_config(paths: t.Iterable[str]) -> _ConfigInput:
    """Read the settings given on the command line.

    Args:
        paths: Files, of which the later win; `ENV` stands for the environment, which wins over
            files. Without any, the environment is read.

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
        # As bytes: JSON tells its encoding by itself, and some shells write UTF-16.
        content = getattr(file, "buffer", file).read(LARGEST + 1)
        if len(content) > LARGEST:
            raise TapError(f"{option}: {file.name} is larger than {LARGEST >> 20} MB.")
        value = json.loads(content, object_pairs_hook=_object)
        json.dumps(value, ensure_ascii=False).encode()  # half a character is none
    except _Twice as error:
        raise TapError(f"{option}: {file.name} has `{error}` twice in one object.") from error
    except (ValueError, RecursionError) as error:
        msg = f"{option}: {file.name} is not JSON ({error}). It may be empty or cut short."
        raise TapError(msg) from error
    if not isinstance(value, dict):
        msg = f"{option}: {file.name} holds no JSON object."
        raise TapError(msg)
    if listing is not None and not isinstance(value.get(listing), list):
        msg = f"{option}: {file.name} has no list `{listing}`: is it another kind of file?"
        raise TapError(msg)
    return value


class _Twice(ValueError):
    """An object of a file has a member of this name twice."""


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """Make an object of its members."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in made if names.count(name) > 1))
    return made
