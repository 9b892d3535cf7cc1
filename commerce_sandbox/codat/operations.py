"""Codat's records of its own work: reads, writes, settings and syncs of a company."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.codat import dates
from commerce_sandbox.codat.fields import COMMERCE_INFO, COMMERCE_LISTS, data_type
from commerce_sandbox.codat.merchants import NOW
from commerce_sandbox.seeded import chance, guid, rng

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from datetime import datetime

    from commerce_sandbox.codat.merchants import Company, Connection

    Record = dict[str, Any]

DATA_TYPES: Final = (
    "accountTransactions",
    "balanceSheet",
    "bankAccounts",
    "bankTransactions",
    "billCreditNotes",
    "billPayments",
    "bills",
    "cashFlowStatement",
    "chartOfAccounts",
    "company",
    "creditNotes",
    "customers",
    "directCosts",
    "directIncomes",
    "invoices",
    "itemReceipts",
    "items",
    "journalEntries",
    "journals",
    "paymentMethods",
    "payments",
    "profitAndLoss",
    "purchaseOrders",
    "salesOrders",
    "suppliers",
    "taxRates",
    "trackingCategories",
    "transfers",
    "banking-accountBalances",
    "banking-accounts",
    "banking-transactionCategories",
    "banking-transactions",
    data_type(COMMERCE_INFO),
    *COMMERCE_LISTS,
)
"""All data types that a company's data status has an entry for."""

COMPLETE: Final = "Complete"
_ENDED_BADLY: Final = ("FetchError", "AuthError", "RateLimitError", "Cancelled")
RUNNING: Final = "Fetching"


def pull_operations(company: Company) -> list[Record]:
    """Make the company's history of reads, the oldest first within a data type."""
    return [
        operation
        for connection in company.connections
        for dataset, synced in connection.datasets.items()
        if synced
        for operation in _pulls(connection, dataset)
    ]


def pull_operation(
    connection: Connection, dataset: str, names: tuple[object, ...], requested: datetime
) -> Record:
    """Make a read that ended well."""
    return {
        "id": guid(connection.id, dataset, "pull", *names),
        "companyId": connection.company_id,
        "connectionId": connection.id,
        "dataType": data_type(dataset),
        "status": COMPLETE,
        "requested": f"{requested.isoformat()}Z",
        "completed": f"{(requested + timedelta(minutes=4)).isoformat()}Z",
        "progress": 100,
        "isCompleted": True,
        "isErrored": False,
    }


def begin(operation: Record) -> None:
    """Let a read be under way."""
    operation |= {"status": RUNNING, "progress": 40, "isCompleted": False}
    operation["statusDescription"] = "Waiting for the platform's rate limit."
    del operation["completed"]


def finish(operation: Record, completed: datetime) -> None:
    """Let a read that is under way end well."""
    operation |= {"status": COMPLETE, "progress": 100, "isCompleted": True}
    operation["completed"] = f"{completed.isoformat()}Z"
    operation.pop("statusDescription", None)


def _pulls(connection: Connection, dataset: str) -> list[Record]:
    random = rng(connection.id, dataset, "pulls")
    made = []
    # The latest read is of the last day, so no row is younger than it.
    ages = [random.randrange(86400, 60 * 86400) for _ in range(random.randrange(2))]
    ages.append(random.randrange(3600, 80000))
    for place, age in enumerate(ages):
        requested = NOW - timedelta(seconds=age)
        operation = pull_operation(connection, dataset, (place,), requested)
        operation["requested"] = _timestamp(requested, random)
        if chance(random, 0.5):
            operation["statusDescription"] = operation["errorMessage"] = None
        made.append(operation)
    if chance(random, 0.15):
        made.append(_unfinished(connection, dataset, random))
    return made


def _unfinished(connection: Connection, dataset: str, random: random.Random) -> Record:
    requested = NOW - timedelta(seconds=random.randrange(3600))
    operation = pull_operation(connection, dataset, ("last",), requested)
    if chance(random, 0.5):
        begin(operation)
    else:
        operation |= {"status": random.choice(_ENDED_BADLY), "isErrored": True}
        operation["errorMessage"] = "The platform did not answer as expected."
    return operation


def data_statuses(pulls: Iterable[Record]) -> Record:
    """Fold a company's reads into one entry a data type, null where there was none."""
    statuses: Record = dict.fromkeys(DATA_TYPES)
    latest: dict[str, Record] = {}
    good: dict[str, Record] = {}
    for pull in pulls:
        _keep_later(latest, pull, "requested")
        if pull["status"] == COMPLETE:
            _keep_later(good, pull, "completed")
    for name, pull in latest.items():
        status = {
            "dataType": name,
            "currentStatus": pull["status"],
            "latestSyncId": pull["id"],
        }
        if name in good:
            status["lastSuccessfulSync"] = good[name]["completed"]
            status["latestSuccessfulSyncId"] = good[name]["id"]
        statuses[name] = status
    return statuses


def _keep_later(known: dict[str, Record], pull: Record, timestamp: str) -> None:
    name = pull["dataType"]
    if name not in known or dates.parse(known[name][timestamp]) <= dates.parse(pull[timestamp]):
        known[name] = pull


def push_operations(company: Company) -> list[Record]:
    """Make the company's history of writes into its accounting platform."""
    return [
        _push(connection, number)
        for connection in company.connections
        if connection.platform.source_type == "Accounting"
        for number in range(rng(connection.id, "pushes").randrange(5))
    ]


def _push(connection: Connection, number: int) -> Record:
    random = rng(connection.id, "push", number)
    requested = NOW - timedelta(seconds=random.randrange(60 * 86400))
    operation: Record = {
        "companyId": connection.company_id,
        "pushOperationKey": guid(connection.id, "push", number),
        "dataConnectionKey": connection.id,
        "dataType": "invoices",
        "requestedOnUtc": _timestamp(requested, random),
        "timeoutInMinutes": random.choice((None, 20)),
    }
    draw = random.randrange(4)
    if draw == 0:
        return operation | {"changes": None, "status": "Pending", "statusCode": 202}
    operation["completedOnUtc"] = _timestamp(requested + timedelta(seconds=40), random)
    if draw == 1:
        item = {"itemId": None, "message": "The customer is archived.", "validatorName": "Archived"}
        return operation | {
            "changes": [],
            "status": "Failed",
            "statusCode": 400,
            "errorMessage": "Validation failed.",
            "validation": {"errors": [item], "warnings": None},
        }
    record = {"id": guid(connection.id, "invoice", number), "dataType": "invoices"}
    return operation | {
        "changes": [{"type": "Created", "recordRef": record, "attachmentId": None}],
        "status": "Success",
        "statusCode": 200,
        "errorMessage": None,
    }


def sync_settings(company: Company) -> Record:
    """Make the company's settings of how often each data type is read."""
    random = rng(company.id, "settings")
    names = sorted({name for one in company.connections for name in one.datasets})
    settings = []
    for place, name in enumerate(names):
        setting: Record = {
            "dataType": data_type(name),
            "fetchOnFirstLink": True,
            "syncSchedule": random.choice((0, 1, 24, 168)),
            "syncOrder": place,
        }
        if chance(random, 0.5):
            setting["syncFromUtc"] = _timestamp(NOW - timedelta(days=800), random)
            setting["syncFromWindow"] = 24
        if chance(random, 0.5):
            setting |= {"monthsToSync": 24, "isLocked": chance(random, 0.5)}
        settings.append(setting)
    return {"companyId": company.id, "settings": settings, "overridesDefaults": bool(settings)}


def webhooks(seed: int) -> list[Record]:
    """Make the client's only webhook consumer, a row in which everything is text or null."""
    return [
        {
            "id": guid(seed, "webhook"),
            "url": "https://hooks.example.com/codat",
            "eventTypes": ["read.completed"],
            "companyTags": None,
            "disabled": None,
        }
    ]


def uses_sync_for_commerce(company: Company) -> bool:
    """Return whether the company has Sync for Commerce: a shop and ledgers, both linked."""
    linked = {one.platform.source_type for one in company.connections if one.active}
    return {"Commerce", "Accounting"} <= linked


def syncs(company: Company) -> list[Record]:
    """Make the company's syncs of sales into its ledger, the latest first."""
    if not uses_sync_for_commerce(company):
        return []
    random = rng(company.id, "syncs")
    return [_sync(company, number, random) for number in range(random.randrange(1, 5))]


def _sync(company: Company, number: int, random: random.Random) -> Record:
    draw = random.randrange(4)
    sync: Record = {
        "companyId": company.id,
        "syncId": guid(company.id, "sync", number),
        "syncStatusCode": 2000,
        "syncStatus": COMPLETE,
        "errorMessage": random.choice(("", None)),
        "syncExceptionMessage": random.choice(("", None)),
        "syncUtc": _timestamp(NOW - timedelta(days=number, hours=5), random),
        "dataPushed": True,
    }
    if draw == 0:
        sync |= {"syncStatusCode": 2040, "dataPushed": False}
    elif draw == 1:
        message = "Cannot match a tax id to an account of the ledger."
        sync |= {"syncStatusCode": 4200, "syncStatus": "MapCoreError", "dataPushed": False}
        sync |= {"errorMessage": message, "syncExceptionMessage": message}
    return sync


def sync_status(company: Company, latest: Record) -> Record:
    """Make the status of the company's latest sync together with its connections."""
    return {
        **latest,
        "commerceSyncId": guid(company.id, "commerce sync"),
        "dataConnections": [connection.record for connection in company.connections],
    }


def sync_configuration(company: Company) -> Record:
    """Make the company's configuration of Sync for Commerce."""
    random = rng(company.id, "configuration")
    options = [
        {
            "id": guid(company.id, "account", code),
            "name": name,
            "nominalCode": code,
            "classification": random.choice(("Income", None)),
        }
        for code, name in (("200", "Sales"), ("260", "Other revenue"))
    ]
    account = {
        "labelText": "Sales account",
        "descriptionText": None,
        "selectedAccountId": options[0]["id"],
        "required": True,
        "accountOptions": options,
    }
    return {
        "companyId": company.id,
        "accountingSoftwareCompanyName": company.record["name"],
        "enable": True,
        "configured": chance(random, 0.8),
        "schedule": {
            "selectedFrequency": "Daily",
            "frequencyOptions": ["Daily", "Monthly"],
            "startDate": "2023-05-01T00:00:00Z",
            "syncHour": random.randrange(24),
            "timeZone": "Europe/London",
        },
        "configuration": {
            "countryCode": "GB",
            "mapSettings": {"outputFormat": "JournalEntry"},
            "sales": {
                "syncSales": True,
                "accounts": {"sales": account},
                "invoiceStatus": {
                    "selectedInvoiceStatus": "Submitted",
                    "invoiceStatusOptions": ["Submitted", "Paid"],
                },
                "salesCustomer": {"selectedCustomerId": None, "customerOptions": None},
                "taxRates": None,
            },
            "payments": {"syncPayments": True, "accounts": {"undepositedFunds": account}},
            "fees": {"syncFees": False, "accounts": None},
        },
    }


def _timestamp(timestamp: datetime, random: random.Random) -> str:
    """Write a platform timestamp: with seven digits of a second, or as other timestamps."""
    if chance(random, 0.5):
        return f"{timestamp.isoformat()}.{random.randrange(10_000_000):07}Z"
    return dates.format_date(timestamp, random)
