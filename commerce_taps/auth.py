"""Credentials: plain `requests` auth callables, one object for the whole tap."""

from __future__ import annotations

import typing as t

from requests.auth import AuthBase
from typing_extensions import override

if t.TYPE_CHECKING:
    from requests import PreparedRequest


class HeaderAuth(AuthBase):
    """Sends a credential in one header, exactly as given."""

    def __init__(self, value: str, header: str = "Authorization") -> None:
        """Keep the credential.

        Args:
            value: The header's whole value.
            header: The header's name.
        """
        self._header = header
        self._value = value

    @override
    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the header to a request.

        Args:
            request: The request about to be sent.

        Returns:
            The same request.
        """
        request.headers[self._header] = self._value
        return request
