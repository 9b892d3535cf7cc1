"""The vendor's own clients read the fake Codat: they refuse to parse what Codat would not send."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from codat_commerce import CodatCommerce
from codat_platform.models.shared.security import Security as PlatformSecurity
from codat_platform.sdk import CodatPlatform
from codat_sync_for_commerce import CodatSyncCommerce
from codat_sync_for_commerce.models.shared import Security as SyncSecurity

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox

Read = Callable[[str, dict[str, str]], Iterator[Any]]

# Method of the client, and the stream that carries the same rows.
COMMERCE_LISTS = {
    "customers.list": "commerce_customers",
    "disputes.list": "commerce_disputes",
    "locations.list": "commerce_locations",
    "orders.list": "commerce_orders",
    "payments.list": "commerce_payments",
    "payments.list_methods": "commerce_payment_methods",
    "products.list": "commerce_products",
    "products.list_categories": "commerce_product_categories",
    "tax_components.list": "commerce_tax_components",
    "transactions.list": "commerce_transactions",
}
COMMERCE_RECORDS = {
    "customers.get": ("commerce_customers", "customer_id"),
    "disputes.get": ("commerce_disputes", "dispute_id"),
    "locations.get": ("commerce_locations", "location_id"),
    "orders.get": ("commerce_orders", "order_id"),
    "payments.get": ("commerce_payments", "payment_id"),
    "payments.get_method": ("commerce_payment_methods", "payment_method_id"),
    "products.get": ("commerce_products", "product_id"),
    "products.get_category": ("commerce_product_categories", "product_id"),
    "tax_components.get": ("commerce_tax_components", "tax_id"),
    "transactions.get": ("commerce_transactions", "transaction_id"),
}
SYNC_LISTS = {
    "advanced_controls.list_companies": "companies",
    "connections.list": "connections",
    "sync.list": "commerce_syncs",
}
PLATFORM_LISTS = {
    "companies.list": "companies",
    "connections.list": "connections",
    "integrations.list": "integrations",
    "refresh_data.list_pull_operations": "pull_operations",
    "push_data.list_operations": "push_operations",
    "webhooks.list_consumers": "webhook_consumers",
}
# Live keys, and types a client configures for itself: no stream, no endpoint of the fake Codat.
PLATFORM_LISTS_NOT_SERVED = {"settings.list_api_keys", "custom_data_type.list"}


@pytest.fixture(scope="module")
def authorization(sandbox: Sandbox) -> str:
    return "Basic " + base64.b64encode(sandbox.api_key.encode()).decode()


@pytest.fixture(scope="module")
def commerce(sandbox: Sandbox, authorization: str) -> Iterator[Any]:
    with httpx.Client() as http:
        yield CodatCommerce(auth_header=authorization, server_url=sandbox.codat_url, client=http)


@pytest.fixture(scope="module")
def sync(sandbox: Sandbox, authorization: str) -> Iterator[Any]:
    security = SyncSecurity(auth_header=authorization)
    with CodatSyncCommerce(security=security, server_url=sandbox.codat_url) as client:
        yield client


@pytest.fixture(scope="module")
def platform(sandbox: Sandbox, authorization: str) -> Iterator[Any]:
    security = PlatformSecurity(auth_header=authorization)
    with CodatPlatform(security=security, server_url=sandbox.codat_url) as client:
        yield client


def _method(client: Any, name: str) -> Callable[..., Any]:  # noqa: ANN401 (generated client)
    group, method = name.split(".")
    found: Callable[..., Any] = getattr(getattr(client, group), method)
    return found


def _known_lists(client: Any) -> set[str]:  # noqa: ANN401 (generated client)
    groups = type(client).__annotations__
    return {
        f"{group}.{method}"
        for group in groups
        for method in dir(getattr(client, group))
        if method.startswith("list")
        and not method.endswith(("_async", "_with_http_info", "_without_preload_content"))
    }


def _rows(method: Callable[..., Any], **request: Any) -> list[Any]:  # noqa: ANN401
    """Read all pages of a list, whatever form the client gives it."""
    if method.__name__ == "list_consumers":
        return list(method().results)
    found: list[Any] = []
    for page in range(1, 1000):
        paging = {} if "Location" in str(method.__annotations__) else {"page": page, "page_size": 7}
        response = method(request={**request, **paging})
        if isinstance(response, list):
            return response
        found += response.results
        if not paging or response.links.next is None:
            return found
    raise AssertionError("the list does not end")


def _id(row: Any) -> str:  # noqa: ANN401 (generated model)
    for name in ("id", "key", "push_operation_key", "sync_id"):
        if getattr(row, name, None) is not None:
            return str(getattr(row, name))
    raise AssertionError(f"no id in {row!r}")


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    names = ("id", "key", "pushOperationKey", "syncId")
    return [next(str(row[name]) for name in names if name in row) for row in rows]


def _by_parent(rows: list[dict[str, Any]], *names: str) -> dict[tuple[str, ...], list[Any]]:
    parents: dict[tuple[str, ...], list[Any]] = {}
    for row in rows:
        parents.setdefault(tuple(row[name] for name in names), []).append(row)
    return parents


def test_every_client_list_is_covered(
    commerce: Any,  # noqa: ANN401 (generated client)
    sync: Any,  # noqa: ANN401 (generated client)
    platform: Any,  # noqa: ANN401 (generated client)
) -> None:
    assert _known_lists(commerce) == set(COMMERCE_LISTS)
    assert _known_lists(sync) == {*SYNC_LISTS, "integrations.list"}
    assert _known_lists(platform) == set(PLATFORM_LISTS) | PLATFORM_LISTS_NOT_SERVED


@pytest.mark.parametrize(("name", "stream"), COMMERCE_LISTS.items())
def test_commerce_client_reads_lists(
    sandbox: Sandbox,
    commerce: Any,  # noqa: ANN401 (generated)
    name: str,
    stream: str,
) -> None:
    method = _method(commerce, name)
    parents = _by_parent(sandbox.truth(stream), "companyId", "connectionId")
    assert parents
    for (company, connection), rows in parents.items():
        read = _rows(method, company_id=company, connection_id=connection)
        assert [_id(row) for row in read] == _ids(rows)


@pytest.mark.parametrize(("name", "stream", "key"), [(n, *s) for n, s in COMMERCE_RECORDS.items()])
def test_commerce_client_reads_records(
    sandbox: Sandbox,
    commerce: Any,  # noqa: ANN401 (generated client)
    name: str,
    stream: str,
    key: str,
) -> None:
    # The client does not quote what it puts into a path, so only plain ids can be requested.
    plain = [row for row in sandbox.truth(stream) if re.fullmatch(r"[\w-]+", row["id"], re.ASCII)]
    method = _method(commerce, name)
    assert plain
    for row in plain[:40]:
        ids = {"company_id": row["companyId"], "connection_id": row["connectionId"]}
        assert _id(method(request={**ids, key: row["id"]})) == row["id"]


def test_commerce_client_reads_company_info(sandbox: Sandbox, commerce: Any) -> None:  # noqa: ANN401
    rows = sandbox.truth("commerce_company_info")
    assert rows
    for row in rows:
        ids = {"company_id": row["companyId"], "connection_id": row["connectionId"]}
        read = commerce.company_info.get(request=ids)
        assert read.company_name == row["companyName"]
        assert str(read.account_balances[0].available) == str(
            row["accountBalances"][0]["available"]
        )


@pytest.mark.parametrize(("name", "stream"), SYNC_LISTS.items())
def test_sync_client_reads_lists(sandbox: Sandbox, sync: Any, name: str, stream: str) -> None:  # noqa: ANN401
    _check_platform_list(sandbox, _method(sync, name), stream)


def test_sync_client_reads_some_integrations(sandbox: Sandbox, sync: Any) -> None:  # noqa: ANN401
    read = [_id(row) for row in _rows(_method(sync, "integrations.list"))]
    assert read
    assert [key for key in _ids(sandbox.truth("integrations")) if key in read] == read


@pytest.mark.parametrize(("name", "stream"), PLATFORM_LISTS.items())
def test_platform_client_reads_lists(
    sandbox: Sandbox,
    platform: Any,  # noqa: ANN401 (generated)
    name: str,
    stream: str,
) -> None:
    _check_platform_list(sandbox, _method(platform, name), stream)


def _check_platform_list(sandbox: Sandbox, method: Callable[..., Any], stream: str) -> None:
    rows = sandbox.truth(stream)
    assert rows
    if "companyId" not in rows[0]:
        assert [_id(row) for row in _rows(method)] == _ids(rows)
        return
    for (company,), of_company in _by_parent(rows, "companyId").items():
        read = _rows(method, company_id=company)
        assert [_id(row) for row in read] == _ids(of_company)


def test_sync_client_reads_records(sandbox: Sandbox, sync: Any) -> None:  # noqa: ANN401
    configurations = sandbox.truth("commerce_sync_configurations")
    assert configurations
    for row in configurations:
        company = {"company_id": row["companyId"]}
        read = sync.advanced_controls.get_configuration(request=company)
        assert read.schedule.sync_hour == row["schedule"]["syncHour"]
        latest = next(
            one for one in sandbox.truth("commerce_syncs") if one["companyId"] == row["companyId"]
        )
        assert sync.sync.get_latest_sync(request=company).sync_id == latest["syncId"]
        assert sync.sync.get_status(request=company).sync_id == latest["syncId"]


def test_platform_client_reads_status_and_settings(sandbox: Sandbox, platform: Any) -> None:  # noqa: ANN401
    parents = _by_parent(sandbox.truth("data_statuses"), "companyId")
    settings = _by_parent(sandbox.truth("company_sync_settings"), "companyId")
    assert parents
    for (company,), rows in parents.items():
        statuses = platform.refresh_data.get(request={"company_id": company}).model_dump()
        held = {status["data_type"] for status in statuses.values() if status is not None}
        assert {str(getattr(one, "value", one)) for one in held} == {
            row["dataType"] for row in rows
        }
        read = platform.companies.get_company_sync_settings(request={"company_id": company})
        assert len(read.settings) == len(settings[company,])
