"""A copy of a database that others write to, made where SQLite can open it: whole, or only what has changed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from backup.holes import require_pages
from backup.read_lock import reading
from backup.refresh import Base, CannotRefresh, Fresh, prepare, refresh
from backup.sums import of_file
from backup.unlocked_copy import copy_unlocked, in_rollback_mode
from backup.wal import Wal


def copy_changed(source: Path, into: Path, base: Base) -> Fresh:
    """Raises CannotRefresh where it has to be copied whole."""
    stale = prepare(base, into)
    if in_rollback_mode(source):
        return copy_unlocked(source, into, base, stale)
    with Wal(source) as wal:
        position = wal.position()
        with reading(source) as reader:
            changed, sums = refresh(reader, wal, base, into, stale)
    return Fresh(changed, position, sums)


def copy_hot(source: Path, into: Path) -> Fresh:
    if in_rollback_mode(source):
        with suppress(CannotRefresh):
            return copy_unlocked(source, into, None)
        into.unlink(missing_ok=True)
    with Wal(source) as wal:
        position = wal.position()
        with reading(source) as reader:
            [(pages, page_size)] = reader.execute("SELECT * FROM pragma_page_count, pragma_page_size")
            require_pages(source, pages, page_size)
            writer = sqlite3.connect(into, isolation_level=None)
            try:
                writer.execute("PRAGMA synchronous = OFF")
                reader.backup(writer, pages=-1)
            finally:
                writer.close()
            if reader.execute("PRAGMA page_count").fetchone() == (0,):
                os.truncate(into, 0)  # of a file without a byte, SQLite makes a copy with an empty page
    return Fresh(None, position, of_file(into))
