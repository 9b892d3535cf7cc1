"""HTTP requests to an API: `Client` sends each one, retries it, and parses the response."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import random
import threading
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import requests
import urllib3.exceptions

from commerce_taps import transport
from commerce_taps.errors import (
    INVALID_RESPONSE,
    NO_RESPONSE,
    OVERSIZED,
    TIMEOUT,
    Action,
    ErrorResponse,
    InvalidResponse,
    Message,
    OversizedResponse,
    PartitionFailed,
    PartitionForbidden,
    PartitionSkipped,
    RequestTooLarge,
    TapError,
    TapStopped,
)
from commerce_taps.records import dates
from commerce_taps.records.envelope import extract_document, open_object
from commerce_taps.redact import LONGEST_MESSAGE, plain, redact

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from requests.auth import AuthBase

    from commerce_taps.errors import ErrorTable, Rule
    from commerce_taps.rate_limit import RateLimiter
    from commerce_taps.threads import DaemonPool

Parsed = t.TypeVar("Parsed")

FIRST_BACKOFF = 0.5
BACKOFF_FACTOR: t.Final = 1.5
MAX_BACKOFF: t.Final = 60.0
"""Backoff in seconds: the first wait, the factor of each further one, and the longest wait."""

MAX_FAILURES: t.Final = 10
"""The run stops after this many requests in a row without a response, each with all its retries."""

MAX_FIRST_FAILURES: t.Final = 2
"""The same before the first usable response: the address in the settings is probably wrong."""

MAX_RETRY_AFTER: t.Final = 25 * 3600.0
"""A longer `Retry-After` is ignored as a mistake, since quotas are refilled daily at the latest."""

EPOCH_SECONDS: t.Final = 1e9
"""A larger number in `Retry-After` is a Unix timestamp instead of a number of seconds to wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        path: Path segments below the base address, unquoted.
        params: Query parameters, unquoted; as pairs if a name occurs several times.
        body: A JSON body; a request with one is a POST, any other a GET.
        stream: The stream it is for; requests are counted by stream.
        context: The partition it is for.
        concurrency_key: Requests with the same key share the limit on concurrent requests.
        costs: What it takes from the token buckets, by their unit.
        divisible: Whether it is for several rows, so that a smaller request can replace it.
    """

    path: tuple[str, ...]
    params: Mapping[str, str | int] | Sequence[tuple[str, str | int]] = ()
    body: bytes | None = None
    stream: str = ""
    context: Mapping[str, t.Any] = field(default_factory=dict)
    concurrency_key: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)
    divisible: bool = False

    @property
    def where(self) -> str:
        """Stream and partition, for messages."""
        return where(self.stream, self.context)

    @property
    def url(self) -> str:
        """The quoted path and query, without the base address.

        Raises:
            PartitionFailed: An id is `.` or `..`: it would climb the path, however it is quoted.
        """
        if any(part.strip(".") == "" for part in self.path):
            msg = f"an id cannot be part of an address: {'/'.join(self.path)}"
            raise PartitionFailed(msg, self.where)
        # Ids come from the API and may contain any character.
        path = "".join(f"/{quote(part, safe='')}" for part in self.path)
        return f"{path}?{urlencode(self.params, quote_via=quote)}" if self.params else path


def where(stream: str, context: Mapping[str, t.Any] | None) -> str:
    """Name a stream and a partition of it, for messages.

    Returns:
        For example ``commerce_orders (companyId=…, connectionId=…)``.
    """
    if not context:
        return stream
    return f"{stream} ({', '.join(f'{name}={value}' for name, value in context.items())})"


class _Response(t.NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt without a usable response.

    Attributes:
        rule: What to do about it.
        details: What the API, the parser or the network reports.
        headers: Headers of the response, if any.
        body: Body of the response, if any.
        cause: The parser's error, if any.
    """

    rule: Rule
    details: Message
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cause: InvalidResponse | None = None

    @property
    def message(self) -> Message:
        """The details, safe to show. Redaction comes before the cut, which may split a secret."""
        return Message(*(plain(redact(text), LONGEST_MESSAGE) for text in self.details))


class Client:
    """Sends requests to one API.

    Attributes:
        base_url: Address of the API, without a slash at its end.
        limiter: Paces the requests.
        workers: Threads for several requests at once.
        requests: Requests sent, by stream.
        quota_left: The last value of the quota header.
        began: When the first response arrived, as `now` has it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: AuthBase,
        errors: ErrorTable,
        headers: Mapping[str, str],
        message: Callable[[bytes], Message],
        limiter: RateLimiter,
        workers: DaemonPool,
        logger: logging.Logger,
        timeout: float,
        total_timeout: float = 1800.0,
        max_retries: int,
        max_wait: float,
        max_bytes: int = 1 << 28,
        quota_header: str = "",
    ) -> None:
        """Prepare the client. It sends nothing yet.

        Args:
            base_url: Address of the API, without a slash at its end.
            auth: Adds the credential.
            errors: What to do about each error response.
            headers: Sent with every request.
            message: Parses the API's own description of an error from a body.
            limiter: Paces the requests.
            workers: Threads for several requests at once.
            logger: Logs retries.
            timeout: Seconds without a byte after which an attempt fails.
            total_timeout: Seconds after which an attempt fails in any case.
            max_retries: How often a request is repeated.
            max_wait: The longest `Retry-After`, in seconds, that the run waits for.
            max_bytes: The largest body, unpacked.
            quota_header: The header with the number of requests that the quota has left.
        """
        self.base_url = base_url
        self.workers = workers
        self.requests: Counter[str] = Counter()
        self.quota_left: str | None = None
        self.began: datetime | None = None
        self._auth = auth
        self._errors = errors
        self._headers = dict(headers)
        self._message = message
        self.limiter = limiter
        self._logger = logger
        self._timeout = timeout
        self._total_timeout = total_timeout
        self._max_retries = max_retries
        self._max_wait = max_wait
        self._max_bytes = max_bytes
        self._quota_header = quota_header
        self._counting = threading.Lock()
        self._date = ""
        self._has_parsed = False
        self._has_trimmed = False
        self._failures_in_a_row = 0
        self._local = threading.local()

    def get(self, request: Request, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Send a request until it has a usable response or the error table ends it.

        Args:
            request: The request.
            parse: Parses the body of a response with status 200. Raises `InvalidResponse` if it
                cannot, and `ErrorResponse` if the body is an error in spite of the status.

        Returns:
            What `parse` returned.

        Raises:
            PartitionSkipped: There is nothing to read, by the error table.
            PartitionFailed: By the error table, or after the last retry. Its cause is the last
                `InvalidResponse`, if any.
            TapStopped: The run cannot continue, by the error table or because `Retry-After` is
                longer than `max_wait`.
            FilterNotSupported: The API cannot filter as requested.
        """
        rejections = 0
        for attempts in itertools.count(1):
            outcome = self._attempt(request, parse)
            if not isinstance(outcome, _Failure):
                return outcome
            tries, retries = attempts, self._max_retries_for(outcome.rule, request)
            if outcome.rule.action is not Action.RETRY:
                # Counted on their own: a network error does not confirm a rejected credential.
                rejections += 1
                tries = rejections
            if tries > retries:
                raise self._error(request, outcome, attempts) from outcome.cause
            self._wait(request, outcome, tries, retries)
        raise AssertionError  # the last attempt has returned or raised

    def _attempt(self, request: Request, parse: Callable[[bytes], Parsed]) -> Parsed | _Failure:
        """Send a request once and parse the response."""
        response = self._exchange(request)
        if isinstance(response, _Failure):
            return response
        if response.status == requests.codes.ok:
            try:
                return self._parse(response.body, parse)
            except InvalidResponse as error:
                details = Message(str(error))
                return _Failure(INVALID_RESPONSE, details, response.headers, response.body, error)
            except ErrorResponse:
                pass  # the table has rules for status 200
        return self._classify(response)

    def _exchange(self, request: Request) -> _Response | _Failure:
        """Send a request once, within the limits of rate, time and size."""
        try:
            with self.limiter.slot(request.concurrency_key, request.costs):
                return self._send(request)
        except OversizedResponse:
            return _Failure(OVERSIZED, Message(f"{self._max_bytes >> 20} MB"))
        except InvalidResponse as error:
            return _Failure(INVALID_RESPONSE, Message(str(error)), cause=error)
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
            return _Failure(TIMEOUT, Message(type(error).__name__))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            transport.raise_if_permanent(error, self.base_url)
            return _Failure(NO_RESPONSE, Message(transport.describe_error(error, self.base_url)))

    def _classify(self, response: _Response) -> _Failure:
        """Look up an error response in the error table."""
        body = extract_document(response.body) or response.body
        in_api_form = self._is_in_api_form(body)
        rule = self._errors.classify(response.status, body, in_api_form=in_api_form)
        return _Failure(rule, self._message(body), response.headers, body)

    def _is_in_api_form(self, body: bytes) -> bool:
        """Return whether the body of an error response has the API's own form."""
        found = open_object(body)
        return bool(found) and all(name in found for name in self._errors.form)

    def _parse(self, body: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Parse a body, if necessary without the text around its JSON document."""
        try:
            parsed = parse(body)
        except InvalidResponse:
            trimmed = extract_document(body)
            if trimmed is None:
                raise
            parsed = parse(trimmed)
            if not self._has_trimmed:
                self._has_trimmed = True
                self._logger.warning(
                    "Text that is not JSON surrounds a response, such as a byte order mark or a "
                    "notice of PHP. The tap ignores it, here and in other responses: fix the "
                    "server."
                )
        self._has_parsed, self._failures_in_a_row = True, 0
        return parsed

    def _max_retries_for(self, rule: Rule, request: Request) -> int:
        """Return how often a request that met a rule may be repeated."""
        if rule.action is not Action.RETRY:
            return min(rule.recheck, self._max_retries) if self._has_parsed else 0
        if rule.on_exhausted is Action.REDUCE and request.divisible and self._has_parsed:
            return min(rule.divisible_retries, self._max_retries)
        return self._max_retries

    def _error(self, request: Request, failure: _Failure, attempts: int) -> TapError:
        """Create the error of a request without retries left; it stops a run that reaches nothing.

        A single request without a response fails its partition. `MAX_FAILURES` of them in a row
        mean that the API is down.
        """
        rule = failure.rule
        error = rule.error(request.where, failure.message, attempts=attempts)
        error.body = failure.body
        is_silent = rule is NO_RESPONSE or rule is TIMEOUT
        is_foreign = rule is INVALID_RESPONSE and not self._has_parsed
        if not (is_silent or is_foreign):
            return error
        if self._has_parsed and isinstance(error, RequestTooLarge):
            return error
        self._failures_in_a_row += 1
        limit = MAX_FAILURES if self._has_parsed else MAX_FIRST_FAILURES
        if self._failures_in_a_row < limit:
            return error
        note = f"{limit} requests in a row failed like this"
        return TapStopped(error.reason, error.where, note, remedy=error.remedy)

    @property
    def now(self) -> datetime:
        """The time by the server's clock or ours, whichever is behind: for bookmarks.

        Either may be wrong by years. A row before the bookmark is lost if it was not read; a row
        after it is read again.
        """
        return min(self._clocks())

    @property
    def latest(self) -> datetime:
        """The time by the server's clock or ours, whichever is ahead: for filters."""
        return max(self._clocks())

    def _clocks(self) -> list[datetime]:
        servers = server_time(self._date)
        return [datetime.now(timezone.utc), *([] if servers is None else [servers])]

    def find(self, request: Request, parse: Callable[[bytes], Parsed]) -> Parsed | None:
        """Send a request for something that may not exist.

        Returns:
            What `parse` returned; `None` if there is nothing, by the error table.

        Raises:
            TapError: As for `get`.
        """
        try:
            return self.get(request, parse)
        except PartitionForbidden:
            raise
        except PartitionSkipped:
            return None

    def _send(self, request: Request) -> _Response:
        """Send a request once, and read the whole response."""
        session, settings = self._session()
        with self._counting:
            self.requests[request.stream] += 1
        method, url = "GET" if request.body is None else "POST", self.base_url + request.url
        self._logger.debug("%s %s", method, url)
        unprepared = requests.Request(method, url, data=request.body)
        if request.body is not None:
            unprepared.headers = {"Content-Type": "application/json"}
        # Redirects are not followed: they could carry the credential to another host.
        with (
            transport.time_limit(self._total_timeout),
            session.send(
                session.prepare_request(unprepared),
                **settings,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response,
        ):
            body = transport.read_body(response, self._max_bytes)
        self.quota_left = response.headers.get(self._quota_header, self.quota_left)
        self._date = response.headers.get("Date", "")
        self.began = self.began or self.now
        return _Response(response.status_code, response.headers, body)

    def _session(self) -> tuple[requests.Session, Mapping[str, t.Any]]:
        """Open this thread's session, with the proxies and certificates of the environment.

        They are looked up once a thread, not for each request: there is only one host.
        """
        if not hasattr(self._local, "session"):
            session = transport.open_session(self._auth, self._headers)
            settings = session.merge_environment_settings(
                self.base_url, proxies={}, stream=True, verify=None, cert=None
            )
            self._local.session = session, settings
        opened: tuple[requests.Session, Mapping[str, t.Any]] = self._local.session
        return opened

    def _wait(self, request: Request, failure: _Failure, tries: int, retries: int) -> None:
        """Wait before the next attempt: for `Retry-After`, and longer after each attempt."""
        reason = failure.rule.describe(failure.message)
        backoff = min(FIRST_BACKOFF * BACKOFF_FACTOR ** (tries - 1), MAX_BACKOFF)
        wait = backoff * random.uniform(0.5, 1)  # noqa: S311 - spreads the threads, no secret
        requested = retry_after(failure.headers.get("Retry-After"), failure.headers.get("Date"))
        if requested is not None and requested <= MAX_RETRY_AFTER:
            if requested > self._max_wait:
                until = datetime.now(timezone.utc) + timedelta(seconds=requested)
                raise TapStopped(
                    f"{reason}. The API requests a wait until {until:%Y-%m-%d %H:%M:%S} UTC, which "
                    f"is longer than `max_wait` ({self._max_wait:g} s)",
                    request.where,
                    remedy="run again after that, to continue from here",
                )
            wait = max(wait, requested)
            self.limiter.pause(requested)
        self._logger.warning(
            "%s; try %d of %d in %.1f s.",
            TapError(reason, request.where),
            tries + 1,
            retries + 1,
            wait,
        )
        self.limiter.sleep(wait)


def server_time(date: str | None) -> datetime | None:
    """Parse a `Date` header.

    Args:
        date: An HTTP date (RFC 9110, section 5.6.7).

    Returns:
        The time by the server's clock; `None` for anything else.
    """
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return email.utils.parsedate_to_datetime(date or "").astimezone(timezone.utc)
    return None


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Parse a `Retry-After` header.

    Args:
        value: Seconds or an HTTP date (RFC 9110, section 10.2.3). Some vendors document a timestamp
            without its format: a Unix timestamp and ISO 8601 are parsed as well.
        date: The `Date` header of the same response: the server's timestamps go by its own clock.
            Without it the wait is counted from ours.

    Returns:
        Seconds from now, never negative; `None` for anything else.
    """
    if not value:
        return None
    now = server_time(date) or datetime.now(timezone.utc)
    with contextlib.suppress(ValueError):
        seconds = float(value)
        if seconds > EPOCH_SECONDS:
            seconds -= now.timestamp()
        return max(seconds, 0.0) if seconds == seconds else None  # noqa: PLR0124 - no NaN
    for parse in (email.utils.parsedate_to_datetime, dates.parse):
        with contextlib.suppress(ValueError, TypeError):
            when = parse(value)
            if when.tzinfo is None:
                when = when.replace(tzinfo=timezone.utc)
            return max((when - now).total_seconds(), 0.0)
    return None
