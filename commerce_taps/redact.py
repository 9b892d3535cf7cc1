"""Masks secrets in everything that the process logs.

Secrets are the values of settings marked `secret`. They are masked where log records are created,
tracebacks included, so that no handler, formatter or logger that is set up later can leak one.
"""

from __future__ import annotations

import base64
import html
import inspect
import json
import logging
import re
import typing as t
from functools import cache, lru_cache
from urllib.parse import quote, quote_plus

if t.TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
_SHORTEST = 4
"""Shorter texts are not masked: they occur in ordinary words."""
_LONG = 8
"""From this length on, a secret is masked in upper and lower case, and in parts of its base64."""
LONGEST_LINE: t.Final = 8_000
"""Characters after which a log message is cut."""

FIRST_BYTES: t.Final = 50_000
"""Bytes of an unusable response that `first_words` searches for secrets and tags."""
FIRST_WORDS: t.Final = 80
"""Characters of an unusable response that are shown."""

_TAGS: t.Final = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>")

LONGEST_MESSAGE: t.Final = 400
"""Characters of an API's error message that are shown."""

_ESCAPE: t.Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]|\x9b[0-?]*[@-~]"
)
"""Escape sequences for terminals."""


def plain(text: str, most: int = LONGEST_LINE) -> str:
    """Remove escape sequences, control characters, direction marks and line breaks from a text.

    Args:
        text: Any text. Mask secrets before, since this may cut one.
        most: How many characters to keep.
    """
    if not text.isprintable():
        text = _ESCAPE.sub(" ", text)
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if len(text) <= most else f"{text[:most]}…"


_GAP: t.Final = r"[\s\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]{0,4}"
"""Invisible characters and blanks that may stand between two characters of a secret."""


@cache
def _spellings(sign: str) -> str:
    """Write a pattern for all ways to escape a character, even twice."""
    code, named = ord(sign), html.escape(sign)
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    ways = {re.escape(sign), re.escape(json.dumps(sign)[1:-1]), re.escape(repr(sign)[1:-1])}
    if named != sign:
        ways.add(f"(?:&(?:amp;)?{re.escape(named[1:])})")
    ways.add(f"&(?:amp;)?#(?:0*{code}|[xX]0*(?i:{code:x}));")
    ways.add("".join(rf"\\+u(?i:{units[n : n + 4]})" for n in range(0, len(units), 4)))
    ways.add("".join(f"%(?:25)*(?i:{byte:02x})" for byte in sign.encode(errors="replace")))
    if code < 256:  # noqa: PLR2004 - what \\x can write
        ways.add(rf"\\+x(?i:{code:02x})")
    if sign == " ":
        ways.add(r"\+")
    if sign == "/":
        ways.add(r"\\+/")
    return f"(?:{'|'.join(sorted(ways, key=len, reverse=True))})"


def _inside_base64(secret: bytes) -> t.Iterator[str]:
    """Write the parts of a secret's base64 that do not depend on the text around the secret."""
    for shift in range(3):
        packed = base64.b64encode(b"\0" * shift + secret).decode().rstrip("=")
        begin = -(-shift * 8 // 6)
        end = (shift + len(secret)) * 8 // 6
        part = packed[begin:end]
        if len(part) >= _LONG:
            yield part
            yield part.replace("+", "-").replace("/", "_")


@lru_cache(maxsize=8)
def _compiled(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(forms))


class Redactor:
    """Masks secrets in texts, in every known form."""

    def __init__(self) -> None:
        self._forms: list[str] = []

    def add(self, secrets: Iterable[object]) -> None:
        """Add secrets: as they are, escaped, in hex and in base64.

        Args:
            secrets: Values of settings, with all texts inside of lists and objects.
        """
        forms = set(self._forms)
        for text in _texts(secrets):
            scheme, _, credential = text.strip().partition(" ")
            known = {text, text.strip(), credential.strip() if scheme.lower() == "basic" else ""}
            for secret in known:
                if len(secret) < _SHORTEST:
                    continue
                known_bytes = secret.encode(errors="replace")
                packed = base64.b64encode(known_bytes).decode()
                others = {packed, packed.rstrip("="), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
                others |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
                others |= {known_bytes.hex(), *_inside_base64(known_bytes)}
                found = {re.escape(one) for one in others if len(one) >= _SHORTEST}
                gap = _GAP if len(secret) >= _LONG else ""
                found.add(gap.join(map(_spellings, secret)))
                forms |= {f"(?i:{one})" if len(secret) >= _LONG else one for one in found}
        # Longest first: a secret that is part of another must not leave the rest behind.
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Replace each secret in a text with `***`."""
        return _compiled(tuple(self._forms)).sub(MASK, text) if self._forms else text


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, dict):
            yield from _texts(value.values())
        elif isinstance(value, (list, tuple)):
            yield from _texts(value)
        elif value is not None and not isinstance(value, bool):
            yield str(value)


redact = Redactor()
"""The redactor of this process, which runs one tap."""


def first_words(body: bytes, *, tags: bool = True) -> str:
    """Show the beginning of an unusable response.

    Args:
        body: The body, of any kind.
        tags: Whether the tags of a web page are shown.

    Returns:
        At most `FIRST_WORDS` characters on one line. Secrets are masked before anything is cut,
        since half a secret would not be recognized.
    """
    text = redact(body.lstrip()[:FIRST_BYTES].decode(errors="replace"))
    if not tags:
        text = _TAGS.sub(" ", text)
    return " ".join(text.split())[:FIRST_WORDS]


def install() -> None:
    """Mask secrets in all log records from now on. A second call changes nothing."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def factory(*args: t.Any, **kwargs: t.Any) -> logging.LogRecord:  # noqa: ANN401
        record = make(*args, **kwargs)
        try:
            message: str | None = record.getMessage()
        except Exception:  # noqa: BLE001 - a wrong log call in a library must not end the run
            message = None
        clean = plain(redact(f"{record.msg} {record.args}" if message is None else message))
        if record.exc_info:
            # As part of the message, the traceback is masked for every formatter.
            lines = redact(logging.Formatter().formatException(record.exc_info)).split("\n")
            clean = "\n".join([clean, *map(plain, lines)])
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        if clean != message:
            record.msg, record.args = clean, ()
        return record

    factory.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)
    logging.Logger.makeRecord = _with_extra(logging.Logger.makeRecord)  # type: ignore[method-assign]


def _with_extra(make: t.Callable[..., logging.LogRecord]) -> t.Callable[..., logging.LogRecord]:
    """Mask the `extra` of log calls, which record factories do not receive."""
    if getattr(make, "redacts", False):
        return make

    def make_record(*args: t.Any, **kwargs: t.Any) -> logging.LogRecord:  # noqa: ANN401
        names = list(inspect.signature(make).parameters)
        given = dict(zip(names, args, strict=False)) | kwargs
        if given.get("extra"):
            given["extra"] = {name: _redacted(value) for name, value in given["extra"].items()}
        return make(**given)

    make_record.redacts = True  # type: ignore[attr-defined]
    return make_record


def _redacted(value: t.Any) -> t.Any:  # noqa: ANN401 - whatever is logged
    """Mask the texts inside of a value; replace an object if its text contains a secret."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {_redacted(name): _redacted(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_redacted, value)) if type(value) in {list, tuple} else value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    shown = repr(value)
    return value if redact(shown) == shown else redact(shown)
