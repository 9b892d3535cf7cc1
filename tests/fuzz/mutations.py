"""Ways to alter one place of a JSON document, as hostile or careless servers do.

A place is a path of keys and indices. A decoded document cannot hold some changes, such as a key
that occurs twice: a placeholder stands for them until the document is encoded.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

Path = tuple[str | int, ...]

decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

_PLACEHOLDER: Final = "stands in for what no document holds"

VALUES: Final[dict[str, bytes]] = {
    "null": b"null",
    "true": b"true",
    "false": b"false",
    "zero": b"0",
    "one": b"1",
    "negative": b"-1",
    "fraction": b"1.5",
    "empty text": b'""',
    "text": b'"n/a"',
    "number as text": b'"12"',
    "empty list": b"[]",
    "empty object": b"{}",
    "list of null": b"[null]",
    "list of lists": b"[[]]",
    "object of null": b'{"a":null}',
    "huge integer": b"1" + b"0" * 30,
    "endless integer": b"7" * 5000,
    "huge fraction": b"1e400",
    "tiny fraction": b"1e-4000",
    "exponent without measure": b"1e99999999999999999999",
    "long text": b'"' + b"x" * 70_000 + b'"',
    "zero date": b'"0000-00-00 00:00:00"',
    "date before Christ": b'"-0001-11-30T00:00:00+01:00"',
    "last date": b'"9999-12-31T23:59:59.999999-23:59"',
    "date there is not": b'"2024-02-30T00:00:00Z"',
    "date of five digits": b'"10000-01-01T00:00:00Z"',
    "half a character": b'"\\ud800"',
    "NUL": b'"a\\u0000b"',
    "markup": b'"<b>\\u001b[31m\\u202e</b>"',
    "deep list": b"[" * 3000 + b"]" * 3000,
    "deep object": b'{"a":' * 600 + b"1" + b"}" * 600,
}
"""Replacements for a value."""

BODIES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "BOM in front": lambda body: b"\xef\xbb\xbf" + body,
    "two BOMs in front": lambda body: b"\xef\xbb\xbf" * 2 + body,
    "blanks and a BOM in front": lambda body: b"\r\n \xef\xbb\xbf" + body,
    "comment behind": lambda body: body + b"<!-- served in 0.12 s -->",
    "PHP notice in front": lambda body: (
        b"<br />\n<b>Notice</b>: Undefined index: a[0] {x}\n" + body
    ),
    "cut short": lambda body: body[: len(body) * 2 // 3],
    "empty": lambda _: b"",
    "blank": lambda _: b" \n",
    "null": lambda _: b"null",
    "list": lambda _: b"[]",
    "object": lambda _: b"{}",
    "false": lambda _: b"false",
    "text": lambda _: b'"n/a"',
    "web page": lambda _: b"<!doctype html><title>Just a moment...</title>",
    "not UTF-8": lambda body: body.replace(b'"', b'"\xff', 3),
    "twice": lambda body: body + body,
}
"""Changes to a whole body."""

STRUCTURE: Final = (
    "missing",
    "other case",
    "key twice",
    "entry twice",
    "entry gone",
    "unknown key",
)
"""Changes to a key of an object or an entry of a list."""


class Mutation(NamedTuple):
    """One change in one place.

    Attributes:
        kind: The kind of change, such as a key of `VALUES`.
        path: The place; empty for the whole body.
    """

    kind: str
    path: Path = ()

    @override
    def __str__(self) -> str:
        return f"{self.kind} at {'.'.join(map(str, self.path)) or 'the whole body'}"

    def apply(self, body: bytes) -> bytes:
        """Return the altered body.

        Args:
            body: A JSON document that has the path.
        """
        if not self.path:
            return BODIES[self.kind](body)
        document = decode(body)
        *above, last = self.path
        parent = document
        for step in above:
            parent = parent[step]
        value, raw = parent[last], b""
        if self.kind in VALUES:
            parent[last], raw = _PLACEHOLDER, VALUES[self.kind]
        elif self.kind in ("missing", "entry gone"):
            del parent[last]
        elif self.kind == "entry twice":
            parent.insert(last, value)
        elif self.kind == "other case":
            renamed = {k.upper() if k == last else k: v for k, v in parent.items()}
            parent.clear()
            parent.update(renamed)
        elif self.kind == "unknown key":
            parent['unheard-of "field"'] = {"a": [1, None]}
        else:
            parent[last] = _PLACEHOLDER
            raw = b"null,%b:%b" % (_encode(last), _encode(value))
        return _encode(document).replace(_encode(_PLACEHOLDER), raw)


def places(body: bytes) -> dict[str, list[Path]]:
    """List the places of a document, grouped by template.

    Args:
        body: A JSON document.

    Returns:
        Paths by template: the path with `*` for each index and id.
    """
    found: dict[str, list[Path]] = {}
    for path in _walk(decode(body), ()):
        template = ".".join("*" if is_index(step) else str(step) for step in path)
        found.setdefault(template, []).append(path)
    return found


def is_index(step: str | int) -> bool:
    return isinstance(step, int) or bool(re.fullmatch(r"\d+|[0-9a-f-]{30,}", step))


def _walk(value: Any, path: Path) -> Iterator[Path]:  # noqa: ANN401 (JSON)
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, inner in items:
        yield (*path, step)
        yield from _walk(inner, (*path, step))


def kinds_for(path: Path) -> tuple[str, ...]:
    """List the kinds of mutations that a place allows."""
    if not path:
        return tuple(BODIES)
    entry = isinstance(path[-1], int)
    structure = [kind for kind in STRUCTURE if ("entry" in kind) == entry]
    return (*VALUES, *structure)


def draw(random: Random, body: bytes) -> Mutation:
    """Draw a mutation, near the root as often as within a record.

    Args:
        random: The source of chance.
        body: The document to alter.
    """
    try:
        by_template = places(body)
    except msgspec.DecodeError:
        by_template = {}
    if not by_template or random.random() < 0.1:
        return Mutation(random.choice(list(BODIES)))
    shallow = [template for template in by_template if template.count(".") < 2]
    chosen = random.choice(shallow if random.random() < 0.4 else list(by_template))
    path = random.choice(by_template[chosen])
    return Mutation(random.choice(kinds_for(path)), path)
