"""A tap for Codat's orders as the Singer SDK's template leads one to write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, SchemaDirectory, StreamSchema, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BasePageNumberPaginator
from typing_extensions import override

from tap_codat import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from singer_sdk.helpers.types import Context, Record


class Pages(BasePageNumberPaginator):
    """Counts the pages up while a link to the next one is there."""

    @override
    def has_more(self, response: requests.Response) -> bool:
        return "next" in response.json()["_links"]


class CodatStream(RESTStream[int]):
    """A list of Codat's."""

    records_jsonpath = "$.results[*]"

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        return {"Authorization": f"Basic {self.config['api_key']}"}

    @override
    def get_new_paginator(self) -> Pages:
        return Pages(start_value=1)

    @override
    def get_url_params(
        self, context: Context | None, next_page_token: int | None
    ) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "page": next_page_token or 1,
            "pageSize": self.config["page_size"],
        }
        if self.replication_key:
            parameters["orderBy"] = self.replication_key
            start = self.get_starting_timestamp(context)
            if start:
                parameters["query"] = f"{self.replication_key}>={start:%Y-%m-%dT%H:%M:%SZ}"
        return parameters


class Connections(CodatStream):
    """The connections whose orders are read."""

    name = "connections"
    path = "/companies"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType), th.Property("companyId", th.StringType)
    ).to_dict()

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Record]:
        for company in super().parse_response(response):
            for connection in company["dataConnections"]:
                yield {"id": connection["id"], "companyId": company["id"]}

    @override
    def get_child_context(self, record: Record, context: Context | None) -> dict[str, Any]:
        return {"companyId": record["companyId"], "connectionId": record["id"]}


class Orders(CodatStream):
    """Orders of each connection."""

    name = "commerce_orders"
    path = "/companies/{companyId}/connections/{connectionId}/data/commerce-orders"
    primary_keys = ("companyId", "connectionId", "id")
    replication_key = "modifiedDate"
    is_sorted = True
    parent_stream_type = Connections
    schema: Any = StreamSchema(SchemaDirectory(schemas))


class PlainTap(Tap):
    """The tap."""

    name = "plain-sdk-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("page_size", th.IntegerType, default=2000),
    ).to_dict()

    @override
    def discover_streams(self) -> list[CodatStream]:
        return [Connections(self), Orders(self)]


if __name__ == "__main__":
    PlainTap.cli()
