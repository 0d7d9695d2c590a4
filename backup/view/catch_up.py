"""What happened in runs that the view has not seen, from the target's catalog: after a loss, or a gap.

The catalog has no count of rows for each run; its history has a before-image for each row that a run touched, and none
where the row was new. With the row counts of before and after, that is what was added, changed and removed.
"""

from __future__ import annotations

import sqlite3
import zlib
from bisect import bisect_left
from collections import defaultdict
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from backup.view import store
from mirror.target import reading

_RUNS = """
SELECT r.run, extract(epoch FROM r.finished_at)::float8, r.kind, r.documents_changed, r.target_bytes,
       r.proved_at IS NOT NULL
FROM sidemirror.runs AS r WHERE r.source_id = %(source)s AND r.run > %(after)s ORDER BY r.run DESC LIMIT %(points)s
"""

_TABLES = """
SELECT t.id, d.file, t.name, t.dropped_run FROM sidemirror.tables AS t JOIN sidemirror.databases AS d
ON d.id = t.database_id WHERE d.source_id = %(source)s ORDER BY t.id
"""

_STATES = """
SELECT s.table_id, s.run, s.row_count FROM sidemirror.table_states AS s JOIN sidemirror.tables AS t ON t.id = s.table_id
JOIN sidemirror.databases AS d ON d.id = t.database_id WHERE d.source_id = %(source)s AND s.run > %(after)s
"""

_TOUCHED = """
SELECT h.table_id, h.run, count(*) FILTER (WHERE h.before IS NULL), count(h.before) FROM sidemirror.history AS h
JOIN sidemirror.tables AS t ON t.id = h.table_id JOIN sidemirror.databases AS d ON d.id = t.database_id
WHERE d.source_id = %(source)s AND h.run > %(after)s GROUP BY 1, 2
"""

# The newest versions of each document, as far as they are small enough, and all together as far as there is room.
_VERSIONS = """
SELECT v.file, v.run, encode(v.sha256, 'hex'), v.bytes,
       CASE WHEN v.bytes <= %(one)s AND v.total <= %(all)s THEN sidemirror.document_bytes(%(source)s, v.sha256) END
FROM (
    SELECT d.file, s.run, s.sha256, c.size AS bytes,
           row_number() OVER (PARTITION BY d.id ORDER BY s.run DESC) AS n,
           sum(CASE WHEN c.size <= %(one)s THEN c.size ELSE 0 END)
               OVER (ORDER BY s.run DESC, d.id) AS total
    FROM sidemirror.document_states AS s JOIN sidemirror.documents AS d ON d.id = s.document_id
    LEFT JOIN sidemirror.document_contents AS c ON c.source_id = d.source_id AND c.sha256 = s.sha256
    WHERE d.source_id = %(source)s AND s.run > %(after)s
) AS v WHERE v.n <= %(versions)s ORDER BY v.run
"""


def catch_up(view: sqlite3.Connection, connection: Connection, source_id: int, after: int) -> None:
    """Adds all restore points after run `after`."""
    values = {
        "source": source_id,
        "after": after,
        "points": store.POINTS,
        "one": store.CONTENT_BYTES,
        "all": store.CONTENTS_BYTES,
        "versions": store.VERSIONS,
    }
    with reading(connection) as cursor:
        runs, tables, states, touched, versions = (
            _rows(cursor, query, values) for query in (_RUNS, _TABLES, _STATES, _TOUCHED, _VERSIONS)
        )
    runs.reverse()
    view.executemany("INSERT OR REPLACE INTO sizes VALUES (?, ?)", [(row[1], row[4]) for row in runs])
    changes = _changes(view, after, [row[0] for row in runs], tables, states, touched)
    for run, at, kind, documents, _, proved in runs:
        of_run = changes.get(run, [])
        added, changed, removed = (sum(row[n] for row in of_run) for n in (1, 2, 3))
        view.execute(
            "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (run, at, kind, added, changed, removed, documents, proved),
        )
        view.executemany("INSERT OR REPLACE INTO point_tables VALUES (?, ?, ?, ?, ?, ?)", [(run, *r) for r in of_run])
    times = {row[0]: row[1] for row in runs}
    for file, run, sha256, size, content in versions:
        add_version(view, file, run, times.get(run), sha256, size, None if content is None else bytes(content))


def add_version(
    view: sqlite3.Connection,
    file: str,
    run: int,
    at: float | None,
    sha256: str | None,
    size: int | None,
    content: bytes | None,
) -> None:
    """One version of a document; `sha256` None: it was gone. Keeps the newest ones."""
    view.execute(
        "INSERT INTO documents (file, gone) VALUES (?1, ?2) ON CONFLICT (file) DO UPDATE SET gone = ?2",
        (file, sha256 is None),
    )
    kept = zlib.compress(content, 1) if content is not None and len(content) <= store.CONTENT_BYTES else None
    view.execute(
        "INSERT OR REPLACE INTO versions SELECT id, ?, ?, ?, ?, ? FROM documents WHERE file = ?",
        (run, at, sha256, size, kept, file),
    )
    view.execute(
        "DELETE FROM versions WHERE document_id = (SELECT id FROM documents WHERE file = ?1) AND run <= (SELECT run "
        "FROM versions WHERE document_id = (SELECT id FROM documents WHERE file = ?1) ORDER BY run DESC "
        f"LIMIT 1 OFFSET {store.VERSIONS})",
        (file,),
    )


def table_id(view: sqlite3.Connection, file: str, name: str) -> int:
    """The number that a table has in the view; the same for as long as it has its name."""
    view.execute("INSERT OR IGNORE INTO tables (file, name, mirror) VALUES (?, ?, 0)", (file, name))
    [(found,)] = view.execute("SELECT id FROM tables WHERE file = ? AND name = ?", (file, name))
    return int(found)


def _rows(cursor: Cursor, query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor.execute(query, values)
    return cursor.fetchall()


def _changes(
    view: sqlite3.Connection,
    after: int,
    runs: list[int],
    tables: list[tuple[Any, ...]],
    states: list[tuple[Any, ...]],
    touched: list[tuple[Any, ...]],
) -> dict[int, list[tuple[int, int, int, int, int]]]:
    """For each restore point its changed tables: number in the view, added, changed, removed, rows afterwards.

    Thinning leaves numbers of runs that are no restore points any more; they belong to the next one that is.
    """

    def point(run: int) -> int | None:
        place = bisect_left(runs, run)
        return runs[place] if place < len(runs) else None

    rows_after: dict[int, dict[int, int]] = defaultdict(dict)
    for table, run, count in sorted(states, key=lambda row: row[1]):
        if (kept := point(run)) is not None:
            rows_after[table][kept] = count
    inserted: dict[tuple[int, int], int] = defaultdict(int)
    images: dict[tuple[int, int], int] = defaultdict(int)
    for table, run, new, old in touched:
        if (kept := point(run)) is not None:
            inserted[table, kept] += new
            images[table, kept] += old
    found: dict[int, dict[int, tuple[int, int, int, int, int]]] = defaultdict(dict)
    for table, file, name, dropped_run in tables:
        number = table_id(view, file, name)
        if dropped_run is not None and dropped_run > after and (kept := point(dropped_run)) is not None:
            rows_after[table][kept] = 0
        known = view.execute("SELECT mirror FROM tables WHERE id = ?", (number,)).fetchone()[0]
        before: int | None = known or None
        for run in sorted(rows_after[table]):
            rows = rows_after[table][run]
            new, old = inserted[table, run], images[table, run]
            if before is None and not new and not old:
                new = rows  # it was made in this run, and all of its rows with it
            if dropped_run is not None and run == point(dropped_run):
                old = max(old, new + (before or 0))  # its rows stand aside, without a before-image
            removed = max(0, min(old, new - (rows - (before or 0))))
            _, added, changed, gone, _ = found[run].get(number, (0, 0, 0, 0, 0))
            found[run][number] = (number, added + new, changed + old - removed, gone + removed, rows)
            before = rows
    return {run: list(of_run.values()) for run, of_run in found.items()}
