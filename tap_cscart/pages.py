"""Asks for the pages of one list, in smaller ones where the store does not manage."""

from __future__ import annotations

import typing as t
from functools import partial

from commerce_taps.errors import MalformedAnswer, PartitionFailed, PartitionSkipped, TooMuchAsked
from commerce_taps.paging import Loose
from tap_cscart.asking import ENOUGH
from tap_cscart.client import patiently

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers.types import Context

    from tap_cscart.client import Params
    from tap_cscart.stream import CSCartStream

BROUGHT: t.Final = {"get_orders_data": b'"products"', "extend[]": b'"full_description"'}
"""What rows come with, by the parameter that asks for it of a store that is known to have it."""


class Book:
    """The pages of one list."""

    def __init__(
        self,
        stream: CSCartStream,
        context: Context | None,
        params: Params,
        added: Mapping[str, t.Any] | None,
    ) -> None:
        """Ask nothing yet.

        Args:
            stream: The stream it is read for.
            context: The partition.
            params: Parameters of every page.
            added: Columns each row gets.
        """
        self._stream = stream
        self._context = context
        self._params = params
        self._added = added
        self._size = self._manages = stream.page_size
        self._refusals = 0
        self._unreadable: dict[int, TooMuchAsked] = {}

    def page(self, number: int) -> Loose:
        """Ask for a page, whole or in parts.

        Args:
            number: Which one, counted from 1.

        Returns:
            The page. A row that cannot be read is left out.

        Raises:
            PartitionFailed: Too many rows cannot be read.
        """
        if self._manages < self._size:
            return self._in_parts(number, self._size, self._size // self._manages)
        return self._ask(number, self._size)

    def close(self) -> None:
        """Say that the list is over.

        Raises:
            PartitionFailed: Rows could not be read, though all others were.
        """
        for row, error in self._unreadable.items():
            msg = (
                f"{len(self._unreadable)} rows could not be read, the first of them row {row} of "
                f"the list: {error.reason.rstrip('.')} when asked for that row alone"
            )
            raise PartitionFailed(msg) from error

    def _ask(self, number: int, size: int) -> Loose:
        params = {**self._params, "page": number, "items_per_page": size}
        request = self._stream.request(self._context, *self._stream.path.split("/"), params=params)
        get = partial(self._stream.client.get, request, partial(self._open, params))
        try:
            # A row alone cannot be asked for in parts.
            retries = 0 if size > 1 else self._stream.config["max_retries"]
            reply = patiently(get, retries, request.where, self._stream.logger)
        except PartitionSkipped as error:
            if number == 1:
                raise
            msg = f"{error.reason.rstrip('.')}, though the list could be read up to there"
            raise PartitionFailed(msg, request.where) from error
        except TooMuchAsked as error:
            self._refusals += 1
            if size > 1:
                return self._smaller(number, size, error)
            self._unreadable[number] = error
            if len(self._unreadable) > ENOUGH:
                raise PartitionFailed(error.reason, request.where) from error
            return Loose([], [], [], number, None, missing=1)
        if number > 1 and not reply.records and self._stream.one_page:
            msg = (
                "this release has no second page of the list, and the store does not manage all of "
                "it at once: have `request_timeout` longer, or mend the text that is not UTF-8"
            )
            raise PartitionFailed(msg, request.where)
        return reply

    def _open(self, params: Params, body: bytes) -> Loose:
        answer = self._stream.opened(body)
        answer.check(params)
        for name in BROUGHT.keys() & params.keys():
            if answer.records and not any(BROUGHT[name] in bytes(raw) for raw in answer.records):
                msg = f"the answer is to another question: its rows come without `{name}`"
                raise MalformedAnswer(msg)
        rows = self._stream.rows(answer.records, self._added)
        return Loose(rows.records, rows.fits, rows.stamps, answer.number, answer.total)

    def _smaller(self, number: int, size: int, error: TooMuchAsked) -> Loose:
        """Ask for a page in parts. If all of them can be had, go on with pages of that size."""
        parts = next(parts for parts in range(2, size + 1) if size % parts == 0)
        before = self._refusals
        self._stream.logger.warning(
            "%s; asking for %d rows at once instead of %d.",
            error.reason.rstrip("."),
            size // parts,
            size,
        )
        reply = self._in_parts(number, size, parts)
        if self._refusals == before:
            self._manages = min(self._manages, size // parts)
        return reply

    def _in_parts(self, number: int, size: int, parts: int) -> Loose:
        """Put a page together from smaller ones."""
        whole = Loose([], [], [], number, None)
        first = (number - 1) * parts + 1
        for part in range(first, first + parts):
            reply = self._ask(part, size // parts)
            if reply.number not in (None, part):  # the list is over, and its last page came again
                whole.number = 0 if part == first else number
                break
            whole.records = [*whole.records, *reply.records]
            whole.fits = [*whole.fits, *reply.fits]
            whole.stamps = [*whole.stamps, *reply.stamps]
            whole.missing += reply.missing
            whole.total = whole.total if reply.total is None else reply.total
            end = (part - 1) * size // parts + len(reply.records)
            is_over = len(reply.records) < size // parts and end >= (reply.total or 0)
            if (is_over or not reply.records) and not self._unreadable:
                break
        return whole
