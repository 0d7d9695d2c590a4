"""A drill: everything that the last restore point holds is restored from the target into scratch space, and compared.

It is what a restore does, without the swap: rebuild, SQLite's integrity check, content hash and row counts against what the
runs recorded, the bytes of every document. Only a drill makes a restore point proved.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from backup import byte_for_byte, faults
from backup.config import BackupSettings
from backup.own_runs import OwnRuns, require_ours
from backup.shadows import Shadows
from backup.state import installation
from mirror import catalog, holder
from mirror.catalog import CatalogDatabase, State
from mirror.catalog_install import HOLDS_POINTS
from mirror.document_content import receive
from mirror.errors import (
    NoBackup,
    NotVerified,
    SidemirrorError,
    SourceUnsupported,
    StateError,
)
from mirror.inspection import inspect
from mirror.locking import only_one
from mirror.rebuild import rebuild
from mirror.target import OwnPath, connected, reading

SCRATCH = "drill"
SPARE_BYTES = 50_000_000


@dataclass(frozen=True)
class Drill:
    """What a drill came to. `seconds` is the measured recovery time, `bytes` what was downloaded."""

    at: datetime
    run: int
    seconds: float
    rows: int
    bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass
class _Work:
    connection: Connection
    source: str
    state: State
    scratch: Path
    shadows: Shadows
    received: int = 0
    rows: int = 0

    def progress(self, _table: str, rows: int, _bytes: int) -> None:
        self.rows += rows


def drill(settings: BackupSettings) -> Drill:
    """One drill, recorded in the target. What is wrong with the mirror is in the result.

    Raises NoBackup when there is nothing to restore, RunInProgress, StateError when there is no room, and
    every TargetError; then nothing is recorded.
    """
    with _one_at_a_time(settings.state_dir), connected(settings) as connection:
        here = installation(settings.state_dir)
        state = catalog.read_state(connection, settings.source_name)
        holder.require(state, settings.source_name, here)
        require_ours(OwnRuns(settings.state_dir), state, settings.source_name, settings.notes_dir)
        if state is None or not (state.databases or state.documents):
            raise NoBackup(f"the target holds nothing of the source {settings.source_name}", "./sidemirror backup")
        at, began = datetime.now(UTC), time.monotonic()
        scratch = settings.state_dir / SCRATCH
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
        _require_room(connection, state, settings.state_dir)
        with tempfile.TemporaryDirectory(dir=_made(scratch)) as folder:
            work = _Work(connection, settings.source_name, state, Path(folder), Shadows(settings.state_dir))
            problems = _restore(work)
        done = Drill(at, state.run, time.monotonic() - began, work.rows, work.received, problems)
        _record(connection, state, here, done)
    return done


def last(connection: Connection, source_id: int) -> tuple[Drill, ...]:
    """The newest drill that the target remembers, or none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, run, seconds, rows, bytes, what FROM sidemirror.drills WHERE source_id = %s "
            "ORDER BY id DESC LIMIT 1",
            (source_id,),
        )
        return tuple(
            Drill(at.astimezone(UTC), int(run), float(seconds), int(rows), int(size), (what,) if what else ())
            for at, run, seconds, rows, size, what in cursor.fetchall()
        )


def _restore(work: _Work) -> tuple[str, ...]:
    """Everything, one file after the other; gives what is wrong."""
    problems = []
    work.connection.cursor_factory = _counting(work)
    for database in work.state.databases:
        path = work.scratch / "database"
        try:
            problems += _restore_database(work, database, path)
        except (NotVerified, SourceUnsupported) as error:
            problems.append(error.what)
            _end_transaction(work.connection)
        except sqlite3.Error as error:
            problems.append(f"{database.file} cannot be read as it came back: {error}")
            _end_transaction(work.connection)
        except psycopg2.ProgrammingError as error:
            problems.append(f"{database.file}: {error.diag.message_primary}")
            _end_transaction(work.connection)
        except (psycopg2.Error, SidemirrorError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - it is told as what is wrong with this file
            problems.append(faults.fault(database.file, error).what)
            _end_transaction(work.connection)
        path.unlink(missing_ok=True)
    return (*problems, *_documents(work))


def _restore_database(work: _Work, database: CatalogDatabase, path: Path) -> list[str]:
    with reading(work.connection) as cursor:
        # Runs go on beside a drill: where the rows of its point stand is asked again in each transaction.
        now = catalog.read_state(work.connection, work.source, work.state.run)
        there = now.database(database.file) if now else None
        if now is None or there is None:
            return [f"{database.file} is not in the target any more"]
        _hold(cursor, work.state)
        rebuild(cursor, there, path, work.state.run, now.last_run, work.progress)
    found = inspect(path, database.pragmas.journal_mode, check=True)
    if found.problems:
        return [f"{database.file}: SQLite's integrity check says: {'; '.join(found.problems)}"]
    if found.content_hash == database.content_hash:
        return _beside_shadow(work, database, path)
    differing = [
        f"table {table.mirror.name} ({found.contents[table.mirror.name].rows} rows came back, "
        f"{table.content.rows} were mirrored)"
        for table in database.tables
        if found.contents.get(table.mirror.name) != table.content
    ]
    return [f"{database.file} is not what was mirrored: {', '.join(differing) or 'its schema'}"]


def _beside_shadow(work: _Work, database: CatalogDatabase, path: Path) -> list[str]:
    """The same once more by another road, which loses nothing that mirroring and hashing could lose alike."""
    if not work.shadows.has(database):
        return []
    shadow = work.shadows.path(database.file, database.token)
    try:
        differing = byte_for_byte.differences(path, shadow)
        if not differing or inspect(shadow, database.pragmas.journal_mode).content_hash != database.content_hash:
            return []  # in the second case it is the local copy that is damaged, which a run finds and mends
    except (sqlite3.Error, SourceUnsupported, OSError):
        return []  # or a run has a newer copy by now, and this one is gone
    return [
        f"{database.file} has the right content hash, and is not the local copy to the byte: {'; '.join(differing)}"
    ]


def _documents(work: _Work) -> list[str]:
    problems = []
    with reading(work.connection) as cursor:
        _hold(cursor, work.state)
        for document in work.state.documents:
            found = receive(cursor, work.state, document.sha256, lambda _: work.progress("", 0, 0))
            work.progress(document.file, 0, 0)
            if found.sha256 != document.sha256:
                problems.append(f"{document.file} is not what was mirrored, or is gone")
    return problems


def _record(connection: Connection, state: State, here: UUID, done: Drill) -> None:
    """In one transaction: the drill, and the mark on the restore point that it proved."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sidemirror.drills (source_id, run, at, installation, seconds, rows, bytes, ok, what) "
            "VALUES (%(source)s, %(run)s, %(at)s, %(here)s::uuid, %(seconds)s, %(rows)s, %(bytes)s, %(ok)s, %(what)s); "
            "UPDATE sidemirror.runs SET proved_at = CASE WHEN %(ok)s THEN now() END "
            "WHERE source_id = %(source)s AND run = %(run)s; "
            "DELETE FROM sidemirror.drills WHERE source_id = %(source)s AND at < now() - interval '400 days'",
            {
                "source": state.source_id,
                "run": done.run,
                "at": done.at,
                "here": str(here),
                "seconds": done.seconds,
                "rows": done.rows,
                "bytes": done.bytes,
                "ok": done.ok,
                "what": "; ".join(done.problems) or None,
            },
        )


def _require_room(connection: Connection, state: State, folder: Path) -> None:
    """One database at a time is in scratch. A SQLite file is smaller than the tables that mirror it."""
    names = [sql.Literal(database.schema_name) for database in state.databases] or [sql.Literal("")]
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT COALESCE(max(size), 0) FROM (SELECT sum(pg_total_relation_size(c.oid)) AS size FROM pg_class AS c "
                "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ({}) "
                "GROUP BY n.oid) AS sizes"
            ).format(sql.SQL(", ").join(names))
        )
        [(size,)] = cursor.fetchall()
    needed, free = int(size) + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise StateError(
            f"a drill needs {needed / 1e6:.0f} MB in the state folder {folder}, and {free / 1e6:.0f} MB are free",
            "make room on that disk",
        )


def _hold(cursor: Cursor, state: State) -> None:
    """The drill's point is not thinned out while it is read. Ends in TargetMoved when it was."""
    if state.catalog_version >= HOLDS_POINTS:
        cursor.execute("SELECT sidemirror.hold_point(%s, %s)", (state.source_id, state.run))


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(only_one(folder / "drill.lock", "another drill is in progress", "wait for it"))
        except OSError as error:
            raise StateError(
                f"the state folder {folder} cannot be used: {error.strerror}",
                "it has to belong to the sidecar's user: ./sidemirror up gives it back",
            ) from error
        yield


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"{folder} cannot be made: {error.strerror}", "give the state folder to the sidecar"
        ) from error
    return folder


def _end_transaction(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")


def _counting(work: _Work) -> type[Cursor]:
    """A cursor that counts what COPY gives."""

    class Counter:
        def __init__(self, file: IO[Any]) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            work.received += len(data)
            return self.file.write(data)

    class Counting(OwnPath):
        def copy_expert(self, command: Any, file: Any, size: int = 8192) -> None:
            super().copy_expert(command, Counter(file), size)

    return Counting
