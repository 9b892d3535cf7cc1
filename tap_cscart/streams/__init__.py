"""The streams of tap-cscart, by the part of the store they come from."""

from __future__ import annotations

import typing as t

from tap_cscart.streams import catalog, community, people, sales, setup

if t.TYPE_CHECKING:
    from tap_cscart.stream import CSCartStream

STREAMS: t.Final[tuple[type[CSCartStream], ...]] = (
    *catalog.STREAMS,
    *sales.STREAMS,
    *people.STREAMS,
    *setup.STREAMS,
    *community.STREAMS,
)
"""Every stream class. A stream stands behind the one its rows come inside of."""
