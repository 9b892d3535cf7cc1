"""Pages, and the behaviour of each release beyond the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.cscart.support import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.cscart.support import Client

EMPTY_BEYOND = {"products", "carts", "payments", "taxes", "statuses", "settings", "languages"}
REPEATING = {"users", "features", "shipments", "stores", "vendors", "langvars", "discussions"}
# The difference: whether the last page comes again.
REPEATS = {
    "orders": {"4.9": True, "4.12": False, "4.20": False},
    "pages": {"4.9": True, "4.12": True, "4.20": False},
    "categories": {"4.9": False, "4.12": True, "4.20": True},
    **{path: dict.fromkeys(RELEASES, False) for path in EMPTY_BEYOND},
    **{path: dict.fromkeys(RELEASES, True) for path in REPEATING},
}
BARE_PARAMS = {"stores", "vendors"}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", sorted(REPEATS))
def test_page_beyond_last_repeats_or_is_empty(
    client_of: Callable[..., Client], path: str, release: str
) -> None:
    client = client_of(release)
    parameters = {"user_type": "C", "exclude_group": 1}
    whole = client.json(path, items_per_page=10_000, **parameters)[path]
    assert len(whole) > 1
    first = client.json(path, page=1, items_per_page=len(whole), **parameters)
    beyond = client.json(path, page=9, items_per_page=len(whole), **parameters)
    if REPEATS[path][release]:
        assert beyond[path] == first[path]
        if not (path in BARE_PARAMS and release == "4.9"):
            assert beyond["params"]["page"] == 1
    else:
        assert beyond[path] == []


def test_default_page_size_follows_release(
    client_of: Callable[..., Client],
) -> None:
    assert len(client_of("4.9").json("products")["products"]) == 10
    assert len(client_of("4.20").json("products")["products"]) == 50


@pytest.mark.parametrize("path", sorted(BARE_PARAMS))
def test_stores_in_4_9_have_no_page_params(client_of: Callable[..., Client], path: str) -> None:
    assert client_of("4.9").json(path)["params"] == []
    assert client_of("4.9").json(path, page=2)["params"] == {"page": "2"}
    assert client_of("4.12").json(path)["params"]["total_items"] == "2"


@pytest.mark.parametrize("path", ["payments", "taxes", "statuses", "languages", "settings"])
def test_sliced_list_in_4_9_counts_page_only(client_of: Callable[..., Client], path: str) -> None:
    old = client_of("4.9").json(path, items_per_page=1)["params"]
    new = client_of("4.12").json(path, items_per_page=1)["params"]
    assert old["total_items"] == 1
    assert new["total_items"] > 1
    assert (new["page"], new["items_per_page"]) == (1, "1")


def test_categories_in_4_9_have_one_page(client_of: Callable[..., Client]) -> None:
    client = client_of("4.9")
    second = client.json("categories", items_per_page=3, page=2)
    assert (second["categories"], second["params"]["total_items"]) == ([], 0)
    whole = client.json("categories", items_per_page=10_000)["categories"]
    assert len(whole) == len(client.sandbox.truth("cscart.categories"))
    assert len(client_of("4.20").json("categories", items_per_page=3, page=2)["categories"]) == 3


def test_categories_page_sorts_ids_descending(client_of: Callable[..., Client]) -> None:
    client = client_of()
    sorted_by = {"sort_by": "timestamp", "sort_order": "asc", "items_per_page": 4}
    rows = client.json("categories", **sorted_by)["categories"]
    ids = [int(row["category_id"]) for row in rows]
    assert ids == sorted(ids, reverse=True)
    oldest = sorted(client.sandbox.truth("cscart.categories"), key=lambda row: row["timestamp"])
    assert set(ids) == {row["category_id"] for row in oldest[:4]}


def test_feature_groups_come_on_top_of_page_size(client_of: Callable[..., Client]) -> None:
    client = client_of()
    pages = [client.json("features", items_per_page=4, page=page) for page in (1, 2)]
    for body in pages:
        kinds = [row["feature_type"] for row in body["features"]]
        assert len([kind for kind in kinds if kind != "G"]) == 4
    groups = [
        {row["feature_id"] for row in body["features"] if row["feature_type"] == "G"}
        for body in pages
    ]
    assert groups[0] & groups[1]  # the group without members
    clean = client.json("features", items_per_page=4, exclude_group=1)["features"]
    assert len(clean) == 4


def test_feature_groups_need_single_type_value(client_of: Callable[..., Client]) -> None:
    for release in RELEASES:
        client = client_of(release)
        parameters = {"exclude_group": 1}
        one = client.json("features", feature_types="G", **parameters)["features"]
        several = client.json("features", **{"feature_types[]": "G"}, **parameters)["features"]
        assert {row["feature_type"] for row in one} == {"G"}
        assert several == ([] if release == "4.9" else one)


def test_feature_with_many_variants_lists_none(client_of: Callable[..., Client]) -> None:
    client = client_of()
    brand = client.json("features", variants=1, feature_id=18)["features"][-1]
    assert (brand["variants"], brand["use_variant_picker"]) == ([], True)
    whole = client.json("features", variants=1, feature_id=18, skip_variants_threshould=1)
    assert len(whole["features"][-1]["variants"]) > 40
    assert "variants" not in client.json("features", feature_id=18)["features"][-1]
    assert len(client.json("features/18")["variants"]) > 40


def test_carts_page_can_be_short(client_of: Callable[..., Client]) -> None:
    client = client_of()
    body = client.json("carts", items_per_page=1000)
    assert len(body["carts"]) < int(body["params"]["total_items"])
    assert int(body["params"]["total_items"]) == len(client.sandbox.truth("cscart.carts"))
    many = client_of(edition="multivendor").json("carts", items_per_page=1000)
    assert len(many["carts"]) == int(many["params"]["total_items"])
    assert "company_id" not in many["carts"][0]


def test_payments_without_page_size_are_keyed(client_of: Callable[..., Client]) -> None:
    for release in RELEASES:
        client = client_of(release)
        assert isinstance(client.json("payments", items_per_page=0)["payments"], dict)
        shippings = client.json("shippings", items_per_page=0)["shippings"]
        assert isinstance(shippings, dict) is (release == "4.20")
    products = client_of().json("products", items_per_page=0)["products"]
    assert len(products) == len(client_of().sandbox.truth("cscart.products"))


def test_shipments_list_repeats_first_row_values(client_of: Callable[..., Client]) -> None:
    client = client_of()
    listed = client.rows("shipments", size=1000)
    assert len({row["group_key"] for row in listed}) == 1
    alone = [client.json(f"shipments/{row['shipment_id']}")["one_full"] for row in listed[:15]]
    assert alone != [row["one_full"] for row in listed[:15]]


def test_reviews_are_rows_and_params(client_of: Callable[..., Client]) -> None:
    client = client_of()
    reviews, params = client.json("product_reviews", items_per_page=3)["product_reviews"]
    assert len(reviews) == 3
    assert params["total_items"] == len(client.sandbox.truth("cscart.product_reviews"))
    assert client.json("product_reviews", items_per_page=3)["params"] == {"items_per_page": 3}
    nothing = client.json("product_reviews", status="X")["product_reviews"]
    assert (nothing[0], nothing[1]["total_items"]) == ([], 0)
