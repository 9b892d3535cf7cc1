"""Helpers of these tests: runs of tap-centra in this process, catalogs, expected rows."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_centra.integration import schemas as integration
from tap_centra.integration.streams import STREAMS as INTEGRATION_STREAMS
from tap_centra.order import schemas as order
from tap_centra.order.streams import STREAMS as ORDER_STREAMS
from tap_centra.schema_files import SchemaFiles
from tap_centra.tap import TapCentra
from tests.contract import is_exact
from tests.contract import order as comparable_time
from tests.fixtures import FIXTURES
from tests.runs import Runs, in_process, secrets_of, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from tests.contract import Key, Output, Record

FACTS = FIXTURES / "centra"
SCALE = 0.02
VARIANTS = ("current", "older")

INTEGRATION = "integration"
ORDER = "order"
KINDS: dict[str, dict[str, Any]] = {
    INTEGRATION: {str(vars(kind)["name"]): kind for kind in INTEGRATION_STREAMS},
    ORDER: {str(vars(kind)["name"]): kind for kind in ORDER_STREAMS},
}
"""Every stream of each of the two APIs, by name."""
EVERYTHING = [(api, name) for api, kinds in KINDS.items() for name in kinds]


class Taps(Runs):
    """Runs tap-centra in this process, through its command line."""

    def __init__(self, folder: Path) -> None:
        super().__init__(TapCentra, settings_for, folder)


def settings_for(sandbox: Sandbox, api: str = INTEGRATION) -> Record:
    """Give the settings of a run against a sandbox."""
    found = settings_from(sandbox, "TAP_CENTRA_ORDER_" if api == ORDER else "TAP_CENTRA_")
    return found | {
        "requests_per_minute": 0,
        "include_secrets": secrets_of(KINDS[api].values()),
    }


@cache
def _discovered(api: str, folder: Path) -> str:
    path = folder / f"{api}.json"
    path.write_text(json.dumps({"api": api}), encoding="utf-8")
    arguments = [] if api == INTEGRATION else ["--config", str(path)]
    return in_process(TapCentra, *arguments, "--discover").stdout.decode()


class Catalogs(NamedTuple):
    """Makes catalogs.

    Attributes:
        folder: Where settings may be written.
    """

    folder: Path

    def __call__(self, api: str = INTEGRATION, /, **streams: Iterable[str] | None) -> Record:
        """Make a catalog.

        Args:
            api: Of which of the two APIs.
            streams: The streams to read, each with its columns to read; `None` for all of them.
        """
        made: Record = json.loads(_discovered(api, self.folder))
        for entry in made["streams"]:
            name = entry["tap_stream_id"]
            columns = streams.get(name)
            for place in entry["metadata"]:
                if not place["breadcrumb"]:
                    place["metadata"]["selected"] = name in streams
                elif columns is not None and len(place["breadcrumb"]) == 2:
                    place["metadata"]["selected"] = place["breadcrumb"][1] in columns
        return made


# --- truth --------------------------------------------------------------------------------------

GIVEN = {
    (INTEGRATION, "stock_change_lines"): {"stockChangeId", "stockChangeCreatedAt"},
    (INTEGRATION, "prices"): {"productVariantId"},
    (INTEGRATION, "accounts"): {"buyers"},
    (ORDER, "order_lines"): {"orderDate"},
    (ORDER, "products"): {"readAt"},
    (ORDER, "stock"): {"readAt"},
}
"""Columns the tap adds, which a perfect extraction knows under another name or not at all."""
INSTEAD = {
    (INTEGRATION, "stock_change_lines"): {"stockChange"},
    (INTEGRATION, "prices"): {"productVariant"},
    (INTEGRATION, "stock"): {"productVariant", "product"},
}
"""References that stand in the columns added."""


def truth(sandbox: Sandbox, api: str, output: Output, stream: str) -> dict[Key, Record]:
    """Give what a stream should end up as, in neutral form, arranged as `Output.rows` does."""
    names = output.key_names(stream)
    rows = [
        json.loads(line, parse_float=Decimal)
        for line in sandbox.truth_lines(f"centra.{api}.{stream}")
    ]
    arranged = {tuple(row[name] for name in names): row for row in rows}
    assert len(arranged) == len(rows), f"{stream}: rows of truth share a key"
    return arranged


def differences(
    api: str, stream: str, got: dict[Key, Record], wanted: dict[Key, Record]
) -> list[str]:
    """List what rows have otherwise than they should.

    An object inside of a row has the fields that are declared, as far as a perfect extraction has
    them; of a row of another stream it has an id alone.
    """
    given, instead = (names.get((api, stream), set()) for names in (GIVEN, INSTEAD))
    found = [
        *(f"{key} is missing" for key in wanted.keys() - got.keys()),
        *(f"{key} is too much" for key in got.keys() - wanted.keys()),
    ]
    declared = _declared(api, stream)
    for key in wanted.keys() & got.keys():
        row, right = got[key], wanted[key]
        found += [f"{key}: no {name}" for name in right.keys() - row.keys() - instead]
        found += [f"{key}: {name} made up" for name in row.keys() - right.keys() - given]
        for name in row.keys() & right.keys():
            column = declared.get(name.lower(), {})
            found += [f"{key}{one}" for one in _unlike(row[name], right[name], column, f".{name}")]
    return found


@cache
def _declared(api: str, stream: str) -> Record:
    """Give the columns that a stream declares, by their names in lower case."""
    folder = integration if api == INTEGRATION else order
    schema = SchemaFiles(folder).fetch_schema(stream)
    return {name.lower(): column for name, column in schema["properties"].items()}


def row_differences(sandbox: Sandbox, api: str, output: Output, stream: str) -> list[str]:
    """List some of what the rows of a run have otherwise than a perfect extraction."""
    wanted = truth(sandbox, api, output, stream)
    return differences(api, stream, output.rows(stream), wanted)[:9]


def _unlike(got: Any, wanted: Any, declared: Record, path: str) -> Iterator[str]:  # noqa: ANN401
    if isinstance(got, dict) and isinstance(wanted, dict):
        fields = declared.get("properties")
        requested = wanted.keys() if fields is None else fields.keys() & wanted.keys()
        yield from (f"{path}: no {name}" for name in requested - got.keys())
        known = {*wanted, *(fields or ())} if wanted.keys() == {"id"} else wanted.keys()
        yield from (f"{path}: {name} made up" for name in got.keys() - known)
        for name in got.keys() & wanted.keys():
            field = (fields or {}).get(name, {})
            yield from _unlike(got[name], wanted[name], field, f"{path}.{name}")
    elif isinstance(got, list) and isinstance(wanted, list):
        if len(got) != len(wanted):
            yield f"{path}: {len(got)} entries and not {len(wanted)}"
        for one, other in zip(got, wanted, strict=False):
            yield from _unlike(one, other, declared.get("items", {}), f"{path}[]")
    elif path.lower().endswith("discountsapplied[].date"):
        # Inside of an object a timestamp is kept as it came, with the offset of the server.
        if comparable_time(got) != comparable_time(wanted) or got[19] not in "+-":
            yield f"{path}: {got!r} and not {wanted!r}"
    elif not is_exact(got, wanted) and not (got == wanted and path in DIGITS):
        yield f"{path}: {got!r} and not {wanted!r}"


DIGITS = {".prices[].price"}
"""Amounts that the API writes with other digits than a perfect extraction."""
