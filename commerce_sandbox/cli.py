"""The command `commerce-sandbox`."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from commerce_sandbox import command
from commerce_sandbox.fake_api import ChurnOptions, FaultOptions, Options
from commerce_sandbox.fake_apis import APIS, FakeApis
from commerce_sandbox.faults import PROFILES, describe
from commerce_sandbox.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., None]

# The exit codes of a shell.
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127

_PORT: Final = click.IntRange(0, 65535)

_SETTINGS: Final = {setting.name: setting for api in APIS for setting in api.settings}


def _check_scale(_context: click.Context, _option: click.Parameter, scale: float) -> float:
    if not 0 < scale < float("inf"):
        raise click.BadParameter("must be above 0")
    return scale


_CONTENT: Final = (
    click.option("--seed", default=7, help="Chooses the data."),
    click.option("--scale", default=1.0, callback=_check_scale, help="Size of the data."),
    click.option(
        "--codat-spec",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Serve the examples of this official OpenAPI file of Codat, not generated data.",
    ),
    *(
        click.option(
            f"--{setting.name.replace('_', '-')}",
            type=click.Choice(setting.choices),
            default=setting.default,
            help=f"{setting.help[0].upper()}{setting.help[1:]}.",
        )
        for setting in _SETTINGS.values()
    ),
)
_BEHAVIOUR: Final = (
    click.option("--host", default="127.0.0.1", help="Address to listen at."),
    click.option("--latency-ms", default=0.0, help="Delay of each response."),
    click.option(
        "--faults",
        type=click.Choice(list(PROFILES)),
        metavar="PROFILE",
        default="none",
        help="Faults to inject: see `commerce-sandbox faults`.",
    ),
    click.option("--fault-seed", default=0, help="Chooses the requests that meet a fault."),
    click.option(
        "--churn",
        default=0.0,
        metavar="ROWS_PER_SECOND",
        help="Change, add and delete rows while clients read them.",
    ),
)


def _with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Declare options of the sandbox, and pass them to the command as one `Options`."""

    def decorate(function: Command) -> Command:
        @wraps(function)
        def run(
            *,
            faults: str = "none",
            fault_seed: int = 0,
            churn: float = 0.0,
            **given: Any,  # noqa: ANN401 (the rest of the options)
        ) -> None:
            fields = {name: given.pop(name) for name in Options.__struct_fields__ if name in given}
            chosen = Options(
                faults=FaultOptions(profile=faults, seed=fault_seed),
                churn=ChurnOptions(rate=churn),
                settings={name: given.pop(name) for name in _SETTINGS if name in given},
                **fields,
            )
            try:
                function(chosen, **given)
            except BrokenPipeError:  # such as that of `head`
                raise
            except (OSError, ValueError) as error:
                raise click.UsageError(str(error)) from None

        command: Command = run
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Local fakes of commerce APIs over real HTTP."""


@main.command()
@click.option("--port", type=_PORT, default=8765, help="0 for a free one.")
@_with_options(*_CONTENT, *_BEHAVIOUR)
def serve(options: Options, host: str, port: int) -> None:
    """Serve until interrupted, and print the settings of the taps."""

    def ready(server: Server) -> None:
        lines = [f"commerce-sandbox is ready at {server.url}"]
        for api in server.fakes.apis:
            lines += ["", f"# {server.url}{api.root}"]
            for name, value in api.environment(server.url).items():
                lines.append(f"export {name}={shlex.quote(value)}")
        click.echo("\n".join(lines))

    with suppress(KeyboardInterrupt):
        Server(options, host, port, ready).run()


@main.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option("--port", type=_PORT, default=0, help="0 for a free one.")
@click.argument("program", metavar="-- CMD …", nargs=-1, required=True, type=click.UNPROCESSED)
@_with_options(*_CONTENT, *_BEHAVIOUR)
def execute(options: Options, host: str, port: int, program: tuple[str, ...]) -> None:
    """Serve while a command runs, with the settings of the taps in its environment."""
    server = Server(options, host, port)
    server.start()
    try:
        code = command.run(program, _variables(server))
    except OSError as error:
        click.echo(f"commerce-sandbox exec: {program[0]}: {error.strerror}", err=True)
        code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    finally:
        server.stop()
    sys.exit(code)


def _variables(server: Server) -> dict[str, str]:
    """Return the variables of a command that reads the sandbox and nothing else.

    A credential of the vendor's API does not get through: an empty variable is a setting that is
    not set, and the taps read no `.env`.
    """
    return {
        **dict.fromkeys(server.fakes.withheld, ""),
        **server.fakes.environment(server.url),
        "PYTHON_DOTENV_DISABLED": "1",
    }


@main.command()
@click.argument("stream")
@_with_options(*_CONTENT)
def truth(options: Options, stream: str) -> None:
    """Print the rows of a perfect extraction of a stream."""
    fakes = FakeApis(options)
    try:
        rows = fakes.truth(stream)
    except KeyError:
        known = ", ".join(fakes.streams)
        raise click.UsageError(f"no stream {stream!r}; there are: {known}") from None
    sys.stdout.buffer.writelines(row + b"\n" for row in rows)
    sys.stdout.buffer.flush()


@main.command()
@_with_options(*_CONTENT)
def streams(options: Options) -> None:
    """Print the names of the streams."""
    click.echo("\n".join(FakeApis(options).streams))


@main.command("faults")
def list_faults() -> None:
    """Print the profiles of faults and what they do."""
    width = max(map(len, PROFILES))
    for name in PROFILES:
        click.echo(f"{name:<{width}}  {describe(name)}")
