"""One reading of a stream's list: what is asked, in which order, in pages of which size.

All of it follows from what the environment has (`introspection`), what is selected (`selection`)
and what was refused so far: a field the token may not read is left out and the same page asked for
again. What the server does not manage at once is asked for in parts, and a row that it does not
give even alone is named while all others come.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from functools import partial

import msgspec
from msgspec import Raw

from commerce_taps.errors import PartitionFailed, PartitionSkipped, RequestTooLarge, TapStopped
from commerce_taps.pagination.cursor import cursor_pages
from commerce_taps.pagination.keyset import uncounted_keyset
from commerce_taps.pagination.overlapping import anchored_pages
from commerce_taps.pagination.page import (
    KEPT_CHANGING,
    MARGIN,
    PLACEHOLDER,
    UNBOUNDED,
    Page,
    TimeRange,
)
from commerce_taps.pagination.parts import Parts
from commerce_taps.records import dates
from commerce_taps.records.conform import UNREADABLE, encode
from commerce_taps.records.envelope import open_object
from tap_centra.failures import Faults
from tap_centra.integration.api import RATE_LIMIT
from tap_centra.integration.query import DEFAULT_LIMIT, MAX_LIMIT, Query, Selection, max_length
from tap_centra.integration.responses import errors_of
from tap_centra.integration.sources import find
from tap_centra.php_json import entries_of, is_object

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_centra.integration.introspection import Field
    from tap_centra.integration.query import Path
    from tap_centra.integration.responses import QueryError
    from tap_centra.integration.stream import IntegrationStream

Id = int | str

ENVELOPE: t.Final = frozenset({"rows", "before", "edges", "node", "nested"})
"""Names of an answer that are no fields of a record."""

CAPS: t.Final = frozenset({10, 20, 25, 50, 100, 150})
"""Rows of a short page that may not be the last: how many rows a root field gives at most is not
documented, nor that it refuses to be asked for more."""


class _Head(msgspec.Struct, rename="camel"):
    id: t.Any = None
    created_at: t.Any = None
    updated_at: t.Any = None


class _Page(msgspec.Struct):
    rows: list[Raw]
    before: t.Any = None


class _Edge(msgspec.Struct):
    node: Raw = Raw(b"null")


class _PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class _Edges(msgspec.Struct, rename="camel"):
    edges: list[_Edge | None]
    page_info: _PageInfo
    total_count: t.Any = None


class _Connection(msgspec.Struct):
    rows: _Edges


class _Step(msgspec.Struct, rename="camel"):
    page_info: _PageInfo


class _Passed(msgspec.Struct):
    rows: _Step


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of a list.

    Attributes:
        window: The replication values to request.
        in_time: Whether to sort by the replication key; else by what tells the rows apart.
        number: The page's number, counted from 1.
        cursor: Where the page begins, in place of a number.
    """

    window: TimeRange = UNBOUNDED
    in_time: bool = False
    number: int = 1
    cursor: str | None = None

    @property
    def place(self) -> str:
        """Where in the list the page is, for messages."""
        start = self.window.start
        since = f" of those from {dates.render(start)} on" if start else ""
        after = f" behind the cursor {self.cursor}" if self.cursor else ""
        return f"page {self.number}{since}{after}"


class Reading:
    """One reading of one stream.

    Attributes:
        root: The field of the query that is read.
        nested: The list inside of each row whose entries are the records, if they are in one.
        faults: What could not be read, while the rest was.
    """

    def __init__(self, stream: IntegrationStream) -> None:
        """Look at what there is to read.

        Args:
            stream: The stream.

        Raises:
            PartitionSkipped: The environment does not have it.
        """
        self._stream = stream
        self._api = stream.api
        self._live = stream.api.live
        self._refused: set[Path] = set()
        self._bound = DEFAULT_LIMIT
        self._came_with: dict[Id | None, tuple[PageRequest, int]] = {}
        self._before: Id | None = None
        self.faults = Faults()
        self.root, self.nested = find(self._live, stream.places)
        # What does not come in pages comes at once.
        size = int(stream.config["page_size"]) if self.root.is_paged else MAX_LIMIT
        self._size = size
        self._parts = Parts(self._fetch, size, stream.name, stream.logger, self._unreadable)
        self._select()

    # --- what is asked --------------------------------------------------------------------------

    def _select(self) -> None:
        """Write the selection anew, and tell what it lacks."""
        stream, parent = self._stream, self.root.type_name
        self._selection = Selection(
            self._live,
            is_selected=stream.wants,
            refused=self._refused,
            is_new=stream.wants_new,
            pages_lists=self.nested is None,
            limit=self._bound,
        )
        kind = str(self.nested.type.inner.name) if self.nested else parent
        self._inside = self._selection.text(stream.declared, kind)
        absent = [key for key in stream.own_keys if (key,) in self._selection.missing]
        if absent:
            msg = f"this environment has no `{absent[0]}` in `{kind}`"
            raise PartitionSkipped(msg)
        stream.tell("this environment has no %s", self._selection.missing)
        stream.tell("left out %s, where it is of another type", self._selection.clashing)
        fields = self._live.fields(parent)
        wanted = dict.fromkeys(["id", *stream.parent_fields])
        self._parent = " ".join(name for name in wanted if name in fields)

    @property
    def cut(self) -> Mapping[str, tuple[Field, str]]:
        """Columns that are lists of which more may exist than come at once."""
        return self._selection.paged

    def _rows(self, query: Query, **arguments: t.Any) -> str:  # noqa: ANN401 (JSON)
        """Write the field that gives the rows, with what is asked of each."""
        inside = self._inside if self.nested is None else f"{self._parent} {self._nested(query)}"
        return self._call(query, inside, **arguments)

    def _call(self, query: Query, inside: str, **arguments: t.Any) -> str:  # noqa: ANN401 (JSON)
        """Write the root field, with what is asked of each row."""
        if self.root.is_connection:
            total = "totalCount " if self.root.has_total else ""
            inside = f"{total}edges {{ node {{ {inside} }} }} pageInfo {{ hasNextPage endCursor }}"
        return query.call(self.root.field, "rows", inside, **arguments)

    @property
    def nested_limit(self) -> int | None:
        """How many entries of the list inside of each row come at once; `None` for all of them."""
        arguments = self.nested.arguments if self.nested else {}
        if "limit" not in arguments:
            return None
        return self._stream.nested_limit if "page" in arguments else MAX_LIMIT

    def _nested(self, query: Query, number: int = 1) -> str:
        """Write the list inside of each row."""
        field, stream = t.cast("Field", self.nested), self._stream
        argument = field.arguments.get("sort")
        choices = self._live.choices(argument) if argument else set()
        return query.call(
            field,
            "nested",
            self._inside,
            limit=self.nested_limit,
            page=number,
            sort=[sort for sort in stream.nested_sort if sort in choices] or None,
            **stream.nested_arguments,
        )

    def _where(self, question: PageRequest) -> dict[str, t.Any] | None:
        """Write the filter."""
        start, end = question.window.start, question.window.end
        if end is None and question.in_time:
            end = self._live.latest
        if not self.root.filters or (start is None and end is None):
            return None
        bounds = {"from": dates.shift(start, -MARGIN) if start else None, "to": end}
        return {
            str(self.root.key): {
                name: dates.floor(value).isoformat() for name, value in bounds.items() if value
            }
        }

    def _order(self, question: PageRequest) -> dict[str, t.Any]:
        """Write filter and sort."""
        sort = self.root.sorts(in_time=question.in_time) or None
        return {"where": self._where(question), "sort": sort}

    def _page(self, question: PageRequest, size: int) -> dict[str, t.Any]:
        """Write filter, sort, and which page."""
        place = {self.root.length: size, "page": question.number, "after": question.cursor}
        return self._order(question) | place

    def _again(self, ids: Sequence[Id], question: PageRequest, size: int) -> dict[str, t.Any]:
        """Write which rows: some of a page, or where that cannot be asked, all of it."""
        if self.root.has_ids:
            return {"where": {"id": ids}, self.root.length: len(ids)}
        return self._page(question, size)

    def _write(
        self, question: PageRequest, size: int, *, joined: bool = True
    ) -> tuple[str, dict[str, t.Any]]:
        """Write the query for a page, and for the id of the row before it if that is wanted."""
        query, place = Query(), (question.number - 1) * size
        calls = [self._rows(query, **self._page(question, size))]
        if place and joined:
            order = self._order(question)
            calls.append(query.call(self.root.field, "before", "id", **order, limit=1, page=place))
        return query.text(*calls), query.variables

    # --- asking ---------------------------------------------------------------------------------

    def pages(self, start: datetime | None) -> Iterator[Page]:
        """Read the list.

        Args:
            start: The first replication value, inclusive; `None` for everything.

        Returns:
            The rows as they came, by page.
        """
        if self.root.is_connection:
            return cursor_pages(
                lambda window, cursor: self.fetch(PageRequest(window, cursor=cursor)),
                TimeRange(start),
            )
        read_range = partial(
            anchored_pages,
            lambda window, number: self.fetch(PageRequest(window, number=number)),
            id_of,
            ascending=self.root.sorts()[:1] == ["id_ASC"],
        )
        if self.root.filters and self.root.sorts(in_time=True):
            return uncounted_keyset(
                lambda window: self.fetch(PageRequest(window, in_time=True)),
                read_range,
                start,
                self._live.latest,
            )
        return read_range(TimeRange(start))

    def fetch(self, question: PageRequest) -> Page:
        """Fetch a page, in as many ways as it takes.

        Args:
            question: The page.

        Returns:
            The page.

        Raises:
            PartitionFailed: It is refused however it is asked for.
            PartitionSkipped: The token may not read any of it.
        """
        self._came_with.clear()
        if self._bound != DEFAULT_LIMIT:
            self._bound = DEFAULT_LIMIT
            self._select()
        if not self.root.is_paged:
            return self._fetch(question, 1, self._size, divisible=False)
        if not self.root.is_connection:
            return self._parts.page(replace(question, number=1), question.number)
        try:
            return self._parts.first(question)
        except RequestTooLarge:
            return self._skip_row(question)

    def _fetch(self, asked: PageRequest, number: int, size: int, *, divisible: bool) -> Page:
        """Ask for so many rows, leaving out what the token may not read.

        Raises:
            RequestTooLarge: Fewer may come; a single row that does not come is noted.
        """
        question = asked if self.root.is_connection else replace(asked, number=number)
        joined = True
        while True:
            text, variables = self._write(question, size, joined=joined)
            try:
                rows = self._answer(text, variables, question.place, size, divisible=divisible)
                self._check(rows, question)
            except RequestTooLarge as refusal:
                denied = self._denials(refusal)
                if denied:
                    self._leave_out(denied)
                elif size > 1:
                    raise
                elif RATE_LIMIT in refusal.reason:
                    raise TapStopped(
                        refusal.reason, self._stream.name, remedy=refusal.remedy
                    ) from refusal
                elif joined and number > 1:
                    joined = False  # the row before may be the one that spoils the answer
                else:
                    why = f"{refusal.reason.rstrip('.')}: even for a single row"
                    place = f"row {question.place.removeprefix('page ')}"
                    if self.root.is_connection:
                        place = f"the first row of {question.place}"
                    self.faults.add(why, place)
                    self._before = self._find_before(question)
                    raise RequestTooLarge(f"{why}, {place}") from refusal
            else:
                if not self._widen(rows):
                    self._remember(rows, question, size)
                    return rows

    def _remember(self, rows: Page, question: PageRequest, size: int) -> None:
        """Remember which request returned a row whose lists may go on."""
        if self.nested is not None or self.cut:
            self._came_with |= dict.fromkeys(map(id_of, rows.records), (question, size))

    def _find_before(self, question: PageRequest) -> Id | None:
        """Find the id of the row before one that does not come; `None` if that does not either."""
        if question.number == 1:
            return None
        query, before = Query(), {"limit": 1, "page": question.number - 1}
        call = query.call(self.root.field, "rows", "id", **self._order(question), **before)
        place = f"before {question.place}"
        try:
            rows = self._answer(query.text(call), query.variables, place, 1)
        except PartitionFailed:
            return None
        return id_of(rows.records[0]) if rows.records else None

    def _unreadable(self) -> Page:
        """Stand in for the row whose request has just failed."""
        return Page(
            [PLACEHOLDER],
            timestamps=[None],
            size=1,
            has_next=True,
            anchor=self._before,
            missing=1,
        )

    def _skip_row(self, question: PageRequest) -> Page:
        """Go past a row that cannot be read: fetch only where the next one begins.

        Raises:
            PartitionFailed: The server does not say where the next one begins.
        """
        query, inside = Query(), "pageInfo { hasNextPage endCursor }"
        call = query.call(self.root.field, "rows", inside, **self._page(question, 1))
        name = self._stream.name
        step = self._api.fetch(_Passed, query.text(call), query.variables, stream=name, size=1)
        info = step.rows.page_info
        page = self._unreadable()
        page.has_next, page.cursor = info.has_next_page, info.end_cursor
        return page

    def _check(self, rows: Page, question: PageRequest) -> None:
        """Refuse a page that is short because no more came, and not because it is the last."""
        count, size = len(rows.records), rows.size or 0
        if count >= size or count not in CAPS or "page" not in self.root.field.arguments:
            return
        query, behind = Query(), (question.number - 1) * size + count + 1
        order = self._order(question)
        call = query.call(self.root.field, "rows", "id", **order, limit=1, page=behind)
        place = f"behind {question.place}"
        if self._answer(query.text(call), query.variables, place, size).records:
            msg = f"no more than {count} rows come at once"
            raise RequestTooLarge(msg)

    def _widen(self, rows: Page) -> bool:
        """Ask for more of lists that can only be asked for at once, if some may not be whole."""
        start, bounded = ("nested",) if self.nested else (), self._selection.unpaged
        found = [_decoded(raw) for raw in rows.records if raw is not PLACEHOLDER] if bounded else []
        for path in bounded:
            if max((max_length(row, start + path) for row in found), default=0) >= self._bound:
                if self._bound == MAX_LIMIT:
                    raise _too_long(".".join(path))
                self._bound = MAX_LIMIT
                self._select()
                return True
        return False

    def _answer(
        self,
        text: str,
        variables: dict[str, t.Any],
        place: str,
        size: int,
        *,
        divisible: bool = False,
    ) -> Page:
        """Ask for a page once. What of it could not be read is noted; the rest comes."""
        anchor, cursor, total = None, None, None
        name = self._stream.name
        if self.root.is_connection:
            found, failure = self._api.fetch_partial(
                _Connection, text, variables, stream=name, size=size, divisible=divisible
            )
            edges = found.rows
            raws = [Raw(b"null") if edge is None else edge.node for edge in edges.edges]
            more, cursor = edges.page_info.has_next_page, edges.page_info.end_cursor
            total = edges.total_count if type(edges.total_count) is int else None
        else:
            page, failure = self._api.fetch_partial(
                _Page, text, variables, stream=name, size=size, divisible=divisible
            )
            raws = page.rows
            is_full = len(raws) >= size
            more = is_full and self.root.is_paged
            if is_full and not more and "limit" in self.root.field.arguments:
                self._stream.logger.warning(
                    "%s: only the first %d can be read, and there may be more.",
                    self._stream.name,
                    size,
                )
            anchor = _first_id(page.before)
        if failure is not None:
            self._keep(raws, failure, place)
        for number, raw in enumerate(raws, 1):
            if not is_object(raw) and failure is None:
                self.faults.add("a row is no object", f"row {number} of {place}")
        return Page(
            [raw if is_object(raw) else PLACEHOLDER for raw in raws],
            timestamps=list(map(self._timestamp, raws)),
            total=total,
            size=size,
            has_next=more,
            cursor=cursor,
            anchor=anchor,
        )

    def _timestamp(self, raw: Raw) -> datetime | None:
        """Parse a row's replication value; `None` if it is no timestamp."""
        if self.root.key is None:
            return None
        head = _head(raw)
        values = {"createdAt": head.created_at, "updatedAt": head.updated_at}
        text = values.get(self.root.key)
        try:
            return dates.parse(text) if isinstance(text, str) else None
        except ValueError:
            return None

    # --- what could not be read -----------------------------------------------------------------

    def _keep(self, raws: list[Raw], failure: PartitionFailed, place: str) -> None:
        """Take those rows out of a page, or those entries out of its rows, that errors are about.

        Raises:
            RequestTooLarge: The token may not read a field of them, which can be left out.
        """
        errors = errors_of(failure.body)
        if isinstance(failure, RequestTooLarge) and any(error.permission for error in errors):
            raise failure
        places = []
        for error in errors:
            path = [one for one in error.path or () if one not in {"edges", "node"}]
            match path:
                case ["rows", int(row), "nested", int(entry), *_] if -1 < row < len(raws):
                    raws[row] = _without(raws[row], entry)
                    places.append(f"entry {entry + 1} of row {row + 1} of {place}")
                case ["rows", int(row), *_] if -1 < row < len(raws):
                    raws[row] = Raw(b"null")
                    places.append(f"row {row + 1} of {place}")
        for one in dict.fromkeys(places) or [place]:
            self.faults.add(failure.reason, one)

    # --- lists inside of rows -------------------------------------------------------------------

    def rest(self, parents: Sequence[Id], column: str | None = None) -> dict[Id, list[Raw]]:
        """Read what did not come at once of the lists inside of rows, of many rows together.

        Args:
            parents: The rows' ids.
            column: The column that is the list; `None` for a stream of such lists.

        Returns:
            The entries from the second page on, by the row's id; none for a row whose list could
            not be read to its end, which is noted.

        Raises:
            PartitionFailed: They cannot be asked for.
        """
        found: dict[Id, list[Raw]] = {}
        origins: dict[tuple[PageRequest, int], list[Id]] = {}
        for one in parents:
            origins.setdefault(self._came_with[one], []).append(one)
        for origin, ids in origins.items():
            found |= self._rest(ids, column, *origin)
        return found

    def _rest(
        self, parents: Sequence[Id], column: str | None, question: PageRequest, size_of_page: int
    ) -> dict[Id, list[Raw]]:
        """Read the rest of lists of rows that came together."""
        found: dict[Id, list[Raw]] = {one: [] for one in parents}
        field = self.cut[column][0] if column else t.cast("Field", self.nested)
        size = MAX_LIMIT if column else self.nested_limit or MAX_LIMIT
        if found and "page" not in field.arguments:
            raise _too_long(field.name)
        number, ids = 2, list(found)
        last: dict[Id, list[Raw]] = {}
        while ids:
            query = Query()
            if column:
                inside = query.call(field, column, self.cut[column][1], limit=size, page=number)
            else:
                inside = self._nested(query, number)
            call = self._call(query, f"id {inside}", **self._again(ids, question, size_of_page))
            place = f"page {number} of `{field.name}`"
            try:
                rows = self._answer(query.text(call), query.variables, place, len(ids))
            except PartitionFailed as refusal:
                rows = None
                self.faults.add(refusal.reason, place)
            if rows is not None and self._widen(rows):
                continue
            came = {} if rows is None else {id_of(raw): raw for raw in rows.records}
            full = []
            for one in ids:
                raw = came.get(one)
                entries = entries_of(open_object(raw), column or "nested") if raw else None
                if entries is None or entries == last.get(one, ()):
                    del found[one]
                    if rows is not None:
                        why = KEPT_CHANGING if raw is None else "a list has no end, or is none"
                        self.faults.add(why, f"{place} of the row {one}")
                    continue
                found[one] += entries
                last[one] = entries
                if len(entries) >= size:
                    full.append(one)
            number, ids = number + 1, full
        return found

    # --- what the token may not read ------------------------------------------------------------

    def _denials(self, refusal: RequestTooLarge) -> dict[Path, str | None]:
        """Find the fields that were refused, with the permission each wants."""
        return {
            path: error.permission
            for error in errors_of(refusal.body)
            if error.permission
            for path in self._denied(error)
        }

    def _denied(self, error: QueryError) -> Iterator[Path]:
        """Find the fields an error is about; () stands for the stream itself."""
        around = {*ENVELOPE, self.root.field.name, self.nested and self.nested.name}
        path = tuple(n for n in error.path or () if isinstance(n, str) and n not in around)
        if error.path is not None:
            yield path if path in self._selection.requested else ()
            return
        named = [path for path in self._selection.requested if path[-1] == error.field]
        yield from named or [()]

    def _leave_out(self, denied: Mapping[Path, str | None]) -> None:
        """Ask no more for what the token may not read."""
        names = ", ".join(f"`{name}`" for name in sorted({str(name) for name in denied.values()}))
        msg = f"the token lacks the permission {names}: tick it in the admin, System > API Tokens"
        if self._stream.config.get("on_missing_permission") == "fail":
            raise PartitionFailed(msg)
        if any(path == () or path[0] in self._stream.own_keys for path in denied):
            raise PartitionSkipped(msg)
        self._refused |= denied.keys()
        fields = ", ".join(f"`{'.'.join(path)}`" for path in sorted(denied))
        self._stream.logger.warning("%s: left out %s: %s.", self._stream.name, fields, msg)
        self._select()


def _decoded(raw: Raw) -> t.Any:  # noqa: ANN401 (JSON)
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return None


def _head(raw: Raw) -> _Head:
    try:
        return msgspec.json.decode(raw, type=_Head)
    except UNREADABLE:
        return _Head()


def _id(value: t.Any) -> Id | None:  # noqa: ANN401 (JSON)
    return value if isinstance(value, Id) and not isinstance(value, bool) else None


def id_of(raw: Raw) -> Id | None:
    """Read a row's id.

    Args:
        raw: The row.

    Returns:
        The id; `None` if it has none that can be asked for.
    """
    return _id(_head(raw).id)


def _first_id(before: t.Any) -> Id | None:  # noqa: ANN401 (JSON)
    """Give the id of the row before a page, as far as there is one."""
    match before:
        case [{"id": one}, *_]:
            return _id(one)
    return None


def _without(raw: Raw, entry: int) -> Raw:
    """Take an entry out of the list inside of a row."""
    row = open_object(raw)
    entries = entries_of(row, "nested") or []
    return Raw(encode(row | {"nested": [*entries[:entry], *entries[entry + 1 :]]}))


def _too_long(name: str) -> PartitionFailed:
    """Tell of a list inside of a row that cannot be read to its end."""
    msg = f"only the first {MAX_LIMIT} `{name}` of a row can be read, and there may be more"
    return PartitionFailed(msg)
