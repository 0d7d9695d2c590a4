"""Which rows of a mirror were written by somebody else: SQL over the transaction that each row version names.

xmin is what Postgres keeps for every row, frozen or not (https://www.postgresql.org/docs/17/ddl-system-columns.html). A
transaction is somebody else's when it is none of those that a run has written down, and not older than the last check of
all mirrors, or of this one.
"""

from __future__ import annotations

from psycopg2 import sql

_FOREIGN = sql.SQL(
    "(pg_catalog.age({alias}.xmin) <= (SELECT pg_catalog.age(GREATEST(s.checked_from, d.checked_from)::xid) {source}) "
    "AND NOT EXISTS (SELECT 1 FROM sidemirror.writers AS w WHERE w.source_id = (SELECT s.id {source}) "
    "AND w.low = {alias}.xmin::text::bigint))"
)


def written_by_others(alias: str, table_id: int) -> sql.Composable:
    """A condition on a row of the mirrored table with this id in the catalog."""
    source = sql.SQL(
        "FROM sidemirror.sources AS s JOIN sidemirror.databases AS d ON d.source_id = s.id "
        "JOIN sidemirror.tables AS t ON t.database_id = d.id WHERE t.id = {}"
    ).format(sql.Literal(table_id))
    return _FOREIGN.format(alias=sql.Identifier(alias), source=source)
