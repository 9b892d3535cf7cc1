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

from commerce_sandbox.centra import query_cost
from commerce_sandbox.centra.limits import Exceeded, Limits
from commerce_sandbox.centra.resolvers import Context, bind, column
from commerce_sandbox.centra.schema import schema

if TYPE_CHECKING:
    from graphql import GraphQLSchema
    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.tokens import Token

APP_VERSION: Final = "v1.60.0"
_COOKIE: Final = "graphql-access"


class Refused(Exception):
    """A request whose response is an error alone."""

    def __init__(
        self, status: int, *errors: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.status = status
        self.errors = errors
        self.headers = headers or {}


class GraphQLRequest(msgspec.Struct, kw_only=True):
    """The body of a request."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 (the name in GraphQL over HTTP)
    extensions: dict[str, Any] | None = None


class GraphQLApi:
    """Resolves queries from the store.

    Args:
        store: The content of the fake API.
        variant: The variant of the schema, of `schema.VARIANTS`.
    """

    def __init__(
        self, store: Store, variant: str, tokens: dict[str, Token], limits: Limits
    ) -> None:
        self._store = store
        self._variant = variant
        self._tokens = tokens
        self._limits = limits
        self._read = lru_cache(maxsize=256)(self._parse_query)

    @cached_property
    def schema(self) -> GraphQLSchema:
        """The schema, with its resolvers."""
        return bind(schema(self._variant), self._store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        request = Request(scope, receive)
        try:
            status, headers = 200, {}
            body = self._respond(self._token(request), await self._read_body(request))
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

    async def _read_body(self, request: Request) -> GraphQLRequest:
        if request.method != "POST":
            error = _error("Only POST requests are accepted.", "request")
            raise Refused(405, error, headers={"allow": "POST"})
        try:
            return msgspec.json.decode(await request.body(), type=GraphQLRequest)
        except msgspec.DecodeError as error:
            raise Refused(400, _error(f"The body cannot be read: {error}", "request")) from error

    def _respond(self, token: Token, graphql: GraphQLRequest) -> dict[str, Any]:
        self._take(REQUEST_COUNT=1)
        document, errors = self._read(graphql.query)
        if errors:
            raise Refused(200, *(_located(error) for error in errors))
        operation = get_operation_ast(document, graphql.operationName)
        if operation is None:
            raise Refused(200, _error("The operation to run must be named.", "graphql"))
        cost = self._query_cost(document, operation, graphql, token)
        if cost.missing:
            raise Refused(200, *(permission.as_error() for permission in cost.missing))
        if cost.complexity > query_cost.LARGEST:
            message = (
                f"Query complexity {cost.complexity} exceeds the maximum of {query_cost.LARGEST}."
            )
            raise Refused(200, _error(message, "complexity"))
        is_mutation = operation.operation.value == "mutation"
        self._take(QUERY_COMPLEXITY=cost.complexity, MUTATION_COUNT=int(is_mutation))
        result = execute_sync(
            self.schema,
            document,
            self._store.tables,
            Context(token, self._limits),
            graphql.variables,
            graphql.operationName,
            field_resolver=column,
        )
        response: dict[str, Any] = {"data": result.data}
        if result.errors:
            response = {"errors": [_located(error) for error in result.errors]} | response
        response["extensions"] = {
            "complexity": cost.complexity,
            "permissionsUsed": sorted(cost.used),
            "appVersion": APP_VERSION,
        }
        if cost.deprecated:
            response["extensions"]["deprecatedFieldsUsed"] = sorted(cost.deprecated)
        return response

    def _query_cost(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        graphql: GraphQLRequest,
        token: Token,
    ) -> query_cost.QueryCost:
        fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        variables = graphql.variables or {}
        return query_cost.QueryCost(self.schema, operation, fragments, variables, token.granted)

    def _parse_query(self, query: str) -> tuple[DocumentNode, list[GraphQLError]]:
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
    """Return an error of graphql-core as the API writes it."""
    return {**error.formatted, "extensions": {"category": "graphql"}}
