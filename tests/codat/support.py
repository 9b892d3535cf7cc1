"""Helpers for the tests of tap-codat: settings, catalogs, runs and expected rows."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from tap_codat.streams import STREAMS
from tap_codat.tap import TapCodat
from tests.contract import by_key
from tests.processes import listen, started
from tests.runs import Run, Runs, in_process, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from tests.contract import Key, Output, Record


KINDS = {str(vars(kind)["name"]): kind for kind in STREAMS}
"""Every stream of the tap, by name."""


SECRETS = secrets_of(STREAMS)


class Taps(Runs):
    """Runs tap-codat in this process, through its command line."""

    def __init__(self, folder: Path) -> None:
        super().__init__(TapCodat, settings_for, folder)


def settings_for(sandbox: Sandbox) -> Record:
    """Give the settings of a run against a sandbox: no limit, nothing skipped or withheld."""
    return {
        "api_url": sandbox.codat_url,
        "api_key": sandbox.api_key,
        "requests_per_minute": 0,
        "skip_unchanged": False,
        "include_secrets": SECRETS,
    }


class Processes:
    """Runs the tap in processes of its own, each without settings but those it is given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: str, **variables: str) -> Run:
        """Run the tap's command line, with variables of the environment."""
        return self.into(subprocess.PIPE, *arguments, **variables)

    def into(self, stdout: int, *arguments: str, **variables: str) -> Run:
        """Run the tap's command line, and let it write elsewhere than into a pipe."""
        with started(
            "tap_codat", arguments, variables=variables, folder=self._folder, stdout=stdout
        ) as running:
            written, log, _ = listen(running)
            return Run(running.wait(), written, log.decode())


@cache
def _discovered() -> str:
    return in_process(TapCodat, "--discover").stdout.decode()


def catalog(**streams: Iterable[str] | None) -> Record:
    """Make a catalog.

    Args:
        streams: The streams to read, each with its columns to read; `None` for all of them.
    """
    made: Record = json.loads(_discovered())
    for entry in made["streams"]:
        name = entry["tap_stream_id"]
        columns = streams.get(name)
        for place in entry["metadata"]:
            if not place["breadcrumb"]:
                place["metadata"]["selected"] = name in streams
            elif columns is not None:
                place["metadata"]["selected"] = place["breadcrumb"][1] in columns
    return made


def truth(sandbox: Sandbox, output: Output, stream: str) -> dict[Key, Record]:
    """Give what a stream should end up as, arranged as `Output.rows` does."""
    return by_key(sandbox.truth_lines(stream), output.key_names(stream))
