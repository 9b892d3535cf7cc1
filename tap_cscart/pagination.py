"""Fetches the pages of one list, and rejects responses that cannot be right."""

from __future__ import annotations

import typing as t
from functools import partial

from commerce_taps.errors import InvalidResponse, PartitionFailed, PartitionSkipped
from commerce_taps.http import where
from commerce_taps.pagination.parts import Parts

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers.types import Context

    from commerce_taps.pagination.page import Page
    from tap_cscart.responses import Params
    from tap_cscart.stream import CSCartStream

EXPECTED_FIELDS: t.Final = {"get_orders_data": b'"products"', "extend[]": b'"full_description"'}
"""The field that a parameter adds to the rows, as `capabilities.py` has found."""


def parts_of(
    stream: CSCartStream,
    context: Context | None,
    params: Params,
    added: Mapping[str, t.Any] | None,
) -> Parts[None]:
    """Describe how the pages of a list are fetched.

    Args:
        stream: The stream that reads the list.
        context: The partition.
        params: Parameters of every page.
        added: Columns to add to each row.
    """

    def fetch(_: None, number: int, size: int, *, divisible: bool) -> Page:
        requested = {**params, "page": number, "items_per_page": size}
        path = stream.path.split("/")
        request = stream.request(context, *path, params=requested, divisible=divisible)
        try:
            page = stream.client.get(request, partial(_parse, stream, requested, added))
        except PartitionSkipped as error:
            if number == 1:
                raise
            msg = f"{error.reason.rstrip('.')}, though the list could be read up to there"
            raise PartitionFailed(msg, request.where) from error
        if number > 1 and not page.records and stream.one_page:
            msg = (
                "this release has no second page of the list, and the store does not manage all of "
                "it at once: have `request_timeout` longer, or mend the text that is not UTF-8"
            )
            raise PartitionFailed(msg, request.where)
        return page

    return Parts(fetch, stream.page_size, where(stream.name, context), stream.logger)


def _parse(
    stream: CSCartStream, requested: Params, added: Mapping[str, t.Any] | None, body: bytes
) -> Page:
    answer = stream.opened(body)
    answer.check(requested)
    for name in EXPECTED_FIELDS.keys() & requested.keys():
        field = EXPECTED_FIELDS[name]
        if answer.records and not any(field in bytes(raw) for raw in answer.records):
            msg = f"the answer is to another question: its rows come without `{name}`"
            raise InvalidResponse(msg)
    page = stream.rows(answer.records, added)
    # For a number beyond the last page the store may return the last page again.
    page.number = answer.number if answer.number in {None, requested["page"]} else 0
    page.total = answer.total
    return page
