"""Helpers: messages, and a loader with its file, run in this process or as a program."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from target_duckdb.target import TargetDuckDB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def schema(
    properties: Mapping[str, Any], *keys: str, stream: str = "orders", **others: object
) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": shape,
        "key_properties": list(keys),
        **others,
    }


def record(stream: str = "orders", /, **values: object) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": values}


def state(value: object) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def encoded(messages: Sequence[Mapping[str, Any] | str | bytes]) -> bytes:
    lines = [
        message
        if isinstance(message, bytes)
        else (message if isinstance(message, str) else json.dumps(message)).encode()
        for message in messages
    ]
    return b"\n".join([*lines, b""])


@dataclass
class Database:
    """A DuckDB file, and the loader for it."""

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "add_metadata_columns": False} | self.settings

    def load(self, *messages: Mapping[str, Any] | str | bytes, data: bytes | None = None) -> str:
        """Load messages in this process, and return its output."""
        out = io.StringIO()
        with redirect_stdout(out):
            target = TargetDuckDB(config=self.config)
            try:
                target.listen(io.BytesIO(encoded(messages) if data is None else data))  # type: ignore[arg-type]
            finally:
                if target._store is not None:
                    target._store.close()
        return out.getvalue()

    def start(self, limit: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        """Start the loader as a program."""
        config = self.path.with_suffix(".json")
        config.write_text(json.dumps(self.config), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "target_duckdb", "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=limit,  # noqa: PLW1509 (nothing else runs here)
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def rows(self, table: str = "orders") -> list[dict[str, Any]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            found = connection.execute(f"FROM {table} ORDER BY ALL")
            names = [each[0] for each in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def types(self, table: str = "orders") -> dict[str, str]:
        sql = f"SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{table}'"  # noqa: S608
        return dict(self.query(sql))
