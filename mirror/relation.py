"""SQL for the rows of one mirrored table as they stood after a run.

History is an undo log: the state after run T is today's table with, for each key, the earliest before-image after T put
back (https://en.wikipedia.org/wiki/Undo_log). A table that is gone stands aside as it was; one that was dropped by an older
version of this program has nothing but before-images. Columns may have had other names at T than today, and than at the
time of a before-image; no name ever meant two columns.
"""

from __future__ import annotations

from psycopg2 import sql

from mirror.catalog import CatalogTable
from mirror.names import EXACT


def key_json(table: CatalogTable, alias: str) -> sql.Composable:
    """The key of a row as history keeps it: a JSON array of the key's columns."""
    names = [table.column_now(name) for name in table.mirror.key]
    columns = [sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(name)) for name in names]
    return sql.SQL("jsonb_build_array({})").format(sql.SQL(", ").join(columns))


def rows_at(table: CatalogTable, schema_name: str, run: int, last_run: int) -> sql.Composable:
    """A SELECT of all of the table's columns, as they stood after `run`."""
    place = table.place_in(schema_name)
    mirror = sql.Identifier(*place) if place else None
    if run == last_run and mirror is not None and not table.dropped:
        names = sql.SQL(", ").join(sql.SQL("m.{}").format(sql.Identifier(name)) for name, _ in table.mirror.fields)
        return sql.SQL("SELECT {} FROM {} AS m").format(names, mirror)
    columns = sql.SQL(", ").join(_now(table, name) for name, _ in table.mirror.fields)
    record = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(alias), sql.SQL(type))
        for name, type in table.mirror.fields
        for alias in table.names_of(name)
    )
    undo = sql.SQL(
        "SELECT DISTINCT ON (h.key) h.key, h.before FROM sidemirror.history AS h "
        "WHERE h.table_id = {} AND h.run > {} ORDER BY h.key, h.run"
    ).format(sql.Literal(table.id), sql.Literal(run))
    put_back = sql.SQL(
        "SELECT {} FROM undo CROSS JOIN LATERAL jsonb_to_record(undo.before) AS m({}) WHERE undo.before IS NOT NULL"
    ).format(sql.SQL(", ").join(_then(table, name) for name, _ in table.mirror.fields), record)
    if mirror is None:
        return sql.SQL("WITH undo AS MATERIALIZED ({}) {}").format(undo, put_back)
    untouched = sql.SQL("SELECT {} FROM {} AS m WHERE NOT EXISTS (SELECT 1 FROM undo WHERE undo.key = {})").format(
        columns, mirror, key_json(table, "m")
    )
    return sql.SQL("WITH undo AS MATERIALIZED ({}) {} UNION ALL {}").format(undo, untouched, put_back)


def _now(table: CatalogTable, name: str) -> sql.Composable:
    """The column in the Postgres table, under its name of then."""
    if name == EXACT:
        return _exact(table)
    now = table.column_now(name)
    plain = sql.SQL("m.{}").format(sql.Identifier(now))
    return plain if now == name else sql.SQL("{} AS {}").format(plain, sql.Identifier(name))


def _then(table: CatalogTable, name: str) -> sql.Composable:
    """The column in a before-image, which has it under one of its names."""
    if name == EXACT:
        return _exact(table)
    names = [sql.SQL("m.{}").format(sql.Identifier(alias)) for alias in table.names_of(name)]
    if len(names) == 1:
        return names[0]
    return sql.SQL("COALESCE({}) AS {}").format(sql.SQL(", ").join(names), sql.Identifier(name))


def _exact(table: CatalogTable) -> sql.Composable:
    """`_exact` names columns as well."""
    others = {
        alias: column.mirror_name for column in table.mirror.columns for alias in table.names_of(column.mirror_name)
    }
    if all(alias == name for alias, name in others.items()):
        return sql.SQL("m.{}").format(sql.Identifier(EXACT))
    renamed = sql.SQL(
        "(SELECT jsonb_object_agg(n.now, e.value) FROM jsonb_each(m.{}) AS e "
        "JOIN (VALUES {}) AS n(was, now) ON n.was = e.key) AS {}"
    )
    pairs = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(was), sql.Literal(now)) for was, now in others.items()
    )
    return renamed.format(sql.Identifier(EXACT), pairs, sql.Identifier(EXACT))
