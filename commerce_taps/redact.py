"""Keeps secrets out of everything the process prints.

Secrets are the values of the settings marked `secret`. They are replaced where log records are
made, so that no handler, formatter or logger that is set up later can let one through, and in
the traceback of an error nobody foresaw.
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
"""A shorter secret would tear ordinary words apart, and is none."""
_LONG = 8
"""From here on a secret is known in any case of its letters, and by parts of its base64."""
LONGEST_LINE: t.Final = 8_000
"""Characters of a log message; what goes on is cut."""

FIRST_BYTES: t.Final = 50_000
"""Bytes of an unusable response that `first_words` searches for secrets and tags."""
FIRST_WORDS: t.Final = 80
"""Characters of an unusable response that are shown."""

_TAGS: t.Final = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>")

LONGEST_MESSAGE: t.Final = 400
"""Characters of what an API says that are shown."""

_ESCAPE: t.Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]|\x9b[0-?]*[@-~]"
)
"""What makes a terminal do something."""


def plain(text: str, most: int = LONGEST_LINE) -> str:
    """Make a text safe to be shown on one line, whoever wrote it.

    Args:
        text: Any text, redacted: half a secret would not be known any more.
        most: How many characters stay.

    Returns:
        The text without escapes, control characters, marks of direction and line breaks.
    """
    if not text.isprintable():
        text = _ESCAPE.sub(" ", text)
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if len(text) <= most else f"{text[:most]}…"


_GAP: t.Final = r"[\s\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]{0,4}"
"""What may stand between two characters of a secret and is not seen, or is shown as a blank."""


@cache
def _spellings(sign: str) -> str:
    """Write the pattern of a character in every way it may be escaped, even twice."""
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
    """Write the part of a secret's base64 that is the same whatever stands around the secret."""
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
    """Replaces every known form of every known secret in a text."""

    def __init__(self) -> None:
        """Start with no secrets."""
        self._forms: list[str] = []

    def add(self, secrets: Iterable[object]) -> None:
        """Learn secrets: as they are and however they are escaped, in hex and in base64.

        Args:
            secrets: Setting values; of lists and objects, every text inside counts.
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
        """Mask the secrets in a text.

        Args:
            text: Any text.

        Returns:
            The text with each secret replaced by `***`.
        """
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
"""The process's redactor: a process runs one tap."""


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
    """Make every log record pass the redactor from now on. Calling it again changes nothing."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def factory(*args: t.Any, **kwargs: t.Any) -> logging.LogRecord:  # noqa: ANN401
        record = make(*args, **kwargs)
        try:
            message: str | None = record.getMessage()
        except Exception:  # noqa: BLE001 - a slip in a library's log call must not end the run
            message = None
        clean = plain(redact(f"{record.msg} {record.args}" if message is None else message))
        if record.exc_info:
            # A formatter of the user's may print an exception in its own way: as text in the
            # message it is redacted whatever the formatter.
            told = redact(logging.Formatter().formatException(record.exc_info))
            clean = "\n".join([clean, *(plain(line) for line in told.split("\n"))])
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
    """Redact what a log call gives along as `extra`, which no factory sees."""
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
    """Redact the texts inside of a value; what is no JSON only if its text has a secret."""
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
