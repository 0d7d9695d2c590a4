"""A mirror's new name and columns as statements of a run, and the two names that every table of a mirror needs."""

from __future__ import annotations

import json

from psycopg2 import sql

from backup.reshape import Reshape
from backup.script import Script
from mirror.catalog import CatalogTable
from mirror.mapping import MirrorTable
from mirror.names import distinct_name


def apply_shape(script: Script, schema_name: str, known: CatalogTable, change: Reshape, run: int) -> None:
    """Gives the mirror its new name and columns; what it was until now is remembered. No row is written."""
    table, mirror = sql.Identifier(schema_name, known.mirror.mirror_name), change.mirror
    script.add(
        "INSERT INTO sidemirror.table_shapes (table_id, until_run, name, mirror_name, key, columns) "
        "SELECT id, {}, name, mirror_name, key, columns FROM sidemirror.tables WHERE id = {}",
        run, known.id,
    )  # fmt: skip
    for was, now in (*change.gone.items(), *change.renamed.items()):
        script.add(
            "ALTER TABLE {table} RENAME COLUMN {was} TO {now}",
            table=table, was=sql.Identifier(was), now=sql.Identifier(now),
        )  # fmt: skip
    types = dict(mirror.fields)
    for name, default in change.defaults.items():
        # Postgres keeps the default of the old rows apart, once (ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN).
        with_default = sql.SQL("") if default is None else sql.SQL(" DEFAULT {}").format(sql.Literal(default))
        script.add(
            "ALTER TABLE {table} ADD COLUMN {column} {type}{with_default}",
            table=table, column=sql.Identifier(name), type=sql.SQL(types[name]), with_default=with_default,
        )  # fmt: skip
        if default is not None:
            script.add(
                "ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT", table=table, column=sql.Identifier(name)
            )
    if mirror.mirror_name != known.mirror.mirror_name:
        script.add(
            "ALTER TABLE {table} RENAME CONSTRAINT {was} TO {now}",
            table=table, was=key_name(known.mirror), now=key_name(mirror),
        )  # fmt: skip
        script.add("ALTER TABLE {table} RENAME TO {now}", table=table, now=sql.Identifier(mirror.mirror_name))
    script.add(
        "UPDATE sidemirror.tables SET name = {}, mirror_name = {}, key = {}::text[], columns = {}::jsonb, "
        "aliases = {}::jsonb, set_aside = set_aside || {}::jsonb WHERE id = {}",
        mirror.name, mirror.mirror_name, list(mirror.key), json.dumps(mirror.to_json()),
        json.dumps(change.aliases(known)), json.dumps(change.set_aside(known)), known.id,
    )  # fmt: skip


def column_type(mirror: MirrorTable, name: str, type: str) -> str:
    """Text keys compare by bytes: the same on every server, and nothing to reindex when a C library changes."""
    return 'text COLLATE "C"' if type == "text" and name in mirror.key else type


def key_name(mirror: MirrorTable) -> sql.Identifier:
    """Postgres would name the key's index <table>_pkey, and a table of the source may have that very name."""
    return sql.Identifier(distinct_name(mirror.mirror_name, f"{mirror.mirror_name}\0primary key"))
