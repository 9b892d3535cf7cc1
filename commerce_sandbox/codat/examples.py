"""Content taken from the example payloads of an official OpenAPI specification of Codat.

An example is named after the platform it was read from. Each platform becomes a company with one
connection that holds the platform's example pages; types without an example are not supported
there. An example of a single record repeats a row of a page and adds a row only where it does not.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import fields
from commerce_sandbox.codat.merchants import (
    Company,
    Connection,
    join,
    make_company,
    make_connection,
)
from commerce_sandbox.codat.platforms import COMMERCE, Platform
from commerce_sandbox.seeded import rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    Record = dict[str, Any]

_DATA: Final = "/companies/{companyId}/connections/{connectionId}/data/"
_KEYS: Final = {platform.name: platform.key for platform in COMMERCE}


class Examples:
    """Content from the examples of a specification.

    Raises:
        ValueError: The file has no examples of commerce data.
    """

    def __init__(self, path: Path) -> None:
        self._rows: dict[tuple[str, str], dict[str, Record]] = {}
        self._infos: dict[str, Record] = {}
        specification = _read(path)
        datasets: dict[str, dict[str, bool]] = {}
        for dataset, name, value in _examples(specification):
            datasets.setdefault(name, {})[dataset] = True
            if dataset == fields.COMMERCE_INFO:
                self._infos[name] = value
            else:
                rows = self._rows.setdefault((name, dataset), {})
                for row in value.get("results", [value]):
                    rows.setdefault(row["id"], row)
        if not datasets:
            raise ValueError(f"{path} has no examples of commerce data")
        made = [_company(name, held) for name, held in sorted(datasets.items())]
        self.companies: list[Company] = [company for company, _ in made]
        self.platforms: Sequence[Platform] = [platform for _, platform in made]

    def rows(self, connection: Connection, dataset: str) -> list[Record]:
        """Return the rows of a list, in the order of the example."""
        return list(self._rows[connection.platform.name, dataset].values())

    def info(self, connection: Connection, _company: Company) -> Record:
        """Return the record that describes the business behind a connection."""
        return self._infos[connection.platform.name]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON") from error
    return content if isinstance(content, dict) else {}


def _company(name: str, held: Mapping[str, bool]) -> tuple[Company, Platform]:
    platform = Platform(_KEYS.get(name) or _key(name), name, "Commerce", tuple(held))
    company = make_company(("example", name), name)
    join(company, make_connection(company.id, platform, "Linked", ("example", name)))
    return company, platform


def _key(name: str) -> str:
    return "".join(rng("platform", name).choices("abcdefghijklmnopqrstuvwxyz", k=4))


def _examples(specification: Mapping[str, Any]) -> Iterator[tuple[str, str, Record]]:
    """Find the examples of commerce data: dataset, name and value, pages before single records."""
    known = {fields.COMMERCE_INFO, *fields.COMMERCE_LISTS}
    paths = sorted(specification.get("paths", {}).items(), key=lambda item: item[0].count("/"))
    for path, operations in paths:
        dataset = path.removeprefix(_DATA).partition("/")[0]
        if path.startswith(_DATA) and dataset in known and "get" in operations:
            content = operations["get"]["responses"]["200"].get("content", {})
            for name, example in content.get("application/json", {}).get("examples", {}).items():
                yield dataset, name, example["value"]
