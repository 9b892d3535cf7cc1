"""Writes Singer messages: the SDK's msgspec writer, whole pages of records, and the state."""

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
"""Records written at a time: put together, they are to fit the processor's cache."""


class OutputLost(SystemExit):
    """Standard output takes no more.

    It is no `Exception`, so that it ends the run from wherever it is written, and the SDK does not
    report it as a fault of the stream.
    """


class _Output(io.FileIO):
    """Standard output, below its buffer."""

    taken = 0

    @override
    def write(self, data: t.Any, /) -> t.Any:
        try:
            count = super().write(data)
        except BrokenPipeError as error:
            raise OutputLost("The program that reads the output has ended.") from error
        except OSError as error:
            raise OutputLost(f"The output cannot be written ({error.strerror}).") from error
        self.taken += count or 0
        return count


def open_output() -> None:
    """Put standard output behind a buffer, and have it end the run where it fails.

    Python gives it none with `PYTHONUNBUFFERED`. Without one, a signal that arrives while the
    reader is slow cuts off the rest of a write, and nobody is told.

    Raises:
        OutputLost: It is closed.
    """
    if sys.stdout is None:
        raise OutputLost("The output cannot be written (it is closed).")
    buffer = getattr(sys.stdout, "buffer", None)
    if isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        raw = _Output(sys.stdout.fileno(), "w", closefd=False)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")


def bytes_written() -> int:
    """Tell how many bytes of the output have been taken."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.taken if isinstance(raw, _Output) else 0


def drop_output() -> None:
    """Forget what is still to be written: at the exit it would fail once more, and say so."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_ESCAPES: t.Final = re.compile(rb"\\(?:(u0000)|.)")


def _without_nul(line: bytes) -> bytes:
    """Put U+FFFD in the place of NUL, which JSON always escapes."""
    if b"\\u0000" not in line:
        return line
    return _ESCAPES.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], line)


class PageWriter(MsgSpecWriter):
    """Writes messages one by one, as the SDK does, and records by the page.

    Attributes:
        replaces_nul: Whether NUL in texts is written as U+FFFD, since PostgreSQL stores none.
    """

    replaces_nul = False

    @override
    def format_message(self, message: Message) -> bytearray:
        """Write a message as a line."""
        line = super().format_message(message)
        return bytearray(_without_nul(bytes(line))) if self.replaces_nul else line

    def write_records(self, lines: Iterable[bytes]) -> None:
        """Write RECORD messages.

        Args:
            lines: Chunks of whole lines, each with its newline.
        """
        out = sys.stdout.buffer
        for line in lines:
            out.write(_without_nul(line) if self.replaces_nul else line)


class PageStateWriter(StateWriter):
    """Writes a state unless it is the last one again, which it tells by the bytes.

    The SDK's keeps and walks copies, which takes a quarter of a run over a thousand partitions.
    """

    _last = b""

    @override
    def write_state(self, state: t.Mapping[str, t.Any]) -> None:
        """Write a STATE message, and all that is waiting to be written before it.

        Args:
            state: The whole state.
        """
        line = b'{"type":"STATE","value":%b}\n' % encode(state)
        if line != self._last:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            self._last = line


class RecordLines:
    """Builds the RECORD lines of one page of one partition."""

    def __init__(self, stream: str, context: Mapping[str, t.Any], extracted: datetime) -> None:
        """Build what surrounds each record.

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
        """Write records as they came, the partition's columns before their own.

        Args:
            records: What `shape.Shape.splice` returned, at least one.

        Returns:
            The lines.
        """
        return self._open + self._between.join(records) + self._after

    def encoded(self, record: Mapping[str, t.Any]) -> bytes:
        """Write one record that was shaped.

        Args:
            record: The whole record.

        Returns:
            The line.
        """
        return self._before + encode(record) + self._after
