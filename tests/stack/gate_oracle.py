"""What a folder of databases and documents holds, told without a line of Sidemirror's own code.

Runs inside the bot's image as `python3 gate_oracle.py FOLDER`, on copies: every SQLite file with its pragmas, its
sqlite_schema, and each row of each table as (rowid, class and exact value of each column); every other file as the
hash of its bytes. Prints JSON.
"""

import hashlib
import json
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

PRAGMAS = ("user_version", "application_id", "encoding", "page_size", "auto_vacuum", "journal_mode")


def exactly(kind: str, value: object) -> str:
    if isinstance(value, float):
        return f"{kind} {value.hex()}"
    if isinstance(value, bytes):
        return f"{kind} {value.hex()}"
    return f"{kind} {value}"


def rows(connection: sqlite3.Connection, table: str) -> list[str]:
    quoted = '"' + table.replace('"', '""') + '"'
    columns = [row[1].decode() for row in connection.execute(f"PRAGMA table_xinfo({quoted})")]
    values = ", ".join(f'typeof("{name}"), "{name}"' for name in columns)
    try:
        found = list(connection.execute(f"SELECT rowid, {values} FROM {quoted}"))
    except sqlite3.OperationalError:  # WITHOUT ROWID
        found = list(connection.execute(f"SELECT NULL, {values} FROM {quoted}"))
    lines = []
    for rowid, *cells in found:
        pairs = zip(cells[::2], cells[1::2], strict=True)
        lines.append(f"{rowid}: " + " | ".join(exactly(kind.decode(), value) for kind, value in pairs))
    return sorted(lines)


def database(path: Path) -> dict[str, object]:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    tables = [name.decode() for kind, name, *_ in schema if kind == b"table"]
    return {
        "pragmas": {name: str(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in PRAGMAS},
        "schema": sorted(str(row) for row in schema),
        "integrity": str(connection.execute("PRAGMA integrity_check").fetchall()),
        "tables": {table: rows(connection, table) for table in tables},
    }


def main(folder: Path) -> None:
    copies = Path(tempfile.mkdtemp()) / "copies"
    shutil.copytree(folder, copies)
    files = sorted(path for path in copies.rglob("*") if path.is_file())
    found: dict[str, object] = {}
    for path in files:
        name = str(path.relative_to(copies))
        # What restore keeps for itself, and the JSON store's own older copies: neither is mirrored.
        if name.endswith(("-wal", "-shm", "-journal")) or name.startswith(("replaced", ".sidemirror", "backups/")):
            continue
        if path.suffix == ".db":
            found[name] = database(path)
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    json.dump(found, sys.stdout)


main(Path(sys.argv[1]))
