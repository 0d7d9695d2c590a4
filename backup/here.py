"""How many rows the source's tables have right now, for telling; what is mirrored is read from a snapshot."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from backup import aside, snapshot
from backup.config import BackupSettings
from backup.locked import locked
from backup.read_lock import BUSY_SECONDS, require_openable
from mirror.errors import SidemirrorError
from mirror.names import quote_sqlite


def rows_here(settings: BackupSettings, file: str) -> dict[str, int] | None:
    """Rows of each table of a database; None where it cannot be read (the run says why)."""
    path = settings.sqlite_dir / file
    if file in aside.counted(settings.state_dir) or locked(path):
        return None  # a run was ended at it, or it would be waited for
    try:
        require_openable(path)
        return _count(f"file:{quote(str(path))}?mode=ro")
    except (SidemirrorError, sqlite3.Error, ValueError, MemoryError):
        pass
    try:
        # In the state folder: a container's /tmp is memory, and a copy can be large.
        with tempfile.TemporaryDirectory(dir=settings.state_dir) as folder:
            copy = snapshot.take(path, Path(folder) / "copy", full_check=False, deadline=5)
            return _count(f"file:{quote(str(copy.path))}?mode=ro&immutable=1")
    except Exception:  # noqa: BLE001 - what a stranger's file can do is not known, and status must be told all the same
        return None


def _count(uri: str) -> dict[str, int]:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN")
        tables = connection.execute(
            "SELECT name FROM temp.pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') "
            "AND name <> 'sqlite_schema'"
        ).fetchall()
        return {
            name: int(connection.execute(f"SELECT count(*) FROM main.{quote_sqlite(name)} NOT INDEXED").fetchone()[0])
            for (name,) in tables
        }
    finally:
        connection.close()
