"""The Integration API: GraphQL over HTTP."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from graphql.language import FragmentDefinitionNode
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from commerce_sandbox.centra import survey
from commerce_sandbox.centra.limits import Exceeded, Limits
from commerce_sandbox.centra.resolvers import bind, column
from commerce_sandbox.centra.schema import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLSchema
    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.tokens import Token
    from commerce_sandbox.centra.values import Row

APP_VERSION: Final = "v1.60.0"
_COOKIE: Final = "graphql-access"


class Context(msgspec.Struct, frozen=True):
    """What resolvers know of a request.

    Attributes:
        token: The token it came with.
        limits: The limits it counts for.
    """

    token: Token
    limits: Limits

    def visible(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Give those of a table's rows that the token may see."""
        return self.token.visible(rows)


class Refused(Exception):
    """A request is answered with an error alone.

    Attributes:
        status: The HTTP status.
        errors: The errors.
        headers: The headers besides.
    """

    def __init__(
        self, status: int, *errors: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.status = status
        self.errors = errors
        self.headers = headers or {}


class Question(msgspec.Struct, kw_only=True):
    """The body of a request."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 (the name in GraphQL over HTTP)
    extensions: dict[str, Any] | None = None


class GraphQLApi:
    """Answers queries from the store.

    Args:
        store: The content of the double.
        variant: The variant of the schema, of `schema.VARIANTS`.
        tokens: The tokens it takes.
        limits: The limits it keeps.
    """

    def __init__(
        self, store: Store, variant: str, tokens: dict[str, Token], limits: Limits
    ) -> None:
        self._store = store
        self._variant = variant
        self._tokens = tokens
        self._limits = limits
        self._read = lru_cache(maxsize=256)(self._read_anew)

    @cached_property
    def schema(self) -> GraphQLSchema:
        """The schema, with its resolvers."""
        return bind(schema(self._variant), self._store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            status, headers = 200, {}
            body = self._answer(self._token(request), await self._question(request))
        except ClientDisconnect:
            return
        except Refused as refused:
            status, headers = refused.status, refused.headers
            body = {"errors": refused.errors}
        content = msgspec.json.encode(body)
        response = Response(content, status, headers, media_type="application/json")
        await response(scope, receive, send)

    def _token(self, request: Request) -> Token:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        given = text if scheme == "Bearer" else request.cookies.get(_COOKIE, "")
        token = self._tokens.get(given)
        if token is None:
            raise Refused(401, _error("The access token is missing or unknown.", "authentication"))
        if token.expired:
            raise Refused(401, _error("The access token has expired.", "authentication"))
        return token

    async def _question(self, request: Request) -> Question:
        if request.method != "POST":
            error = _error("Only POST requests are answered.", "request")
            raise Refused(405, error, headers={"allow": "POST"})
        try:
            return msgspec.json.decode(await request.body(), type=Question)
        except msgspec.DecodeError as error:
            raise Refused(400, _error(f"The body cannot be read: {error}", "request")) from error

    def _answer(self, token: Token, question: Question) -> dict[str, Any]:
        self._take(REQUEST_COUNT=1)
        document, errors = self._read(question.query)
        if errors:
            raise Refused(200, *(_located(error) for error in errors))
        operation = get_operation_ast(document, question.operationName)
        if operation is None:
            raise Refused(200, _error("The operation to run must be named.", "graphql"))
        asked = self._survey(document, operation, question, token)
        if asked.lacks:
            raise Refused(200, *(lack.as_error() for lack in asked.lacks))
        if asked.complexity > survey.LARGEST:
            told = f"Query complexity {asked.complexity} exceeds the maximum of {survey.LARGEST}."
            raise Refused(200, _error(told, "complexity"))
        is_mutation = operation.operation.value == "mutation"
        self._take(QUERY_COMPLEXITY=asked.complexity, MUTATION_COUNT=int(is_mutation))
        result = execute_sync(
            self.schema,
            document,
            self._store.tables,
            Context(token, self._limits),
            question.variables,
            question.operationName,
            field_resolver=column,
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer = {"errors": [_located(error) for error in result.errors]} | answer
        answer["extensions"] = {
            "complexity": asked.complexity,
            "permissionsUsed": sorted(asked.used),
            "appVersion": APP_VERSION,
        }
        if asked.deprecated:
            answer["extensions"]["deprecatedFieldsUsed"] = sorted(asked.deprecated)
        return answer

    def _survey(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        question: Question,
        token: Token,
    ) -> survey.Survey:
        fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        variables = question.variables or {}
        return survey.Survey(self.schema, operation, fragments, variables, token.granted)

    def _read_anew(self, query: str) -> tuple[DocumentNode, list[GraphQLError]]:
        try:
            document = parse(query)
        except GraphQLError as error:
            return DocumentNode(definitions=()), [error]
        return document, validate(self.schema, document)

    def _take(self, **amounts: int) -> None:
        try:
            self._limits.take(**amounts)
        except Exceeded as exceeded:
            error = _error("Rate limit exceeded.", "rateLimit")
            headers = {"retry-after": exceeded.retry_after}
            raise Refused(429, error, headers=headers) from exceeded


def _error(message: str, category: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"category": category}}


def _located(error: GraphQLError) -> dict[str, Any]:
    """Give an error of graphql-core as the API writes it."""
    return {**error.formatted, "extensions": {"category": "graphql"}}
