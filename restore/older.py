"""Of a file that cannot be brought back: the newest older restore point that has it whole, found by trying."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from psycopg2.extensions import connection as Connection

from mirror import catalog
from mirror.settings import Settings
from restore import swap
from restore.one_file import Left
from restore.plan import Plan, plan
from restore.request import stage_with
from restore.stage import remove
from restore.when import Point, points_of

TRIED = 3  # each is a rebuild of that file


def with_older(connection: Connection, settings: Settings, found: Plan, left: list[Left]) -> list[Left]:
    """The same, each with such a point if there is one among the newest. The transaction of the restore is open."""
    if not left:
        return left
    points = [point for point in points_of(connection, settings, found.state.source_id) if point.run < found.run]
    return [replace(one, older=_newest_whole(connection, settings, found, one, points)) for one in left]


def _newest_whole(
    connection: Connection, settings: Settings, found: Plan, one: Left, points: list[Point]
) -> Point | None:
    scratch = swap.staging_folder(settings.sqlite_dir) / "older"
    for point in reversed(points[-TRIED:]):
        state = catalog.read_state(connection, found.source, point.run)
        if state is None or not (state.databases or state.documents):
            continue
        whole = plan(state, found.source, settings.sqlite_dir, settings.json_dir, point.at)
        only = replace(
            whole,
            databases=tuple(step for step in whole.databases if step.destination == one.destination),
            documents=tuple(step for step in whole.documents if step.destination == one.destination),
        )
        if not only.destinations:
            continue
        not_whole: list[Left] = []
        with connection.cursor() as cursor:
            stage_with(cursor, only, {str(path): Path(scratch) for path in only.destinations}, left=not_whole)
        remove(scratch)
        if not not_whole:
            return point
    return None
