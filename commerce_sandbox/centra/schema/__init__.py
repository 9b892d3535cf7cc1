"""The schema of the GraphQL API: one source for two variants of it.

The `.graphql` files beside this module have the names and types of Centra's public reference, and
three things that a client cannot see: the permission that a type or a field needs (`@needs`), the
only variant that has it (`@only`), and, by omission, that a type has the fields of its interfaces.
This module turns them into ordinary GraphQL.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    Visitor,
    build_ast_schema,
    get_named_type,
    parse,
    print_schema,
    validate_schema,
    visit,
)
from graphql.language import REMOVE, InterfaceTypeDefinitionNode, ObjectTypeDefinitionNode

if TYPE_CHECKING:
    from graphql import GraphQLField, GraphQLSchema
    from graphql.language import DocumentNode, Node

VARIANTS: Final = ("current", "older")
"""The variants: the older one lacks some fields and root fields and has one field more."""

_FILES: Final = sorted(Path(__file__).parent.glob("*.graphql"))
_OURS: Final = {"needs", "only", "Variant"}


@cache
def _document() -> DocumentNode:
    return parse("\n".join(file.read_text("utf-8") for file in _FILES))


def schema(variant: str = VARIANTS[0]) -> GraphQLSchema:
    """Build a variant of the schema. Its fields have no resolvers yet."""
    interfaces = {
        one.name.value: one
        for one in _document().definitions
        if isinstance(one, InterfaceTypeDefinitionNode)
    }
    document = visit(_document(), _Writer(variant, interfaces))
    built = build_ast_schema(document, assume_valid_sdl=True)
    problems = validate_schema(built)
    if problems:
        raise ValueError("\n".join(map(str, problems)))
    return built


def sdl(variant: str = VARIANTS[0]) -> str:
    """Return a variant of the schema as a client would print it."""
    return print_schema(schema(variant))


def permissions(field: GraphQLField) -> tuple[str, ...]:
    """Return the permissions that a field needs: those of its type and its own."""
    nodes = (get_named_type(field.type).ast_node, field.ast_node)
    return tuple(found for node in nodes if (found := _argument(node, "needs")) is not None)


class _Writer(Visitor):
    """Writes ordinary GraphQL of one variant, with inherited fields."""

    def __init__(self, variant: str, interfaces: dict[str, InterfaceTypeDefinitionNode]) -> None:
        super().__init__()
        self._variant = variant.upper()
        self._interfaces = interfaces

    def enter(self, node: Node, *_: object) -> Any:  # noqa: ANN401 (what graphql-core expects)
        """Leave out other variants, and our own directives."""
        name = getattr(getattr(node, "name", None), "value", None)
        definition = node.kind in {"directive_definition", "enum_type_definition"}
        if (definition and name in _OURS) or _argument(node, "only") not in {None, self._variant}:
            return REMOVE
        if not isinstance(node, ObjectTypeDefinitionNode) or not node.interfaces:
            return None
        inherited = {
            field.name.value: field
            for interface in node.interfaces
            for field in self._interfaces[interface.name.value].fields or ()
        }
        fields = inherited | {field.name.value: field for field in node.fields or ()}
        return dataclasses.replace(node, fields=tuple(fields.values()))


def _argument(node: Any, directive: str) -> str | None:  # noqa: ANN401 (nodes of many kinds)
    """Return the argument of one of our directives on a node, if it is there."""
    for one in getattr(node, "directives", None) or ():
        if one.name.value == directive:
            return str(one.arguments[0].value.value)
    return None
