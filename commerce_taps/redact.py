"""Keeps secrets out of everything the process prints.

Secrets are the values of the settings marked `secret`. They are replaced where log records are
made, so that no handler, formatter or logger that is set up later can let one through, and in
the traceback of an error nobody foresaw.
"""

from __future__ import annotations

import base64
import json
import logging
import typing as t
from urllib.parse import quote, quote_plus

if t.TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
_SHORTEST = 4
"""A shorter secret would tear ordinary words apart, and is none."""


class Redactor:
    """Replaces every known form of every known secret in a text."""

    def __init__(self) -> None:
        """Start with no secrets."""
        self._forms: list[str] = []

    def add(self, secrets: Iterable[object]) -> None:
        """Learn secrets: as they are, encoded for a URL, in base64, as Python and JSON show them.

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
                plain = base64.b64encode(secret.encode()).decode()
                forms |= {secret, plain, plain.rstrip("="), repr(secret)[1:-1]}
                forms |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
                forms |= {json.dumps(secret, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False)}
        # Longest first: a secret that is part of another must not leave the rest behind.
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Mask the secrets in a text.

        Args:
            text: Any text.

        Returns:
            The text with each secret replaced by `***`.
        """
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


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
        clean = redact(f"{record.msg} {record.args}" if message is None else message)
        if record.exc_info:
            # A formatter of the user's may print an exception in its own way: as text in the
            # message it is redacted whatever the formatter.
            clean += "\n" + redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        if clean != message:
            record.msg, record.args = clean, ()
        return record

    factory.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)
