"""A tap that is put to the test, and what a scenario has to know of its API.

Everything else is learned from the tap itself (`--discover`) and from the sandbox (`environment`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from typing_extensions import override

from tests.contract import is_exact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from commerce_sandbox import ChangedRow, LoggedRequest, Sandbox
    from tests.contract import Key, Record

CANARY: Final = "canary/7f+Zq&=x%41\"e'\\t~#"
"""A secret that looks different in every encoding."""


class Failing(NamedTuple):
    """What fails for ever.

    Attributes:
        path: A regular expression, in which a column of the main stream in braces stands for one
            of its rows.
        status: The status of each answer.
        streams: The streams whose rows it is about; those of the partitions in the paths if none.
    """

    path: str
    status: int
    streams: Collection[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """A tap that is put to the test.

    Attributes:
        name: Its name, after which its package is called.
        api: The API it reads, where its vendor has several.
        main: A stream of many rows that comes in pages.
        main_path: A regular expression that finds the requests for it by their path.
        twins: Streams with the rows of another one, by which the vendor's double knows them.
        of_each_kind: A stream of each way to read.
        settings: Settings besides those of the sandbox: with them the main stream takes pages.
        scale: The size of the sandbox's data.
        requests: About how many requests a first run makes, rather too few than too many.
        failing: What fails for ever, by name.
        partition: The columns that name a partition, as far as a stream has them.
        changing: Streams whose rows the sandbox changes while they are read.
        in_turn: Whether the sandbox, not told which stream to change, changes each in turn.
        tells_all: Whether the sandbox tells of each row that it changes while they are read, and
            not of one only of those that move along with it; else one stream is changed at a time.
        untold: Streams whose rows may change without any answer telling so.
        same: Tells whether a row that came is the one the sandbox has, by stream.
        churn_scale: The size of the sandbox's data while they change.
        asked: Tells the stream and the partition a request is for; None where that cannot be told.
        by_page_number: Reads the first of the changing streams of a sandbox as most clients do, and
            gives the keys of the rows.
        seeds: What the tests play with that chance has a part in.
        faults: The faults that the tests play alone, those that matter most to the API; all if
            none. `make chaos` plays all.
        victims: Whom the tests kill.
        signals: The signals that the tests send.
        hostile_ids: Whether the API's ids are texts, so that they may tear a path apart.
        job: The project's job that loads its rows, if there is one.
    """

    name: str
    api: str = ""
    main: str
    main_path: str
    twins: Mapping[str, str] = field(default_factory=dict)
    of_each_kind: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 0.02
    requests: int
    failing: Mapping[str, Failing]
    partition: tuple[str, ...] = ()
    changing: tuple[str, ...]
    in_turn: bool = True
    tells_all: bool = True
    untold: Collection[str] = ()
    same: Callable[[str, Record, Record], bool] = lambda _, came, right: is_exact(came, right)
    churn_scale: float = 0.05
    asked: Callable[[LoggedRequest], tuple[str, Key] | None] = lambda _: None
    by_page_number: Callable[[Sandbox, int], Iterator[Key]] | None = None
    seeds: tuple[int, ...] = (1,)
    faults: tuple[str, ...] = ()
    victims: tuple[tuple[str, ...], ...] = (("tap",),)
    signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    hostile_ids: bool = False
    job: str = ""

    @override
    def __str__(self) -> str:
        return f"{self.name} ({self.api})" if self.api else self.name

    @property
    def package(self) -> str:
        """The tap's package."""
        return self.name.replace("-", "_")

    def in_double(self, stream: str) -> str:
        """Give the name by which the vendor's double knows a stream."""
        name = self.twins.get(stream, stream)
        return f"{self.api}.{name}" if self.api else name

    def in_sandbox(self, stream: str) -> str:
        """Give the name by which the sandbox knows a stream."""
        return f"{self.name.removeprefix('tap-')}.{self.in_double(stream)}"

    @cached_property
    def discovered(self) -> Record:
        """The catalog that the tap makes."""
        return self._printed("--discover")

    @cached_property
    def _settings(self) -> Collection[str]:
        """The names of the tap's settings."""
        settings: Record = self._printed("--about", "--format=json")["settings"]["properties"]
        return settings.keys()

    def _printed(self, *arguments: str) -> Record:
        api = {f"{self.package.upper()}_API": self.api} if self.api else {}
        ran = subprocess.run(
            [sys.executable, "-m", self.package, "--config=ENV", *arguments],
            check=True,
            capture_output=True,
            env=os.environ | api,
        )
        printed: Record = json.loads(ran.stdout)
        return printed

    @cached_property
    def streams(self) -> dict[str, list[str]]:
        """All streams, each with its key columns."""
        return {one["tap_stream_id"]: one["key_properties"] for one in self.discovered["streams"]}

    @cached_property
    def columns(self) -> dict[str, Collection[str]]:
        """All streams, each with the columns its catalog declares."""
        return {
            one["tap_stream_id"]: one["schema"]["properties"].keys()
            for one in self.discovered["streams"]
        }

    @cached_property
    def by_default(self) -> list[str]:
        """The streams that are read unless the user says otherwise."""
        return [one for one in self.streams if _selected(self.discovered, one)]

    def catalog(self, selected: Collection[str]) -> Record:
        """Make a catalog in which these streams are selected."""
        catalog: Record = json.loads(json.dumps(self.discovered))
        for entry in catalog["streams"]:
            for place in entry["metadata"]:
                if not place["breadcrumb"]:
                    place["metadata"]["selected"] = entry["tap_stream_id"] in selected
        return catalog

    def config(self, sandbox: Sandbox) -> Record:
        """Give the settings that lead to a sandbox, whose secret is the canary."""
        variables = {name.lower(): _value(text) for name, text in sandbox.environment.items()}
        prefix, own = f"{self.package}_", f"{self.package}_{self.api}_"
        if any(name.startswith(own) for name in variables):
            prefix = own
        given = {name.removeprefix(prefix): value for name, value in variables.items()}
        config = {name: value for name, value in given.items() if name in self._settings}
        assert CANARY in config.values(), f"{self} has another secret"
        return {**config, **self.settings}

    def truth(self, sandbox: Sandbox, stream: str) -> dict[Key, Record]:
        """Give what a stream should end up as, arranged as `Output.rows` does."""
        rows = [decode(line) for line in sandbox.truth_lines(self.in_sandbox(stream))]
        found = {self.key(stream, row): row for row in rows}
        assert len(found) == len(rows), f"{stream}: {len(rows) - len(found)} rows share a key"
        return found

    def key(self, stream: str, row: Record) -> Key:
        """Give a row's key."""
        return tuple(row[name] for name in self.streams[stream])

    def mutate(self, sandbox: Sandbox, *, changes: int, inserts: int) -> set[tuple[str, Key]]:
        """Change and add rows of each stream that can change, so that each tells of it.

        Args:
            sandbox: Whose.
            changes: How many rows of each stream to change.
            inserts: How many rows to add to each.

        Returns:
            The rows that have changed without any answer telling so, each with its stream.
        """
        if self.in_turn:
            double, number = self.in_sandbox("").partition(".")[0], len(self.changing)
            touched = sandbox.mutate(
                changes=changes * number, inserts=inserts * number, stream=double
            )
        else:
            touched = [
                one
                for stream in self.changing
                for one in sandbox.mutate(
                    changes=changes, inserts=inserts, stream=self.in_sandbox(stream)
                )
            ]
        return {
            place
            for one in touched
            if one.change == "unmarked" and (place := self.place(one)) and place[0] in self.untold
        }

    def place(self, touched: ChangedRow) -> tuple[str, Key] | None:
        """Give the stream and the key of a row that was touched; None if it is not this API's."""
        stream = touched.stream.removeprefix(self.in_double(""))
        return (stream, self.key(stream, touched.key)) if stream in self.streams else None


def _value(text: str) -> Any:  # noqa: ANN401 (JSON)
    """Give what a variable of the environment stands for: JSON if it is any, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _selected(catalog: Record, stream: str) -> bool:
    (entry,) = (one for one in catalog["streams"] if one["tap_stream_id"] == stream)
    (whole,) = (place["metadata"] for place in entry["metadata"] if not place["breadcrumb"])
    return bool(whole.get("selected", whole.get("selected-by-default", True)))


def decode(row: bytes) -> Record:
    """Decode a JSON object, numbers with a fraction exactly."""
    decoded: Record = json.loads(row, parse_float=Decimal)
    return decoded
