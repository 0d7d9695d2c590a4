"""Is there room on the disk for what will be staged? Looked at before anything is written.

What is replaced needs none: it is renamed. So this counts the new files, and the copies of side files and of databases that
single tables go into. It is a careful guess, rather too low than too high: a restore at three in the morning is not refused
because of a guess. A disk that fills up all the same ends the restore cleanly (restore/explain.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mirror.catalog import CatalogDatabase, CatalogTable
from mirror.catalog_install import DOCUMENT_CHUNKS
from mirror.errors import RestoreError
from mirror.safe_files import SIDE_FILES
from restore.plan import Plan

_SAMPLE_ROWS = 500
_ROW_BYTES = 4  # a record's header and its rowid, at the least (https://www.sqlite.org/fileformat2.html#record_format)
_NUMBER_BYTES = 2
# Of a large value, Postgres knows the first from its pointer; the second is what it takes there, compressed.
_SIZES = dict.fromkeys(("text", "bytea"), "COALESCE(octet_length(r.{}), 0)") | {
    "jsonb": "COALESCE(pg_column_size(r.{}), 0)"
}


def needed(connection: Connection, found: Plan, sqlite_dir: Path, json_dir: Path) -> dict[Path, int]:
    """Bytes that the plan takes below each of the two folders, about."""
    tables = [(step.database, table) for step in found.databases for table in step.database.tables]
    tables += [
        (step.database, table)
        for step in found.tables
        for table in step.database.tables
        if table.mirror.name in step.names
    ]
    databases = _bytes_of_tables(connection, tables)
    databases += sum(_size(step.destination) for step in found.tables)  # kept as a copy
    databases += sum(_size(Path(f"{path}{suffix}")) for path in found.database_files for suffix in SIDE_FILES[::2])
    return {sqlite_dir: databases, json_dir: _bytes_of_documents(connection, found)}


def require(needed: Mapping[Path, int]) -> None:
    """Raises RestoreError when one of the file systems has less room than that."""
    systems: dict[int, list[Path]] = {}
    for folder in needed:
        systems.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    for folders in systems.values():
        wanted = sum(needed[folder] for folder in folders)
        status = os.statvfs(_existing(folders[0]))
        free = status.f_bavail * status.f_frsize
        if wanted > free:
            where = " and ".join(str(folder) for folder in folders)
            raise RestoreError(
                f"there is no room on the disk: the restored files need about {megabytes(wanted)} in {where}, and "
                f"{megabytes(free)} are free",
                "nothing was touched; make room (./sidemirror restore --replaced shows what earlier restores keep), or "
                "restore to another disk with --into",
            )


def megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _bytes_of_tables(connection: Connection, tables: Iterable[tuple[CatalogDatabase, CatalogTable]]) -> int:
    """Rows, which are known exactly, times the mean size of some of them. Sizes of large values are read, not the values."""
    tables = _as_mirrored(connection, tables)
    rows = [table.content.rows for _, table in tables]
    samples = [
        sql.SQL("SELECT {}, avg({}) FROM (SELECT * FROM {} LIMIT {}) AS r").format(
            sql.Literal(number),
            _row_bytes(table),
            sql.Identifier(*table.place_in(database.schema_name)),
            sql.Literal(_SAMPLE_ROWS),
        )
        for number, (database, table) in enumerate(tables)
        if table.place_in(database.schema_name) and table.content.rows
    ]
    if not samples:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(samples))
        return int(sum(rows[number] * float(mean or _ROW_BYTES) for number, mean in cursor.fetchall()))


def _as_mirrored(
    connection: Connection, tables: Iterable[tuple[CatalogDatabase, CatalogTable]]
) -> list[tuple[CatalogDatabase, CatalogTable]]:
    """Without those of which a table or a column was dropped in the target: their file is refused when it is made."""
    placed = [(database, table, table.place_in(database.schema_name)) for database, table in tables]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname, array_agg(a.attname::text) FROM pg_catalog.pg_attribute AS a "
            "JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid "
            "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE n.nspname = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1, 2",
            (sorted({place[0] for _, _, place in placed if place}),),
        )
        there: dict[tuple[str, ...], set[str]] = {
            (schema, name): set(columns) for schema, name, columns in cursor.fetchall()
        }
    return [
        (database, table)
        for database, table, place in placed
        if place and {table.column_now(name) for name, _ in table.mirror.fields} <= there.get(place, set())
    ]


def _row_bytes(table: CatalogTable) -> sql.Composable:
    parts: list[sql.Composable] = [sql.Literal(_ROW_BYTES)]
    for name, type in table.mirror.fields:
        parts.append(
            sql.SQL(_SIZES.get(type, f"num_nonnulls(r.{{}}) * {_NUMBER_BYTES}")).format(
                sql.Identifier(table.column_now(name))
            )
        )
    return sql.SQL(" + ").join(parts)


def _bytes_of_documents(connection: Connection, found: Plan) -> int:
    size = "size" if found.state.catalog_version >= DOCUMENT_CHUNKS else "octet_length(bytes)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COALESCE(sum({size}), 0) FROM sidemirror.document_contents "
            "WHERE source_id = %s AND encode(sha256, 'hex') = ANY (%s)",
            (found.state.source_id, [step.document.sha256 for step in found.documents]),
        )
        [(size,)] = cursor.fetchall()
    return int(size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
