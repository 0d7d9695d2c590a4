"""A part of a database as the catalog knows it: some of its tables, and all that belongs to them, as a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from mirror.catalog import CatalogDatabase
from mirror.content import database_hash
from mirror.only_create import confine
from mirror.schema import SchemaRow
from mirror.schema_rebuild import schema_without_data, write_schema_rows

SEQUENCE = "sqlite_sequence"


def part_of(database: CatalogDatabase, names: Iterable[str]) -> CatalogDatabase:
    """The database with these tables only: their rows, indexes and triggers, and the AUTOINCREMENT counters.

    Its content hash is the one that a file of just these tables has. `names` are tables that store rows, and virtual tables
    (their shadow tables have to be named as well, see `shadow_tables`).
    """
    chosen = {*names, SEQUENCE}
    rows = tuple(row for row in database.schema_rows if row.tbl_name in chosen and row.type != "view")
    tables = tuple(table for table in database.tables if table.mirror.name in chosen)
    schema = schema_without_data(rows, database.pragmas)
    contents = {table.mirror.name: table.content for table in tables}
    return replace(database, schema_rows=rows, tables=tables, content_hash=database_hash(schema, contents))


def shadow_tables(rows: tuple[SchemaRow, ...]) -> dict[str, tuple[str, ...]]:
    """The virtual tables of a schema, each with the tables that its rows stand in (vtab.html#the_xshadowname_method)."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        confine(connection)
        write_schema_rows(connection, tuple(row for row in rows if row.type == "table"))
        kinds = {name: kind for _, name, kind, *_ in connection.execute("PRAGMA main.table_list")}
    virtual = sorted((name for name, kind in kinds.items() if kind == "virtual"), key=len)
    found: dict[str, tuple[str, ...]] = dict.fromkeys(virtual, ())
    for shadow in sorted(name for name, kind in kinds.items() if kind == "shadow"):
        owners = [name for name in virtual if shadow.lower().startswith(f"{name.lower()}_")]
        if owners:
            found[owners[-1]] += (shadow,)
    return found
