"""state/view.db: its tables, its limits, and how it is opened for writing.

A cache that another process reads: it is written without fsync and never waited for. A file that is damaged, or of
another version, or of another target, is thrown away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

FILE = "view.db"
VERSION = 2

# A reader holds its lock for milliseconds. One that holds it longer costs a run no more than this.
BUSY_SECONDS = 0.05

# How much is kept. The page says so where something is left out.
POINTS = 10_000
POINT_TABLES = 100_000
TABLES_OF_A_POINT = 100
TRIES = 5_000
SIZES = 5_000
VERSIONS = 30
CONTENT_BYTES = 2_000_000
CONTENTS_BYTES = 16_000_000  # as they are kept, compressed
DRILLS = 500

_SCHEMA = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE databases (file TEXT PRIMARY KEY, bytes INTEGER, here_at REAL) WITHOUT ROWID;
CREATE TABLE tables (
    id INTEGER PRIMARY KEY, file TEXT NOT NULL, name TEXT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,
    mirror INTEGER NOT NULL,        -- rows in the mirror
    here INTEGER,                   -- rows in the source when it was last looked at; NULL: not to be counted
    changed_run INTEGER, changed_at REAL,
    bytes INTEGER,                  -- of the table with its indexes, in the shadow
    exact INTEGER, examples TEXT,   -- rows with _exact values; a JSON array of a few of them
    measured_at REAL,               -- when bytes, exact and examples were last read; NULL: never
    measured_rows INTEGER,          -- and how many rows the mirror had then
    UNIQUE (file, name)
);
CREATE TABLE points (
    run INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL,
    added INTEGER NOT NULL, changed INTEGER NOT NULL, removed INTEGER NOT NULL, documents INTEGER NOT NULL,
    proved INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE point_tables (
    run INTEGER NOT NULL, table_id INTEGER NOT NULL,
    added INTEGER NOT NULL, changed INTEGER NOT NULL, removed INTEGER NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (run, table_id)
) WITHOUT ROWID;
CREATE TABLE tries (
    at REAL PRIMARY KEY, run INTEGER, committed INTEGER NOT NULL, seconds REAL NOT NULL, bytes_sent INTEGER NOT NULL,
    lag REAL                        -- seconds from the source's last write to the commit; NULL: nothing was committed
) WITHOUT ROWID;
CREATE TABLE sizes (at REAL PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, gone INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE versions (
    document_id INTEGER NOT NULL, run INTEGER NOT NULL, at REAL, sha256 TEXT, bytes INTEGER,
    content BLOB,                   -- compressed; NULL: gone, too large, or given up for room
    PRIMARY KEY (document_id, run)
);
CREATE TABLE drills (at REAL PRIMARY KEY, run INTEGER, ok INTEGER NOT NULL, seconds REAL, what TEXT) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""


@contextmanager
def writing(state_dir: Path, target: str) -> Iterator[sqlite3.Connection]:
    """One transaction on the file, made anew where it is not of this `target`. Raises sqlite3.Error and OSError."""
    path = state_dir / FILE
    try:
        connection = _opened(path, target)
    except sqlite3.OperationalError:  # busy, or the folder is full: the next run goes on
        raise
    except sqlite3.DatabaseError:
        remove(state_dir)
        connection = _opened(path, target)
    with closing(connection):
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def target_of(state_dir: Path) -> str:
    """The target that the file is a view of; empty where it is none. Raises sqlite3.Error."""
    with closing(sqlite3.connect(state_dir / FILE, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        [(version,)] = connection.execute("PRAGMA user_version")
        return str(fact(connection, "target") or "") if version == VERSION else ""


def remove(state_dir: Path) -> None:
    """Throws the file away; the next run makes it again."""
    for suffix in ("", "-journal"):
        (state_dir / f"{FILE}{suffix}").unlink(missing_ok=True)


def fact(connection: sqlite3.Connection, name: str) -> Any:
    """A fact that was written; None where there is none."""
    found = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if found is None else json.loads(found[0])


def set_facts(connection: sqlite3.Connection, **facts: Any) -> None:
    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", [(n, json.dumps(v)) for n, v in facts.items()])


def set_here(connection: sqlite3.Connection, file: str, rows: dict[str, int], at: float) -> None:
    """Rows of a database's tables in the source, counted at `at`; a table that was not counted gets none."""
    tables = connection.execute("SELECT id, name FROM tables WHERE file = ? AND NOT gone", (file,)).fetchall()
    connection.executemany("UPDATE tables SET here = ? WHERE id = ?", [(rows.get(name), n) for n, name in tables])
    connection.execute("UPDATE databases SET here_at = ? WHERE file = ?", (at, file))


def trim(connection: sqlite3.Connection) -> None:
    """Keeps every table within its limit; the oldest go."""
    for table, key, most in (("points", "run", POINTS), ("tries", "at", TRIES), ("sizes", "at", SIZES)):
        connection.execute(
            f"DELETE FROM {table} WHERE {key} <= (SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET {most})"
        )
    connection.execute(
        "UPDATE versions SET content = NULL FROM (SELECT document_id AS id, run AS of_run, sum(length(content)) OVER "
        "(ORDER BY run DESC, document_id) AS total FROM versions WHERE content IS NOT NULL) "
        "WHERE document_id = id AND run = of_run AND total > ?",
        (CONTENTS_BYTES,),
    )
    connection.execute("DELETE FROM point_tables WHERE run < (SELECT min(run) FROM points)")
    connection.execute(
        f"DELETE FROM point_tables WHERE run <= "
        f"(SELECT run FROM point_tables ORDER BY run DESC LIMIT 1 OFFSET {POINT_TABLES})"
    )


def _opened(path: Path, target: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = OFF")
        [(version,)] = connection.execute("PRAGMA user_version")
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            set_facts(connection, target=target)
        elif version != VERSION or fact(connection, "target") != target:
            raise sqlite3.DatabaseError("another version, or another target")
    except BaseException:
        connection.close()
        raise
    return connection
