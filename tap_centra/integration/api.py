"""The Integration API: its address and token, its errors, its rate limits and its schema.

Only queries are sent, never a mutation. Sources are Centra's documentation (pages "Authorization",
"API rate limits") and public code that queries the API. The HTTP status of a rejected query is not
documented, so the error rules go by its text.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
import typing as t
from collections import Counter

import msgspec
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import (
    Action,
    ErrorResponse,
    ErrorTable,
    InvalidResponse,
    Message,
    PartitionFailed,
    PartitionSkipped,
    Rule,
    TapStopped,
)
from commerce_taps.http import Request
from commerce_taps.records.envelope import open_envelope
from commerce_taps.redact import first_words, redact
from commerce_taps.threads import Once
from tap_centra.integration import introspection, rate_limits
from tap_centra.integration.introspection import LiveSchema
from tap_centra.integration.rate_limits import RateLimits
from tap_centra.integration.responses import Envelope, errors_of, parse_errors

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

Data = t.TypeVar("Data")

NO_DATA: t.Final = (b"null", b"[]", b"{}")
"""A response without data, in each form PHP may give it."""

ANY_REFUSAL: t.Final = (200, 400, 401, 403, 422)
RATE_LIMIT_RETRIES: t.Final = 2
"""Retries at a rate limit before the tap requests fewer rows. Each waits for `Retry-After`, after
which a bucket that other integrations emptied is full again."""
RATE_LIMIT: t.Final = "Centra's rate limit is reached"
_RATE_LIMIT_REMEDY: t.Final = (
    "run again later, or reduce the load of other integrations, which share the limit"
)
_TOO_COMPLEX: t.Final = "select fewer columns"
_NEW_CREDENTIAL: t.Final = (
    "create a new token with the same permissions in the admin, System > API Tokens; the secret of "
    "the Order API needs `api: order`"
)
_REPORT: t.Final = "please report it"


class _Errors(ErrorTable):
    """The rules, which apply to the messages and categories of the errors in a response only."""

    @override
    def classify(self, status: int, body: bytes, *, in_api_form: bool = True) -> Rule:
        found = [(error.message, error.category) for error in errors_of(body)]
        text = (msgspec.json.encode(found) if found else body).lower()
        return super().classify(status, text, in_api_form=in_api_form)


ERRORS: t.Final[ErrorTable] = _Errors(
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", body=b'"authorization"'),
    Rule(
        (401, 403),
        Action.STOP,
        "Centra does not accept the token: it has expired or was revoked ({message})",
        _NEW_CREDENTIAL,
        recheck=3,
    ),
    Rule(
        ANY_REFUSAL,
        Action.STOP,
        "Centra does not accept the token: it has expired or was revoked ({message})",
        _NEW_CREDENTIAL,
        body=b'"authentication"',
        recheck=3,
    ),
    Rule(
        (404, 405, 410),
        Action.STOP,
        "there is no Integration API at this address ({message})",
        "set `base_url` to https://<customer>.centra.com",
    ),
    Rule((413,), Action.REDUCE, "the query is too large", _TOO_COMPLEX),
    # One query may cost more than the bucket of ten seconds ever holds.
    Rule(
        (429,),
        Action.RETRY,
        RATE_LIMIT,
        _RATE_LIMIT_REMEDY,
        on_exhausted=Action.REDUCE,
        divisible_retries=RATE_LIMIT_RETRIES,
    ),
    Rule(
        ANY_REFUSAL,
        Action.FAIL,
        "Centra's schema has changed since the run began ({message})",
        "run again",
        body=b"cannot query field",
    ),
    Rule(
        ANY_REFUSAL,
        Action.FAIL,
        "Centra does not know an argument ({message})",
        _REPORT,
        body=b"unknown argument",
    ),
    Rule(
        ANY_REFUSAL,
        Action.RETRY,
        RATE_LIMIT,
        _RATE_LIMIT_REMEDY,
        body=b"rate limit",
        on_exhausted=Action.REDUCE,
        divisible_retries=RATE_LIMIT_RETRIES,
    ),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", _TOO_COMPLEX, body=b"complex"),
    Rule(ANY_REFUSAL, Action.REDUCE, "{message}", _TOO_COMPLEX, body=b"limit"),
    Rule(
        (200,),
        Action.RETRY,
        "Centra has an internal error ({message})",
        "run again later; if it fails again, report it to Centra's support",
        body=b"internal",
    ),
    Rule(ANY_REFUSAL, Action.FAIL, "Centra rejects the query ({message})", _REPORT),
)


class IntegrationApi(Api):
    """The Integration API, as one token opens it.

    Attributes:
        complexity: The cost of the queries so far, by stream.
    """

    errors = ERRORS

    @override
    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.complexity: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._live = Once(self._fetch_schema)
        self._costs: dict[tuple[str, int], float] = {}
        self._exhausted = 0
        self._max_complexity = math.inf

    @override
    @property
    def base_url(self) -> str:
        """Address of the only endpoint."""
        return f"{str(self.config['base_url']).rstrip('/').removesuffix('/graphql')}/graphql"

    @override
    @property
    def auth(self) -> HeaderAuth:
        return HeaderAuth(f"Bearer {self.config['token'].removeprefix('Bearer ')}")

    @override
    def message(self, body: bytes) -> Message:
        """Find Centra's own message in the body of an error response.

        Args:
            body: A GraphQL response with errors, or anything a proxy may have put in its place.

        Returns:
            The messages of all errors, or the first words of the body.
        """
        if errors := errors_of(body):
            messages = dict.fromkeys(error.message.strip().rstrip(".") for error in errors)
            return Message(redact("; ".join(messages))[:400])
        return Message(first_words(body))

    @override
    def summarize(self) -> Iterator[str]:
        yield from super().summarize()
        if costs := self.complexity:
            listed = ", ".join(f"{name or 'schema'} {cost:,}" for name, cost in costs.most_common())
            yield f"Complexity of the queries: {costs.total():,} in all; {listed}"

    @property
    def live(self) -> LiveSchema:
        """The schema of the environment, fetched once a run.

        Raises:
            TapStopped: It could not be fetched; nothing can be queried without it.
        """
        return self._live()

    def _fetch_schema(self) -> LiveSchema:
        """Fetch the schema, and what is left of the rate limits."""
        try:
            data = self.fetch(introspection.Introspection, introspection.QUERY)
            live = LiveSchema(data, self.client.now, self.client.latest)
            if "rateLimits" in live.roots:
                self.refresh_limits()
        except (PartitionFailed, PartitionSkipped) as error:
            reason = f"the schema of the environment is not known: {error.reason}"
            raise TapStopped(reason, remedy=error.remedy) from error
        return live

    def _refresh_exhausted_limits(self) -> None:
        """Fetch what is left of the limits if a request has reached one since the last time.

        Other integrations use them as well, and Centra does not report which limit it was: the
        tap would wait for the hour's to fill up, which takes long.
        """
        with self._lock:
            exhausted, self._exhausted = self._exhausted, self.client.limiter.exhausted
        if exhausted != self._exhausted:
            self.refresh_limits()

    def refresh_limits(self) -> None:
        """Fetch what is left of the rate limits, and pace requests by it from now on."""
        try:
            limits = self.fetch(RateLimits, rate_limits.QUERY)
        except PartitionFailed as error:
            self.logger.warning(
                "The rate limits are not known. The tap only waits when Centra asks for it: %s",
                error.reason,
            )
            return
        self._max_complexity = limits.max_complexity
        self.client.limiter.buckets = limits.token_buckets()

    def fetch(
        self,
        kind: type[Data],
        query: str,
        variables: dict[str, t.Any] | None = None,
        *,
        stream: str = "",
        size: int = 0,
    ) -> Data:
        """Send a query.

        Args:
            kind: The msgspec type of the response's data.
            query: The text of the query.
            variables: The values of its variables.
            stream: The stream that needs it; "" for the API itself.
            size: The number of rows requested. The cost of a query is remembered by its text and
                this number.

        Raises:
            RequestTooLarge: A smaller query may succeed.
            TapError: As the error table decides.
        """
        data, failure = self.fetch_partial(kind, query, variables, stream=stream, size=size)
        if failure is not None:
            raise failure
        return data

    def fetch_partial(
        self,
        kind: type[Data],
        query: str,
        variables: dict[str, t.Any] | None = None,
        *,
        stream: str = "",
        size: int = 0,
        divisible: bool = False,
    ) -> tuple[Data, PartitionFailed | None]:
        """Send a query whose response may hold data beside errors.

        Args:
            kind: As for `fetch`.
            query: As for `fetch`.
            variables: As for `fetch`.
            stream: As for `fetch`.
            size: As for `fetch`.
            divisible: Whether the caller can request fewer rows instead.

        Returns:
            The data, and the failure of the part that is missing, if any.

        Raises:
            TapError: As the error table decides, if there is no data.
        """
        self._refresh_exhausted_limits()
        expected = min(self._costs.get((query, size), 0.0), self._max_complexity)
        token = _token(query, variables or {})
        # A response repeats the aliases of its query: this one shows which query it belongs to.
        marked = query.replace("{", f"{{ {token}: __typename", 1)
        body = msgspec.json.encode({"query": marked, "variables": variables or {}})

        def parse_data(envelope: Envelope) -> Data:
            data = bytes(envelope.data)
            if data in NO_DATA:
                msg = "the response has neither data nor errors"
                raise InvalidResponse(msg)
            if b'"%b":' % token.encode() not in data:
                msg = "the response belongs to another query"
                raise InvalidResponse(msg)
            return open_envelope(data, kind)

        def parse(body: bytes) -> Data:
            envelope = open_envelope(body, Envelope)
            cost = envelope.complexity
            if cost is not None and 0 <= cost <= self._max_complexity:  # no query costs more
                self.client.limiter.charge({"complexity": cost - expected})
                with self._lock:
                    self._costs[query, size] = cost
                    self.complexity[stream] += int(cost)
            if parse_errors(envelope.errors):
                raise ErrorResponse
            return parse_data(envelope)

        costs = {"requests": 1.0, "complexity": expected}
        request = Request((), body=body, stream=stream, costs=costs, divisible=divisible)
        try:
            return self.client.get(request, parse), None
        except PartitionFailed as failure:
            with contextlib.suppress(InvalidResponse):
                return parse_data(open_envelope(failure.body, Envelope)), failure
            raise


def _token(query: str, variables: dict[str, t.Any]) -> str:
    """Build an alias that no other query has."""
    content = msgspec.json.encode([query, variables])
    return f"q{hashlib.blake2b(content, digest_size=8).hexdigest()}"
