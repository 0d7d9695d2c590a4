"""A change set into the target, as one transaction: rows, their before-images, and the catalog's row of the run.

History records a before-image only where a row really differs, and that is decided in the target; so a run that is
repeated after a crash changes nothing twice.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg2 import Binary, sql
from psycopg2.extensions import connection as Connection

from backup.apply_rows import apply_table
from backup.changes import (
    ChangeSet,
    Counts,
    DatabaseChange,
    TableChanged,
    TableCreated,
    TableDropped,
)
from backup.script import Script
from backup.send_document import send_document
from mirror.catalog import State, schema_to_json
from mirror.content import TableContent, database_hash
from mirror.names import distinct_name, postgres_name


@dataclass(frozen=True)
class RunIdentity:
    """Who runs: the source, this installation, the run's own token, and what kind of run it is."""

    source: str
    installation: UUID
    token: UUID
    kind: str
    started_at: datetime


@dataclass(frozen=True)
class Applied:
    """What a commit came to. `contents`: of every table of the databases that changed, by file and name."""

    counts: Counts
    contents: dict[str, dict[str, TableContent]]


def apply(
    connection: Connection,
    state: State | None,
    identity: RunIdentity,
    changes: ChangeSet,
    before_commit: Callable[[], None],
    turn: Callable[[str], None] = lambda _file: None,
    careful: bool = False,
) -> Applied:
    """Commits the change set as run `last_run + 1`; gives what was sent.

    `turn` is told each file before it is sent, and "" after the last; `careful`: all of a file is sent in its own turn.
    `before_commit` is called when everything is sent and nothing is committed yet. Raises what translated() makes of the
    target's refusals: TargetTaken, TargetMoved, TargetExposed, TargetFull and the rest; then nothing of it is kept.
    """
    last_run = state.last_run if state else 0
    run = last_run + 1
    with connection.cursor() as cursor:
        script = Script(cursor)
        begin(script, identity, last_run)
        upserted = deleted = 0
        by_file = {}
        for database in changes.databases:
            turn(database.file)
            contents = by_file[database.file] = _apply_database(script, database, identity, run)
            upserted += sum(_upserts(change, contents) for change in database.tables)
            deleted += sum(_deletes(change) for change in database.tables)
            if careful:
                script.flush()
        for removed in changes.removed:
            for table in removed.tables:
                apply_table(script, removed.schema_name, TableDropped(table), run, None)
                deleted += table.content.rows
            script.add("DROP SCHEMA {schema}", schema=sql.Identifier(removed.schema_name))
            script.add("UPDATE sidemirror.databases SET dropped_run = {} WHERE id = {}", run, removed.id)
        for document in changes.documents:
            turn(document.file)
            send_document(script, document, identity.source, run)
            if careful:
                script.flush()
        turn("")
        _record(script, identity, run, upserted, deleted, len(changes.documents))
        script.flush()
        before_commit()
        script.commit()
    return Applied(Counts(upserted, deleted, len(changes.documents), script.bytes_sent), by_file)


def begin(script: Script, identity: RunIdentity, last_run: int) -> None:
    """The first statement of whatever writes the mirror: the holder only, one at a time, and from where it thinks it is."""
    script.add(
        "SELECT sidemirror.begin_run({}, {}::uuid, {}, {}, {}::uuid)",
        identity.source, str(identity.installation), socket.gethostname(), last_run, str(identity.token),
    )  # fmt: skip


def _apply_database(script: Script, change: DatabaseChange, identity: RunIdentity, run: int) -> dict[str, TableContent]:
    contents = dict(change.unchanged)
    schema_name = change.known.schema_name if change.known else _new_database(script, change, identity, run)
    database = _database_id(change, identity.source)
    for table in change.tables:
        content = apply_table(script, schema_name, table, run, database, change.rows)
        if content is not None and not isinstance(table, TableDropped):
            contents[table.table.name] = content
    script.add(
        "INSERT INTO sidemirror.database_states (database_id, run, content_hash) VALUES ({database}, {}, {})",
        run, Binary(database_hash(change.schema, contents)), database=database,
    )  # fmt: skip
    if change.known is None or not change.known.describes(change.schema, change.mode):
        script.add(
            "INSERT INTO sidemirror.database_schemas (database_id, run, sqlite_schema, mode) "
            "VALUES ({database}, {}, {}, {})",
            run, schema_to_json(change.schema.rows, change.schema.pragmas), change.mode, database=database,
        )  # fmt: skip
    if change.meant:
        script.add(
            "UPDATE sidemirror.tables SET guarded_from = {} WHERE database_id = {database} AND name = ANY ({}::text[])",
            run, sorted(change.meant), database=database,
        )  # fmt: skip
    script.add(
        "UPDATE sidemirror.databases SET token = {}::uuid WHERE id = {database}",
        str(identity.token),
        database=database,
    )
    return contents


def _new_database(script: Script, change: DatabaseChange, identity: RunIdentity, run: int) -> str:
    """Makes the schema of a database that the target has not seen; the target decides whether its plain name is free."""
    plain = f"{identity.source}_{change.file.rsplit('.', 1)[0].replace('/', '_')}"
    script.add(
        "SELECT sidemirror.add_database({}, {}, {}, {}, {}, {}::uuid)",
        identity.source,
        change.file,
        postgres_name(plain),
        distinct_name(plain, f"{identity.source}/{change.file}"),
        run,
        str(identity.token),
    )
    [(schema_name,)] = script.ask()
    return str(schema_name)


def _database_id(change: DatabaseChange, source: str) -> sql.Composable:
    if change.known is not None:
        return sql.Literal(change.known.id)
    return sql.SQL(
        "(SELECT d.id FROM sidemirror.databases AS d JOIN sidemirror.sources AS s ON s.id = d.source_id "
        "WHERE s.name = {} AND d.file = {} AND d.dropped_run IS NULL)"
    ).format(sql.Literal(source), sql.Literal(change.file))


def _record(script: Script, identity: RunIdentity, run: int, upserted: int, deleted: int, documents: int) -> None:
    """The run's own row, and the last checks: nothing exposed. After this only COMMIT is missing."""
    script.add("SELECT sidemirror.assert_private()")
    script.add(
        "INSERT INTO sidemirror.runs (source_id, run, token, kind, started_at, rows_upserted, rows_deleted, "
        "documents_changed, target_bytes, merged_after) "
        "SELECT id, {}, {}::uuid, {}, {}, {}, {}, {}, pg_database_size(current_database()), {} "
        "FROM sidemirror.sources WHERE name = {}",
        run, str(identity.token), identity.kind, identity.started_at, upserted, deleted, documents, run - 1, identity.source,
    )  # fmt: skip
    script.add("UPDATE sidemirror.sources SET last_run = {} WHERE name = {}", run, identity.source)


def _upserts(change: object, contents: dict[str, TableContent]) -> int:
    if isinstance(change, TableCreated):
        return contents[change.table.name].rows
    return change.upserts if isinstance(change, TableChanged) else 0


def _deletes(change: object) -> int:
    if isinstance(change, TableDropped):
        return change.known.content.rows
    return change.deletes if isinstance(change, TableChanged) else 0
