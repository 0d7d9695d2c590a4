"""What is too slow to ask after each run: exact values, tables' sizes, drills, and which restore points are left."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from backup.shadows import Shadows
from backup.view import store
from mirror.catalog import CatalogDatabase, CatalogTable, State
from mirror.target import reading

# A table whose exact values cannot be counted in this time keeps the count that it had.
COUNT_SECONDS = 5
EXAMPLES = 5
TABLES_AT_ONCE = 100

# Reading all pages of a larger shadow would take seconds.
MEASURED_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Measured:
    database: CatalogDatabase
    table: CatalogTable


def refresh(
    view: sqlite3.Connection, connection: Connection, state: State, shadows: Shadows, now: float, everything: bool
) -> None:
    """Brings it up to date as of `now`: all of it, or only the tables that changed since they were last measured.

    Raises sqlite3.Error and psycopg2.Error.
    """
    view.execute("UPDATE tables SET bytes = NULL, exact = NULL, examples = NULL, measured_at = NULL WHERE gone")
    tables = [
        Measured(database, table)
        for database in state.databases
        for table in database.tables
        if everything or _changed(view, database.file, table.mirror.name)
    ]
    for database in state.databases:
        names = [one.table.mirror.name for one in tables if one.database is database]
        _measure(view, database.file, names, shadows.path(database.file, database.token))
    view.executemany(
        "UPDATE tables SET measured_at = ?, measured_rows = mirror WHERE file = ? AND name = ?",
        [(now, one.database.file, one.table.mirror.name) for one in tables],
    )
    try:
        with reading(connection) as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{COUNT_SECONDS}s'")
            if everything:
                _follow_thinning(view, cursor, state.source_id)
                _read_drills(view, cursor, state.source_id)
                store.set_facts(view, refreshed_at=now)
            _count_exact(view, cursor, tables)
    except errors.QueryCanceled:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def _changed(view: sqlite3.Connection, file: str, name: str) -> bool:
    found = view.execute(
        "SELECT changed_at > COALESCE(measured_at, 0) FROM tables WHERE file = ? AND name = ?", (file, name)
    ).fetchone()
    return found is not None and bool(found[0])


def _measure(view: sqlite3.Connection, file: str, names: list[str], shadow: Path) -> None:
    """These tables' bytes with their indexes (https://www.sqlite.org/dbstat.html), as the shadow has them."""
    try:
        if not names:
            return
        if shadow.stat().st_size > MEASURED_BYTES:
            return
        opened = sqlite3.connect(f"{shadow.as_uri()}?mode=ro&immutable=1", uri=True)
    except (OSError, sqlite3.Error):
        return
    try:
        found = opened.execute(
            # In this order only the trees that are asked for are read.
            "SELECT s.tbl_name, sum(d.pgsize) FROM main.sqlite_schema AS s CROSS JOIN temp.dbstat AS d "
            "WHERE s.tbl_name IN (SELECT value FROM temp.json_each(?)) AND d.name = s.name AND d.aggregate = TRUE "
            "GROUP BY s.tbl_name",
            (json.dumps(names),),
        ).fetchall()
    except sqlite3.Error:
        return
    finally:
        opened.close()
    view.executemany(
        "UPDATE tables SET bytes = ? WHERE file = ? AND name = ?", [(size, file, name) for name, size in found]
    )


def _count_exact(view: sqlite3.Connection, cursor: Cursor, tables: list[Measured]) -> None:
    for first in range(0, len(tables), TABLES_AT_ONCE):
        some = list(enumerate(tables))[first : first + TABLES_AT_ONCE]
        queries = [_exact(number, one.database, one.table) for number, one in some]
        cursor.execute(sql.SQL(" UNION ALL ").join(queries))
        for number, count, examples in cursor.fetchall():
            one = tables[number]
            view.execute(
                "UPDATE tables SET exact = ?, examples = ? WHERE file = ? AND name = ?",
                (count, json.dumps(examples or []), one.database.file, one.table.mirror.name),
            )


def _exact(number: int, database: CatalogDatabase, table: CatalogTable) -> sql.Composable:
    mirror = sql.Identifier(database.schema_name, table.mirror.mirror_name)
    key = sql.SQL(", ").join(sql.Identifier(name) for name in table.mirror.key)
    return sql.SQL(
        "SELECT {number}, c.rows, CASE WHEN c.rows > 0 THEN (SELECT jsonb_agg(e) FROM ("
        "SELECT left(jsonb_build_array({key})::text, 200) AS key, left(_exact::text, 300) AS exact "
        "FROM {mirror} WHERE _exact IS NOT NULL LIMIT {examples}) AS e) END "
        "FROM (SELECT count(*) AS rows FROM {mirror} WHERE _exact IS NOT NULL) AS c"
    ).format(number=sql.Literal(number), mirror=mirror, key=key, examples=sql.Literal(EXAMPLES))


def _follow_thinning(view: sqlite3.Connection, cursor: Cursor, source_id: int) -> None:
    """Restore points that retention took away: what they changed belongs to the next one that is left."""
    cursor.execute(
        "SELECT run, proved_at IS NOT NULL FROM sidemirror.runs WHERE source_id = %s ORDER BY 1", (source_id,)
    )
    proved = dict(cursor.fetchall())
    left = list(proved)
    for (run,) in view.execute("SELECT run FROM points ORDER BY run").fetchall():
        if run in proved:
            view.execute("UPDATE points SET proved = ?2 WHERE run = ?1 AND proved <> ?2", (run, proved[run]))
            continue
        place = bisect_left(left, run)
        if place < len(left):
            _merge(view, run, left[place])
        view.execute("DELETE FROM points WHERE run = ?", (run,))
        view.execute("DELETE FROM point_tables WHERE run = ?", (run,))
        view.execute(
            "UPDATE OR REPLACE versions SET run = ?2 WHERE run = ?1", (run, left[place] if left[place:] else run)
        )


def _merge(view: sqlite3.Connection, run: int, into: int) -> None:
    view.execute(
        "UPDATE points SET (added, changed, removed, documents) = (SELECT points.added + p.added, "
        "points.changed + p.changed, points.removed + p.removed, points.documents + p.documents "
        "FROM points AS p WHERE p.run = ?1) WHERE run = ?2",
        (run, into),
    )
    view.execute(
        "INSERT INTO point_tables SELECT ?2, table_id, added, changed, removed, rows FROM point_tables WHERE run = ?1 "
        "ON CONFLICT DO UPDATE SET added = added + excluded.added, changed = changed + excluded.changed, "
        "removed = removed + excluded.removed",
        (run, into),
    )


def _read_drills(view: sqlite3.Connection, cursor: Cursor, source_id: int) -> None:
    cursor.execute("SELECT to_regclass('sidemirror.drills') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return
    cursor.execute(
        "SELECT extract(epoch FROM at)::float8, run, ok, seconds, what FROM sidemirror.drills WHERE source_id = %s "
        f"ORDER BY at DESC LIMIT {store.DRILLS}",
        (source_id,),
    )
    drills = cursor.fetchall()
    view.execute("DELETE FROM drills")
    view.executemany("INSERT OR REPLACE INTO drills VALUES (?, ?, ?, ?, ?)", drills)
