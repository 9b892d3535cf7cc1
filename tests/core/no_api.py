"""A tap without a server, for tests of what happens beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import ErrorTable, Message
from commerce_taps.tap import HTTPTap

if TYPE_CHECKING:
    from requests.auth import AuthBase


class NoApi(Api):
    """An API at an address where nothing listens."""

    errors = ErrorTable()

    @override
    @property
    def base_url(self) -> str:
        return "http://127.0.0.1:1"

    @override
    @property
    def auth(self) -> AuthBase:
        return HeaderAuth("")

    @override
    def message(self, body: bytes) -> Message:
        return Message("")


class NoApiTap(HTTPTap):
    """A tap over it."""

    @override
    def make_api(self) -> NoApi:
        return NoApi(self.config, self.logger)
