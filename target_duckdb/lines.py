"""Reads the input as blocks of whole lines, and recognizes messages."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import threading
import typing as t

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK: t.Final = 1 << 17

RECORD: t.Final = re.compile(
    rb'\s*\{\s*"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*"([^"\\\x00-\x1f]*)"\s*,'
)
"""The beginning of a RECORD as most taps write it. Any other line is decoded as a `Message`."""


ABSENT: t.Final = msgspec.Raw()


class Message(msgspec.Struct):
    """Any Singer message; its larger members stay raw bytes."""

    type: str
    stream: str | None = None
    value: msgspec.Raw = ABSENT
    schema: msgspec.Raw = ABSENT
    key_properties: list[str] | None = None
    version: int | None = None


decode: t.Final = msgspec.json.Decoder(Message).decode


class Block(t.NamedTuple):
    """Lines that were read together.

    Attributes:
        lines: The lines without their ends; none if nothing arrived in time.
        size: Their size in bytes.
        is_whole: Whether the last line has an end.
    """

    lines: list[bytes]
    size: int = 0
    is_whole: bool = True


class Input:
    """The input of a target.

    A signal wakes it while it waits for bytes. So the target stops between two blocks, never inside
    a transaction.
    """

    def __init__(self, file: t.IO[t.Any]) -> None:
        """Wrap a file of text or bytes."""
        self._file = getattr(file, "buffer", file)
        self._number: int | None = None
        if os.name == "posix":  # elsewhere `select` accepts only sockets
            with contextlib.suppress(OSError, AttributeError):
                self._number = self._file.fileno()

    def blocks(
        self, timeout: Callable[[], float | None], stopped: Callable[[], bool]
    ) -> Iterator[Block]:
        """Read to the end, or until a signal.

        Args:
            timeout: Returns the seconds after which to yield a block without lines.
            stopped: Returns whether a signal arrived.

        Yields:
            Blocks of lines; one without lines if no bytes arrived in time.
        """
        parts: list[bytes] = []
        with _wakeup() as wakeup:
            while not stopped():
                if not self._wait(timeout(), wakeup):
                    yield Block([])
                    continue
                if stopped():
                    return
                read = self._read()
                if not read:
                    break
                if b"\n" not in read:
                    parts.append(read)
                    continue
                *lines, rest = b"".join([*parts, read]).split(b"\n")
                size = sum(map(len, parts)) + len(read) - len(rest)
                parts = [rest] if rest else []
                yield Block(lines, size)
        if not stopped() and (rest := b"".join(parts)).strip():
            yield Block([rest], len(rest), is_whole=False)

    def _read(self) -> bytes:
        if self._number is not None:
            return os.read(self._number, BLOCK)
        read = self._file.read(BLOCK)
        return read.encode() if isinstance(read, str) else read or b""

    def _wait(self, seconds: float | None, wakeup: int | None) -> bool:
        """Wait for bytes or a signal. Returns whether any arrived."""
        if self._number is None:
            return True
        files = [self._number] if wakeup is None else [self._number, wakeup]
        return bool(select.select(files, [], [], seconds)[0])


@contextlib.contextmanager
def _wakeup() -> Iterator[int | None]:
    """Write signals to a pipe, whose reading end is yielded."""
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield None
        return
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    before = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    try:
        yield reads
    finally:
        signal.set_wakeup_fd(before)
        os.close(reads)
        os.close(writes)
