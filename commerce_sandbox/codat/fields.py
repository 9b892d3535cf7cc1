"""The properties of Codat's datasets that can be queried and sorted by.

Properties inside arrays and in `supplementalData` cannot be queried, so they are not listed. The
products' dates and status are not in the official schema, but in every official example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.codat.query import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from commerce_sandbox.codat.query import Fields

_TEXT: Final = Kind.TEXT
_NUMBER: Final = Kind.NUMBER
_DATE: Final = Kind.DATE
_FLAG: Final = Kind.FLAG

_MODIFIED: Final = {"modifiedDate": _DATE, "sourceModifiedDate": _DATE}
_TIMESTAMPS: Final = {"createdDate": _DATE, **_MODIFIED}


def _texts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, _TEXT)


def _numbers(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, _NUMBER)


COMMERCE_LISTS: Final[Mapping[str, Fields]] = {
    "commerce-customers": {
        **_texts("id", "customerName", "emailAddress", "phone", "defaultCurrency", "note"),
        **_TIMESTAMPS,
    },
    "commerce-disputes": {
        **_texts("id", "currency", "status", "reason"),
        **_numbers("totalAmount"),
        "dueDate": _DATE,
        **_TIMESTAMPS,
    },
    "commerce-locations": {
        **_texts("id", "name"),
        **_MODIFIED,
    },
    "commerce-orders": {
        **_texts("id", "orderNumber", "country", "currency"),
        **_texts("locationRef.id", "locationRef.name", "customerRef.id", "customerRef.name"),
        **_numbers("totalAmount", "totalRefund", "totalTaxAmount", "totalDiscount"),
        **_numbers("totalGratuity"),
        "closedDate": _DATE,
        **_TIMESTAMPS,
    },
    "commerce-paymentMethods": {
        **_texts("id", "name", "status"),
        **_MODIFIED,
    },
    "commerce-payments": {
        **_texts("id", "currency", "status", "type", "paymentProvider"),
        **_texts("paymentMethodRef.id", "paymentMethodRef.name"),
        **_numbers("amount"),
        "dueDate": _DATE,
        **_TIMESTAMPS,
    },
    "commerce-productCategories": {
        **_texts("id", "name"),
        "hasChildren": _FLAG,
        **_MODIFIED,
    },
    "commerce-products": {
        **_texts("id", "name", "description", "categorization", "status"),
        "isGiftCard": _FLAG,
        **_TIMESTAMPS,
    },
    "commerce-taxComponents": {
        **_texts("id", "name"),
        **_numbers("rate"),
        "isCompound": _FLAG,
        **_MODIFIED,
    },
    "commerce-transactions": {
        **_texts("id", "currency", "type", "subType"),
        **_texts("transactionSourceRef.id", "transactionSourceRef.type"),
        **_numbers("totalAmount"),
        "sourceCreatedDate": _DATE,
        **_TIMESTAMPS,
    },
}
"""The list endpoints under `/companies/{companyId}/connections/{connectionId}/data/`."""

COMMERCE_INFO: Final = "commerce-info"
UNFILTERED: Final = frozenset({"commerce-locations"})
"""Lists that take a page and its size, and can be neither filtered nor sorted."""

COMPANY_INFO: Final[Fields] = {
    **_texts("companyName", "companyLegalName", "registrationNumber", "baseCurrency"),
    **_TIMESTAMPS,
}
COMPANIES: Final[Fields] = {
    **_texts("id", "name", "description", "platform", "redirect", "createdByUserName"),
    **dict.fromkeys(("created", "lastSync"), _DATE),
}
CONNECTIONS: Final[Fields] = {
    **_texts("id", "integrationId", "integrationKey", "sourceId", "sourceType"),
    **_texts("platformName", "linkUrl", "status"),
    **dict.fromkeys(("created", "lastSync"), _DATE),
}
INTEGRATIONS: Final[Fields] = {
    **_texts("key", "name", "sourceType", "integrationId", "sourceId"),
    **dict.fromkeys(("enabled", "isBeta", "isOfflineConnector"), _FLAG),
}
PULL_OPERATIONS: Final[Fields] = {
    **_texts("id", "companyId", "connectionId", "dataType", "status"),
    **_numbers("progress"),
    **dict.fromkeys(("requested", "completed"), _DATE),
}
PUSH_OPERATIONS: Final[Fields] = {
    **_texts("pushOperationKey", "companyId", "dataConnectionKey", "dataType", "status"),
    **_numbers("statusCode", "timeoutInMinutes"),
    **dict.fromkeys(("requestedOnUtc", "completedOnUtc"), _DATE),
}
DATA_STATUSES: Final[Fields] = {
    **_texts("dataType", "currentStatus", "latestSyncId", "latestSuccessfulSyncId"),
    "lastSuccessfulSync": _DATE,
}
SYNC_SETTINGS: Final[Fields] = {**_texts("dataType"), "syncFromUtc": _DATE}
WEBHOOKS: Final[Fields] = _texts("id", "url")
SYNCS: Final[Fields] = {**_texts("companyId", "syncId", "syncStatus"), "syncUtc": _DATE}
SYNC_CONFIGURATIONS: Final[Fields] = _texts("companyId", "accountingSoftwareCompanyName")


def without(fields: Fields, *kinds: Kind) -> Fields:
    """Return the fields whose kind is none of `kinds`."""
    return {name: kind for name, kind in fields.items() if kind not in kinds}


def data_type(dataset: str) -> str:
    """Return the key of a dataset in statuses and histories.

    It equals the tail of the path, but for the company info.
    """
    return "commerce-companyInfo" if dataset == COMMERCE_INFO else dataset
