"""Decodes the envelope of a response's body, and leaves the records inside as raw bytes."""

from __future__ import annotations

import codecs
import json
import re
import typing as t

import msgspec

from commerce_taps.errors import InvalidResponse
from commerce_taps.records.conform import UNREADABLE
from commerce_taps.redact import first_words

Envelope = t.TypeVar("Envelope")

CHUNK: t.Final = 1 << 14
"""Bytes of a body that are checked for UTF-8 at a time. The text of a whole page would not fit in
the processor's cache, and every character would be as wide as its widest."""

NULL: t.Final = msgspec.Raw(b"null")

MAX_DEPTH: t.Final = 100
"""Levels of nesting that stay JSON in a body that is nested too deeply to be decoded."""

_TOKENS: t.Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)
"""The characters that open or close a level, and strings, in which they do not."""

_BLANK: t.Final = r"[\s\ufeff]+|<!--(?s:.*?)-->|<br\s*/?>"
_NOTICE: t.Final = (
    r"(?:<b>)?(?:PHP )?(?:Notice|Warning|Deprecated|Strict Standards|(?:Recoverable f|Catchable f|"
    r"F)atal error|Parse error|Stack trace)(?:</b>)?:|#\d+ |thrown in "
)
"""The beginning of a line that PHP prints into its output."""
_END_OF_NOTICE: t.Final = r"[^\n]*?\bon line (?:<b>)?\d+(?:</b>)?(?=\s*(?:\Z|[\n{\[<\ufeff]))"
_FOREIGN: t.Final = (
    re.compile(rf"{_BLANK}|(?:{_NOTICE})(?:{_END_OF_NOTICE}|[^\n]*)"),
    re.compile(rf"{_BLANK}|(?:{_NOTICE})[^\n]*"),
)
"""Text around a document that does not belong to it. A notice ends after a line number, directly
before the document; or, if the number is part of its text, at the end of its own line."""
_SCANNER: t.Final = json.JSONDecoder(parse_int=str, parse_float=str)

_ESCAPES: t.Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Escapes in JSON. The group is a lone surrogate: one half of a character."""


def open_envelope(body: bytes, envelope: type[Envelope]) -> Envelope:
    """Decode a response's body.

    Args:
        body: The whole body.
        envelope: A msgspec type; its records are `msgspec.Raw`. Texts may stand for its numbers.

    Returns:
        The envelope. The records hold no newline, so each can be written as one line. If the body
        is nested too deeply to be decoded, values below `MAX_DEPTH` levels are texts: their JSON.
        Lone surrogates become U+FFFD.

    Raises:
        InvalidResponse: The body is not the JSON that the envelope describes.
    """
    try:
        # msgspec does not decode the strings inside raw values, so it does not check them either.
        _check_utf8(body)
        try:
            return _decode(body, envelope)
        except (msgspec.DecodeError, RecursionError):
            repaired = _replace_surrogates(_flatten_deep(body))
            if repaired == body:
                raise
            return _decode(repaired, envelope)
    except UNREADABLE as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        msg = f"the response cannot be read ({reason}); it begins with {first_words(body)!r}"
        raise InvalidResponse(msg) from error


def extract_document(body: bytes) -> bytes | None:
    """Extract the one JSON document from a body with foreign text around it.

    Foreign text is text that servers are known to add: byte order marks, blanks, HTML comments, and
    notices of PHP (its manual, "Error Handling: Runtime Configuration", `display_errors`). A body
    with any other text, or with two documents, is ambiguous.

    Args:
        body: The whole body.

    Returns:
        The object or array. `None` if there is not exactly one, or no text around it.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    for foreign in _FOREIGN:
        start = _skip(foreign, text, 0)
        if not text.startswith(("{", "["), start):
            continue
        try:
            _, end = _SCANNER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if _skip(foreign, text, end) == len(text) > end - start:
            return text[start:end].encode()
    return None


def _skip(foreign: re.Pattern[str], text: str, start: int) -> int:
    """Return the end of the foreign text: matched piece by piece, which takes linear time."""
    while piece := foreign.match(text, start):
        start = piece.end()
    return start


def _decode(body: bytes, envelope: type[Envelope]) -> Envelope:
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)
    return msgspec.json.decode(body, type=envelope, strict=False)


def _flatten_deep(body: bytes) -> bytes:
    """Replace each value below `MAX_DEPTH` levels by a text: its JSON."""
    parts, depth, done, opening = [], 0, 0, 0
    for token in _TOKENS.finditer(body):
        if token[0] in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                opening = token.start()
        elif token[0] in b"]}":
            if depth == MAX_DEPTH + 1:
                text = body[opening : token.end()].decode()
                parts += [body[done:opening], msgspec.json.encode(text)]
                done = token.end()
            depth -= 1
    return b"".join([*parts, body[done:]])


def open_object(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    """Decode an object, and leave its values as raw bytes.

    Args:
        raw: A value of any type.

    Returns:
        Its fields; none if it is not an object.
    """
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return {}


def open_list(raw: msgspec.Raw | bytes) -> list[msgspec.Raw]:
    """Decode an array, and leave its items as raw bytes.

    Args:
        raw: A value of any type.

    Returns:
        Its items; none if it is not an array.
    """
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    except UNREADABLE:
        return []


def open_text(raw: msgspec.Raw | bytes) -> str:
    """Decode a text.

    Args:
        raw: A value of any type.

    Returns:
        The text; "" if it is not a text.
    """
    try:
        return msgspec.json.decode(raw, type=str)
    except UNREADABLE:
        return ""


def _replace_surrogates(body: bytes) -> bytes:
    """Replace lone surrogates by U+FFFD."""
    return _ESCAPES.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], body)


def _check_utf8(body: bytes) -> None:
    """Raise `UnicodeDecodeError` if a body is not UTF-8."""
    view, start = memoryview(body), 0
    while start < len(body):
        end = start + CHUNK
        start += codecs.utf_8_decode(view[start:end], "strict", end >= len(body))[1]
