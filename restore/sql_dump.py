"""A database as SQL that makes it again: everything that `.dump` leaves out included.

The statements go to SQLite's own shell one after another: tables, rows, then what watches or indexes them, so that no
trigger fires. The header's settings stand at both ends. Each statement is a line, but for those that were written otherwise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mirror.inspection import header_journal_mode
from mirror.names import quote_sqlite
from mirror.schema import Schema, SchemaRow, Table, read_schema
from mirror.schema_rebuild import not_as_made
from restore.sql_values import BIG_BYTES, LARGEST, Value, big_literal, literal, text_literal

_COLUMNS_AT_ONCE = 900  # two expressions each; a result has at most 2,000 (limits.html)
_SHELL_COMMAND = "."
_BIG = "!"


@dataclass(frozen=True)
class BigRow:
    """The INSERT of a row with large values, which are read one at a time: written in pieces, and made by binding."""

    source: sqlite3.Connection
    table: Table
    rowid: int
    begin: str
    values: tuple[tuple[str, Value], ...]  # by class; one that ends in ! is large, and not read yet

    def pieces(self) -> Iterator[str]:
        yield self.begin
        for number, (kind, value) in enumerate(self.values):
            yield "," if number else ""
            if kind.endswith(_BIG):
                yield from big_literal(kind.removesuffix(_BIG), self._read(number))
            else:
                yield literal(kind, value, "UTF-8")
        yield ");"

    def run(self, connection: sqlite3.Connection) -> None:
        fields = ["CAST(? AS TEXT)" if kind.startswith("text") else "?" for kind, _ in self.values]
        connection.execute(
            f"{self.begin}{','.join(fields)})",
            [self._read(number) if kind.endswith(_BIG) else value for number, (kind, value) in enumerate(self.values)],
        )

    def _read(self, number: int) -> bytes:
        column = quote_sqlite(self.table.stored_columns[number].name)
        rowid = quote_sqlite(str(self.table.rowid_alias))
        query = f"SELECT CAST({column} AS BLOB) FROM {quote_sqlite(self.table.name)} WHERE {rowid} = ?"
        return bytes(self.source.execute(query, (self.rowid,)).fetchall()[0][0])


@dataclass(frozen=True)
class Statement:
    """One statement as it stands; the shell's own begin with a full stop."""

    sql: str

    def pieces(self) -> Iterator[str]:
        yield self.sql

    def run(self, connection: sqlite3.Connection) -> None:
        if not self.sql.startswith(_SHELL_COMMAND):
            connection.execute(self.sql).fetchall()


def statements(path: Path) -> Iterator[Statement | BigRow]:
    """The statements that make a private file again."""
    for statement in _statements(path):
        yield Statement(statement) if isinstance(statement, str) else statement


def _statements(path: Path) -> Iterator[str | BigRow]:
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as connection:
        schema = read_schema(connection, header_journal_mode(path))
        if schema.pragmas.page_size == 0:
            return  # a file without a byte
        stored = {table.name for table in schema.tables}
        tables = [row for row in schema.rows if row.name in stored and row.type == "table"]
        rest = [row for row in schema.rows if row not in tables and row.sql is not None]
        virtual = [row for row in rest if row.type == "table"]
        others = not_as_made(schema)
        broken = [row for row in schema.rows if row in others or (row.sql is not None and _is_changed_on_its_way(row))]
        statistics = [row for row in tables if row.name.lower().startswith("sqlite_stat")]
        if virtual or broken or statistics:
            yield ".dbconfig defensive off"  # the shell's default since 3.41; it forbids to write sqlite_schema
        yield from _settings(schema)
        yield "BEGIN;"
        if "sqlite_sequence" in stored:
            yield from _counter_table(schema)
        if statistics:
            yield "PRAGMA writable_schema = ON;"  # without it, SQLite takes these names for itself alone
            yield from (_made(row) for row in statistics)
            yield "PRAGMA writable_schema = RESET;"
        yield from (_made(row) for row in tables if not row.name.startswith("sqlite_"))
        # AUTOINCREMENT writes its counters as rows come in, so SQLite's own tables are filled last.
        for table in sorted(schema.tables, key=lambda table: table.name.startswith("sqlite_")):
            if table.name.startswith("sqlite_"):
                yield f"DELETE FROM {quote_sqlite(table.name)};"
            yield from _rows(connection, table, schema.pragmas.encoding)
        if virtual:
            yield "PRAGMA writable_schema = ON;"
            yield from (_written(row) for row in virtual)
            yield "PRAGMA writable_schema = RESET;"
        for kind in ("index", "view", "trigger"):
            yield from (_made(row) for row in rest if row.type == kind)
        if broken:
            yield "PRAGMA writable_schema = ON;"
            yield from (_verbatim(row) for row in broken)
            yield "PRAGMA writable_schema = RESET;"
        yield f"PRAGMA user_version = {schema.pragmas.user_version};"
        yield f"PRAGMA application_id = {schema.pragmas.application_id};"
        yield "COMMIT;"
        if schema.pragmas.journal_mode == "wal":
            yield "PRAGMA journal_mode = wal;"


def _settings(schema: Schema) -> Iterator[str]:
    yield f"PRAGMA page_size = {schema.pragmas.page_size};"
    yield f"PRAGMA encoding = '{schema.pragmas.encoding}';"
    yield f"PRAGMA auto_vacuum = {schema.pragmas.auto_vacuum};"
    yield "PRAGMA foreign_keys = OFF;"
    yield "PRAGMA ignore_check_constraints = ON;"
    if not schema.rows and schema.pragmas.encoding != "UTF-8":
        # The header takes the encoding with the first table, and keeps it when that goes. Until then it is UTF-8.
        yield "CREATE TABLE sm_first (x);"
        yield "DROP TABLE sm_first;"


def _counter_table(schema: Schema) -> Iterator[str]:
    """SQLite makes it itself, on the first occasion."""
    scratch = quote_sqlite("sidemirror_" + "_" * max(len(row.name) for row in schema.rows))
    yield f"CREATE TABLE {scratch} (x INTEGER PRIMARY KEY AUTOINCREMENT);"
    yield f"DROP TABLE {scratch};"


def _rows(connection: sqlite3.Connection, table: Table, encoding: str) -> Iterator[str | BigRow]:
    names = [quote_sqlite(column.name) for column in table.stored_columns]
    if table.rowid_visible:
        names.append(str(table.rowid_alias))
    begin = f"INSERT INTO {quote_sqlite(table.name)}({','.join(names)}) VALUES("
    rowid = None if table.rowid_alias is None else quote_sqlite(table.rowid_alias)
    # A bound blob that is cast is taken for UTF-8, so only such a text can be bound.
    size = BIG_BYTES if rowid is not None and encoding == "UTF-8" else LARGEST
    # All of them read the same rows in the same order.
    cursors = [
        connection.execute(_query(rowid or "NULL", names[start : start + _COLUMNS_AT_ONCE], table.name, size))
        for start in range(0, len(names), _COLUMNS_AT_ONCE)
    ]
    for parts in zip(*cursors, strict=True):
        pairs = tuple((part[at], part[at + 1]) for part in parts for at in range(1, len(part), 2))
        if any(kind.endswith(_BIG) for kind, _ in pairs):
            yield BigRow(connection, table, parts[0][0], begin, pairs)
        else:
            yield begin + ",".join([literal(kind, value, encoding) for kind, value in pairs]) + ");"


def _query(rowid: str, names: list[str], table: str, size: int) -> str:
    fields = [rowid]
    for name in names:
        big = f"typeof({name}) IN ('text', 'blob') AND octet_length({name}) > {size}"
        fields.append(f"typeof({name}) || iif({big}, '{_BIG}', '')")
        fields.append(
            f"CASE WHEN {big} THEN NULL WHEN typeof({name}) = 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        )
    return f"SELECT {', '.join(fields)} FROM {quote_sqlite(table)} NOT INDEXED"


def _made(row: SchemaRow) -> str:
    sql = str(row.sql)
    for at, character in enumerate(sql):
        if character == ";" and sqlite3.complete_statement(sql[: at + 1]):
            return sql[: at + 1]  # written by hand, with something behind its end; `_verbatim` puts that back
    return f"{sql};" if sqlite3.complete_statement(f"{sql};") else f"{sql}\n;"  # a comment is its last word


def _is_changed_on_its_way(row: SchemaRow) -> bool:
    """The shell takes carriage returns away; of a table or an index SQLite keeps the line end before the semicolon."""
    return "\r" in str(row.sql) or (row.type in ("table", "index") and _made(row).endswith("\n;"))


def _written(row: SchemaRow) -> str:
    """A virtual table as `.dump` writes it: creating it would create its shadow tables, which are there already."""
    names = ",".join(_text(value) for value in (row.type, row.name, row.tbl_name))
    return f"INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES({names},0,{_text(str(row.sql))});"


def _verbatim(row: SchemaRow) -> str:
    """Corrects what was made of it."""
    sql = "NULL" if row.sql is None else _text(row.sql)
    where = f"type = {_text(row.type)} AND name = {_text(row.name)} COLLATE NOCASE"
    names = f"name = {_text(row.name)}, tbl_name = {_text(row.tbl_name)}"
    return f"UPDATE sqlite_schema SET {names}, sql = {sql} WHERE {where};"


def _text(value: str) -> str:
    return text_literal(value.encode(), "UTF-8")
