"""The base of the store's lists: whom to ask, in what form, and what an answer of none means."""

from __future__ import annotations

import abc
import typing as t
from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial

from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from commerce_taps.bookmarks import look_back
from commerce_taps.errors import PartitionFailed, PartitionForbidden, PartitionSkipped
from commerce_taps.http import where
from commerce_taps.pagination.parts import MAX_UNREADABLE_ROWS
from commerce_taps.stream import HTTPStream
from tap_cscart import schemas
from tap_cscart.api import CSCartApi, company_ids
from tap_cscart.responses import api_request

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context
    from singer_sdk.tap_base import Tap

    from commerce_taps.http import Client, Request
    from commerce_taps.pagination.page import Page
    from tap_cscart.responses import Params

T = t.TypeVar("T")

COMPANY: t.Final = "read_company_id"
"""The column that tells through which store or vendor a row was read."""

_COMPANY_SCHEMA: t.Final = {
    "type": "integer",
    "description": "Id of the store or vendor of `company_ids` the row was read through.",
}
SAMPLE: t.Final = 10
"""How many rows are looked at for columns that only this store has."""


class StoreStream(HTTPStream[CSCartApi], abc.ABC):
    """Something that can be asked of a store, declared by class attributes."""

    schema = StreamSchema(SchemaDirectory(schemas))
    primary_keys: t.ClassVar[tuple[str, ...]]

    path: str
    """Path below the API's address."""

    key: t.ClassVar[str | None] = None
    """Where in the envelope the rows are, if not under the path; "" where there is no envelope."""

    privilege: t.ClassVar[str]
    """What an account needs to read it."""

    add_on: t.ClassVar[str] = ""
    """The add-on it belongs to, without which the store answers that there is no such thing."""

    version: t.ClassVar[str] = ""
    """The version of the API it is of, if not the one of the settings."""

    size: t.ClassVar[int] = 250
    """Rows asked for at once, unless `page_size` says other."""

    one_page: t.ClassVar[bool] = False
    """Whether some release has no second page of it, so that an empty one is no end of the list."""

    sort_by: t.ClassVar[str] = ""
    """What its rows can be sorted by so that they stay in order while they are read."""

    params: t.ClassVar[Params] = {}
    """Parameters of every request."""

    speaks: t.ClassVar[bool] = True
    """Whether the store is told `lang_code`."""

    of_company: t.ClassVar[bool] = True
    """Whether `company_ids` has it read for each of them."""

    looks_up: t.ClassVar[tuple[str, ...]] = ()
    """What it has to know of the store at the start: it fails if that could not be read."""

    detail_columns: t.ClassVar[tuple[str, ...]] = ()
    """Columns that only a row's own answer has: it is asked for if one of them is selected."""

    @override
    def __init__(self, tap: Tap, sampled: Mapping[str, dict[str, t.Any]] = {}) -> None:
        """Take the columns of the settings in.

        Args:
            tap: The tap.
            sampled: Schemas with the columns that were seen in the store, by stream.
        """
        super().__init__(tap)
        self._faults: dict[str, list[PartitionFailed]] = defaultdict(list)
        if self.name in sampled:
            vars(self)["schema"] = sampled[self.name]
        if self.of_company and company_ids(self.config):
            schema = self.schema
            properties = {COMPANY: _COMPANY_SCHEMA, **schema["properties"]}
            vars(self).update(
                context_keys=(COMPANY,),
                primary_keys=(COMPANY, *self.primary_keys),
                schema={**schema, "properties": properties},
            )

    # --- whom to ask ----------------------------------------------------------------------------

    @property
    @override
    def partitions(self) -> list[dict[str, t.Any]] | None:
        """One partition, or one for each of `company_ids`."""
        ids = company_ids(self.config) if self.of_company else []
        return [{COMPANY: id_} for id_ in ids] or None

    @override
    def own_start(self, context: Context | None) -> datetime | None:
        """Tell where to begin: `lookback` before the bookmark, at `start_date` at the earliest."""
        start = super().own_start(context)
        if self.bookmarks.find(context).get("replication_key_value") is None:
            return start
        overlap = timedelta(seconds=self.config["lookback"])
        return look_back(start, overlap, self.config.get("start_date"))

    def request(
        self,
        context: Context | None,
        *path: str,
        params: Params | None = None,
        divisible: bool = False,
    ) -> Request:
        """Make a request in the form the store understands.

        Args:
            context: The partition.
            path: Path below the API's address.
            params: Parameters; a list stands for one parameter several times.
            divisible: As for `Request`.

        Returns:
            The request, for the partition's company and the language of the settings.
        """
        company = (context or {}).get(COMPANY)
        if company:
            self.require(f"{self.api.store.companies}/{company}", context)
        segments = (self.api.store.companies, str(company), *path) if company else path
        language = self.config.get("lang_code") if self.speaks else None
        # Some texts follow the one, some the other.
        languages = {"lang_code": language, "sl": language} if language else {}
        return api_request(
            self.config,
            segments,
            {**languages, **(params or {})},
            version=self.version,
            stream=self.name,
            context=context,
            divisible=divisible,
        )

    @property
    def client(self) -> Client:
        """What makes the requests."""
        return self.run.client

    @property
    def is_bare(self) -> bool:
        """Whether lists come without an envelope."""
        return (self.version or self.config["api_version"]) == "1.0"

    @property
    def page_size(self) -> int:
        """How many rows are asked for at once."""
        return SAMPLE if self.api.sampling else int(self.config.get("page_size", self.size))

    @override
    def read_if_changed(self, context: Context | None, start: datetime | None) -> Iterator[Page]:
        """Read a partition, and say what to do if it may not be read. See the base class."""
        at = where(self.name, context)
        try:
            yield from super().read_if_changed(context, start)
        except PartitionForbidden as error:
            msg = f"the account may not read this: give it the privilege `{self.privilege}`"
            if context:
                msg += ", and one that is not tied to another company"
            self.logger.warning("%s: %s.", at, msg)
            raise PartitionForbidden(msg, at) from error
        except PartitionSkipped as error:
            if self.add_on:
                msg = f"the store has no such thing: the add-on {self.add_on} is off"
                self.logger.warning("%s: %s.", at, msg)
                raise PartitionSkipped(msg, at) from error
            raise

    def try_each(
        self, questions: Iterable[tuple[Request, Callable[[bytes], T]] | None]
    ) -> list[T | PartitionFailed | None]:
        """Ask for several things at once, whatever becomes of each.

        Args:
            questions: Requests, each with what opens its answer; `None` for nothing to ask.

        Returns:
            The answers in order; `None` for what is not there. In place of what cannot be read,
            why.
        """
        return list(self.client.workers.run_all(partial(self._try, one) for one in questions))

    def _try(
        self, question: tuple[Request, Callable[[bytes], T]] | None
    ) -> T | PartitionFailed | None:
        if question is None:
            return None
        try:
            return self.client.find(*question)
        except PartitionFailed as error:
            return error

    def add_fault(self, context: Context | None, error: PartitionFailed) -> None:
        """Keep why a row, or a part of one, cannot be read, while the others go on.

        Args:
            context: The partition.
            error: Why.

        Raises:
            PartitionFailed: There are too many of them.
        """
        faults = self._faults[where(self.name, context)]
        faults.append(error)
        if len(faults) > MAX_UNREADABLE_ROWS:
            raise error

    def raise_faults(self, context: Context | None) -> None:
        """Fail at the end of a list if a part of it could not be read.

        Args:
            context: The partition.

        Raises:
            PartitionFailed: Something could not.
        """
        if faults := self._faults.pop(where(self.name, context), None):
            more = f"; {len(faults) - 1} more like this" if len(faults) > 1 else ""
            first = faults[0]
            reason = f"{first.reason.rstrip('.')}{more}"
            raise PartitionFailed(reason, first.where, remedy=first.remedy)

    def require(self, name: str, context: Context | None) -> None:
        """Make sure that a look-up at the start was answered.

        Args:
            name: Its path.
            context: The partition.

        Raises:
            PartitionFailed: It could not be read, so that this stream cannot be read either.
        """
        if fault := self.api.store.faults.get(name):
            msg = f"{fault}, when `{name}` was looked up at the start"
            raise PartitionFailed(msg, where(self.name, context))
