"""The data behind the API: companies, connections and their rows.

Rows are made when they are first requested. A row's content depends on its names alone, so the
order in which lists are requested does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from commerce_sandbox.codat import commerce, fields, merchants, operations
from commerce_sandbox.codat.platforms import COMMERCE, OTHERS
from commerce_sandbox.codat.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from commerce_sandbox.codat.merchants import Company, Connection
    from commerce_sandbox.codat.platforms import Platform

    Record = dict[str, Any]


class Source(Protocol):
    """The source of the store's content: the seed, or the examples of an official specification."""

    @property
    def platforms(self) -> Sequence[Platform]:
        """The platforms that can be connected."""

    @property
    def companies(self) -> list[Company]:
        """The companies, in the order the API lists them."""

    def rows(self, connection: Connection, dataset: str) -> list[Record]:
        """Make the rows of a list, in storage order."""

    def info(self, connection: Connection, company: Company) -> Record:
        """Make the record that describes the business behind a connection."""


class Generated:
    """Content made from seed and scale."""

    def __init__(self, seed: int, scale: float, *, hostile_ids: bool = False) -> None:
        self.platforms: Sequence[Platform] = (*COMMERCE, *OTHERS)
        self.companies = merchants.generate(seed, scale)
        if hostile_ids:
            merchants.make_hostile(self.companies)

    def rows(self, connection: Connection, dataset: str) -> list[Record]:
        """Make the rows of a list, in storage order."""
        return commerce.rows(connection, dataset)

    def info(self, connection: Connection, company: Company) -> Record:
        """Make the record that describes the business behind a connection."""
        return commerce.company_info(connection, str(company.record["name"]))


class Store:
    """The content of the fake API.

    Args:
        source: Where companies and rows come from.
        seed: Names what does not come from the source.
    """

    def __init__(self, source: Source, seed: int) -> None:
        self._source: Final = source
        self.seed: Final = seed
        self.platforms: Final = source.platforms
        self.companies: Final = {company.id: company for company in source.companies}
        self.company_table: Final[Table] = Table(
            [company.record for company in source.companies], fields.COMPANIES
        )
        self.integrations: Final[Table] = Table(
            [platform.integration() for platform in source.platforms], fields.INTEGRATIONS, "key"
        )
        self.sync_integrations: Final[Table] = Table(
            [
                platform.integration()
                for platform in source.platforms
                if platform.source_type in {"Accounting", "Commerce"}
            ],
            fields.INTEGRATIONS,
            "key",
        )
        self.webhooks: Final[Table] = Table(operations.webhooks(seed), fields.WEBHOOKS)
        self._lists: dict[tuple[str, str], Table] = {}
        self._infos: dict[str, Record] = {}
        self._connections: dict[str, Table] = {}
        self._pulls: dict[str, Table] = {}
        self._pushes: dict[str, Table] = {}
        self.now: datetime = merchants.NOW

    @property
    def quota(self) -> int:
        """Requests a day: 1,000 and as many again for each company with an active connection."""
        active = sum(
            any(connection.active for connection in company.connections)
            for company in self.companies.values()
        )
        return 1000 * (1 + active)

    def rows(self, connection: Connection, dataset: str) -> Table:
        """Return a list of a connection; empty where it was never synced or is not supported."""
        key = (connection.id, dataset)
        if key not in self._lists:
            held = connection.datasets.get(dataset, False)
            rows = self._source.rows(connection, dataset) if held else []
            self._lists[key] = Table(rows, fields.COMMERCE_LISTS[dataset])
        return self._lists[key]

    def info(self, connection: Connection) -> Record:
        """Return the record that describes the business behind a connection."""
        if connection.id not in self._infos:
            company = self.companies[connection.company_id]
            self._infos[connection.id] = self._source.info(connection, company)
        return self._infos[connection.id]

    def connections(self, company: Company) -> Table:
        """Return the company's connections."""
        if company.id not in self._connections:
            rows = company.record["dataConnections"]
            self._connections[company.id] = Table(rows, fields.CONNECTIONS)
        return self._connections[company.id]

    def pulls(self, company: Company) -> Table:
        """Return the company's history of reads."""
        if company.id not in self._pulls:
            rows = operations.pull_operations(company)
            self._pulls[company.id] = Table(rows, fields.PULL_OPERATIONS)
        return self._pulls[company.id]

    def pushes(self, company: Company) -> Table:
        """Return the company's history of writes."""
        if company.id not in self._pushes:
            rows = operations.push_operations(company)
            key = "pushOperationKey"
            self._pushes[company.id] = Table(rows, fields.PUSH_OPERATIONS, key)
        return self._pushes[company.id]

    def finish_syncs(self, completed: datetime) -> None:
        """Let every read that is under way end well."""
        for company in self.companies.values():
            pulls = self.pulls(company)
            running = [
                number
                for number, pull in enumerate(pulls.rows)
                if pull["status"] == operations.RUNNING
            ]
            for number in running:
                operations.finish(pulls.rows[number], completed)
                pulls.changed(number)
            synced = {pulls.rows[number]["connectionId"] for number in running}
            for connection in company.connections:
                if connection.id in synced:
                    connection.record["lastSync"] = f"{completed.isoformat()}Z"
                    self.connections(company).all_changed()
                    self.company_table.all_changed()

    def begin_sync(self, connection: Connection, dataset: str, started: datetime) -> None:
        """Note that a dataset is being read."""
        pulls = self.pulls(self.companies[connection.company_id])
        pull = operations.pull_operation(connection, dataset, ("sync", len(pulls)), started)
        operations.begin(pull)
        pulls.add(pull)

    def record_sync(self, connection: Connection, dataset: str, started: datetime) -> None:
        """Record another read of a dataset, as a change of its rows implies.

        The history gains a read, and the data status, the connection and the company move with it.
        """
        company = self.companies[connection.company_id]
        pulls = self.pulls(company)
        pull = operations.pull_operation(connection, dataset, ("sync", len(pulls)), started)
        pulls.add(pull)
        connection.record["lastSync"] = company.record["lastSync"] = pull["completed"]
        self.connections(company).all_changed()
        self.company_table.all_changed()
