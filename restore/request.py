"""What is asked for, and what the target has of it: the plan, and the files that it names, made and verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror import catalog
from mirror.catalog import State
from mirror.catalog_install import HOLDS_POINTS
from mirror.errors import NoBackup
from mirror.settings import Settings
from mirror.target import reading
from restore.choose import only
from restore.one_file import Left, one_file
from restore.plan import DatabaseStep, Plan, plan
from restore.progress import Watch
from restore.stage import remove, stage_database, stage_document
from restore.when import Point, points_of, show_time


@dataclass(frozen=True)
class Request:
    """The restore point (`run`, or the last one `at` a time; else the last), what of it, and of which source."""

    run: int | None = None
    at: datetime | None = None
    only: tuple[str, ...] = ()
    allow_violations: bool = False  # single tables only: rows may refer to rows that are not there
    source: str | None = None  # another source than SOURCE_NAME, on purpose
    at_start: bool = False  # of the stack: a file that is left is noted, so that no bot starts without it


def plan_for(connection: Connection, settings: Settings, request: Request, sqlite_dir: Path, json_dir: Path) -> Plan:
    """The plan for what is asked. Raises NoBackup, saying what there is, and RestoreError for what cannot be."""
    source = request.source or settings.source_name
    state = catalog.read_state(connection, source)
    if state is None and request.source:
        raise NoBackup(f"the target has no source {source}", f"it has {_sources(connection)}")
    point = None
    if state is not None:
        point = _point(points_of(connection, settings, state.source_id), request)
        if point is not None and point.run != state.last_run:
            state = catalog.read_state(connection, source, point.run)
    return only(plan(state, source, sqlite_dir, json_dir, point.at if point else None), request.only)


def stage(
    connection: Connection,
    found: Plan,
    staged: dict[str, Path],
    watch: Watch | None = None,
    left: list[Left] | None = None,
) -> None:
    """All of the plan, from the target as it is at one instant: a run may have been made since the plan was shown.

    `staged` says by destination where each file is made. What cannot be made is added to `left`, with the newest restore
    points that have it; without such a list it is raised. Raises NotVerified, NoBackup.
    """
    with reading(connection) as cursor:
        state = catalog.read_state(connection, found.source, found.run)
        if state is None:
            raise NoBackup(
                f"the backup of {found.source} went away while it was being restored",
                "somebody emptied the target; restore again when it is back",
            )
        stage_with(cursor, replace(found, state=state), staged, watch, left)


def stage_with(
    cursor: Cursor, found: Plan, staged: dict[str, Path], watch: Watch | None = None, left: list[Left] | None = None
) -> None:
    """The same in a transaction that is open already, and in which the plan was made. Raises NotVerified."""
    if found.state.catalog_version >= HOLDS_POINTS:
        cursor.execute("SELECT sidemirror.hold_point(%s, %s)", (found.state.source_id, found.run))
    for step in found.databases:
        with one_file(cursor, step.database.file, step.destination, left):
            now = _as_it_is(step, found.state)
            stage_database(cursor, found, now, staged[str(step.destination)], watch or Watch())
    for document in found.documents:
        with one_file(cursor, document.document.file, document.destination, left):
            stage_document(cursor, found, document, staged[str(document.destination)])
    for one in left or ():
        remove(staged[str(one.destination)])


def _as_it_is(step: DatabaseStep, state: State) -> DatabaseStep:
    """Where the rows of the restore point stand now: a run may have renamed what the plan has found."""
    known = state.database(step.database.file)
    places = {table.id: table for table in known.tables} if known else {}
    tables = tuple(places.get(table.id, table) for table in step.database.tables)
    return replace(step, database=replace(step.database, tables=tables))


def _sources(connection: Connection) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('sidemirror.sources') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return "none at all"
        cursor.execute("SELECT string_agg(name, ', ' ORDER BY name) FROM sidemirror.sources")
        return str(cursor.fetchall()[0][0] or "none at all")


def _point(points: list[Point], request: Request) -> Point | None:
    """The restore point that is meant. Raises NoBackup when there is no such point, or none any more."""
    if request.at is not None:
        before = [point for point in points if point.at <= request.at]
        if before:
            return before[-1]
        known = f"the oldest one is of {show_time(points[0].at)}" if points else "there is none at all"
        raise NoBackup(
            f"there is no restore point at or before {show_time(request.at)}; {known}",
            "see all with: ./sidemirror restore --list",
        )
    if request.run is None or not points:
        return points[-1] if points else None
    for point in points:
        if point.run == request.run:
            return point
    earlier = max((point.run for point in points if point.run < request.run), default=None)
    if request.run < points[-1].run and earlier is not None:
        raise NoBackup(
            f"restore point {request.run} was thinned out by RETENTION; the last one before it is {earlier}",
            f"restore that one: --run {earlier}, or see all with: ./sidemirror restore --list",
        )
    raise NoBackup(
        f"there is no restore point {request.run}; the last one is {points[-1].run}",
        "see all with: ./sidemirror restore --list",
    )
