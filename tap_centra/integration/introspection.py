"""The schema that the environment really has, as GraphQL's introspection tells it.

Environments differ by version, and the documentation describes none of them exactly; so the tap
looks once a run, and asks for nothing that is not there. Introspection is open to any valid token
(Centra's documentation, "Schema" and "Authorization").
"""

from __future__ import annotations

import typing as t
from functools import cached_property

import msgspec

if t.TYPE_CHECKING:
    from datetime import datetime

SCALARS: t.Final = ("SCALAR", "ENUM")
WRAPPERS: t.Final = ("LIST", "NON_NULL")

QUERY: t.Final = """
query {
  __schema {
    queryType { name }
    types {
      kind
      name
      fields(includeDeprecated: true) { name isDeprecated args { ...argument } type { ...type } }
      inputFields { ...argument }
      enumValues { name }
      possibleTypes { name }
    }
  }
}
fragment argument on __InputValue { name defaultValue type { ...type } }
fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
"""


class TypeRef(msgspec.Struct, rename="camel"):
    """A type as a field or an argument has it: a name inside of lists and non-nulls."""

    kind: str = ""
    name: str | None = None
    of_type: TypeRef | None = None

    @property
    def inner(self) -> TypeRef:
        """The type inside of all lists and non-nulls."""
        return self if self.of_type is None else self.of_type.inner

    @property
    def is_list(self) -> bool:
        """Whether there is a list around it."""
        return self.kind == "LIST" or (self.of_type is not None and self.of_type.is_list)

    @property
    def text(self) -> str:
        """The type as it is written in a query, such as `[OrderSort!]`."""
        if self.of_type is None:
            return str(self.name)
        return f"{self.of_type.text}!" if self.kind == "NON_NULL" else f"[{self.of_type.text}]"


class Named(msgspec.Struct):
    """Anything of which only the name matters."""

    name: str


class Argument(msgspec.Struct, rename="camel"):
    """An argument of a field, or a field of an input type."""

    name: str
    type: TypeRef
    default_value: str | None = None

    @property
    def is_required(self) -> bool:
        """Whether it has to be given."""
        return self.type.kind == "NON_NULL" and self.default_value is None


class Field(msgspec.Struct, rename="camel", dict=True):
    """A field of an object."""

    name: str
    type: TypeRef
    args: list[Argument] = []
    is_deprecated: bool = False

    @cached_property
    def arguments(self) -> dict[str, Argument]:
        """The arguments by name."""
        return {argument.name: argument for argument in self.args}

    @property
    def is_scalar(self) -> bool:
        """Whether its value has no fields of its own."""
        return self.type.inner.kind in SCALARS

    @property
    def is_cut(self) -> bool:
        """Whether it is a list of which only so many come, unless more are asked for."""
        limit = self.arguments.get("limit")
        return self.type.is_list and limit is not None and limit.default_value not in {None, "null"}

    def needs_more_than(self, *given: str) -> bool:
        """Tell whether it cannot be asked for with these arguments alone."""
        return any(argument.is_required and argument.name not in given for argument in self.args)


class Type(msgspec.Struct, rename="camel"):
    """A named type."""

    kind: str
    name: str
    fields_: list[Field] | None = msgspec.field(default=None, name="fields")
    input_fields: list[Argument] | None = None
    enum_values: list[Named] | None = None
    possible_types: list[Named] | None = None

    @property
    def is_told(self) -> bool:
        """Whether it says what is in it, as its kind has to."""
        inside: dict[str, t.Any] = {
            "OBJECT": self.fields_,
            "INTERFACE": self.fields_ and self.possible_types is not None,
            "UNION": self.possible_types,
            "ENUM": self.enum_values,
            "INPUT_OBJECT": self.input_fields,
            "SCALAR": True,
        }
        return bool(inside.get(self.kind))


class Schema(msgspec.Struct, rename="camel"):
    """All types, which must be whole: what a damaged list of them lacks is not known to be absent.

    Raises:
        ValueError: It names a type that it does not have, or does not say what is in one. GraphQL
            has a schema do both (GraphQL specification, "Schema Introspection").
    """

    query_type: Named
    types: list[Type]

    def __post_init__(self) -> None:
        """Look for what is missing."""
        names = {one.name for one in self.types}
        used = {self.query_type.name}
        for one in self.types:
            if not one.is_told:
                msg = f"it does not say what is in `{one.name}`"
                raise ValueError(msg)
            fields = one.fields_ or ()
            typed = [*fields, *(arg for field in fields for arg in field.args)]
            inner = [each.type.inner for each in (*typed, *(one.input_fields or ()))]
            # More wrappers than `QUERY` asks for hide the name: such a field is of no use.
            used |= {str(each.name) for each in inner if each.kind not in WRAPPERS}
            used |= {each.name for each in one.possible_types or ()}
        if len(names) < len(self.types) or not used <= names:
            msg = f"it does not have `{min(used - names, default='each type once')}`"
            raise ValueError(msg)


class Look(msgspec.Struct):
    """The data of the answer to `QUERY`."""

    schema_: Schema = msgspec.field(name="__schema")


class LiveSchema:
    """What can be asked for.

    Attributes:
        began: When it was looked at at the earliest, which no bookmark passes.
        until: When that was at the latest: what changes later is for the next run.
        roots: The fields of a query.
    """

    def __init__(self, look: Look, *clocks: datetime) -> None:
        """Read the answer to `QUERY`.

        Args:
            look: Its data.
            clocks: When that was, by each clock there is: one that goes wrong costs no row.
        """
        schema = look.schema_
        self.began, self.until = min(clocks), max(clocks)
        self._types = {one.name: one for one in schema.types}
        self._fields = {
            one.name: {field.name: field for field in one.fields_ or ()} for one in schema.types
        }
        self.roots = self._fields[schema.query_type.name]

    def fields(self, type_name: str) -> dict[str, Field]:
        """Give the fields of an object or interface by name.

        Args:
            type_name: The type's name.

        Returns:
            The fields; none for a union, or for a type that is not there.
        """
        return self._fields.get(type_name, {})

    def implementations(self, type_name: str) -> list[str]:
        """Name the objects an interface or a union may stand for.

        Args:
            type_name: The type's name.

        Returns:
            The names; none for an object.
        """
        kind = self._types.get(type_name)
        return [one.name for one in (kind and kind.possible_types) or ()]

    def inputs(self, argument: Argument) -> dict[str, Argument]:
        """Give the fields of an input type by name.

        Args:
            argument: The argument that is of the type.

        Returns:
            The fields.
        """
        kind = self._types.get(str(argument.type.inner.name))
        return {one.name: one for one in (kind and kind.input_fields) or ()}

    def choices(self, argument: Argument) -> set[str]:
        """Give the values of an enum.

        Args:
            argument: The argument that is of the enum's type.

        Returns:
            The values' names.
        """
        kind = self._types.get(str(argument.type.inner.name))
        return {one.name for one in (kind and kind.enum_values) or ()}
