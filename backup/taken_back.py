"""What a person took back on purpose, for the guards: a restore to less is no loss."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection

from backup.config import BackupSettings
from mirror import restored
from mirror.catalog import CatalogDatabase, State, read_state
from mirror.restored import Restored


def note_of(settings: BackupSettings, file: str, token: str) -> Restored | None:
    """The note of the file's last restore, as long as its mirror is what it was then; `token` is that of the mirror."""
    note = restored.read(settings.notes_dir).get(file)
    return note if note is not None and note.token == token else None


def state_then(connection: Connection, settings: BackupSettings, note: Restored) -> State | None:
    """What there was at the restore point."""
    return read_state(connection, note.source or settings.source_name, note.run)


def rows_then(known: CatalogDatabase, point: CatalogDatabase, tables: tuple[str, ...] | None) -> dict[str, int]:
    """Each table's rows at the restore point; of one that was not taken back, those that the mirror has."""
    then = {table.mirror.name: table.content.rows for table in point.tables}
    if tables is None:
        return then
    now = {table.mirror.name: table.content.rows for table in known.tables}
    return now | {name: rows for name, rows in then.items() if name in tables}
