"""After each run: what the status page is to show of it. Read `remember` first."""

from __future__ import annotations

import logging
import sqlite3
import time

import psycopg2

from backup.answer import limit_seconds
from backup.changes import Counts
from backup.config import BackupSettings
from backup.here import rows_here
from backup.look import Work
from backup.view import store
from backup.view.catch_up import add_version, catch_up, table_id
from backup.view.refresh import refresh
from backup.view.seen import Seen, seen, size
from mirror.catalog import State

# A database that is refused is counted anew this often.
COUNT_AGAIN_SECONDS = 60

log = logging.getLogger(__name__)


def remember(work: Work, counts: Counts, seconds: float) -> None:
    """Writes what the run showed. It never makes a run fail: what could not be written is written by the next one."""
    try:
        with store.writing(work.settings.state_dir, target_name(work.settings)) as view:
            now = time.time()
            found = seen(work)
            _restore_points(view, work, found, now)
            _tables_here(view, work, now)
            _this_run(view, work, found, counts, seconds, now)
            _slow_figures(view, work, now)
            store.trim(view)
    except Exception as error:  # noqa: BLE001 - the run has come through, and the page may not undo that
        if isinstance(error, psycopg2.Error):
            work.connection.close()  # it may stand in the middle of a transaction, and the next run must not meet it there
        log.warning("What the status page shows was not written (%s); the next run does it", type(error).__name__)


def target_name(settings: BackupSettings) -> str:
    """What the view is a view of."""
    host, port, name = settings.supabase_db_host, settings.supabase_db_port, settings.supabase_db_name
    return f"{host}:{port}/{name}/{settings.source_name}"


def _restore_points(view: sqlite3.Connection, work: Work, found: Seen, now: float) -> None:
    """This run's restore point; or, when the view missed some before it, all of those from the target."""
    before = work.state.last_run if work.state else 0
    known = store.fact(view, "last_run") or 0
    committed = not work.changes.empty
    if known == before:
        if committed:
            _add_point(view, work, found, before + 1, now)
    else:
        if known > before:
            for table in ("points", "point_tables", "tables", "documents", "versions", "databases", "drills", "sizes"):
                view.execute(f"DELETE FROM {table}")
        state = work.session.read_state(work.connection, work.identity.source)
        if state is not None:
            catch_up(view, work.connection, state.source_id, known if known < before else 0)
            _tables_of(view, state)
    store.set_facts(view, last_run=before + committed)


def _add_point(view: sqlite3.Connection, work: Work, found: Seen, run: int, now: float) -> None:
    added, changed, removed = (
        sum(getattr(table, name) for table in found.tables) for name in ("added", "changed", "removed")
    )
    view.execute(
        "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        (run, now, work.identity.kind, added, changed, removed, len(found.documents)),
    )
    most = sorted(found.tables, key=lambda t: t.added + t.changed + t.removed, reverse=True)
    for place, table in enumerate(most):
        number = table_id(view, table.file, table.name)
        view.execute(
            "UPDATE tables SET mirror = ?, here = ?, gone = ?, changed_run = ?, changed_at = ? WHERE id = ?",
            (table.rows, table.rows, table.gone, run, now, number),
        )
        if place < store.TABLES_OF_A_POINT:
            view.execute(
                "INSERT OR REPLACE INTO point_tables VALUES (?, ?, ?, ?, ?, ?)",
                (run, number, table.added, table.changed, table.removed, table.rows),
            )
    for removed_database in work.removed:
        view.execute("DELETE FROM databases WHERE file = ?", (removed_database.file,))
    for file, document in found.documents:
        if document is None:
            add_version(view, file, run, now, None, None, None)
        else:
            add_version(view, file, run, now, document.sha256, document.size, document.content)


def _tables_of(view: sqlite3.Connection, state: State) -> None:
    """The tables as the target has them now, and the run that each was last changed in."""
    view.execute("UPDATE tables SET gone = 1, mirror = 0")
    for database in state.databases:
        for table in database.tables:
            number = table_id(view, database.file, table.mirror.name)
            view.execute("UPDATE tables SET gone = 0, mirror = ? WHERE id = ?", (table.content.rows, number))
    view.execute(
        "UPDATE tables SET (changed_run, changed_at) = (SELECT p.run, p.at FROM point_tables AS t JOIN points AS p "
        "ON p.run = t.run WHERE t.table_id = tables.id ORDER BY t.run DESC LIMIT 1)"
    )


def _tables_here(view: sqlite3.Connection, work: Work, now: float) -> None:
    """Rows in the source: those of the mirror where the two are equal, counted where something was refused."""
    refused = {refusal.file for refusal in work.refusals} | set(work.waiting)
    marks = ", ".join("?" * len(refused))
    view.execute(f"UPDATE tables SET here = mirror WHERE here IS NOT mirror AND file NOT IN ({marks})", (*refused,))
    files = {file for (file,) in view.execute("SELECT DISTINCT file FROM tables WHERE NOT gone")}
    view.execute("DELETE FROM databases WHERE file NOT IN (SELECT file FROM tables WHERE NOT gone)")
    for file in sorted(files):
        found = size(work.settings.sqlite_dir / file)
        view.execute(
            "INSERT INTO databases VALUES (?1, ?2, NULL) ON CONFLICT (file) DO UPDATE SET bytes = ?2 "
            "WHERE bytes IS NOT ?2",
            (file, found),
        )
    # Nobody's change waits for it.
    for file in sorted(refused & files) if work.identity.kind != "change" else ():
        [(counted_at,)] = view.execute("SELECT here_at FROM databases WHERE file = ?", (file,))
        if counted_at is None or now - counted_at > COUNT_AGAIN_SECONDS:
            store.set_here(view, file, rows_here(work.settings, file) or {}, now)
    view.execute(
        f"UPDATE databases SET here_at = NULL WHERE here_at IS NOT NULL AND file NOT IN ({marks})", (*refused,)
    )


def _this_run(view: sqlite3.Connection, work: Work, found: Seen, counts: Counts, seconds: float, now: float) -> None:
    committed = not work.changes.empty
    last_run = store.fact(view, "last_run")
    lag = max(0.0, now - found.written_at) if committed and found.written_at else None
    view.execute(
        "INSERT OR REPLACE INTO tries VALUES (?, ?, ?, ?, ?, ?)",
        (now, last_run, committed, seconds, counts.bytes_sent, lag),
    )
    size_now = work.state.target_bytes if work.state else 0
    last = view.execute("SELECT at, bytes FROM sizes ORDER BY at DESC LIMIT 1").fetchone()
    if size_now and (last is None or last[1] != size_now or now - last[0] > 3600):
        view.execute("INSERT OR REPLACE INTO sizes VALUES (?, ?)", (now, size_now))
    for name, more in (
        ("runs", 1),
        ("runs_committed", int(committed)),
        ("rows_upserted", counts.upserted),
        ("rows_deleted", counts.deleted),
        ("documents", counts.documents),
        ("bytes_sent", counts.bytes_sent),
    ):
        view.execute(
            "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2", (name, more)
        )
    settings = work.settings
    store.set_facts(
        view,
        source=settings.source_name,
        host=settings.supabase_db_host,
        limit_seconds=limit_seconds(settings.backup_every),
        every_seconds=settings.backup_every.total_seconds(),
        size_limit=int(settings.target_size_limit),
        looked_at=work.identity.started_at.timestamp(),
        written_at=now,
    )


def _slow_figures(view: sqlite3.Connection, work: Work, now: float) -> None:
    """At full runs, and where they were never read; in between see `figures`."""
    if not work.full and store.fact(view, "refreshed_at") is not None:
        return
    state = work.session.read_state(work.connection, work.identity.source)
    if state is not None:
        refresh(view, work.connection, state, work.shadows, now, everything=True)
