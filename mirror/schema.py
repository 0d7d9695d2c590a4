"""The shape of one SQLite database: its tables, their columns and keys, and its settings, read from the file itself.

Everything is read with SQLite's own pragmas (https://www.sqlite.org/pragma.html#pragma_table_xinfo), never by parsing
SQL. The same functions read a live schema and one rebuilt from the catalog, so both sides agree.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from mirror.errors import SourceUnsupported
from mirror.names import quote_sqlite
from mirror.only_create import confine, create
from mirror.plain_text import shown

ROWID_ALIASES = ("rowid", "_rowid_", "oid")

# sqlite_schema keeps "CREATE VIRTUAL TABLE " and then what was written from the table's name on (vtab.c, %T).
_SPACE = r"(?:\s|--[^\n]*\n|/\*.*?\*/)"
_NAME = r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[^\s"'`\[\](;/-]+)"""
_VIRTUAL_MODULE = re.compile(
    rf"CREATE VIRTUAL TABLE {_SPACE}*{_NAME}{_SPACE}*USING{_SPACE}*(?P<module>{_NAME})", re.I | re.S
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
    page_size: int
    auto_vacuum: int
    journal_mode: str  # wal or delete: the two that a file remembers


@dataclass(frozen=True)
class Schema:
    rows: tuple[SchemaRow, ...]
    pragmas: Pragmas
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)


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
        for row in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")
    )
    _refuse_unknown_modules(connection, rows)
    tables = tuple(
        read_table(connection, row.name, bool(wr), bool(strict)) for row, wr, strict in _stored_tables(connection, rows)
    )
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


def schema_without_data(rows: tuple[SchemaRow, ...], pragmas: Pragmas) -> Schema:
    """The schema that these sqlite_schema rows describe, read from a database in memory that has only them."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    confine(connection)
    try:
        connection.execute(f"PRAGMA encoding = {quote_sqlite(pragmas.encoding)}")
        write_schema_rows(connection, tuple(row for row in rows if row.type == "table"))
        schema = read_schema(connection, pragmas.journal_mode)
        return Schema(rows, pragmas, schema.tables)
    finally:
        connection.close()


def require_restorable(schema: Schema) -> None:
    """Raises SourceUnsupported, naming the object, for a schema that could be mirrored but not be made again."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    confine(connection)
    try:
        connection.execute(f"PRAGMA encoding = {quote_sqlite(schema.pragmas.encoding)}")
        for kind in ("table", "index", "view", "trigger"):
            write_schema_rows(connection, tuple(row for row in schema.rows if row.type == kind))
    finally:
        connection.close()


def write_schema_rows(connection: sqlite3.Connection, rows: tuple[SchemaRow, ...]) -> None:
    """Makes the objects of these rows in main, verbatim.

    Tables are made by their own SQL. A virtual table is written into sqlite_schema as `.dump` does, because creating it
    would create its shadow tables, which are rows of their own. Raises SourceUnsupported when this SQLite refuses one.
    """
    connection.execute("PRAGMA writable_schema = ON")
    names = {row.name for row in rows}
    for row in rows:
        try:
            _write_schema_row(connection, row, names)
        except sqlite3.Error as error:
            raise SourceUnsupported(
                f"{row.type} {shown(row.name)} cannot be made again by this SQLite {sqlite3.sqlite_version}: {error}",
                "it would do more than make that: look at its SQL, and at who wrote it"
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH
                else "it uses something that this SQLite does not have (a function, a collation, an extension)",
            ) from error
    connection.execute("PRAGMA writable_schema = RESET")


def _write_schema_row(connection: sqlite3.Connection, row: SchemaRow, names: set[str]) -> None:
    if row.name.startswith("sqlite_"):
        _write_internal_table(connection, row, names)
    elif row.sql is not None and _VIRTUAL_MODULE.match(row.sql):
        connection.execute(
            "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
            (row.type, row.name, row.tbl_name, row.sql),
        )
    elif row.sql is not None:
        create(connection, row.type, row.sql)


def _write_internal_table(connection: sqlite3.Connection, row: SchemaRow, names: set[str]) -> None:
    if row.type != "table":
        return  # automatic indexes come with their tables
    exists = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (row.name,)).fetchone()
    if exists:
        return
    if row.name == "sqlite_sequence":
        scratch = "sidemirror_" + "_" * max(len(name) for name in names)
        connection.execute(f"CREATE TABLE {quote_sqlite(scratch)} (x INTEGER PRIMARY KEY AUTOINCREMENT)")
        connection.execute(f"DROP TABLE {quote_sqlite(scratch)}")
    else:
        connection.execute("ANALYZE sqlite_schema")  # makes the statistics tables, without rows


def _stored_tables(connection: sqlite3.Connection, rows: tuple[SchemaRow, ...]) -> list[tuple[SchemaRow, int, int]]:
    kinds = {
        name: (kind, wr, strict)
        for name, kind, wr, strict in connection.execute(
            "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'"
        )
    }
    stored = []
    for row in rows:
        if row.type == "table" and row.name in kinds:
            kind, wr, strict = kinds[row.name]
            if kind in ("table", "shadow"):
                stored.append((row, wr, strict))
    return stored


def _refuse_unknown_modules(connection: sqlite3.Connection, rows: tuple[SchemaRow, ...]) -> None:
    modules = {name.lower() for (name,) in connection.execute("SELECT name FROM pragma_module_list")}
    for row in rows:
        match = _VIRTUAL_MODULE.match(row.sql or "")
        module = match.group("module").strip("\"'`[]") if match else None
        if row.type == "table" and module and module.lower() not in modules:
            raise SourceUnsupported(
                f"table {row.name} is a virtual table of the extension {module}, which is not here",
                "keep that table in a database of its own; all other databases are mirrored",
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
        page_size=pragma("page_size"),
        auto_vacuum=pragma("auto_vacuum"),
        journal_mode=journal_mode,
    )
