"""The streams of the Integration API, a module for each subject.

Root fields and filters are those of Centra's reference of the Integration API and of its examples.
A few root fields only follow its naming convention. The schema of the environment shows at run time
whether it has them.
"""

from __future__ import annotations

import typing as t

from tap_centra.integration.streams import catalogue, customers, sales, setup, stock

if t.TYPE_CHECKING:
    from tap_centra.integration.stream import IntegrationStream

STREAMS: t.Final[tuple[type[IntegrationStream], ...]] = (
    *sales.STREAMS,
    *catalogue.STREAMS,
    *stock.STREAMS,
    *customers.STREAMS,
    *setup.STREAMS,
)
"""Every stream of the Integration API."""
