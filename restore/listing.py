"""The restore points that the target holds, newest first."""

from __future__ import annotations

from mirror.errors import NoBackup
from mirror.settings import Settings
from mirror.target import connected, reading


def restore_points(settings: Settings, most: int = 50) -> list[str]:
    """A heading and a line for each of the newest points. Raises NoBackup."""
    with connected(settings) as connection, reading(connection) as cursor:
        cursor.execute("SELECT to_regclass('sidemirror.runs') IS NOT NULL")
        rows = []
        if cursor.fetchone() == (True,):
            cursor.execute(
                "SELECT r.run, to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), r.rows_upserted, "
                "r.rows_deleted, r.documents_changed, r.proved_at IS NOT NULL "
                "FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id "
                "WHERE s.name = %s ORDER BY r.run DESC LIMIT %s",
                (settings.source_name, most),
            )
            rows = cursor.fetchall()
    if not rows:
        raise NoBackup(f"the target has no backup of the source {settings.source_name}", "check SOURCE_NAME")
    lines = [f"{'run':>7}  {'time (UTC)':<19}  {'upserted':>9}  {'deleted':>8}  {'documents':>9}  proved"]
    for run, at, upserted, deleted, documents, proved in rows:
        lines.append(f"{run:>7}  {at}  {upserted:>9}  {deleted:>8}  {documents:>9}  {'yes' if proved else '-'}")
    return lines
