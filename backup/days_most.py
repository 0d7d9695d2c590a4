"""The most rows that each table of a database had in the last day: the shrink guard's memory.

It is derived from what the catalog remembers of each run, so it outlives the state folder. The question costs a round trip;
so it is asked only where a table has become small enough beside the most that this process knows of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg2.extensions import connection as Connection

from backup import guard
from backup.changes import TableChange, TableChanged, TableCreated, TableDropped
from mirror.catalog import CatalogDatabase

_MOST = """
SELECT t.name, max(s.row_count)
FROM sidemirror.databases AS d
JOIN sidemirror.sources AS o ON o.id = d.source_id
CROSS JOIN LATERAL (SELECT COALESCE(min(r.run), o.last_run + 1) AS run FROM sidemirror.runs AS r
    WHERE r.source_id = o.id AND r.finished_at > clock_timestamp() - interval '1 day') AS first
JOIN sidemirror.tables AS t ON t.database_id = d.id AND (t.dropped_run IS NULL OR t.dropped_run >= first.run)
JOIN sidemirror.table_states AS s ON s.table_id = t.id AND s.run >= t.guarded_from
WHERE d.id = %s AND (s.run >= first.run OR s.run = (
    SELECT max(x.run) FROM sidemirror.table_states AS x WHERE x.table_id = t.id AND x.run < first.run))
GROUP BY t.name
"""


@dataclass
class DaysMost:
    """What one process knows: for each database of the catalog and table, at least the most rows of its last day."""

    bounds: dict[tuple[int, str], int] = field(default_factory=dict)

    def of(
        self,
        connection: Connection,
        known: CatalogDatabase | None,
        changes: tuple[TableChange, ...],
        shrink: float | None,
    ) -> Mapping[str, int]:
        """For the tables that lose rows; those of which nothing is said have not lost too many."""
        if known is None or shrink is None:
            return {}
        doubtful = False
        for name, (before, after) in _losing(changes).items():
            bound = self.bounds.get((known.id, name))
            if bound is not None:
                bound = self.bounds[known.id, name] = max(bound, before)
            doubtful |= after < before and (bound is None or guard.too_many(bound, after, shrink))
        if not doubtful:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(_MOST, (known.id,))
            most = {str(name): int(rows) for name, rows in cursor.fetchall()}
        for table in known.tables:
            name = table.mirror.name
            self.bounds[known.id, name] = max(most.get(name, 0), table.content.rows)
        return most


def _losing(changes: tuple[TableChange, ...]) -> dict[str, tuple[int, int]]:
    """Rows before and after, of every table that was there before."""
    created = {change.table.name: change.rows for change in changes if isinstance(change, TableCreated)}
    found = {}
    for change in changes:
        if isinstance(change, TableChanged):
            found[change.known.mirror.name] = (change.known.content.rows, change.content.rows)
        elif isinstance(change, TableDropped):
            name = change.known.mirror.name
            # One that is gone, even without a row, may have had many in the morning.
            found[name] = (max(1, change.known.content.rows), created.get(name, 0))
    return found
