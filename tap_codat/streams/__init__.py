"""The streams of tap-codat, by the part of Codat's API they come from."""

from __future__ import annotations

import typing as t

from tap_codat.streams import commerce, platform, sync_commerce

if t.TYPE_CHECKING:
    from tap_codat.stream import CodatStream

STREAMS: t.Final[tuple[type[CodatStream], ...]] = (
    *platform.STREAMS,
    *commerce.STREAMS,
    *sync_commerce.STREAMS,
)
"""Every stream class. Endpoints that hand out keys, tokens or links to log in are never one."""
