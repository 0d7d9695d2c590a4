"""SQLite's own check of a copy, and what SQLite says about a source as our own errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from backup import budget
from mirror.errors import SidemirrorError, SourceBusy, SourceCorrupt, SourceUnreadable, SourceUnsupported, StateError
from mirror.names import quote_sqlite

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def check(copy: Path, name: str, full: bool, table: str | None = None) -> None:
    """SQLite's own check of a private copy, or of one table in it.

    Raises SourceCorrupt, or SourceUnsupported when it needs an extension.
    """
    connection = sqlite3.connect(f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True)
    try:
        budget.hold(connection, copy)
        pragma = "integrity_check" if full else "quick_check"
        problems = connection.execute(f"PRAGMA {pragma}({quote_sqlite(table) if table else 3})").fetchall()
    except sqlite3.Error as error:
        raise explain(error, name) from error
    finally:
        connection.close()
    if problems != [("ok",)]:
        raise SourceCorrupt(
            f"{name} is corrupt: {'; '.join(str(problem) for (problem,) in problems[:3])}",
            "the mirror stays as it was; bring the last good state back with: ./sidemirror restore --only "
            + name.rsplit(".", 1)[0],
        )


def explain(error: sqlite3.Error, name: str) -> SidemirrorError:
    """What SQLite said about a source, as our own error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return SourceBusy(
            f"{name} is locked: another program holds it exclusively",
            "it is tried again at the next run; a bot that uses locking_mode=EXCLUSIVE cannot be mirrored while it runs",
        )
    if code in _BROKEN:
        return SourceCorrupt(
            f"{name} is corrupt: {error}",
            "the mirror stays as it was; bring the last good state back with: ./sidemirror restore",
        )
    if budget.exceeded(error):
        return SourceUnsupported(
            f"{name} has or makes values that cost too much to be read: "
            + ("they take too long" if budget.takes_long(error) else "one of them is too large"),
            "a generated column, a check or an index of it makes large values out of small ones: keep them, or what makes "
            "them, out of the database; all other databases go on",
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and "disk" in str(error)):
        return StateError("there is no room in the state folder for a copy of " + name, "make room on that disk")
    if any(words in str(error) for words in ("no such collation", "no such function", "no such module")):
        return SourceUnsupported(
            f"{name} uses something that this SQLite does not have: {error}",
            "keep what needs the bot's own extension in a database of its own",
        )
    return SourceUnreadable(f"{name} cannot be read: {error}", "see docs/reading.md")
