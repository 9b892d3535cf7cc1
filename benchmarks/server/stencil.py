"""Rows of a fake API as bytes, with places for the values that make each repetition unique."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def stencil(
    row: Mapping[str, Any], places: Mapping[str, bytes], encode: Callable[[Any], bytes]
) -> bytes:
    """Encode a row with places to fill in.

    Args:
        row: The row.
        places: By column, the JSON to write in place of its value, such as `"%(id)d"`, at every
            depth where the column has the value it has in the row.
        encode: Encodes JSON as the API does.

    Returns:
        The row, to be formatted with `%`.
    """

    def marked(value: Any) -> Any:  # noqa: ANN401 (JSON)
        if isinstance(value, dict):
            return {
                name: f"@{name}@" if name in places and inner == row.get(name) else marked(inner)
                for name, inner in value.items()
            }
        return [marked(one) for one in value] if isinstance(value, list) else value

    text = encode(marked(row)).replace(b"%", b"%%")
    for name, place in places.items():
        text = text.replace(b'"@%b@"' % name.encode(), place)
    return text
