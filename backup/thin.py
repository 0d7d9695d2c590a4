"""Retention at work: restore points that are not kept go, and the history of neighbours is merged.

A point is first taken off the list, so that nobody restores it; then, of each row's before-images between two kept points,
all but the earliest are deleted. Every step is a short transaction of its own that is right by itself, so that thinning can
be cut off anywhere, holds no lock for long, and goes on at the next run.
"""

from __future__ import annotations

import logging
from datetime import datetime
from itertools import pairwise

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror.retention import Point, Rule, kept

ROWS_IN_ONE_STEP = 5000

log = logging.getLogger(__name__)


def target_time(connection: Connection) -> datetime:
    """The time by the clock that dates restore points: one that is set wrongly here must not make them look old."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [(now,)] = cursor.fetchall()
        found: datetime = now
        return found


def thin(connection: Connection, source: str, rules: tuple[Rule, ...], now: datetime) -> int:
    """Applies the rules to the source's restore points; gives how many went: none as long as the last drill failed.

    `now` is the target's time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM sidemirror.sources WHERE name = %s", (source,))
        found = cursor.fetchall()
        if not found:
            return 0
        [(source_id,)] = found
        if _drill_failed(cursor, source_id):
            log.warning(
                "Nothing is thinned out: the last drill failed, and an older restore point may be the one to need"
            )
            return 0
        cursor.execute(
            "SELECT run, finished_at, proved_at IS NOT NULL FROM sidemirror.runs WHERE source_id = %s", (source_id,)
        )
        points = [Point(run, at, proved) for run, at, proved in cursor.fetchall()]
        gone = {point.run for point in points} - kept(points, rules, now)
        if gone:
            cursor.execute(
                "DELETE FROM sidemirror.runs WHERE source_id = %s AND run = ANY(%s)", (source_id, sorted(gone))
            )
        _merge(cursor, source_id)
    return len(gone)


def _drill_failed(cursor: Cursor, source_id: int) -> bool:
    cursor.execute("SELECT ok FROM sidemirror.drills WHERE source_id = %s ORDER BY id DESC LIMIT 1", (source_id,))
    return cursor.fetchall() == [(False,)]


def _merge(cursor: Cursor, source_id: int) -> None:
    """Brings the history in line with the points that are left."""
    cursor.execute("SELECT run, merged_after FROM sidemirror.runs WHERE source_id = %s ORDER BY run", (source_id,))
    points = [(int(run), int(merged_after)) for run, merged_after in cursor.fetchall()]
    if not points:
        return
    oldest, oldest_merged = points[0]
    if oldest_merged != 0:
        _forget_before(cursor, source_id, oldest)
        _mark(cursor, source_id, oldest, 0)
    for (before, _), (run, merged_after) in pairwise(points):
        if merged_after != before:
            _merge_between(cursor, source_id, before, run)
            _mark(cursor, source_id, run, before)
    _delete_documents(cursor, source_id)


_TABLES = (
    "SELECT t.id FROM sidemirror.tables AS t JOIN sidemirror.databases AS d ON d.id = t.database_id "
    "WHERE d.source_id = %(source)s"
)


def _forget_before(cursor: Cursor, source_id: int, oldest: int) -> None:
    """Deletes what only leads to states before the oldest point."""
    _in_steps(
        cursor,
        f"DELETE FROM sidemirror.history WHERE ctid = ANY(ARRAY(SELECT h.ctid FROM sidemirror.history AS h "
        f"WHERE h.table_id IN ({_TABLES}) AND h.run <= %(run)s LIMIT {ROWS_IN_ONE_STEP}))",
        {"source": source_id, "run": oldest},
    )
    _merge_states(cursor, source_id, 0, oldest)
    _delete_dropped(cursor, source_id, 0, oldest)


def _merge_between(cursor: Cursor, source_id: int, after: int, run: int) -> None:
    """Of each key's before-images in the runs after `after` up to `run`, keeps the earliest."""
    cursor.execute(
        f"SELECT DISTINCT h.table_id FROM sidemirror.history AS h WHERE h.table_id IN ({_TABLES}) "
        "AND h.run > %(after)s AND h.run <= %(run)s",
        {"source": source_id, "after": after, "run": run},
    )
    for (table_id,) in cursor.fetchall():
        _in_steps(
            cursor,
            "DELETE FROM sidemirror.history WHERE ctid = ANY(ARRAY("
            "SELECT r.ctid FROM (SELECT h.ctid, row_number() OVER (PARTITION BY h.key ORDER BY h.run) AS n "
            "FROM sidemirror.history AS h WHERE h.table_id = %(table)s AND h.run > %(after)s AND h.run <= %(run)s) AS r "
            f"WHERE r.n > 1 LIMIT {ROWS_IN_ONE_STEP}))",
            {"table": table_id, "after": after, "run": run},
        )
    _merge_states(cursor, source_id, after, run)
    _delete_dropped(cursor, source_id, after, run)


def _merge_states(cursor: Cursor, source_id: int, after: int, run: int) -> None:
    """Keeps the last of each state's versions in the runs after `after` up to `run`."""
    databases = "SELECT d.id FROM sidemirror.databases AS d WHERE d.source_id = %(source)s"
    documents = "SELECT d.id FROM sidemirror.documents AS d WHERE d.source_id = %(source)s"
    for table, column, owners in (
        ("table_states", "table_id", _TABLES),
        ("database_states", "database_id", databases),
        ("database_schemas", "database_id", databases),
        ("document_states", "document_id", documents),
    ):
        cursor.execute(
            f"DELETE FROM sidemirror.{table} AS x WHERE x.{column} IN ({owners}) "
            "AND x.run > %(after)s AND x.run < %(run)s "
            f"AND EXISTS (SELECT 1 FROM sidemirror.{table} AS y WHERE y.{column} = x.{column} "
            "AND y.run > x.run AND y.run <= %(run)s)",
            {"source": source_id, "after": after, "run": run},
        )


def _delete_dropped(cursor: Cursor, source_id: int, after: int, run: int) -> None:
    """Deletes tables and databases that came and went between two kept points, or before the oldest."""
    values = {"source": source_id, "after": after, "run": run}
    cursor.execute(f"{_TABLES} AND t.created_run > %(after)s AND t.dropped_run <= %(run)s", values)
    for (table_id,) in cursor.fetchall():
        _in_steps(
            cursor,
            "DELETE FROM sidemirror.history WHERE ctid = ANY(ARRAY(SELECT h.ctid FROM sidemirror.history AS h "
            f"WHERE h.table_id = %(table)s LIMIT {ROWS_IN_ONE_STEP}))",
            {"table": table_id},
        )
        cursor.execute("DELETE FROM sidemirror.table_states WHERE table_id = %s", (table_id,))
        cursor.execute("DELETE FROM sidemirror.tables WHERE id = %s", (table_id,))
    cursor.execute(
        "SELECT id FROM sidemirror.databases WHERE source_id = %(source)s AND created_run > %(after)s "
        "AND dropped_run <= %(run)s",
        values,
    )
    for (database_id,) in cursor.fetchall():
        for table in ("database_states", "database_schemas"):
            cursor.execute(f"DELETE FROM sidemirror.{table} WHERE database_id = %s", (database_id,))
        cursor.execute("DELETE FROM sidemirror.databases WHERE id = %s", (database_id,))


def _delete_documents(cursor: Cursor, source_id: int) -> None:
    cursor.execute("SELECT sidemirror.delete_unused_documents(%s)", (source_id,))


def _mark(cursor: Cursor, source_id: int, run: int, merged_after: int) -> None:
    cursor.execute(
        "UPDATE sidemirror.runs SET merged_after = %s WHERE source_id = %s AND run = %s", (merged_after, source_id, run)
    )


def _in_steps(cursor: Cursor, statement: str, values: dict[str, int]) -> None:
    while True:
        cursor.execute(statement, values)
        if cursor.rowcount < ROWS_IN_ONE_STEP:
            return
