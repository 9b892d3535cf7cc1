"""Strict reading of a request's path and parameters.

A client that leaves a character unescaped may get away with it for years, until the first id with a
slash. The fake API does not.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from commerce_sandbox.codat.responses import ApiError

# Characters allowed unescaped by RFC 3986: in a segment of a path; in a value of a query, without
# the characters that structure it.
_SEGMENT: Final = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")
_VALUE: Final = re.compile(rb"(?:[A-Za-z0-9\-._~!$'()*+,;:@/?]|%[0-9A-Fa-f]{2})*")


def read_path(raw: bytes) -> list[str]:
    """Split a path into its decoded segments; `%2F` stays within its segment.

    Raises:
        ApiError: A character is not escaped, the escapes are no UTF-8, or a segment of dots leads
            elsewhere.
    """
    segments = raw.removeprefix(b"/").split(b"/")
    if not {b".", b".."}.isdisjoint(segments):
        raise ApiError(400, "The path climbs.")
    return [_decode(segment, _SEGMENT).decode() for segment in segments]


def read_parameters(raw: bytes, known: frozenset[str]) -> dict[str, str]:
    """Read the parameters of a request.

    Args:
        raw: The query string as it came.

    Raises:
        ApiError: A parameter is unknown, repeated or not escaped.
    """
    parameters: dict[str, str] = {}
    for pair in raw.split(b"&") if raw else ():
        name_raw, equals, value_raw = pair.partition(b"=")
        name = _decode(name_raw, _VALUE).decode()
        if name not in known:
            raise ApiError(400, f"Unknown parameter {name!r}.")
        if name in parameters or not equals:
            raise ApiError(400, f"The parameter {name!r} is not written as name=value, once.")
        _decode(value_raw, _VALUE)
        parameters[name] = unquote_plus(value_raw.decode("ascii"))
    return parameters


def _decode(raw: bytes, allowed: re.Pattern[bytes]) -> bytes:
    if not allowed.fullmatch(raw):
        raise ApiError(400, "A character of the request is not percent-encoded.")
    decoded = unquote_to_bytes(raw)
    try:
        decoded.decode()
    except UnicodeDecodeError as error:
        raise ApiError(400, "The request is not percent-encoded UTF-8.") from error
    return decoded
