"""The schema that the environment really has, as GraphQL's introspection tells it.

Environments differ by version, and the documentation describes none of them exactly; so the tap
looks once a run, and asks for nothing that is not there. Introspection is open to any valid token
(Centra's documentation, "Schema" and "Authorization").
"""

from __future__ import annotations

import typing as t

import msgspec

from commerce_taps.lazy import cached_property

if t.TYPE_CHECKING:
    from datetime import datetime

SCALARS: t.Final = ("SCALAR", "ENUM")

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


class _Schema(msgspec.Struct, rename="camel"):
    query_type: Named
    types: list[Type]


class _Data(msgspec.Struct):
    schema_: _Schema = msgspec.field(name="__schema")


class LiveSchema:
    """What can be asked for.

    Attributes:
        began: When it was looked at; what changes later is for the next run.
        roots: The fields of a query.
    """

    def __init__(self, data: msgspec.Raw | bytes, began: datetime) -> None:
        """Read the answer to `QUERY`.

        Args:
            data: The value of its `data`.
            began: When that was, by the server's clock.

        Raises:
            msgspec.DecodeError: It is none.
        """
        schema = msgspec.json.decode(data, type=_Data).schema_
        self.began = began
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
        kind = self._types[type_name]
        return [one.name for one in kind.possible_types or ()]

    def inputs(self, argument: Argument) -> dict[str, Argument]:
        """Give the fields of an input type by name.

        Args:
            argument: The argument that is of the type.

        Returns:
            The fields.
        """
        kind = self._types[str(argument.type.inner.name)]
        return {one.name: one for one in kind.input_fields or ()}

    def choices(self, argument: Argument) -> set[str]:
        """Give the values of an enum.

        Args:
            argument: The argument that is of the enum's type.

        Returns:
            The values' names.
        """
        kind = self._types[str(argument.type.inner.name)]
        return {one.name for one in kind.enum_values or ()}
