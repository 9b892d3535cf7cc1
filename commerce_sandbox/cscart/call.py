"""A request that found its entity, and the ways rows go into its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from commerce_sandbox.cscart.query import Parameters, Predicate, period
from commerce_sandbox.cscart.responses import Listing, Paging, ordered
from commerce_sandbox.cscart.values import LANGUAGE, Row, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from commerce_sandbox.cscart.query import Filter
    from commerce_sandbox.cscart.setup import Setup
    from commerce_sandbox.cscart.store import Store

Json = Any
"""JSON: the response of an entity."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that found its entity.

    Attributes:
        store: The content of the fake API.
        parameters: The parameters as PHP reads them.
        version: The version of the API that is called.
        company: The company the request is about; 0 for all.
        preferred: The language the client prefers, by its headers.
        now: The server's clock, in unix seconds.
    """

    store: Store
    parameters: Parameters
    version: str
    company: int
    preferred: str
    now: float

    @property
    def setup(self) -> Setup:
        """Which store it is."""
        return self.store.setup

    @property
    def default_size(self) -> int:
        """Default number of rows in a page: the setting "Elements per page", all under 1.0."""
        if self.version == "1.0":
            return 0
        return 50 if self.setup.since("4.20") else 10

    @property
    def language(self) -> str | None:
        """The language of texts that follow `lang_code`; none if 4.9 does not know it."""
        requested = self.parameters.get("lang_code")
        if requested is None:
            return self.display
        if requested in self.store.languages:
            return str(requested)
        return LANGUAGE if self.setup.since("4.12") else None

    @property
    def display(self) -> str:
        """The language of texts that follow `sl`, else that of the client's headers."""
        requested = (self.parameters.get("sl"), self.parameters.get("descr_sl"), self.preferred)
        return next((str(one) for one in requested if one in self.store.languages), LANGUAGE)

    def rows(self, entity: str) -> list[Row]:
        """Return the rows of a table, those of the request's company if it is about one."""
        found = list(self.store.table(entity).values())
        if not self.company:
            return found
        return [row for row in found if row.get("company_id", self.company) == self.company]

    def written(
        self, entity: str, row: Row, *, display: bool = False, without: Iterable[str] = ()
    ) -> Row:
        """Return a row as the API writes it.

        Args:
            entity: The table it is of.
            display: Whether its texts follow `sl`, not `lang_code`.
            without: Columns to leave out.
        """
        missing = self.setup.missing(entity).union(without)
        language = self.display if display else self.language
        return {name: serve(value, language) for name, value in row.items() if name not in missing}

    def selected(
        self, rows: Iterable[Row], filters: Mapping[str, Filter], column: tuple[str, str] | None
    ) -> list[Row]:
        """Keep the rows that pass all filters that were given and understood."""
        found: list[Predicate] = []
        for name, make in filters.items():
            if name in self.parameters and (predicate := make(self.parameters[name])):
                found.append(predicate)
        if column and (predicate := period(self.parameters, *column, self.now)):
            found.append(predicate)
        return [row for row in rows if all(one(row) for one in found)]

    def page(
        self,
        listing: Listing,
        rows: Iterable[Row],
        write: Callable[[Row], Json],
        *,
        repeats: bool,
        key: Callable[[Row], Any],
        filters: Mapping[str, Filter] | None = None,
    ) -> Json:
        """Return a page that the database cuts.

        Args:
            listing: How the list is read.
            write: Gives a row as the API writes it.
            repeats: Whether the last page is sent instead of those beyond it.
            key: The column that breaks ties.
            filters: Filters beyond the listing's own.
        """
        known = {**listing.filters, **(filters or {})}
        found, order = ordered(
            self.selected(rows, known, listing.period), self.parameters, listing, key
        )
        paging = Paging.read(self.parameters, self.default_size)
        if repeats:
            paging = paging.corrected(len(found))
        return self.enveloped(
            listing,
            [write(row) for row in paging.cut(found)],
            {**self.paged(paging, listing), **order, "total_items": str(len(found))},
        )

    def paged(self, paging: Paging, listing: Listing) -> dict[str, Any]:
        """Return what `params` holds about the page."""
        size: Any = paging.size
        if listing.echoes_size:
            size = self.parameters.get("items_per_page", size)
        return {"page": paging.page, "items_per_page": size}

    def enveloped(self, listing: Listing, rows: Sequence[Json], extra: Mapping[str, Any]) -> Json:
        """Put rows into the envelope, with an echo of the parameters."""
        params = {**listing.extra, **self.parameters, **extra}
        if self.company:
            params["company_id"] = str(self.company)
        if listing.period is not None:
            prefix, _ = listing.period
            until = f"{prefix}time_to"
            if params.get(f"{prefix}period") == "C" and not params.get(until):
                params[until] = int(self.now)
        return {listing.key: rows, "params": params}

    def sliced(
        self,
        name: str,
        rows: Sequence[Row],
        write: Callable[[Row], Json],
        *,
        keyed: str | None = None,
        key_without_size: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Json:
        """Return a page that PHP cuts out of the whole list.

        Args:
            name: The property with the rows.
            write: Gives a row as the API writes it.
            keyed: The column a page is keyed by; it is an array if none.
            key_without_size: The column the whole list is keyed by if no page is cut out of it.
            extra: The other members of `params`.
        """
        paging = Paging.read(self.parameters, self.default_size)
        part = paging.cut(rows)
        if not paging.size:
            keyed = keyed or key_without_size
        written = [write(row) for row in part]
        collection: Any = written
        if keyed and written:
            collection = {str(row[keyed]): row for row in written}
        requested = self.parameters.get("page", 1)
        params = {
            **(extra or {}),
            **self.parameters,
            "items_per_page": self.parameters.get("items_per_page", paging.size),
            "page": int(requested) if requested in {1, "1"} else requested,
            "total_items": len(rows) if self.setup.since("4.12") else len(part),
        }
        return {name: collection, "params": params}
