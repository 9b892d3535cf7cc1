"""A connection that faults can reach under the HTTP it speaks."""

from __future__ import annotations

import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class Connection(HttpToolsProtocol):
    """A client's connection.

    Attributes:
        successes: Responses with status 200 so far.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (uvicorn's)
        super().__init__(*args, **kwargs)
        self.successes = 0

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"commerce_sandbox.connection": self}  # type: ignore[dict-item]

    def count_response(self, status: int) -> None:
        """Count a response."""
        self.successes += status == 200  # noqa: PLR2004 (HTTP status OK)

    def abandon(self) -> None:
        """Let a request end without a response, which uvicorn would log as an error."""
        self.cycle.disconnected = True
