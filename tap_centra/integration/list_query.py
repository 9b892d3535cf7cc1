"""The queries that read one stream's list: which fields, rows and pages they request."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from commerce_taps.errors import PartitionSkipped
from commerce_taps.pagination.page import MARGIN, UNBOUNDED, TimeRange
from commerce_taps.records import dates
from tap_centra.integration.query import DEFAULT_LIMIT, MAX_LIMIT, Query, Selection
from tap_centra.integration.sources import resolve

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_centra.integration.declaration import ListDeclaration
    from tap_centra.integration.introspection import Field
    from tap_centra.integration.query import Path
    from tap_centra.integration.responses import Id

ENVELOPE: t.Final = frozenset({"rows", "before", "edges", "node", "nested"})
"""Names in a response that are no fields of a record."""

Text = tuple[str, dict[str, t.Any]]
"""A query, and the values of its variables."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of a list.

    Attributes:
        window: The replication values to request.
        by_key: Whether to sort by the replication key; otherwise by a unique field.
        number: The page's number, counted from 1.
        cursor: Where the page begins, in place of a number.
    """

    window: TimeRange = UNBOUNDED
    by_key: bool = False
    number: int = 1
    cursor: str | None = None

    @property
    def place(self) -> str:
        """Where in the list the page is, for messages."""
        start = self.window.start
        since = f" of those from {dates.render(start)} on" if start else ""
        after = f" behind the cursor {self.cursor}" if self.cursor else ""
        return f"page {self.number}{since}{after}"


class ListQuery:
    """Writes the queries of one stream.

    Attributes:
        root: The root field of the query.
        nested: The list inside of each row whose entries are the records, if they are in one.
        unpaged_limit: The number of entries to request of lists that have no pages.
        selection: The fields to request.
    """

    def __init__(self, stream: ListDeclaration) -> None:
        """Resolve the stream's source and select its fields.

        Raises:
            PartitionSkipped: The environment does not have the list, or not its key.
        """
        self._stream = stream
        self._live = stream.api.live
        self._refused: set[Path] = set()
        self.root, self.nested = resolve(self._live, stream.sources)
        self.unpaged_limit = DEFAULT_LIMIT
        self._select()

    def _select(self) -> None:
        """Select the fields, and log those that the environment lacks."""
        stream, parent = self._stream, self.root.type_name
        self.selection = Selection(
            self._live,
            is_selected=stream.selects,
            refused=self._refused,
            is_new=stream.selects_new,
            pages_lists=self.nested is None,
            limit=self.unpaged_limit,
        )
        kind = str(self.nested.type.inner.name) if self.nested else parent
        self._fields = self.selection.text(stream.declared_fields, kind)
        absent = [key for key in stream.key_fields if (key,) in self.selection.missing]
        if absent:
            msg = f"this environment has no `{absent[0]}` in `{kind}`"
            raise PartitionSkipped(msg)
        stream.log_fields("this environment has no %s", self.selection.missing)
        stream.log_fields("left out %s, where it is of another type", self.selection.clashing)
        available = self._live.fields(parent)
        parent_fields = dict.fromkeys(["id", *stream.parent_fields])
        self._parent_fields = " ".join(name for name in parent_fields if name in available)

    def leave_out(self, paths: Collection[Path]) -> None:
        """Request fields no more, which the token may not read."""
        self._refused |= set(paths)
        self._select()

    def set_unpaged_limit(self, limit: int) -> None:
        """Request another number of entries of lists that have no pages."""
        if limit != self.unpaged_limit:
            self.unpaged_limit = limit
            self._select()

    @property
    def paged_columns(self) -> Mapping[str, tuple[Field, str]]:
        """Columns that are lists with pages: the field of each, and the fields of its entries."""
        return self.selection.paged

    @property
    def nested_limit(self) -> int | None:
        """The number of entries of `nested` that a response holds; `None` for all of them."""
        arguments = self.nested.arguments if self.nested else {}
        if "limit" not in arguments:
            return None
        return self._stream.nested_limit if "page" in arguments else MAX_LIMIT

    def page(self, request: PageRequest, size: int, *, with_anchor: bool = True) -> Text:
        """Write the query for a page, and for the id of the row before it, its anchor.

        Args:
            request: The page.
            size: The number of rows.
            with_anchor: Whether to request the anchor, which the first page does not have.
        """
        query, before = Query(), (request.number - 1) * size
        fields = self._fields
        if self.nested is not None:
            fields = f"{self._parent_fields} {self._nested_call(query)}"
        calls = [self._root_call(query, fields, **self._page_arguments(request, size))]
        if before and with_anchor:
            calls.append(self._id_call(query, "before", request, before))
        return query.text(*calls), query.variables

    def row_id(self, request: PageRequest, position: int) -> Text:
        """Write the query for the id of one row.

        Args:
            request: A page of the same list.
            position: The row's position in the list, counted from 1.
        """
        query = Query()
        return query.text(self._id_call(query, "rows", request, position)), query.variables

    def next_cursor(self, request: PageRequest) -> Text:
        """Write the query for where the row after the first one of a page begins."""
        query = Query()
        arguments = self._page_arguments(request, 1)
        inside = "pageInfo { hasNextPage endCursor }"
        return query.text(query.call(self.root.field, "rows", inside, **arguments)), query.variables

    def rest(
        self, ids: Sequence[Id], column: str | None, number: int, origin: tuple[PageRequest, int]
    ) -> Text:
        """Write the query for a further page of the lists inside of rows.

        Args:
            ids: The ids of the rows.
            column: The column that is the list; `None` for `nested`.
            number: The number of the page, counted from 1.
            origin: The page that returned the rows, and its size. All of its rows are requested if
                the API cannot filter by id.
        """
        query = Query()
        if column:
            field, fields = self.paged_columns[column]
            inside = query.call(field, column, fields, limit=MAX_LIMIT, page=number)
        else:
            inside = self._nested_call(query, number)
        arguments = self._page_arguments(*origin)
        if self.root.filters_ids:
            arguments = {"where": {"id": ids}, self.root.limit_argument: len(ids)}
        return query.text(self._root_call(query, f"id {inside}", **arguments)), query.variables

    # --- parts of a query -----------------------------------------------------------------------

    def _root_call(self, query: Query, fields: str, **arguments: t.Any) -> str:  # noqa: ANN401
        """Write the root field with the fields of its rows."""
        if self.root.is_connection:
            total = "totalCount " if self.root.has_total else ""
            fields = f"{total}edges {{ node {{ {fields} }} }} pageInfo {{ hasNextPage endCursor }}"
        return query.call(self.root.field, "rows", fields, **arguments)

    def _id_call(self, query: Query, alias: str, request: PageRequest, position: int) -> str:
        """Write the root field with the id of one row."""
        arguments = {**self._list_arguments(request), "limit": 1, "page": position}
        return query.call(self.root.field, alias, "id", **arguments)

    def _nested_call(self, query: Query, number: int = 1) -> str:
        """Write the list inside of each row."""
        field, stream = t.cast("Field", self.nested), self._stream
        argument = field.arguments.get("sort")
        choices = self._live.choices(argument) if argument else set()
        return query.call(
            field,
            "nested",
            self._fields,
            limit=self.nested_limit,
            page=number,
            sort=[sort for sort in stream.nested_sort if sort in choices] or None,
            **stream.nested_arguments,
        )

    def _page_arguments(self, request: PageRequest, size: int) -> dict[str, t.Any]:
        """Return the filter, the sort and the page."""
        page = {self.root.limit_argument: size, "page": request.number, "after": request.cursor}
        return self._list_arguments(request) | page

    def _list_arguments(self, request: PageRequest) -> dict[str, t.Any]:
        """Return the filter and the sort."""
        sort = self.root.sorts(by_key=request.by_key) or None
        return {"where": self._filter(request), "sort": sort}

    def _filter(self, request: PageRequest) -> dict[str, t.Any] | None:
        start, end = request.window.start, request.window.end
        if end is None and request.by_key:
            end = self._live.latest
        if not self.root.filters_key or (start is None and end is None):
            return None
        bounds = {"from": dates.shift(start, -MARGIN) if start else None, "to": end}
        return {
            str(self.root.key): {
                name: dates.floor(value).isoformat() for name, value in bounds.items() if value
            }
        }
