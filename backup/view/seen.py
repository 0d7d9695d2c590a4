"""What one run saw and changed, as the page will show it. Pure but for the size and time of the source's files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from backup.changes import DatabaseChange, TableChange, TableChanged, TableCreated, TableDropped
from backup.documents import Document
from backup.look import Work
from mirror.safe_files import SIDE_FILES


@dataclass(frozen=True)
class TableSeen:
    """One table that a run changed: rows now, and how many were added, changed and removed."""

    file: str
    name: str
    rows: int
    added: int
    changed: int
    removed: int
    gone: bool = False


@dataclass(frozen=True)
class Seen:
    """What a run brought to the mirror. `written_at`: the last write to what it brought (epoch); None for nothing."""

    tables: tuple[TableSeen, ...]
    documents: tuple[tuple[str, Document | None], ...]
    written_at: float | None


def seen(work: Work) -> Seen:
    """What is in a run's change set."""
    tables = {(table.file, table.name): table for database in work.databases for table in of_database(database)}
    for removed in work.removed:
        for known in removed.tables:
            rows = known.content.rows
            tables[removed.file, known.mirror.name] = TableSeen(removed.file, known.mirror.name, 0, 0, 0, rows, True)
    documents = tuple((change.file, change.document) for change in work.documents)
    written = [last_write(work.settings.sqlite_dir / database.file) for database in work.databases]
    written += [document.mtime_ns / 1e9 for _, document in documents if document is not None]
    return Seen(tuple(tables.values()), documents, max((at for at in written if at), default=None))


def of_database(database: DatabaseChange) -> tuple[TableSeen, ...]:
    """Its changed tables. One that was made anew in another shape is one table here: rows removed and rows added."""
    found: dict[str, TableSeen] = {}
    for change in database.tables:
        table = _table(database.file, change)
        before = found.get(table.name)
        if before is not None:
            kept, other = (before, table) if table.gone else (table, before)
            table = replace(kept, added=kept.added + other.added, removed=kept.removed + other.removed)
        found[table.name] = table
    for change in database.tables:
        was = change.known.mirror.name if isinstance(change, TableChanged) else None
        if was is not None and was not in found:  # it has another name now
            found[was] = TableSeen(database.file, was, 0, 0, 0, 0, gone=True)
    return tuple(found.values())


def _table(file: str, change: TableChange) -> TableSeen:
    if isinstance(change, TableDropped):
        known = change.known
        return TableSeen(file, known.mirror.name, 0, 0, 0, known.content.rows, gone=True)
    if isinstance(change, TableCreated):
        return TableSeen(file, change.table.name, change.rows, change.rows, 0, 0)
    added = max(0, change.content.rows - change.known.content.rows + change.deletes)
    return TableSeen(
        file, change.table.name, change.content.rows, added, max(0, change.upserts - added), change.deletes
    )


def last_write(path: Path) -> float | None:
    """When a database or its side files were last written to (epoch); None where it is gone."""
    times = []
    for name in (path.name, *(path.name + suffix for suffix in SIDE_FILES if suffix != "-shm")):
        try:
            times.append((path.parent / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def size(path: Path) -> int | None:
    """Bytes of a database with its WAL; None where it is gone."""
    total = 0
    for suffix in ("", "-wal"):
        try:
            total += os.stat(f"{path}{suffix}").st_size  # noqa: PTH116 - one name, with a suffix that may hold a dot
        except OSError:
            if not suffix:
                return None
    return total
