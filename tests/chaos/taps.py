"""The taps that are put to the test, an entry each, and what a scenario has to know of their APIs.

Everything else is learned from the tap itself (`--discover`) and from the sandbox (`environment`).
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import requests
from typing_extensions import override

from commerce_sandbox.codat.truth import encoded, stream_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from commerce_sandbox import LoggedRequest, Sandbox
    from tests.contract import Key, Record

CANARY: Final = "canary/7f+Zq&=x%41\"e'\\t~#"
"""A secret that looks different in every encoding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """A tap that is put to the test.

    Attributes:
        name: Its name, after which its package is called.
        api: The API it reads, where its vendor has several.
        main: A stream of many rows that comes in pages.
        main_path: A regular expression that finds the requests for it by their path.
        of_each_kind: A stream of each way to read.
        settings: Settings besides those of the sandbox: with them the main stream takes pages.
        scale: The size of the sandbox's data.
        requests: About how many requests a first run makes, rather too few than too many.
        failing: What fails for ever, by name: a regular expression, in which a column of the main
            stream in braces stands for one of its rows, and a status.
        partition: The columns that name a partition, as far as a stream has them.
        changing: The streams whose rows the sandbox changes, the main one first.
        shaped: Turns a row as the sandbox has it into what the tap makes of it, by stream.
        stamped: Whether every change of theirs leaves a stamp.
        churn_scale: The size of the sandbox's data while they change.
        asked: Tells the stream and the partition a request is for; None where that cannot be told.
        by_page_number: Reads the main stream of a sandbox as most clients do.
        hostile_ids: Whether the API's ids are texts, so that they may tear a path apart.
        job: The project's job that loads its rows, if there is one.
    """

    name: str
    api: str = ""
    main: str
    main_path: str
    of_each_kind: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 0.02
    requests: int
    failing: Mapping[str, tuple[str, int]]
    partition: tuple[str, ...] = ()
    changing: tuple[str, ...]
    shaped: Callable[[str, Record], Record] = lambda _, row: row
    stamped: bool = True
    churn_scale: float = 0.05
    asked: Callable[[LoggedRequest], tuple[str, Key] | None]
    by_page_number: Callable[[Sandbox, int], Iterator[Record]] | None = None
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
        return f"{self.api}.{stream}" if self.api else stream

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
        command = [sys.executable, "-m", self.package, *arguments]
        printed: Record = json.loads(
            subprocess.run(command, check=True, capture_output=True).stdout
        )
        return printed

    @cached_property
    def streams(self) -> dict[str, list[str]]:
        """All streams, each with its key columns."""
        return {one["tap_stream_id"]: one["key_properties"] for one in self.discovered["streams"]}

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
        prefix = f"{self.package}_{self.api}_" if self.api else f"{self.package}_"
        given = {
            name.lower().removeprefix(prefix): _value(text)
            for name, text in sandbox.environment.items()
        }
        config = {name: value for name, value in given.items() if name in self._settings}
        assert CANARY in config.values(), f"{self} has another secret"
        return {**config, **self.settings}

    def truth(self, sandbox: Sandbox, stream: str) -> dict[Key, Record]:
        """Give what a stream should end up as, arranged as `Output.rows` does."""
        rows = [self.row(stream, line) for line in sandbox.truth_lines(self.in_sandbox(stream))]
        found = {self.key(stream, row): row for row in rows}
        assert len(found) == len(rows), f"{stream}: {len(rows) - len(found)} rows share a key"
        return found

    def row(self, stream: str, line: bytes) -> Record:
        """Give a row of the sandbox as the tap should."""
        return self.shaped(stream, decode(line))

    def key(self, stream: str, row: Record) -> Key:
        """Give a row's key."""
        return tuple(row[name] for name in self.streams[stream])

    def mutate(self, sandbox: Sandbox, *, changes: int, inserts: int) -> None:
        """Change and add rows of each stream that can change, so that each tells of it."""
        changes = changes if self.stamped else 0
        for stream in self.changing:
            sandbox.mutate(changes=changes, inserts=inserts, stream=self.in_sandbox(stream))


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


# --- Codat --------------------------------------------------------------------------------------

_CODAT_LIST: Final = re.compile(r"/companies/([^/]+)/connections/([^/]+)/data/([^/]+)$")


def _asked_of_codat(request: LoggedRequest) -> tuple[str, Key] | None:
    """Tell the list of which connection was asked for."""
    found = _CODAT_LIST.search(request.path)
    return found and (stream_name(found[3]), (found[1], found[2]))


def _codat_by_page_number(sandbox: Sandbox, page_size: int) -> Iterator[Record]:
    """Read all lists of orders page by page, in the order that the API is asked for."""
    authorization = f"Basic {base64.b64encode(sandbox.api_key.encode()).decode()}"
    shops = sorted(
        {(r["companyId"], r["connectionId"]) for r in sandbox.truth("codat.commerce_orders")}
    )
    for company, connection in shops:
        number, more = 1, True
        while more:
            answer = requests.get(
                f"{sandbox.codat_url}/companies/{company}/connections/{connection}"
                "/data/commerce-orders",
                params={"page": str(number), "pageSize": str(page_size), "orderBy": "modifiedDate"},
                headers={"Authorization": authorization},
                timeout=60,
            )
            page = decode(answer.content)
            columns = {"companyId": company, "connectionId": connection}
            for row in page["results"]:
                yield decode(encoded("commerce_orders", columns | row))
            number, more = number + 1, "next" in page["_links"]


CODAT: Final = Tested(
    name="tap-codat",
    main="commerce_orders",
    main_path="data/commerce-orders",
    of_each_kind=(
        *("companies", "pull_operations", "commerce_orders", "commerce_locations"),
        *("integrations", "commerce_company_info", "commerce_syncs"),
    ),
    settings={"page_size": 60},
    requests=120,
    failing={
        "a connection": ("{connectionId}/data", 500),
        "a stream": ("data/commerce-orders", 403),
        "what is asked before": ("/dataStatus", 500),
    },
    partition=("companyId", "connectionId"),
    changing=tuple(
        f"commerce_{name}"
        for name in (
            *("orders", "payments", "locations", "customers", "disputes", "payment_methods"),
            *("product_categories", "products", "tax_components", "transactions"),
        )
    ),
    asked=_asked_of_codat,
    by_page_number=_codat_by_page_number,
    hostile_ids=True,
    job="codat-to-duckdb",
)

TAPS: Final = (CODAT,)
"""Every tap there is."""
