"""Which requests the tap can save: for data a platform never has, or that has not changed.

Codat syncs each data type of a connection from time to time, and reports per company when and how
(`dataStatus`). A partition's bookmark keeps a token of what Codat reported before the partition was
read. As long as Codat reports the same, nothing was synced since, so nothing can have changed:

- the token is compared for equality only, so no clock matters;
- it is taken before the partition is read, so a sync that ends during the reading shows next time;
- there is no token, and the partition is read, while a sync is under way or nothing is reported: a
  data type that was never synced may have rows all the same;
- `dataStatus` does not distinguish a company's connections, so where several have the data type,
  the token covers the connection's own `lastSync` as well.
"""

from __future__ import annotations

import hashlib
import typing as t
from collections import defaultdict

from msgspec import Raw

from commerce_taps.records.envelope import NULL, open_list, open_object, open_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
"""A company's statuses by data type, each as it came; `null` for one that was never synced."""

States = t.Mapping[tuple[str, str], set[str]]
"""How well the data types of platforms can be read, by the platform's key and the data type's."""


def change_token(
    statuses: Statuses, data_type: str | None, *, last_sync: str, start_date: str | None
) -> str | None:
    """Digest what Codat reports of a data type, to be compared by the next run.

    Args:
        statuses: The company's statuses.
        data_type: Codat's key of the data type; `None` for all of the company.
        last_sync: When the connection was last synced, where the company has several that have the
            data type; else "".
        start_date: The setting: where nothing has changed since a later one, not all was read.

    Returns:
        A short text; `None` where it could not show that something has changed.
    """
    types = sorted(statuses) if data_type is None else [data_type]
    reported = [(name, bytes(statuses[name])) for name in types if name in statuses]
    reported = [(name, status) for name, status in reported if status != b"null"]
    if not reported or not all(_is_over(status) for _, status in reported):
        return None
    facts = (reported, last_sync, start_date)
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def read_states(integrations: Iterable[Raw]) -> States:
    """Collect how well platforms' data types can be read.

    Args:
        integrations: Records of the list of integrations.
    """
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for raw in integrations:
        _add_states(found, open_object(raw))
    return found


def is_supported(states: States, integration: str, data_type: str) -> bool:
    """Decide whether a platform may have a data type.

    Args:
        states: What is known of platforms.
        integration: The platform's key; "" where it is not known.
        data_type: Codat's key of the data type.

    Returns:
        False only where Codat reports that the platform does not have it.
    """
    found = states.get((integration, data_type)) if integration else None
    return not found or not NEVER.issuperset(found)


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
    """Whether no sync of the data type is running."""
    return open_text(open_object(status).get("currentStatus", NULL)) in ENDED
