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
from psycopg2.extensions import cursor as Cursor

from mirror import catalog, holder, restored, safe_files, taken
from mirror.errors import RestoreError, StateError
from mirror.holder import Taking
from mirror.part import part_of
from mirror.plain_text import shown
from mirror.settings import Settings
from mirror.target import connected
from restore import missing, owner, room, swap
from restore.choose import apart
from restore.config import RestoreSettings
from restore.explain import explained
from restore.live import refuse_if_live
from restore.older import with_older
from restore.one_file import Left, without
from restore.place import finish_interrupted, journal_of, move, outside, staging
from restore.plan import DatabaseStep, Plan
from restore.progress import Watch
from restore.replaced import new_name, prune
from restore.request import Request, plan_for, stage, stage_with
from restore.tables import Part, all_put
from restore.told import sentence, write_down

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What was done, and what could not be. `replaced` is None where nothing stood in the way."""

    plan: Plan
    seconds: float
    replaced: str | None
    left: tuple[Left, ...] = ()

    @property
    def told(self) -> str:
        return sentence(self.plan, self.seconds, self.left)


def restore(
    settings: RestoreSettings, request: Request, confirm: Callable[[Plan], None], watch: Watch | None = None
) -> Result:
    """Brings what is asked for back into the source's folders.

    `confirm` raises Cancelled to stop. Raises RunInProgress, SourceLive, NoBackup, NotVerified, RestoreError, and every
    TargetError; then nothing in place was touched.
    """
    installation = _installation(settings.state_dir)
    journal = journal_of(settings)
    with explained(), swap.one_at_a_time(journal):
        finish_interrupted(settings)
        return _restore(settings, request, installation, journal, confirm, watch or Watch())


def _restore(
    settings: RestoreSettings,
    request: Request,
    installation: UUID,
    journal: Path,
    confirm: Callable[[Plan], None],
    watch: Watch,
) -> Result:
    with connected(settings) as connection:
        asked = plan_for(connection, settings, request, settings.sqlite_dir, settings.json_dir)
        _require(settings, connection, asked)
        confirm(asked)
        began = time.monotonic()
        # Before anything is read: nothing is mirrored behind it that the restored files would not have.
        with holder.taking(connection, settings.source_name, installation) as taking:
            found = plan_for(connection, settings, request, settings.sqlite_dir, settings.json_dir)
            if found.run != asked.run:
                log.info("Run %d has come meanwhile, and is what is restored", found.run)
            done, name, left = _put(settings, request, journal, connection, found, taking, watch)
        prune(settings, settings.keep_replaced, datetime.now(UTC))
    result = Result(done, time.monotonic() - began, f"{swap.REPLACED}/{name}" if name else None, left)
    write_down(settings, result.told, result.replaced)
    return result


def _require(settings: RestoreSettings, connection: Connection, found: Plan) -> None:
    """Raises SourceLive, and RestoreError where there is no room."""
    refuse_if_live(settings, found.database_files)
    room.require(room.needed(connection, found, settings.sqlite_dir, settings.json_dir))


def _put(
    settings: RestoreSettings,
    request: Request,
    journal: Path,
    connection: Connection,
    found: Plan,
    taking: Taking,
    watch: Watch,
) -> tuple[Plan, str | None, tuple[Left, ...]]:
    """Stages, verifies and swaps; gives what was put into place, the name of the set that keeps what stood in the way, and
    what could not be brought back.

    The transaction of `taking` is open. A kill in the instant between its end and the swap's list on the disk
    leaves the holder here: the other installation is refused, and says so.
    """
    _require(settings, connection, found)
    name = new_name(settings, datetime.now(UTC))
    moves = _moves(settings, found, name)
    if stray := outside(settings, moves):
        raise RestoreError(
            f"{shown(stray.destination)} is behind a link that leads out of the bot's folder",
            "remove the link; nothing in place was touched",
        )
    with staging(settings), connection.cursor() as cursor:
        with watch.during(found):
            left: list[Left] = []
            stage_with(cursor, found, {move.destination: Path(move.staged) for move in moves}, watch, left)
            found = without(found, left)
            moves = _moves(settings, found, name)
            left = with_older(connection, settings, found, left)
            parts = _stage_tables(cursor, settings, found, name, watch)
        for step in moves:
            owner.give(Path(step.staged), Path(step.destination))
        refuse_if_live(settings, found.database_files)
        with all_put(parts, request.allow_violations) as put:
            _note(connection, settings, found)
            taken.note(settings.notes_dir, taking.token)
            taking.commit()
            try:
                put()
            except BaseException:
                taking.give_back()
                raise
        for part in parts:
            part.scratch.unlink()
    in_the_way = bool(parts) or any(path.exists() for path in found.destinations)
    if left and request.at_start:
        missing.note(settings, tuple(one.destination for one in left))
    swap.swap(moves, journal)
    return found, name if in_the_way else None, tuple(left)


def restore_into(
    settings: Settings,
    request: Request,
    folder: Path,
    confirm: Callable[[Plan], None],
    watch: Watch | None = None,
) -> Result:
    """Writes everything into another folder, below `sqlite` and `json`, and changes nothing else anywhere.

    Raises RestoreError when a file is there already, and what `restore` raises; then no file is there that was not before.
    """
    with explained(), connected(settings) as connection:
        found = apart(plan_for(connection, settings, request, folder / "sqlite", folder / "json"))
        there = [str(path) for path in found.destinations if path.exists()]
        if there:
            raise RestoreError(f"{there[0]} is there already", "give an empty folder to --into")
        room.require(room.needed(connection, found, folder / "sqlite", folder / "json"))
        confirm(found)
        began = time.monotonic()
        staged = {str(path): path.with_name(f"{path.name}.unfinished") for path in found.destinations}
        left: list[Left] = []
        try:
            watching = watch or Watch()
            with watching.during(found):
                stage(connection, found, staged, watching, left)
            found = without(found, left)
        except BaseException:
            for path in staged.values():
                path.unlink(missing_ok=True)
            raise
        for path in found.destinations:
            staged[str(path)].rename(path)
    return Result(found, time.monotonic() - began, None, tuple(left))


def _stage_tables(cursor: Cursor, settings: Settings, found: Plan, name: str, watch: Watch) -> list[Part]:
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
        stage_with(cursor, rows, {str(part.scratch): part.scratch for part in parts}, watch)
    return parts


def _note(connection: Connection, settings: Settings, found: Plan) -> None:
    """Tells the sidecar that what it will find is meant, whosesoever data it is."""
    own = catalog.read_state(connection, settings.source_name)
    tokens = {each.file: str(each.token) for each in own.databases} if own else {}
    tokens |= {each.file: each.sha256 for each in own.documents} if own else {}
    known = {file: tokens[file] for file in found.names if file in tokens}
    tables = {step.database.file: step.names for step in found.tables}
    source = None if found.source == settings.source_name else found.source
    restored.note(settings.notes_dir, found.run, known, tables, source)


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
        return UUID(safe_files.read_text(path).strip())
    except (OSError, ValueError) as error:
        raise StateError(
            f"this installation has no id yet: {path} is not there",
            "start the stack once (./sidemirror up), or run: python -m backup check",
        ) from error
