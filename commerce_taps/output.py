"""Writes Singer messages: single ones as the SDK does, records by the page, and the state."""

from __future__ import annotations

import io
import os
import re
import sys
import typing as t

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers._state import StateWriter
from typing_extensions import override

from commerce_taps.records.conform import encode

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from singer_sdk.singerlib import Message


RECORDS_PER_WRITE: t.Final = 100
"""Records per write: small enough for the cache of the processor."""


class OutputLost(SystemExit):
    """Standard output cannot be written any more.

    This is no `Exception`, so that it ends the run from any place, and the SDK does not report it
    as an error of the stream.
    """


class _Output(io.FileIO):
    """Standard output below its buffer. It counts the bytes that the system has accepted."""

    written = 0

    @override
    def write(self, data: t.Any, /) -> t.Any:
        try:
            count = super().write(data)
        except BrokenPipeError as error:
            raise OutputLost("The program that reads the output has ended.") from error
        except OSError as error:
            raise OutputLost(f"The output cannot be written ({error.strerror}).") from error
        self.written += count or 0
        return count


def open_output() -> None:
    """Give standard output a buffer, and let an error of it end the run.

    With `PYTHONUNBUFFERED` Python does not give it one. Then a signal that arrives while the reader
    is slow silently cuts off the rest of a write.

    Raises:
        OutputLost: Standard output is closed.
    """
    if sys.stdout is None:
        raise OutputLost("The output cannot be written (it is closed).")
    buffer = getattr(sys.stdout, "buffer", None)
    if isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        raw = _Output(sys.stdout.fileno(), "w", closefd=False)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")


def bytes_written() -> int:
    """Return how many bytes of the output the system has accepted."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.written if isinstance(raw, _Output) else 0


def drop_output() -> None:
    """Discard the rest of the buffer, which would fail again when Python exits."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_ESCAPES: t.Final = re.compile(rb"\\(?:(u0000)|.)")


def _without_nul(line: bytes) -> bytes:
    """Replace NUL, which JSON always escapes, with U+FFFD."""
    if b"\\u0000" not in line:
        return line
    return _ESCAPES.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], line)


class PageWriter(MsgSpecWriter):
    """Writes single messages as the SDK does, and records by the page.

    Attributes:
        replaces_nul: Whether it writes NUL as U+FFFD, since PostgreSQL cannot store NUL.
    """

    replaces_nul = False

    @override
    def format_message(self, message: Message) -> bytearray:
        line = super().format_message(message)
        return bytearray(_without_nul(bytes(line))) if self.replaces_nul else line

    def write_records(self, lines: Iterable[bytes]) -> None:
        """Write RECORD messages, given as chunks of complete lines."""
        out = sys.stdout.buffer
        for line in lines:
            out.write(_without_nul(line) if self.replaces_nul else line)


class PageStateWriter(StateWriter):
    """Writes a state unless its bytes are those of the last one.

    The writer of the SDK compares deep copies, which takes a quarter of a run over a thousand
    partitions.
    """

    _last = b""

    @override
    def write_state(self, state: t.Mapping[str, t.Any]) -> None:
        """Write a STATE message, and flush all messages before it."""
        line = b'{"type":"STATE","value":%b}\n' % encode(state)
        if line != self._last:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            self._last = line


class RecordLines:
    """Builds the RECORD lines of one page of one partition."""

    def __init__(self, stream: str, context: Mapping[str, t.Any], extracted: datetime) -> None:
        """Encode the parts that all lines of the page share.

        Args:
            stream: The stream's name.
            context: The partition's columns.
            extracted: When the page was read.
        """
        columns = b"".join(b"%b:%b," % (encode(k), encode(v)) for k, v in context.items())
        self._before = b'{"type":"RECORD","stream":%b,"record":' % encode(stream)
        self._open = self._before + b"{" + columns
        self._after = b',"time_extracted":%b}\n' % encode(extracted)
        self._between = self._after + self._open

    def spliced(self, records: Iterable[bytes | memoryview]) -> bytes:
        """Insert the partition's columns into encoded records.

        Args:
            records: At least one record without its opening brace, as `Shape.splice` returns.
        """
        return self._open + self._between.join(records) + self._after

    def encoded(self, record: Mapping[str, t.Any]) -> bytes:
        """Encode one record as a line."""
        return self._before + encode(record) + self._after
