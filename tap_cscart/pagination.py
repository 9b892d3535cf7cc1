"""Asks for the pages of one list, and knows what a wrong one looks like."""

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

BROUGHT: t.Final = {"get_orders_data": b'"products"', "extend[]": b'"full_description"'}
"""What rows come with, by the parameter that asks for it of a store that is known to have it."""


def parts_of(
    stream: CSCartStream,
    context: Context | None,
    params: Params,
    added: Mapping[str, t.Any] | None,
) -> Parts:
    """Open a list of a store's.

    Args:
        stream: The stream it is read for.
        context: The partition.
        params: Parameters of every page.
        added: Columns each row gets.

    Returns:
        Its pages.
    """

    def fetch(asked: None, number: int, size: int, *, divisible: bool) -> Page:
        del asked  # there is but one list
        page = {**params, "page": number, "items_per_page": size}
        path = stream.path.split("/")
        request = stream.request(context, *path, params=page, divisible=divisible)
        try:
            reply = stream.client.get(request, partial(_open, stream, page, added))
        except PartitionSkipped as error:
            if number == 1:
                raise
            msg = f"{error.reason.rstrip('.')}, though the list could be read up to there"
            raise PartitionFailed(msg, request.where) from error
        if number > 1 and not reply.records and stream.one_page:
            msg = (
                "this release has no second page of the list, and the store does not manage all of "
                "it at once: have `request_timeout` longer, or mend the text that is not UTF-8"
            )
            raise PartitionFailed(msg, request.where)
        return reply

    return Parts(fetch, stream.page_size, where(stream.name, context), stream.logger)


def _open(
    stream: CSCartStream, asked: Params, added: Mapping[str, t.Any] | None, body: bytes
) -> Page:
    answer = stream.opened(body)
    answer.check(asked)
    for name in BROUGHT.keys() & asked.keys():
        if answer.records and not any(BROUGHT[name] in bytes(raw) for raw in answer.records):
            msg = f"the answer is to another question: its rows come without `{name}`"
            raise InvalidResponse(msg)
    page = stream.rows(answer.records, added)
    # Beyond the last page the store may send that one again.
    page.number = answer.number if answer.number in {None, asked["page"]} else 0
    page.total = answer.total
    return page
