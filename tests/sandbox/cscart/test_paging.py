"""Pages, and what the releases do beyond the last of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.cscart.conftest import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.cscart.conftest import Client

EMPTY_BEYOND = {"products", "carts", "payments", "taxes", "statuses", "settings", "languages"}
REPEATING = {"users", "features", "shipments", "stores", "vendors", "langvars", "discussions"}
# What differs: whether the last page is sent again.
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
def test_beyond_the_last_page(client_of: Callable[..., Client], path: str, release: str) -> None:
    client = client_of(release)
    asked = {"user_type": "C", "exclude_group": 1}
    whole = client.json(path, items_per_page=10_000, **asked)[path]
    assert len(whole) > 1
    first = client.json(path, page=1, items_per_page=len(whole), **asked)
    beyond = client.json(path, page=9, items_per_page=len(whole), **asked)
    if REPEATS[path][release]:
        assert beyond[path] == first[path]
        if not (path in BARE_PARAMS and release == "4.9"):
            assert beyond["params"]["page"] == 1
    else:
        assert beyond[path] == []


def test_the_size_is_a_setting_of_the_store_where_none_is_sent(
    client_of: Callable[..., Client],
) -> None:
    assert len(client_of("4.9").json("products")["products"]) == 10
    assert len(client_of("4.20").json("products")["products"]) == 50


@pytest.mark.parametrize("path", sorted(BARE_PARAMS))
def test_stores_say_nothing_of_the_page_in_4_9(client_of: Callable[..., Client], path: str) -> None:
    assert client_of("4.9").json(path)["params"] == []
    assert client_of("4.9").json(path, page=2)["params"] == {"page": "2"}
    assert client_of("4.12").json(path)["params"]["total_items"] == "2"


@pytest.mark.parametrize("path", ["payments", "taxes", "statuses", "languages", "settings"])
def test_sliced_lists_count_the_page_in_4_9(client_of: Callable[..., Client], path: str) -> None:
    old = client_of("4.9").json(path, items_per_page=1)["params"]
    new = client_of("4.12").json(path, items_per_page=1)["params"]
    assert old["total_items"] == 1
    assert new["total_items"] > 1
    assert (new["page"], new["items_per_page"]) == (1, "1")


def test_categories_have_one_page_in_4_9(client_of: Callable[..., Client]) -> None:
    client = client_of("4.9")
    second = client.json("categories", items_per_page=3, page=2)
    assert (second["categories"], second["params"]["total_items"]) == ([], 0)
    whole = client.json("categories", items_per_page=10_000)["categories"]
    assert len(whole) == len(client.sandbox.truth("cscart.categories"))
    assert len(client_of("4.20").json("categories", items_per_page=3, page=2)["categories"]) == 3


def test_rows_of_a_page_of_categories_go_down(client_of: Callable[..., Client]) -> None:
    client = client_of()
    sorted_by = {"sort_by": "timestamp", "sort_order": "asc", "items_per_page": 4}
    rows = client.json("categories", **sorted_by)["categories"]
    ids = [int(row["category_id"]) for row in rows]
    assert ids == sorted(ids, reverse=True)
    oldest = sorted(client.sandbox.truth("cscart.categories"), key=lambda row: row["timestamp"])
    assert set(ids) == {row["category_id"] for row in oldest[:4]}


def test_groups_of_features_are_on_top_of_the_page(client_of: Callable[..., Client]) -> None:
    client = client_of()
    pages = [client.json("features", items_per_page=4, page=page) for page in (1, 2)]
    for answer in pages:
        kinds = [row["feature_type"] for row in answer["features"]]
        assert len([kind for kind in kinds if kind != "G"]) == 4
    groups = [
        {row["feature_id"] for row in answer["features"] if row["feature_type"] == "G"}
        for answer in pages
    ]
    assert groups[0] & groups[1]  # the group without members
    clean = client.json("features", items_per_page=4, exclude_group=1)["features"]
    assert len(clean) == 4


def test_groups_alone_are_asked_for_by_one_value(client_of: Callable[..., Client]) -> None:
    for release in RELEASES:
        client = client_of(release)
        asked = {"exclude_group": 1}
        one = client.json("features", feature_types="G", **asked)["features"]
        several = client.json("features", **{"feature_types[]": "G"}, **asked)["features"]
        assert {row["feature_type"] for row in one} == {"G"}
        assert several == ([] if release == "4.9" else one)


def test_too_many_variants_are_left_out(client_of: Callable[..., Client]) -> None:
    client = client_of()
    brand = client.json("features", variants=1, feature_id=18)["features"][-1]
    assert (brand["variants"], brand["use_variant_picker"]) == ([], True)
    whole = client.json("features", variants=1, feature_id=18, skip_variants_threshould=1)
    assert len(whole["features"][-1]["variants"]) > 40
    assert "variants" not in client.json("features", feature_id=18)["features"][-1]
    assert len(client.json("features/18")["variants"]) > 40


def test_a_page_of_carts_can_be_short(client_of: Callable[..., Client]) -> None:
    client = client_of()
    answer = client.json("carts", items_per_page=1000)
    assert len(answer["carts"]) < int(answer["params"]["total_items"])
    assert int(answer["params"]["total_items"]) == len(client.sandbox.truth("cscart.carts"))
    many = client_of(edition="multivendor").json("carts", items_per_page=1000)
    assert len(many["carts"]) == int(many["params"]["total_items"])
    assert "company_id" not in many["carts"][0]


def test_without_a_size_payments_are_keyed(client_of: Callable[..., Client]) -> None:
    for release in RELEASES:
        client = client_of(release)
        assert isinstance(client.json("payments", items_per_page=0)["payments"], dict)
        shippings = client.json("shippings", items_per_page=0)["shippings"]
        assert isinstance(shippings, dict) is (release == "4.20")
    products = client_of().json("products", items_per_page=0)["products"]
    assert len(products) == len(client_of().sandbox.truth("cscart.products"))


def test_a_list_of_shipments_computes_from_its_first_row(client_of: Callable[..., Client]) -> None:
    client = client_of()
    listed = client.rows("shipments", size=1000)
    assert len({row["group_key"] for row in listed}) == 1
    alone = [client.json(f"shipments/{row['shipment_id']}")["one_full"] for row in listed[:15]]
    assert alone != [row["one_full"] for row in listed[:15]]


def test_reviews_are_a_pair(client_of: Callable[..., Client]) -> None:
    client = client_of()
    reviews, said = client.json("product_reviews", items_per_page=3)["product_reviews"]
    assert len(reviews) == 3
    assert said["total_items"] == len(client.sandbox.truth("cscart.product_reviews"))
    assert client.json("product_reviews", items_per_page=3)["params"] == {"items_per_page": 3}
    nothing = client.json("product_reviews", status="X")["product_reviews"]
    assert (nothing[0], nothing[1]["total_items"]) == ([], 0)
