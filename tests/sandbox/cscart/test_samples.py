"""The shapes of the responses, against samples of the product."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.sandbox.cscart.support import Client

Shape = dict[str, set[str]]

SAMPLES = FIXTURES / "cscart"
_SIZE = {"items_per_page": "300"}
_TIME = {"shipment_period": "C", "shipment_time_from": "1"}
# By the sample's name: release, edition, paths and parameters.
REQUESTS: dict[str, tuple[str, str, Sequence[str], dict[str, str]]] = {
    "blocks": ("4.20", "cscart", ["blocks"], {}),
    "call_requests": ("4.20", "cscart", ["stores/1/call_requests"], _SIZE),
    "cart_detail": ("4.20", "cscart", ["carts/{}"], {}),
    "carts": ("4.20", "cscart", ["stores/1/carts"], {}),
    "categories": ("4.20", "cscart", ["categories"], {"items_per_page": "10000"}),
    "category_detail": ("4.20", "cscart", ["categories/{}"], {}),
    "combinations_by_product_legacy": ("4.9", "cscart", ["combinations?product_id={}"], {}),
    "discussions": ("4.20", "cscart", ["stores/1/discussions"], {}),
    "empty_list": ("4.20", "cscart", ["orders"], {"status": "X"}),
    "exceptions_by_product": ("4.20", "cscart", ["exceptions?product_id={}"], {}),
    "features": ("4.20", "cscart", ["features"], {"variants": "1"}),
    "languages": ("4.20", "cscart", ["languages"], _SIZE),
    "langvars": ("4.20", "cscart", ["langvars"], _SIZE),
    "options_by_product": ("4.20", "cscart", ["options?product_id={}"], {}),
    "options_global_4_20": ("4.20", "cscart", ["options"], {}),
    "order_detail": ("4.20", "cscart", ["orders/{}"], {}),
    "orders": ("4.20", "cscart", ["orders"], {**_SIZE, "updated_at_from": "1"}),
    "orders_with_get_orders_data": (
        *("4.20", "cscart", ["orders"]),
        {**_SIZE, "get_orders_data": "1"},
    ),
    "pages": ("4.20", "cscart", ["pages"], {}),
    "payments": ("4.20", "cscart", ["payments"], _SIZE),
    "payments_items_per_page_0": ("4.20", "cscart", ["payments"], {"items_per_page": "0"}),
    "product_detail_v20": ("4.20", "cscart", ["products/{}"], {}),
    "product_reviews_4_20": ("4.20", "cscart", ["product_reviews"], {}),
    "product_variations_groups": ("4.20", "cscart", ["product_variations_groups"], {}),
    "products": ("4.20", "cscart", ["products"], _SIZE),
    "settings": ("4.20", "cscart", ["settings"], _SIZE),
    "shipments": ("4.20", "cscart", ["shipments"], _TIME | {"shipment_time_to": ""}),
    "shippings": ("4.20", "cscart", ["shippings"], _SIZE),
    "statuses": ("4.20", "cscart", ["statuses"], _SIZE),
    "stores": ("4.20", "cscart", ["stores"], {}),
    "subscribers": ("4.20", "cscart", ["subscribers"], {}),
    "taxes": ("4.20", "cscart", ["taxes"], _SIZE),
    "user_usergroups": ("4.20", "cscart", ["users/{}/usergroups"], {}),
    "usergroup_detail": ("4.20", "cscart", ["usergroups/4"], {}),
    "usergroups": ("4.20", "cscart", ["usergroups"], {}),
    "users": ("4.20", "cscart", ["users"], {"user_type": "C"}),
    "vendors": ("4.20", "multivendor", ["vendors"], {}),
    "vendors_4_9_and_older": ("4.9", "multivendor", ["vendors"], {}),
    "version": ("4.20", "cscart", ["version"], {}),
}
# Errors, and the API 1.0 of releases older than those of the sandbox.
OTHERS = {
    "error_400_users_without_user_type_4_20",
    "error_401",
    "error_404_4_9_and_older",
    "orders_api_1_0_unwrapped",
}
_KEYS = {
    "cart_detail": "carts",
    "category_detail": "categories",
    "order_detail": "orders",
    "user_usergroups": "users",
}


@pytest.fixture(scope="module")
def sample() -> Callable[[str], Any]:
    def read(name: str) -> Any:  # noqa: ANN401 (JSON)
        return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))

    return read


def test_every_sample_has_a_comparison() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == REQUESTS.keys() | OTHERS


@pytest.mark.parametrize("name", REQUESTS)
def test_responses_match_sample_shape(
    client_of: Callable[..., Client], sample: Callable[[str], Any], name: str
) -> None:
    release, edition, paths, parameters = REQUESTS[name]
    client = client_of(release, edition)
    expected: Shape = defaultdict(set)
    _look(sample(name), "", expected)
    found: Shape = defaultdict(set)
    for path in paths:
        for place in _filled(client, name, path):
            response = client.get(place, **parameters)
            if response.status_code != 404:
                _look(response.json(), "", found)
    assert not {path: kinds for path, kinds in expected.items() if not kinds <= found[path]}


def test_errors_match_sample_shape(
    client_of: Callable[..., Client], sample: Callable[[str], Any]
) -> None:
    error = client_of().get("users").json()
    assert error.keys() == sample("error_400_users_without_user_type_4_20").keys()
    assert client_of(account=("", "")).get("orders").json() == sample("error_401")
    assert client_of("4.9").get("orders/1").json() == sample("error_404_4_9_and_older")
    (row, *_) = client_of().json("orders", version="1.0")
    assert sample("orders_api_1_0_unwrapped")[0].keys() <= row.keys()


def _filled(client: Client, name: str, path: str) -> list[str]:
    """Put ids into a path that has a place for one."""
    if "{}" not in path:
        return [path]
    stream = _KEYS.get(name, "products")
    key = {"categories": "category_id", "orders": "order_id", "products": "product_id"}
    rows = client.sandbox.truth(f"cscart.{stream}")
    return [path.format(row[key.get(stream, "user_id")]) for row in rows]


def _look(value: Any, path: str, shape: Shape) -> None:  # noqa: ANN401 (JSON)
    """Collect the types of the values by path; ids as names of properties count as one name."""
    if isinstance(value, dict):
        shape[path].add("object")
        keyed = all(key in {"en", "de", "ar"} or key.strip("PS_0123456789") == "" for key in value)
        for key, inner in value.items():
            _look(inner, f"{path}.{'*' if keyed else key}", shape)
    elif isinstance(value, list):
        shape[path].add("array" if value else "empty array")
        for inner in value:
            _look(inner, f"{path}[]", shape)
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        shape[path].add("number" if number else type(value).__name__)
