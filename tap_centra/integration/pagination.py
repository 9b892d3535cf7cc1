"""Reads a list of the Integration API page by page, and the lists inside of its rows.

The core's readers decide which page comes next. This module fetches it. It leaves out the fields
that the token may not read, and requests less where the server cannot return a whole page: smaller
pages, and in the end single rows. The failures of rows are collected, so that all others are read.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace
from functools import partial

import msgspec
from msgspec import Raw

from commerce_taps.errors import (
    PartitionFailed,
    PartitionSkipped,
    RequestTooLarge,
    TapError,
    TapStopped,
)
from commerce_taps.pagination.cursor import cursor_pages
from commerce_taps.pagination.keyset import uncounted_keyset
from commerce_taps.pagination.overlapping import anchored_pages
from commerce_taps.pagination.page import KEPT_CHANGING, PLACEHOLDER, Page, TimeRange
from commerce_taps.pagination.parts import Parts
from commerce_taps.records import dates
from commerce_taps.records.conform import UNREADABLE, encode
from commerce_taps.records.envelope import open_object
from tap_centra.failures import Failures
from tap_centra.integration.api import RATE_LIMIT
from tap_centra.integration.list_query import ENVELOPE, ListQuery, PageRequest
from tap_centra.integration.query import DEFAULT_LIMIT, MAX_LIMIT, max_length
from tap_centra.integration.responses import Connection, Id, Positions, Rows, errors_of, valid_id
from tap_centra.php_json import entries_of, is_object

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_centra.integration.declaration import ListDeclaration
    from tap_centra.integration.introspection import Field
    from tap_centra.integration.list_query import Text
    from tap_centra.integration.query import Path
    from tap_centra.integration.responses import QueryError

SUSPECT_PAGE_SIZES: t.Final = frozenset({10, 20, 25, 50, 100, 150})
"""Sizes of a short page that may not be the last one. The documentation does not say how many rows
a root field returns at most, nor that it rejects a request for more."""


class _Head(msgspec.Struct, rename="camel"):
    id: t.Any = None
    created_at: t.Any = None
    updated_at: t.Any = None


class ListReader:
    """Reads one stream's list once.

    Attributes:
        query: The queries of the stream.
        failures: Rows and entries that could not be read.
    """

    def __init__(self, stream: ListDeclaration) -> None:
        """Prepare to read.

        Raises:
            PartitionSkipped: The environment does not have the list.
        """
        self._stream = stream
        self._api = stream.api
        self.query = ListQuery(stream)
        self.failures = Failures()
        self._origins: dict[Id | None, tuple[PageRequest, int]] = {}
        self._anchor: Id | None = None
        # A list without pages returns all it has at once.
        self._size = int(stream.config["page_size"]) if self.query.root.is_paged else MAX_LIMIT
        self._parts = Parts(
            self._fetch_part, self._size, stream.name, stream.logger, self._unreadable_page
        )

    def pages(self, start: datetime | None) -> Iterator[Page]:
        """Read the list.

        Args:
            start: The first replication value, inclusive; `None` for everything.

        Returns:
            The rows as the server sent them, by page.
        """
        root = self.query.root
        if root.is_connection:
            return cursor_pages(
                lambda window, cursor: self._fetch(PageRequest(window, cursor=cursor)),
                TimeRange(start),
            )
        read_range = partial(
            anchored_pages,
            lambda window, number: self._fetch(PageRequest(window, number=number)),
            id_of,
            ascending=root.sorts()[:1] == ["id_ASC"],
        )
        if root.filters_key and root.sorts(by_key=True):
            return uncounted_keyset(
                lambda window: self._fetch(PageRequest(window, by_key=True)),
                read_range,
                start,
                self._api.live.latest,
            )
        return read_range(TimeRange(start))

    # --- pages ----------------------------------------------------------------------------------

    def _fetch(self, request: PageRequest) -> Page:
        """Fetch a page, whole or in parts.

        Raises:
            PartitionFailed: The server rejects it in any form.
            PartitionSkipped: The token may not read any of it.
        """
        self._origins.clear()
        self.query.set_unpaged_limit(DEFAULT_LIMIT)
        if not self.query.root.is_paged:
            return self._fetch_part(request, 1, self._size, divisible=False)
        if not self.query.root.is_connection:
            return self._parts.page(replace(request, number=1), request.number)
        try:
            return self._parts.first(request)
        except RequestTooLarge:
            return self._skip_row(request)

    def _fetch_part(
        self, requested: PageRequest, number: int, size: int, *, divisible: bool
    ) -> Page:
        """Fetch a page of any size without the fields that the token may not read.

        Raises:
            RequestTooLarge: Fewer rows may succeed. A single row that fails is added to `failures`.
        """
        is_connection = self.query.root.is_connection
        request = requested if is_connection else replace(requested, number=number)
        with_anchor = True
        while True:
            query = self.query.page(request, size, with_anchor=with_anchor)
            try:
                page = self._send(query, request.place, size, divisible=divisible)
                self._check_end(page, request)
            except RequestTooLarge as error:
                denied = self._denied_fields(error)
                if denied:
                    self._leave_out(denied)
                elif size > 1:
                    raise
                elif with_anchor and number > 1 and RATE_LIMIT not in error.reason:
                    with_anchor = False  # the row before may be the one that fails
                else:
                    raise self._row_failure(request, error) from error
            else:
                if not self._raise_unpaged_limit(page):
                    if self.query.nested is not None or self.query.paged_columns:
                        self._origins |= dict.fromkeys(map(id_of, page.records), (request, size))
                    return page

    def _row_failure(self, request: PageRequest, error: RequestTooLarge) -> TapError:
        """Add a single row that the server does not return, and build the error to raise."""
        if RATE_LIMIT in error.reason:
            return TapStopped(error.reason, self._stream.name, remedy=error.remedy)
        reason = f"{error.reason.rstrip('.')}: even for a single row"
        place = f"row {request.place.removeprefix('page ')}"
        if self.query.root.is_connection:
            place = f"the first row of {request.place}"
        self.failures.add(reason, place)
        self._anchor = self._fetch_row_id_before(request)
        return RequestTooLarge(f"{reason}, {place}")

    def _fetch_row_id_before(self, request: PageRequest) -> Id | None:
        """Fetch the id of the row before a page of one row; `None` if that fails as well."""
        if request.number == 1:
            return None
        query = self.query.row_id(request, request.number - 1)
        try:
            page = self._send(query, f"before {request.place}", 1)
        except PartitionFailed:
            return None
        return id_of(page.records[0]) if page.records else None

    def _unreadable_page(self) -> Page:
        """Build the page that stands for the row whose request has just failed."""
        return Page(
            [PLACEHOLDER],
            timestamps=[None],
            size=1,
            has_next=True,
            anchor=self._anchor,
            missing=1,
        )

    def _skip_row(self, request: PageRequest) -> Page:
        """Skip a row that cannot be read: fetch only where the next one begins.

        Raises:
            PartitionFailed: The server does not report where the next one begins.
        """
        text, variables = self.query.next_cursor(request)
        data = self._api.fetch(Positions, text, variables, stream=self._stream.name, size=1)
        page, info = self._unreadable_page(), data.rows.page_info
        page.has_next, page.cursor = info.has_next_page, info.end_cursor
        return page

    def _check_end(self, page: Page, request: PageRequest) -> None:
        """Reject a page that is short although it is not the last one."""
        count, size = len(page.records), page.size or 0
        has_pages = "page" in self.query.root.field.arguments
        if count >= size or count not in SUSPECT_PAGE_SIZES or not has_pages:
            return
        query = self.query.row_id(request, (request.number - 1) * size + count + 1)
        if self._send(query, f"behind {request.place}", size).records:
            msg = f"no more than {count} rows come at once"
            raise RequestTooLarge(msg)

    def _raise_unpaged_limit(self, page: Page) -> bool:
        """Raise the limit of lists without pages if the page may not have all of their entries.

        Returns:
            Whether to fetch the page again.

        Raises:
            PartitionFailed: There is no higher limit.
        """
        start, unpaged = ("nested",) if self.query.nested else (), self.query.selection.unpaged
        if not unpaged:
            return False
        limit = self.query.unpaged_limit
        rows = [_decode(raw) for raw in page.records if raw is not PLACEHOLDER]
        for path in unpaged:
            if max((max_length(row, start + path) for row in rows), default=0) >= limit:
                if limit == MAX_LIMIT:
                    raise _too_long(".".join(path))
                self.query.set_unpaged_limit(MAX_LIMIT)
                return True
        return False

    # --- responses ------------------------------------------------------------------------------

    def _send(self, query: Text, place: str, size: int, *, divisible: bool = False) -> Page:
        """Send a query for rows once. Rows that the response lacks are added to `failures`."""
        text, variables = query
        fetch = partial(
            self._api.fetch_partial,
            query=text,
            variables=variables,
            stream=self._stream.name,
            size=size,
            divisible=divisible,
        )
        if self.query.root.is_connection:
            connection, failure = fetch(Connection)
            edges = connection.rows
            rows = [Raw(b"null") if edge is None else edge.node for edge in edges.edges]
            page = Page(
                rows,
                total=edges.total_count if type(edges.total_count) is int else None,
                has_next=edges.page_info.has_next_page,
                cursor=edges.page_info.end_cursor,
            )
        else:
            data, failure = fetch(Rows)
            rows = data.rows
            page = Page(rows, has_next=self._has_next(len(rows), size), anchor=data.anchor)
        if failure is not None:
            self._drop_failed(rows, failure, place)
        for number, raw in enumerate(rows, 1):
            if not is_object(raw) and failure is None:
                self.failures.add("a row is no object", f"row {number} of {place}")
        page.records = [raw if is_object(raw) else PLACEHOLDER for raw in rows]
        page.timestamps = list(map(self._timestamp, rows))
        page.size = size
        return page

    def _has_next(self, count: int, size: int) -> bool:
        """Return whether another page may follow, and log a list that ends where it may go on."""
        if count < size or self.query.root.is_paged:
            return count >= size
        if "limit" in self.query.root.field.arguments:
            self._stream.logger.warning(
                "%s: only the first %d can be read, and there may be more.",
                self._stream.name,
                size,
            )
        return False

    def _timestamp(self, raw: Raw) -> datetime | None:
        """Parse a row's replication value; `None` if it is no timestamp."""
        key = self.query.root.key
        if key is None:
            return None
        head = _head(raw)
        text = {"createdAt": head.created_at, "updatedAt": head.updated_at}.get(key)
        try:
            return dates.parse(text) if isinstance(text, str) else None
        except ValueError:
            return None

    def _drop_failed(self, rows: list[Raw], failure: PartitionFailed, place: str) -> None:
        """Remove the rows and entries that the errors are about, and add them to `failures`.

        Raises:
            RequestTooLarge: The token may not read a field of them, which can be left out.
        """
        errors = errors_of(failure.body)
        if isinstance(failure, RequestTooLarge) and any(error.permission for error in errors):
            raise failure
        places = []
        for error in errors:
            path = [part for part in error.path or () if part not in {"edges", "node"}]
            match path:
                case ["rows", int(row), "nested", int(entry), *_] if -1 < row < len(rows):
                    rows[row] = _without_entry(rows[row], entry)
                    places.append(f"entry {entry + 1} of row {row + 1} of {place}")
                case ["rows", int(row), *_] if -1 < row < len(rows):
                    rows[row] = Raw(b"null")
                    places.append(f"row {row + 1} of {place}")
        for one in dict.fromkeys(places) or [place]:
            self.failures.add(failure.reason, one)

    # --- lists inside of rows -------------------------------------------------------------------

    def fetch_rest(self, parents: Sequence[Id], column: str | None = None) -> dict[Id, list[Raw]]:
        """Fetch the further pages of lists inside of rows, for many rows at once.

        Args:
            parents: The ids of the rows.
            column: The column that is the list; `None` for a stream whose records are the entries.

        Returns:
            The entries from the second page on, by the row's id. A row whose list could not be
            read to its end is missing, and is added to `failures`.

        Raises:
            PartitionFailed: The lists have no pages.
        """
        by_origin: dict[tuple[PageRequest, int], list[Id]] = {}
        for parent in parents:
            by_origin.setdefault(self._origins[parent], []).append(parent)
        found: dict[Id, list[Raw]] = {}
        for origin, ids in by_origin.items():
            found |= self._fetch_rest(ids, column, origin)
        return found

    def _fetch_rest(
        self, parents: Sequence[Id], column: str | None, origin: tuple[PageRequest, int]
    ) -> dict[Id, list[Raw]]:
        """Fetch the further pages for rows that one page returned."""
        paged = self.query.paged_columns
        field = paged[column][0] if column else t.cast("Field", self.query.nested)
        if "page" not in field.arguments:
            raise _too_long(field.name)
        limit = MAX_LIMIT if column else self.query.nested_limit or MAX_LIMIT
        found: dict[Id, list[Raw]] = {parent: [] for parent in parents}
        last: dict[Id, list[Raw]] = {}
        number, ids = 2, list(found)
        while ids:
            place = f"page {number} of `{field.name}`"
            rows = self._fetch_lists(ids, column, number, origin, place)
            for parent in ids:
                raw = rows.get(parent) if rows is not None else None
                entries = entries_of(open_object(raw), column or "nested") if raw else None
                if entries is None or entries == last.get(parent, ()):
                    del found[parent]
                    last[parent] = []
                    if rows is not None:
                        reason = KEPT_CHANGING if raw is None else "a list has no end, or is none"
                        self.failures.add(reason, f"{place} of the row {parent}")
                else:
                    found[parent] += entries
                    last[parent] = entries
            number, ids = number + 1, [parent for parent in ids if len(last[parent]) >= limit]
        return found

    def _fetch_lists(
        self,
        ids: Sequence[Id],
        column: str | None,
        number: int,
        origin: tuple[PageRequest, int],
        place: str,
    ) -> dict[Id | None, Raw] | None:
        """Fetch one page of the lists inside of rows, by the row's id; `None` if that fails."""
        while True:
            try:
                page = self._send(self.query.rest(ids, column, number, origin), place, len(ids))
            except PartitionFailed as error:
                self.failures.add(error.reason, place)
                return None
            if not self._raise_unpaged_limit(page):
                return {id_of(raw): raw for raw in page.records}

    # --- permissions ----------------------------------------------------------------------------

    def _denied_fields(self, error: RequestTooLarge) -> dict[Path, str | None]:
        """Find the fields that the token may not read, with the permission each requires."""
        return {
            path: one.permission
            for one in errors_of(error.body)
            if one.permission
            for path in self._fields_of(one)
        }

    def _fields_of(self, error: QueryError) -> Iterator[Path]:
        """Find the fields an error is about; () stands for the stream itself."""
        root, nested = self.query.root.field.name, self.query.nested
        outside = {*ENVELOPE, root, nested and nested.name}
        requested = self.query.selection.requested
        if error.path is not None:
            names = (name for name in error.path if isinstance(name, str))
            path = tuple(name for name in names if name not in outside)
            yield path if path in requested else ()
            return
        yield from [path for path in requested if path[-1] == error.field] or [()]

    def _leave_out(self, denied: Mapping[Path, str | None]) -> None:
        """Request fields no more that the token may not read.

        Raises:
            PartitionFailed: The settings forbid it.
            PartitionSkipped: The stream cannot be read without them.
        """
        names = ", ".join(f"`{name}`" for name in sorted({str(name) for name in denied.values()}))
        msg = f"the token lacks the permission {names}: tick it in the admin, System > API Tokens"
        if self._stream.config.get("on_missing_permission") == "fail":
            raise PartitionFailed(msg)
        if any(path == () or path[0] in self._stream.key_fields for path in denied):
            raise PartitionSkipped(msg)
        fields = ", ".join(f"`{'.'.join(path)}`" for path in sorted(denied))
        self._stream.logger.warning("%s: left out %s: %s.", self._stream.name, fields, msg)
        self.query.leave_out(denied.keys())


def _decode(raw: Raw) -> t.Any:  # noqa: ANN401 (JSON)
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return None


def _head(raw: Raw) -> _Head:
    try:
        return msgspec.json.decode(raw, type=_Head)
    except UNREADABLE:
        return _Head()


def id_of(raw: Raw) -> Id | None:
    """Return a row's id; `None` if it has none that a query could request."""
    return valid_id(_head(raw).id)


def _without_entry(raw: Raw, entry: int) -> Raw:
    """Remove an entry from the list inside of a row."""
    row = open_object(raw)
    entries = entries_of(row, "nested") or []
    return Raw(encode(row | {"nested": [*entries[:entry], *entries[entry + 1 :]]}))


def _too_long(name: str) -> PartitionFailed:
    """Build the error for a list inside of a row that cannot be read to its end."""
    msg = f"only the first {MAX_LIMIT} `{name}` of a row can be read, and there may be more"
    return PartitionFailed(msg)
