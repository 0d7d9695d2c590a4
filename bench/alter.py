"""ALTER TABLE of a table of 20 MB in the mirror: what is sent for it, and how much the target grows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from bench import measure
from bench.measure import Figure
from bench.place import Place

MEGABYTES = 20
MOST_BYTES = 50_000
MOST_GROWTH = 1_000_000
ALTERS = {
    "RENAME COLUMN": "ALTER TABLE users RENAME COLUMN note TO remark",
    "ADD COLUMN with a default": "ALTER TABLE users ADD COLUMN plan TEXT NOT NULL DEFAULT 'free'",
    "DROP COLUMN": "ALTER TABLE users DROP COLUMN remark",
    "RENAME TO": "ALTER TABLE users RENAME TO members",
    "DROP TABLE": "DROP TABLE members",
}


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """One after the other; each is followed by a run as a program of its own."""
    del rounds
    database = place.folder / "sqlite" / "bench.db"
    environ = place.environ | {"GUARD_SHRINK": "off"}
    count = MEGABYTES * 1_000_000 // 190 if rows >= 1_000_000 else rows
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, note TEXT, balance REAL)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO users VALUES (?, ?, ?, ?)",
            ((i, f"somebody {i}", f"{i} is what a person wrote to a bot. " * 3, i / 7) for i in range(count)),
        )
        connection.execute("COMMIT")
        measure.run(environ, "backup", "once")
        found = []
        for what, statement in ALTERS.items():
            before = _size(place)
            connection.execute(statement)
            _, sent, seconds = measure.run(environ, "backup", "once").last_sync()
            grown = _size(place) - before
            found.append(
                Figure(
                    f"{what}, {count:,} rows",
                    f"{sent / 1000:.1f} kB sent",
                    f"the target grew by {grown / 1e6:.2f} MB; the run took {seconds:.2f} s",
                    f"{MOST_BYTES / 1000:.0f} kB, {MOST_GROWTH / 1e6:.0f} MB",
                    sent <= MOST_BYTES and grown <= MOST_GROWTH,
                )
            )
    return found


def _size(place: Place) -> int:
    with closing(place.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        [(size,)] = cursor.fetchall()
    return int(size)
