"""The restore points that the target holds, newest first: what each changed, what it has, and whether a drill proved it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from mirror.errors import NoBackup
from mirror.plain_text import shown
from mirror.settings import Settings
from mirror.target import connected, reading

_MOST_CHARACTERS = 70


@dataclass(frozen=True)
class Drill:
    """A rehearsal of this very point: when, how many seconds the restore took, and what was wrong, if anything."""

    at: datetime
    seconds: float
    ok: bool
    what: str | None


@dataclass(frozen=True)
class Change:
    """One table or document that a run changed; `rows` that the table has from then on, None for one that goes."""

    run: int
    file: str
    table: str | None
    rows: int | None


@dataclass(frozen=True)
class RestorePoint:
    """One committed run. `upserted` and `deleted` are rows that it changed, `rows` all that it has.

    `tables` (by database) and `documents` are what changed since the restore point before, thinned ones taken together.
    """

    run: int
    at: datetime
    upserted: int
    deleted: int
    proved: bool
    rows: int
    tables: dict[str, tuple[str, ...]]
    documents: tuple[str, ...]
    drill: Drill | None

    def to_json(self) -> dict[str, Any]:
        drill = self.drill
        return {
            "run": self.run,
            "at": self.at.astimezone(UTC).isoformat(timespec="seconds"),
            "local": self.at.astimezone().isoformat(timespec="seconds"),
            "rows": self.rows,
            "upserted": self.upserted,
            "deleted": self.deleted,
            "documents": len(self.documents),
            "changed": {
                "tables": {file: list(names) for file, names in self.tables.items()},
                "documents": self.documents,
            },
            "proved": self.proved,
            "drill": {
                "at": drill.at.astimezone(UTC).isoformat(timespec="seconds"),
                "seconds": drill.seconds,
                "ok": drill.ok,
                "what": drill.what,
            }
            if drill
            else None,
        }


def restore_points(settings: Settings, source: str) -> tuple[RestorePoint, ...]:
    """All of a source's. Raises NoBackup."""
    with connected(settings) as connection, reading(connection) as cursor:
        runs: list[tuple[Any, ...]] = []
        if _has(cursor, "sidemirror.runs"):
            cursor.execute(
                "SELECT r.run, r.finished_at, r.rows_upserted, r.rows_deleted, r.proved_at IS NOT NULL, s.id "
                "FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id "
                "WHERE s.name = %s ORDER BY r.run",
                (source,),
            )
            runs = cursor.fetchall()
        if not runs:
            raise NoBackup(f"the target has no backup of the source {source}", "check SOURCE_NAME")
        source_id = runs[0][-1]
        changes = _changes(cursor, source_id)
        drills = _drills(cursor, source_id) if _has(cursor, "sidemirror.drills") else {}
    return tuple(reversed(_points([run[:-1] for run in runs], changes, drills)))


def as_lines(points: tuple[RestorePoint, ...], most: int = 50) -> list[str]:
    """A heading and a line for each of the newest points; times in UTC and in the local zone of that day."""
    told = [(point, point.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")) for point in points[:most]]
    width = max(len(local) for _, local in told)
    lines = [
        f"{'run':>7}  {'time (UTC)':<19}  {'time (local)':<{width}}  {'rows':>9}  {'upserted':>9}  {'deleted':>8}  "
        f"{'proved':<7}  changed"
    ]
    for point, local in told:
        utc = point.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        counts = f"{point.rows:>9}  {point.upserted:>9}  {point.deleted:>8}"
        lines.append(
            f"{point.run:>7}  {utc}  {local:<{width}}  {counts}  {_proof(point):<7}  {_changed(point)}".rstrip()
        )
    if len(points) > most:
        lines.append(f"and {len(points) - most} older ones; --json shows all")
    return [shown(line) for line in lines]


def _proof(point: RestorePoint) -> str:
    if point.drill and not point.drill.ok:
        return "FAILED"
    if point.drill and point.proved:
        return f"{point.drill.seconds:.1f} s"
    return "yes" if point.proved else "-"


def _changed(point: RestorePoint) -> str:
    parts = [f"{file}: {', '.join(names)}" for file, names in point.tables.items()] + list(point.documents)
    text = "; ".join(parts)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _points(runs: list[tuple[Any, ...]], changes: list[Change], drills: dict[int, Drill]) -> list[RestorePoint]:
    """Oldest first, as the runs and the changes come."""
    found, rows, done = [], dict[tuple[str, str], int](), 0
    for run, at, upserted, deleted, proved in runs:
        since = list(_until(changes, done, run))
        done += len(since)
        tables: dict[str, set[str]] = {}
        for change in since:
            if change.table is None:
                continue
            if not change.table.startswith("sqlite_"):
                tables.setdefault(change.file, set()).add(change.table)
            if change.rows is None:
                rows.pop((change.file, change.table), None)
            else:
                rows[change.file, change.table] = change.rows
        names = {file: tuple(sorted(tables[file])) for file in sorted(tables)}
        documents = tuple(sorted({change.file for change in since if change.table is None}))
        found.append(
            RestorePoint(run, at, upserted, deleted, proved, sum(rows.values()), names, documents, drills.get(run))
        )
    return found


def _until(changes: list[Change], start: int, run: int) -> Iterable[Change]:
    for position in range(start, len(changes)):
        if changes[position].run > run:
            return
        yield changes[position]


def _changes(cursor: Cursor, source_id: int) -> list[Change]:
    """By run; of one run what goes before what comes, since a table that changes its shape does both."""
    cursor.execute(
        "SELECT x.run, d.file, t.name, x.row_count FROM ("
        "SELECT table_id, run, row_count FROM sidemirror.table_states "
        "UNION ALL SELECT id, dropped_run, NULL FROM sidemirror.tables WHERE dropped_run IS NOT NULL) AS x "
        "JOIN sidemirror.tables AS t ON t.id = x.table_id JOIN sidemirror.databases AS d ON d.id = t.database_id "
        "WHERE d.source_id = %(source)s "
        "UNION ALL SELECT st.run, d.file, NULL, NULL FROM sidemirror.document_states AS st "
        "JOIN sidemirror.documents AS d ON d.id = st.document_id WHERE d.source_id = %(source)s "
        "ORDER BY 1, 4 NULLS FIRST",
        {"source": source_id},
    )
    return [Change(*row) for row in cursor.fetchall()]


def _drills(cursor: Cursor, source_id: int) -> dict[int, Drill]:
    """The last one of each restore point."""
    cursor.execute(
        "SELECT DISTINCT ON (run) run, at, seconds, ok, what FROM sidemirror.drills WHERE source_id = %s "
        "ORDER BY run, id DESC",
        (source_id,),
    )
    return {int(run): Drill(*rest) for run, *rest in cursor.fetchall()}


def _has(cursor: Cursor, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    return cursor.fetchone() == (True,)
