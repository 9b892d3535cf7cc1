"""Requests that need not be made: what a platform never has, and what has not changed.

Codat syncs each data type of a connection from time to time, and tells per company what it did
(`dataStatus`). A partition's bookmark keeps a mark of what Codat told before the partition was
read. As long as Codat tells the same, nothing was synced since, so nothing can have changed:

- the mark is compared for equality only, so no clock matters;
- it is taken before the partition is read, so a sync that ends meanwhile shows the next time;
- there is no mark, and the partition is read, while a sync is under way or nothing is told: what
  was never synced may have rows all the same;
- `dataStatus` does not tell a company's connections apart, so where several have the data type,
  the mark holds the connection's own `lastSync` as well.
"""

from __future__ import annotations

import hashlib
import threading
import typing as t
from collections import defaultdict

from msgspec import Raw

from commerce_taps.errors import TapError, TapStopped
from commerce_taps.http import Request
from commerce_taps.lazy import cached_property
from commerce_taps.records.envelope import NULL, open_envelope, open_list, open_object, open_text

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers.types import Context

    from tap_codat.streams.platform import Integrations
    from tap_codat.tap import TapCodat

ENDED: t.Final = frozenset(
    {
        *("Complete", "FetchError", "MapError", "ValidationError", "ProcessingError"),
        *("InternalError", "AuthError", "RateLimitError", "PermissionsError"),
        *("PrerequisiteNotMet", "NotSupported", "Cancelled"),
    }
)
"""States of a sync that is over (Codat's OpenAPI spec, PullOperation)."""

NEVER: t.Final = frozenset({"NotSupported", "NotImplemented"})
"""States of a feature that a platform does not have (the same, Integration)."""

Statuses = dict[str, Raw]


class Freshness:
    """What Codat tells of its own syncs, asked at most once a run and company."""

    def __init__(self, tap: TapCodat) -> None:
        """Ask nothing yet.

        Args:
            tap: The tap whose client asks.
        """
        self._tap = tap
        self._statuses: dict[str, Statuses | TapError] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def statuses(self, context: Context) -> Statuses:
        """Ask for a company's statuses, the first time.

        Args:
            context: Any partition of the company.

        Returns:
            The record of each data type, as it came; `null` for one that was never synced.

        Raises:
            TapError: They could not be read, as in the first try.
        """
        company = str(context["companyId"])
        with self._locks[company]:
            if company not in self._statuses:
                request = Request(
                    ("companies", company, "dataStatus"),
                    stream="data_statuses",
                    context={"companyId": company},
                    concurrency_key=company,
                )
                try:
                    self._statuses[company] = self._tap.client.get(
                        request, lambda body: open_envelope(body, Statuses)
                    )
                except TapStopped:
                    raise
                except TapError as error:
                    self._statuses[company] = error
            found = self._statuses[company]
        if isinstance(found, TapError):
            raise found
        return found

    def mark(self, context: Context, data_type: str | None) -> str | None:
        """Mark what Codat tells now of a data type.

        Args:
            context: The partition.
            data_type: Codat's key of the data type; `None` for all of the company.

        Returns:
            A short text; `None` where it could not tell that something has changed.
        """
        try:
            statuses = self.statuses(context)
        except TapStopped:
            raise
        except TapError:
            return None
        types = sorted(statuses) if data_type is None else [data_type]
        told = [(name, bytes(statuses[name])) for name in types if name in statuses]
        told = [(name, status) for name, status in told if status != b"null"]
        if not told or not all(_is_over(status) for _, status in told):
            return None
        own = ""
        if data_type is not None:
            connection, alike = self._tap.connection(context)
            if alike > 1 and not connection.last_sync:
                return None
            own = connection.last_sync if alike > 1 else ""
        # Where nothing has changed since a later `start_date`, not all was read.
        start = self._tap.config.get("start_date")
        return hashlib.blake2b(repr((told, own, start)).encode(), digest_size=8).hexdigest()

    def supported(self, integration: str, data_type: str) -> bool:
        """Tell whether a platform may have a data type.

        Args:
            integration: The platform's key.
            data_type: Codat's key of the data type.

        Returns:
            False only where Codat says that the platform does not have it.
        """
        with self._locks[""]:
            states = self._states.get((integration, data_type)) if integration else None
        return not states or not NEVER.issuperset(states)

    @cached_property
    def _states(self) -> Mapping[tuple[str, str], set[str]]:
        """How well each platform's data types can be read, by its key and that of the type."""
        stream = t.cast("Integrations", self._tap.streams["integrations"])
        found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        try:
            for page in stream.counted(None):
                for raw in page.records:
                    _add_states(found, open_object(raw))
        except TapStopped:
            raise
        except TapError as error:
            stream.logger.info("Platforms are not looked up: %s", error)
            return {}
        return found


def _add_states(found: Mapping[tuple[str, str], set[str]], integration: Mapping[str, Raw]) -> None:
    """Note the states of a platform's data types."""
    key = open_text(integration.get("key", NULL))
    for kind in map(open_object, open_list(integration.get("datatypeFeatures", NULL))):
        # The spec requires one spelling and declares the other.
        name = open_text(kind.get("dataType", NULL)) or open_text(kind.get("datatype", NULL))
        for feature in map(open_object, open_list(kind.get("supportedFeatures", NULL))):
            if open_text(feature.get("featureType", NULL)) == "Get":
                found[key, name].add(open_text(feature.get("featureState", NULL)))


def _is_over(status: bytes) -> bool:
    """Tell whether no sync of the data type is under way."""
    return open_text(open_object(status).get("currentStatus", NULL)) in ENDED
