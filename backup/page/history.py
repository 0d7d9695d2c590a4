"""The line of time: restore points over days, what happened beside them, and what changed since one of them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from backup import answer, events
from backup.page.series import columns

SPANS = {"day": 86400.0, "week": 7 * 86400.0, "month": 30 * 86400.0, "all": None}
BARS = 96
POINTS_ON_A_PAGE = 50

# Between the end of a drill and the line of the events that tells it.
SAME_SECONDS = 30

# What an event is on the line of time, by its kind.
_GROUPS = {
    "GuardHeld": "guard", "Accepted": "guard", "Drill": "drill", "DrillFailed": "drill", "NotVerified": "drill",
    "Restored": "done", "Repaired": "done", "TakenOver": "done",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One restore point: when, and the rows and documents that it brought."""

    run: int
    at: float
    kind: str
    added: int
    changed: int
    removed: int
    documents: int
    proved: bool


@dataclass(frozen=True)
class TableChange:
    """A table between a restore point and now. `then`: its rows at that point."""

    id: int
    file: str
    name: str
    gone: bool
    added: int
    changed: int
    removed: int
    now: int

    @property
    def then(self) -> int:
        return max(0, self.now - self.added + self.removed)


@dataclass(frozen=True)
class Happening:
    """Something beside the restore points: a drill, a guard that holds, a trouble. `ended`: when it was over (ISO 8601)."""

    at: float
    group: str  # drill, guard, alert, done (by a person)
    good: bool
    what: str
    ended: str | None = None


_POINT = "run, at, kind, added, changed, removed, documents, proved"


def points(
    view: sqlite3.Connection, before: int | None = None, day: tuple[float, float] | None = None
) -> tuple[Point, ...]:
    """The newest of them, one more than a page holds if there are more; `before` a run, within `day`."""
    begin, end = day or (0.0, 1e12)
    rows = view.execute(
        f"SELECT {_POINT} FROM points WHERE run < ? AND at >= ? AND at < ? ORDER BY run DESC LIMIT ?",
        (before if before is not None else 1 << 62, begin, end, POINTS_ON_A_PAGE + 1),
    )
    return tuple(Point(*(*row[:7], bool(row[7]))) for row in rows)


def point(view: sqlite3.Connection, run: int) -> Point | None:
    """One of them."""
    row = view.execute(f"SELECT {_POINT} FROM points WHERE run = ?", (run,)).fetchone()
    return None if row is None else Point(*(*row[:7], bool(row[7])))


def neighbours(view: sqlite3.Connection, run: int) -> tuple[int | None, int | None]:
    """The restore points before and after one."""
    [row] = view.execute(
        "SELECT (SELECT max(run) FROM points WHERE run < ?1), (SELECT min(run) FROM points WHERE run > ?1)", (run,)
    )
    return row[0], row[1]


def changes_since(view: sqlite3.Connection, run: int) -> tuple[TableChange, ...]:
    """What the runs after a restore point did to each table, the most changed first."""
    return _changes(view, "p.run > ?", run)


def changes_of(view: sqlite3.Connection, run: int) -> tuple[TableChange, ...]:
    """What a restore point itself brought."""
    return _changes(view, "p.run = ?", run)


def bars(view: sqlite3.Connection, span: str, now: float) -> dict[str, Any]:
    """Columns for a chart: the time at which each bar begins; rows added, changed, removed; restore points."""
    [(oldest,)] = view.execute("SELECT min(at) FROM points")
    seconds = SPANS[span] or max(now - (oldest or now), 3600.0)
    width = seconds / BARS
    rows = {
        place: tuple(sums)
        for place, *sums in view.execute(
            "SELECT CAST((at - ?1) / ?2 AS INTEGER), sum(added), sum(changed), sum(removed), count(*) FROM points "
            "WHERE at >= ?1 AND at <= ?3 GROUP BY 1",
            (now - seconds, width, now + 60),
        )
    }
    empty = (0, 0, 0, 0)
    return {
        "bars": columns([(now - seconds + n * width, *rows.get(n, empty)) for n in range(BARS + 1)], 5),
        "width": width,
    }


def happenings(view: sqlite3.Connection | None, state_dir: Path, newest: int = 100) -> tuple[Happening, ...]:
    """Drills, guards, troubles and what people did, newest first."""
    written = events.read(state_dir, newest)
    over = {(event.kind, event.subject, event.what) for event in written if event.ended}
    found = [
        _happening(event) for event in written if event.ended or (event.kind, event.subject, event.what) not in over
    ]
    # The events have the latest drills, by their end; the target remembers those of before the file began, by their start.
    oldest = min((one.at for one in found), default=1e12)
    ends = [one.at for one in found if one.group == "drill"]
    if view is not None:
        for at, run, ok, took, what in view.execute(
            "SELECT at, run, ok, seconds, what FROM drills WHERE at < ? ORDER BY at DESC LIMIT ?", (oldest, newest)
        ):
            if any(0 <= end - at <= (took or 0) + SAME_SECONDS for end in ends):
                continue
            told = (
                f"restore point {run} restored and compared in {answer.took(took)}" if ok else f"a drill failed: {what}"
            )
            found.append(Happening(at, "drill", bool(ok), told))
    return tuple(sorted(found, key=lambda one: -one.at)[:newest])


def _happening(event: events.Event) -> Happening:
    try:
        at = datetime.fromisoformat(event.at).timestamp()
    except ValueError:
        at = 0.0
    group = _GROUPS.get(event.kind, "drill" if "Drill" in event.kind else "alert")
    named = event.subject in ("run", "") or event.subject.lower() in event.what.lower()
    told = event.what if named or group == "done" else f"{event.subject}: {event.what}"
    if event.kind == "Accepted":
        told = f"accepted: {told}"
    return Happening(at, group, group == "done" or event.ended is not None or not event.hint, told, event.ended)


def _changes(view: sqlite3.Connection, condition: str, run: int) -> tuple[TableChange, ...]:
    rows = view.execute(
        "SELECT t.id, t.file, t.name, t.gone, s.added, s.changed, s.removed, t.mirror FROM ("
        "SELECT p.table_id, sum(p.added) AS added, sum(p.changed) AS changed, sum(p.removed) AS removed "
        f"FROM point_tables AS p WHERE {condition} GROUP BY p.table_id) AS s JOIN tables AS t ON t.id = s.table_id "
        "ORDER BY s.added + s.changed + s.removed DESC, t.file, t.name",
        (run,),
    )
    return tuple(TableChange(*(*row[:3], bool(row[3]), *row[4:])) for row in rows)
