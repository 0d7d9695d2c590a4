"""One database of the mirror held against what was mirrored, in the target; and put back to it, if that is wanted.

What was mirrored goes up into temporary tables (sending is not metered), and Postgres compares row by row as text, which is
exact. What somebody else did is kept in sidemirror.foreign_edits. History is left alone: after this the mirror is again what
it was after the last run, so every restore point is what it was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from psycopg2 import sql

from backup.apply_shape import column_type, key_name
from backup.drift import Suspect
from backup.script import Script
from mirror.catalog import CatalogDatabase, CatalogTable, State
from mirror.lines import Lines
from mirror.mapping import MirrorTable
from mirror.ours import written_by_others

EXAMPLES = 3


@dataclass(frozen=True)
class TableEdits:
    """What somebody else did to one table; `shape` says what is wrong with its columns, "" if nothing is."""

    table: str
    changed: int = 0
    missing: int = 0
    added: int = 0
    shape: str = ""
    examples: tuple[str, ...] = ()  # keys

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.added or self.shape)

    def __str__(self) -> str:
        counts = [
            f"{count} rows {what}"
            for count, what in ((self.changed, "changed"), (self.missing, "missing"), (self.added, "added"))
            if count
        ]
        keys = f" (keys {', '.join(self.examples)})" if self.examples else ""
        return f"table {self.table}: {', '.join(counts + ([self.shape] if self.shape else []))}{keys}"


@dataclass(frozen=True)
class Truth:
    """Where a table's rows are known from: `lines` None: from nowhere, so that foreign rows can only be taken away.

    `exact`: as they were mirrored. Otherwise they are the bot's own, now; then only what somebody else wrote is put right.
    """

    lines: Lines | None
    rows: int
    exact: bool


def settle(
    script: Script, state: State, database: CatalogDatabase, suspect: Suspect, truth: Truth, keep: bool
) -> TableEdits:
    """Compares one table, and with `keep` puts it right and keeps what was found. The caller commits, or rolls back."""
    table, mirror = suspect.table, suspect.table.mirror
    stage = _stage(script, mirror, truth)
    if not suspect.shape:
        return _remake(script, state, database, suspect, stage, keep)
    edits = sql.Identifier("pg_temp", script.new_stage())
    names = _names(mirror)
    script.add(
        "CREATE TEMP TABLE {edits} ON COMMIT DROP AS SELECT jsonb_build_array({any_key}) AS key, "
        "CASE WHEN m.{first} IS NULL THEN NULL ELSE jsonb_strip_nulls(to_jsonb(m.*)) END AS found, "
        "CASE WHEN s.{first} IS NULL THEN NULL ELSE jsonb_strip_nulls(to_jsonb(s.*)) END AS mirrored "
        "FROM {stage} AS s FULL JOIN {table} AS m ON {match} "
        "WHERE {which} AND "
        "(s.{first} IS NULL OR m.{first} IS NULL OR ROW({staged})::text IS DISTINCT FROM ROW({there})::text)",
        edits=edits,
        any_key=sql.SQL(", ").join(sql.SQL("COALESCE(s.{0}, m.{0})").format(sql.Identifier(k)) for k in mirror.key),
        first=sql.Identifier(mirror.key[0]),
        stage=stage,
        table=_table(database, mirror),
        match=_match(mirror),
        staged=_of("s", [name for name, _ in mirror.fields]),
        there=_of("m", [name for name, _ in mirror.fields]),
        which=_which(database, suspect, truth, stage),
    )
    script.add(
        "SELECT count(*) FILTER (WHERE found IS NOT NULL AND mirrored IS NOT NULL), "
        "count(*) FILTER (WHERE found IS NULL), "
        "count(*) FILTER (WHERE mirrored IS NULL), "
        "ARRAY(SELECT e.key::text FROM {edits} AS e ORDER BY e.key LIMIT {}) FROM {edits}",
        EXAMPLES, edits=edits,
    )  # fmt: skip
    [(changed, missing, added, examples)] = script.ask()
    found = TableEdits(mirror.name, changed, missing, added, "", tuple(examples))
    if keep and found:
        _keep(script, state, database, table, edits)
        script.add(
            "DELETE FROM {table} AS m WHERE jsonb_build_array({there}) IN (SELECT key FROM {edits} WHERE mirrored IS NULL)",
            table=_table(database, mirror), there=_of("m", mirror.key), edits=edits,
        )  # fmt: skip
        # A row that is there is written over: what stands aside in it belongs to older restore points.
        script.add(
            "INSERT INTO {table} ({names}) SELECT {names} FROM {stage} AS s "
            "WHERE jsonb_build_array({staged}) IN (SELECT key FROM {edits}) ON CONFLICT ({key}) DO UPDATE SET {values}",
            table=_table(database, mirror), names=names, stage=stage, staged=_of("s", mirror.key), edits=edits,
            key=_identifiers(mirror.key),
            values=sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name, _ in mirror.fields
            ),
        )  # fmt: skip
    return found


def _remake(
    script: Script, state: State, database: CatalogDatabase, suspect: Suspect, stage: sql.Composable, keep: bool
) -> TableEdits:
    """A table that is gone or has other columns is made anew; rows that had been changed as well are kept."""
    mirror = suspect.table.mirror
    found = TableEdits(
        mirror.name, shape="the table is gone" if suspect.missing else "its columns or its key are others"
    )
    if not keep:
        return found
    edits = sql.Identifier("pg_temp", script.new_stage())
    script.add("CREATE TEMP TABLE {edits} (key jsonb, found jsonb, mirrored jsonb) ON COMMIT DROP", edits=edits)
    shape = json.dumps({"columns": dict(mirror.fields), "key": list(mirror.key)})
    if suspect.missing:
        script.add("INSERT INTO {edits} VALUES (NULL, NULL, {}::jsonb)", shape, edits=edits)
    else:
        script.add(
            "INSERT INTO {edits} SELECT NULL, jsonb_build_object('columns', "
            "jsonb_object_agg(attname, format_type(atttypid, atttypmod))), {}::jsonb "
            "FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped",
            shape, _table(database, mirror).as_string(script.cursor), edits=edits,
        )  # fmt: skip
        # A column that is missing now is no change of every row.
        script.add(
            "INSERT INTO {edits} SELECT NULL, f.found, NULL FROM ("
            "SELECT jsonb_strip_nulls(to_jsonb(m.*)) AS found FROM {table} AS m EXCEPT "
            "SELECT jsonb_strip_nulls(to_jsonb(s.*)) - ARRAY(SELECT unnest({}::text[]) EXCEPT SELECT attname::text "
            "FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped) FROM {stage} AS s) AS f",
            [name for name, _ in mirror.fields], _table(database, mirror).as_string(script.cursor),
            edits=edits, table=_table(database, mirror), stage=stage,
        )  # fmt: skip
    _keep(script, state, database, suspect.table, edits)
    aside = _save_what_stands_aside(script, database, suspect)
    script.add("DROP TABLE IF EXISTS {table}", table=_table(database, mirror))
    if suspect.missing:
        script.add("CREATE SCHEMA IF NOT EXISTS {schema}", schema=sql.Identifier(database.schema_name))
        script.add("SELECT sidemirror.protect({})", database.schema_name)
    script.add(
        "CREATE TABLE {table} ({columns}, CONSTRAINT {key_name} PRIMARY KEY ({key}))",
        table=_table(database, mirror), columns=_columns(mirror), key_name=key_name(mirror), key=_identifiers(mirror.key),
    )  # fmt: skip
    script.add(
        "INSERT INTO {table} ({names}) SELECT {names} FROM {stage} AS s",
        table=_table(database, mirror), names=_names(mirror), stage=stage,
    )  # fmt: skip
    _put_aside_again(script, database, suspect, aside)
    script.add("SELECT sidemirror.protect({}, {})", database.schema_name, mirror.mirror_name)
    script.flush()
    return found


def _save_what_stands_aside(script: Script, database: CatalogDatabase, suspect: Suspect) -> sql.Composable | None:
    """Columns that the source dropped belong to older restore points; as far as they are there they come along."""
    if suspect.missing or not suspect.table.set_aside:
        return None
    aside = sql.Identifier("pg_temp", script.new_stage())
    script.add(
        "CREATE TEMP TABLE {aside} ON COMMIT DROP AS SELECT to_jsonb(m.*) AS row FROM {table} AS m",
        aside=aside, table=_table(database, suspect.table.mirror),
    )  # fmt: skip
    return aside


def _put_aside_again(script: Script, database: CatalogDatabase, suspect: Suspect, aside: sql.Composable | None) -> None:
    mirror, set_aside = suspect.table.mirror, suspect.table.set_aside
    for name, type in set_aside.items():
        script.add(
            "ALTER TABLE {table} ADD COLUMN {name} {type}",
            table=_table(database, mirror), name=sql.Identifier(name), type=sql.SQL(type),
        )  # fmt: skip
    if aside is None:
        return
    record = [*((name, type) for name, type in mirror.fields if name in mirror.key), *set_aside.items()]
    script.add(
        "UPDATE {table} AS m SET {values} FROM {aside} AS a, jsonb_to_record(a.row) AS s({record}) WHERE {match}",
        table=_table(database, mirror), aside=aside, match=_match(mirror),
        values=sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in set_aside),
        record=sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in record),
    )  # fmt: skip


def _stage(script: Script, mirror: MirrorTable, truth: Truth) -> sql.Composable:
    """What was mirrored, in a temporary table."""
    name = script.new_stage()
    stage = sql.Identifier("pg_temp", name)
    script.add(
        "CREATE TEMP TABLE {stage} ({columns}) ON COMMIT DROP", stage=sql.Identifier(name), columns=_columns(mirror)
    )
    if truth.lines is not None:
        script.copy(stage, (piece for piece, _ in truth.lines.all()), truth.rows)
    script.add("ANALYZE {stage}", stage=stage)
    return stage


def _which(database: CatalogDatabase, suspect: Suspect, truth: Truth, stage: sql.Composable) -> sql.Composable:
    """Which of the differing rows are somebody else's doing."""
    if truth.exact:
        return sql.SQL("true")
    # A row that only the bot has is one that was deleted here, as long as rows are missing; otherwise the bot added it.
    return sql.SQL(
        "CASE WHEN m.{first} IS NULL THEN (SELECT count(*) FROM {table} AS m WHERE NOT ({foreign} AND NOT EXISTS ("
        "SELECT FROM {stage} AS s WHERE {match}))) < {rows} ELSE {foreign} END"
    ).format(
        first=sql.Identifier(suspect.table.mirror.key[0]),
        table=_table(database, suspect.table.mirror),
        foreign=written_by_others("m", suspect.table.id),
        stage=stage,
        match=_match(suspect.table.mirror),
        rows=sql.Literal(suspect.table.content.rows),
    )


def _keep(script: Script, state: State, database: CatalogDatabase, table: CatalogTable, edits: sql.Composable) -> None:
    script.add(
        "INSERT INTO sidemirror.foreign_edits (source_id, run, file, table_name, key, found, mirrored) "
        "SELECT {}, {}, {}, {}, key, found, mirrored FROM {edits}",
        state.source_id, state.last_run, database.file, table.mirror.name, edits=edits,
    )  # fmt: skip


def _columns(mirror: MirrorTable) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(column_type(mirror, name, type)))
        for name, type in mirror.fields
    )


def _table(database: CatalogDatabase, mirror: MirrorTable) -> sql.Identifier:
    return sql.Identifier(database.schema_name, mirror.mirror_name)


def _names(mirror: MirrorTable) -> sql.Composable:
    return _identifiers(tuple(name for name, _ in mirror.fields))


def _match(mirror: MirrorTable) -> sql.Composable:
    return sql.SQL(" AND ").join(sql.SQL("m.{0} = s.{0}").format(sql.Identifier(name)) for name in mirror.key)


def _identifiers(names: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _of(alias: str, names: tuple[str, ...] | list[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)
