"""Am I safe? Every database and document here and in the mirror, as of when, what is wrong, what to do."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from backup import answer, noticing, outcome, source, watch
from backup.config import BackupSettings
from backup.here import rows_here
from backup.outcome import Outcome
from backup.source import SourceFiles
from backup.wrong import Wrong, wrong_now
from mirror.catalog import CatalogDatabase, State, read_state
from mirror.errors import SidemirrorError, StateError, TargetError
from mirror.target import connected

AT_ONCE = "Changes are noticed when they are written"


@dataclass(frozen=True)
class FileStatus:
    """A database (`here` and `mirror` are rows) or a document (1). `here` None: it is not there, or cannot be read now.

    `mirror` None: it is not mirrored, or the target was not to be asked.
    """

    file: str
    kind: str
    is_here: bool
    here: int | None
    mirror: int | None


@dataclass(frozen=True)
class Status:
    source: str
    target: str
    safe: bool
    sentence: str
    hint: str  # what to do where no trouble says it
    seconds_since_equal: float | None
    outcome: Outcome
    wrong: tuple[Wrong, ...]
    files: tuple[FileStatus, ...]
    target_error: str | None
    target_bytes: int | None
    target_bytes_limit: int
    alerts: str  # who is told when something goes wrong
    changes: str  # how a change is noticed
    left_out: tuple[str, ...]  # what EXCLUDE names

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def limit_seconds(settings: BackupSettings) -> float:
    """How old the last equality may be."""
    return answer.limit_seconds(settings.backup_every)


def status(settings: BackupSettings) -> Status:
    """Everything that status shows; works without the target, and then says so."""
    known = outcome.read(settings.state_dir)
    # A password that was refused is not tried again, not even to tell: two wrong ones ban this address at Supabase.
    state, counts, error = (None, {}, None) if known.stopped else _ask_target(settings)
    age = known.seconds_since_equal(datetime.now(UTC))
    if error is None and known.run is not None and (state is None or state.last_run < known.run):
        found = f"run {state.last_run}" if state else "nothing of this source"
        error = (
            f"the target has {found}, and run {known.run} was mirrored: somebody took data away there\n"
            "  Try: ./sidemirror backup"
        )
    judged = watch.known_now(settings)
    found_answer = answer.answer(
        known, age, limit_seconds(settings), settings.supabase_db_host, error, judged.heard, judged.turn
    )
    wrong = wrong_now(replace(judged, outcome=known), datetime.now(UTC))
    if not os.access(settings.state_dir, os.R_OK | os.X_OK):
        found_answer = answer.Answer("lost", "NOT KNOWN: what the sidecar knows of itself cannot be read (below).")
        hint = "it has to belong to the sidecar's user: ./sidemirror up gives it back"
        told = f"the folder {settings.state_dir} cannot be read"
        wrong = (
            Wrong(StateError.__name__, "state folder", told, hint, datetime.now(UTC).isoformat(timespec="seconds")),
        )
    if judged.turn is None and found_answer.safe and any(one.kind == "Stuck" for one in wrong):
        as_of = f"everything up to {known.equal_at} is in {answer.place(settings.supabase_db_host)}"
        found_answer = answer.Answer("late", f"NOT SAFE: {as_of}; no run comes any more (below).")
    here = _here(settings)
    return Status(
        source=settings.source_name,
        target=f"{settings.supabase_db_host}:{settings.supabase_db_port}",
        safe=found_answer.safe,
        sentence=found_answer.sentence,
        hint=found_answer.hint,
        seconds_since_equal=age,
        outcome=known,
        wrong=wrong,
        files=_files(settings, here, state, counts),
        target_error=error,
        target_bytes=state.target_bytes if state else None,
        target_bytes_limit=settings.target_size_limit,
        alerts=_alerts(settings),
        changes=_changes(settings),
        left_out=here.left_out,
    )


def _changes(settings: BackupSettings) -> str:
    polling = noticing.read(settings.state_dir)
    if not settings.backup_on_change:
        return f"Changes are mirrored every {settings.backup_every} only (BACKUP_ON_CHANGE is off)"
    return polling.sentence if polling else AT_ONCE


def _alerts(settings: BackupSettings) -> str:
    count = len(settings.alert_addresses)
    if not count:
        return "Nobody is told when something goes wrong (ALERT_URLS)"
    failing = watch.read(settings.state_dir, datetime.now(UTC)).failing
    told = "".join(f"; {name} could not be reached: {reason}" for name, reason in failing)
    return f"Alerts go to {count} address{'es' if count > 1 else ''}{told}"


def _ask_target(settings: BackupSettings) -> tuple[State | None, dict[str, int], str | None]:
    try:
        with connected(settings) as connection:
            state = read_state(connection, settings.source_name)
            counts = {
                database.file: _mirror_rows(connection, database) for database in (state.databases if state else ())
            }
            return state, counts, None
    except TargetError as error:
        return None, {}, str(error)


def _mirror_rows(connection: Connection, database: CatalogDatabase) -> int:
    if not database.tables:
        return 0
    counts = [
        sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(database.schema_name, table.mirror.mirror_name))
        for table in database.tables
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT sum(n) FROM ({}) AS c").format(sql.SQL(" UNION ALL ").join(counts)))
        [(rows,)] = cursor.fetchall()
    return int(rows)


def _here(settings: BackupSettings) -> SourceFiles:
    try:
        return source.find(settings)
    except SidemirrorError:
        return SourceFiles((), ())


def _files(
    settings: BackupSettings, here: SourceFiles, state: State | None, counts: dict[str, int]
) -> tuple[FileStatus, ...]:
    databases = sorted({*here.databases, *counts})
    mirrored = {document.file for document in (state.documents if state else ())}
    return (
        *(
            FileStatus(
                file,
                "database",
                file in here.databases,
                _rows_here(settings, file) if file in here.databases else None,
                counts.get(file),
            )
            for file in databases
        ),
        *(
            FileStatus(file, "document", is_here, 1 if is_here else None, 1 if file in mirrored else None)
            for file in sorted({*here.documents, *mirrored})
            for is_here in (file in here.documents,)
        ),
    )


def _rows_here(settings: BackupSettings, file: str) -> int | None:
    tables = rows_here(settings, file)
    return None if tables is None else sum(tables.values())
