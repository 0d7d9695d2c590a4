"""Are the rows of two private SQLite files the same to the byte? Asked without the lines and the hash of a mirror.

What mirrors, restores and hashes a text all read it in the same way, so what that way loses they lose alike, and then they
agree (decision 0060). Here a value is its class and its bytes as they are stored, and rows are compared in the order of
their b-tree. Nothing of `mirror` is used, on purpose.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

_ROWS_AT_ONCE = 200
_COLUMNS_AT_ONCE = 600  # three expressions each; a result has at most 2,000 (https://www.sqlite.org/limits.html)
_BIG_BYTES = 1024 * 1024  # such a value is read in pieces
_WITHOUT_REFERENCES = 2  # marshal's last version whose bytes follow from the values alone

_Row = tuple[Any, ...]


def differences(left: Path, right: Path, tables: Collection[str] | None = None) -> list[str]:
    """One line for each table that stores rows (of `tables`, where given) in which the two files differ; and the schema."""
    if _same_bytes(left, right):
        return []
    with closing(_opened(left)) as one, closing(_opened(right)) as other:
        found = [] if tables is not None or _schema(one) == _schema(other) else ["the schema"]
        names = [_stored(connection) for connection in (one, other)]
        for name in sorted(set(names[0]) | set(names[1])):
            if tables is None or name in tables:
                found += [f"table {name}{where}" for where in _difference(one, other, name, names)]
    return found


def _same_bytes(left: Path, right: Path) -> bool:
    if left.stat().st_size != right.stat().st_size:
        return False
    with left.open("rb") as one, right.open("rb") as other:
        while piece := one.read(_BIG_BYTES):
            if piece != other.read(_BIG_BYTES):
                return False
    return True


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _schema(connection: sqlite3.Connection) -> list[_Row]:
    return sorted(
        connection.execute("SELECT type, name, tbl_name, CAST(coalesce(sql, '') AS BLOB) FROM main.sqlite_schema")
    )


def _stored(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0")
    return [name for (name,) in rows]


def _difference(one: sqlite3.Connection, other: sqlite3.Connection, name: str, names: list[list[str]]) -> list[str]:
    if any(name not in some for some in names):
        return [" is in one of them only"]
    for left, right in zip_longest(_batches(one, name), _batches(other, name)):
        if left is None or right is None:
            return [": one of them has more rows"]
        # Not by ==, to which 0.0 is -0.0, and 1 is 1.0.
        if marshal.dumps(left, _WITHOUT_REFERENCES) != marshal.dumps(right, _WITHOUT_REFERENCES):
            return [_which(left, right)]
    return []


def _which(left: list[_Row], right: list[_Row]) -> str:
    for mine, its in zip_longest(left, right):
        if marshal.dumps(mine, _WITHOUT_REFERENCES) != marshal.dumps(its, _WITHOUT_REFERENCES):
            rowid = (mine or its)[0]
            return f", row {rowid}" if rowid is not None else ", a row"
    return ""


def _batches(connection: sqlite3.Connection, table: str) -> Iterator[list[_Row]]:
    """The rows in the order of their b-tree, each with its rowid first (None where SQL cannot reach one), in batches.

    A virtual generated column is not in the file, so it is not asked for.
    """
    columns = [row[1] for row in connection.execute(f"PRAGMA main.table_xinfo({_quoted(table)})") if row[6] in (0, 3)]
    alias = _alias(connection, table, columns)
    groups = [columns[start : start + _COLUMNS_AT_ONCE] for start in range(0, len(columns), _COLUMNS_AT_ONCE)]
    cursors = [connection.execute(_query(table, alias, group)) for group in groups]
    while any(parts := [cursor.fetchmany(_ROWS_AT_ONCE) for cursor in cursors]):
        for group, rows in zip(groups, parts, strict=True):
            for number, (rowid, has_large, *_) in enumerate(rows):
                if has_large:
                    rows[number] = tuple(_with_large(connection, table, group, rowid, rows[number]))
        yield parts[0] if len(parts) == 1 else [sum(row, ()) for row in zip(*parts, strict=True)]


def _alias(connection: sqlite3.Connection, table: str, columns: list[str]) -> str:
    taken = {column.lower() for column in columns}
    for alias in ("rowid", "oid", "_rowid_"):
        if alias not in taken:
            try:
                connection.execute(f"SELECT {alias} FROM main.{_quoted(table)} LIMIT 0")
            except sqlite3.OperationalError:
                break  # WITHOUT ROWID
            return alias
    return "NULL"


def _query(table: str, alias: str, columns: list[str]) -> str:
    fields = []
    large = []
    for name in map(_quoted, columns):
        # Without a rowid a large value cannot be opened in place, and is read whole.
        is_large = f"ifnull(octet_length({name}) > {_BIG_BYTES}, 0)" if alias != "NULL" else "0"
        large.append(is_large)
        fields.append(f"typeof({name})")
        # An expression, so that a text is taken as the bytes that it is, in whatever encoding.
        value = f"iif(typeof({name}) IN ('text', 'blob'), CAST({name} AS BLOB), {name})"
        fields.append(f"iif({is_large}, NULL, {value})" if is_large != "0" else value)
    has_large = " OR ".join(large) or "0"
    return f"SELECT {alias}, {has_large}, {', '.join(fields) or 'NULL'} FROM main.{_quoted(table)} NOT INDEXED"


def _with_large(
    connection: sqlite3.Connection, table: str, columns: list[str], rowid: int, row: _Row
) -> Iterator[object]:
    yield from row[:2]
    for number, column in enumerate(columns):
        kind, value = row[2 + 2 * number : 4 + 2 * number]
        yield kind
        if value is not None or kind not in ("text", "blob"):
            yield value
            continue
        digest = sha256()
        with connection.blobopen(table, column, rowid, readonly=True, name="main") as blob:
            while piece := blob.read(_BIG_BYTES):
                digest.update(piece)
        yield digest.digest()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
