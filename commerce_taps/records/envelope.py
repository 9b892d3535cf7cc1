"""Opens an answer's body: the envelope decoded, the records inside left as raw bytes."""

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
"""Bytes decoded at a time to be checked: the text of a whole page would not fit the processor's
cache, and be as wide as its widest character."""

NULL: t.Final = msgspec.Raw(b"null")

DEEPEST: t.Final = 100
"""Levels of nesting that stay JSON where a body has more than can be decoded."""

_MARKS: t.Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)
"""Whatever opens or closes a level, and the strings in which it would not."""

_BLANK: t.Final = r"[\s\ufeff]+|<!--(?s:.*?)-->|<br\s*/?>"
_NOTICE: t.Final = (
    r"(?:<b>)?(?:PHP )?(?:Notice|Warning|Deprecated|Strict Standards|(?:Recoverable f|Catchable f|"
    r"F)atal error|Parse error|Stack trace)(?:</b>)?:|#\d+ |thrown in "
)
"""How a line begins that PHP prints into its output."""
_LAST_WORDS: t.Final = r"[^\n]*?\bon line (?:<b>)?\d+(?:</b>)?(?=\s*(?:\Z|[\n{\[<\ufeff]))"
_FOREIGN: t.Final = (
    re.compile(rf"{_BLANK}|(?:{_NOTICE})(?:{_LAST_WORDS}|[^\n]*)"),
    re.compile(rf"{_BLANK}|(?:{_NOTICE})[^\n]*"),
)
"""What may stand around a document and is none of it. A notice ends after the number of a line,
with the document right behind it; or, where that is a part of what it says, with its own line."""
_SCANNER: t.Final = json.JSONDecoder(parse_int=str, parse_float=str)


_ESCAPES: t.Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Escapes in JSON; the group is half of a character that lacks the other one."""


def open_envelope(body: bytes, envelope: type[Envelope]) -> Envelope:
    """Decode an answer's body.

    Args:
        body: The whole body.
        envelope: A msgspec type; records in it are `msgspec.Raw`. Its numbers may come as texts.

    Returns:
        The envelope. Records inside hold no newline, so each can be written as one line. In a
        body that is nested too deeply to be decoded, what lies below `DEEPEST` levels is a text:
        its own JSON. Half of a character (a lone surrogate), which is no text, is U+FFFD.

    Raises:
        InvalidResponse: The body is not the JSON the envelope describes.
    """
    try:
        # Strings in nested values are never decoded one by one.
        _check_utf8(body)
        try:
            return _decode(body, envelope)
        except (msgspec.DecodeError, RecursionError):
            mended = _whole(_shallow(body))
            if mended == body:
                raise
            return _decode(mended, envelope)
    except UNREADABLE as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        msg = f"the answer cannot be read ({reason}); it begins with {first_words(body)!r}"
        raise InvalidResponse(msg) from error


def document(body: bytes) -> bytes | None:
    """Find the one whole JSON document in an answer that holds other text around it.

    Other text is what servers are known to add: byte order marks, blanks, comments of HTML, and
    notices of PHP (its manual, "Error Handling: Runtime Configuration", `display_errors`). With
    anything else around it, or two documents, there is no telling what the answer is.

    Args:
        body: The whole body.

    Returns:
        The object or array; `None` if there is not exactly one, or if nothing stands around it.
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


def _skip(foreign: re.Pattern[str], text: str, place: int) -> int:
    """Pass over what is foreign, piece by piece, so that no text takes long. Returns its end."""
    while piece := foreign.match(text, place):
        place = piece.end()
    return place


def _decode(body: bytes, envelope: type[Envelope]) -> Envelope:
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)
    return msgspec.json.decode(body, type=envelope, strict=False)


def _shallow(body: bytes) -> bytes:
    """Write what is nested too deeply as the text of its JSON."""
    parts, depth, done, opening = [], 0, 0, 0
    for mark in _MARKS.finditer(body):
        if mark[0] in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                opening = mark.start()
        elif mark[0] in b"]}":
            if depth == DEEPEST + 1:
                text = body[opening : mark.end()].decode()
                parts += [body[done:opening], msgspec.json.encode(text)]
                done = mark.end()
            depth -= 1
    return b"".join([*parts, body[done:]])


def open_object(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    """Take an object apart.

    Args:
        raw: A value of any type.

    Returns:
        Its fields, none of them decoded; nothing where it is no object.
    """
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return {}


def open_list(raw: msgspec.Raw | bytes) -> list[msgspec.Raw]:
    """Take a list apart.

    Args:
        raw: A value of any type.

    Returns:
        Its items, none of them decoded; nothing where it is no list.
    """
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    except UNREADABLE:
        return []


def open_text(raw: msgspec.Raw | bytes) -> str:
    """Read a text.

    Args:
        raw: A value of any type.

    Returns:
        The text; "" where it is none.
    """
    try:
        return msgspec.json.decode(raw, type=str)
    except UNREADABLE:
        return ""


def _whole(body: bytes) -> bytes:
    """Write U+FFFD for half of a character."""
    return _ESCAPES.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], body)


def _check_utf8(body: bytes) -> None:
    """Raise `UnicodeDecodeError` if a body is not UTF-8."""
    view, start = memoryview(body), 0
    while start < len(body):
        end = start + CHUNK
        start += codecs.utf_8_decode(view[start:end], "strict", end >= len(body))[1]
