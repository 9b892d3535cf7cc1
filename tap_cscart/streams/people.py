"""People: accounts, and the groups they belong to."""

from __future__ import annotations

import typing as t
from functools import partial

from typing_extensions import override

from commerce_taps.records.normalize import values_of
from tap_cscart.responses import parse_collection
from tap_cscart.stream import CSCartStream, id_from

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from tap_cscart.stream import Id

ACCOUNT_SECRETS: t.Final = ("password", "salt", "last_passwords", "api_key")
"""Secrets of an account that the store's database holds and a row may contain."""


class Users(CSCartStream):
    """Accounts of customers, administrators and vendors, without addresses."""

    name = "users"
    path = "users"
    primary_keys = ("user_id",)
    privilege = "view_users"
    sort_by = "id"
    secret_columns = ACCOUNT_SECRETS

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one type after the other: 4.20 does not list all types at once."""
        types = self.api.user_types
        return self.read_all(self.read_list(context, start, {"user_type": one}) for one in types)


class UserUsergroups(CSCartStream):
    """Memberships of accounts in user groups; one request per account."""

    name = "user_usergroups"
    path = "users/{user_id}/usergroups"
    primary_keys = ("link_id",)
    privilege = "view_users` and `view_usergroups"
    selected_by_default = False
    cost = "one request per account"

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        return self.read_all(self._read_type(context, one) for one in self.api.user_types)

    def _read_type(self, context: Context | None, user_type: str) -> Iterator[Page]:
        users = t.cast("Users", self.siblings[Users.name])
        pages = users.iter_list(context, {"user_type": user_type})
        return self.fetch_per_row(
            context,
            ([id_from(user, "user_id") for user in map(values_of, page.records)] for page in pages),
            lambda id_: (
                self.request(context, Users.path, str(id_), "usergroups"),
                partial(self._parse_groups, id_),
            ),
        )

    def _parse_groups(self, id_: Id, body: bytes) -> Page:
        return self.parse_rows(parse_collection(body), {"user_id": id_})


class Usergroups(CSCartStream):
    """User groups, with their privileges."""

    name = "usergroups"
    path = "usergroups"
    selector = ""
    primary_keys = ("usergroup_id",)
    privilege = "view_usergroups"
    per_company = False
    detail_columns = ("privileges",)


STREAMS: t.Final = (Users, UserUsergroups, Usergroups)
