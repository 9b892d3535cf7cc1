"""Gets an answer from the API: `Client` makes a request and sees it through."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import random
import threading
import typing as t
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import requests
import urllib3.exceptions

from commerce_taps import transport
from commerce_taps.errors import (
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
from commerce_taps.records.envelope import document, open_object
from commerce_taps.redact import LONGEST_MESSAGE, plain, redact

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from requests.auth import AuthBase

    from commerce_taps.errors import ErrorTable, Rule
    from commerce_taps.rate_limit import RateLimiter
    from commerce_taps.threads import DaemonPool

Parsed = t.TypeVar("Parsed")

FIRST_BACKOFF = 0.5
BACKOFF_FACTOR = 1.5
MAX_BACKOFF = 60.0
"""Back-off: the first wait, its growth and its cap, in seconds."""

MAX_FAILURES = 10
"""Requests in a row, each with all its tries, without an answer: then nothing is reachable."""

MAX_FIRST_FAILURES = 2
"""The same, as long as nothing that was asked could be read: the address is likely a wrong one."""

MAX_RETRY_AFTER = 25 * 3600.0
"""Quotas are refilled daily at the latest: a `Retry-After` beyond that is a slip."""

EPOCH_SECONDS = 1e9
"""A `Retry-After` beyond that is no wait but a moment: a second since 1970."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        path: Path segments below the base address, unquoted.
        params: Query parameters, unquoted; as pairs where a name comes more than once.
        body: A JSON body, which makes it a POST request; a GET request has none.
        stream: The stream it is for; requests are counted by stream.
        context: The partition it is for.
        concurrency_key: Requests of one lane share the vendor's limit on concurrent requests.
        costs: What it takes out of the vendor's token buckets, by their unit.
        divisible: Whether it asks for several rows, so that fewer can be asked for in its place.
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
            PartitionFailed: An id is `.` or `..`, which no quoting keeps from climbing the path.
        """
        if any(part.strip(".") == "" for part in self.path):
            msg = f"an id cannot be part of an address: {'/'.join(self.path)}"
            raise PartitionFailed(msg, self.where)
        # Ids come from the API and may hold any character.
        path = "".join(f"/{quote(part, safe='')}" for part in self.path)
        return f"{path}?{urlencode(self.params, quote_via=quote)}" if self.params else path


def where(stream: str, context: Mapping[str, t.Any] | None) -> str:
    """Name a stream and a partition of it, for messages.

    Args:
        stream: The stream's name.
        context: The partition, if the stream has any.

    Returns:
        For example ``commerce_orders (companyId=…, connectionId=…)``.
    """
    if not context:
        return stream
    return f"{stream} ({', '.join(f'{name}={value}' for name, value in context.items())})"


class Client:
    """Makes requests to one API.

    Attributes:
        began: When the first response came, as `now` has it.
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
        """Keep what every request needs; nothing is sent yet.

        Args:
            base_url: Address of the API, without a slash at its end.
            auth: Adds the credential.
            errors: What to do about which failure.
            headers: Sent with every request.
            message: Finds the API's own words in the body of a failed answer.
            limiter: Paces the requests.
            workers: Make several requests at once.
            logger: Where retries are told.
            timeout: Seconds without a byte after which a request is given up.
            total_timeout: Seconds a whole response may take.
            max_retries: How often a request is repeated.
            max_wait: The longest wait, in seconds, the API may ask for.
            max_bytes: The largest body.
            quota_header: Where the API tells how many requests are left of its quota.
        """
        self.base_url = base_url
        self.requests: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._auth = auth
        self._errors = errors
        self._headers = dict(headers)
        self._message = message
        self.limiter = limiter
        self._workers = workers
        self._logger = logger
        self._timeout = timeout
        self._total_timeout = total_timeout
        self._max_retries = max_retries
        self._max_wait = max_wait
        self._max_bytes = max_bytes
        self._quota_header = quota_header
        self.quota_left: str | None = None
        self._date = ""
        self.began: datetime | None = None
        self._has_parsed = False
        self._has_cut = False
        self._failures_in_a_row = 0
        self._local = threading.local()

    def get(self, request: Request, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Make a request until its answer can be used.

        Args:
            request: What to ask.
            parse: Turns the body into the answer; raises `InvalidResponse` where it cannot, and
                `ErrorResponse` where the body is a refusal in spite of its status.

        Returns:
            What `parse` made of the body.

        Raises:
            PartitionSkipped: Nothing is there, by the error table.
            PartitionFailed: It could not be read, by the error table or after all tries; caused by
                the last `InvalidResponse`, if it was one.
            TapStopped: The run cannot go on, by the error table or because the API asks for a
                longer wait than `max_wait`.
            FilterNotSupported: The API cannot filter as asked.
        """
        doubted = 0
        for tries in itertools.count(1):
            status, headers, body = 0, t.cast("Mapping[str, str]", {}), b""
            cause: InvalidResponse | None = None
            try:
                with self.limiter.slot(request.concurrency_key, request.costs):
                    status, headers, body = self._send(request)
                return self._parse(status, body, parse)
            except ErrorResponse:
                body = document(body) or body
                rule = self._errors.classify(status, body, in_api_form=self._is_in_api_form(body))
                message = self._message(body)
            except OversizedResponse as error:
                rule, message = self._errors.oversized, Message(str(error))
            except InvalidResponse as error:
                rule, message, cause = self._errors.invalid_response, Message(str(error)), error
            except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
                rule, message = self._errors.timeout, Message(type(error).__name__)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                transport.refuse_hopeless(error, self.base_url)
                message = Message(transport.cause(error, self.base_url))
                rule = self._errors.no_response
            # Redacted before it is cut: half a secret would not be known any more.
            message = Message(*(plain(redact(text), LONGEST_MESSAGE) for text in message))
            count, retries = tries, self._max_retries
            if rule.action is not Action.RETRY:
                doubted += 1  # apart from the tries: what went wrong before says nothing of this
                count, retries = doubted, min(rule.recheck, retries) if self._has_parsed else 0
            elif rule.on_exhausted is Action.REDUCE and request.divisible and self._has_parsed:
                retries = min(rule.divisible_retries, retries)
            if count > retries:
                found = rule.error(request.where, message, tries=tries)
                found.body = body
                raise self._escalate(rule, found) from cause
            self._wait(request, rule.describe(message), headers, count, retries)
        raise AssertionError  # the last try has returned or raised

    def _parse(self, status: int, body: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Turn a body into the answer, unless it is a refusal."""
        if status != requests.codes.ok:
            raise ErrorResponse
        try:
            answer = parse(body)
        except InvalidResponse:
            cut = document(body)
            if cut is None:
                raise
            answer = parse(cut)
            if not self._has_cut:
                self._has_cut = True
                self._logger.warning(
                    "Text that is not JSON stands around an answer, such as byte order marks or "
                    "notices of PHP; it is left out, here and wherever else: mend the server."
                )
        self._has_parsed, self._failures_in_a_row = True, 0
        return answer

    def _is_in_api_form(self, body: bytes) -> bool:
        """Tell whether the body of a failed answer has the API's own form."""
        found = open_object(document(body) or body)
        return bool(found) and all(name in found for name in self._errors.form)

    @property
    def now(self) -> datetime:
        """The moment by the server's clock or ours, whichever is behind: for bookmarks.

        Either may be wrong by years. What a bookmark does not pass comes again; what it passes
        without having been read is lost.
        """
        return min(self._clocks())

    @property
    def latest(self) -> datetime:
        """The moment by the server's clock or ours, whichever is ahead: for filters."""
        return max(self._clocks())

    def _clocks(self) -> list[datetime]:
        servers = server_time(self._date)
        return [datetime.now(timezone.utc), *([] if servers is None else [servers])]

    def find(self, request: Request, parse: Callable[[bytes], Parsed]) -> Parsed | None:
        """Make a request for something that may not be there.

        Args:
            request: What to ask.
            parse: As for `get`.

        Returns:
            What `parse` made of the body; `None` if nothing is there, by the error table.

        Raises:
            TapError: As for `get`.
        """
        try:
            return self.get(request, parse)
        except PartitionForbidden:
            raise
        except PartitionSkipped:
            return None

    def run_all(self, works: Iterable[Callable[[], Parsed]]) -> Iterator[Parsed]:
        """Do several things at once. Not for use in what the same workers do.

        Args:
            works: What to do, such as to make a request.

        Yields:
            The results, in order.

        Raises:
            TapError: What the first that fails ended in; later ones may not be done.
        """
        futures = deque(self._workers.submit(work) for work in works)
        try:
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()

    def _escalate(self, rule: Rule, error: TapError) -> TapError:
        """Stop the run instead of one partition where nothing seems to be reachable any more."""
        unreadable = rule is self._errors.invalid_response and not self._has_parsed
        silent = rule in (self._errors.no_response, self._errors.timeout)
        if not (unreadable or silent) or (self._has_parsed and isinstance(error, RequestTooLarge)):
            return error
        self._failures_in_a_row += 1
        enough = MAX_FAILURES if self._has_parsed else MAX_FIRST_FAILURES
        if self._failures_in_a_row < enough:
            return error
        return TapStopped(f"{error.reason} So it was with {enough} requests", error.where)

    def _send(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        """Send once. Returns status, headers and the whole body."""
        session, settings = self._session()
        with self._counting:
            self.requests[request.stream] += 1
        method, url = "GET" if request.body is None else "POST", self.base_url + request.url
        self._logger.debug("%s %s", method, url)
        asked = requests.Request(method, url, data=request.body)
        if request.body is not None:
            asked.headers = {"Content-Type": "application/json"}
        # A redirect is never followed: it could carry the credential to another host.
        with (
            transport.within(self._total_timeout),
            session.send(
                session.prepare_request(asked),
                **settings,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response,
        ):
            body = transport.read(response, self._max_bytes)
        self.quota_left = response.headers.get(self._quota_header, self.quota_left)
        self._date = response.headers.get("Date", "")
        self.began = self.began or self.now
        return response.status_code, response.headers, body

    def _session(self) -> tuple[requests.Session, Mapping[str, t.Any]]:
        """Open this thread's session, with what the environment says of proxies and certificates.

        It is looked up once, not for each request: there is but one host.
        """
        if not hasattr(self._local, "session"):
            session = transport.open_session(self._auth, self._headers)
            settings = session.merge_environment_settings(
                self.base_url, proxies={}, stream=True, verify=None, cert=None
            )
            self._local.session = session, settings
        opened: tuple[requests.Session, Mapping[str, t.Any]] = self._local.session
        return opened

    def _wait(
        self, request: Request, why: str, headers: Mapping[str, str], tries: int, retries: int
    ) -> None:
        """Wait before the next try: as long as the API asks, else longer with each try."""
        backoff = min(FIRST_BACKOFF * BACKOFF_FACTOR ** (tries - 1), MAX_BACKOFF)
        wait = backoff * random.uniform(0.5, 1)  # noqa: S311 - spreads the threads, no secret
        asked = retry_after(headers.get("Retry-After"), headers.get("Date"))
        if asked is not None and asked <= MAX_RETRY_AFTER:
            if asked > self._max_wait:
                until = f"{datetime.now(timezone.utc) + timedelta(seconds=asked):%Y-%m-%d %H:%M:%S}"
                msg = (
                    f"{why}. The API asks to wait until {until} UTC, "
                    f"which is longer than `max_wait` ({self._max_wait:g} s). Run again after "
                    f"that: it goes on from here."
                )
                raise TapStopped(msg, request.where)
            wait = max(wait, asked)
            self.limiter.pause(asked)
        self._logger.warning(
            "%s; try %d of %d in %.1f s.",
            TapError(why, request.where),
            tries + 1,
            retries + 1,
            wait,
        )
        self.limiter.sleep(wait)


def server_time(date: str | None) -> datetime | None:
    """Read a `Date` header.

    Args:
        date: An HTTP date (RFC 9110); anything else counts as absent.

    Returns:
        The moment by the server's clock.
    """
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return email.utils.parsedate_to_datetime(date or "").astimezone(timezone.utc)
    return None


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Read a `Retry-After` header.

    Args:
        value: Seconds, or an HTTP date (RFC 9110); some vendors send the moment itself, as ISO
            8601 or as seconds since 1970. Anything else counts as absent.
        date: The `Date` of the same response: a moment is one of the server's clock, and so is the
            moment it is counted from. Without any it is counted from ours.

    Returns:
        Seconds from now, never negative.
    """
    if not value:
        return None
    now = server_time(date) or datetime.now(timezone.utc)
    with contextlib.suppress(ValueError):
        seconds = float(value)
        if seconds > EPOCH_SECONDS:
            seconds -= now.timestamp()
        return max(seconds, 0.0) if seconds == seconds else None  # noqa: PLR0124 - not a NaN
    for read in (email.utils.parsedate_to_datetime, dates.parse):
        with contextlib.suppress(ValueError, TypeError):
            when = read(value)
            if when.tzinfo is None:
                when = when.replace(tzinfo=timezone.utc)
            return max((when - now).total_seconds(), 0.0)
    return None
