"""Fetches the pages of one list, in parts where the server does not manage a whole page.

Page n of size s holds the rows of pages p(n-1)+1 to pn of size s/p. So a page that is put together
from smaller ones is the page that was asked for, and a reader that counts pages need not know of
it. A row that fails even alone is left out and counted; all others are read, and the partition
fails at its end.
"""

from __future__ import annotations

import typing as t

from commerce_taps.errors import PartitionFailed, RequestTooLarge
from commerce_taps.pagination.page import KEPT_CHANGING, MAX_PASSES

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from commerce_taps.pagination.page import Page


class Counted(t.Protocol):
    """Rows of a page, as far as it takes to put pages together; `commerce_taps.pagination` are."""

    @property
    def records(self) -> Sequence[object]:
        """The rows."""

    @property
    def total(self) -> int | None:
        """How many rows the whole list has, as the API says; `None` if it does not say."""

    @property
    def size(self) -> int | None:
        """How many rows a page has, as the API says; `None` if it does not say."""

    @property
    def missing(self) -> int:
        """How many rows of the page cannot be read, and are not among the rows."""


AnyRows = t.TypeVar("AnyRows", bound=Counted)
Page_co = t.TypeVar("Page_co", bound=Counted, covariant=True)

MAX_UNREADABLE_ROWS: t.Final = 10
"""Rows of one list that cannot be read, after which nothing more is asked of it; 1 as long as no
row was read: then it is the list that cannot be."""


class Fetch(t.Protocol[Page_co]):
    """Fetches a page once."""

    def __call__(self, requested: t.Any, number: int, size: int, /, *, divisible: bool) -> Page_co:  # noqa: ANN401
        """Fetch a page.

        Args:
            requested: The part of the list that is counted, such as a range.
            number: Which page, counted from 1.
            size: How many rows it is to have.
            divisible: As `Request` has it.

        Raises:
            RequestTooLarge: The server does not manage so many.
        """


class Parts(t.Generic[AnyRows]):
    """The pages of one list, whole or in parts."""

    def __init__(
        self,
        fetch: Fetch[AnyRows],
        join: Callable[[Sequence[AnyRows], int, int], AnyRows],
        size: int,
        where: str,
        logger: logging.Logger,
    ) -> None:
        """Keep how pages are fetched; nothing is sent yet.

        Args:
            fetch: Fetches a page.
            join: Puts a page together from its parts, its number and its size.
            size: How many rows a page is to have.
            where: Stream and partition, for messages.
            logger: Where smaller pages are told.
        """
        self._fetch = fetch
        self._join = join
        self._size = self._manages = size
        self._where = where
        self._logger = logger
        self._refusals = 0
        self._reads = False
        self._unread: dict[tuple[t.Any, int], RequestTooLarge] = {}

    def page(self, asked: t.Any, number: int) -> AnyRows:  # noqa: ANN401 - the fetcher's own
        """Fetch a page by its number, whole or in parts.

        Args:
            asked: The part of the list that is counted, such as a range.
            number: Which page, counted from 1.

        Returns:
            The page. Rows that cannot be read are left out and counted in `missing`.

        Raises:
            PartitionFailed: Too many rows cannot be read, or the list kept changing.
        """
        return self._page(asked, number, self._size)

    def first(self, asked: t.Any) -> AnyRows:  # noqa: ANN401 - the fetcher's own
        """Fetch the first page, as large as the server manages.

        Args:
            asked: The part of the list that is wanted, such as a range.

        Returns:
            The page, which may have fewer rows than were wanted.

        Raises:
            RequestTooLarge: Not even the first row alone can be read, though others can.
            PartitionFailed: Nothing can be read.
        """
        size = self._manages
        while size > 1:
            try:
                page = self._fetch(asked, 1, size, divisible=True)
            except RequestTooLarge as error:
                size //= self._divide(error, size)
            else:
                self._manages, self._reads = size, True
                return page
        page = self._page(asked, 1, 1)
        if not page.missing:
            self._manages = 1
            return page
        if not self._reads:
            self._page(asked, 2, 1)
        self._manages = self._size  # it was the row, and not the size of the pages
        raise self._unread[asked, 1]

    def finish(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Hand on what a reader makes of the pages.

        Args:
            pages: The reader's pages.

        Yields:
            The pages; without a bookmark once a row could not be read, for none may pass it.

        Raises:
            PartitionFailed: Rows could not be read, though all others were.
        """
        for page in pages:
            if self._unread:
                page.bookmark = None
            yield page
        self.close()

    def close(self) -> None:
        """Say that the list is over.

        Raises:
            PartitionFailed: Rows could not be read, though all others were.
        """
        for (asked, row), error in self._unread.items():
            msg = (
                f"{len(self._unread)} rows could not be read, the first of them row {row} of "
                f"{asked or 'the list'}: {error.reason.rstrip('.')} when asked for that row alone"
            )
            raise PartitionFailed(msg, self._where) from error

    def _page(self, asked: t.Any, number: int, size: int) -> AnyRows:  # noqa: ANN401
        if self._manages < size:
            return self._in_parts(asked, number, size, size // self._manages)
        try:
            # The first row that fails gets all tries, for it may be the server that fails.
            divisible = size > 1 or bool(self._unread)
            page = self._fetch(asked, number, size, divisible=divisible)
        except RequestTooLarge as error:
            self._refusals += 1
            if size == 1:
                self._unread[asked, number] = error
                if len(self._unread) > (MAX_UNREADABLE_ROWS if self._reads else 1):
                    first = next(iter(self._unread.values()))
                    raise PartitionFailed(
                        first.reason, self._where, first.note, remedy=first.remedy
                    ) from error
                return self._join([], number, size)
            before, parts = self._refusals, self._divide(error, size)
            page = self._in_parts(asked, number, size, parts)
            if self._refusals == before:  # it was not the fault of a single row
                self._manages = min(self._manages, size // parts)
        else:
            self._reads = self._reads or bool(page.records)
            if page.size not in {None, size}:  # then the numbers count pages of that size
                self._size = self._manages = page.size or size
        return page

    def _divide(self, error: RequestTooLarge, size: int) -> int:
        """Choose in how many parts to ask for a page, and tell of it."""
        parts = next(parts for parts in range(2, size + 1) if size % parts == 0)
        self._logger.warning(
            "%s: %s; asking for %d rows at once instead of %d.",
            self._where,
            error.reason.rstrip("."),
            size // parts,
            size,
        )
        return parts

    def _in_parts(self, asked: t.Any, number: int, size: int, parts: int) -> AnyRows:  # noqa: ANN401
        """Put a page together from smaller ones.

        They are read from the last to the first, as far as there is a total: a row that goes, or
        moves to the end, lets the others slide towards the parts still to come. Without one, the
        first part tells at the end whether rows have come before it.
        """
        part, begin = size // parts, (number - 1) * parts + 1
        for _ in range(MAX_PASSES):
            head = self._page(asked, begin, part)
            last = end = begin + parts - 1
            if head.total is not None and head.total > len(head.records):
                end = max(min(last, -(-head.total // part)), begin)
            elif head.total is not None and 0 < len(head.records) < part:
                end = begin
            found = [self._page(asked, n, part) for n in range(end, begin, -1)]
            found = [*([self._page(asked, begin, part)] if found else [head]), *reversed(found)]
            while (
                end < last and len(found[-1].records) + found[-1].missing >= part
            ):  # more than the total says
                end += 1
                found.append(self._page(asked, end, part))
            totals = {page.total for page in found if (page.total or 0) > len(page.records)}
            has_moved = head.total is None and head.records != found[0].records
            if len(totals) <= 1 and not has_moved:
                return self._join(found, number, size)
        raise PartitionFailed(KEPT_CHANGING, self._where)
