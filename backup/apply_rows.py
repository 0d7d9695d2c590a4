"""One table's change as statements of a run: create, upsert with before-images, delete, drop into history."""

from __future__ import annotations

import json
from collections.abc import Iterator

from psycopg2 import sql

from backup.apply_shape import apply_shape, column_type, key_name
from backup.changes import Rows, TableChange, TableChanged, TableCreated, TableDropped
from backup.script import Script, first_part, require_rows, values
from mirror.catalog import CatalogTable
from mirror.content import TableContent
from mirror.mapping import MirrorTable
from mirror.ours import written_by_others

# A table that got this many rows at once has statistics that mislead the planner (and Supabase's row counts).
ANALYZE_ROWS = 10_000

# What a changed row takes in a statement, roughly: for the decision when to send what is gathered.
ROW_BYTES = 200


def apply_table(
    script: Script,
    schema_name: str,
    change: TableChange,
    run: int,
    database: sql.Composable | None,
    rows: Rows | None = None,
) -> TableContent | None:
    """Adds the change to the script (long rows are sent at once); gives the table's content afterwards."""
    if isinstance(change, TableDropped):
        _drop(script, schema_name, change, run)
        return None
    assert rows is not None
    if isinstance(change, TableCreated):
        assert database is not None
        return _create(script, schema_name, change, run, database, rows)
    return _change(script, schema_name, change, run, rows)


def _create(
    script: Script, schema_name: str, change: TableCreated, run: int, database: sql.Composable, rows: Rows
) -> TableContent:
    mirror, table = change.mirror, _table(schema_name, change.mirror)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(column_type(mirror, name, type)))
        for name, type in mirror.fields
    )
    key = sql.SQL("CONSTRAINT {} PRIMARY KEY ({})").format(key_name(mirror), _key(mirror))
    # Rows come in the order of their rowids: an index on them grows at its end, while the next rows are being encoded.
    # Any other is made faster when all rows are there.
    at_once = mirror.key_kind == "rowid" or change.table.integer_key is not None
    script.add(
        "CREATE TABLE {table} ({columns})",
        table=table, columns=sql.SQL(", ").join([columns, key]) if at_once else columns,
    )  # fmt: skip
    inline, rest = first_part(rows.created(change))
    if inline is None:
        # The table was made in this transaction, so its rows can be written as frozen: no vacuum has to come back.
        script.copy(sql.SQL("{} ({})").format(table, _names(mirror)), rest, change.rows, "FREEZE")
    else:
        require_rows(inline.count(b"\n"), change.rows)
    if inline:
        script.add(
            "INSERT INTO {table} ({names}) {rows}",
            table=table, names=_names(mirror), rows=values(inline, [type for _, type in mirror.fields]),
        )  # fmt: skip
        script.weigh(len(inline))
    if not at_once:
        script.add("ALTER TABLE {table} ADD {key}", table=table, key=key)
    total = rows.content(change.table)
    script.add("SELECT sidemirror.protect({}, {})", schema_name, mirror.mirror_name)
    script.add(
        "WITH t AS (INSERT INTO sidemirror.tables (database_id, name, mirror_name, key_kind, key, has_rowid, columns, "
        "created_run) VALUES ({database}, {}, {}, {}, {}::text[], {}, {}::jsonb, {}) RETURNING id) "
        "INSERT INTO sidemirror.table_states (table_id, run, row_count, content_hash) SELECT id, {}, {}, {} FROM t",
        mirror.name, mirror.mirror_name, mirror.key_kind, list(mirror.key), mirror.rowid, json.dumps(mirror.to_json()),
        run, run, total.rows, total.hex, database=database,
    )  # fmt: skip
    _analyze(script, table, total.rows)
    return total


def _change(script: Script, schema_name: str, change: TableChanged, run: int, rows: Rows) -> TableContent:
    mirror, table = change.mirror, _table(schema_name, change.mirror)
    _require_columns(script, schema_name, change.known)
    if change.reshape is not None:
        apply_shape(script, schema_name, change.known, change.reshape, run)
        added = mirror.columns[:0]
    else:
        added = mirror.columns[len(change.known.mirror.columns) :]
    for column in added:
        if column.type is not None:
            script.add(
                "ALTER TABLE {table} ADD COLUMN {column} {type}",
                table=table, column=sql.Identifier(column.mirror_name), type=sql.SQL(column.type),
            )  # fmt: skip
    if added:
        script.add(
            "UPDATE sidemirror.tables SET columns = {}::jsonb WHERE id = {}",
            json.dumps(mirror.to_json()),
            change.known.id,
        )
    if change.deletes:
        _delete(script, table, change, run, rows)
        script.weigh(change.deletes * ROW_BYTES)
    if change.upserts:
        _upsert(script, table, change, run, rows)
        script.weigh(change.upserts * ROW_BYTES)
    script.add(
        "INSERT INTO sidemirror.table_states (table_id, run, row_count, content_hash) VALUES ({}, {}, {}, {})",
        change.known.id, run, change.content.rows, change.content.hex,
    )  # fmt: skip
    _analyze(script, table, change.upserts)
    return change.content


def _upsert(script: Script, table: sql.Composable, change: TableChanged, run: int, rows: Rows) -> None:
    mirror = change.mirror
    names = [name for name, _ in mirror.fields]
    others = [name for name in names if name not in mirror.key]
    set_clause = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others)
    script.add(
        "WITH s({names}) AS ({rows}), h AS ("
        "INSERT INTO sidemirror.history (table_id, run, key, before) "
        "SELECT {}, {}, jsonb_build_array({staged_key}), CASE WHEN m.{first_key} IS NULL THEN NULL "
        "WHEN {foreign} THEN sidemirror.edited({}, jsonb_build_array({staged_key})::text) "
        "ELSE jsonb_strip_nulls(to_jsonb(m.*)) END "
        "FROM s LEFT JOIN {table} AS m ON {match} "
        "WHERE m.{first_key} IS NULL OR ROW({old}) IS DISTINCT FROM ROW({new}) OR {foreign} RETURNING before), u AS ("
        "INSERT INTO {table} AS m ({names}) SELECT {names} FROM s "
        "ON CONFLICT ({key}) DO UPDATE SET {set_clause} WHERE ROW({old}) IS DISTINCT FROM ROW({excluded})) "
        "SELECT sidemirror.require_rows({}, 'were new', count(*) FILTER (WHERE before IS NULL), {}) FROM h",
        change.known.id,
        run,
        change.known.id,
        change.known.id,
        change.content.rows - change.known.content.rows + change.deletes,
        foreign=written_by_others("m", change.known.id),
        names=_names(mirror),
        rows=_staged(script, mirror, names, rows.upserts(change), change.upserts),
        staged_key=_of("s", mirror.key),
        first_key=sql.Identifier(mirror.key[0]),
        table=table,
        match=_match(mirror),
        old=_of("m", others),
        new=_of("s", others),
        key=_key(mirror),
        set_clause=set_clause,
        excluded=_of("excluded", others),
    )


def _delete(script: Script, table: sql.Composable, change: TableChanged, run: int, rows: Rows) -> None:
    mirror = change.mirror
    script.add(
        "WITH s({key}) AS ({rows}), d AS (DELETE FROM {table} AS m USING s WHERE {match} AND CASE WHEN {foreign} "
        "THEN sidemirror.edited({}, jsonb_build_array({old_key})::text) IS NULL ELSE true END RETURNING m.*), h AS ("
        "INSERT INTO sidemirror.history (table_id, run, key, before) "
        "SELECT {}, {}, jsonb_build_array({deleted_key}), jsonb_strip_nulls(to_jsonb(d.*)) FROM d RETURNING run) "
        "SELECT sidemirror.require_rows({}, 'to delete were there', count(*), {}) FROM h",
        change.known.id,
        change.known.id,
        run,
        change.known.id,
        change.deletes,
        foreign=written_by_others("m", change.known.id),
        old_key=_of("m", mirror.key),
        key=_key(mirror),
        rows=_staged(script, mirror, list(mirror.key), rows.deletes(change), change.deletes),
        table=table,
        match=_match(mirror),
        deleted_key=_of("d", mirror.key),
    )


def _staged(
    script: Script, mirror: MirrorTable, names: list[str], chunks: Iterator[bytes], count: int
) -> sql.Composable:
    """The rows as a relation: a VALUES list when they are few, otherwise a temporary table filled by COPY."""
    types = dict(mirror.fields)
    inline, rest = first_part(chunks)
    if inline is not None:
        require_rows(inline.count(b"\n"), count)
        return values(inline, [types[name] for name in names])
    stage_name = script.new_stage()
    stage = sql.Identifier("pg_temp", stage_name)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(column_type(mirror, name, types[name]))) for name in names
    )
    script.add(
        "CREATE TEMP TABLE {stage} ({columns}) ON COMMIT DROP",
        stage=sql.Identifier(stage_name),
        columns=columns,
    )
    script.copy(stage, rest, count)
    script.add("ANALYZE {stage}", stage=stage)
    return sql.SQL("SELECT * FROM {}").format(stage)


def _drop(script: Script, schema_name: str, change: TableDropped, run: int) -> None:
    known = change.known
    table = _table(schema_name, known.mirror)
    _require_columns(script, schema_name, known)
    script.add(
        "SELECT sidemirror.require_rows({}, 'were there', count(*), {}), CASE WHEN count(x.other) > 0 THEN "
        "sidemirror.edited({}, min(x.other)) END FROM ("
        "SELECT CASE WHEN {foreign} THEN jsonb_build_array({key})::text END AS other FROM {table} AS m) AS x",
        known.id, known.content.rows, known.id,
        key=_of("m", known.mirror.key), foreign=written_by_others("m", known.id), table=table,
    )  # fmt: skip
    if known.content.rows == 0:  # what it had before is in the history
        script.add("DROP TABLE {table}", table=table)
        script.add("UPDATE sidemirror.tables SET dropped_run = {} WHERE id = {}", run, known.id)
        return
    # Older restore points still need its rows.
    script.add(
        "SELECT sidemirror.set_table_aside({}, {})", known.id, key_name(known.mirror).strings[0],
    )  # fmt: skip
    script.add("UPDATE sidemirror.tables SET dropped_run = {} WHERE id = {}", run, known.id)


def _require_columns(script: Script, schema_name: str, known: CatalogTable) -> None:
    columns = [f"{name} {type}" for name, type in known.mirror.fields]
    relation = _table(schema_name, known.mirror).as_string(script.cursor)
    script.add("SELECT sidemirror.require_columns({}, {}, {}::text[])", known.id, relation, columns)


def _analyze(script: Script, table: sql.Composable, rows: int) -> None:
    if rows >= ANALYZE_ROWS:
        # A third of the usual sample: good enough until autovacuum comes, and three times as fast.
        script.add("SET LOCAL default_statistics_target = 30")
        script.add("ANALYZE {table}", table=table)


def _table(schema_name: str, mirror: MirrorTable) -> sql.Identifier:
    return sql.Identifier(schema_name, mirror.mirror_name)


def _names(mirror: MirrorTable) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name, _ in mirror.fields)


def _key(mirror: MirrorTable) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in mirror.key)


def _of(alias: str, names: tuple[str, ...] | list[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)


def _match(mirror: MirrorTable) -> sql.Composable:
    return sql.SQL(" AND ").join(sql.SQL("m.{0} = s.{0}").format(sql.Identifier(name)) for name in mirror.key)
