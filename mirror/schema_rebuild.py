"""The objects of a schema made again from the rows of sqlite_schema, which come back as they were, whoever wrote them.

Usually SQLite has written their SQL, in a form of its own. But `PRAGMA writable_schema` lets anybody write there, and what
SQLite makes of such SQL is not what it was made of. So each row is made first, and then put right. Whether all of it comes
back equal is found out when it is mirrored (`require_restorable`), not when it is restored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from mirror.errors import SourceUnsupported
from mirror.names import folded, quote_sqlite
from mirror.only_create import confine, create
from mirror.plain_text import shown
from mirror.schema import Pragmas, Schema, SchemaRow, read_schema, virtual_module
from mirror.stand_ins import StandIns

_KINDS = ("table", "index", "view", "trigger")


def schema_without_data(rows: tuple[SchemaRow, ...], pragmas: Pragmas) -> Schema:
    """The schema that these sqlite_schema rows describe, read from a database in memory that has only them."""
    with _in_memory(pragmas) as connection:
        write_schema_rows(connection, tuple(row for row in rows if row.type == "table"))
        schema = read_schema(connection, pragmas.journal_mode)
        return Schema(rows, pragmas, schema.tables)


def require_restorable(schema: Schema) -> None:
    """Makes everything again. Raises SourceUnsupported, naming the object, for what would not come back equal."""
    for row in schema.rows:
        if row.type not in _KINDS:
            raise _not_equal(f"{row.type} {shown(row.name)}")
    with _in_memory(schema.pragmas) as connection:
        for kind in _KINDS:
            write_schema_rows(connection, tuple(row for row in schema.rows if row.type == kind))
        try:
            again = read_schema(connection, schema.pragmas.journal_mode)
        except sqlite3.Error as error:
            raise _not_equal(f"its schema ({error})") from error
    for row in _differing(schema.rows, again.rows):
        raise _not_equal(f"{row.type} {shown(row.name)}")
    for table in schema.tables:
        if again.table(table.name) != table:
            raise _not_equal(f"table {shown(table.name)}")


def _not_equal(what: str) -> SourceUnsupported:
    return SourceUnsupported(
        f"{what} would not come back as it is: somebody has written into sqlite_schema",
        "make that object anew in the bot's database (a new table and its rows); all other databases go on",
    )


def not_as_made(schema: Schema) -> tuple[SchemaRow, ...]:
    """The rows that SQLite writes otherwise when it makes their objects by their own SQL."""
    with _in_memory(schema.pragmas) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        stand_ins = StandIns(connection)
        for row in sorted(schema.rows, key=lambda row: _KINDS.index(row.type)):
            stand_ins.run(partial(_write_schema_row, connection, row))
        return tuple(row for row in _differing(schema.rows, _rows(connection)) if row in schema.rows)


def write_schema_rows(
    connection: sqlite3.Connection, rows: tuple[SchemaRow, ...], stand_ins: StandIns | None = None
) -> None:
    """Makes the objects of these rows in main, verbatim.

    Tables are made by their own SQL. A virtual table is written into sqlite_schema as `.dump` does, because creating it
    would create its shadow tables, which are rows of their own. `stand_ins` gets what they need
    and is not here. Raises SourceUnsupported when this SQLite refuses one.
    """
    connection.execute("PRAGMA writable_schema = ON")
    stand_ins = stand_ins or StandIns(connection)
    for row in rows:
        try:
            stand_ins.run(partial(_write_schema_row, connection, row))
        except sqlite3.Error as error:
            raise SourceUnsupported(
                f"{row.type} {shown(row.name)} cannot be made again by this SQLite {sqlite3.sqlite_version}: {error}",
                "it would do more than make that: look at its SQL, and at who wrote it"
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH
                else "it uses something that this SQLite does not have (a function, a collation, an extension)",
            ) from error
    _put_right(connection, rows)
    connection.execute("PRAGMA writable_schema = RESET")


def _write_schema_row(connection: sqlite3.Connection, row: SchemaRow) -> None:
    if row.sql is None:
        return  # an automatic index comes with its table
    if row.name.lower().startswith("sqlite_") and _exists(connection, row.name):
        return  # SQLite has made it itself, with the first AUTOINCREMENT
    if virtual_module(row.sql) is not None:
        connection.execute(
            "INSERT INTO main.sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
            (row.type, row.name, row.tbl_name, row.sql),
        )
    else:
        # Statistics, too, of whatever kind: with writable_schema, SQLite makes tables of its own names (build.c,
        # sqlite3CheckObjectName). It need not be able to use them.
        create(connection, row.type, row.sql)


def _exists(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE"
    return connection.execute(query, (name,)).fetchone() is not None


def _put_right(connection: sqlite3.Connection, rows: tuple[SchemaRow, ...]) -> None:
    made = {(row.type, folded(row.name)): row for row in _rows(connection)}
    for row in rows:
        there = made.get((row.type, folded(row.name)))
        if there is not None and there != row:
            connection.execute(
                "UPDATE main.sqlite_schema SET name = ?, tbl_name = ?, sql = ? WHERE type = ? AND name = ?",
                (row.name, row.tbl_name, row.sql, row.type, there.name),
            )


def _rows(connection: sqlite3.Connection) -> tuple[SchemaRow, ...]:
    return tuple(
        SchemaRow(*row) for row in connection.execute("SELECT type, name, tbl_name, sql FROM main.sqlite_schema")
    )


def _differing(rows: tuple[SchemaRow, ...], others: tuple[SchemaRow, ...]) -> list[SchemaRow]:
    """The rows that only one side has, or has more often."""
    found = [row for row in rows if rows.count(row) != others.count(row)]
    return found + [row for row in others if row not in rows]


@contextmanager
def _in_memory(pragmas: Pragmas) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        confine(connection)
        connection.execute(f"PRAGMA encoding = {quote_sqlite(pragmas.encoding)}")
        yield connection
