"""Retention at work: restore points that are not kept go, and the history of neighbours is merged.

A point is first taken off the list, so that nobody restores it; then, of each row's before-images between two kept points,
all but the earliest are deleted. The target does that by itself (sql/thinning.sql), a bounded number of rows a step, so that
the round trips do not grow with the points. Every step is a short transaction of its own that is right by itself: thinning
can be cut off anywhere, goes on at the next full run, and runs and restores go on beside it.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror.retention import Point, Rule, kept

ROWS_IN_ONE_STEP = 20_000
POINTS_IN_ONE_STEP = 500  # each is a lock for a moment, and a server has some thousand of them

SWEEP_TRIES = 20

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
        went = 0
        for start in range(0, len(gone), POINTS_IN_ONE_STEP):
            some = sorted(gone)[start : start + POINTS_IN_ONE_STEP]
            cursor.execute("SELECT sidemirror.forget_points(%s, %s::bigint[])", (source_id, some))
            [(count,)] = cursor.fetchall()
            went += int(count)
        while _asked(cursor, "SELECT sidemirror.merge_step(%s, %s)", source_id, ROWS_IN_ONE_STEP):
            pass
        for _ in range(SWEEP_TRIES):
            if _asked(cursor, "SELECT sidemirror.sweep(%s)", source):
                break
            time.sleep(0.1)  # a run is on
    return went


def _asked(cursor: Cursor, question: str, *values: object) -> bool:
    cursor.execute(question, values)
    [(answer,)] = cursor.fetchall()
    return bool(answer)


def _drill_failed(cursor: Cursor, source_id: int) -> bool:
    cursor.execute("SELECT ok FROM sidemirror.drills WHERE source_id = %s ORDER BY id DESC LIMIT 1", (source_id,))
    return cursor.fetchall() == [(False,)]
