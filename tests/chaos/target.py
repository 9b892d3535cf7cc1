"""A small loader: rows into SQLite by key, as `tap-codat … | python target.py rows.sqlite`.

A state is printed once all rows before it are safe, and not before; what comes after the last state
of an input that breaks off is lost, as with any loader that loads in batches.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

import msgspec


class Message(msgspec.Struct):
    """A Singer message, as far as it matters here."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    key_properties: list[str] = []


def main(path: str) -> int:
    """Load what comes in."""
    decode, keys = msgspec.json.Decoder(Message).decode, dict[str, list[str]]()
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE IF NOT EXISTS rows (stream, key, row, PRIMARY KEY (stream, key))"
    )
    for line in sys.stdin.buffer:
        if not line.endswith(b"\n"):
            sys.stderr.write("the input ends in half a line\n")
            return 1
        message = decode(line)
        if message.type == "SCHEMA":
            keys[message.stream] = message.key_properties
        elif message.type == "RECORD":
            record: dict[str, Any] = msgspec.json.decode(message.record)
            key = msgspec.json.encode([record[name] for name in keys[message.stream]])
            row = (message.stream, key, bytes(message.record))
            database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", row)
        elif message.type == "STATE":
            database.commit()
            sys.stdout.buffer.write(bytes(message.value) + b"\n")
            sys.stdout.buffer.flush()
    database.commit()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
