"""The description of a tap that the scenarios need, and the truth to compare its output with.

Everything else comes from the tap itself (`--discover`) and from the sandbox (`environment`).
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


class PermanentFailure(NamedTuple):
    """Requests that fail until the override is removed.

    Attributes:
        path: A regular expression. A column of the main stream in braces is replaced by its value
            in one of the rows.
        status: The status of each response.
        streams: The streams that may lack rows. If empty, only rows of the partitions in the paths
            may be missing.
    """

    path: str
    status: int
    streams: Collection[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class TapUnderTest:
    """A tap, its API, and the parameters of its scenarios.

    Attributes:
        name: The tap's name. Its package has the same name with underscores.
        api: The API that the tap reads, if its vendor has several.
        main: A stream with many rows and more than one page.
        main_path: A regular expression that matches the path of requests for the main stream.
        aliases: For each stream that has the rows of another one, the name of that other stream in
            the fake API.
        sample_streams: At least one stream for each way in which the tap reads.
        settings: Settings besides those of the sandbox. They make the main stream take several
            pages.
        scale: The size of the sandbox's data.
        requests: A lower estimate of the requests of a first run.
        permanent_failures: Requests that always fail, by a name for them.
        partition: The columns that identify a partition. A stream has all or some of them.
        changing: Streams whose rows the sandbox changes while the tap reads them.
        mutates_in_turn: Whether the sandbox changes all streams in turn if it is given none.
        reports_all_changes: Whether the sandbox logs every row that churn changes. If it logs only
            one of several rows that change together, churn changes one stream at a time.
        unreported: Streams whose rows may change although no response shows it.
        same: Compares an emitted row with the row of the sandbox, by stream.
        churn_scale: The size of the sandbox's data in scenarios with churn.
        partition_of: Returns the stream and the partition that a request reads, or None if they
            are not known.
        by_page_number: Reads the first of the changing streams by page number and yields the keys
            of its rows.
        seeds: Seeds of the scenarios that depend on chance.
        faults: The faults that the tests inject one at a time; all if empty. `make chaos` injects
            all of them.
        victims: The processes that the tests kill, a tuple for each test.
        signals: The signals that the tests send.
        hostile_ids: Whether ids are texts, so that they may contain characters special in a path.
        job: The project's job that loads the rows, if there is one.
    """

    name: str
    api: str = ""
    main: str
    main_path: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    sample_streams: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 0.02
    requests: int
    permanent_failures: Mapping[str, PermanentFailure]
    partition: tuple[str, ...] = ()
    changing: tuple[str, ...]
    mutates_in_turn: bool = True
    reports_all_changes: bool = True
    unreported: Collection[str] = ()
    same: Callable[[str, Record, Record], bool] = lambda _, came, right: is_exact(came, right)
    churn_scale: float = 0.05
    partition_of: Callable[[LoggedRequest], tuple[str, Key] | None] = lambda _: None
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

    def name_in_fake_api(self, stream: str) -> str:
        """Name a stream as the vendor's fake API does."""
        name = self.aliases.get(stream, stream)
        return f"{self.api}.{name}" if self.api else name

    def name_in_sandbox(self, stream: str) -> str:
        """Name a stream as the sandbox does."""
        return f"{self.name.removeprefix('tap-')}.{self.name_in_fake_api(stream)}"

    @cached_property
    def discovered(self) -> Record:
        """The catalog that the tap discovers."""
        return self._run("--discover")

    @cached_property
    def _settings(self) -> Collection[str]:
        """The names of the tap's settings."""
        settings: Record = self._run("--about", "--format=json")["settings"]["properties"]
        return settings.keys()

    def _run(self, *arguments: str) -> Record:
        """Run the tap and decode the JSON that it prints."""
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
    def default_streams(self) -> list[str]:
        """The streams that a catalog selects by default."""
        return [one for one in self.streams if _selected(self.discovered, one)]

    def catalog(self, selected: Collection[str]) -> Record:
        """Make a catalog that selects these streams and no others."""
        catalog: Record = json.loads(json.dumps(self.discovered))
        for entry in catalog["streams"]:
            for place in entry["metadata"]:
                if not place["breadcrumb"]:
                    place["metadata"]["selected"] = entry["tap_stream_id"] in selected
        return catalog

    def config(self, sandbox: Sandbox) -> Record:
        """Make the settings that connect the tap to a sandbox, with the canary as its secret."""
        variables = {name.lower(): _value(text) for name, text in sandbox.environment.items()}
        prefix, own = f"{self.package}_", f"{self.package}_{self.api}_"
        if any(name.startswith(own) for name in variables):
            prefix = own
        given = {name.removeprefix(prefix): value for name, value in variables.items()}
        config = {name: value for name, value in given.items() if name in self._settings}
        assert CANARY in config.values(), f"{self} has another secret"
        return {**config, **self.settings}

    def truth(self, sandbox: Sandbox, stream: str) -> dict[Key, Record]:
        """Read the rows that a stream has in the sandbox, by key."""
        rows = [decode(line) for line in sandbox.truth_lines(self.name_in_sandbox(stream))]
        found = {self.key(stream, row): row for row in rows}
        assert len(found) == len(rows), f"{stream}: {len(rows) - len(found)} rows share a key"
        return found

    def key(self, stream: str, row: Record) -> Key:
        """Return the key of a row."""
        return tuple(row[name] for name in self.streams[stream])

    def mutate(self, sandbox: Sandbox, *, changes: int, inserts: int) -> set[tuple[str, Key]]:
        """Change and add rows of each stream that can change.

        Args:
            sandbox: The sandbox.
            changes: How many rows of each stream to change.
            inserts: How many rows to add to each stream.

        Returns:
            The changed rows whose change no response shows, as pairs of stream and key.
        """
        if self.mutates_in_turn:
            double, number = self.name_in_sandbox("").partition(".")[0], len(self.changing)
            changed = sandbox.mutate(
                changes=changes * number, inserts=inserts * number, stream=double
            )
        else:
            changed = [
                one
                for stream in self.changing
                for one in sandbox.mutate(
                    changes=changes, inserts=inserts, stream=self.name_in_sandbox(stream)
                )
            ]
        return {
            place
            for one in changed
            if one.change == "unmarked"
            and (place := self.locate(one))
            and place[0] in self.unreported
        }

    def locate(self, changed: ChangedRow) -> tuple[str, Key] | None:
        """Find the stream and the key of a changed row. Returns None if another API has it."""
        stream = changed.stream.removeprefix(self.name_in_fake_api(""))
        return (stream, self.key(stream, changed.key)) if stream in self.streams else None


def _value(text: str) -> Any:  # noqa: ANN401 (JSON)
    """Decode an environment variable as JSON, or return the text if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _selected(catalog: Record, stream: str) -> bool:
    (entry,) = (one for one in catalog["streams"] if one["tap_stream_id"] == stream)
    (whole,) = (place["metadata"] for place in entry["metadata"] if not place["breadcrumb"])
    return bool(whole.get("selected", whole.get("selected-by-default", True)))


def decode(row: bytes) -> Record:
    """Decode a JSON object. Numbers with a fraction become decimals."""
    decoded: Record = json.loads(row, parse_float=Decimal)
    return decoded
