"""An older copy of a database in place of the newer one: put back by hand, or by another backup tool.

It looks like any other change: rows come and go. What gives it away is that the file is another one, or its change counter
or an AUTOINCREMENT counter has gone back, while its content is exactly that of an older restore point. Each by itself is
ordinary: a bot may add a row and take it away again, and a program may write its file anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg2 import Binary
from psycopg2.extensions import connection as Connection

from backup.changes import TableChange, TableChanged, TableDropped
from backup.pair import Pair
from backup.signature import replaced
from mirror.catalog import CatalogDatabase
from mirror.content import TableContent, database_hash
from mirror.errors import GuardHeld


def check(
    connection: Connection,
    known: CatalogDatabase,
    pair: Pair,
    tables: tuple[TableChange, ...],
    unchanged: Mapping[str, TableContent],
    signatures: tuple[str, str],
) -> None:
    """Raises GuardHeld for an older copy. `signatures`: of the file as it was at the last run, and as it is now."""
    if not tables or not (replaced(*signatures) or pair.counter_went_back()):
        return
    contents = dict(unchanged)
    for change in tables:
        if not isinstance(change, TableDropped):
            contents[change.table.name] = (
                change.content if isinstance(change, TableChanged) else pair.content(change.table)
            )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.run, r.finished_at::text FROM sidemirror.database_states AS s "
            "JOIN sidemirror.databases AS d ON d.id = s.database_id "
            "LEFT JOIN sidemirror.runs AS r ON r.source_id = d.source_id AND r.run = s.run "
            "WHERE s.database_id = %s AND s.content_hash = %s ORDER BY s.run DESC LIMIT 1",
            (known.id, Binary(database_hash(pair.schema, contents))),
        )
        found = cursor.fetchall()
    if found:
        [(run, at)] = found
        lost = "; ".join(_told(change) for change in tables)
        raise GuardHeld(
            f"{known.file} is held, nothing of it was mirrored: the file was replaced, and is exactly what it was "
            f"after run {run}{f' ({at})' if at else ''}; was an older copy put back? Mirrored, that would be: {lost}",
            "if that is meant, let it through with: ./sidemirror accept (older restore points keep what goes); if not, "
            "bring the last state back with: ./sidemirror restore",
        )


def _told(change: TableChange) -> str:
    if isinstance(change, TableDropped):
        return f"table {change.known.mirror.name} with {change.known.content.rows} rows dropped"
    if isinstance(change, TableChanged):
        return (
            f"table {change.table.name} from {change.known.content.rows} rows to {change.content.rows}, "
            f"{change.upserts} of them as they were before"
        )
    return f"table {change.table.name} made anew with {change.rows} rows"
