"""People: accounts, and the groups they are in."""

from __future__ import annotations

import typing as t
from functools import partial

from typing_extensions import override

from commerce_taps.records.normalize import values_of
from tap_cscart.responses import collection
from tap_cscart.stream import CSCartStream, id_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from tap_cscart.stream import Id

OF_ACCOUNTS: t.Final = ("password", "salt", "last_passwords", "api_key")
"""What the store's database holds of an account and a row may bring."""


class Users(CSCartStream):
    """Accounts of customers, administrators and vendors, without addresses."""

    name = "users"
    path = "users"
    primary_keys = ("user_id",)
    privilege = "view_users"
    sort_by = "id"
    secret_columns = OF_ACCOUNTS

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read one type after the other: 4.20 refuses to list all. See the base class."""
        types = self.api.user_types
        return self.several(self.pages(context, start, {"user_type": one}) for one in types)


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
        """Ask for the groups of each account, type by type. See the base class."""
        return self.several(self._of_type(context, one) for one in self.api.user_types)

    def _of_type(self, context: Context | None, user_type: str) -> Iterator[Page]:
        users = t.cast("Users", self.siblings[Users.name])
        listed = users.listed(context, {"user_type": user_type})
        return self.read_each(
            context,
            ([id_of(user, "user_id") for user in map(values_of, rows.records)] for rows in listed),
            lambda id_: (
                self.request(context, Users.path, str(id_), "usergroups"),
                partial(self._groups, id_),
            ),
        )

    def _groups(self, id_: Id, body: bytes) -> Page:
        """Open the groups of an account."""
        return self.rows(collection(body), {"user_id": id_})


class Usergroups(CSCartStream):
    """Groups of accounts, with their privileges."""

    name = "usergroups"
    path = "usergroups"
    key = ""
    primary_keys = ("usergroup_id",)
    privilege = "view_usergroups"
    of_company = False
    detail_columns = ("privileges",)


STREAMS: t.Final = (Users, UserUsergroups, Usergroups)
