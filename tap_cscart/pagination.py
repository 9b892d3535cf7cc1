"""Reads a list of a store to its end, though its page numbers and totals cannot be trusted.

A store takes `page` and `items_per_page`. Beside the rows it reports the page, the total, and the
parameters as it understood them. It ignores parameters that it does not know, may send the last
page again for any later one, and has no snapshot: rows move between pages while they are read. Some
lists of some releases have no second page at all.

So every response is checked against its request. A sorted list is read from its last page to its
first (`reverse_pages`), and a page that the store cannot return is fetched in parts (`Parts`).

Facts come from the product's developer manual (page API, and those of the entities) and from the
behavior of releases 4.1 to 4.20.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial

from commerce_taps.errors import InvalidResponse, PartitionFailed, PartitionSkipped
from commerce_taps.pagination.parts import Parts
from commerce_taps.pagination.reverse import reverse_pages

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence

    from msgspec import Raw

    from commerce_taps.http import Client, Request
    from commerce_taps.pagination.page import Identify, Page
    from tap_cscart.requests import Params
    from tap_cscart.responses import ListResponse

EXPECTED_FIELDS: t.Final = {"get_orders_data": b'"products"', "extend[]": b'"full_description"'}
"""The field that a parameter adds to the rows of a store that is known to support it."""


class BuildRequest(t.Protocol):
    """Builds the request for a page of the list."""

    def __call__(self, *, params: Params, divisible: bool) -> Request:
        """Build it from its parameters; `divisible` is as for `Request`."""


@dataclass(frozen=True, slots=True)
class ListReader:
    """Reads the lists of one endpoint for one partition.

    Attributes:
        client: Makes the requests.
        where: Stream and partition, for messages.
        logger: Logs when pages become smaller.
        build_request: Builds the request for a page.
        parse_list: Parses the body of a response.
        parse_rows: Makes a page of rows as they were sent.
        identify: Returns the key of a row.
        page_size: Rows to request per page.
        sort_by: The parameter's value; "" for a list that cannot be sorted.
        single_page: Whether some release has no second page, so that an empty one is not the end.
    """

    client: Client
    where: str
    logger: logging.Logger
    build_request: BuildRequest
    parse_list: Callable[[bytes], ListResponse]
    parse_rows: Callable[[Sequence[Raw]], Page]
    identify: Identify
    page_size: int
    sort_by: str
    single_page: bool

    def pages(self, params: Params) -> Iterator[Page]:
        """Read a list to its end.

        Args:
            params: The parameters that select the list.

        Yields:
            The pages; each row is in one of them.

        Raises:
            PartitionFailed: The list kept changing, or a row cannot be read.
        """
        if self.sort_by:
            params = {"sort_by": self.sort_by, "sort_order": "asc", **params}
        fetch = partial(self._fetch, params)
        parts = Parts(fetch, self.page_size, self.where, self.logger)
        yield from reverse_pages(
            partial(parts.page, None),
            self.identify,
            self.page_size,
            ascending=bool(self.sort_by),
            keeps_place=self.sort_by.endswith("id"),
        )
        parts.close()

    def _fetch(
        self, params: Params, part: None, number: int, size: int, *, divisible: bool
    ) -> Page:
        del part  # the list is not divided into ranges
        params = {**params, "page": number, "items_per_page": size}
        request = self.build_request(params=params, divisible=divisible)
        try:
            page = self.client.get(request, partial(self._parse, params))
        except PartitionSkipped as error:
            if number == 1:
                raise
            msg = f"{error.reason.rstrip('.')}, although the list could be read up to this point"
            raise PartitionFailed(msg, request.where) from error
        if number > 1 and not page.records and self.single_page:
            msg = (
                "this release has no second page of the list, and the store cannot return all of "
                "it at once: raise `request_timeout`, or correct the text that is not UTF-8"
            )
            raise PartitionFailed(msg, request.where)
        return page

    def _parse(self, requested: Params, body: bytes) -> Page:
        response = self.parse_list(body)
        response.check(requested)
        for name in EXPECTED_FIELDS.keys() & requested.keys():
            rows = map(bytes, response.records)
            if response.records and not any(EXPECTED_FIELDS[name] in row for row in rows):
                msg = f"the response belongs to another request: its rows lack what `{name}` adds"
                raise InvalidResponse(msg)
        page = self.parse_rows(response.records)
        # Beyond the last page, the store may send that one again.
        page.number = response.number if response.number in {None, requested["page"]} else 0
        page.total = response.total
        return page
