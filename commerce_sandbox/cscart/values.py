"""Values as the store holds them, and their two forms: on the wire, and in truth.

The store is a database behind PHP: what comes out of a column arrives as text, what PHP has
computed as a number or a boolean, and an empty object as `[]`, for PHP has one type of array.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = dict[str, Any]

LANGUAGE: Final = "en"
"""The store's own language."""


class Timestamp(int):
    """A timestamp in unix seconds from a column; 0 for none."""


class NativeTimestamp(Timestamp):
    """A timestamp that PHP returns as a number."""


class Computed(Decimal):
    """Money that PHP has computed: a JSON number."""


class Native(msgspec.Struct, frozen=True):
    """A count, an id or a boolean that PHP returns as such."""

    value: int | bool


class Csv(tuple[int, ...]):
    """Ids in one text, with commas between them."""

    __slots__ = ()


class Php(msgspec.Struct, frozen=True):
    """A value kept as text in PHP's own serialisation."""

    value: Any

    @property
    def text(self) -> str:
        """The text."""
        return serialize(self.value)


class Words(msgspec.Struct, frozen=True):
    """A text in each language of the store, by the language's code."""

    texts: Mapping[str, str]


def serialize(value: Any) -> str:  # noqa: ANN401 (any PHP value)
    """Write a value as PHP's `serialize` does; lengths are counted in bytes."""
    if value is None:
        return "N;"
    if isinstance(value, bool):
        return f"b:{int(value)};"
    if isinstance(value, int):
        return f"i:{value};"
    if isinstance(value, dict):
        inner = "".join(serialize(key) + serialize(one) for key, one in value.items())
        return f"a:{len(value)}:{{{inner}}}"
    text = str(value)
    return f's:{len(text.encode())}:"{text}";'


def serve(value: Any, language: str | None = LANGUAGE) -> Any:  # noqa: ANN401 (any value)
    """Return a value as the API writes it.

    Args:
        language: The language of texts; none gives null for those that are translated.
    """
    return _SERVED[type(value)](value, language)


def neutral(value: Any) -> Any:  # noqa: ANN401 (any value)
    """Return a value as truth has it; see the package."""
    return _NEUTRAL[type(value)](value)


def iso(timestamp: int) -> str | None:
    """Write a timestamp in UTC; none for 0."""
    if not timestamp:
        return None
    return f"{datetime.fromtimestamp(timestamp, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


_SERVED: Final[Mapping[type, Callable[[Any, str | None], Any]]] = {
    type(None): lambda value, _: value,
    str: lambda value, _: value,
    bool: lambda value, _: "Y" if value else "N",
    int: lambda value, _: str(value),
    Decimal: lambda value, _: format(value, "f"),
    Timestamp: lambda value, _: str(int(value)),
    NativeTimestamp: lambda value, _: int(value),
    Computed: lambda value, _: _number(value),
    Native: lambda value, _: value.value,
    Csv: lambda value, _: ",".join(map(str, value)),
    Php: lambda value, _: value.text,
    Words: lambda value, language: value.texts.get(language) if language else None,
    list: lambda value, language: [serve(one, language) for one in value],
    dict: lambda value, language: {name: serve(one, language) for name, one in value.items()} or [],
}
_NEUTRAL: Final[Mapping[type, Callable[[Any], Any]]] = {
    type(None): lambda value: value,
    str: lambda value: value,
    bool: lambda value: value,
    int: lambda value: value,
    Decimal: lambda value: format(value, "f"),
    Timestamp: iso,
    NativeTimestamp: iso,
    Computed: lambda value: format(value, "f"),
    Native: lambda value: value.value,
    Csv: list,
    Php: lambda value: value.text,
    Words: lambda value: value.texts[LANGUAGE],
    list: lambda value: [neutral(one) for one in value],
    dict: lambda value: {name: neutral(one) for name, one in value.items()},
}
