"""What reading one file may cost: time, the size of a value, and the bytes that are not in it but made by its own SQL.

A generated column, a check, an index on an expression: all of them are SQL of a stranger that runs whenever the file is read
or checked, and a few bytes of it make gigabytes (decision 0062). The budget follows the size of the file. Time is that of
the processor for this thread, so that a busy machine refuses nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from backup.changes import TableChange, TableChanged, TableDropped
from backup.pair import Pair
from mirror.errors import SourceUnsupported
from mirror.values import Value

_EXCEEDED = (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_TOOBIG)

_SECONDS = 5.0
_BYTES_A_SECOND = 4_000_000
_MADE_BYTES = 64_000_000
_MADE_FOR_A_BYTE = 4
# A value that can be mirrored has 120 MB at most (values.LARGEST_BYTES).
_VALUE_BYTES, _MOST_VALUE_BYTES = 16_000_000, 128_000_000
_SILENT = ("printf", "format")
_FORMATS = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE sql LIKE '%printf%' OR sql LIKE '%format%')"
_TOLD = "user-defined function raised exception"  # of Python's module
_INSTRUCTIONS = 2000  # of SQLite's machine, between two looks at the clock; one of them can make a whole value


def hold(connection: sqlite3.Connection, path: Path) -> None:
    """From now on, what goes beyond the budget of this file ends with an error that is `exceeded`."""
    size = path.stat().st_size
    most = min(_VALUE_BYTES + 4 * size, _MOST_VALUE_BYTES)
    end = time.thread_time() + _SECONDS + size / _BYTES_A_SECOND
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
    connection.set_progress_handler(lambda: time.thread_time() > end, _INSTRUCTIONS)
    if connection.execute(_FORMATS).fetchone()[0]:
        for name in _SILENT:
            connection.create_function(name, -1, _telling(name, most), deterministic=True)


def release(connection: sqlite3.Connection) -> None:
    """It has been looked at, and may take the time that it takes to be sent."""
    connection.set_progress_handler(None, 0)


@cache
def _aside() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


def _telling(name: str, most: int) -> Callable[..., Value]:
    """The function, but for a result that is too large, of which SQLite makes NULL without a word (func.c, printfFunc)."""
    aside = _aside()
    aside.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)

    def told(*arguments: Value) -> Value:
        value: Value
        [(value,)] = aside.execute(f"SELECT {name}({', '.join('?' * len(arguments))})", arguments).fetchall()
        if value is None and arguments and arguments[0] is not None:
            raise ValueError("the result is too large")
        return value

    return told


def exceeded(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _EXCEEDED or _TOLD in str(error)


def takes_long(error: sqlite3.Error) -> bool:
    """Of what is exceeded: the time, and not the size of a value."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_INTERRUPT


def require_made(pair: Pair, tables: tuple[TableChange, ...]) -> None:
    """Raises SourceUnsupported when what is to be sent are many more bytes than are in the file; otherwise they may be."""
    left = _MADE_BYTES + _MADE_FOR_A_BYTE * pair.snapshot.stat().st_size
    for change in tables:
        if isinstance(change, TableDropped) or not any(column.generated for column in change.table.columns):
            continue
        left -= pair.made_bytes(change.table, change.number if isinstance(change, TableChanged) else None)
        if left < 0:
            raise SourceUnsupported(
                f"the generated columns of table {change.table.name} make many more bytes than are in the file",
                "keep them, or what makes them, out of the database; all other databases go on",
            )
    release(pair.connection)
