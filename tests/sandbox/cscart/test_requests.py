"""Requests: addresses, credentials, privileges, filters, languages, errors."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests

from commerce_sandbox import Sandbox
from commerce_sandbox.cscart import API_KEY, EMAIL
from commerce_sandbox.cscart.accounts import accounts
from tests.sandbox.cscart.support import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.cscart.support import Client

ACCOUNTS = {email: (email, account.key) for email, account in accounts(API_KEY).items()}
CATALOG, SALES = ACCOUNTS["catalog@shop.example"], ACCOUNTS["sales@shop.example"]
VENDOR, DISABLED = ACCOUNTS["vendor@shop.example"], ACCOUNTS["disabled@shop.example"]


@pytest.mark.parametrize("release", RELEASES)
def test_version_prefix_selects_api_version(client_of: Callable[..., Client], release: str) -> None:
    client = client_of(release)
    assert client.json("version") == {"Version": "2.0"}
    assert client.json("version", version="") == {"Version": "2.1"}
    assert {client.status("orders", version=version) for version in ("2", "3.0")} == {404}
    assert client.status("orders", version="4.1") == (200 if release == "4.20" else 404)
    assert client.status("versions") == (200 if release == "4.20" else 404)


def test_version_1_0_lists_are_bare_and_unpaged(client_of: Callable[..., Client]) -> None:
    client = client_of()
    orders = client.json("orders", version="1.0")
    assert len(orders) == len(client.sandbox.truth("cscart.orders"))
    assert len(client.json("orders", version="1.0", items_per_page=3)) == 3
    assert "params" in client.json("products", version="1.0")
    missing = ("carts", "pages", "options", "usergroups", "blocks", "discussions")
    assert {client.status(path, version="1.0") for path in missing} == {404}


@pytest.mark.parametrize("rewrite", ["on", "off"])
def test_rest_path_and_api_php_both_respond(client_of: Callable[..., Client], rewrite: str) -> None:
    client = client_of(cscart_rewrite=rewrite)
    php = requests.get(
        f"{client.url}/api.php",
        params={"_d": "2.0/orders/1001", "ajax_custom": "1"},
        auth=(EMAIL, API_KEY),
        timeout=30,
    )
    assert php.json()["order_id"] == "1001"
    rewritten = client.get("orders/1001")
    if rewrite == "on":
        assert rewritten.json() == php.json()
    else:
        assert rewritten.status_code == 404
        assert rewritten.headers["content-type"].startswith("text/html")


def test_api_php_echoes_unknown_parameters(client_of: Callable[..., Client]) -> None:
    client = client_of()
    response = requests.get(
        f"{client.url}/api.php",
        params={"_d": "2.0/orders", "ajax_custom": "1", "items_per_page": "2"},
        auth=(EMAIL, API_KEY),
        timeout=30,
    ).json()
    assert len(response["orders"]) == 2
    assert response["params"]["ajax_custom"] == "1"
    assert "_d" not in response["params"]


def test_path_extra_slashes_respond_404(client_of: Callable[..., Client]) -> None:
    client = client_of()
    assert client.status("orders/") == 200
    assert client.status("orders//1001") == 404
    assert client.status("api/2.0/orders") == 404
    page = requests.get(f"{client.url}/shop/api/2.0/orders", auth=(EMAIL, API_KEY), timeout=30)
    assert (page.status_code, page.text[:15]) == (404, "<!DOCTYPE html>")


@pytest.mark.parametrize(
    "account", [DISABLED, (EMAIL, "wrong"), ("", ""), (EMAIL.upper(), API_KEY)]
)
def test_wrong_credentials_respond_401(
    client_of: Callable[..., Client], account: tuple[str, str]
) -> None:
    response = client_of(account=account).get("version")
    assert response.json() == {"message": "Unauthorized", "status": 401}
    assert "Basic" in response.headers["www-authenticate"]


def test_sandbox_api_key_replaces_default() -> None:
    with Sandbox(scale=0.02, api_key="another") as sandbox:
        url = f"{sandbox.url_of('cscart')}/api/2.0/version"
        environment = sandbox.environment
        account = (environment["TAP_CSCART_EMAIL"], environment["TAP_CSCART_API_KEY"])
        assert requests.get(url, auth=account, timeout=30).status_code == 200
        assert requests.get(url, auth=(EMAIL, API_KEY), timeout=30).status_code == 401


def test_account_privileges_limit_entities(client_of: Callable[..., Client]) -> None:
    catalog, sales = client_of(account=CATALOG), client_of(account=SALES)
    for path in ("products", "categories/160/products", "features", "options?product_id=402"):
        assert (catalog.status(path), sales.status(path)) == (200, 403)
    for path in ("orders", "orders/1001", "shipments", "users?user_type=C", "carts"):
        assert (catalog.status(path), sales.status(path)) == (403, 200)
    for path in ("payments", "usergroups", "users/7/usergroups", "products/402/discussions"):
        assert {catalog.status(path), sales.status(path)} == {403}
    assert catalog.json("version") == {"Version": "2.0"}
    assert catalog.get("orders").json() == {"message": "Forbidden", "status": 403}


def test_vendor_account_since_4_20_is_forbidden(client_of: Callable[..., Client]) -> None:
    old = client_of("4.12", "multivendor", account=VENDOR)
    new = client_of("4.20", "multivendor", account=VENDOR)
    for path in ("orders", "features", "shipments"):
        assert (old.status(path), new.status(path)) == (200, 403)
    for client in (old, new):
        rows = client.rows("products")
        assert {row["company_id"] for row in rows} == {"2"}
        assert client.status("vendors/1/products") == 403


def test_company_prefix_limits_rows(client_of: Callable[..., Client]) -> None:
    client = client_of()
    whole = client.rows("orders")
    parts = [client.rows(f"stores/{company}/orders") for company in (1, 2)]
    assert {row["company_id"] for row in parts[1]} == {"2"}
    assert len(parts[0]) + len(parts[1]) == len(whole)
    assert len(client.rows("orders", company_id=2)) == len(parts[1])
    of_the_other = parts[0][0]["order_id"]
    assert client.status(f"stores/2/orders/{of_the_other}") == 404
    assert client.status("stores/77/orders") == 404


def test_unknown_parameter_filters_nothing(client_of: Callable[..., Client]) -> None:
    client = client_of()
    response = client.json("orders", updated_since="2030-01-01", items_per_page=1)
    assert response["params"]["updated_since"] == "2030-01-01"
    total = int(response["params"]["total_items"])
    assert total == len(client.sandbox.truth("cscart.orders"))
    times = {"time_from": "1", "time_to": "2", "items_per_page": 1}
    assert client.json("orders", **times)["params"]["total_items"] == str(total)
    parameters = client.json("orders", period="C", **times)["params"]
    assert parameters["total_items"] == "0"


def test_period_filters_orders_by_time(client_of: Callable[..., Client]) -> None:
    client = client_of()
    timestamps = sorted(int(row["timestamp"]) for row in client.rows("orders"))
    bounds = {"time_from": timestamps[5], "time_to": timestamps[9]}
    rows = client.rows("orders", period="C", **bounds)
    assert sorted(int(row["timestamp"]) for row in rows) == timestamps[5:10]
    open_end = client.json("orders", period="C", time_from=timestamps[5], items_per_page=1)[
        "params"
    ]
    assert open_end["total_items"] == str(len(timestamps) - 5)
    assert abs(open_end["time_to"] - time.time()) < 3600
    everything = client.json("orders", period="A", **bounds, items_per_page=1)["params"]
    assert everything["total_items"] == str(len(timestamps))
    recent = client.json("orders", period="HH", items_per_page=1)["params"]["total_items"]
    assert recent == "0"


@pytest.mark.parametrize("release", RELEASES)
def test_updated_at_filter_depends_on_release(
    client_of: Callable[..., Client], release: str
) -> None:
    client = client_of(release)
    total = len(client.sandbox.truth("cscart.orders"))
    later = client.json("orders", updated_at_from="4000000000")["params"]["total_items"]
    assert later == (str(total) if release == "4.9" else "0")
    assert ("updated_at" in client.json("orders/1001")) is (release != "4.9")
    whole = client.json("orders", get_orders_data=1, items_per_page=1)["orders"][0]
    assert ("products" in whole) is (release != "4.9")
    assert "updated_at" not in client.json("orders", items_per_page=1)["orders"][0]


def test_updated_at_filter_finds_updated_orders(client_of: Callable[..., Client]) -> None:
    client = client_of()
    parameters = {"get_orders_data": 1, "items_per_page": 1000}
    timestamps = {
        row["order_id"]: row["updated_at"] for row in client.json("orders", **parameters)["orders"]
    }
    bound = sorted(timestamps.values())[-20]
    found = client.json("orders", updated_at_from=bound, items_per_page=1000)["orders"]
    assert {row["order_id"] for row in found} == {
        key for key, timestamp in timestamps.items() if timestamp >= bound
    }


def test_incomplete_orders_need_include_parameter(client_of: Callable[..., Client]) -> None:
    client = client_of()
    assert "N" not in {row["status"] for row in client.rows("orders", size=1000)}
    rows = client.rows("orders", size=1000, include_incompleted="Y")
    assert "N" in {row["status"] for row in rows}
    assert client.json("orders", status="N")["params"]["total_items"] == "0"


def test_updated_in_hours_finds_recent_products(client_of: Callable[..., Client]) -> None:
    client = client_of()
    timestamps = sorted(int(row["updated_timestamp"]) for row in client.rows("products"))
    hours = int((time.time() - timestamps[-5]) // 3600) + 1
    found = client.rows("products", updated_in_hours=hours)
    assert len(found) < len(timestamps)
    assert {str(one) for one in timestamps[-5:]} <= {row["updated_timestamp"] for row in found}
    order: dict[str, Any] = {"sort_by": "updated_timestamp", "sort_order": "asc"}
    rows = [int(row["updated_timestamp"]) for row in client.rows("products", **order)]
    assert rows == timestamps


@pytest.mark.parametrize("release", RELEASES)
def test_users_in_4_20_require_user_type(client_of: Callable[..., Client], release: str) -> None:
    client = client_of(release)
    response = client.get("users")
    if release != "4.20":
        kinds = {row["user_type"] for row in client.rows("users", size=1000)}
        assert kinds == {"A", "C", "V"}
        assert client.status("users/999999") == 404
        return
    body = response.json()
    assert (response.status_code, body["status"]) == (400, 400)
    assert body["message"] == f"Bad Request: {body['messages'][0]}"
    assert client.json("users/999999")["users"] == []


@pytest.mark.parametrize("release", RELEASES)
def test_options_follow_product_and_release(client_of: Callable[..., Client], release: str) -> None:
    client = client_of(release)
    assert client.status("options") == (200 if release == "4.20" else 400)
    without = next(row for row in client.rows("products") if not row["has_options"])
    assert client.status("options", product_id=without["product_id"]) == 404
    assert client.status("exceptions", product_id=without["product_id"]) == 404
    assert client.status("exceptions") == 400
    assert client.status("combinations", product_id=402) == (200 if release == "4.9" else 404)


def test_extend_parameter_adds_product_columns(client_of: Callable[..., Client]) -> None:
    client = client_of()
    plain = client.json("products", items_per_page=100)["products"]
    assert not {"full_description", "meta_keywords", "company_name"} & plain[0].keys()
    extend = ["description", "full_description", "meta_data", "companies"]
    more = client.json("products", items_per_page=100, **{"extend[]": extend})
    assert {"full_description", "meta_keywords", "company_name"} <= more["products"][0].keys()
    assert more["params"]["extend"] == extend
    blank = client.json("products", items_per_page=100, **{"extend[]": "description"})["products"]
    texts = {(bool(row["short_description"]), bool(row["full_description"])) for row in blank}
    assert texts == {(True, False), (False, True)}
    less = client.json("products", get_features=0, get_icon=0, get_detailed=0, get_additional=0)
    dropped = {"product_features", "main_pair", "image_pairs", "has_options", "discounts"}
    assert not dropped & less["products"][0].keys()
    options = client.json("products", get_options=1, items_per_page=100)["products"]
    assert any(row["product_options"] for row in options)


def test_price_digits_follow_release(client_of: Callable[..., Client]) -> None:
    for release, digits in (("4.9", 6), ("4.12", 8), ("4.20", 2)):
        client = client_of(release)
        assert len(client.json("products")["products"][0]["price"].partition(".")[2]) == digits
        alone = client.json("products/402")
        assert len(alone["price"].partition(".")[2]) == 8
        assert (alone["product_id"], "has_options" in alone) == (402, False)
        assert "has_options" in client.json("products/402", version="2.1")


def test_promotion_lowers_price_in_list_only(
    client_of: Callable[..., Client],
) -> None:
    client = client_of()
    rows = client.rows("products")
    row = next(row for row in rows if row["price"] != row["base_price"])
    assert Decimal(row["price"]) < Decimal(row["base_price"])
    plain, whole = (client.json(f"products/{row['product_id']}", version=v) for v in ("2.0", "2.1"))
    assert Decimal(plain["price"]) == Decimal(plain["base_price"]) == Decimal(row["base_price"])
    assert whole["price"] == row["price"]


def test_lang_code_selects_language(client_of: Callable[..., Client]) -> None:
    new, old = client_of(), client_of("4.9")
    english, german = (new.json("products/402", lang_code=code)["product"] for code in ("en", "de"))
    assert english != german
    assert new.json("products/402", lang_code="xx")["product"] == english
    assert old.json("products/402", lang_code="xx")["product"] is None
    assert new.json("payments", lang_code="de")["payments"][0]["payment"] == "Phone ordering"
    assert new.json("payments", sl="de")["payments"][0]["payment"] == "Telefon"
    assert [
        one.json("shippings", lang_code="de")["shippings"][0]["shipping"] for one in (new, old)
    ] == [
        "Courier",
        "Kurier",
    ]
    wants_german = {"Accept-Language": "de-DE"}
    assert new.json("products/402", headers=wants_german)["product"] == german
    assert new.json("products/402", headers=wants_german, sl="en")["product"] == english
    assert new.json("languages", lang_code="de")["lang_code"] == "de"


def test_columns_follow_release(client_of: Callable[..., Client]) -> None:
    old, middle, new = (client_of(release) for release in RELEASES)
    for path, column, having in (
        ("users/7", "last_login", {new}),
        ("categories/160", "storefront_id", {new}),
        ("features/18", "timestamp", set()),
        ("stores/1", "address", {new}),
        ("languages/1", "storefront_ids", {new}),
        ("orders/1001", "storefront_id", {middle, new}),
    ):
        assert {one for one in (old, middle, new) if column in one.json(path)} == having, path
    listed = [one.json("orders")["orders"][0] for one in (middle, new)]
    assert ["storefront_id" in row for row in listed] == [False, True]
    feature = [one.json("features")["features"][0] for one in (old, new)]
    assert ["updated_timestamp" in row for row in feature] == [False, True]


def test_addons_off_removes_their_entities(client_of: Callable[..., Client]) -> None:
    client = client_of(cscart_addons="off")
    paths = ("discussions", "product_reviews", "call_requests", "subscribers")
    variations = ("product_variations", "product_variations_groups")
    assert {client.status(path) for path in (*paths, *variations)} == {404}
    assert client.status("sra_currencies", version="4.0") == 404
    assert not {"seo_name", "erp_code"} & client.json("products/402").keys()
    assert client.sandbox.truth("cscart.discussions") == []
    assert client_of().status("sra_currencies", version="2.0") == 404


def test_wrong_method_or_accept_is_refused(client_of: Callable[..., Client]) -> None:
    client = client_of()
    url = f"{client.url}/api/2.0/orders"
    assert requests.post(url, auth=(EMAIL, API_KEY), json={}, timeout=30).status_code == 405
    assert client.status("orders", headers={"Accept": "text/html"}) == 406
    assert client.get("orders", headers={"Accept": "text/plain"}).text.startswith("Array")
    assert client.status("orders", headers={"Accept": "application/json"}) == 200


def test_unknown_entities_and_rows_respond_404(client_of: Callable[..., Client]) -> None:
    client = client_of()
    paths = ("promotions", "currencies", "returns", "carts/58/items", "orders/1", "products/x")
    assert {client.status(path) for path in paths} == {404}


def test_json_is_escaped_like_php(client_of: Callable[..., Client]) -> None:
    client = client_of()
    body = client.get("products", items_per_page=100, **{"extend[]": "full_description"}).content
    assert body.isascii()
    assert b"<\\/p>" in body
    assert b"\\u201c" in body
