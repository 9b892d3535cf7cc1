"""The endpoints: their paths, parameters and responses.

Endpoints that hand out keys or tokens do not exist here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from commerce_sandbox.codat import fields, operations, responses
from commerce_sandbox.codat.query import Kind, QueryError, compile_query
from commerce_sandbox.codat.responses import ApiError, PageRequest
from commerce_sandbox.codat.table import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from commerce_sandbox.codat.merchants import Company, Connection
    from commerce_sandbox.codat.platforms import Platform
    from commerce_sandbox.codat.query import Fields
    from commerce_sandbox.codat.store import Store
    from commerce_sandbox.codat.table import Table

_PAGED: Final = frozenset({"page", "pageSize", "query", "orderBy"})
_SIZED: Final = frozenset({"page", "pageSize"})
_COMPANIES: Final = _PAGED | {"tags"}
_NONE: Final = frozenset[str]()
_TAGS: Final = defaultdict[str, Kind](lambda: Kind.TEXT)
"""Clients name the tags; all hold text."""
_DATA: Final = "companies/{companyId}/connections/{connectionId}/data"
_SYNCS: Final = "companies/{companyId}/sync/commerce/syncs"


class Call(msgspec.Struct, frozen=True):
    """A request that found its endpoint.

    Attributes:
        store: The content of the fake API.
        path: The path as it came, below the root of the API.
        names: The decoded values of the path's variables.
    """

    store: Store
    path: str
    names: dict[str, str]
    parameters: dict[str, str]

    @property
    def company(self) -> Company:
        """The company the path names."""
        company = self.store.companies.get(self.names["companyId"])
        if company is None:
            raise ApiError(404, f"No company was found with ID {self.names['companyId']}")
        return company

    @property
    def connection(self) -> Connection:
        """The connection the path names, if it is the company's."""
        for connection in self.company.connections:
            if connection.id == self.names["connectionId"]:
                return connection
        raise ApiError(404, f"Data connection {self.names['connectionId']} not found")

    @property
    def platform(self) -> Platform:
        """The platform the path names."""
        for platform in self.store.platforms:
            if platform.key == self.names["platformKey"]:
                return platform
        raise ApiError(404, f"No integration was found with key {self.names['platformKey']}")

    def page(self, table: Table, queryable: Fields | None = None) -> bytes:
        """Return a page of a list."""
        request = PageRequest.read(self.parameters)
        try:
            selected = table.select(request.query, request.order, queryable)
            if request.tags is not None:
                tagged = compile_query(request.tags, _TAGS)
                selected = [n for n in selected if tagged(table.rows[n].get("tags", {}))]
        except QueryError as error:
            raise ApiError(400, str(error)) from error
        return responses.page(table, selected, self.path, request)


class Endpoint(msgspec.Struct, frozen=True):
    """A path, its parameters and its response.

    Attributes:
        path: Segments of the path; a variable's name stands in braces.
        respond: Returns the body of a successful response.
    """

    path: tuple[str, ...]
    parameters: frozenset[str]
    respond: Callable[[Call], bytes]

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return the values of the path's variables if the segments are this path."""
        if len(segments) != len(self.path):
            return None
        names = {}
        for pattern, segment in zip(self.path, segments, strict=True):
            if pattern.startswith("{") and segment:
                names[pattern[1:-1]] = segment
            elif pattern != segment:
                return None
        return names


def _found(row: bytes | None, what: str, key: str) -> bytes:
    if row is None:
        raise ApiError(404, f"No data available for {what} for ID {key}")
    return row


def _companies(call: Call) -> bytes:
    # By the documentation, querying does not work on companies, connections and integrations,
    # and shows it all the same. A client must not lean on it.
    return call.page(call.store.company_table, {})


def _dataset(call: Call, dataset: str) -> Connection:
    """Return the connection the path names, if it holds the dataset."""
    connection = call.connection
    if dataset not in connection.datasets:
        platform = connection.platform.name
        raise ApiError(404, f"Datatype {dataset} not supported by platform(s) {platform}")
    if not connection.datasets[dataset]:
        raise ApiError(409)
    return connection


def _list(dataset: str) -> Callable[[Call], bytes]:
    def respond(call: Call) -> bytes:
        return call.page(call.store.rows(_dataset(call, dataset), dataset))

    return respond


def _single(dataset: str) -> Callable[[Call], bytes]:
    def respond(call: Call) -> bytes:
        table = call.store.rows(_dataset(call, dataset), dataset)
        key = call.names["recordId"]
        return _found(table.find(key), dataset, key)

    return respond


def _pulls(call: Call) -> bytes:
    # Codat documents `status` as a property to query and refuses `isCompleted`; whether it would
    # take the dates is unknown, so the fake API refuses them.
    queryable = fields.without(fields.PULL_OPERATIONS, Kind.DATE)
    return call.page(call.store.pulls(call.company), queryable)


def _pushes(call: Call) -> bytes:
    queryable = fields.without(fields.PUSH_OPERATIONS, Kind.DATE)
    return call.page(call.store.pushes(call.company), queryable)


def _record(table: Callable[[Call], Table], name: str, what: str) -> Callable[[Call], bytes]:
    def respond(call: Call) -> bytes:
        key = call.names[name]
        return _found(table(call).find(key), what, key)

    return respond


def _sync(call: Call, choose: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for sync in operations.syncs(call.company):
        if choose(sync):
            return sync
    raise ApiError(404, f"No sync was found for company {call.company.id}")


def _latest_sync(call: Call) -> bytes:
    return encode(_sync(call, lambda _: True))


def _last_successful_sync(call: Call) -> bytes:
    return encode(_sync(call, lambda sync: sync["syncStatus"] == operations.COMPLETE))


def _sync_by_id(call: Call) -> bytes:
    return encode(_sync(call, lambda sync: sync["syncId"] == call.names["syncId"]))


def _sync_status(call: Call) -> bytes:
    return encode(operations.sync_status(call.company, _sync(call, lambda _: True)))


def _sync_configuration(call: Call) -> bytes:
    if not operations.uses_sync_for_commerce(call.company):
        raise ApiError(404, f"No configuration was found for company {call.company.id}")
    return encode(operations.sync_configuration(call.company))


def _webhooks(call: Call) -> bytes:
    return encode({"results": list(call.store.webhooks)})


def _endpoints() -> Mapping[str, tuple[frozenset[str], Callable[[Call], bytes]]]:
    return {
        "companies": (_COMPANIES, _companies),
        "companies/{companyId}": (_NONE, lambda call: encode(call.company.record)),
        "companies/{companyId}/connections": (
            _PAGED,
            lambda call: call.page(call.store.connections(call.company), {}),
        ),
        "companies/{companyId}/connections/{connectionId}": (
            _NONE,
            lambda call: encode(call.connection.record),
        ),
        "companies/{companyId}/syncSettings": (
            _NONE,
            lambda call: encode(operations.sync_settings(call.company)),
        ),
        "companies/{companyId}/dataStatus": (
            _NONE,
            lambda call: encode(operations.data_statuses(call.store.pulls(call.company))),
        ),
        "companies/{companyId}/data/history": (_PAGED, _pulls),
        "companies/{companyId}/data/history/{datasetId}": (
            _NONE,
            _record(lambda call: call.store.pulls(call.company), "datasetId", "dataset"),
        ),
        "companies/{companyId}/push": (_PAGED, _pushes),
        "companies/{companyId}/push/{pushOperationKey}": (
            _NONE,
            _record(lambda call: call.store.pushes(call.company), "pushOperationKey", "push"),
        ),
        "integrations": (_PAGED, lambda call: call.page(call.store.integrations, {})),
        "integrations/{platformKey}": (_NONE, lambda call: encode(call.platform.integration())),
        "integrations/{platformKey}/branding": (
            _NONE,
            lambda call: encode(call.platform.branding()),
        ),
        "webhooks": (_NONE, _webhooks),
        f"{_DATA}/commerce-info": (
            _NONE,
            lambda call: encode(call.store.info(_dataset(call, fields.COMMERCE_INFO))),
        ),
        **{
            f"{_DATA}/{name}": (_SIZED if name in fields.UNFILTERED else _PAGED, _list(name))
            for name in fields.COMMERCE_LISTS
        },
        **{
            f"{_DATA}/{name}/{{recordId}}": (_NONE, _single(name)) for name in fields.COMMERCE_LISTS
        },
        f"{_SYNCS}/list/status": (_NONE, lambda call: encode(operations.syncs(call.company))),
        f"{_SYNCS}/latest/status": (_NONE, _latest_sync),
        f"{_SYNCS}/lastSuccessful/status": (_NONE, _last_successful_sync),
        f"{_SYNCS}/{{syncId}}/status": (_NONE, _sync_by_id),
        "meta/companies/{companyId}/sync/commerce/status": (_NONE, _sync_status),
        "config/companies/{companyId}/sync/commerce": (_NONE, _sync_configuration),
        "config/integrations": (_PAGED, lambda call: call.page(call.store.sync_integrations, {})),
        "config/integrations/{platformKey}/branding": (
            _NONE,
            lambda call: encode(call.platform.branding()),
        ),
    }


ENDPOINTS: Final = tuple(
    Endpoint(tuple(path.split("/")), parameters, respond)
    for path, (parameters, respond) in _endpoints().items()
)
