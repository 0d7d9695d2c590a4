"""One restore: plan, ask, stage, verify, swap, take over. Read `restore` first."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from psycopg2.extensions import connection as Connection

from mirror import catalog, holder
from mirror.errors import NoBackup, RestoreError, StateError
from mirror.load_rows import Progress, no_progress
from mirror.settings import Settings
from mirror.target import connected, reading
from restore import swap
from restore.explain import explained
from restore.plan import Plan, plan, refuse_if_live
from restore.stage import stage_database, stage_document

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What was done. `replaced` is None where nothing stood in the way."""

    plan: Plan
    seconds: float
    replaced: str | None


def restore(
    settings: Settings, run: int | None, confirm: Callable[[Plan], None], progress: Progress = no_progress
) -> Result:
    """Brings everything of the source back into its folders, as it was after `run` (None: the last one).

    `confirm` raises Cancelled to stop. Raises RunInProgress, SourceLive, NoBackup, NotVerified, RestoreError, and every
    TargetError; then nothing in place was touched.
    """
    installation = _installation(settings.state_dir)
    journal = settings.sqlite_dir / swap.FOLDER / "restoring.json"
    with explained(), swap.one_at_a_time(journal):
        _finish_interrupted(journal)
        return _restore(settings, run, installation, journal, confirm, progress)


def _restore(
    settings: Settings,
    run: int | None,
    installation: UUID,
    journal: Path,
    confirm: Callable[[Plan], None],
    progress: Progress,
) -> Result:
    with connected(settings) as connection:
        found = plan(_state(connection, settings, run), settings.source_name, settings.sqlite_dir, settings.json_dir)
        databases = [step.destination for step in found.databases]
        refuse_if_live(databases)
        confirm(found)
        began = time.monotonic()
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        moves = _moves(settings, found, name)
        with _staging(settings):
            _stage(connection, settings, found, {move.destination: Path(move.staged) for move in moves}, progress)
            refuse_if_live(databases)
            # Before the files are there: from now on, no other installation can write a mirror that they are not equal to.
            holder.take(connection, settings.source_name, installation)
        in_the_way = any(path.exists() for path in found.destinations)
        swap.swap(moves, journal)
    return Result(found, time.monotonic() - began, f"{swap.REPLACED}/{name}" if in_the_way else None)


def _finish_interrupted(journal: Path) -> None:
    """A restore that was cut off while it swapped files was asked for and verified; it ends before another one begins."""
    moves = swap.unfinished(journal)
    if moves:
        log.info("An earlier restore was cut off; putting the last %d of its files into place", len(moves))
        refuse_if_live([Path(move.destination) for move in moves])
    swap.finish(journal)


def restore_into(
    settings: Settings, run: int | None, folder: Path, confirm: Callable[[Plan], None], progress: Progress = no_progress
) -> Result:
    """Writes everything into another folder, below `sqlite` and `json`, and changes nothing else anywhere.

    Raises RestoreError when a file is there already, and what `restore` raises; then no file is there that was not before.
    """
    with explained(), connected(settings) as connection:
        found = plan(_state(connection, settings, run), settings.source_name, folder / "sqlite", folder / "json")
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


@contextmanager
def _staging(settings: Settings) -> Iterator[None]:
    """Nothing that was staged stays when the block fails: it could fill the disk that the bot needs."""
    folders = (settings.sqlite_dir, settings.json_dir)
    for folder in folders:
        swap.clean_up(folder)
    try:
        yield
    except BaseException:
        for folder in folders:
            swap.clean_up(folder)
        raise


def _state(connection: Connection, settings: Settings, run: int | None) -> catalog.State | None:
    if run is not None:
        _require_point(connection, settings, run)
    return catalog.read_state(connection, settings.source_name, run)


def _require_point(connection: Connection, settings: Settings, run: int) -> None:
    """Raises NoBackup when there is no such restore point, or none any more."""
    latest = catalog.read_state(connection, settings.source_name)
    if latest is None:
        return
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


def _moves(settings: Settings, found: Plan, name: str) -> tuple[swap.Move, ...]:
    moves = []
    for root, steps in (
        (settings.sqlite_dir, [(step.database.file, step.destination) for step in found.databases]),
        (settings.json_dir, [(step.document.file, step.destination) for step in found.documents]),
    ):
        for file, destination in steps:
            staged = swap.staging_folder(root) / file
            moves.append(swap.Move(str(staged), str(destination), str(root / swap.REPLACED / name / file)))
    return tuple(moves)


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
