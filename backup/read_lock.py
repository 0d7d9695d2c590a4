"""SQLite's read lock on the bot's database: all that is read under it is of one instant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mirror import safe_files
from mirror.errors import SourceUnsupported

BUSY_SECONDS = 5.0


def require_openable(source: Path) -> None:
    """Raises SourceUnsupported where SQLite, which opens by name, would follow a link or wait at a FIFO."""
    try:
        safe_files.require_files(safe_files.with_side_files(source))
    except safe_files.Refused as error:
        raise SourceUnsupported(
            f"{source.name} is not mirrored: {error.strerror}",
            "SQLite has not put that there: find out who did, and remove it; all others go on",
        ) from error


@contextmanager
def reading(source: Path) -> Iterator[sqlite3.Connection]:
    """A connection in a read transaction."""
    require_openable(source)  # again: this one is waited for, and tried again
    reader = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # takes the read lock; tells precisely why not
        yield reader
    finally:
        reader.close()
