"""The cost of a query, computed before it runs: its complexity and the permissions it needs.

The formula is our own; of Centra's it is known that `rateLimits` costs 10, that small lists cost
some 100 to 200, and that nested lists multiply. Here a field costs 1, and a list as much as its
page size times what one of its elements costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    InlineFragmentNode,
    IntValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
)

from commerce_sandbox.centra.lists import USUAL
from commerce_sandbox.centra.schema import permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import (
        GraphQLField,
        GraphQLSchema,
        OperationDefinitionNode,
        SelectionSetNode,
    )
    from graphql.language import FragmentDefinitionNode

LARGEST: Final = 100_000
"""The complexity a query can have at most."""

_ROOT: Final = 10
_LISTED: Final = 3
"""Elements that a list without a page size counts for."""
_INTROSPECTION: Final = 100


class MissingPermission(msgspec.Struct, frozen=True):
    """A permission that the token does not have.

    Attributes:
        field: The name of the field that needs it.
        path: Where the field stands in the response, without the numbers of elements.
        line: The line of the query it is on.
        column: Its column on that line.
    """

    permission: str
    field: str
    path: list[str]
    line: int
    column: int

    def as_error(self) -> dict[str, Any]:
        """Return the error of the API for it."""
        return {
            "message": f"You need {self.permission} permission to access {self.field}.",
            "extensions": {"category": "authorization"},
            "locations": [{"line": self.line, "column": self.column}],
            "path": self.path,
        }


class QueryCost:
    """The cost of an operation.

    Attributes:
        used: The permissions it needs.
        missing: Those of them that the token does not have.
        deprecated: The deprecated fields it names.

    Args:
        operation: The operation, which has been validated.
        fragments: The fragments of the document.
        variables: The values given to its variables.
        granted: The permissions of the token; all if none.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        granted: frozenset[str] | None,
    ) -> None:
        self.used: set[str] = set()
        self.missing: list[MissingPermission] = []
        self.deprecated: set[str] = set()
        self._schema = schema
        self._fragments = fragments
        self._granted = granted
        defaults = {
            one.variable.name.value: one.default_value.value
            for one in operation.variable_definitions or ()
            if isinstance(one.default_value, IntValueNode)
        }
        self._variables: dict[str, Any] = {**defaults, **variables}
        root = schema.get_root_type(operation.operation)
        cost = self._selections(operation.selection_set, root, [])
        names = [getattr(one, "name", None) for one in operation.selection_set.selections]
        only_limits = [name and name.value for name in names] == ["rateLimits"]
        self.complexity = _ROOT if only_limits else _ROOT + cost

    def _selections(self, selected: SelectionSetNode, kind: Any, path: list[str]) -> int:  # noqa: ANN401
        cost = 0
        for one in selected.selections:
            if isinstance(one, FieldNode):
                cost += self._field(one, kind, path)
            elif isinstance(one, FragmentSpreadNode):
                fragment = self._fragments[one.name.value]
                inner = self._schema.type_map[fragment.type_condition.name.value]
                cost += self._selections(fragment.selection_set, inner, path)
            elif isinstance(one, InlineFragmentNode):
                inner = (
                    self._schema.type_map[one.type_condition.name.value]
                    if one.type_condition
                    else kind
                )
                cost += self._selections(one.selection_set, inner, path)
        return cost

    def _field(self, node: FieldNode, kind: Any, path: list[str]) -> int:  # noqa: ANN401
        name = node.name.value
        if name.startswith("__"):
            return 0 if name == "__typename" else _INTROSPECTION
        assert isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType))  # noqa: S101
        field = kind.fields[name]
        here = [*path, node.alias.value if node.alias else name]
        if field.deprecation_reason:
            self.deprecated.add(f"{kind.name}.{name}")
        for permission in permissions(field):
            self._need(permission, node, here)
        if node.selection_set is None:
            return 1
        inner = self._selections(node.selection_set, get_named_type(field.type), here)
        return 1 + self._size(node, field) * inner

    def _size(self, node: FieldNode, field: GraphQLField) -> int:
        """Return how many elements a field counts for."""
        given = {one.name.value: one.value for one in node.arguments or ()}
        for name in ("limit", "first", "last"):
            if name in given:
                value = given[name]
                size = (
                    self._variables.get(value.name.value)
                    if isinstance(value, VariableNode)
                    else getattr(value, "value", None)
                )
                if size is not None:
                    return max(1, int(size))
        if "limit" in field.args or "first" in field.args:
            return USUAL
        listed = isinstance(get_nullable_type(field.type), GraphQLList)
        # The number of edges of a connection is the size of its page.
        return _LISTED if listed and node.name.value != "edges" else 1

    def _need(self, permission: str, node: FieldNode, path: list[str]) -> None:
        self.used.add(permission)
        if self._granted is None or permission in self._granted:
            return
        where = node.loc.start_token if node.loc else None
        line, column = (where.line, where.column) if where else (1, 1)
        self.missing.append(MissingPermission(permission, node.name.value, path, line, column))
