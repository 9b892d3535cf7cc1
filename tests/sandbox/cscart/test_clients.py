"""A public client of the API reads the fake CS-Cart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cscart  # type: ignore[import-untyped]
import pytest

from commerce_sandbox.cscart import API_KEY, EMAIL
from tests.sandbox.cscart.support import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.cscart.support import Client

# Method of the client, the property with the rows, the stream and its key.
METHODS = {
    "get_categories": ("categories", "categories", "category_id"),
    "get_orders": ("orders", "orders", "order_id"),
    "get_payment_methods": ("payments", "payments", "payment_id"),
    "get_product_features": ("features", "features", "feature_id"),
    "get_products": ("products", "products", "product_id"),
    "get_settings": ("settings", "settings", "object_id"),
    "get_shipments": ("shipments", "shipments", "shipment_id"),
    "get_shipping_methods": ("shippings", "shippings", "shipping_id"),
    "get_statuses": ("statuses", "statuses", "status_id"),
    "get_stores": ("stores", "stores", "company_id"),
    "get_taxes": ("taxes", "taxes", "tax_id"),
    "get_users": ("users", "users", "user_id"),
}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "get_product_features": {"exclude_group": 1},
    "get_users": {"user_type": "C"},
}


def _client(client: Client) -> Any:  # noqa: ANN401 (a client without types)
    return cscart.Client(f"{client.url}/api/2.0/", EMAIL, API_KEY)


def test_every_client_method_is_called() -> None:
    public = {name for name in dir(cscart.Client) if name.startswith("get_")}
    assert public == METHODS.keys() | {"get_usergroups"}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("method", METHODS)
def test_client_reads_lists_and_rows(
    client_of: Callable[..., Client], release: str, method: str
) -> None:
    client = client_of(release)
    name, stream, key = METHODS[method]
    call = getattr(_client(client), method)
    parameters = {"items_per_page": 10_000, **_PARAMETERS.get(method, {})}
    rows = call(params=parameters).json()[name]
    held = {str(row[key]) for row in client.sandbox.truth(f"cscart.{stream}")}
    read = {row[key] for row in rows}
    assert read
    assert read == held if method not in {"get_users", "get_statuses"} else read < held
    one = call(int(rows[0][key])).json()
    assert str(one[key]) == rows[0][key]


def test_client_reads_usergroups(client_of: Callable[..., Client]) -> None:
    client = client_of()
    public = _client(client)
    held = client.sandbox.truth("cscart.usergroups")
    assert set(public.get_usergroups().json()) == {str(row["usergroup_id"]) for row in held}
    assert public.get_usergroups(usergroup_id=4).json()["privileges"]
    links = client.sandbox.truth("cscart.user_usergroups")
    found = public.get_usergroups(user_id=links[0]["user_id"]).json()
    assert str(links[0]["link_id"]) in {one["link_id"] for one in found.values()}


def test_client_reads_category_products_and_product_features(
    client_of: Callable[..., Client],
) -> None:
    client = client_of()
    public = _client(client)
    rows = public.get_products(category_id=160, params={"items_per_page": 1000}).json()["products"]
    below = {
        str(row["category_id"])
        for row in client.sandbox.truth("cscart.categories")
        if "160" in row["id_path"].split("/")
    }
    assert rows
    assert all(below & set(map(str, row["category_ids"])) for row in rows)
    features = public.get_product_features(product_id=402, params={"exclude_group": 1}).json()
    held = client.json("products/402")["product_features"]
    assert {row["feature_id"] for row in features["features"]} == set(held)
