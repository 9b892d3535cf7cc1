"""Sync for Commerce: how sales are carried over into each company's books.

A product of its own that few use, off by default for what it costs.
"""

from __future__ import annotations

import typing as t

from msgspec import Raw
from typing_extensions import override

from tap_codat.stream import CompanyStream, SingleStream

if t.TYPE_CHECKING:
    from collections.abc import Sequence

COST: t.Final = "one request per company, and Codat does not report whether anything has changed"


class Syncs(SingleStream, CompanyStream):
    """Syncs of sales into the accounts, with their results."""

    name = "commerce_syncs"
    path = "companies/{companyId}/sync/commerce/syncs/list/status"
    context_keys = ()  # the rows carry the company's id themselves
    primary_keys = ("companyId", "syncId")
    selected_by_default = False
    optional = True
    cost = COST
    envelope = list[Raw]

    @override
    def unwrap(self, response: list[Raw]) -> Sequence[Raw]:
        return response


class SyncConfigurations(SingleStream, CompanyStream):
    """Settings of a company for syncs of sales into its accounts."""

    name = "commerce_sync_configurations"
    path = "config/companies/{companyId}/sync/commerce"
    context_keys = ()  # the row carries the company's id itself
    primary_keys = ("companyId",)
    selected_by_default = False
    optional = True
    cost = COST


STREAMS: t.Final = (Syncs, SyncConfigurations)
