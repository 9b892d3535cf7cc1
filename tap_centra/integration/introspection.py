"""The schema of the environment, fetched by GraphQL introspection.

Environments differ by version, and the documentation describes none of them exactly. So the tap
fetches the schema once a run, and requests nothing that is not in it. Any valid token may do so
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
    """The type of a field or an argument: a name inside of lists and non-nulls."""

    kind: str = ""
    name: str | None = None
    of_type: TypeRef | None = None

    @property
    def inner(self) -> TypeRef:
        """The type inside of all lists and non-nulls."""
        return self if self.of_type is None else self.of_type.inner

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return self.kind == "LIST" or (self.of_type is not None and self.of_type.is_list)

    @property
    def text(self) -> str:
        """The type as a query writes it, such as `[OrderSort!]`."""
        if self.of_type is None:
            return str(self.name)
        return f"{self.of_type.text}!" if self.kind == "NON_NULL" else f"[{self.of_type.text}]"


class Named(msgspec.Struct):
    """A reference by name: a possible type, or a value of an enum."""

    name: str


class Argument(msgspec.Struct, rename="camel"):
    """An argument of a field, or a field of an input type."""

    name: str
    type: TypeRef
    default_value: str | None = None

    @property
    def is_required(self) -> bool:
        """Whether a query must set it."""
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
    def has_default_limit(self) -> bool:
        """Whether it is a list that returns a limited number of entries by default."""
        limit = self.arguments.get("limit")
        return self.type.is_list and limit is not None and limit.default_value not in {None, "null"}

    def requires_more_than(self, *given: str) -> bool:
        """Return whether a query must set other arguments than these."""
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
    def is_complete(self) -> bool:
        """Whether it lists its contents, as its kind requires."""
        contents: dict[str, t.Any] = {
            "OBJECT": self.fields_,
            "INTERFACE": self.fields_ and self.possible_types is not None,
            "UNION": self.possible_types,
            "ENUM": self.enum_values,
            "INPUT_OBJECT": self.input_fields,
            "SCALAR": True,
        }
        return bool(contents.get(self.kind))


class Schema(msgspec.Struct, rename="camel"):
    """All types. They must be complete: a field that a damaged schema lacks may well exist.

    Raises:
        ValueError: A type is named and not defined, or is defined without its contents, against
            the GraphQL specification ("Schema Introspection").
    """

    query_type: Named
    types: list[Type]

    def __post_init__(self) -> None:
        """Check that it is complete."""
        defined = {one.name for one in self.types}
        used = {self.query_type.name}
        for one in self.types:
            if not one.is_complete:
                msg = f"it does not say what is in `{one.name}`"
                raise ValueError(msg)
            fields = one.fields_ or ()
            typed = [*fields, *(arg for field in fields for arg in field.args)]
            inner = [each.type.inner for each in (*typed, *(one.input_fields or ()))]
            # More wrappers than `QUERY` requests hide the name. Such a field cannot be read.
            used |= {str(each.name) for each in inner if each.kind not in WRAPPERS}
            used |= {each.name for each in one.possible_types or ()}
        if len(defined) < len(self.types) or not used <= defined:
            msg = f"it does not have `{min(used - defined, default='each type once')}`"
            raise ValueError(msg)


class Introspection(msgspec.Struct):
    """The data of the response to `QUERY`."""

    schema_: Schema = msgspec.field(name="__schema")


class LiveSchema:
    """The types and fields of the environment.

    Attributes:
        earliest: The time it was fetched, by the slowest clock. No bookmark passes it.
        latest: The time it was fetched, by the fastest clock. Later changes are for the next run.
        roots: The root fields of a query.
    """

    def __init__(self, data: Introspection, *clocks: datetime) -> None:
        """Index the types.

        Args:
            data: The data of the response to `QUERY`.
            clocks: The time of the response by each clock there is, so that a wrong one costs no
                row.
        """
        schema = data.schema_
        self.earliest, self.latest = min(clocks), max(clocks)
        self._types = {one.name: one for one in schema.types}
        self._fields = {
            one.name: {field.name: field for field in one.fields_ or ()} for one in schema.types
        }
        self.roots = self._fields[schema.query_type.name]

    def fields(self, type_name: str) -> dict[str, Field]:
        """Return the fields of an object or interface; none for a union or an unknown type."""
        return self._fields.get(type_name, {})

    def implementations(self, type_name: str) -> list[str]:
        """List the objects an interface or a union may stand for; none for an object."""
        found = self._types.get(type_name)
        return [one.name for one in (found and found.possible_types) or ()]

    def inputs(self, argument: Argument) -> dict[str, Argument]:
        """Return the fields of an argument's input type."""
        found = self._types.get(str(argument.type.inner.name))
        return {one.name: one for one in (found and found.input_fields) or ()}

    def choices(self, argument: Argument) -> set[str]:
        """List the values of an argument's enum."""
        found = self._types.get(str(argument.type.inner.name))
        return {one.name for one in (found and found.enum_values) or ()}
