"""Asks the Integration API: one query at a time, inside of the client's rate limits.

Centra's limits are token buckets for requests and for the complexity of queries, each over ten
seconds and over an hour, shared by all integrations of the client (Centra's documentation, "API
rate limits"). What is left of them is asked once a run; what a query costs is told with its answer.
Only queries are sent, never a mutation.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
import typing as t
from collections import Counter

import msgspec
from msgspec import Raw
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import (
    ErrorResponse,
    InvalidResponse,
    PartitionFailed,
    PartitionSkipped,
    TapStopped,
)
from commerce_taps.http import Request
from commerce_taps.rate_limit import TokenBucket
from commerce_taps.records.envelope import open_envelope
from commerce_taps.threads import Once
from tap_centra.integration.errors import ERRORS, api_message, read_errors
from tap_centra.integration.introspection import QUERY, LiveSchema, Look

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from commerce_taps.errors import Message
    from tap_centra.integration.introspection import Field

Data = t.TypeVar("Data")

SHARE: t.Final = 0.95
"""How much of what the client may ask the tap takes at most: the rest is for its neighbours."""

UNITS: t.Final = {"REQUEST_COUNT": "requests", "QUERY_COMPLEXITY": "complexity"}
SECONDS: t.Final = {"TEN_SECONDS": 10.0, "ONE_HOUR": 3600.0}
NO_DATA: t.Final = (b"null", b"[]", b"{}")
RATE_LIMITS: t.Final = "{ rateLimits { type intervalSeconds quota remainingQuota } }"


class Query:
    """A query under construction: its variables, each with the type its argument has."""

    def __init__(self) -> None:
        """Begin without variables."""
        self._types: dict[str, str] = {}
        self.variables: dict[str, t.Any] = {}

    def call(self, field: Field, alias: str, inside: str, **arguments: t.Any) -> str:  # noqa: ANN401
        """Write a field with arguments.

        Args:
            field: The field.
            alias: Its name in the answer.
            inside: What is asked of its value.
            arguments: Values of its arguments; what is `None`, or what it does not know, is
                left out.

        Returns:
            The text, with a variable for each argument.
        """
        given = []
        for name, value in arguments.items():
            if value is not None and name in field.arguments:
                variable = f"{alias}_{name}"
                self._types[variable] = field.arguments[name].type.text
                self.variables[variable] = value
                given.append(f"{name}: ${variable}")
        arguments_given = f"({', '.join(given)})" if given else ""
        return f"{alias}: {field.name}{arguments_given} {{ {inside} }}"

    def text(self, *calls: str) -> str:
        """Write the whole query.

        Args:
            calls: The fields.

        Returns:
            The text.
        """
        declared = ", ".join(f"${name}: {kind}" for name, kind in self._types.items())
        head = f"query({declared})" if declared else "query"
        return f"{head} {{ {' '.join(calls)} }}"


class _RateLimit(msgspec.Struct, rename="camel"):
    type: str
    interval_seconds: str
    quota: float
    remaining_quota: float


class _RateLimits(msgspec.Struct, rename="camel"):
    rate_limits: list[_RateLimit]


class _Extensions(msgspec.Struct):
    complexity: float


class _Answer(msgspec.Struct):
    data: Raw = Raw(b"null")
    errors: t.Any = None
    extensions: Raw = Raw(b"null")

    @property
    def complexity(self) -> float | None:
        """What the query has cost; `None` where that is not told."""
        with contextlib.suppress(msgspec.DecodeError):  # PHP writes an empty object as []
            return msgspec.json.decode(self.extensions, type=_Extensions).complexity
        return None


class IntegrationApi(Api):
    """The Integration API, as one token opens it.

    Attributes:
        complexity: What the queries have cost, by stream.
    """

    errors = ERRORS

    @override
    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.complexity: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._live = Once(self._fetch_schema)
        self._costs: dict[tuple[str, int], float] = {}
        self._exhausted = 0
        self._largest = math.inf  # what a query can have cost

    @override
    @property
    def base_url(self) -> str:
        """Address of the one endpoint."""
        return f"{str(self.config['base_url']).rstrip('/').removesuffix('/graphql')}/graphql"

    @override
    @property
    def auth(self) -> HeaderAuth:
        return HeaderAuth(f"Bearer {self.config['token'].removeprefix('Bearer ')}")

    @override
    def message(self, body: bytes) -> Message:
        return api_message(body)

    @override
    def summarize(self) -> Iterator[str]:
        """Add what the queries have cost."""
        yield from super().summarize()
        if costs := self.complexity:
            listed = ", ".join(f"{name or 'schema'} {cost:,}" for name, cost in costs.most_common())
            yield f"Complexity of the queries: {costs.total():,} in all; {listed}"

    @property
    def live(self) -> LiveSchema:
        """The schema of the environment, fetched once a run.

        Raises:
            TapStopped: It could not be fetched; nothing can be queried without.
        """
        return self._live()

    def _fetch_schema(self) -> LiveSchema:
        """Fetch the schema, and what is left of the limits."""
        try:
            live = LiveSchema(self.post(Look, QUERY), self.client.now, self.client.latest)
            if "rateLimits" in live.roots:
                self._measure()
        except (PartitionFailed, PartitionSkipped) as error:
            msg = f"the schema of the environment is not known: {error.reason}"
            raise TapStopped(msg, remedy=error.remedy) from error
        return live

    def _measure_again(self) -> None:
        """Look up what is left of the limits, if one was reached: others use them, too.

        Centra does not say which it was, and the hour's would be empty for long.
        """
        with self._counting:
            exhausted, self._exhausted = self._exhausted, self.client.limiter.exhausted
        if exhausted != self._exhausted:
            self._measure()

    def _measure(self) -> None:
        """Look up what is left of the limits, and keep inside of them from now on."""
        try:
            limits = self.post(_RateLimits, RATE_LIMITS).rate_limits
        except PartitionFailed as error:
            self.logger.warning(
                "The rate limits are not known, and kept only as far as the API asks to wait: %s",
                error.reason,
            )
            return
        known = [
            limit
            for limit in limits
            if limit.type in UNITS
            and limit.interval_seconds in SECONDS
            and 0 <= limit.remaining_quota <= limit.quota > 0
        ]
        costs = [limit.quota for limit in known if UNITS[limit.type] == "complexity"]
        self._largest = min(costs, default=math.inf)
        self.client.limiter.buckets = [
            TokenBucket(
                UNITS[limit.type],
                limit.quota * SHARE,
                SECONDS[limit.interval_seconds],
                limit.remaining_quota - limit.quota * (1 - SHARE),
            )
            for limit in known
        ]

    def post(
        self,
        kind: type[Data],
        query: str,
        variables: dict[str, t.Any] | None = None,
        *,
        stream: str = "",
        size: int = 0,
    ) -> Data:
        """Ask a query.

        Args:
            kind: The msgspec type of the answer's data.
            query: The query.
            variables: Its variables.
            stream: The stream it is for.
            size: How many rows are asked for: the same query with more rows costs more.

        Returns:
            The data.

        Raises:
            RequestTooLarge: Less of it may be answered.
            TapError: As the error table says.
        """
        data, failure = self.ask(kind, query, variables, stream=stream, size=size)
        if failure is not None:
            raise failure
        return data

    def ask(
        self,
        kind: type[Data],
        query: str,
        variables: dict[str, t.Any] | None = None,
        *,
        stream: str = "",
        size: int = 0,
        divisible: bool = False,
    ) -> tuple[Data, PartitionFailed | None]:
        """Ask a query of which a part may be answered.

        Args:
            kind: As for `post`.
            query: As for `post`.
            variables: As for `post`.
            stream: As for `post`.
            size: As for `post`.
            divisible: Whether fewer rows can be asked for in its place.

        Returns:
            The data, and what was said beside it if it is not all of it.

        Raises:
            TapError: As for `post`; there is no data.
        """
        self._measure_again()
        known = self._costs.get((query, size), 0.0)
        thought = {"requests": 1.0, "complexity": min(known, self._largest)}
        mark = _mark(query, variables or {})
        # An answer has the names that were asked for: so the answer to another query is known.
        marked = query.replace("{", f"{{ {mark}: __typename", 1)
        body = msgspec.json.encode({"query": marked, "variables": variables or {}})

        def data_of(answer: _Answer) -> Data:
            data = bytes(answer.data)
            if data in NO_DATA:
                msg = "the answer has neither data nor errors"
                raise InvalidResponse(msg)
            if b'"%b":' % mark.encode() not in data:
                msg = "the answer is to another question"
                raise InvalidResponse(msg)
            return open_envelope(data, kind)

        def parse(body: bytes) -> Data:
            answer = open_envelope(body, _Answer)
            cost = answer.complexity
            if cost is not None and 0 <= cost <= self._largest:  # or else it is no cost
                self.client.limiter.charge({"complexity": cost - thought["complexity"]})
                with self._counting:
                    self._costs[query, size] = cost
                    self.complexity[stream] += int(cost)
            if read_errors(answer.errors):
                raise ErrorResponse
            return data_of(answer)

        request = Request((), body=body, stream=stream, costs=thought, divisible=divisible)
        try:
            return self.client.get(request, parse), None
        except PartitionFailed as failure:
            with contextlib.suppress(InvalidResponse):
                return data_of(open_envelope(failure.body, _Answer)), failure
            raise


def _mark(query: str, variables: dict[str, t.Any]) -> str:
    """Make a name that no other question has."""
    asked = msgspec.json.encode([query, variables])
    return f"q{hashlib.blake2b(asked, digest_size=8).hexdigest()}"
