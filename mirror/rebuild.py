"""A SQLite file made from the target: the shadow when it was lost, the staged file of a restore, the drill's scratch.

Tables first, then rows, then what watches or indexes them; so no trigger fires and nothing is indexed twice. No
constraint is checked on the way, because a faithful copy accepts what SQLite accepted.
"""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mirror.catalog import CatalogDatabase, CatalogTable
from mirror.errors import SourceUnsupported
from mirror.mapping import MirrorTable
from mirror.names import EXACT, KEY, ROWID, quote_sqlite
from mirror.relation import rows_at
from mirror.schema import Schema, SchemaRow, Table, schema_without_data, write_schema_rows
from mirror.values import FROM_TEXT, RawText, Value, exact_values, split_received

_ROWS_AT_ONCE = 2000
_BYTES_AT_ONCE = 4_000_000

Progress = Callable[[str, int], None]


def no_progress(_table: str, _rows: int) -> None:
    """A progress that tells nobody."""


def rebuild(
    cursor: Cursor,
    database: CatalogDatabase,
    path: Path,
    run: int,
    last_run: int,
    progress: Progress = no_progress,
) -> None:
    """Writes the database as it stood after `run` to a new file, and syncs it to disk.

    The cursor is inside a transaction that sees one instant (target.reading). The file must not exist. Nothing is
    verified here: the caller compares its content hash. Raises SourceUnsupported when this SQLite cannot make an object.
    """
    schema = schema_without_data(database.schema_rows, database.pragmas)
    connection = sqlite3.connect(f"file:{path}?mode=rwc", uri=True, isolation_level=None)
    try:
        _prepare(connection, schema)
        connection.execute("BEGIN")
        write_schema_rows(connection, _stored(schema))
        # AUTOINCREMENT writes its counters as rows come in, so SQLite's own tables are filled last.
        for table in sorted(schema.tables, key=lambda table: table.name.startswith("sqlite_")):
            catalog_table = database.table(table.name)
            if catalog_table is None:
                raise SourceUnsupported(
                    f"the target has no rows for table {table.name} of {database.file}",
                    "restore an older point",
                )
            _load(
                connection,
                cursor,
                table,
                catalog_table,
                rows_at(catalog_table, database.schema_name, run, last_run),
                progress,
            )
        write_schema_rows(connection, _after_rows(schema))
        connection.execute("COMMIT")
        _finish(connection, schema)
    finally:
        connection.close()
    _sync(path)


def _prepare(connection: sqlite3.Connection, schema: Schema) -> None:
    pragmas = schema.pragmas
    for statement in (
        f"PRAGMA page_size = {pragmas.page_size}",
        f"PRAGMA encoding = {quote_sqlite(pragmas.encoding)}",
        f"PRAGMA auto_vacuum = {pragmas.auto_vacuum}",
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA ignore_check_constraints = ON",
        "PRAGMA cache_size = -32000",
        "PRAGMA temp_store = MEMORY",
        f"PRAGMA user_version = {pragmas.user_version}",
        f"PRAGMA application_id = {pragmas.application_id}",
        "CREATE TEMP TABLE sm_raw (bytes BLOB)",
    ):
        connection.execute(statement)


def _finish(connection: sqlite3.Connection, schema: Schema) -> None:
    connection.execute(f"PRAGMA journal_mode = {schema.pragmas.journal_mode}")


def _stored(schema: Schema) -> tuple[SchemaRow, ...]:
    names = {table.name for table in schema.tables}
    return tuple(row for row in schema.rows if row.type == "table" and row.name in names)


def _after_rows(schema: Schema) -> tuple[SchemaRow, ...]:
    stored = {table.name for table in schema.tables}
    order = {"table": 0, "index": 1, "view": 2, "trigger": 3}
    rows = [row for row in schema.rows if not (row.type == "table" and row.name in stored) and row.sql is not None]
    return tuple(sorted(rows, key=lambda row: order[row.type]))


def _load(
    connection: sqlite3.Connection,
    cursor: Cursor,
    table: Table,
    catalog_table: CatalogTable,
    rows: sql.Composable,
    progress: Progress,
) -> None:
    if table.name.startswith("sqlite_"):
        connection.execute(f"DELETE FROM {quote_sqlite(table.name)}")
    plain = _PlainRows(connection, table, catalog_table.mirror, progress)
    _copy(cursor, plain.query(rows), plain)
    exact = _ExactRows(connection, table, catalog_table.mirror, progress)
    _copy(cursor, exact.query(rows), exact)


def _copy(cursor: Cursor, query: sql.Composable, sink: _Rows) -> None:
    cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT").format(query), sink)
    sink.flush()


class _Rows(ABC):
    """A file for COPY to write to, that puts the rows into SQLite in batches."""

    def __init__(self, connection: sqlite3.Connection, table: Table, mirror: MirrorTable, progress: Progress) -> None:
        self.connection = connection
        self.table = table
        self.mirror = mirror
        self.progress = progress
        self.lines: list[bytes] = []
        self.size = 0
        stored = {column.name for column in table.stored_columns}
        self.columns = [column for column in mirror.columns if column.name in stored]

    def write(self, data: bytes) -> int:
        """One row at a time is what libpq's PQgetCopyData gives."""
        self.lines.append(data)
        self.size += len(data)
        if len(self.lines) >= _ROWS_AT_ONCE or self.size >= _BYTES_AT_ONCE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self.lines:
            self.insert([line.decode("utf-8").rstrip("\n") for line in self.lines])
            self.progress(self.table.name, len(self.lines))
        self.lines, self.size = [], 0

    @abstractmethod
    def insert(self, lines: list[str]) -> None:
        """Puts these rows into the table."""

    def select(self, names: list[str], rows: sql.Composable, condition: str) -> sql.Composable:
        columns = sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in names)
        return sql.SQL("SELECT {} FROM ({}) AS r WHERE r.{} " + condition).format(columns, rows, sql.Identifier(EXACT))

    def statement(self, names: list[str], placeholders: list[str]) -> str:
        columns = [quote_sqlite(name) for name in names]
        if self.mirror.rowid:
            columns.append(str(self.table.rowid_alias))
            placeholders = [*placeholders, "?"]
        return f"INSERT INTO {quote_sqlite(self.table.name)} ({', '.join(columns)}) VALUES ({', '.join(placeholders)})"


class _PlainRows(_Rows):
    """The rows whose values all stand in their columns: nearly all, so they go in bulk."""

    def query(self, rows: sql.Composable) -> sql.Composable:
        self.typed = [column for column in self.columns if column.type is not None]
        names = [column.mirror_name for column in self.typed] + ([ROWID] if self.mirror.rowid else [])
        self.readers = [
            (position, FROM_TEXT[column.type])
            for position, column in enumerate(self.typed)
            if column.type is not None and column.type in FROM_TEXT
        ]
        self.insertion = self.statement([column.name for column in self.typed], ["?"] * len(self.typed))
        return self.select(names, rows, "IS NULL")

    def insert(self, lines: list[str]) -> None:
        rows: list[list[Value]] = []
        for line in lines:
            values: list[Value] = list(split_received(line))
            for position, read in self.readers:
                value = values[position]
                if isinstance(value, str):
                    values[position] = read(value)
            rows.append(values)
        self.connection.executemany(self.insertion, rows)


class _ExactRows(_Rows):
    """The rows with at least one value in `_exact`."""

    def query(self, rows: sql.Composable) -> sql.Composable:
        self.fields = [(name, type) for name, type in self.mirror.fields if name != KEY]
        return self.select([name for name, _ in self.fields], rows, "IS NOT NULL")

    def insert(self, lines: list[str]) -> None:
        for line in lines:
            values: dict[str, Value] = {}
            for (name, type), text in zip(self.fields, split_received(line), strict=True):
                values[name] = text if text is None else FROM_TEXT.get(type, str)(text)
            values.update(exact_values(str(values.pop(EXACT))))
            row = [values.get(column.mirror_name) for column in self.columns]
            placeholders = [self.raw_text(value) if isinstance(value, RawText) else "?" for value in row]
            rowid = [values[ROWID]] if self.mirror.rowid else []
            self.connection.execute(
                self.statement([column.name for column in self.columns], placeholders),
                [*(value for value in row if not isinstance(value, RawText)), *rowid],
            )
            self.connection.execute("DELETE FROM temp.sm_raw")

    def raw_text(self, value: RawText) -> str:
        """A SQL expression for TEXT of these bytes.

        SQLite takes a bound blob for UTF-8 when it is cast to TEXT, and one from a table for what the database is encoded in.
        """
        row = self.connection.execute("INSERT INTO temp.sm_raw VALUES (?)", (bytes(value),)).lastrowid
        return f"(SELECT CAST(bytes AS TEXT) FROM temp.sm_raw WHERE rowid = {row})"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
