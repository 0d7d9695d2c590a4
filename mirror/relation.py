"""SQL for the rows of one mirrored table as they stood after a run.

History is an undo log: the state after run T is today's table with, for each key, the earliest before-image after T put
back (https://en.wikipedia.org/wiki/Undo_log). A table that is gone has nothing but before-images.
"""

from __future__ import annotations

from psycopg2 import sql

from mirror.catalog import CatalogTable


def key_json(table: CatalogTable, alias: str) -> sql.Composable:
    """The key of a row as history keeps it: a JSON array of the key's columns."""
    columns = [sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(name)) for name in table.mirror.key]
    return sql.SQL("jsonb_build_array({})").format(sql.SQL(", ").join(columns))


def rows_at(table: CatalogTable, schema_name: str, run: int, last_run: int) -> sql.Composable:
    """A SELECT of all of the table's columns, as they stood after `run`."""
    mirror = sql.SQL("{}.{}").format(sql.Identifier(schema_name), sql.Identifier(table.mirror.mirror_name))
    columns = sql.SQL(", ").join(sql.SQL("m.{}").format(sql.Identifier(name)) for name, _ in table.mirror.fields)
    if run == last_run and not table.dropped:
        return sql.SQL("SELECT {} FROM {} AS m").format(columns, mirror)
    record = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type)) for name, type in table.mirror.fields
    )
    undo = sql.SQL(
        "SELECT DISTINCT ON (h.key) h.key, h.before FROM sidemirror.history AS h "
        "WHERE h.table_id = {} AND h.run > {} ORDER BY h.key, h.run"
    ).format(sql.Literal(table.id), sql.Literal(run))
    put_back = sql.SQL(
        "SELECT {} FROM undo CROSS JOIN LATERAL jsonb_to_record(undo.before) AS m({}) WHERE undo.before IS NOT NULL"
    ).format(columns, record)
    if table.dropped:
        return sql.SQL("WITH undo AS MATERIALIZED ({}) {}").format(undo, put_back)
    untouched = sql.SQL("SELECT {} FROM {} AS m WHERE NOT EXISTS (SELECT 1 FROM undo WHERE undo.key = {})").format(
        columns, mirror, key_json(table, "m")
    )
    return sql.SQL("WITH undo AS MATERIALIZED ({}) {} UNION ALL {}").format(undo, untouched, put_back)
