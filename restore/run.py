"""One restore: plan, ask, stage, verify, swap, take over. Read `restore` first."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from psycopg2.extensions import connection as Connection

from mirror import catalog, holder, restored
from mirror.errors import NoBackup, RestoreError, StateError
from mirror.load_rows import Progress, no_progress
from mirror.part import part_of
from mirror.settings import Settings
from mirror.target import connected, reading
from restore import swap
from restore.choose import apart, only
from restore.config import RestoreSettings
from restore.explain import explained
from restore.live import refuse_if_live
from restore.place import finish_interrupted, journal_of, move, staging
from restore.plan import DatabaseStep, Plan, plan
from restore.replaced import new_name, prune
from restore.stage import stage_database, stage_document
from restore.tables import Part, all_put
from restore.when import point_at

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is asked for: the restore point (`run`, or the last one `at` a time; else the last), and what of it."""

    run: int | None = None
    at: datetime | None = None
    only: tuple[str, ...] = ()
    allow_violations: bool = False  # single tables only: rows may refer to rows that are not there


@dataclass(frozen=True)
class Result:
    """What was done. `replaced` is None where nothing stood in the way."""

    plan: Plan
    seconds: float
    replaced: str | None


def restore(
    settings: RestoreSettings, request: Request, confirm: Callable[[Plan], None], progress: Progress = no_progress
) -> Result:
    """Brings what is asked for back into the source's folders.

    `confirm` raises Cancelled to stop. Raises RunInProgress, SourceLive, NoBackup, NotVerified, RestoreError, and every
    TargetError; then nothing in place was touched.
    """
    installation = _installation(settings.state_dir)
    journal = journal_of(settings)
    with explained(), swap.one_at_a_time(journal):
        finish_interrupted(settings)
        return _restore(settings, request, installation, journal, confirm, progress)


def _restore(
    settings: RestoreSettings,
    request: Request,
    installation: UUID,
    journal: Path,
    confirm: Callable[[Plan], None],
    progress: Progress,
) -> Result:
    with connected(settings) as connection:
        found = _plan(connection, settings, request, settings.sqlite_dir, settings.json_dir)
        databases = found.database_files
        refuse_if_live(settings, databases)
        confirm(found)
        began = time.monotonic()
        name = new_name(settings, datetime.now(UTC))
        moves = _moves(settings, found, name)
        with staging(settings):
            _stage(connection, settings, found, {move.destination: Path(move.staged) for move in moves}, progress)
            parts = _stage_tables(connection, settings, found, name)
            refuse_if_live(settings, databases)
            with all_put(parts, request.allow_violations) as commit:
                # Before the files are there: from now on, no other installation can write a mirror that they differ from.
                holder.take(connection, settings.source_name, installation)
                restored.note(settings.sqlite_dir, found.run, found.tokens)
                commit()
            for part in parts:
                part.scratch.unlink()
        in_the_way = bool(parts) or any(path.exists() for path in found.destinations)
        swap.swap(moves, journal)
        prune(settings, settings.keep_replaced, datetime.now(UTC))
    return Result(found, time.monotonic() - began, f"{swap.REPLACED}/{name}" if in_the_way else None)


def restore_into(
    settings: Settings,
    request: Request,
    folder: Path,
    confirm: Callable[[Plan], None],
    progress: Progress = no_progress,
) -> Result:
    """Writes everything into another folder, below `sqlite` and `json`, and changes nothing else anywhere.

    Raises RestoreError when a file is there already, and what `restore` raises; then no file is there that was not before.
    """
    with explained(), connected(settings) as connection:
        found = apart(_plan(connection, settings, request, folder / "sqlite", folder / "json"))
        there = [str(path) for path in found.destinations if path.exists()]
        if there:
            raise RestoreError(f"{there[0]} is there already", "give an empty folder to --into")
        confirm(found)
        began = time.monotonic()
        staged = {str(path): path.with_name(f"{path.name}.unfinished") for path in found.destinations}
        try:
            _stage(connection, settings, found, staged, progress)
        except BaseException:
            for path in staged.values():
                path.unlink(missing_ok=True)
            raise
        for destination, path in staged.items():
            path.rename(destination)
    return Result(found, time.monotonic() - began, None)


def _plan(connection: Connection, settings: Settings, request: Request, sqlite_dir: Path, json_dir: Path) -> Plan:
    state = catalog.read_state(connection, settings.source_name)
    run = request.run
    if state is not None and request.at is not None:
        run = point_at(connection, settings, request.at)
    if state is not None and run is not None:
        _require_point(connection, state, run)
        state = catalog.read_state(connection, settings.source_name, run)
    return only(plan(state, settings.source_name, sqlite_dir, json_dir), request.only)


def _require_point(connection: Connection, latest: catalog.State, run: int) -> None:
    """Raises NoBackup when there is no such restore point, or none any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT run FROM sidemirror.runs WHERE source_id = %s ORDER BY run", (latest.source_id,))
        runs = [int(point) for (point,) in cursor.fetchall()]
    if run in runs:
        return
    earlier = max((point for point in runs if point < run), default=None)
    if run < latest.last_run and earlier is not None:
        raise NoBackup(
            f"restore point {run} was thinned out by RETENTION; the last one before it is {earlier}",
            f"restore that one: --run {earlier}, or see all with --list",
        )
    raise NoBackup(f"there is no restore point {run}; the last one is {latest.last_run}", "see all with --list")


def _stage(
    connection: Connection, settings: Settings, found: Plan, staged: dict[str, Path], progress: Progress
) -> None:
    """All of the plan, from the target as it is at one instant: a run may have been made since the plan was shown."""
    with reading(connection) as cursor:
        state = catalog.read_state(connection, settings.source_name, found.run)
        if state is None:
            raise NoBackup(
                f"the backup of {settings.source_name} went away while it was being restored",
                "somebody emptied the target; restore again when it is back",
            )
        now = replace(found, state=state)
        for step in found.databases:
            stage_database(cursor, now, step, staged[str(step.destination)], progress)
        for document in found.documents:
            stage_document(cursor, now, document, staged[str(document.destination)])


def _stage_tables(connection: Connection, settings: Settings, found: Plan, name: str) -> list[Part]:
    """The rows of single tables, made and verified in files of their own."""
    parts = [
        Part(
            step,
            swap.staging_folder(settings.sqlite_dir) / f"{step.database.file}.tables",
            settings.sqlite_dir / swap.REPLACED / name / step.database.file,
        )
        for step in found.tables
    ]
    if parts:
        databases = tuple(DatabaseStep(part_of(part.step.database, part.step.names), part.scratch) for part in parts)
        rows = replace(found, databases=databases, documents=(), tables=())
        _stage(connection, settings, rows, {str(part.scratch): part.scratch for part in parts}, no_progress)
    return parts


def _moves(settings: RestoreSettings, found: Plan, name: str) -> tuple[swap.Move, ...]:
    databases = [(settings.sqlite_dir, step.database.file, step.destination) for step in found.databases]
    documents = [(settings.json_dir, step.document.file, step.destination) for step in found.documents]
    return tuple(
        move(settings, swap.staging_folder(root) / file, destination, name)
        for root, file, destination in databases + documents
    )


def _installation(state_dir: Path) -> UUID:
    """This installation's id, which becomes the holder's, so that the sidecar beside it goes on."""
    path = state_dir / "installation"
    try:
        return UUID(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise StateError(
            f"this installation has no id yet: {path} is not there",
            "start the stack once (./sidemirror up), or run: python -m backup check",
        ) from error
