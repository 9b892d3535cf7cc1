"""The Order API: its address and secret, its errors, and the zone of its times."""

from __future__ import annotations

import typing as t
from zoneinfo import ZoneInfo

from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
from tap_centra.order.errors import ERRORS, api_message

if t.TYPE_CHECKING:
    from commerce_taps.errors import Message


class OrderApi(Api):
    """The Order API of one plugin."""

    errors = ERRORS

    @override
    @property
    def base_url(self) -> str:
        return str(self.config["base_url"]).rstrip("/")

    @override
    @property
    def auth(self) -> HeaderAuth:
        """The bare secret."""
        return HeaderAuth(self.config["api_key"], "API-Authorization")

    @override
    def message(self, body: bytes) -> Message:
        return api_message(body)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the API's times, which it does not report."""
        return ZoneInfo(self.config["timezone"])
