"""A SQLite file made from the target: the shadow when it was lost, the staged file of a restore, the drill's scratch.

Tables first, then rows, then what watches or indexes them; so no trigger fires and nothing is indexed twice. No
constraint is checked on the way, because a faithful copy accepts what SQLite accepted.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from psycopg2.extensions import cursor as Cursor

from mirror.catalog import CatalogDatabase
from mirror.errors import NotVerified, SourceUnsupported
from mirror.load_rows import Progress, load, no_progress
from mirror.names import quote_sqlite
from mirror.only_create import confine
from mirror.relation import rows_at
from mirror.schema import Schema, SchemaRow
from mirror.schema_rebuild import schema_without_data, write_schema_rows
from mirror.stand_ins import StandIns
from mirror.temp_files import spill_beside


def rebuild(
    cursor: Cursor,
    database: CatalogDatabase,
    path: Path,
    run: int,
    last_run: int,
    progress: Progress = no_progress,
) -> tuple[str, ...]:
    """Writes the database as it stood after `run` to a new file, and syncs it to disk.

    The cursor is inside a transaction that sees one instant (target.reading). The file must not exist. Nothing is
    verified here: the caller compares its content hash. Gives the names of the indexes that only the bot's own program can
    put in order (stand_ins.py). Raises SourceUnsupported when this SQLite cannot make an object,
    NotVerified for a row that cannot have come from a SQLite file.
    """
    if database.pragmas.page_size == 0:
        path.touch(exist_ok=False)
        _sync(path)
        return ()
    schema = schema_without_data(database.schema_rows, database.pragmas)
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rwc", uri=True, isolation_level=None)
    confine(connection)
    try:
        spill_beside(connection, path)
        _prepare(connection, schema)
        connection.execute("BEGIN")
        stand_ins = StandIns(connection)
        write_schema_rows(connection, _stored(schema), stand_ins)
        # AUTOINCREMENT writes its counters as rows come in, so SQLite's own tables are filled last.
        for table in sorted(schema.tables, key=lambda table: table.name.startswith("sqlite_")):
            catalog_table = database.table(table.name)
            if catalog_table is None:
                raise SourceUnsupported(
                    f"the target has no rows for table {table.name} of {database.file}",
                    "restore an older point",
                )
            if table.name.startswith("sqlite_"):
                connection.execute(f"DELETE FROM main.{quote_sqlite(table.name)}")
            rows = rows_at(catalog_table, database.schema_name, run, last_run)
            try:
                load(connection, cursor, table, catalog_table.mirror, rows, progress)
            except (sqlite3.IntegrityError, sqlite3.DataError, ValueError, TypeError, AttributeError) as error:
                raise NotVerified(
                    f"a row of table {table.name} of {database.file} in the target is not what was mirrored ({error})",
                    "somebody changed it there; undo that, or choose an older restore point with --run",
                ) from error
        write_schema_rows(connection, _after_rows(schema), stand_ins)
        connection.execute("COMMIT")
        _finish(connection, schema)
        unordered = tuple(sorted(stand_ins.indexes()))
    finally:
        connection.close()
    _sync(path)
    return unordered


def _prepare(connection: sqlite3.Connection, schema: Schema) -> None:
    pragmas = schema.pragmas
    for statement in (
        f"PRAGMA page_size = {pragmas.page_size}",
        f"PRAGMA encoding = {quote_sqlite(pragmas.encoding)}",
        f"PRAGMA auto_vacuum = {pragmas.auto_vacuum}",
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA ignore_check_constraints = ON",
        "PRAGMA cache_size = -32000",
        f"PRAGMA user_version = {pragmas.user_version}",
        f"PRAGMA application_id = {pragmas.application_id}",
    ):
        connection.execute(statement)
    if not schema.rows and pragmas.encoding != "UTF-8":
        # The header takes the encoding with the first table, and keeps it when that goes. Until then it is UTF-8.
        connection.execute("CREATE TABLE sm_first (x)")
        connection.execute("DROP TABLE sm_first")


def _finish(connection: sqlite3.Connection, schema: Schema) -> None:
    connection.execute(f"PRAGMA journal_mode = {schema.pragmas.journal_mode}")


def _stored(schema: Schema) -> tuple[SchemaRow, ...]:
    names = {table.name for table in schema.tables}
    return tuple(row for row in schema.rows if row.type == "table" and row.name in names)


def _after_rows(schema: Schema) -> tuple[SchemaRow, ...]:
    stored = {table.name for table in schema.tables}
    order = {"table": 0, "index": 1, "view": 2, "trigger": 3}
    rows = [row for row in schema.rows if not (row.type == "table" and row.name in stored) and row.sql is not None]
    return tuple(sorted(rows, key=lambda row: order[row.type]))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
