"""The base of the store's lists: how one is read to its end, with what belongs to its rows."""

from __future__ import annotations

import abc
import re
import typing as t
from functools import partial

from msgspec import Raw
from typing_extensions import override

from commerce_taps.errors import InvalidResponse, PartitionFailed
from commerce_taps.http import where
from commerce_taps.pagination.page import UNBOUNDED, Page, TimeRange, digest
from commerce_taps.pagination.reverse import reverse_pages
from commerce_taps.records import dates
from commerce_taps.records.children import child_page
from commerce_taps.records.normalize import AnyRecord, NormalizedRecord, values_of
from commerce_taps.records.validate import Shape
from tap_cscart.normalize import normalizer
from tap_cscart.pagination import parts_of
from tap_cscart.requests import StoreStream
from tap_cscart.responses import CHOOSING, Answer, listing, opened

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from commerce_taps.http import Request
    from tap_cscart.responses import Params

Id = int | str

KIND: t.Final = re.compile("[A-Z0-9]", re.ASCII)
"""What names a kind of a thing: a type of accounts, of statuses, of features."""


class CSCartStream(StoreStream, abc.ABC):
    """A list of the store's, declared by class attributes."""

    # --- what a stream may say ------------------------------------------------------------------

    def filters(self, start: datetime | None) -> Params:  # noqa: ARG002
        """Say how the store itself narrows the list. The tap looks at each row all the same.

        Args:
            start: As for `read`.

        Returns:
            Parameters.
        """
        return {}

    def adjust(self, record: Record) -> None:
        """Change a record after what is odd about it was undone.

        Args:
            record: The record, changed in place.
        """

    def opened(self, body: bytes) -> Answer:
        """Open a page of this list.

        Args:
            body: The answer's body.

        Returns:
            The page, its rows as they were sent.
        """
        return listing(body, self.path if self.key is None else self.key, bare=self.is_bare)

    def completed(self, context: Context | None, rows: Page) -> Page:
        """Add to new rows what the list does not tell.

        Args:
            context: The partition.
            rows: Page of the list.

        Returns:
            The same rows, whole.
        """
        wanted = any(self._emits(name) for name in self.detail_columns)
        return self.detailed(context, rows) if wanted else rows

    def inner(self, parent: Record) -> Iterable[t.Any]:
        """Take this stream's rows out of a record of the stream they come inside of.

        Args:
            parent: The other stream's record.

        Returns:
            The rows; what is no object is named where records are checked.
        """
        raise NotImplementedError

    @override
    def read(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read the list from one end to the other. See the base class."""
        return self.pages(context, start, self.filters(start))

    # --- reading --------------------------------------------------------------------------------

    def normalized(
        self, raw: Raw | bytes, added: Mapping[str, t.Any] | None = None
    ) -> NormalizedRecord | None:
        """Decode and normalize a row.

        Args:
            raw: The row as it was sent.
            added: Columns it gets.

        Returns:
            The record; `None` for what is no object.
        """
        record = normalizer(self.name)(raw)
        if not record:
            return None
        if added:
            record = {**added, **record}
        self.adjust(record)
        return NormalizedRecord(record, digest(Raw(raw)))

    def rows(self, raws: Iterable[Raw], added: Mapping[str, t.Any] | None = None) -> Page:
        """Decode and normalize the rows of a page.

        Args:
            raws: The rows as they were sent.
            added: Columns they get.

        Returns:
            The records. What is no object is left to be refused where records are written.

        Raises:
            InvalidResponse: No row has a key: they are none of this list.
        """
        rows = self.shape.page_of([self.normalized(raw, added) or raw for raw in raws])
        keys = map(self.shape.key, rows.records)
        if rows.records and not any(isinstance(key, tuple) for key in keys):
            msg = f"every row lacks its key ({', '.join(type(self).primary_keys)})"
            raise InvalidResponse(msg)
        return rows

    def listed(
        self,
        context: Context | None,
        params: Params,
        added: Mapping[str, t.Any] | None = None,
    ) -> Iterator[Page]:
        """Read one list to its end.

        Args:
            context: The partition.
            params: Parameters of this list, beyond those of all of this stream.
            added: Columns each row gets.

        Yields:
            The rows, page by page, none of them twice.

        Raises:
            PartitionFailed: The list kept changing, or a row cannot be read.
        """
        sort: Params = {"sort_by": self.sort_by, "sort_order": "asc"} if self.sort_by else {}
        parts = parts_of(self, context, {**self.params, **sort, **params}, added)
        yield from reverse_pages(
            *(partial(parts.page, None), self.shape.key, self.page_size),
            ascending=bool(sort),
            keeps_place=self.sort_by.endswith("id"),
        )
        parts.close()

    def pages(
        self,
        context: Context | None,
        start: datetime | None,
        params: Params,
        added: Mapping[str, t.Any] | None = None,
    ) -> Iterator[Page]:
        """Read one list to its end, whole rows and what comes inside of them.

        Args:
            context: The partition.
            start: Rows stamped before it are left out; `None` for none.
            params: As for `listed`.
            added: As for `listed`.

        Yields:
            The pages; the last one has the bookmark.
        """
        for name in self.looks_up:
            self.require(name, context)
        began, latest = self.client.now, None
        keep = TimeRange(dates.floor(start)) if start else UNBOUNDED
        for found in self.listed(context, params, added):
            chosen = _chosen(found, {**self.params, **params})
            rows = self.completed(context, chosen.within(keep)).within(keep)
            stamps = [stamp for stamp in (latest, *rows.timestamps) if stamp is not None]
            latest = max(stamps, default=None)
            if rows.records:
                yield self.with_derived(context, rows)
        self.raise_faults(context)
        if latest is not None:
            # A row that changed after it was read is stamped later than the reading began, by the
            # store's clock.
            yield Page((), bookmark=min(latest, began))

    def several(self, lists: Iterable[Iterator[Page]]) -> Iterator[Page]:
        """Read one list after the other, whatever becomes of each.

        Args:
            lists: The lists' pages.

        Yields:
            The pages of all.

        Raises:
            PartitionFailed: What the first list that failed ended in, once all are read.
        """
        failed: PartitionFailed | None = None
        for pages in lists:
            try:
                yield from pages
            except PartitionFailed as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def with_derived(self, context: Context | None, rows: Page) -> Page:  # noqa: ARG002
        """Make a page of rows, with what comes inside of them.

        Args:
            context: The partition.
            rows: The rows.

        Returns:
            The page.
        """
        return Page(
            rows.records,
            rows.valid,
            children={
                child.name: child_page(
                    row for record in rows.records for row in child.inner(values_of(record))
                )
                for child in t.cast("list[CSCartStream]", self.children)
            },
        )

    def sample(self) -> Iterator[tuple[str, dict[str, t.Any]]]:
        """Read a few rows, and learn their columns.

        Yields:
            Name and schema of this stream and of those whose rows come inside of its own, as far
            as they have new columns.
        """
        vars(self)["children"] = list(self.child_streams)
        context = next(iter(self.partitions or ()), None)
        page = next((page for page in self.read(context, None) if page.records), Page(()))
        for stream in (self, *self.children):
            own = page if stream is self else page.children.get(stream.name, Page(()))
            shape = Shape(stream.schema, keys=stream.primary_keys, context_keys=stream.context_keys)
            misfits = [raw for raw, fit in zip(own.records, own.valid, strict=True) if not fit]
            shape.conform(misfits, context or {})
            if shape.new_columns:
                yield stream.name, shape.schema

    def detailed(self, context: Context | None, rows: Page) -> Page:
        """Ask for each row alone, several at once.

        Args:
            context: The partition.
            rows: Page of the list.

        Returns:
            The same rows with what their own answers tell. A row that has just been deleted, and
            one without an id, stays as the list has it; one that cannot be read is left out, and
            named at the end of the list.
        """
        name, found = type(self).primary_keys[0], list[AnyRecord]()
        details = self.details(context, [id_of(values_of(row), name) for row in rows.records])
        for row, detail in zip(rows.records, details, strict=True):
            if isinstance(detail, PartitionFailed):
                self.add_fault(context, detail)
            elif detail:
                found.append(NormalizedRecord(self.merged(values_of(row), detail), digest(row)))
            else:
                found.append(row)
        return self.shape.page_of(found)

    def merged(self, row: Record, detail: Record) -> Record:
        """Put together what a list and a row's own answer tell.

        Args:
            row: The row of the list.
            detail: The answer.

        Returns:
            The columns of both, as the answer has them.
        """
        return {**row, **detail}

    def details(
        self, context: Context | None, ids: Sequence[Id | None]
    ) -> list[Record | PartitionFailed | None]:
        """Ask for rows alone, several at once.

        Args:
            context: The partition.
            ids: Their ids; `None` for a row that has none.

        Returns:
            What the answers tell, in order; `None` for a row that is not there any more. In place
            of one that cannot be read, why.
        """
        return self.try_each(
            None
            if id_ is None
            else (self.request(context, self.path, str(id_)), partial(self._detail, id_))
            for id_ in ids
        )

    def _detail(self, id_: Id, body: bytes) -> Record:
        """Open the answer of one row."""
        row = self.normalized(opened(body, Raw))
        name = type(self).primary_keys[0]
        if row is None or row.values.get(name) != id_:
            msg = f"the answer is not the row whose `{name}` is {id_}"
            raise InvalidResponse(msg)
        return row.values

    def read_each(
        self,
        context: Context | None,
        pages: Iterable[Sequence[Id | None]],
        ask: Callable[[Id], tuple[Request, Callable[[bytes], Page]]],
    ) -> Iterator[Page]:
        """Read what belongs to the rows of another list, with a request for each row.

        Args:
            context: The partition.
            pages: The ids of the other list's rows, page by page; `None` for a row without one.
            ask: Gives the request for a row's part, and what opens its answer.

        Yields:
            The rows found.

        Raises:
            PartitionFailed: What belongs to a row could not be read, though all others were.
        """
        for ids in pages:
            for id_, found in zip(
                ids, self.try_each(None if id_ is None else ask(id_) for id_ in ids), strict=True
            ):
                if id_ is None:
                    msg = "a row of the list that is gone through has no id that could be asked for"
                    self.add_fault(context, PartitionFailed(msg, where(self.name, context)))
                elif isinstance(found, PartitionFailed):
                    self.add_fault(context, found)
                elif found is not None:
                    yield Page(found.records, found.valid)
        self.raise_faults(context)


def id_of(record: Record, name: str) -> Id | None:
    """Find the id a row can be asked for by.

    Args:
        record: The row.
        name: The column.

    Returns:
        The id; `None` if it has none that could be one.
    """
    value = record.get(name)
    is_id = isinstance(value, (int, str)) and not isinstance(value, bool) and value != ""
    return value if is_id else None


def _chosen(rows: Page, params: Params) -> Page:
    """Leave out rows of another kind than was asked for: a store ignores what it does not know."""
    kinds = {CHOOSING[name]: params[name] for name in CHOOSING.keys() & params.keys()}
    if not kinds:
        return rows
    records = map(values_of, rows.records)
    return rows.only(
        [not any(_is_other(one.get(k), kind) for k, kind in kinds.items()) for one in records]
    )


def _is_other(value: object, kind: object) -> bool:
    """Tell whether a value names another kind; one that is no name of any does not."""
    return isinstance(value, str) and value != kind and bool(KIND.fullmatch(value))
