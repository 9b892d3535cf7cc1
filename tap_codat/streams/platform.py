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
    """Companies that share their data, each with its connections. The run lists them once."""

    name = "companies"
    path = "companies"
    primary_keys = ("id",)
    secret_columns = ("redirect", "dataConnections.linkUrl")

    @override
    def prepare(self) -> None:
        self.api.fetch_companies()
        super().prepare()

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Hand on the companies the run has listed. See the base class."""
        return iter([self.page_of([company.raw for company in self.api.companies.values()])])


class Connections(CompanyStream):
    """Connections of each company to its platforms. They come with the companies."""

    name = "connections"
    path = "companies"
    primary_keys = ("companyId", "id")
    secret_columns = ("linkUrl",)

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Hand on one company's connections. See the base class."""
        company = self.api.companies[t.cast("Context", context)["companyId"]]
        yield self.page_of([raw for _, raw in company.connections])


class DataStatuses(CompanyStream):
    """When each of a company's data types was synced last, and how that went."""

    name = "data_statuses"
    path = "companies/{companyId}/dataStatus"
    primary_keys = ("companyId", "dataType")

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Take the statuses out of the object keyed by data type. See the base class."""
        statuses = self.api.statuses(t.cast("Context", context)).values()
        yield self.page_of([status for status in statuses if bytes(status) != b"null"])


class PullOperations(OperationStream):
    """Syncs of data from the platforms, one row a data type and sync."""

    name = "pull_operations"
    path = "companies/{companyId}/data/history"
    primary_keys = ("companyId", "id")
    replication_key = "requested"

    @override
    def change_token(self, context: Context | None) -> str | None:
        """Mark what Codat tells of all data types, where each operation shows."""
        if not self.config["skip_unchanged"]:
            return None
        return self.api.change_token(t.cast("Context", context), None)


class PushOperations(OperationStream):
    """Writes to the platforms that were requested through Codat."""

    name = "push_operations"
    path = "companies/{companyId}/push"
    primary_keys = ("companyId", "pushOperationKey")
    replication_key = "requestedOnUtc"
    selected_by_default = False
    cost = "a request a company, and nothing tells whether anything has changed"


class Integrations(PagedStream):
    """Platforms Codat can connect to, and the data types each supports."""

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
    cost = "a request a company"
    envelope = _SyncSettings

    @override
    def unwrap(self, answer: _SyncSettings) -> Sequence[Raw]:
        """Copy onto each setting what the company's object says of all. See the base class."""
        shared = {"overridesDefaults": answer.overrides_defaults}
        settings = [(setting, open_object(setting)) for setting in answer.settings or ()]
        return [Raw(encode({**shared, **own})) if own else setting for setting, own in settings]


class _WebhookConsumers(Struct, rename="camel"):
    results: list[Raw] | None
    total_results: int | None = None


class WebhookConsumers(SingleStream):
    """Addresses that Codat tells of events."""

    name = "webhook_consumers"
    path = "webhooks"
    primary_keys = ("id",)
    secret_columns = ("url",)
    selected_by_default = False
    envelope = _WebhookConsumers

    @override
    def unwrap(self, answer: _WebhookConsumers) -> Sequence[Raw]:
        """Take the consumers out of the list. See the base class."""
        found = answer.results or ()
        if answer.total_results not in (len(found), None):
            msg = f"{len(found)} of {answer.total_results} records came"
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
