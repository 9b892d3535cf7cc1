"""The rows of a perfect extraction of each stream, from the store.

A row is the record as the API serves it, with `companyId` and `connectionId` where it does not
carry them itself, and with its top-level date-times in UTC, the digits of a fraction as they came.
Nested values stay as they are served.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import dates, fields, operations
from commerce_sandbox.codat.query import Kind
from commerce_sandbox.codat.table import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from commerce_sandbox.codat.query import Fields
    from commerce_sandbox.codat.store import Store

    Record = dict[str, Any]
    Rows = Iterator[Record]


def stream_name(dataset: str) -> str:
    """Return the name of the stream that carries a commerce dataset."""
    if dataset == fields.COMMERCE_INFO:
        return "commerce_company_info"
    return re.sub(r"-|(?<=[a-z])(?=[A-Z])", "_", dataset).lower()


def _companies(store: Store) -> Rows:
    yield from store.company_table


def _connections(store: Store) -> Rows:
    for company in store.companies.values():
        for connection in company.connections:
            yield {"companyId": company.id, **connection.record}


def _data_statuses(store: Store) -> Rows:
    for company in store.companies.values():
        for status in operations.data_statuses(store.pulls(company)).values():
            if status is not None:
                yield {"companyId": company.id, **status}


def _pull_operations(store: Store) -> Rows:
    for company in store.companies.values():
        yield from store.pulls(company)


def _push_operations(store: Store) -> Rows:
    for company in store.companies.values():
        yield from store.pushes(company)


def _sync_settings(store: Store) -> Rows:
    for company in store.companies.values():
        response = operations.sync_settings(company)
        for setting in response.pop("settings"):
            yield response | setting


def _syncs(store: Store) -> Rows:
    for company in store.companies.values():
        yield from operations.syncs(company)


def _sync_configurations(store: Store) -> Rows:
    for company in store.companies.values():
        if operations.uses_sync_for_commerce(company):
            yield operations.sync_configuration(company)


def _company_infos(store: Store) -> Rows:
    for company in store.companies.values():
        for connection in company.connections:
            if connection.datasets.get(fields.COMMERCE_INFO):
                ids = {"companyId": company.id, "connectionId": connection.id}
                yield ids | store.info(connection)


def _commerce(dataset: str) -> Callable[[Store], Rows]:
    def rows(store: Store) -> Rows:
        for company in store.companies.values():
            for connection in company.connections:
                ids = {"companyId": company.id, "connectionId": connection.id}
                for row in store.rows(connection, dataset):
                    yield ids | row

    return rows


_STREAMS: Final[Mapping[str, tuple[Callable[[Store], Rows], Fields]]] = {
    "companies": (_companies, fields.COMPANIES),
    "connections": (_connections, fields.CONNECTIONS),
    "data_statuses": (_data_statuses, fields.DATA_STATUSES),
    "pull_operations": (_pull_operations, fields.PULL_OPERATIONS),
    "push_operations": (_push_operations, fields.PUSH_OPERATIONS),
    "integrations": (lambda store: iter(store.integrations), fields.INTEGRATIONS),
    "company_sync_settings": (_sync_settings, fields.SYNC_SETTINGS),
    "webhook_consumers": (lambda store: iter(store.webhooks), fields.WEBHOOKS),
    **{
        stream_name(name): (_commerce(name), known) for name, known in fields.COMMERCE_LISTS.items()
    },
    stream_name(fields.COMMERCE_INFO): (_company_infos, fields.COMPANY_INFO),
    "commerce_syncs": (_syncs, fields.SYNCS),
    "commerce_sync_configurations": (_sync_configurations, fields.SYNC_CONFIGURATIONS),
}
STREAMS: Final = tuple(_STREAMS)
"""Names of all streams. Sync for Commerce's list of integrations repeats some of the platform's."""


def rows(store: Store, stream: str) -> Iterator[bytes]:
    """Return the rows of a stream, each encoded as JSON.

    Raises:
        KeyError: There is no such stream.
    """
    make, _ = _STREAMS[stream]
    for row in make(store):
        yield encoded(stream, row)


def encoded(stream: str, row: Record) -> bytes:
    """Encode a row of a stream, its date-times in UTC.

    Args:
        row: The row with all its columns, as the API writes them.
    """
    _, known = _STREAMS[stream]
    timestamps = [name for name, kind in known.items() if kind is Kind.DATE]
    in_utc = {name: dates.to_utc(row[name]) for name in timestamps if row.get(name) is not None}
    return encode(row | in_utc)
