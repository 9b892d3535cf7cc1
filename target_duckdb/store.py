"""The DuckDB database: its lock, its tables, and one transaction per flush."""

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
"""The format of new files, for DuckDB 1.2 and later. Existing files keep their own."""

CHECKPOINT: t.Final = "256MB"
"""Size of the write-ahead log at which DuckDB writes it into the file. With its default, 16 MB, an
upsert takes three times as long."""

LITTLE_MEMORY: t.Final = 512 << 20
"""Below this `memory_limit`, in bytes, rows are written by DELETE and INSERT: MERGE needs more."""

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
        stream: The stream's name.
        name: The name of the table in SQL, with its schema.
        columns: The columns of the stream.
        metadata: The types of the `_sdc_` columns that the loader fills, by name.
        overflow: The folded names of the overflow columns that the table has.
        is_empty: Whether it has no rows yet.
    """

    stream: str
    name: str
    columns: list[Column]
    metadata: dict[str, str]
    overflow: set[bytes] = field(default_factory=set)
    is_empty: bool = False

    @property
    def keys(self) -> list[str]:
        """The key's columns, quoted."""
        return [quote(one.name) for one in self.columns if one.is_key]


class Store:
    """An open DuckDB database."""

    def __init__(
        self,
        path: str,
        logger: logging.Logger,
        *,
        settings: Mapping[str, str],
        wait: float,
    ) -> None:
        """Open the database. If another process has it open, wait for that process.

        Args:
            path: The file, `:memory:`, or `md:` and a name for MotherDuck.
            logger: The logger for a message about the wait.
            settings: Settings of DuckDB.
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
                    raise self._opening_error(error) from None
                holder = re.search(r"PID (\d+)", str(error))
                by = f" by the process {holder[1]}" if holder else ""
                if time.monotonic() >= until:
                    raise LoadError(
                        f"The database {path} has been locked{by} for {wait:.0f} seconds. While "
                        "one process writes, DuckDB lets no other one open it. End that process."
                    ) from None
                logger.info("The database %s is locked%s: waiting for it.", path, by)
                time.sleep(min(1.0, max(0.05, until - time.monotonic())))
        self._run("SET TimeZone = 'UTC'")
        self._has_little_memory = self._memory() < LITTLE_MEMORY
        self._is_open = False

    def _opening_error(self, error: Exception) -> LoadError:
        """Return the error about a database that cannot be opened; its text quotes no record."""
        return LoadError(f"The database {self._path} cannot be opened: {_first_line(error)}")

    def _memory(self) -> int:
        text = str(self._run("SELECT current_setting('memory_limit')")[0][0])
        amount, _, unit = text.partition(" ")
        return int(float(amount) * (1 << UNITS.get(unit, 0)))

    def _run(self, sql: str, parameters: Sequence[t.Any] = ()) -> list[tuple[t.Any, ...]]:
        """Run a statement, and fetch all rows: DuckDB 2 blocks while a result has more."""
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
        """Create or change the table of a stream, in the transaction of the next flush.

        Args:
            stream: The stream's name.
            place: The names of the schema and the table.
            columns: The columns of its SCHEMA.
            metadata: Whether it has the `_sdc_` columns.

        Returns:
            The table.

        Raises:
            LoadError: It cannot be created, or a column cannot change to the type of the SCHEMA.
        """
        own = {fold(one.name) for one in columns}
        added = {n: kind for n, kind in METADATA.items() if metadata and n.encode() not in own}
        name = f"{quote(place[0])}.{quote(place[1])}"
        try:
            self._begin()
            self._run(f"CREATE SCHEMA IF NOT EXISTS {quote(place[0])}")
            existing = self._columns(place)
            if not existing:
                every = [*((one.name, one.type) for one in columns), *added.items()]
                if not every:
                    raise LoadError(f"The SCHEMA of the stream `{stream}` has no columns.")
                declared = ", ".join(f"{quote(each)} {kind}" for each, kind in every)
                self._run(f"CREATE TABLE {name} ({declared})")
                return Table(stream, name, list(columns), added, is_empty=True)
            fitted = [self._fit_column(stream, name, one, existing) for one in columns]
            for each, kind in added.items():
                if each.encode() in existing:
                    added[each] = existing[each.encode()]
                else:
                    self._run(f"ALTER TABLE {name} ADD COLUMN {quote(each)} {kind}")
            is_empty = not self._run(f"SELECT 1 FROM {name} LIMIT 1")  # noqa: S608
        except self._error as error:
            raise self._flush_error(
                f"The table of the stream `{stream}` cannot be created", error
            ) from None
        overflow = {fold(one.overflow_name) for one in fitted} & existing.keys() - own
        return Table(stream, name, fitted, added, overflow, is_empty)

    def _columns(self, place: tuple[str, str]) -> dict[bytes, str]:
        """List the types of a table's columns by their folded names; none without a table."""
        found = self._run(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = "
            "current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
            place,
        )
        return {fold(name): kind for name, kind in found}

    def _fit_column(
        self, stream: str, name: str, one: Column, existing: Mapping[bytes, str]
    ) -> Column:
        """Fit a column to the table, or the table to the column if that loses nothing."""
        kind = existing.get(fold(one.name))
        if kind is None:
            self._run(f"ALTER TABLE {name} ADD COLUMN {quote(one.name)} {one.type}")
            return one
        fitted = fit(one, kind)
        if fitted is not None:
            return fitted
        if not widens(one, kind):
            raise self._type_error(stream, one, kind, "has")
        column = quote(one.name)
        widened = f"TRY_CAST({column} AS {one.type})"
        if one.type == "JSON":
            widened = f"to_json({column})"
        else:
            lost = f"TRY_CAST({widened} AS {kind}) IS DISTINCT FROM {column}"
            if self._run(f"SELECT 1 FROM {name} WHERE {lost} LIMIT 1"):  # noqa: S608
                raise self._type_error(stream, one, kind, "has, with values that would change,")
        try:
            self._run(f"ALTER TABLE {name} ALTER {column} TYPE {one.type} USING {widened}")
        except self._error:
            raise self._type_error(
                stream, one, kind, "keeps, because of an index or a key,"
            ) from None
        return one

    @staticmethod
    def _type_error(stream: str, one: Column, kind: str, why: str) -> LoadError:
        return LoadError(
            f"The column `{one.name}` of the stream `{stream}` {why} the type {kind} in the "
            f"table, but its SCHEMA now needs {one.type}. Load it into another table, or change "
            "the column by hand."
        )

    # --- rows -----------------------------------------------------------------------------------

    def write(self, table: Table, rows: Rows, received: datetime) -> None:
        """Write rows, in the transaction of this flush.

        Args:
            table: Their table.
            rows: The rows.
            received: When the first of them arrived.

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
            raise self._flush_error(what, error, self._find_bad_column(table)) from None
        finally:
            self._connection.unregister(BATCH)
        table.is_empty = False

    def _widen(self, table: Table, rows: Rows) -> None:
        """Change the table for these rows: to HUGEINT, and with overflow columns."""
        for number in rows.wide:
            one = table.columns[number]
            if one.type != "HUGEINT":
                one = replace(one, type="HUGEINT")
                self._run(f"ALTER TABLE {table.name} ALTER {quote(one.name)} TYPE HUGEINT")
                table.columns[number] = one
        names = {fold(one.name) for one in table.columns}
        for number in rows.overflow:
            one = table.columns[number]
            overflow = fold(one.overflow_name)
            if overflow in names:
                raise LoadError(
                    f"A record of the stream `{table.stream}` has a value in the column "
                    f"`{one.name}` that {one.type} cannot hold exactly, and the stream itself has "
                    f"a column `{one.overflow_name}`, which would keep it."
                )
            if overflow not in table.overflow:
                self._run(f"ALTER TABLE {table.name} ADD COLUMN {quote(one.overflow_name)} VARCHAR")
                table.overflow.add(overflow)

    def _write(self, table: Table, rows: Rows, received: datetime) -> None:
        values = dict(self._values(table, rows, received))
        keys = table.keys
        casted = ", ".join(f"{value} AS {name}" for name, value in values.items())
        source = f"SELECT {casted} FROM {BATCH}"  # noqa: S608
        if keys:
            # Of two rows with one key, MERGE silently takes the first: pass it only the last.
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
        """List the columns to write, quoted, with the SQL of their values."""
        for number, one in enumerate(table.columns):
            yield quote(one.name), f'CAST("{number}" AS {one.type})'
            if fold(one.overflow_name) in table.overflow:
                overflow = f'"{number}_overflow"' if number in rows.overflow else "NULL"
                yield quote(one.overflow_name), f"CAST({overflow} AS VARCHAR)"
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

    def _find_bad_column(self, table: Table) -> str:
        """Name a column that does not fit its values, which DuckDB's own message would quote."""
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
        """Delete the rows of other versions, or mark them as deleted.

        Args:
            table: The table.
            version: The version to keep.
            hard: Whether to delete the others.

        Returns:
            Whether the table has the columns for versions.

        Raises:
            LoadError: The table cannot be changed.
        """
        if "_sdc_table_version" not in table.metadata or "_sdc_deleted_at" not in table.metadata:
            return False
        others = f"_sdc_table_version IS DISTINCT FROM {version:d}"
        now = f"CAST({_literal(datetime.now(timezone.utc))} AS {table.metadata['_sdc_deleted_at']})"
        self._change(
            table,
            f"DELETE FROM {table.name} WHERE {others}"  # noqa: S608
            if hard
            else f"UPDATE {table.name} SET _sdc_deleted_at = {now} "  # noqa: S608
            f"WHERE {others} AND _sdc_deleted_at IS NULL",
        )
        return True

    def purge(self, table: Table) -> None:
        """Delete the rows that the tap has marked as deleted.

        Raises:
            LoadError: The table cannot be changed.
        """
        if any(one.name == "_sdc_deleted_at" for one in table.columns):
            self._change(table, f"DELETE FROM {table.name} WHERE _sdc_deleted_at IS NOT NULL")  # noqa: S608

    def _change(self, table: Table, sql: str) -> None:
        try:
            self._begin()
            self._run(sql)
        except self._error as error:
            what = f"The table of the stream `{table.stream}` cannot be changed"
            raise self._flush_error(what, error) from None

    def commit(self) -> None:
        """Commit all rows written since the last commit.

        Raises:
            LoadError: It cannot be committed.
        """
        if self._is_open:
            try:
                self._run("COMMIT")
            except self._error as error:
                raise self._flush_error("The flush cannot be committed", error) from None
            self._is_open = False

    def close(self) -> None:
        """Close the database, and discard rows that are not committed.

        Raises:
            LoadError: It cannot be closed.
        """
        try:
            self._connection.close()
        except self._error as error:
            raise self._flush_error("The database cannot be closed", error) from None

    def _flush_error(self, what: str, error: Exception, why: str = "") -> LoadError:
        """Return the error of a flush, with DuckDB's text only if it is about files or memory."""
        if isinstance(error, self._io_errors) or "No space" in str(error):
            why = _first_line(error)
        return LoadError(f"{what}: {why or type(error).__name__}. This flush is rolled back.")


def _literal(value: datetime) -> str:
    return f"TIMESTAMP '{value.astimezone(timezone.utc).replace(tzinfo=None).isoformat()}'"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
