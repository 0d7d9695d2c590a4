"""SQL out of the catalog is data of whoever owns the target: it may make one object of its own type, and nothing else.

SQLite asks the authorizer for each thing that a statement would do (https://www.sqlite.org/c3ref/set_authorizer.html),
before it does any of it: ATTACH opens no file, a PRAGMA turns nothing off, a SELECT in it reads nothing.
"""

from __future__ import annotations

import sqlite3

# The functions that a default, a check or an index may name and that reach beyond the row.
_REACHING = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "sqlite_log", "eval"})

_SCHEMA_TABLES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_sequence"})
_MADE = {
    "table": {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX},  # with the indexes of its keys
    "index": {sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_REINDEX},
    "view": {sqlite3.SQLITE_CREATE_VIEW},
    "trigger": {sqlite3.SQLITE_CREATE_TRIGGER},
}
_WRITTEN = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}


def create(connection: sqlite3.Connection, kind: str, sql: str) -> None:
    """Runs a CREATE of that kind (table, index, view, trigger) in main. Raises sqlite3.Error for all else, nothing done."""
    made = _MADE.get(kind)
    if made is None:
        raise sqlite3.ProgrammingError(f"there is no kind of object that is called {kind!r}")

    def allowed(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
        del inner
        if database not in (None, "main"):
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION:
            fine = (second or "").lower() not in _REACHING
        else:
            fine = action == sqlite3.SQLITE_READ or action in made or (action in _WRITTEN and first in _SCHEMA_TABLES)
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    connection.set_authorizer(allowed)
    try:
        connection.execute(sql)
    finally:
        connection.set_authorizer(None)


def confine(connection: sqlite3.Connection) -> None:
    """No other file can be attached to the connection any more."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
