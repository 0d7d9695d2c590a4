"""The restore points that the target holds, newest first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mirror.errors import NoBackup
from mirror.settings import Settings
from mirror.target import connected, reading


@dataclass(frozen=True)
class RestorePoint:
    """One committed run: when it ended, what it changed, whether a drill proved that it can be restored."""

    run: int
    at: datetime
    upserted: int
    deleted: int
    documents: int
    proved: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at.astimezone(UTC).isoformat(timespec="seconds")}


def restore_points(settings: Settings, source: str) -> tuple[RestorePoint, ...]:
    """All of a source's. Raises NoBackup."""
    with connected(settings) as connection, reading(connection) as cursor:
        cursor.execute("SELECT to_regclass('sidemirror.runs') IS NOT NULL")
        rows: list[tuple[Any, ...]] = []
        if cursor.fetchone() == (True,):
            cursor.execute(
                "SELECT r.run, r.finished_at, r.rows_upserted, r.rows_deleted, r.documents_changed, "
                "r.proved_at IS NOT NULL FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id "
                "WHERE s.name = %s ORDER BY r.run DESC",
                (source,),
            )
            rows = cursor.fetchall()
    if not rows:
        raise NoBackup(f"the target has no backup of the source {source}", "check SOURCE_NAME")
    return tuple(RestorePoint(*row) for row in rows)


def as_lines(points: tuple[RestorePoint, ...], most: int = 50) -> list[str]:
    """A heading and a line for each of the newest points."""
    zone = datetime.now().astimezone().strftime("%Z")
    heading = f"time ({zone})"
    lines = [
        f"{'run':>7}  {'time (UTC)':<19}  {heading:<19}  {'upserted':>9}  {'deleted':>8}  {'documents':>9}  proved"
    ]
    for point in points[:most]:
        utc, local = (at.strftime("%Y-%m-%d %H:%M:%S") for at in (point.at.astimezone(UTC), point.at.astimezone()))
        changed = f"{point.upserted:>9}  {point.deleted:>8}  {point.documents:>9}"
        lines.append(f"{point.run:>7}  {utc}  {local}  {changed}  {'yes' if point.proved else '-'}")
    if len(points) > most:
        lines.append(f"and {len(points) - most} older ones; --json shows all")
    return lines
