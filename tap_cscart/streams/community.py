"""What visitors write. Each stream belongs to an add-on that a store may lack."""

from __future__ import annotations

import abc
import typing as t

from typing_extensions import override

from tap_cscart.responses import ListResponse, parse_reviews
from tap_cscart.stream import CSCartStream
from tap_cscart.streams.sales import created_since

if t.TYPE_CHECKING:
    from datetime import datetime

    from tap_cscart.requests import Params


class PostStream(CSCartStream, abc.ABC):
    """A list of what visitors write, which the store can filter by date."""

    replication_key = "timestamp"
    sort_by = "timestamp"
    selected_by_default = False

    @override
    def filters(self, start: datetime | None) -> Params:
        return created_since(start)


class Discussions(PostStream):
    """Comments on products, pages, orders and vendors (add-on)."""

    name = "discussions"
    path = "discussions"
    primary_keys = ("post_id",)
    privilege = "view_discussions"
    add_on = "discussion"


class ProductReviews(PostStream):
    """Reviews of products (add-on, from 4.13 on)."""

    name = "product_reviews"
    path = "product_reviews"
    primary_keys = ("product_review_id",)
    replication_key = "product_review_timestamp"
    privilege = "view_product_reviews"
    add_on = "product_reviews"
    sort_by = "product_review_id"

    @override
    def parse_list(self, body: bytes) -> ListResponse:
        return parse_reviews(body, self.path)


class CallRequests(PostStream):
    """Requests for a call back (add-on)."""

    name = "call_requests"
    path = "call_requests"
    primary_keys = ("request_id",)
    privilege = "view_call_requests"
    add_on = "call_requests"
    sort_by = "id"

    @override
    def filters(self, start: datetime | None) -> Params:
        """Return none: the store cannot filter call requests."""
        return {}


class Subscribers(PostStream):
    """Subscribers of the newsletter (add-on)."""

    name = "subscribers"
    path = "subscribers"
    primary_keys = ("subscriber_id",)
    privilege = "view_email_marketing"
    add_on = "email_marketing"
    secret_columns = ("unsubscribe_key",)


STREAMS: t.Final = (Discussions, ProductReviews, CallRequests, Subscribers)
