"""The shape of one SQLite database: its tables, their columns and keys, and its settings, read from the file itself.

Everything is read with SQLite's own pragmas (https://www.sqlite.org/pragma.html#pragma_table_xinfo), never by parsing
SQL. The same functions read a live schema and one rebuilt from the catalog, so both sides agree.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from mirror.errors import SourceUnsupported
from mirror.names import folded, quote_sqlite
from mirror.stand_ins import own_collation

ROWID_ALIASES = ("rowid", "_rowid_", "oid")

# sqlite_schema keeps "CREATE VIRTUAL TABLE " and then what was written from the table's name on (vtab.c, %T), unless
# somebody has written there himself (pragma.html#pragma_writable_schema).
_SPACE = r"(?:\s|--[^\n]*\n|/\*.*?\*/)"
_NAME = r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[^\s"'`\[\](;/-]+)"""
_VIRTUAL_MODULE = re.compile(
    rf"{_SPACE}*CREATE{_SPACE}+VIRTUAL{_SPACE}+TABLE{_SPACE}*(?:IF{_SPACE}+NOT{_SPACE}+EXISTS{_SPACE}*)?"
    rf"{_NAME}{_SPACE}*USING{_SPACE}*(?P<module>{_NAME})",
    re.I | re.S,
)


@dataclass(frozen=True)
class Column:
    """One column of a SQLite table. `key_position` is its 1-based place in the PRIMARY KEY, 0 where it has none."""

    name: str
    declared: str
    key_position: int
    generated: bool
    key_collation: str = "BINARY"


@dataclass(frozen=True)
class Table:
    """One table that stores rows (shadow tables of virtual tables included, virtual tables themselves not)."""

    name: str
    columns: tuple[Column, ...]
    without_rowid: bool
    strict: bool
    rowid_alias: str | None  # the name by which SQL reaches the rowid; None in a WITHOUT ROWID table
    integer_key: str | None  # the column that is the rowid itself (INTEGER PRIMARY KEY)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        return tuple(sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position))

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that a restore writes: all but the generated ones."""
        return tuple(c for c in self.columns if not c.generated)

    @property
    def rowid_visible(self) -> bool:
        """Whether the rowid is data of its own, beside the columns."""
        return not self.without_rowid and self.integer_key is None


@dataclass(frozen=True)
class SchemaRow:
    """One row of sqlite_schema, verbatim but for the root page."""

    type: str
    name: str
    tbl_name: str
    sql: str | None


@dataclass(frozen=True)
class Pragmas:
    """What the file's header keeps beside the schema."""

    user_version: int
    application_id: int
    encoding: str
    page_size: int  # 0: the file has no bytes at all yet
    auto_vacuum: int
    journal_mode: str  # wal or delete: the two that a file remembers


@dataclass(frozen=True)
class Schema:
    rows: tuple[SchemaRow, ...]
    pragmas: Pragmas
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)


def virtual_module(sql: str | None) -> str | None:
    """The module of a virtual table, by the SQL that makes it; None for any other object."""
    match = _VIRTUAL_MODULE.match(sql or "")
    return match.group("module").strip("\"'`[]") if match else None


def same_objects(rows: tuple[SchemaRow, ...], others: tuple[SchemaRow, ...]) -> bool:
    """Whether both have the same objects. Their order is kept, but it is no content: VACUUM and a restore may change it."""
    return in_order(rows) == in_order(others)


def in_order(rows: tuple[SchemaRow, ...]) -> list[SchemaRow]:
    """The rows in an order that does not depend on the file."""
    return sorted(rows, key=lambda row: (row.type, row.name, row.tbl_name))


def read_schema(connection: sqlite3.Connection, journal_mode: str) -> Schema:
    """The schema of the connection's main database.

    `journal_mode` is given because a snapshot has the file's header but not its mode of use. Raises SourceUnsupported,
    naming the table, for what cannot be mirrored exactly.
    """
    rows = tuple(
        SchemaRow(*row)
        for row in connection.execute("SELECT type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY rowid")
    )
    tables = tuple(
        read_table(connection, row.name, bool(wr), bool(strict)) for row, wr, strict in _stored_tables(connection, rows)
    )
    for table in tables:
        _refuse_unknown_order(table)
    return Schema(rows, _read_pragmas(connection, journal_mode), tables)


def read_table(connection: sqlite3.Connection, name: str, without_rowid: bool, strict: bool) -> Table:
    """One table of main as SQLite describes it."""
    info = connection.execute(f"PRAGMA main.table_xinfo({quote_sqlite(name)})").fetchall()
    collations = _key_collations(connection, name)
    columns = tuple(
        Column(column, declared or "", key, hidden in (2, 3), collations.get(column, "BINARY"))
        for _, column, declared, _, _, key, hidden in info
        if hidden != 1
    )
    keys = [column for column in columns if column.key_position]
    integer_key = None
    # INTEGER PRIMARY KEY is the rowid: a one-column key of that very type for which SQLite made no index (lang_createtable).
    if not without_rowid and len(keys) == 1 and keys[0].declared.upper() == "INTEGER" and not collations:
        integer_key = keys[0].name
    return Table(
        name,
        columns,
        without_rowid,
        strict,
        _rowid_alias(name, columns, without_rowid, integer_key),
        integer_key,
    )


def _stored_tables(connection: sqlite3.Connection, rows: tuple[SchemaRow, ...]) -> list[tuple[SchemaRow, int, int]]:
    # A row of sqlite_schema may name its table in another case than the row's SQL, from which SQLite has the name.
    kinds = {
        folded(name): (kind, wr, strict)
        for _, name, kind, _, wr, strict in connection.execute("PRAGMA main.table_list")
    }
    stored = []
    for row in rows:
        if row.type == "table" and folded(row.name) in kinds:
            kind, wr, strict = kinds[folded(row.name)]
            if kind in ("table", "shadow"):
                stored.append((row, wr, strict))
    return stored


def _refuse_unknown_order(table: Table) -> None:
    for column in table.key_columns if table.without_rowid else ():
        if own_collation(column.key_collation):
            raise SourceUnsupported(
                f"table {table.name} is WITHOUT ROWID and in the order of the collation {column.key_collation}, "
                "which is not here: no row of it can be found",
                "make it a table with rowids; all other databases are mirrored",
            )


def _key_collations(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Collation by key column, from the index that enforces the PRIMARY KEY; empty where the rowid is the key."""
    for _, index, _, origin, _ in connection.execute(f"PRAGMA main.index_list({quote_sqlite(table)})"):
        if origin == "pk":
            info = connection.execute(f"PRAGMA main.index_xinfo({quote_sqlite(index)})")
            return {column: collation for _, _, column, _, collation, is_key in info if is_key}
    return {}


def _rowid_alias(table: str, columns: tuple[Column, ...], without_rowid: bool, integer_key: str | None) -> str | None:
    if without_rowid:
        return None
    if integer_key is not None:
        return integer_key
    taken = {column.name.lower() for column in columns}
    for alias in ROWID_ALIASES:
        if alias not in taken:
            return alias
    raise SourceUnsupported(
        f"table {table} has columns named rowid, oid and _rowid_, so its rows cannot be told apart by their rowid",
        "rename one of the three columns, or give the table an INTEGER PRIMARY KEY",
    )


def _read_pragmas(connection: sqlite3.Connection, journal_mode: str) -> Pragmas:
    def pragma(name: str) -> int:
        return int(connection.execute(f"PRAGMA main.{name}").fetchone()[0])

    return Pragmas(
        user_version=pragma("user_version"),
        application_id=pragma("application_id"),
        encoding=str(connection.execute("PRAGMA main.encoding").fetchone()[0]),
        page_size=pragma("page_size") if pragma("page_count") else 0,
        auto_vacuum=pragma("auto_vacuum"),
        journal_mode=journal_mode,
    )
