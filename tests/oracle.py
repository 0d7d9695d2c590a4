"""What a SQLite file holds, told without a line of Sidemirror's code; so a fault in its content hash cannot hide here.

`describe` gives everything that has to come back: the header's settings, sqlite_schema, and every row of every table that
stores rows, each value with its class and its exact bytes. `differences` says where two descriptions part.
"""

from __future__ import annotations

import sqlite3
import struct
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

PRAGMAS = ("user_version", "application_id", "encoding", "page_size", "auto_vacuum")


def open_private(path: Path) -> sqlite3.Connection:
    """A read-only connection to a file that nobody writes to, whatever journal mode its header names."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, isolation_level=None)
    connection.text_factory = bytes
    return connection


def describe(path: Path) -> dict[str, Any]:
    connection = open_private(path)
    try:
        schema = sorted(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"), key=repr)
        stored = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
        ]
        return {
            "header": {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
            | {"versions": path.read_bytes()[18:20], "empty": path.stat().st_size == 0},
            "schema": schema,
            "tables": {name: rows(connection, name) for name in stored},
        }
    finally:
        connection.close()


def rows(connection: sqlite3.Connection, table: bytes) -> list[tuple[Any, ...]]:
    """Each row as its rowid (None where it has none that SQL can reach) and one (class, exact value) for each column."""
    quoted = _quoted(table)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({quoted})")]
    taken = {name.lower() for name in columns}
    alias = next((name for name in (b"rowid", b"oid", b"_rowid_") if name not in taken), b"NULL").decode()
    # SQLite gives at most 2,000 columns at once; each statement reads the same rows in the same order.
    parts = [_cells(connection, quoted, alias, columns[start : start + 900]) for start in range(0, len(columns), 900)]
    found = [(cells[0][0], *(cell for part in cells for cell in part[1:])) for cells in zip(*parts, strict=True)]
    exact = [
        (rowid, *((kind.decode(), _bits(value)) for kind, value in zip(cells[::2], cells[1::2], strict=True)))
        for rowid, *cells in found
    ]
    return sorted(exact, key=repr)


def _cells(connection: sqlite3.Connection, table: str, alias: str, columns: list[bytes]) -> list[tuple[Any, ...]]:
    values = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(_quoted, columns)
    )
    try:
        return connection.execute(f"SELECT {alias}, {values} FROM {table} NOT INDEXED").fetchall()
    except sqlite3.OperationalError:  # WITHOUT ROWID
        return connection.execute(f"SELECT NULL, {values} FROM {table} NOT INDEXED").fetchall()


def integrity(path: Path) -> list[str]:
    """What SQLite's own check finds; nothing in a sound file."""
    connection = open_private(path)
    try:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        found = [line.decode() for (line,) in connection.execute("PRAGMA integrity_check")]
    finally:
        connection.close()
    return [] if found == ["ok"] else found


def differences(left: Path, right: Path) -> list[str]:
    """One line for each way in which the files differ; empty when they are equal."""
    a, b = describe(left), describe(right)
    found = [
        f"{key}: {value!r} / {b['header'][key]!r}" for key, value in a["header"].items() if value != b["header"][key]
    ]
    found += [f"schema row {row!r} only on the left" for row in a["schema"] if row not in b["schema"]]
    found += [f"schema row {row!r} only on the right" for row in b["schema"] if row not in a["schema"]]
    for name in sorted({*a["tables"], *b["tables"]}):
        found += _row_differences(name.decode(errors="replace"), a["tables"].get(name), b["tables"].get(name))
    return found


def _row_differences(name: str, a: list[Any] | None, b: list[Any] | None) -> list[str]:
    if a is None or b is None:
        return [f"table {name} only on the {'left' if b is None else 'right'}"]
    if a == b:
        return []
    left, right = {repr(row) for row in a}, {repr(row) for row in b}
    only = [f"table {name}: {row[:400]} only on the left" for row in sorted(left - right)[:3]]
    only += [f"table {name}: {row[:400]} only on the right" for row in sorted(right - left)[:3]]
    return only or [f"table {name}: {len(a)} rows / {len(b)} rows"]


def _bits(value: Any) -> Any:
    """Doubles as their eight bytes: 0.0 and -0.0 are equal to Python."""
    return struct.pack("<d", value) if isinstance(value, float) else value


def _quoted(name: bytes | str) -> str:
    text = name.decode() if isinstance(name, bytes) else name
    return '"' + text.replace('"', '""') + '"'


def main(left: str, right: str) -> int:
    """Prints where the databases of two folders part; 1 if they do, or if one of them lacks a file."""
    names = {path.name for folder in (left, right) for path in Path(folder).glob("*.db")}
    told = [f"{name}: {line}" for name in sorted(names) for line in _between(Path(left, name), Path(right, name))]
    print("\n".join([*told[:50], f"{len(names)} databases compared"]))
    return 1 if told or not names else 0


def _between(left: Path, right: Path) -> list[str]:
    missing = [f"there is no {path}" for path in (left, right) if not path.exists()]
    return missing or [*integrity(right), *differences(left, right)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
