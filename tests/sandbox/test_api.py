"""The fake Codat over HTTP: paging, order, errors."""

from __future__ import annotations

import base64
import http.client
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from commerce_sandbox.codat import dates

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.sandbox.support import Client

MALFORMED = "Error parsing query - Malformed query."


def _raw(sandbox: Sandbox, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Send a request as it is, past the quoting of HTTP libraries."""
    url = urlsplit(sandbox.codat_url)
    key = base64.b64encode(sandbox.api_key.encode()).decode()
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)
    connection.request(
        method, f"{url.path}{target}", headers={"Authorization": f"Basic {key}", **headers}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def test_companies_default_page_size_is_100(client: Client) -> None:
    page = client.json("/companies")
    assert page["pageNumber"] == 1
    assert page["pageSize"] == 100
    assert page["totalResults"] == len(page["results"]) == 12
    assert page["_links"] == {
        "current": {"href": "/companies?page=1&pageSize=100"},
        "self": {"href": "/companies"},
    }


def test_pages_link_to_neighbours(client: Client) -> None:
    pages = list(client.pages("/companies", page=1, pageSize=5))
    assert [len(page["results"]) for page in pages] == [5, 5, 2]
    assert [page["pageNumber"] for page in pages] == [1, 2, 3]
    assert {page["totalResults"] for page in pages} == {12}
    assert ["next" in page["_links"] for page in pages] == [True, True, False]
    assert ["previous" in page["_links"] for page in pages] == [False, True, True]
    assert pages[2]["_links"]["previous"]["href"] == "/companies?page=2&pageSize=5"
    ids = [company["id"] for page in pages for company in page["results"]]
    assert len(set(ids)) == 12


def test_full_last_page_has_no_next(client: Client) -> None:
    page = client.json("/companies", page=2, pageSize=6)
    assert len(page["results"]) == 6
    assert "next" not in page["_links"]


def test_page_past_end_is_empty_without_next(client: Client) -> None:
    page = client.json("/companies", page=9, pageSize=5)
    assert page["results"] == []
    assert page["totalResults"] == 12
    assert "next" not in page["_links"]


def test_links_carry_encoded_query_and_order(client: Client, big_shop: str) -> None:
    query = "modifiedDate>=2024-01-01&&currency!=X Y"
    page = client.json(
        f"{big_shop}/commerce-orders", page=1, pageSize=5, query=query, orderBy="-modifiedDate"
    )
    href = page["_links"]["next"]["href"]
    assert parse_qs(urlsplit(href).query) == {
        "page": ["2"],
        "pageSize": ["5"],
        "query": [query],
        "orderBy": ["-modifiedDate"],
    }
    assert "%3E%3D" in href
    assert client.json(href)["results"]


def test_page_size_is_capped_at_2000(client: Client) -> None:
    assert client.json("/companies", pageSize=2000)["pageSize"] == 2000
    assert client.json("/companies", pageSize=5000)["pageSize"] == 2000


@pytest.mark.parametrize("name", ["page", "pageSize"])
@pytest.mark.parametrize("value", ["0", "-1", "1.0", "one", "", " 1", "٣", "5001e9"])
def test_non_numeric_paging_responds_400(client: Client, name: str, value: str) -> None:
    assert client.error("/companies", **{name: value})[0] == 400


def test_page_size_above_5000_responds_400(client: Client) -> None:
    assert client.error("/companies", pageSize=5001)[0] == 400


def test_order_by_date_keeps_ties_stable(client: Client, big_shop: str) -> None:
    path = f"{big_shop}/commerce-orders"
    rows = client.rows(path, pageSize=50, orderBy="modifiedDate")
    timestamps = [dates.parse(row["modifiedDate"]) for row in rows]
    assert timestamps == sorted(timestamps)
    assert [row["modifiedDate"] for row in rows] != sorted(row["modifiedDate"] for row in rows)
    assert rows == client.rows(path, pageSize=7, orderBy="modifiedDate")

    largest = max(set(timestamps), key=timestamps.count)
    tied = [
        row["id"] for row, timestamp in zip(rows, timestamps, strict=True) if timestamp == largest
    ]
    assert len(tied) > 100
    assert tied != sorted(tied)

    down = client.rows(path, pageSize=50, orderBy="-modifiedDate")
    assert [dates.parse(row["modifiedDate"]) for row in down] == timestamps[::-1]


def test_order_by_puts_nulls_first_ascending(client: Client, big_shop: str) -> None:
    path = f"{big_shop}/commerce-orders"
    up = [row.get("closedDate") for row in client.rows(path, orderBy="closedDate")]
    nothing = up.count(None)
    assert 0 < nothing < len(up)
    assert up[:nothing] == [None] * nothing
    down = [row.get("closedDate") for row in client.rows(path, orderBy="-closedDate")]
    assert down[-nothing:] == [None] * nothing


def test_date_filter_is_inclusive_and_counted(client: Client, big_shop: str) -> None:
    path = f"{big_shop}/commerce-orders"
    rows = client.rows(path)
    timestamps = sorted(dates.parse(row["modifiedDate"]) for row in rows)
    bound = f"{timestamps[len(timestamps) * 2 // 3][0].isoformat()}Z"
    page = client.json(path, query=f"modifiedDate>={bound}", orderBy="modifiedDate", pageSize=1)
    assert page["totalResults"] == sum(timestamp >= dates.parse(bound) for timestamp in timestamps)
    assert dates.parse(page["results"][0]["modifiedDate"]) == dates.parse(bound)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("modifiedDate", MALFORMED),
        ("modifiedDate>=2024-01-01T00:00:00+00:00}", MALFORMED),
        ("", MALFORMED),
        ("orderLineItems.id=1", "Could not resolve property orderLineItems.id on Dataset"),
        ("supplementalData.content=1", "Could not resolve property supplementalData.content"),
        ("payments=1", "Could not resolve property payments on Dataset"),
    ],
)
def test_invalid_query_responds_400(
    client: Client, big_shop: str, query: str, message: str
) -> None:
    status, error = client.error(f"{big_shop}/commerce-orders", query=query)
    assert status == 400
    assert message in error


@pytest.mark.parametrize(
    "order", ["nothing", "-nothing", "modifiedDate desc", "--id", "", "id,-id"]
)
def test_invalid_order_by_responds_400(client: Client, big_shop: str, order: str) -> None:
    assert client.error(f"{big_shop}/commerce-orders", orderBy=order)[0] == 400


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/companies", "name=X"),
        ("/integrations", "key=gbol"),
        ("/companies/{}/connections", "status=Linked"),
        ("/companies/{}/data/history", "requested>2024-01-01"),
        ("/companies/{}/data/history", "isCompleted=true"),
        ("/companies/{}/push", "requestedOnUtc>2024-01-01"),
    ],
)
def test_query_on_undocumented_property_responds_400(client: Client, path: str, query: str) -> None:
    path = path.format(client.rows("/companies")[0]["id"])
    status, error = client.error(path, query=query)
    assert status == 400
    assert "Could not resolve property" in error


def test_history_filters_by_status_and_sorts(client: Client, sandbox: Sandbox) -> None:
    pulls = sandbox.truth("pull_operations")
    company = max(
        pulls, key=lambda row: [one["companyId"] for one in pulls].count(row["companyId"])
    )
    path = f"/companies/{company['companyId']}/data/history"
    everything = client.rows(path, orderBy="requested", pageSize=10)
    requested = [dates.parse(row["requested"]) for row in everything]
    assert requested == sorted(requested)
    incomplete = client.rows(path, query="status!=Complete")
    assert incomplete == [row for row in client.rows(path) if row["status"] != "Complete"]
    assert 0 < len(incomplete) < len(everything)


def test_tags_filter_companies(client: Client) -> None:
    companies = client.rows("/companies")
    for tags, holds in (
        ("region=uk", lambda tags: tags.get("region") == "uk"),
        ("region~u&&tier=gold", lambda tags: "u" in tags.get("region", "")),
    ):
        expected = [one["id"] for one in companies if holds(one.get("tags", {}))]
        assert expected
        assert [one["id"] for one in client.rows("/companies", tags=tags)] == expected
    assert client.error("/companies", tags="region")[0] == 400


def test_locations_refuse_query_and_order(client: Client, big_shop: str) -> None:
    path = f"{big_shop}/commerce-locations"
    rows = client.rows(path)
    assert len(rows) > 20
    assert client.rows(path, pageSize=10) == rows
    assert client.json(path)["pageSize"] == 100
    for parameters in ({"query": "id=1"}, {"orderBy": "id"}):
        assert client.error(path, **parameters)[0] == 400


def test_unknown_parameter_responds_400(client: Client, big_shop: str) -> None:
    for path in ("/companies", f"{big_shop}/commerce-orders", f"{big_shop}/commerce-info"):
        for name in ("modifiedAfter", "orderby", "Page", "limit"):
            status, error = client.error(path, **{name: "1"})
            assert status == 400
            assert name in error


def test_record_is_found_by_quoted_id(client: Client, big_shop: str) -> None:
    for name in ("commerce-orders", "commerce-customers", "commerce-products"):
        rows = client.rows(f"{big_shop}/{name}", pageSize=2000)
        awkward = [row for row in rows if quote(row["id"], safe="") != row["id"]]
        assert {"/", "?", "#", " ", "+", "%2F", "ö", "&", "'", ":"} <= {
            part
            for row in awkward
            for part in ("/", "?", "#", " ", "+", "%2F", "ö", "&", "'", ":")
            if part in row["id"]
        }
        for row in awkward:
            assert client.json(f"{big_shop}/{name}/{quote(row['id'], safe='')}") == row


@pytest.mark.parametrize(
    "target",
    [
        "/companies?query=id=1",
        "/companies?query=id%3D1&&page=1",
        "/companies?query=created>2024-01-01",
        '/companies?query="x"',
        "/companies?query={id%3D1}",
        "/companies?query=%zz",
        "/companies?query=%ff",
        "/companies?page=1&page=2",
        "/companies?page",
        "/companies/%ff",
        "/companies/{x}",
    ],
)
def test_unescaped_target_responds_400(sandbox: Sandbox, target: str) -> None:
    assert _raw(sandbox, target)[0] == 400


def test_plus_in_query_is_a_space(sandbox: Sandbox, client: Client, big_shop: str) -> None:
    path = f"{big_shop}/commerce-orders"
    query = "modifiedDate%3E%3D2024-01-01T00%3A00%3A00+01:00"
    assert _raw(sandbox, f"{path}?query={query}")[0] == 400
    assert client.json(path, query="modifiedDate>=2024-01-01T00:00:00+01:00")["totalResults"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "Bearer {plain}",
        "{encoded}",
        "Basic {plain}",
        "Basic {with_colon}",
        "Basic {colon_first}",
        "basic {encoded}",
        "Basic  {encoded}",
    ],
)
def test_undocumented_authorization_responds_401(sandbox: Sandbox, value: str | None) -> None:
    def encode(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    key = sandbox.api_key
    headers: dict[str, str] = {}
    if value is not None:
        headers["Authorization"] = value.format(
            plain=key,
            encoded=encode(key),
            with_colon=encode(f"{key}:"),
            colon_first=encode(f":{key}"),
        )
    for path in ("/companies", "/nothing"):
        response = requests.get(f"{sandbox.codat_url}{path}", headers=headers, timeout=30)
        assert response.status_code == 401
        body = response.json()
        assert len(body.pop("correlationId")) == 32
        assert body == {
            "statusCode": 401,
            "service": "PublicApi",
            "error": "Unauthorized",
            "canBeRetried": "Unknown",
            "detailedErrorCode": 0,
        }


def test_accept_without_json_responds_406(sandbox: Sandbox) -> None:
    assert _raw(sandbox, "/companies", Accept="text/csv")[0] == 406
    assert _raw(sandbox, "/companies", Accept="text/csv, application/json;q=0.5")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/Companies",
        "/companies/",
        "//companies",
        "/apiKeys",
        "/profile",
        "/companies/{company}/accessToken",
        "/companies/{company}/data/invoices",
        "/companies/{company}/data",
    ],
)
def test_unknown_path_responds_404(sandbox: Sandbox, client: Client, path: str) -> None:
    company = client.rows("/companies")[0]["id"]
    status, body = _raw(sandbox, path.format(company=company))
    assert status == 404
    assert b'"statusCode":404' in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_writing_method_responds_405(sandbox: Sandbox, method: str) -> None:
    assert _raw(sandbox, "/companies", method)[0] == 405


def test_every_response_has_quota_headers(client: Client, sandbox: Sandbox) -> None:
    active = {
        company["id"]
        for company in sandbox.truth("companies")
        if any(one["status"] == "Linked" for one in company["dataConnections"])
    }
    remaining = []
    for path in ("/companies", "/nothing", "/companies?x=1"):
        headers = client.get(path).headers
        assert headers["X-Rate-Limit-Limit"] == str(1000 * (1 + len(active)))
        assert dates.parse(headers["X-Rate-Limit-Reset"])[0].hour == 0
        assert "ETag" not in headers
        remaining.append(int(headers["X-Rate-Limit-Remaining"]))
    assert remaining == [remaining[0], remaining[0] - 1, remaining[0] - 2]


def test_unsupported_or_unread_type_responds_404_or_409(client: Client, sandbox: Sandbox) -> None:
    """404 where the platform lacks the type, 409 where it was never read, 200 for the rest."""
    features = {
        one["key"]: {
            feature["dataType"]
            for feature in one["datatypeFeatures"]
            if feature["supportedFeatures"][0]["featureState"] == "Release"
        }
        for one in client.rows("/integrations")
    }
    seen = set()
    for company in client.rows("/companies"):
        for connection in company["dataConnections"]:
            data = f"/companies/{company['id']}/connections/{connection['id']}/data"
            for name in ("commerce-orders", "commerce-disputes", "commerce-customers"):
                response = client.get(f"{data}/{name}")
                if name not in features[connection["integrationKey"]]:
                    assert response.status_code == 404
                    assert response.json()["error"] == (
                        f"Datatype {name} not supported by platform(s) {connection['platformName']}"
                    )
                elif connection["status"] == "PendingAuth":
                    assert response.status_code == 409
                else:
                    assert response.status_code in {200, 409}
                    if response.status_code == 409:
                        assert response.json()["error"] == "The data set has not been requested."
                seen.add((connection["status"], response.status_code))
    assert {("Linked", 200), ("Deauthorized", 200), ("Unlinked", 200)} <= seen
    assert {("PendingAuth", 409), ("Linked", 404)} <= seen
    assert sandbox.truth("commerce_orders")


def test_missing_company_or_connection_is_named(client: Client, big_shop: str) -> None:
    company, connection = big_shop.split("/")[2], big_shop.split("/")[4]
    other = next(one["id"] for one in client.rows("/companies") if one["id"] != company)
    assert client.error("/companies/7/connections") == (404, "No company was found with ID 7")
    gone = (404, f"Data connection {connection} not found")
    assert client.error(f"/companies/{other}/connections/{connection}") == gone
    assert client.error(f"{big_shop}/commerce-orders/none")[0] == 404
    assert client.error("/integrations/none")[0] == 404
    assert client.error(f"/companies/{company}/data/history/none")[0] == 404
    assert client.error(f"/companies/{company}/sync/commerce/syncs/none/status")[0] == 404


def test_path_without_api_prefix_responds_404(sandbox: Sandbox) -> None:
    response = requests.get(f"{sandbox.url}/companies", timeout=30)
    assert response.status_code == 404
