"""A small loader into SQLite: `tap-codat … | python target.py rows.sqlite`.

It prints a state only after it has committed all rows before it. If its input breaks off, it loses
the rows after the last state, as any loader that loads in batches does.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

import msgspec


class Message(msgspec.Struct):
    """The fields of a Singer message that the loader reads."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    key_properties: list[str] = []


def main(path: str) -> int:
    """Load the messages on stdin into a database file. Returns the exit code."""
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
