"""Fetches the pages of one list, in parts where the server cannot return a whole page.

Use it between a reader and the HTTP client. Page n of size s holds the rows of pages p(n-1)+1 to pn
of size s/p, so a page that is built from smaller ones is the requested page, and a reader that
counts pages does not notice. A row that fails even alone is left out and counted; all others are
read, and the partition fails at its end.
"""

from __future__ import annotations

import typing as t

from commerce_taps.errors import PartitionFailed, RequestTooLarge
from commerce_taps.pagination.page import KEPT_CHANGING, MAX_PASSES, Page

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable, Iterable, Iterator


Requested = t.TypeVar("Requested", bound="Hashable")
Requested_contra = t.TypeVar("Requested_contra", bound="Hashable", contravariant=True)

MAX_UNREADABLE_ROWS: t.Final = 10
"""Rows of one list that cannot be read, after which reading it ends; 1 as long as no row was read:
then the whole list cannot be read."""


class Fetch(t.Protocol[Requested_contra]):
    """Fetches a page once."""

    def __call__(
        self, requested: Requested_contra, number: int, size: int, /, *, divisible: bool
    ) -> Page:
        """Fetch a page.

        Args:
            requested: The part of the list that is counted, such as a range.
            number: Which page, counted from 1.
            size: How many rows to request.
            divisible: As for `Request`.

        Raises:
            RequestTooLarge: The server cannot return so many.
        """


class Parts(t.Generic[Requested]):
    """The pages of one list, whole or in parts."""

    def __init__(
        self,
        fetch: Fetch[Requested],
        size: int,
        where: str,
        logger: logging.Logger,
        unreadable: Callable[[], Page] = lambda: Page((), size=1, has_next=True, missing=1),
    ) -> None:
        """Describe the list.

        Args:
            fetch: Fetches a page.
            size: How many rows a page has.
            where: Stream and partition, for messages.
            logger: Logs when pages become smaller.
            unreadable: Returns the page that stands for one row that cannot be read, just after
                fetching that row alone has failed.
        """
        self._fetch = fetch
        self._size = self._possible = size
        self._where = where
        self._logger = logger
        self._unreadable = unreadable
        self._failures = 0
        self._has_read = False
        self._unread: dict[tuple[Requested, int], RequestTooLarge] = {}

    def page(self, requested: Requested, number: int) -> Page:
        """Fetch a page by its number, whole or in parts.

        Args:
            requested: The part of the list that is counted, such as a range.
            number: Which page, counted from 1.

        Returns:
            The page. Rows that cannot be read are counted in `missing`.

        Raises:
            PartitionFailed: Too many rows cannot be read, or the list kept changing.
        """
        return self._page(requested, number, self._size)

    def first(self, requested: Requested) -> Page:
        """Fetch the first page, as large as the server can return.

        Args:
            requested: The part of the list, such as a range or what follows a cursor.

        Returns:
            The page, which may have fewer rows than a page has.

        Raises:
            RequestTooLarge: Not even the first row alone can be read, though others can.
            PartitionFailed: Nothing can be read.
        """
        size = self._possible
        while size > 1:
            try:
                page = self._fetch(requested, 1, size, divisible=True)
            except RequestTooLarge as error:
                size //= self._divide(error, size)
            else:
                self._possible, self._has_read = size, True
                return page
        page = self._page(requested, 1, 1)
        if not page.missing:
            self._possible = 1
            return page
        if not self._has_read:
            self._page(requested, 2, 1)
        self._possible = self._size  # the row is at fault, and not the size of the pages
        raise self._unread[requested, 1]

    def finish(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Yield the pages of a reader, and fail at their end if rows could not be read.

        Args:
            pages: The reader's pages.

        Yields:
            The pages. They have no bookmark once a row could not be read, for none may pass it.

        Raises:
            PartitionFailed: Rows could not be read, though all others were.
        """
        for page in pages:
            if self._unread:
                page.bookmark = None
            yield page
        self.close()

    def close(self) -> None:
        """End the list.

        Raises:
            PartitionFailed: Rows could not be read, though all others were.
        """
        for (requested, row), error in self._unread.items():
            msg = (
                f"{len(self._unread)} rows could not be read, the first of them row {row} of "
                f"{requested or 'the list'}: {error.reason.rstrip('.')} when only that row was "
                "requested"
            )
            raise PartitionFailed(msg, self._where) from error

    def _page(self, requested: Requested, number: int, size: int) -> Page:
        if self._possible < size:
            return self._in_parts(requested, number, size, size // self._possible)
        try:
            # The first row that fails gets all tries, for it may be the server that fails.
            divisible = size > 1 or bool(self._unread)
            page = self._fetch(requested, number, size, divisible=divisible)
        except RequestTooLarge as error:
            self._failures += 1
            if size == 1:
                self._unread[requested, number] = error
                if len(self._unread) > (MAX_UNREADABLE_ROWS if self._has_read else 1):
                    first = next(iter(self._unread.values()))
                    raise PartitionFailed(
                        first.reason, self._where, first.note, remedy=first.remedy
                    ) from error
                return self._unreadable()
            before, parts = self._failures, self._divide(error, size)
            page = self._in_parts(requested, number, size, parts)
            if self._failures == before:  # no single row is at fault
                self._possible = min(self._possible, size // parts)
        else:
            self._has_read = self._has_read or bool(page.records)
            if page.size not in {None, size}:  # then the numbers count pages of that size
                self._size = self._possible = page.size or size
        return page

    def _divide(self, error: RequestTooLarge, size: int) -> int:
        """Choose the number of parts of a page, and log it."""
        parts = next(parts for parts in range(2, size + 1) if size % parts == 0)
        self._logger.warning(
            "%s: %s; requesting %d rows at once instead of %d.",
            self._where,
            error.reason.rstrip("."),
            size // parts,
            size,
        )
        return parts

    def _in_parts(self, requested: Requested, number: int, size: int, parts: int) -> Page:
        """Build a page from smaller ones.

        They are read from the last to the first: a row that goes, or moves to the end, lets the
        others slide towards the parts still to come. At the end the first part is read again.
        Without a total, it shows whether rows were added before it.
        """
        part, begin = size // parts, (number - 1) * parts + 1
        for _ in range(MAX_PASSES):
            head = self._page(requested, begin, part)
            last = end = begin + parts - 1
            if head.total is not None and head.total > len(head.records):
                end = max(min(last, -(-head.total // part)), begin)
            elif head.total is not None and 0 < len(head.records) < part:
                end = begin
            found = [self._page(requested, n, part) for n in range(end, begin, -1)]
            found = [*([self._page(requested, begin, part)] if found else [head]), *reversed(found)]
            while (
                end < last and len(found[-1].records) + found[-1].missing >= part
            ):  # more than the total says
                end += 1
                found.append(self._page(requested, end, part))
            totals = {page.total for page in found if (page.total or 0) > len(page.records)}
            has_moved = head.total is None and head.records != found[0].records
            if len(totals) <= 1 and not has_moved:
                return Page.join(found, number, size)
        raise PartitionFailed(KEPT_CHANGING, self._where)
