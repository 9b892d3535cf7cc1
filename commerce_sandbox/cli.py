"""The command `commerce-sandbox`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commerce_sandbox import command
from commerce_sandbox.double import ChurnOptions, FaultOptions, Options
from commerce_sandbox.faults import PROFILES, describe
from commerce_sandbox.server import Server
from commerce_sandbox.world import DOUBLES, World

if TYPE_CHECKING:
    from collections.abc import Sequence

# The exit codes a shell gives.
_USAGE_ERROR: Final = 2
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127

_SETTINGS: Final = {setting.name: setting for double in DOUBLES for setting in double.settings}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments; those of the process if none.

    Returns:
        The exit code.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    options = Options(
        seed=getattr(asked, "seed", 7),
        scale=getattr(asked, "scale", 1.0),
        latency_ms=getattr(asked, "latency_ms", 0.0),
        faults=FaultOptions(
            profile=getattr(asked, "faults", "none"), seed=getattr(asked, "fault_seed", 0)
        ),
        churn=ChurnOptions(rate=getattr(asked, "churn", 0.0)),
        codat_spec=getattr(asked, "codat_spec", None),
        settings={name: value for name, value in vars(asked).items() if name in _SETTINGS},
    )
    try:
        code = int(asked.run(asked, options))
        sys.stdout.flush()
    except BrokenPipeError:  # such as that of `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return code


def _serve(asked: argparse.Namespace, options: Options) -> int:
    def ready(server: Server) -> None:
        print(f"commerce-sandbox is ready at {server.url}", flush=True)

    with suppress(KeyboardInterrupt):
        Server(options, asked.host, asked.port, ready).run()
    return 0


def _exec(asked: argparse.Namespace, options: Options) -> int:
    program = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    if not program:
        print("commerce-sandbox exec: no command given", file=sys.stderr)
        return _USAGE_ERROR
    server = Server(options, asked.host, asked.port)
    server.start()
    try:
        return command.run(program, _variables(server))
    except OSError as error:
        print(f"commerce-sandbox exec: {program[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    finally:
        server.stop()


def _variables(server: Server) -> dict[str, str]:
    """Give the variables of a command that is to read the sandbox, and nothing else.

    What the user has set for the vendor's API does not get through: a variable that is empty is a
    setting that is not set, and taps read no `.env`.
    """
    return {
        **dict.fromkeys(server.world.withheld, ""),
        **server.world.environment(server.url),
        "PYTHON_DOTENV_DISABLED": "1",
    }


def _truth(asked: argparse.Namespace, options: Options) -> int:
    world = World(options)
    try:
        rows = world.truth(asked.stream)
    except KeyError:
        known = ", ".join(world.streams)
        print(f"no stream {asked.stream!r}; there are: {known}", file=sys.stderr)
        return _USAGE_ERROR
    for row in rows:
        sys.stdout.buffer.write(row + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _streams(_asked: argparse.Namespace, options: Options) -> int:
    print("\n".join(World(options).streams))
    return 0


def _faults(_asked: argparse.Namespace, _options: Options) -> int:
    width = max(map(len, PROFILES))
    for name in PROFILES:
        print(f"{name:<{width}}  {describe(name)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    content = argparse.ArgumentParser(add_help=False)
    content.add_argument("--seed", type=int, default=7, help="names the data (default 7)")
    content.add_argument(
        "--scale", type=_positive, default=1.0, help="size of the data (default 1.0)"
    )
    content.add_argument(
        "--codat-spec",
        type=_file,
        metavar="FILE",
        help="serve the examples of this official OpenAPI file of Codat instead of generated data",
    )
    for setting in _SETTINGS.values():
        content.add_argument(
            f"--{setting.name.replace('_', '-')}",
            choices=setting.choices,
            default=setting.default,
            help=f"{setting.help} (default {setting.default})",
        )
    behaviour = argparse.ArgumentParser(add_help=False)
    behaviour.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: this machine only)"
    )
    behaviour.add_argument(
        "--latency-ms", type=float, default=0.0, help="hold each answer back so long (default 0)"
    )
    behaviour.add_argument(
        "--faults",
        choices=PROFILES,
        default="none",
        metavar="PROFILE",
        help="what goes wrong: see `commerce-sandbox faults` (default none)",
    )
    behaviour.add_argument(
        "--fault-seed",
        type=int,
        default=0,
        metavar="N",
        help="names which requests are struck (default 0)",
    )
    behaviour.add_argument(
        "--churn",
        type=float,
        default=0.0,
        metavar="ROWS_PER_SECOND",
        help="change, add and delete rows while they are read (default 0)",
    )

    parser = argparse.ArgumentParser(
        prog="commerce-sandbox", description="Local doubles of commerce APIs over real HTTP."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve", parents=[content, behaviour], help="serve until interrupted"
    )
    serve.add_argument("--port", type=int, default=8765, help="0 for a free one (default 8765)")
    serve.set_defaults(run=_serve)

    execute = commands.add_parser(
        "exec",
        parents=[content, behaviour],
        help="serve while a command runs, with the taps' settings in its environment",
    )
    execute.add_argument("--port", type=int, default=0, help="default: a free one")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD …")
    execute.set_defaults(run=_exec)

    truth = commands.add_parser(
        "truth", parents=[content], help="print what a perfect extraction of a stream holds"
    )
    truth.add_argument("stream", metavar="STREAM")
    truth.set_defaults(run=_truth)

    streams = commands.add_parser("streams", parents=[content], help="print the streams' names")
    streams.set_defaults(run=_streams)

    faults = commands.add_parser("faults", help="print the profiles of faults and what they do")
    faults.set_defaults(run=_faults)
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no such file: {text}")
    return path
