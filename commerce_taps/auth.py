"""Credentials, as auth callables of `requests`."""

from __future__ import annotations

import typing as t

from requests.auth import AuthBase
from typing_extensions import override

if t.TYPE_CHECKING:
    from requests import PreparedRequest


class HeaderAuth(AuthBase):
    """Sends a credential in one header.

    Args:
        value: The whole value of the header.
        header: The name of the header.
    """

    def __init__(self, value: str, header: str = "Authorization") -> None:
        self._header = header
        self._value = value

    @override
    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers[self._header] = self._value
        return request
