"""Requests that need not be made: what a platform never has, and what has not changed.

Codat syncs each data type of a connection from time to time, and tells per company what it did
(`dataStatus`). A partition's bookmark keeps a mark of what Codat told before the partition was
read. As long as Codat tells the same, nothing was synced since, so nothing can have changed:

- the mark is compared for equality only, so no clock matters;
- it is taken before the partition is read, so a sync that ends meanwhile shows the next time;
- there is no mark, and the partition is read, while a sync is under way or nothing is told;
- `dataStatus` does not tell a company's connections apart, so where several have the data type,
  the mark holds the connection's own `lastSync` as well.
"""

from __future__ import annotations

import hashlib
import threading
import typing as t
from collections import defaultdict

import msgspec
from msgspec import Raw

from commerce_taps.errors import PartitionFailed, PartitionSkipped
from commerce_taps.fetch import Request
from commerce_taps.lazy import cached_property
from commerce_taps.paging import by_number
from commerce_taps.records import open_envelope

if t.TYPE_CHECKING:
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


class _Status(msgspec.Struct, rename="camel"):
    current_status: str = ""


class _Feature(msgspec.Struct, rename="camel"):
    feature_type: str = ""
    feature_state: str = ""


class _DataType(msgspec.Struct, rename="camel"):
    # The spec requires one spelling and declares the other.
    data_type: str = ""
    datatype: str = ""
    supported_features: list[_Feature] | None = None


class _Integration(msgspec.Struct, rename="camel"):
    key: str
    datatype_features: list[_DataType] | None = None


class Freshness:
    """What Codat tells of its own syncs, asked at most once a run and company."""

    def __init__(self, tap: TapCodat) -> None:
        """Ask nothing yet.

        Args:
            tap: The tap whose client asks.
        """
        self._tap = tap
        self._statuses: dict[str, Statuses] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def statuses(self, context: Context) -> Statuses:
        """Ask for a company's statuses, the first time.

        Args:
            context: Any partition of the company.

        Returns:
            The record of each data type, as it came; `null` for one that was never synced.

        Raises:
            PartitionSkipped: The company is gone.
            PartitionFailed: They could not be read.
        """
        company = str(context["companyId"])
        with self._locks[company]:
            if company not in self._statuses:
                request = Request(
                    ("companies", company, "dataStatus"),
                    stream="data_statuses",
                    context={"companyId": company},
                    lane=company,
                )
                self._statuses[company] = self._tap.client.get(
                    request, lambda body: open_envelope(body, Statuses)
                )
            return self._statuses[company]

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
        except (PartitionSkipped, PartitionFailed):
            return None
        types = sorted(statuses) if data_type is None else [data_type]
        told = [(name, bytes(statuses.get(name, Raw(b"null")))) for name in types]
        if any(not _over(status) for _, status in told):
            return None
        own: str | None = ""
        if data_type is not None:
            connection, alike = self._tap.connection(context)
            own = connection.last_sync if alike > 1 else ""
        if own is None:
            return None
        return hashlib.blake2b(repr((told, own)).encode(), digest_size=8).hexdigest()

    def supported(self, integration: str, data_type: str) -> bool:
        """Tell whether a platform may have a data type.

        Args:
            integration: The platform's key.
            data_type: Codat's key of the data type.

        Returns:
            False only where Codat says that the platform does not have it.
        """
        with self._locks[""]:
            features = self._features.get(integration)
        if features is None or data_type not in features:
            return True
        states = [f.feature_state for f in features[data_type] if f.feature_type == "Get"]
        return not states or not NEVER.issuperset(states)

    @cached_property
    def _features(self) -> dict[str, dict[str, list[_Feature]]]:
        """The features of each platform's data types."""
        stream = t.cast("Integrations", self._tap.streams["integrations"])
        try:
            integrations = [
                open_envelope(bytes(raw), _Integration)
                for page in by_number(stream.ask(None), stream.shape.key)
                for raw in page.records
            ]
        except (PartitionSkipped, PartitionFailed) as error:
            stream.logger.info("Platforms are not looked up: %s", error)
            return {}
        return {
            integration.key: {
                kind.data_type or kind.datatype: kind.supported_features or []
                for kind in integration.datatype_features or []
            }
            for integration in integrations
        }


def _over(status: bytes) -> bool:
    """Tell whether no sync of the data type is under way."""
    if status == b"null":
        return True
    try:
        return msgspec.json.decode(status, type=_Status).current_status in ENDED
    except msgspec.DecodeError:
        return False
