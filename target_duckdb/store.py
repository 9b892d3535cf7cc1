"""The DuckDB file: its lock, its tables, and one transaction for each flush."""

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from target_duckdb.columns import Column, fit, fold, widens
from target_duckdb.errors import LoadError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping, Sequence

    from target_duckdb.batch import Rows

STORAGE: t.Final = "v1.2.0"
"""The format of new files: DuckDB from 1.2 on reads it. A file that exists keeps its own."""

CHECKPOINT: t.Final = "256MB"
"""Bytes of log after which it is written into the file. DuckDB's 16 MB make an upsert three times
as expensive."""

LITTLE_MEMORY: t.Final = 512 << 20
"""Bytes of `memory_limit` below which MERGE needs too many: DELETE and INSERT need fewer."""

METADATA: t.Final = {
    "_sdc_extracted_at": "TIMESTAMP",
    "_sdc_received_at": "TIMESTAMP",
    "_sdc_batched_at": "TIMESTAMP",
    "_sdc_deleted_at": "TIMESTAMP",
    "_sdc_sequence": "BIGINT",
    "_sdc_table_version": "BIGINT",
}

BATCH: t.Final = "_lines_of_this_flush"
UNITS: t.Final = {"bytes": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Table:
    """The table of a stream.

    Attributes:
        stream: The stream.
        name: Its name as SQL, with that of its schema.
        columns: Its columns that hold what the stream sends.
        metadata: Types of its `_sdc_` columns that the loader fills, by name.
        beside: Names of the columns that keep what others cannot hold whole.
        is_empty: Whether nothing is in it yet.
    """

    stream: str
    name: str
    columns: list[Column]
    metadata: dict[str, str]
    beside: set[bytes] = field(default_factory=set)
    is_empty: bool = False

    @property
    def keys(self) -> list[str]:
        """The key's columns, quoted."""
        return [quote(one.name) for one in self.columns if one.is_key]


class Store:
    """A DuckDB database that is written to."""

    def __init__(
        self,
        path: str,
        logger: logging.Logger,
        *,
        settings: Mapping[str, str],
        wait: float,
    ) -> None:
        """Open the database, and wait for it while another process has it.

        Args:
            path: The file, `:memory:`, or `md:` and a name for MotherDuck.
            logger: Where to say that it waits.
            settings: DuckDB's settings to set.
            wait: Seconds to wait at most.

        Raises:
            LoadError: It cannot be opened.
        """
        import duckdb  # noqa: PLC0415 (a run that loads nothing needs none)

        self._path = path
        self._error = duckdb.Error
        self._io_errors = (duckdb.IOException, duckdb.OutOfMemoryException)
        config: dict[str, t.Any] = dict(settings)
        if not path.startswith("md:"):
            config |= {"storage_compatibility_version": STORAGE, "checkpoint_threshold": CHECKPOINT}
        until = time.monotonic() + wait
        while True:
            try:
                self._connection: t.Any = duckdb.connect(path, config=config)
                break
            except duckdb.Error as error:
                if "lock" not in str(error) or "Conflicting" not in str(error):
                    raise self._unopened(error) from None
                holder = re.search(r"PID (\d+)", str(error))
                by = f" by the process {holder[1]}" if holder else ""
                if time.monotonic() >= until:
                    raise LoadError(
                        f"The database {path} is held{by}, and was so for {wait:.0f} seconds: "
                        "DuckDB lets one process write, and none read meanwhile. End that one."
                    ) from None
                logger.info("The database %s is held%s: waiting for it.", path, by)
                time.sleep(min(1.0, max(0.05, until - time.monotonic())))
        self._run("SET TimeZone = 'UTC'")
        self._has_little_memory = self._memory() < LITTLE_MEMORY
        self._is_open = False

    def _unopened(self, error: Exception) -> LoadError:
        """Say why the database cannot be opened: this is about a file, and quotes no record."""
        return LoadError(f"The database {self._path} cannot be opened: {_first_line(error)}")

    def _memory(self) -> int:
        text = str(self._run("SELECT current_setting('memory_limit')")[0][0])
        amount, _, unit = text.partition(" ")
        return int(float(amount) * (1 << UNITS.get(unit, 0)))

    def _run(self, sql: str, parameters: Sequence[t.Any] = ()) -> list[tuple[t.Any, ...]]:
        """Run a statement to its end: DuckDB 2 does nothing else while rows are left to fetch."""
        rows: list[tuple[t.Any, ...]] = self._connection.execute(sql, parameters).fetchall()
        return rows

    def _begin(self) -> None:
        if not self._is_open:
            self._run("BEGIN")
            self._is_open = True

    # --- tables ---------------------------------------------------------------------------------

    def table(
        self,
        stream: str,
        place: tuple[str, str],
        columns: Sequence[Column],
        *,
        metadata: bool,
    ) -> Table:
        """Make or change the table of a stream, in the transaction of the next flush.

        Args:
            stream: The stream.
            place: Names of the schema and the table.
            columns: The columns its SCHEMA has.
            metadata: Whether it has the `_sdc_` columns.

        Returns:
            The table.

        Raises:
            LoadError: It cannot be made, or its columns cannot become what the SCHEMA says.
        """
        own = {fold(one.name) for one in columns}
        added = {n: kind for n, kind in METADATA.items() if metadata and n.encode() not in own}
        name = f"{quote(place[0])}.{quote(place[1])}"
        try:
            self._begin()
            self._run(f"CREATE SCHEMA IF NOT EXISTS {quote(place[0])}")
            there = self._columns(place)
            if not there:
                every = [*((one.name, one.type) for one in columns), *added.items()]
                if not every:
                    raise LoadError(f"The SCHEMA of the stream `{stream}` has no columns.")
                declared = ", ".join(f"{quote(each)} {kind}" for each, kind in every)
                self._run(f"CREATE TABLE {name} ({declared})")
                return Table(stream, name, list(columns), added, is_empty=True)
            fitted = [self._fitted(stream, name, one, there) for one in columns]
            for each, kind in added.items():
                if each.encode() in there:
                    added[each] = there[each.encode()]
                else:
                    self._run(f"ALTER TABLE {name} ADD COLUMN {quote(each)} {kind}")
            is_empty = not self._run(f"SELECT 1 FROM {name} LIMIT 1")  # noqa: S608
        except self._error as error:
            raise self._failed(
                f"The table of the stream `{stream}` cannot be made", error
            ) from None
        beside = {fold(one.beside) for one in fitted} & there.keys() - own
        return Table(stream, name, fitted, added, beside, is_empty)

    def _columns(self, place: tuple[str, str]) -> dict[bytes, str]:
        """List the types of a table's columns by their folded names; none if it is not there."""
        found = self._run(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = "
            "current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
            place,
        )
        return {fold(name): kind for name, kind in found}

    def _fitted(self, stream: str, name: str, one: Column, there: Mapping[bytes, str]) -> Column:
        """Fit a column to the table, or the table to the column where that loses nothing."""
        kind = there.get(fold(one.name))
        if kind is None:
            self._run(f"ALTER TABLE {name} ADD COLUMN {quote(one.name)} {one.type}")
            return one
        fitted = fit(one, kind)
        if fitted is not None:
            return fitted
        if not widens(one, kind):
            raise self._unfit(stream, one, kind, "has")
        column = quote(one.name)
        widened = f"TRY_CAST({column} AS {one.type})"
        if one.type == "JSON":
            widened = f"to_json({column})"
        else:
            lost = f"TRY_CAST({widened} AS {kind}) IS DISTINCT FROM {column}"
            if self._run(f"SELECT 1 FROM {name} WHERE {lost} LIMIT 1"):  # noqa: S608
                raise self._unfit(stream, one, kind, "has, with values that would change,")
        try:
            self._run(f"ALTER TABLE {name} ALTER {column} TYPE {one.type} USING {widened}")
        except self._error:
            raise self._unfit(stream, one, kind, "keeps, by an index or a key,") from None
        return one

    @staticmethod
    def _unfit(stream: str, one: Column, kind: str, why: str) -> LoadError:
        return LoadError(
            f"The column `{one.name}` of the stream `{stream}` {why} the type {kind} in the "
            f"table, and its SCHEMA now wants {one.type}. Load it into another table, or change "
            "the column by hand."
        )

    # --- rows -----------------------------------------------------------------------------------

    def write(self, table: Table, rows: Rows, received: datetime) -> None:
        """Write rows, in the transaction of this flush.

        Args:
            table: Their table.
            rows: The rows.
            received: When the first of them came.

        Raises:
            LoadError: They cannot be written.
        """
        self._connection.register(BATCH, rows.table)
        try:
            self._begin()
            self._widen(table, rows)
            self._write(table, rows, received)
        except self._error as error:
            what = f"Records of the stream `{table.stream}` cannot be written"
            raise self._failed(what, error, self._culprit(table)) from None
        finally:
            self._connection.unregister(BATCH)
        table.is_empty = False

    def _widen(self, table: Table, rows: Rows) -> None:
        """Give the table what these rows need: HUGEINT, and columns for texts beside others."""
        for number in rows.wide:
            one = table.columns[number]
            if one.type != "HUGEINT":
                one = replace(one, type="HUGEINT")
                self._run(f"ALTER TABLE {table.name} ALTER {quote(one.name)} TYPE HUGEINT")
                table.columns[number] = one
        names = {fold(one.name) for one in table.columns}
        for number in rows.kept:
            one = table.columns[number]
            beside = fold(one.beside)
            if beside in names:
                raise LoadError(
                    f"A record of the stream `{table.stream}` has a value in the column "
                    f"`{one.name}` that {one.type} does not hold whole, and `{one.beside}`, which "
                    "would keep it, is a column of the stream itself."
                )
            if beside not in table.beside:
                self._run(f"ALTER TABLE {table.name} ADD COLUMN {quote(one.beside)} VARCHAR")
                table.beside.add(beside)

    def _write(self, table: Table, rows: Rows, received: datetime) -> None:
        values = dict(self._values(table, rows, received))
        keys = table.keys
        casted = ", ".join(f"{value} AS {name}" for name, value in values.items())
        source = f"SELECT {casted} FROM {BATCH}"  # noqa: S608
        if keys:
            # MERGE takes the first of two rows for one key, without a word: give it the last alone.
            by = ", ".join(values[key] for key in keys)
            source += f" WHERE row IN (SELECT max(row) FROM {BATCH} GROUP BY {by})"  # noqa: S608
        names = ", ".join(values)
        if not keys or table.is_empty:
            self._run(f"INSERT INTO {table.name} ({names}) {source}")
            return
        on = " AND ".join(f"old.{key} = new.{key}" for key in keys)
        if self._has_little_memory:
            self._run(f"DELETE FROM {table.name} AS old USING ({source}) AS new WHERE {on}")  # noqa: S608
            self._run(f"INSERT INTO {table.name} ({names}) {source}")
            return
        changes = ", ".join(f"{name} = new.{name}" for name in values if name not in keys)
        update = f"WHEN MATCHED THEN UPDATE SET {changes} " if changes else ""
        new = ", ".join(f"new.{name}" for name in values)
        self._run(
            f"MERGE INTO {table.name} AS old USING ({source}) AS new ON {on} {update}"  # noqa: S608
            f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({new})"
        )

    @staticmethod
    def _values(table: Table, rows: Rows, received: datetime) -> Iterator[tuple[str, str]]:
        """Give the columns to write, quoted, and the SQL of their values."""
        for number, one in enumerate(table.columns):
            yield quote(one.name), f'CAST("{number}" AS {one.type})'
            if fold(one.beside) in table.beside:
                kept = f'"{number}_kept"' if number in rows.kept else "NULL"
                yield quote(one.beside), f"CAST({kept} AS VARCHAR)"
        start = int(received.timestamp() * 1_000_000)
        metadata = {
            "_sdc_extracted_at": "CAST(extracted AS TIMESTAMP)",
            "_sdc_received_at": _literal(received),
            "_sdc_batched_at": _literal(datetime.now(timezone.utc)),
            "_sdc_deleted_at": "NULL",
            "_sdc_sequence": f"{start} + row",
            "_sdc_table_version": "version",
        }
        for name, kind in table.metadata.items():
            yield quote(name), f"CAST({metadata[name]} AS {kind})"

    def _culprit(self, table: Table) -> str:
        """Name a column that does not hold its values: DuckDB's text would quote them."""
        with contextlib.suppress(self._error):
            self._run("ROLLBACK")
            for number, one in enumerate(table.columns):
                misfits = f'"{number}" IS NOT NULL AND TRY_CAST("{number}" AS {one.type}) IS NULL'
                sql = f"SELECT 1 FROM {BATCH} WHERE {misfits} LIMIT 1"  # noqa: S608
                if self._run(sql):
                    return f"a value does not fit the column `{one.name}` ({one.type})"
        return ""

    # --- the end of a flush ---------------------------------------------------------------------

    def activate(self, table: Table, version: int, *, hard: bool) -> bool:
        """Delete the rows of other versions, or stamp them as deleted.

        Args:
            table: The table.
            version: The version that stays.
            hard: Whether to delete.

        Returns:
            Whether the table has versions at all.

        Raises:
            LoadError: It cannot be done.
        """
        if "_sdc_table_version" not in table.metadata or "_sdc_deleted_at" not in table.metadata:
            return False
        others = f"_sdc_table_version IS DISTINCT FROM {version:d}"
        stamp = (
            f"CAST({_literal(datetime.now(timezone.utc))} AS {table.metadata['_sdc_deleted_at']})"
        )
        self._change(
            table,
            f"DELETE FROM {table.name} WHERE {others}"  # noqa: S608
            if hard
            else f"UPDATE {table.name} SET _sdc_deleted_at = {stamp} "  # noqa: S608
            f"WHERE {others} AND _sdc_deleted_at IS NULL",
        )
        return True

    def purge(self, table: Table) -> None:
        """Delete the rows that the tap has marked as deleted.

        Raises:
            LoadError: It cannot be done.
        """
        if any(one.name == "_sdc_deleted_at" for one in table.columns):
            self._change(table, f"DELETE FROM {table.name} WHERE _sdc_deleted_at IS NOT NULL")  # noqa: S608

    def _change(self, table: Table, sql: str) -> None:
        try:
            self._begin()
            self._run(sql)
        except self._error as error:
            what = f"The table of the stream `{table.stream}` cannot be changed"
            raise self._failed(what, error) from None

    def commit(self) -> None:
        """Commit what was written since the last time.

        Raises:
            LoadError: It cannot be committed.
        """
        if self._is_open:
            try:
                self._run("COMMIT")
            except self._error as error:
                raise self._failed("The flush cannot be committed", error) from None
            self._is_open = False

    def close(self) -> None:
        """Close the database; what was not committed is gone.

        Raises:
            LoadError: It cannot be closed.
        """
        try:
            self._connection.close()
        except self._error as error:
            raise self._failed("The database cannot be closed", error) from None

    def _failed(self, what: str, error: Exception, why: str = "") -> LoadError:
        """Say what failed. DuckDB's text is shown where it is of files and memory alone."""
        if isinstance(error, self._io_errors) or "No space" in str(error):
            why = _first_line(error)
        return LoadError(f"{what}: {why or type(error).__name__}. Nothing of this flush is kept.")


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()}'"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
