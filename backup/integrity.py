"""SQLite's own check of a copy, and what SQLite says about a source as our own errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from backup import budget
from mirror import sqlite_check
from mirror.errors import SidemirrorError, SourceBusy, SourceCorrupt, SourceUnreadable, SourceUnsupported, StateError
from mirror.findings import Remark

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MISSING = ("no such collation", "no such function", "unknown function", "no such module")
_ANOTHER = ("syntax error", "unknown table option", "missing datatype", "unrecognized token")


def check(copy: Path, name: str, full: bool, table: str | None = None) -> tuple[Remark, ...]:
    """SQLite's own check of a private copy, or of one table in it: what it found that does the mirror no harm.

    Raises SourceCorrupt, or SourceUnsupported when it cannot be read here.
    """
    connection = sqlite_check.opened(copy)
    try:
        budget.hold(connection, copy)
        found = sqlite_check.checked(connection, full, table)
    except sqlite3.Error as error:
        raise explain(error, name) from error
    finally:
        connection.close()
    if found.broken and all("index" in line for line in found.broken):
        raise SourceCorrupt(
            f"{name} has an index that its rows cannot be told apart by: {'; '.join(found.broken[:3])}",
            "restore nothing, its rows are there: stop the bot, and in its database: REINDEX (where that fails, there are "
            "rows with the same key: delete all but one of them)",
        )
    if found.broken:
        raise SourceCorrupt(
            f"{name} is corrupt: {'; '.join(found.broken[:3])}",
            "the mirror stays as it was; bring the last good state back with: ./sidemirror restore --only "
            + name.rsplit(".", 1)[0],
        )
    if found.forbidden:
        raise SourceUnsupported(
            f"{name} has values that their column's declaration forbids, and that no statement can write again: "
            + "; ".join(found.forbidden[:3]),
            "nothing is damaged, so restore nothing: give those rows values that the column takes",
        )
    return found.remarks


def explain(error: sqlite3.Error, name: str) -> SidemirrorError:
    """What SQLite said about a source, as our own error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return SourceBusy(
            f"{name} is locked: another program holds it exclusively",
            "it is tried again at the next run; a bot that uses locking_mode=EXCLUSIVE cannot be mirrored while it runs",
        )
    if "malformed database schema" in str(error) and any(words in str(error) for words in _ANOTHER):
        return SourceUnsupported(
            f"{name} has a schema that the SQLite here ({sqlite3.sqlite_version}) cannot read: {error}",
            "a newer SQLite, or libSQL, has made it? Then it is not damaged: keep that table in a database of its own; "
            "otherwise: ./sidemirror restore",
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
    if any(words in str(error) for words in _MISSING):
        return SourceUnsupported(
            f"{name} has values that need what this SQLite ({sqlite3.sqlite_version}) does not have: {error}",
            "keep what needs the bot's own extension in a database of its own",
        )
    return SourceUnreadable(f"{name} cannot be read: {error}", "see docs/reading.md")
