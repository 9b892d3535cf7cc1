"""Rows of add-ons: posts, reviews, call requests, subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.cscart.shop import SECRET, draw_timestamp, person, referenced
from commerce_sandbox.cscart.values import Native, Timestamp
from commerce_sandbox.seeded import chance

if TYPE_CHECKING:
    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.shop import Shop


def discussions(shop: Shop, products: Table) -> Table:
    """Make posts about products."""
    random = shop.rng("discussions")
    about = referenced(list(products))
    return {
        key: {
            "post_id": key,
            "thread_id": 2 + key // 3,
            "name": person(random)[0],
            "timestamp": draw_timestamp(random),
            "user_id": 0,
            "ip_address": f"203.0.113.{key % 250}",
            "status": random.choice("AAD"),
            "message": "Warm enough for spring.\nEven “in” März.",
            "rating_value": random.randint(1, 5),
            "object_id": (product := products[random.choice(about)])["product_id"],
            "object_type": "P",
            "type": "B",
            "company_id": product["company_id"],
        }
        for key in range(1, 1 + shop.size("discussions"))
    }


def product_reviews(shop: Shop, products: Table) -> Table:
    """Make reviews of products."""
    random = shop.rng("product_reviews")
    about = referenced(list(products))
    table: Table = {}
    for key in range(1, 1 + shop.size("product_reviews")):
        timestamp = draw_timestamp(random)
        product = random.choice(about)
        replied = chance(random, 0.3)
        table[key] = {
            "product_review_id": Native(key),
            "product_id": product,
            "rating_value": random.randint(1, 5),
            "product_review_timestamp": timestamp,
            "status": random.choice("AAD"),
            "storefront_id": 1,
            "images_count": 0,
            "images": [],
            "product": {"product_id": product},
            "user_data": {
                "user_id": Native(0),
                "name": person(random)[0],
                "ip_address": f"203.0.113.{key % 250}",
                "is_buyer": chance(random, 0.5),
                "country_code": "US",
                "country": "United States",
                "city": "Boston",
                "is_anon": Native(value=False),
                "is_authorized": Native(value=True),
            },
            "message": {"advantages": "Light", "disadvantages": "", "comment": "Nice."},
            "helpfulness": {
                "helpfulness": Native(2),
                "vote_up": Native(2),
                "vote_down": Native(0),
            },
            "reply": {"reply": "Thanks.", "reply_timestamp": Timestamp(timestamp + 60)}
            if replied
            else {},
        }
    return table


def call_requests(shop: Shop, products: Table) -> Table:
    """Make wishes to be called."""
    random = shop.rng("call_requests")
    about = referenced(list(products))
    return {
        key: {
            "request_id": key,
            "company_id": (product := products[random.choice(about)])["company_id"],
            "order_id": 0,
            "user_id": 1,
            "product_id": product["product_id"],
            "timestamp": draw_timestamp(random),
            "status": random.choice(("new", "in_progress", "completed", "no_answer")),
            "name": person(random)[0],
            "phone": f"+1 202-555-{key:04}",
            "time_from": "10:00",
            "time_to": "12:00",
            "notes": "",
            "cart_products": "",
            "order_status": None,
            "product": product["product"],
            "responsible": {"1": "Ada Admin"} if key % 2 else {},
        }
        for key in range(1, 1 + shop.size("call_requests"))
    }


def subscribers(shop: Shop) -> Table:
    """Make subscribers of the newsletter; the key that ends a subscription is a secret."""
    random = shop.rng("subscribers")
    return {
        key: {
            "subscriber_id": key,
            "email": f"news.{key}@example.org",
            "timestamp": draw_timestamp(random),
            "name": person(random)[0],
            "unsubscribe_key": f"{SECRET}-unsubscribe-{key}",
            "status": random.choice("AAP"),
        }
        for key in range(1, 1 + shop.size("subscribers"))
    }
