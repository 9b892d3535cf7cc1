"""Codat's API: its address and key, its errors, its envelope, and the companies of the account.

Facts come from Codat's documentation (pages Authentication, Paging, Querying, Modified dates,
Errors, Rate limits) and its OpenAPI specs.
"""

from __future__ import annotations

import base64
import threading
import typing as t
from collections import Counter
from functools import partial

import msgspec
from msgspec import Raw
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import (
    Action,
    ErrorTable,
    InvalidResponse,
    Message,
    PartitionSkipped,
    Rule,
    TapError,
    TapStopped,
)
from commerce_taps.http import Request
from commerce_taps.pagination.counted import check_page, counted_pages
from commerce_taps.pagination.page import Page, TimeRange
from commerce_taps.pagination.parts import Parts
from commerce_taps.records import dates
from commerce_taps.records.envelope import NULL, open_envelope, open_list, open_object, open_text
from commerce_taps.redact import first_words
from commerce_taps.threads import Once, run_interruptibly
from tap_codat import sync_status

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context


_SUPPORT: t.Final = "give the correlation id to Codat's support"
_NOT_FILTERED: t.Final = "Codat cannot filter or sort the list like this ({message})"

ERRORS: t.Final = ErrorTable(
    Rule((400,), Action.DROP_FILTER, _NOT_FILTERED, _SUPPORT, body=b"Could not resolve property"),
    Rule((400,), Action.DROP_FILTER, _NOT_FILTERED, _SUPPORT, body=b"Error parsing query"),
    Rule((400,), Action.FAIL, "Codat rejects the request ({message})", _SUPPORT),
    Rule(
        (401,),
        Action.STOP,
        "Codat does not accept the key ({message})",
        "copy the key again: `api_key` is the key as the portal shows it, `auth_header` is `Basic` "
        "and the key in base64",
        recheck=3,
    ),
    Rule(
        (402,),
        Action.STOP,
        "the Codat account has reached a limit of its plan, or has ended ({message})",
        "contact Codat",
    ),
    Rule(
        (403,),
        Action.FAIL,
        "the key may not read this ({message})",
        "request access from Codat, or deselect the stream: the key is outdated, or the endpoint "
        "is not part of your plan",
    ),
    Rule(
        (404,),
        Action.SKIP,
        "there is nothing to read ({message})",
        "no action is needed if the platform does not support the data type, or if the company or "
        "connection was removed",
    ),
    Rule(
        (409,),
        Action.SKIP,
        "Codat has not synced it yet ({message})",
        "switch the data type on in Codat's sync settings, or wait for its first sync",
    ),
    Rule(
        (413,),
        Action.RETRY,
        "the response would be too large",
        "lower `page_size`",
        on_exhausted=Action.REDUCE,
    ),
    Rule(
        (429,),
        Action.RETRY,
        "Codat's request quota or rate limit is reached ({message})",
        "lower `requests_per_minute`, or run again later",
        on_exhausted=Action.STOP,
    ),
    Rule((451,), Action.SKIP, "blocked for compliance reasons ({message})", "contact Codat"),
    form=("statusCode", "error"),
)


class _Envelope(msgspec.Struct, rename="camel"):
    results: list[Raw] | None
    total_results: int
    page_size: int | None = None
    page_number: int | None = None
    links: t.Any = msgspec.field(name="_links", default=None)


def _has_next(links: t.Any) -> bool | None:  # noqa: ANN401 (JSON)
    """Whether another page follows, by the links of a page; `None` without any links."""
    if not isinstance(links, dict):
        return None
    link = links.get("next")
    href = link.get("href") if isinstance(link, dict) else link
    return isinstance(href, str) and bool(href)


def check_records(records: Sequence[Raw]) -> Sequence[Raw]:
    """Refuse records of which none is an object: that is a response in another form.

    Raises:
        InvalidResponse: It is.
    """
    if records and not any(bytes(raw)[:1] == b"{" for raw in records):
        msg = "no record of the page is an object"
        raise InvalidResponse(msg)
    return records


def query(field: str, requested: TimeRange) -> str:
    """Write a range in Codat's query language.

    Args:
        field: The field it is of.
        requested: The range.

    Returns:
        For example `modifiedDate>=2024-01-01T00:00:00Z`; "" for everything.
    """
    bounds = ((">=", requested.start), ("<", requested.end))
    return "&&".join(f"{field}{op}{dates.render(value)}" for op, value in bounds if value)


def parse_page(
    body: bytes,
    *,
    validate: Callable[[Sequence[Raw]], Page],
    requested: TimeRange,
    number: int,
    size: int,
) -> Page:
    """Parse a page in the usual envelope. What it does not report of itself is as requested.

    Args:
        body: The body.
        validate: Makes a page of records, as `Shape.validate`.
        requested: The range that was requested.
        number: The page that was requested, counted from 1.
        size: Its size.

    Raises:
        InvalidResponse: It is another page, or contradicts itself.
    """
    envelope = open_envelope(body, _Envelope)
    if envelope.page_number not in (number, None):
        msg = f"page {number} was requested, and the response is page {envelope.page_number}"
        raise InvalidResponse(msg)
    page = validate(check_records(envelope.results or ()))
    page.total = envelope.total_results
    page.size = size = envelope.page_size if envelope.page_size is not None else size
    has_next = _has_next(envelope.links)
    if has_next is None:
        has_next = (number - 1) * size + len(page.records) < page.total
    page.has_next = has_next
    return check_page(page, requested, number)


class Connection(msgspec.Struct):
    """What the tap has to know of a connection. Whatever may be null, or something else.

    Attributes:
        id: Its id; `None` where Codat gives none that is a text.
        status: Its status; "" where that is no text. So with all others.
        source_type: The kind of its source.
        integration_key: The key of its platform.
        last_sync: When it was synced last.
    """

    id: str | None
    status: str
    source_type: str
    integration_key: str
    last_sync: str

    def has_data_of(self, source_type: str) -> bool:
        """Whether the connection may have data of a kind of source.

        What a connection has synced stays readable after it is unlinked; one that was never
        authorised has synced nothing. One without a kind may be of any.

        Args:
            source_type: The kind of source; "" for any.

        Returns:
            Whether it may.
        """
        alike = self.source_type == source_type or not (self.source_type and source_type)
        return alike and self.status != "PendingAuth"


class Company(msgspec.Struct):
    """A company with its connections, decoded and as they came.

    Attributes:
        id: The company's id; `None` where Codat gives none that is a text.
        raw: The company's record.
        connections: Its connections, decoded and as they came.
    """

    id: str | None
    raw: Raw
    connections: list[tuple[Connection, Raw]]


def company(raw: Raw) -> Company:
    """Decode a company's record as far as it is needed.

    Args:
        raw: The record, or whatever Codat has sent in its place.

    Returns:
        The company.
    """
    record = open_object(raw)
    sent = record.get("dataConnections", NULL)
    connections = open_list(sent)
    # What cannot be read, and may have held connections, stands for one that cannot be read.
    if not record or not (connections or bytes(sent) in {b"null", b"[]", b"{}"}):
        connections = [sent]
    id_ = open_text(record.get("id", NULL)) or None
    return Company(id_, raw, [(connection(one), one) for one in connections])


def connection(raw: Raw) -> Connection:
    """Decode a connection's record as far as it is needed.

    Args:
        raw: The record, or whatever Codat has sent in its place.

    Returns:
        The connection.
    """
    record = open_object(raw)
    id_, *others = (
        open_text(record.get(name, NULL))
        for name in ("id", "status", "sourceType", "integrationKey", "lastSync")
    )
    return Connection(id_ or None, *others)


class CodatApi(Api):
    """Codat, as one key opens it."""

    errors = ERRORS
    quota_header = "X-Rate-Limit-Remaining"

    @override
    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self._companies = Once(self._fetch_companies)
        self._connections = Once(self._index_connections)
        self._states = Once(self._fetch_states)
        self._statuses: dict[str, Once[sync_status.Statuses]] = {}
        self._lock = threading.Lock()

    @override
    @property
    def base_url(self) -> str:
        return str(self.config["api_url"]).rstrip("/")

    @override
    @property
    def auth(self) -> HeaderAuth:
        """The documented header: the key alone in base64, without user name or colon."""
        header = self.config.get("auth_header")
        if header is None:
            header = f"Basic {base64.b64encode(self.config['api_key'].encode()).decode()}"
        return HeaderAuth(header)

    @override
    def message(self, body: bytes) -> Message:
        """Find Codat's own message in the body of an error response.

        Args:
            body: An `ErrorMessage` object, or anything a proxy may have put in its place.

        Returns:
            Its `error` text, and the correlation id that Codat's support needs.
        """
        message = open_object(body)
        reference = open_text(message.get("correlationId", NULL))
        words = open_text(message.get("error", NULL)).strip()
        return Message(
            words or first_words(body), f"correlation id {reference}" if reference else ""
        )

    @override
    def describe_access(self) -> Iterator[str]:
        self.fetch_companies()
        connections = Counter(
            f"{connection.source_type or '?'} {connection.status or '?'}"
            for one in self.companies.values()
            for connection, _ in one.connections
        )
        kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(connections.items()))
        yield f"The key is accepted. Companies: {len(self.companies)}; connections: {kinds or 0}."

    def fetch_list(self, name: str, key: str) -> list[Raw]:
        """Fetch a list of the platform whole, for what the tap has to know of it.

        Args:
            name: The stream the requests are counted for; also the list's path.
            key: The field that identifies a record.

        Returns:
            The records, each in every version that came.

        Raises:
            TapError: The list could not be read.
        """

        def fetch(requested: TimeRange, number: int, size: int, *, divisible: bool) -> Page:
            params = {"page": number, "pageSize": size}
            request = Request((name,), params, stream=name, divisible=divisible)
            parse = partial(
                parse_page, validate=Page, requested=requested, number=number, size=size
            )
            return self.client.get(request, parse)

        def identify(raw: Raw) -> str | bytes:
            return open_text(open_object(raw).get(key, NULL)) or bytes(raw)

        parts = Parts(fetch, int(self.config["page_size"]), name, self.logger)
        pages = parts.finish(counted_pages(parts.page, identify))
        return [raw for page in pages for raw in page.records]

    # --- companies ------------------------------------------------------------------------------

    def fetch_companies(self) -> None:
        """Fetch the companies in the main thread, where a signal can interrupt it.

        Raises:
            TapStopped: As for `companies`.
        """
        run_interruptibly(self._companies, self.tick)

    @property
    def companies(self) -> dict[str | int, Company]:
        """The companies to read by id, with their connections, fetched once a run.

        One whose id cannot be read has its place in the list as its key.

        Raises:
            TapStopped: They cannot be fetched, or a setting names one that does not exist.
        """
        return self._companies()

    def connection(self, context: Context) -> tuple[Connection, int]:
        """Find a partition's connection.

        Args:
            context: The partition.

        Returns:
            The connection, and how many of its company's have data of the same kind.
        """
        return self._connections()[context["companyId"], context["connectionId"]]

    def _fetch_companies(self) -> dict[str | int, Company]:
        """Fetch the companies; of one that changed in between, the last version counts."""
        try:
            companies = [company(raw) for raw in self.fetch_list("companies", "id")]
        except TapStopped:
            raise
        except TapError as error:
            # Every account has this list: a 404 means that something else is at this address.
            absent = isinstance(error, PartitionSkipped) or error.reason.startswith("HTTP 404 ")
            hint = " The list of companies is always there: check `api_url`." if absent else ""
            remedy = "" if absent else error.remedy
            raise TapStopped(error.reason + hint, "companies", remedy=remedy) from error
        found: dict[str | int, Company] = {
            one.id or place: one for place, one in enumerate(companies)
        }
        ids, connections = (self.config.get(name) for name in ("company_ids", "connection_ids"))
        if ids is not None:
            _require("company_ids", ids, found)
            found = {id_: one for id_, one in found.items() if id_ in ids}
        if connections is not None:
            known = [connection.id for one in found.values() for connection, _ in one.connections]
            _require("connection_ids", connections, known)
            for one in found.values():
                one.connections = [pair for pair in one.connections if pair[0].id in connections]
        return found

    def _index_connections(self) -> dict[tuple[str | None, str | None], tuple[Connection, int]]:
        return {
            (one.id, connection.id): (
                connection,
                sum(other.has_data_of(connection.source_type) for other, _ in one.connections),
            )
            for one in self.companies.values()
            for connection, _ in one.connections
        }

    # --- sync status ----------------------------------------------------------------------------

    def statuses(self, context: Context) -> sync_status.Statuses:
        """Fetch the sync statuses of a partition's company, once a run.

        Raises:
            TapError: They could not be fetched.
        """
        company_id = str(context["companyId"])
        with self._lock:
            statuses = self._statuses.setdefault(
                company_id, Once(partial(self._fetch_statuses, company_id))
            )
        return statuses()

    def _fetch_statuses(self, company_id: str) -> sync_status.Statuses:
        request = Request(
            ("companies", company_id, "dataStatus"),
            stream="data_statuses",
            context={"companyId": company_id},
            concurrency_key=company_id,
        )
        return self.client.get(request, lambda body: open_envelope(body, sync_status.Statuses))

    def change_token(self, context: Context, data_type: str | None) -> str | None:
        """Digest what Codat reports now of a partition's data.

        Args:
            context: The partition.
            data_type: Codat's key of the data type; `None` for all of the company.

        Returns:
            A short text; `None` where it could not show that something has changed.
        """
        try:
            statuses = self.statuses(context)
        except TapStopped:
            raise
        except TapError:
            return None
        last_sync = ""
        if data_type is not None:
            connection, alike = self.connection(context)
            if alike > 1:
                last_sync = connection.last_sync
                if not last_sync:
                    return None
        return sync_status.change_token(
            statuses, data_type, last_sync=last_sync, start_date=self.config.get("start_date")
        )

    def supports(self, context: Context, data_type: str) -> bool:
        """Decide whether the platform of a partition's connection may have a data type."""
        connection, _ = self.connection(context)
        return sync_status.is_supported(self._states(), connection.integration_key, data_type)

    def _fetch_states(self) -> sync_status.States:
        try:
            return sync_status.read_states(self.fetch_list("integrations", "key"))
        except TapStopped:
            raise
        except TapError as error:
            self.logger.info("Platforms are not looked up: %s", error)
            return {}


def _require(setting: str, ids: Sequence[str], found: Iterable[object]) -> None:
    """Reject a setting that names an unknown id: a typing error would read nothing."""
    missing = sorted(set(ids) - set(found))
    if missing:
        msg = (
            f"Setting `{setting}`: the key sees none with the id {', '.join(missing)}. Correct or "
            "remove it."
        )
        raise TapStopped(msg)
