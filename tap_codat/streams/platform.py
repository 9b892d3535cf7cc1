"""The platform itself: companies, their connections, and what Codat does for them."""

from __future__ import annotations

import typing as t

from msgspec import Raw, Struct
from typing_extensions import override

from commerce_taps.errors import InvalidResponse
from commerce_taps.records.conform import encode
from commerce_taps.records.envelope import NULL, open_object
from tap_codat.stream import CompanyStream, OperationStream, PagedStream, SingleStream

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page


class Companies(PagedStream):
    """Companies that share their data, with their connections. Each run lists them once."""

    name = "companies"
    path = "companies"
    primary_keys = ("id",)
    secret_columns = ("redirect", "dataConnections.linkUrl")
    needs_companies = True

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Return the companies that the run has fetched."""
        return iter([self.shape.validate([company.raw for company in self.api.companies.values()])])


class Connections(CompanyStream):
    """Connections of each company to its platforms, returned with the companies."""

    name = "connections"
    path = "companies"
    primary_keys = ("companyId", "id")
    secret_columns = ("linkUrl",)

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Return one company's connections."""
        company = self.api.companies[t.cast("Context", context)["companyId"]]
        yield self.shape.validate([raw for _, raw in company.connections])


class DataStatuses(CompanyStream):
    """Last sync of each data type of a company, with its result."""

    name = "data_statuses"
    path = "companies/{companyId}/dataStatus"
    primary_keys = ("companyId", "dataType")

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Take the statuses out of the object keyed by data type."""
        statuses = self.api.statuses(t.cast("Context", context)).values()
        yield self.shape.validate([status for status in statuses if bytes(status) != b"null"])


class PullOperations(OperationStream):
    """Syncs of data from the platforms, one row per data type and sync."""

    name = "pull_operations"
    path = "companies/{companyId}/data/history"
    primary_keys = ("companyId", "id")
    replication_key = "requested"

    @override
    def change_token(self, context: Context | None) -> str | None:
        """Digest the sync status of all data types: each operation changes one."""
        if not self.config["skip_unchanged"]:
            return None
        return self.api.change_token(t.cast("Context", context), None)


class PushOperations(OperationStream):
    """Writes to the platforms, requested through Codat."""

    name = "push_operations"
    path = "companies/{companyId}/push"
    primary_keys = ("companyId", "pushOperationKey")
    replication_key = "requestedOnUtc"
    selected_by_default = False
    cost = "one request per company, and Codat does not report whether anything has changed"


class Integrations(PagedStream):
    """Platforms that Codat can connect to, with the data types that each supports."""

    name = "integrations"
    path = "integrations"
    primary_keys = ("key",)
    selected_by_default = False


class _SyncSettings(Struct, rename="camel"):
    settings: list[Raw] | None
    overrides_defaults: Raw = NULL


class CompanySyncSettings(SingleStream, CompanyStream):
    """How often each of a company's data types is synced."""

    name = "company_sync_settings"
    path = "companies/{companyId}/syncSettings"
    primary_keys = ("companyId", "dataType")
    selected_by_default = False
    cost = "one request per company"
    envelope = _SyncSettings

    @override
    def unwrap(self, response: _SyncSettings) -> Sequence[Raw]:
        """Copy the fields of the company's object onto each setting."""
        shared = {"overridesDefaults": response.overrides_defaults}
        settings = [(setting, open_object(setting)) for setting in response.settings or ()]
        return [Raw(encode({**shared, **own})) if own else setting for setting, own in settings]


class _WebhookConsumers(Struct, rename="camel"):
    results: list[Raw] | None
    total_results: int | None = None


class WebhookConsumers(SingleStream):
    """Addresses to which Codat sends events."""

    name = "webhook_consumers"
    path = "webhooks"
    primary_keys = ("id",)
    secret_columns = ("url",)
    selected_by_default = False
    envelope = _WebhookConsumers

    @override
    def unwrap(self, response: _WebhookConsumers) -> Sequence[Raw]:
        found = response.results or ()
        if response.total_results not in (len(found), None):
            msg = f"the response has {len(found)} of {response.total_results} records"
            raise InvalidResponse(msg)
        return found


STREAMS: t.Final = (
    Companies,
    Connections,
    DataStatuses,
    PullOperations,
    PushOperations,
    Integrations,
    CompanySyncSettings,
    WebhookConsumers,
)
